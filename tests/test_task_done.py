"""The commands `done` and `checklist`, beside a running exporter, without one, and through SIGKILL."""

import contextlib
import functools
import io
import itertools
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path

import pytest
import requests

from exporter import taskcommand
from exporter.cli import main
from exporter.collectors.task import inbox
from exporter.collectors.task.checklist import published
from exporter.collectors.task.due import Task, standing
from exporter.collectors.task.history import Entry, History, Record
from exporter.collectors.task.tasksettings import TaskSettings
from exporter.state import State
from tests.engine import series_of
from tests.onetarget import one
from tests.process import PLAIN, Exporter, command, environment, running
from tests.support import until
from tests.tasking import CHECKLIST, config, figure
from tests.test_web_users import basic
from tests.web import PASSWORD, users


@dataclass(frozen=True)
class Ended:
    """How a command has ended."""

    returncode: int
    stdout: str
    stderr: str


def run(file: Path, *arguments: str) -> Ended:
    """Run a command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([*arguments, f"--config.file={file}"])
    return Ended(code, out.getvalue(), err.getvalue())


Ran = Callable[..., Ended]


@pytest.fixture
def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ran:
    """Return what runs a command on a configuration whose other targets need what is not there."""
    file = tmp_path / "config.yml"
    file.write_text(config(tmp_path, more="  db: {collector: postgres, url: '${NO_SUCH}'}\n"), encoding="utf-8")
    monkeypatch.setenv("SUDO_USER", "alice")
    return functools.partial(run, file)


def begun(folder: Path) -> None:
    """Have the folder of a state as an exporter leaves it."""
    State(folder / "state").close()


def page(exporter: Exporter, name: str = "checklist") -> dict[str, str]:
    return series_of(exporter.get(f"/probe?target={name}").text)


def kept(folder: Path, task: str = "access-review") -> list[Entry]:
    """Return the entries that an exporter has left on disk."""
    state = State(folder / "state")
    try:
        return list(History(state.shelf("history checklist task")).record(task).entries)
    finally:
        state.close()


def test_beside_a_running_exporter(tmp_path: Path, ran: Ran) -> None:
    with running(tmp_path, config(tmp_path)) as exporter:
        before = time.time()
        ended = ran("done", "access-review", "--note", "two accounts\nremoved \u202e\x1b[31m")
        assert (ended.returncode, ended.stderr) == (0, "")
        assert re.fullmatch(
            r"access-review is done, by alice; due in 31 days, 20\d\d-\d\d-\d\d \d\d:\d\d\n", ended.stdout
        )
        until(lambda: figure(page(exporter), "done_total", by="alice") == 1)
        done = figure(page(exporter), "last_done_timestamp_seconds")
        assert done is not None
        assert before <= done <= time.time()
        until(lambda: not list((tmp_path / "state" / "inbox").iterdir()))
        exporter.stop()
    assert [(one.by, one.via, one.note) for one in kept(tmp_path)] == [
        ("alice", "command", "two accounts removed [31m")
    ]


def test_what_was_taken_just_now_counts_before_it_is_written_down(tmp_path: Path) -> None:
    begun(tmp_path)
    task = Task("it", TaskSettings(title="It", interval=86_400.0), UTC)
    entry = Entry("1", 1_795_000_000.0, "alice")
    (one,) = published(tmp_path / "state", "checklist", {"it": task}, entry.at + 5, entry)
    assert (one.last, one.state, one.due) == (entry, "later", entry.at + 86_400.0)


def test_the_list_ticks_nothing_that_was_never_done() -> None:
    task, now = Task("it", TaskSettings(title="It", calendar="2040-01-01"), UTC), 1_795_000_000.0
    lines = [next(iter(taskcommand._lines(standing(task, record, now), now)))
             for record in (Record(now), Record(now, [Entry("1", now, "alice")]))]  # fmt: skip
    assert lines == ["[ ] it: It", "[x] it: It"]


def test_while_none_runs(tmp_path: Path, ran: Ran) -> None:
    begun(tmp_path)
    assert ran("done", "access-review", "--by", "bob").returncode == 0
    assert "last " in ran("checklist", "--all").stdout
    with running(tmp_path, config(tmp_path)) as exporter:
        until(lambda: figure(page(exporter), "done_total", by="bob") == 1)


@pytest.mark.parametrize(("arguments", "problem"), [
    (["acces-review"], "there is no task 'acces-review'; did you mean access-review?"),
    (["zzz"], "there is no task 'zzz'; `runbook-exporter checklist --all` names them all"),
    (["other/window"], "there is no task 'other/window'; did you mean window?"),
    (["errors"], "errors is watched by LogErrorsSurge: there is nothing to do"),
    (["window", "--at", "yesterday"], "at is 'yesterday'; expected a time such as 2026-11-29T18:00"),
    (["window", "--at", "2999-01-01"], "at is '2999-01-01', which is not in the past"),
    (["window", "--note", "x" * 501], "note has 501 characters; expected at most 500"),
    (["window", "--by", "x" * 65], "by has 65 characters; expected at most 64"),
    (["window", "--by", "metric x"], "by begins with `metric`"),
])  # fmt: skip
def test_what_cannot_be_noted(arguments: list[str], problem: str, tmp_path: Path, ran: Ran) -> None:
    begun(tmp_path)
    ended = ran("done", *arguments)
    assert (ended.returncode, ended.stdout, problem in ended.stderr) == (2, "", True), ended.stderr
    assert not list((tmp_path / "state").glob("inbox/*"))


def test_where_no_exporter_would_find_it(tmp_path: Path, ran: Ran) -> None:
    ended = ran("done", "window")
    assert (ended.returncode, "no exporter keeps its state in" in ended.stderr) == (2, True)
    ended = ran("done", "window", "--storage.path", str(tmp_path / "elsewhere"))
    assert (ended.returncode, f"{tmp_path}/elsewhere; start it once" in ended.stderr) == (2, True)


@pytest.mark.parametrize(("text", "problem"), [
    ("targets: {}", "the configuration has no checklist"), ("targets: [", "is not YAML"),
    ("targets: {it: {collector: task, tasks: {a: {}}}}", "config.yml:1: targets.it.tasks.a.title: is missing"),
    ("targets: {it: {collector: task, nope: 1}}", "targets.it.nope: unknown key"),
    ("targets: {it: {collector: task, include: [x.yml]}}", "x.yml cannot be read"),
])  # fmt: skip
def test_configurations_that_have_no_checklist(text: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / "config.yml").write_text(text, encoding="utf-8")
    ended = run(tmp_path / "config.yml", "done", "a")
    assert (ended.returncode, problem in ended.stderr) == (2, True), ended.stderr


def test_without_a_configuration(tmp_path: Path) -> None:
    ended = command("checklist", program=PLAIN, cwd=tmp_path)
    assert (ended.returncode, "--config.file=FILE" in ended.stderr) == (2, True)


def test_one_name_in_two_checklists(tmp_path: Path) -> None:
    text = f"storage: {{path: {tmp_path / 'state'}}}\ntargets:\n" + "".join(
        f"  {name}: {{collector: task, max_age: 0s, tasks: {{a: {{title: A, interval: daily}}}}}}\n"
        for name in ("one", "two")
    )
    (tmp_path / "config.yml").write_text(text, encoding="utf-8")
    begun(tmp_path)
    ended = run(tmp_path / "config.yml", "done", "a")
    assert (ended.returncode, "did you mean one/a or two/a?" in ended.stderr) == (2, True)
    assert run(tmp_path / "config.yml", "done", "two/a", "--by", "x").returncode == 0
    with running(tmp_path, text) as exporter:
        until(lambda: figure(page(exporter, "two"), "done_total", "a", by="other") == 1)
        assert figure(page(exporter, "one"), "done_total", "a", by="other") == 0


def test_what_was_done_before(tmp_path: Path, ran: Ran) -> None:
    begun(tmp_path)
    assert ran("done", "access-review", "--at", "2026-03-29T02:30").returncode == 0  # a time that Berlin left out
    with running(tmp_path, config(tmp_path)) as exporter:
        until(lambda: figure(page(exporter), "last_done_timestamp_seconds") == 1774747800)


AS_NOBODY = """\
import encodings.utf_8_sig, os, sys, yaml
from exporter import cli, logs
from exporter.collectors.task import checklist, inbox
import pwd
os.setuid(65534)
sys.exit(cli.main(sys.argv[1:]))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can try what another user may do")
def test_who_may_not_write_there_is_told_who_may() -> None:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        folder.chmod(0o755)
        (folder / "config.yml").write_text(config(folder), encoding="utf-8")
        begun(folder)
        (folder / "state").chmod(0o755)
        ended = subprocess.run(
            [sys.executable, "-c", AS_NOBODY, "done", "window", f"--config.file={folder / 'config.yml'}"],
            env=environment({}), text=True, capture_output=True, timeout=30, check=False,
        )  # fmt: skip
        assert (ended.returncode, "nothing was noted; run this as root (sudo -u root ...)" in ended.stderr) == (
            1,
            True,
        ), ended.stderr
        os.chown(folder / "state", 65534, 65534)
        assert run(folder / "config.yml", "done", "window").returncode == 0  # root does it for the exporter's user
        left = [folder / "state" / "inbox", *(folder / "state" / "inbox").iterdir()]
        assert {(one.stat().st_uid, one.stat().st_mode & 0o077) for one in left} == {(65534, 0)}
        assert os.geteuid() == 0
        # what that user may not read or write, root does not for it
        (folder / "state" / "checklist").mkdir()
        (folder / "state" / "checklist" / "checklist.json").symlink_to("/etc/shadow")
        assert run(folder / "config.yml", "done", "window").returncode == 0
        (folder / "elsewhere").mkdir(mode=0o700)
        (folder / "state" / "inbox").rename(folder / "state" / "before")
        (folder / "state" / "inbox").symlink_to(folder / "elsewhere")
        assert run(folder / "config.yml", "done", "window").returncode == 2
        assert not list((folder / "elsewhere").iterdir())


