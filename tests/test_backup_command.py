"""Backups that a command lists, and that a command checks."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from exporter.collector import Trouble
from exporter.collectors.backup.checking import checked, listed_by_command
from exporter.collectors.backup.files import File
from exporter.collectors.backup.others import CheckSettings, ListSettings
from exporter.collectors.backup.settings import BackupSettings
from exporter.deadline import Cancel
from tests.backups import aged, judged_page, unjudged, value, watching

RESTIC = [
    {"time": "2026-01-01T02:00:00.123456789+01:00", "short_id": "aa11", "summary": {"total_bytes_processed": 700}},
    {"time": "2026-01-02T02:00:00.5Z", "short_id": "bb22"},
]
BORG = {"archives": [{"name": "shop-1", "start": "2026-01-01T02:00:00.000000"}], "repository": {}}
PGBACKREST = [{"backup": [{"label": "20260101F", "info": {"size": 9}, "timestamp": {"stop": 1767229200}}]}]


def listing(tmp_path: Path, document: Any, **more: Any) -> list[list[Any]]:
    text = document if isinstance(document, str) else json.dumps(document)
    (tmp_path / "told").write_text(text)
    command = ListSettings(command=("cat", str(tmp_path / "told")), **more)
    return listed_by_command(BackupSettings(list_command=command), Cancel())


def test_what_restic_borg_and_pgbackrest_list(tmp_path: Path) -> None:
    paths = {"name": "short_id", "size": "summary.total_bytes_processed"}
    assert listing(tmp_path, RESTIC, **paths) == [["aa11", 1767229200.123456, 700], ["bb22", 1767319200.5, None]]
    found = listing(tmp_path, BORG, items="archives", time="start")
    assert [one[0] for one in found] == ["shop-1"]
    paths = {"items": "[].backup[]", "name": "label", "time": "timestamp.stop", "size": "info.size"}
    assert listing(tmp_path, PGBACKREST, **paths) == [["20260101F", 1767229200.0, 9]]
    lines = '{"name": "a", "time": 5, "size": 7}\n\n{"name": 6, "time": 8}\n'
    assert listing(tmp_path, lines) == [["a", 5.0, 7], ["6", 8.0, None]]
    assert listing(tmp_path, '{"name": "a", "time": 5}') == [["a", 5.0, None]]
    assert listing(tmp_path, "") == listing(tmp_path, "[]") == []


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("Fatal: no repository", "cat wrote no JSON"),
        ("7", "cat wrote no list of backups"),
        ('[{"time": 5}]', "there is no name at `name`"),
        ('[{"name": "a", "time": "yesterday"}]', "there is no time at `time`"),
        ('[{"name": "a", "time": 1e300}]', "there is no time at `time`"),
        ('[{"name": "a", "time": true}]', "there is no time at `time`"),
        ("[" * 100_000, "cat wrote what is nested too deep"),
    ],
    ids=["text", "number", "nameless", "no date", "far", "bool", "deep"],
)
def test_what_no_list_can_be_read_from(tmp_path: Path, document: str, said: str) -> None:
    with pytest.raises(Trouble, match=said):
        listing(tmp_path, document)


def test_commands_that_fail_to_list() -> None:
    for command, more, said in (
        (("false",), {}, "false ended with 1"),
        (("sleep", "60"), {"timeout": 0.2}, "sleep was killed"),
        (("yes",), {"max_bytes": 1000}, "yes was killed, as it wrote more"),
        (("/nonexistent/restic",), {}, "cannot be run"),
    ):
        settings = BackupSettings(list_command=ListSettings(command=command, **more))
        with pytest.raises(Trouble, match=said):
            listed_by_command(settings, Cancel())


def test_the_verdict_of_a_command() -> None:
    file = File("a name", "/backup/a name", 0.0, 1, "key")

    def said(*words: str, cannot: tuple[int, ...] = (), timeout: float = 10.0) -> Any:
        try:
            return checked(CheckSettings(command=words, cannot=cannot), file, timeout, Cancel()) == ""
        except Trouble as trouble:
            return str(trouble)

    assert said("test", "{file}", "=", "/backup/a name") is True
    assert said("test", "{name}", "=", "a name") is True
    assert said("sh", "-c", "exit 3") is False
    assert said("sh", "-c", "exit 11", cannot=(10, 11)) == "sh ended with 11: it could not tell"
    assert said("sh", "-c", "exit 127") == "sh ended with 127: it could not tell"
    assert said("sh", "-c", "kill -9 $$") == "sh ended with 137: it could not tell"
    assert "took longer" in said("sleep", "60", timeout=0.2)


def test_a_command_that_writes_much_is_told_what_helps() -> None:
    with pytest.raises(Trouble, match="yes was killed, as it wrote more than 1048576 bytes") as told:
        checked(CheckSettings(command=("yes",)), File("a", "/a", 0.0, 1, "key"), 10.0, Cancel())
    assert told.value.fix == "nothing reads what it writes: have it write less, or to /dev/null"


def test_what_a_verdict_rests_on_with_a_command_besides(tmp_path: Path) -> None:
    for name in ("whole", "wrong"):
        (tmp_path / name).mkdir()
        with gzip.open(tmp_path / name / "a.json.gz", "wb") as file:
            file.write(b"{}")
        aged(tmp_path / name / "a.json.gz", 100)
    check = "check_command: {command: [sh, -c, 'case {file} in */whole/*) ;; *) exit 1;; esac']}"
    backups = "\n".join(f"{name}: {{path: {tmp_path}/{name}, {check}}}" for name in ("whole", "wrong"))
    with watching(backups) as target:
        page = judged_page(target, 'runbook_backup_verified{backup="wrong"}')
        assert page['runbook_backup_info{backup="whole",format="json",way="checksums"}'] == "1"
        assert page['runbook_backup_info{backup="wrong",format="json",way="damage"}'] == "1"
        assert "wrong: 'a.json.gz': sh ended with 1" in target.outcomes()["verification"]


def test_backups_that_a_command_lists_and_another_checks(tmp_path: Path) -> None:
    listed = [{"name": "a", "time": 1767229200, "size": 10}, {"name": "b", "time": 1767319200, "size": 20}]
    told = tmp_path / "told"
    told.write_text(json.dumps(listed))
    backups = f"""
        it: {{list_command: {{command: [cat, {told}]}}, check_command: {{command: [test, "{{name}}", "=", b]}}}}
        loose: {{list_command: {{command: [cat, {told}]}}}}
    """
    with watching(backups) as target:
        page = judged_page(target)
        assert (value(page, "files"), value(page, "size_bytes"), value(page, "previous_size_bytes")) == (2, 20, 10)
        assert value(page, "last_success_timestamp_seconds") == 1767319200
        assert page['runbook_backup_info{backup="it",format="command",way="command"}'] == "1"
        assert "loose: no verification: nothing verifies it" in unjudged(target)
        assert value(target.page(), "verified", "loose") is None
