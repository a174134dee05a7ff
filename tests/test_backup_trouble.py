"""Backups that cannot be seen, read or verified: each says so alone, and nothing is called whole."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.backups import aged, judged_page, unjudged, value, watching
from tests.hang_fs import mounted, need_fuse
from tests.process import ROOT, running
from tests.soak import leaves_nothing
from tests.support import until

DUMP = b"PGDMP\x01\x0e\x00\x04\x08\x01" + bytes(100)


def put(path: Path, data: bytes = b"{}", age: float = 100.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return aged(path, age)


def program(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def sleepers(mark: str) -> list[psutil.Process]:
    found = psutil.process_iter(["cmdline", "status"])
    return [one for one in found if mark in (one.info["cmdline"] or []) and one.info["status"] != "zombie"]


@pytest.fixture
def mark() -> Iterator[str]:
    """Return an argument that only this test's programs have; see that none is left."""
    found = f"{100_000 + os.getpid()}.25"
    yield found
    until(lambda: not sleepers(found))


def test_a_folder_that_is_gone_and_one_beside_it(tmp_path: Path) -> None:
    put(tmp_path / "there" / "a.json")
    with watching(f"""
        it: {{path: {tmp_path}/there, at_rest: 0s}}
        gone: {{path: {tmp_path}/gone, at_rest: 0s}}
    """) as target:
        page = judged_page(target)
        assert (value(page, "files"), value(page, "files", "gone")) == (1, None)
        assert target.outcomes()["unseen"].startswith(f"failed {tmp_path}/gone: there is no such folder")
        (tmp_path / "there").rename(tmp_path / "away")
        page = target.page()
        assert (value(page, "files"), value(page, "verified")) == (1, 1), "it stays as it was seen last"
        (tmp_path / "away").rename(tmp_path / "there")
        (tmp_path / "there" / "a.json").unlink()
        page = target.page()
        assert (value(page, "files"), value(page, "verified")) == (0, None)
        assert value(page, "last_success_timestamp_seconds") is not None


def test_a_mount_that_hangs_holds_up_its_own_backup_only(tmp_path: Path) -> None:
    need_fuse()
    put(tmp_path / "there" / "a.json")
    with mounted(tmp_path / "mnt") as system:
        backups = f"""
            it: {{path: {tmp_path}/there, at_rest: 0s}}
            hung: {{path: {tmp_path}/mnt, at_rest: 0s}}
        """
        with watching(backups, more="path_timeout: 300ms") as target:
            judged_page(target)
            assert "no answer" not in target.outcomes()["unseen"]
            system.hang()
            put(tmp_path / "there" / "b.json", age=10)
            began = time.monotonic()
            for _ in range(3):
                page = target.page()
            assert time.monotonic() - began < 5
            assert value(page, "files") == 2
            assert f"no answer from {tmp_path}/mnt" in target.outcomes()["unseen"]
            threads = psutil.Process().num_threads()
            for _ in range(5):
                target.read()
            assert psutil.Process().num_threads() <= threads
            system.answer()
            until(lambda: "no answer" not in target.outcomes()["unseen"])


def test_a_verifier_that_never_ends_is_killed_and_nothing_is_called_whole(tmp_path: Path, mark: str) -> None:
    put(tmp_path / "files" / "a.dump", DUMP)
    endless = program(tmp_path / "pg_restore", f"sleep {mark}")
    way = f"format: pg_custom, pg_restore: {endless}, verify_timeout: 1s"
    with watching(f"it: {{path: {tmp_path}/files, at_rest: 0s, {way}}}") as target:
        said = unjudged(target)
        assert "it: no verification: the process that looks was killed, as it took longer than 1 s" in said
        page = target.page()
        assert (value(page, "verified"), value(page, "last_success_timestamp_seconds")) == (None, None)
        assert value(page, "unverified_since_timestamp_seconds") is not None
        assert sleepers(mark) == []


def test_rotation_in_mid_verification_leaves_no_verdict(tmp_path: Path, mark: str) -> None:
    path = put(tmp_path / "files" / "a.dump", DUMP)
    go = tmp_path / "go"
    waiting = program(tmp_path / "pg_restore", f"while ! test -e {go}; do sleep 0.05; done; exit 1")
    with watching(f"it: {{path: {tmp_path}/files, at_rest: 0s, format: pg_custom, pg_restore: {waiting}}}") as target:
        target.read()
        until(lambda: sleepers(str(waiting)), 20)
        path.unlink()
        put(tmp_path / "files" / "b.json", b"nothing")
        go.touch()
        until(lambda: not sleepers(str(waiting)))
        page = judged_page(target)
        assert value(page, "verified") == 0
        assert "'b.json'" in target.outcomes()["verification"]
        assert "a.dump" not in "".join(target.outcomes().values())