def test_a_folder_into_which_others_may_write_is_refused(tmp_path: Path, ran: Ran) -> None:
    begun(tmp_path)
    (tmp_path / "state" / "inbox").mkdir(mode=0o700)
    (tmp_path / "state" / "inbox").chmod(0o777)
    ended = ran("done", "window")
    assert (ended.returncode, "into which nobody else may write" in ended.stderr) == (2, True)
    with one("task", CHECKLIST, tmp_path / "state") as it:
        assert "into which nobody else may write" in it.outcomes()["watch"]
        (tmp_path / "state" / "inbox").chmod(0o700)
        until(lambda: it.outcomes()["watch"] == "ok", 20)


def test_files_that_are_no_messages_are_said_and_left(tmp_path: Path) -> None:
    begun(tmp_path)
    folder = inbox.make(tmp_path / "state")
    good = {"target": "checklist", "task": "window", "at": time.time(), "by": "", "user": "", "via": "", "note": ""}
    wrong = [json.dumps({**good, **one}) for one in ({"at": "x"}, {"by": 1}, {"at": 9e9}, {"note": "x" * 9000})]
    for content in ("", "{", "[]", '"x"', "[" * 5000, *wrong):
        (folder / f"{inbox.new_id()}.json").write_text(content, encoding="utf-8")
    (folder / f"{inbox.new_id()}.json").symlink_to("/etc/passwd")
    os.mkfifo(folder / f"{inbox.new_id()}.json")
    (folder / "notes.txt").write_text("x", encoding="utf-8")
    unfinished = folder / f".{inbox.new_id()}"
    unfinished.write_text("{", encoding="utf-8")
    os.utime(unfinished, (1, 1))
    with running(tmp_path, config(tmp_path)) as exporter:
        until(lambda: not unfinished.exists())
        targets = exporter.get("/targets").text
        assert "12 files in" in targets
        assert "are no messages of ours; remove them" in targets
        assert figure(page(exporter), "done_total", "window", by="other") == 0
    assert len(list(folder.iterdir())) == 12


