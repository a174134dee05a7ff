"""Values from JSON that stands in a file, or that a program writes."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.exposition import render
from tests.commands import is_running
from tests.onetarget import one
from tests.process import ROOT
from tests.support import until

METRICS = "metrics: [{name: app_queue_jobs, help: Jobs that wait., value: queue.length}]"
DOCUMENT = {
    "status": "degraded", "version": "1.10.0", "started": "2026-11-25T10:00:00Z",
    "queue": {"length": 3, "oldest_ms": 1500},
    "workers": [{"name": "a", "busy": True, "done": 17}, {"name": "b", "busy": False, "done": None}],
    "checks": {"db": {"ok": True}, "redis": {"ok": False}},
}  # fmt: skip
MAPPING = """
metrics:
  - {name: app_info, help: Which version runs., type: info, labels: {version: version}}
  - {name: app_status, help: How it is., value: status, states: [healthy, degraded, critical]}
  - {name: app_start_timestamp_seconds, help: When it began., value: started, convert: time}
  - {name: app_queue_jobs, help: Jobs that wait., value: queue.length}
  - {name: app_queue_oldest_seconds, help: How long the oldest job has waited., value: queue.oldest_ms, scale: 0.001}
  - {name: app_worker_busy, help: Whether a worker works., each: workers, value: busy, labels: {worker: name}}
  - name: app_worker_jobs_total
    help: Jobs that a worker has done.
    type: counter
    each: workers
    value: done
    labels: {worker: name, kind: "'batch'"}
  - {name: app_check_ok, help: Whether a part works., each: checks, value: value.ok, labels: {check: key}}
  - {name: app_users, help: Users., value: length(users)}
"""


def test_golden(tmp_path: Path, golden: Callable[[str, str], None]) -> None:
    file = tmp_path / "status.json"
    file.write_text(json.dumps(DOCUMENT))
    os.utime(file, (1_795_600_000, 1_795_600_000))
    with one("json", f"file: {file}\n{MAPPING}") as target:
        golden("json.prom", render(sample for outcome in target.read().outcomes for sample in outcome.samples))


def outcome(settings: str, read: str = "values") -> str:
    with one("json", f"{settings}\n{METRICS}") as target:
        return target.outcomes()[read]


def test_a_file_that_is_gone_comes_back_and_is_broken(tmp_path: Path) -> None:
    file = tmp_path / "status.json"
    with one("json", f"file: {file}\n{METRICS}") as target:
        snapshot = target.read()
        assert (snapshot.up, snapshot.reason) == (False, f"{file} cannot be read (No such file or directory)")
        assert snapshot.fix
        file.write_text('{"queue": {"length": 3}}')
        assert target.page()["app_queue_jobs"] == "3"
        file.write_text('{"queue": {"len')
        snapshot = target.read()
        assert snapshot.up is True
        assert "not JSON" in next(one.reason for one in snapshot.outcomes if one.read == "values")
        assert "app_queue_jobs" not in target.page()
        assert abs(float(target.page()["runbook_json_file_modified_timestamp_seconds"]) - time.time()) < 60


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert "is not a regular file" in outcome(f"file: {pipe}")
    assert "cannot be read" in outcome(f"file: {tmp_path}") or "not a regular file" in outcome(f"file: {tmp_path}")


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    file = tmp_path / "large.json"
    with file.open("wb") as handle:
        handle.truncate(200 << 20)
    assert "is larger than 4194304 bytes" in outcome(f"file: {file}")
    assert "`max_bytes`" in outcome(f"file: {file}")


DENIED = f"""
import os, sys
from tests.onetarget import one
with one("json", "file: " + sys.argv[1] + "\\n" + {METRICS!r}) as target:
    target.read()  # what it imports may be closed to another user
    os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
    print(target.outcomes()["values"])
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user who may not read the file")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    file = tmp_path / "closed.json"
    file.write_text("{}")
    file.chmod(0o600)
    ended = subprocess.run(
        [sys.executable, "-c", DENIED, str(file)], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert "cannot be read (Permission denied)" in ended.stdout, ended.stderr
    assert "let the exporter's user read it" in ended.stdout


# ---- programs


def program(*command: str, **more: str) -> str:
    given = "".join(f", {name}: {value}" for name, value in more.items())
    return f"program: {{command: {json.dumps(command)}{given}}}"


def test_the_output_of_a_program() -> None:
    with one("json", f"{program('echo', json.dumps(DOCUMENT))}\n{METRICS}") as target:
        assert target.page()["app_queue_jobs"] == "3"


@pytest.mark.parametrize(("command", "reason"), [
    (("sh", "-c", "echo 1; echo 'none: a-word-of-programs' >&2; exit 3"), "sh ended with 3 run it by hand"),
    (("sh", "-c", "kill -9 $$"), "sh ended with 137 run it by hand"),
    (("no-such-program",), "no-such-program cannot be run (No such file or directory)"),
    (("/etc/passwd",), "/etc/passwd cannot be run (Permission denied)"),
    (("echo", "canary"), "the output of echo is not JSON (line 1, column 1)"),
    (("yes", '{"a": 1},'), "yes was killed, as it wrote more than 4194304 bytes"),
    (("sleep", "60"), "sleep was killed after 0.8 s"),
])  # fmt: skip
def test_programs_that_write_none(command: tuple[str, ...], reason: str) -> None:
    given = program(*command, secret_environment="{WORD: a-word-of-programs}")
    said = outcome(f"{given}\ntimeout: 1s")
    assert reason in said
    assert "canary" not in said
    assert "none:" not in said


def test_a_program_is_killed_with_what_it_started_when_the_round_is_over(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    script = f"sleep 60 & echo $! >{file}; wait"
    with one("json", f"{program('sh', '-c', script)}\n{METRICS}\ntimeout: 500ms") as target:
        began = time.monotonic()
        assert target.read().up is False
        assert time.monotonic() - began < 5
    until(lambda: not is_running(int(file.read_text())))
