"""The runbook pages say nothing that guides say and that is not so, and their commands are such as there are."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from typing import Final

import pytest

from exporter import pack
from tests.test_runbooks import PAGES, blocks

# What does not work, or proves nothing: tried. A page may say so in its text; its commands must do without.
NOT_SO: Final = {
    r"\btop -p\b": "it takes no more than twenty ids, and one line of them",
    r"chromedriver\.chromium\.org": "retired",
    r"\bdocker-compose\b": "retired: docker compose",
    r"\bdocker scan\b": "gone",
    r"pg_restore [^\n|;]*(-t|--table)\b": "it leaves indexes and constraints out",
    r"pg_restore [^\n|;]*(-l|--list)\b[^\n|]*(\n|$)": "it passes truncated dumps",
    r"ORDER BY duration|SELECT [^;]*\bduration\b[^;]* FROM pg_stat_activity": "there is no such column",
    r"duckdb[^\n]*(PRAGMA integrity_check|busy_timeout|\.backup|\bVACUUM\b)": "there is none, or it does nothing",
    r"duckdb_indexes": "it knows no use",
    r"\bMemoryLimit=": "its name is MemoryMax=",
    r"performance\.timing|chrome\.memory|typeof localStorage": "0 in the load event; not there; proves nothing",
    r"\bping (-\S+ )*(localhost|127\.0\.0\.1)": "the kernel answers",
    r"\b(netstat|ifconfig|apt-key)\b": "not there any more",
}  # fmt: skip
MENTIONED: Final = {
    "PRAGMA integrity_check": "DuckDB", "busy_timeout": "DuckDB", "MemoryLimit=": "", "pg_restore -t": "", "--list": "",
    "VACUUM": "DuckDB",
}  # fmt: skip
"""Words that stand in the text of a page only where it says that they are none of it (of pages on this subject)."""
DENIED: Final = re.compile(r"\b(no|not|nothing|none|old name|leaves? out|passes|only)\b")
PARTS: Final = re.compile(r"(?<=[.:;!?])\s+|\n\s*\n|\n\s*[-|]")
# A command begins a line, or follows what begins another one.
BEGINS: Final = re.compile(r"^|&&|\|\||[|;(]|\$\(|(?<![\w-])(?:do|then|else|time|if|while|until|!)\s", re.MULTILINE)
OPTION: Final = re.compile(r"--[a-z][a-z0-9-]+")
# What tells its options by --help, in words that a test may rely on; of others pages name letters.
TELLS: Final = {
    "curl": ("curl", "--help", "all"), "rsync": ("rsync", "--help"), "journalctl": ("journalctl", "--help"),
    "systemctl": ("systemctl", "--help"), "findmnt": ("findmnt", "--help"), "lslocks": ("lslocks", "--help"),
    "pg_dump": ("pg_dump", "--help"), "pg_restore": ("pg_restore", "--help"), "psql": ("psql", "--help"),
    "redis-cli": ("redis-cli", "--help"), "prlimit": ("prlimit", "--help"), "lsblk": ("lsblk", "--help"),
    "du": ("du", "--help"), "grep": ("grep", "--help"), "install": ("install", "--help"), "cp": ("cp", "--help"),
    "chown": ("chown", "--help"), "chmod": ("chmod", "--help"), "ls": ("ls", "--help"), "head": ("head", "--help"),
    "systemd-tmpfiles": ("systemd-tmpfiles", "--help"), "systemd-cgtop": ("systemd-cgtop", "--help"),
}  # fmt: skip


def test_no_command_is_one_that_does_not_do_what_guides_say() -> None:
    codes = {alert: code_of(alert) for alert in PAGES}
    found = [(alert, why) for alert in PAGES for pattern, why in NOT_SO.items() if re.search(pattern, codes[alert])]
    assert found == []


def code_of(alert: str) -> str:
    """Return the commands and queries of a page, without their comments."""
    code = "\n".join(text for language in ("sh", "sql") for text in blocks(language, alert))
    return re.sub(r"^\s*(#|--\s).*$", "", code, flags=re.MULTILINE)


@pytest.mark.parametrize("pattern", NOT_SO)
def test_what_is_not_so_is_seen(pattern: str) -> None:
    assert any(re.search(pattern, line) for line in FROM_GUIDES), pattern


# As guides have it, in few words.
FROM_GUIDES: Final = [
    "top -p $(pgrep -f python)", "https://chromedriver.chromium.org/downloads", "docker-compose exec manage",
    "docker scan backend:latest", "pg_restore -d shop -t orders shop.dump", "pg_restore --list shop.dump",
    "SELECT * FROM pg_stat_activity ORDER BY duration DESC", 'duckdb mem.duckdb "PRAGMA integrity_check;"',
    "SELECT * FROM duckdb_indexes();", "MemoryLimit=8G", "chrome.memory", "ping localhost", "netstat -tulpn",
]  # fmt: skip


def test_a_page_names_what_is_not_so_only_to_say_so() -> None:
    assert [(alert, part) for alert in PAGES for part in told_as_if_so(alert)] == []


def told_as_if_so(alert: str) -> Iterator[str]:
    """Yield the sentences that name what is not so, and do not say that it is not."""
    text = re.sub(r"^( *)```.*?^ *```$", "", pack.runbook(alert), flags=re.MULTILINE | re.DOTALL)
    for word, subject in MENTIONED.items():
        if word in text and subject in text:
            said = [part for part in PARTS.split(text) if word in part and subject in part]
            yield from (part for part in said if not DENIED.search(part))


def commands(alert: str) -> Iterator[list[str]]:
    """Yield the commands of a page with their options, as words, each as far as it can be told without a shell."""
    for code in blocks("sh", alert):
        joined = re.sub(r"\\\n\s*", " ", re.sub(r"(^|\s)#.*$", "", code, flags=re.MULTILINE))
        for part in BEGINS.split(joined):
            line = part.partition("\n")[0]
            try:
                words = shlex.split(line, comments=True)
            except ValueError:  # a quotation that goes on
                words = line.split()
            if words:
                yield words


@cache
def told(program: str) -> str:
    ended = subprocess.run(TELLS[program], capture_output=True, text=True, timeout=30, check=False)
    return ended.stdout + ended.stderr


def options(alert: str) -> Iterator[tuple[str, str]]:
    """Yield the long options of programs that are here and tell of them."""
    for program, *words in commands(alert):
        if program in TELLS and shutil.which(TELLS[program][0]):
            yield from ((program, found[0]) for found in map(OPTION.match, words) if found)


def test_long_options_are_such_as_the_programs_have() -> None:
    named = {(alert, *pair) for alert in PAGES for pair in options(alert)}
    assert len(named) > 50
    assert [name for name in named if not re.search(rf"{name[2]}(?![a-z-])", told(name[1]))] == []