def test_what_is_left_for_a_checklist_that_is_gone_waits_for_it(tmp_path: Path, ran: Ran) -> None:
    begun(tmp_path)
    ran("done", "access-review")
    with running(tmp_path, "targets: {other: {collector: task}}") as exporter:
        until(lambda: "runbook_target_up" in exporter.get("/probe?target=other").text)
        exporter.reconfigure(config(tmp_path))
        exporter.send(signal.SIGHUP)
        until(lambda: figure(page(exporter), "done_total", by="alice") == 1)


def test_a_list_that_a_power_failure_has_cut(tmp_path: Path, ran: Ran) -> None:
    begun(tmp_path)
    (tmp_path / "state" / "checklist").mkdir()
    for text in ("", "[]", '{"window": {}}', '{"window'):
        (tmp_path / "state" / "checklist" / "checklist.json").write_text(text, encoding="utf-8")
        assert ran("done", "window").returncode == 0
        assert "[!]" not in ran("checklist", "--all").stdout


# ---- the list


def test_what_there_is_to_do(tmp_path: Path, ran: Ran) -> None:
    begun(tmp_path)
    today = ran("checklist")
    assert today.returncode == 0
    assert re.match(r"checklist, \w+ 20\d\d-\d\d-\d\d: 1 due\n\[ \] access-review: Review who has access\n"
                    r"      due now; never done; operations\n      /runbooks/\n", today.stdout)  # fmt: skip
    everything = ran("checklist", "--all").stdout
    assert "[w] errors: Errors in the log\n      watched by LogErrorsSurge; operations\n" in everything
    assert " -  drill: Try a disaster\n      at each deployment; never done; operations\n" in everything
    assert ran("checklist", "--due").returncode == 1
    ran("done", "access-review", "--by", "bob", "--note", "all well")
    due = ran("checklist", "--due")
    assert (due.returncode, due.stdout.rstrip().partition(": ")[2]) == (0, "nothing is due")
    listed = {one["task"]: one for one in json.loads(ran("checklist", "--all", "--json").stdout)["checklist"]}
    assert listed["access-review"]["state"] == "later"
    assert (listed["access-review"]["by"], listed["access-review"]["note"]) == ("bob", "all well")
    assert listed["errors"]["watched_by"] == ["LogErrorsSurge"]


