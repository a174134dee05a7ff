"""The commands of the runbook pages on jobs and on caches: on a real Redis with RQ's jobs, and on a real cache."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis as Client
from rq import Queue

from exporter import pack
from tests import redisserver, rqjobs
from tests.caching import events, page_of, put
from tests.process import ROOT

PAGES = sorted(path.stem for path in pack.runbooks_folder().glob("*.md") if path.stem.startswith(("Job", "Cache")))
BLOCK = re.compile(r"^( *)```sh\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
ELSEWHERE = ("journalctl", "systemctl", "docker")
"""What tells of the machine, or of an application that is not here."""
PROGRAMS = ("setfacl", "runuser", "redis-cli", "findmnt")
DAY = 86400.0
NAMES = {"user=trailblaze": "user=nobody", "user=runbook": "user=nobody", '-g "$user"': "-g nogroup",
         "timeout 3 ": "timeout 1 ", "aerc_calendar_2026": "aerc_calendar_2024"}  # fmt: skip


def blocks(page: str) -> list[str]:
    return [re.sub(f"^{indent}", "", code, flags=re.MULTILINE) for indent, code in BLOCK.findall(pack.runbook(page))]


@pytest.fixture(scope="module")
def redis() -> Iterator[redisserver.Redis]:
    """Start a server with a job of RQ that waits, one that ended well and one that failed."""
    with redisserver.server() as found, Client(port=found.port) as client:
        queue = Queue(connection=client)
        queue.enqueue(rqjobs.scrape)
        queue.enqueue(rqjobs.fail)
        rqjobs.burst(found.port)
        queue.enqueue(rqjobs.scrape)
        yield found


@pytest.fixture
def folder(tmp_path: Path, redis: redisserver.Redis) -> Path:
    """Make a cache, a configuration that watches it, and programs that only say that they were called."""
    tmp_path.chmod(0o755)
    for year, age in ((2024, 40 * DAY), (2025, DAY)):
        put(tmp_path / f"srv/trailblaze/cache/aerc_calendar_{year}.html", page_of(3), age)
        put(tmp_path / f"srv/trailblaze/cache/aerc_calendar_{year}.json", events(3), age)
    put(tmp_path / "srv/trailblaze/cache/huge.html", b" " * 6_000_000, DAY)
    (tmp_path / "config.yml").write_text(
        "targets:\n  trailblaze-cache:\n    collector: cache\n"
        f"    classes: {{html: {{path: {tmp_path}/srv/trailblaze/cache, ttl: 24h}}}}\n"
    )
    (tmp_path / "bin").mkdir()
    scripts = Path(sys.executable).parent
    programs = {
        **dict.fromkeys(ELSEWHERE, "exit 0"),
        "redis-cli": f'exec {shutil.which("redis-cli")} -p {redis.port} "$@"',
        "runbook-exporter": f'PYTHONPATH={ROOT} exec {sys.executable} -m exporter "$@"',
        "rq": f'PYTHONPATH={ROOT} exec {scripts}/rq "$@"',
    }
    for name, what in programs.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{what}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    return tmp_path


def run(folder: Path, code: str, port: int) -> str:
    """Run a block below this folder; return what it says."""
    for shown, here in {**NAMES, "/srv/": f"{folder}/srv/", "127.0.0.1:6379": f"127.0.0.1:{port}"}.items():
        code = code.replace(shown, here)
    ended = subprocess.run(
        ["bash", "-eu", "-c", code], cwd=folder, capture_output=True, text=True, timeout=100, check=False,
        env={**os.environ, "PATH": f"{folder}/bin:{os.environ['PATH']}"},
    )  # fmt: skip
    assert ended.returncode == 0, code + ended.stderr + ended.stdout
    assert ended.stderr == "", code
    return ended.stdout


def possible(page: str) -> list[str]:
    """Return the blocks of a page that can be tried here: some ask for root, or for programs that may be missing."""
    found = blocks(page)
    missing = [name for name in PROGRAMS if shutil.which(name) is None and any(name in code for code in found)]
    if missing and os.environ.get("CI") == "true":
        pytest.fail(f"{missing} are not here: `make test` installs them (.ci/packages)")
    asks = (*missing, *(("runuser", "install -d") if os.geteuid() else ()))
    return [code for code in found if not any(name in code for name in asks)]


@pytest.mark.parametrize("page", PAGES)
def test_every_command_works(folder: Path, redis: redisserver.Redis, page: str) -> None:
    said = [run(folder, code, redis.port) for code in possible(page)]
    assert len(said) > 1
    assert "".join(said).strip()


def test_old_entries_are_shown_and_cleared(folder: Path, redis: redisserver.Redis) -> None:
    clear = next(code for code in blocks("CacheNotCleaned") if "-delete" in code)
    assert run(folder, clear, redis.port).splitlines() == [f"{folder}/srv/trailblaze/cache/aerc_calendar_2024.html"]
    assert len(list((folder / "srv/trailblaze/cache").iterdir())) == 4


def test_what_waits_is_done_by_a_worker_that_is_started_by_hand(folder: Path, redis: redisserver.Redis) -> None:
    length, by_hand = "redis-cli llen rq:queue:default\n", "rq worker"
    with Client(port=redis.port) as client:
        Queue(connection=client).enqueue(rqjobs.scrape)
    assert int(run(folder, length, redis.port)) >= 1
    run(folder, next(code for code in blocks("JobQueueWithoutWorkers") if by_hand in code), redis.port)
    assert run(folder, length, redis.port) == "0\n"