def config(folder: Path, pg_restore: Path) -> str:
    return f"""
targets:
  backups:
    collector: backup
    interval: 1s
    max_age: 0s
    backups:
      it: {{path: {folder}, at_rest: 0s, format: pg_custom, pg_restore: {pg_restore}}}
"""


def test_an_exporter_that_is_killed_in_mid_verification_leaves_no_process_and_begins_anew(
    tmp_path: Path, mark: str
) -> None:
    put(tmp_path / "files" / "a.dump", DUMP)
    endless = program(tmp_path / "pg_restore", f"exec sleep {mark}")
    with running(tmp_path, config(tmp_path / "files", endless), program=["-m", "exporter"]) as exporter:
        until(lambda: sleepers(mark), 30)
        exporter.send(signal.SIGKILL)
        exporter.process.wait(10)
        until(lambda: not sleepers(mark))
    program(endless, "test $1 = --list || exit 0; echo ';     dbname: shop'")
    with running(tmp_path, config(tmp_path / "files", endless), program=["-m", "exporter"]) as exporter:
        series = 'runbook_backup_verified{backup="it",target="backups"} 1'
        until(lambda: series in exporter.get("/metrics").text, 30)


def test_an_exporter_that_ends_in_mid_verification_ends_at_once(tmp_path: Path, mark: str) -> None:
    put(tmp_path / "files" / "a.dump", DUMP)
    endless = program(tmp_path / "pg_restore", f"exec sleep {mark}")
    with running(tmp_path, config(tmp_path / "files", endless), program=["-m", "exporter"]) as exporter:
        until(lambda: sleepers(mark), 30)
        assert exporter.stop() == 0
        assert sleepers(mark) == []


WITHOUT_RIGHTS = """
import sys
from tests.backups import unjudged, watching
backups = "it: {path: %s/files, at_rest: 0s}\\nshut: {path: %s/shut, at_rest: 0s}" % (sys.argv[1], sys.argv[1])
with watching(backups) as target:
    print(unjudged(target))
    print(target.outcomes()["unseen"])
"""
_CAPABILITIES = "-dac_override,-dac_read_search"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to others")
def test_files_that_may_not_be_read(tmp_path: Path) -> None:
    put(tmp_path / "files" / "a.json").chmod(0o600)
    (tmp_path / "shut").mkdir(mode=0o700)
    for path in (tmp_path / "files" / "a.json", tmp_path / "shut"):
        os.chown(path, 65534, 65534)
    limits = [f"--bounding-set={_CAPABILITIES}", f"--inh-caps={_CAPABILITIES}"]
    command = ["setpriv", *limits, sys.executable, "-c", WITHOUT_RIGHTS, str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)
    assert ended.returncode == 0, ended.stderr
    said = ended.stdout.splitlines()
    assert said[0].startswith("failed it: no verification: it may not be read"), said
    assert f"{tmp_path}/shut: Permission denied" in said[1]


def test_a_mistake_of_our_own_is_said_and_not_repeated_without_a_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "files" / "a.json")
    asked: list[float] = []

    def fails(*_: object, **__: object) -> None:
        asked.append(time.monotonic())
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("exporter.collectors.backup.verifying.ask", fails)
    with watching(f"it: {{path: {tmp_path}/files, at_rest: 0s}}") as target:
        assert "Too many open files" in unjudged(target)
        until(lambda: len(asked) > 2)
        assert asked[2] - asked[0] > 0.5


def test_a_thousand_files_of_many_backups(tmp_path: Path) -> None:
    for number in range(1000):
        put(tmp_path / "many" / f"{number:04}.json", age=2000 - number)
    lines = [f"b{number}: {{path: {tmp_path}/many, at_rest: 0s}}" for number in range(4)]
    with watching("\n".join([f"it: {{path: {tmp_path}/many, at_rest: 0s}}", *lines])) as target:
        page = judged_page(target)
        assert (value(page, "files"), value(page, "files", "b3")) == (1000, 1000)
        assert "failed" not in "".join(target.outcomes().values())


@pytest.mark.parametrize("well", [True, False], ids=["well", "failing"])
def test_many_rounds_leave_nothing_behind(tmp_path: Path, well: bool) -> None:
    put(tmp_path / "files" / "a.json", b"{}" if well else b"{")
    more = "" if well else f"gone: {{path: {tmp_path}/gone}}"
    with watching(f"it: {{path: {tmp_path}/files, at_rest: 0s, format: json}}\n{more}") as target:
        judged_page(target)
        leaves_nothing(target, 500)