# ---- SIGKILL


ALL_KEPT = {"PLUG": "exporter.collectors.task.history:KEPT=1000000"}


class Storm:
    """Programs that mark a task done until they are killed, or over HTTP; what was acknowledged to them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.acknowledged: set[str] = set()
        self.over = threading.Event()
        self.address = ""
        self.dice = random.Random(1)

    def commands(self) -> None:
        given = ["access-review", f"--config.file={self.folder / 'config.yml'}"]
        for turn in itertools.count():
            with subprocess.Popen(
                [sys.executable, "-m", "tests.taskstorm", *given, f"command-{turn}"],
                env=environment({}), stdout=subprocess.PIPE, text=True,
            ) as storm:  # fmt: skip
                assert storm.stdout is not None
                first = storm.stdout.readline()
                timer = threading.Timer(self.dice.random() / 2, storm.kill)
                timer.start()
                self.acknowledged.update((first + storm.stdout.read()).split("\n")[:-1])
                timer.join()
            if self.over.is_set():
                return

    def requests(self) -> None:
        for number in itertools.count():
            if self.over.wait(0.02):
                return
            with contextlib.suppress(requests.RequestException):
                answer = requests.post(
                    f"http://{self.address or '127.0.0.1:9'}/tasks/access-review/done",
                    headers=basic("alice", PASSWORD), timeout=10, json={"note": f"http-{number}"},
                )  # fmt: skip
                if answer.ok:
                    self.acknowledged.add(f"http-{number}")

    def kill_and_start(self, text: str, times: int) -> None:
        for _ in range(times):
            with running(self.folder, text, environ=ALL_KEPT) as exporter:
                self.address = exporter.address
                end = time.monotonic() + 0.2 + self.dice.random() * 0.8
                until(lambda end=end: time.monotonic() > end)  # type: ignore[misc]
                exporter.stop(signal.SIGKILL)


@pytest.mark.parametrize("times", [2, pytest.param(12, marks=pytest.mark.long)])
def test_what_was_acknowledged_is_in_the_history_once(times: int, tmp_path: Path) -> None:
    (tmp_path / "web.yml").write_text(users(alice=PASSWORD), encoding="utf-8")
    text = config(tmp_path, CHECKLIST) + "web: {config_file: web.yml}\n"
    (tmp_path / "config.yml").write_text(text, encoding="utf-8")
    begun(tmp_path)
    storm = Storm(tmp_path)
    with ThreadPoolExecutor(2) as pool:
        storms = [pool.submit(storm.commands), pool.submit(storm.requests)]
        try:
            storm.kill_and_start(text, times)
        finally:
            storm.over.set()
        for one in storms:
            one.result(30)
    with running(tmp_path, text, environ=ALL_KEPT) as exporter:
        until(lambda: not list((tmp_path / "state" / "inbox").glob("*.json")), 60)
        exporter.stop()
    notes = [entry.note for entry in kept(tmp_path)]
    assert len(notes) == len(set(notes))
    assert storm.acknowledged <= set(notes)
    assert {name.partition("-")[0] for name in storm.acknowledged} == {"command", "http"}
