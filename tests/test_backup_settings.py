"""Mistakes in the settings of backups are told with their place and the remedy."""

import pytest

from exporter import config
from exporter.config import ConfigError

LIST = "list_command: {command: [restic]}"


def problems(backup: str, more: str = "") -> str:
    text = f"targets:\n  it:\n    collector: backup\n{more}    backups:\n      db: {{{backup}}}\n"
    with pytest.raises(ConfigError) as error:
        config.read(text.encode(), "config.yml", config.INSTALLED, {})
    return str(error.value)


@pytest.mark.parametrize(
    ("backup", "said"),
    [
        ("interval: 1d", "path: and `list_command` are both given, or neither"),
        (f"path: /b, {LIST}", "path: and `list_command` are both given"),
        (f"{LIST}, files: [a]", "list_command: tells no files"),
        (f"{LIST}, format: tar", "format: is tar"),
        ("path: /b, files: [/etc/passwd]", "is no pattern below `path`"),
        ("path: /b, files: [../x]", "is no pattern below `path`"),
        ('path: /b, files: ["**/x"]', "is no pattern below `path`"),
        ("path: /b, time: name", "time_format: and `time: name` belong together"),
        ('path: /b, time: name, time_format: "%Y", timezone: Mars/Base', "timezone: 'Mars/Base' is no time zone here"),
        ("path: /b, interval: 0s", "interval: is no time at all"),
        ("path: /b, verify_timeout: 0s", "verify_timeout: is no time at all"),
        ("path: /b, max_bytes: 0", "max_bytes: leaves nothing"),
        ("path: /b, format: command", "check_command: is missing"),
        ("path: /b, format: json, tables: [a]", "tables: says nothing of json"),
        ("path: /b, format: sql, members: [a]", "members: says nothing of sql"),
        ("path: /b, format: tar, database: a", "database: says nothing of tar"),
        ("path: /b, format: tar, schema: a.json", "schema: says nothing of tar"),
        ("path: /b, format: sql, restore: {server: true}", "restore: says nothing of sql"),
        ("path: /b, restore: {}", "restore.server: and `postgres` are both given, or neither"),
        ("path: /b, restore: {postgres: 'postgresql://h/d', user: a}", "restore.user: is about a server of its own"),
        ("path: /b, restore: {server: true, least_rows: {t: 0}}", "restore.least_rows.t: is no number of rows"),
        ("path: /b, restore: {server: true, interval: 0s}", "restore.interval: is no time at all"),
        ("list_command: {command: [restic], time: 'a['}", "list_command.time: is no JMESPath"),
        ("list_command: {command: [restic], every: 0s}", "list_command.every: is no time at all"),
        ("path: /b, check_command: {command: []}", "check_command.command: names no program"),
        ("path: /b, fromat: tar", "fromat"),
    ],
)
def test_a_mistake_is_told_with_its_place(backup: str, said: str) -> None:
    assert said in problems(backup)


def test_names_and_times_of_the_target() -> None:
    assert "path_timeout: leaves no time at all" in problems("path: /b", "    path_timeout: 0s\n")
    text = "targets:\n  it:\n    collector: backup\n    backups:\n      'a b': {path: /b}\n"
    with pytest.raises(ConfigError, match="cannot have this name"):
        config.read(text.encode(), "config.yml", config.INSTALLED, {})
    with pytest.raises(ConfigError, match="is empty"):
        config.read(text.partition("\n      'a")[0].encode() + b" {}\n", "config.yml", config.INSTALLED, {})
