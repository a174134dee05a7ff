"""The collector `command`: what the last run of each command told, and that runs neither pile up nor are lost."""

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.config import INSTALLED, ConfigError, read
from exporter.exposition import render
from tests.commands import commands, figure, is_running, script
from tests.onetarget import one
from tests.support import until


def test_what_a_run_tells() -> None:
    settings = commands(script("good", "sleep 0.1", role="migrations"), script("bad", "exit 3", role="pipeline_test"))
    with one("command", settings) as target:
        before = time.time()
        page = target.page()
    assert [figure(page, name, "good", "migrations") for name in ("success", "exit_status")] == ["1", "0"]
    assert [figure(page, name, "bad", "pipeline_test") for name in ("success", "exit_status")] == ["0", "3"]
    assert 0.1 <= float(figure(page, "duration_seconds", "good", "migrations") or 0) < 5
    assert before <= float(figure(page, "last_run_timestamp_seconds", "bad", "pipeline_test") or 0) <= time.time()
    assert before <= float(figure(page, "last_success_timestamp_seconds", "good", "migrations") or 0) <= time.time()
    assert figure(page, "last_success_timestamp_seconds", "bad", "pipeline_test") is None
    assert figure(page, "timeout_seconds", "good", "migrations") == "30.0"
    assert page['runbook_exporter_read_success{collector="command",read="bad"}'] == "1"


def test_golden(golden: Callable[[str, str], None]) -> None:
    settings = commands(
        script("migrations", "exit 1", role="migrations"),
        "video: {command: [sleep, 60], role: pipeline_test, timeout: 100ms}",
        "queue: {command: [echo, '{\"jobs\": 3}'], metrics: [{name: app_queue_jobs, help: Jobs., value: jobs}]}",
        "java: {command: ['true'], role: prerequisite}",
        more="prerequisites: {tool: {command: [echo, Tool 2.10.1 of 2026], at_least: 2.9}, gone: {command: [none]}}",
    )
    with one("command", settings) as target:
        samples = [sample for outcome in target.read().outcomes for sample in outcome.samples]
    text = re.sub(r"(_(?:duration|timestamp)_seconds\{.*\}) .*", r"\1 1.5", render(samples))
    golden("command.prom", text)


def test_other_statuses_can_mean_success() -> None:
    with one("command", commands(script("it", "exit 3", expected_status="[0, 3]"))) as target:
        page = target.page()
    assert (figure(page, "success"), figure(page, "exit_status")) == ("1", "3")


def test_one_that_hangs_is_killed_and_has_failed(tmp_path: Path) -> None:
    code = f"echo $$ >{tmp_path}/pid; exec sleep 60"
    with one("command", commands(script("it", code, timeout="300ms"), script("next", "exit 0"))) as target:
        page = target.page()
        said = target.outcomes()
    assert (figure(page, "success"), figure(page, "exit_status")) == ("0", "137")
    assert figure(page, "success", "next") == "1"
    assert said == {"it": "ok it was killed after 0.3 s, its timeout", "next": "ok"}
    until(lambda: not is_running(int((tmp_path / "pid").read_text())))


def test_one_that_writes_too_much_is_killed_and_has_failed() -> None:
    with one("command", commands(script("it", "yes", max_bytes="1kB"))) as target:
        page = target.page()
        assert target.outcomes()["it"].startswith("ok it ended with 137")
    assert (figure(page, "success"), figure(page, "exit_status")) == ("0", "137")


def test_one_that_cannot_be_run_tells_nothing_and_keeps_what_was_known(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\nexit 0\n")
    program.chmod(0o755)
    with one("command", commands(f"it: {{command: [{program}]}}", script("next", "exit 0"))) as target:
        assert figure(target.page(), "success") == "1"
        program.unlink()
        said = target.outcomes()
        assert f"{program} cannot be run (No such file or directory)" in said["it"]
        assert "install it" in said["it"]
        assert said["next"] == "ok"
        assert figure(target.page(), "success") == "1"
        assert target.page()['runbook_exporter_read_success{collector="command",read="it"}'] == "0"
    with one("command", commands(f"it: {{command: [{program}]}}")) as target:
        assert target.read().up is False
        assert figure(target.page(), "success") is None


def test_what_it_writes_is_shown_nowhere(tmp_path: Path) -> None:
    metrics = "[{name: app_a, help: A., value: a}]"
    settings = commands(
        script("fails", "echo canary; echo canary >&2; exit 1"),
        script("text", "echo canary", metrics=metrics),
        script("html", "echo '<p>canary'", metrics=metrics.replace("app_a", "app_b")),
        script("word", 'echo \'{"a": "canary canary"}\'', metrics=metrics.replace("app_a", "app_c")),
    )
    with one("command", settings) as target:
        assert "canary" not in target.text()
        said = target.outcomes()
    assert "canary" not in str(said)
    assert said["fails"] == "ok it ended with 1; run it by hand, as the same user, to see what it says"
    assert "its output is not JSON (line 1, column 1)" in said["text"]
    assert "its output is HTML or XML" in said["html"]
    assert "app_c: `a` is text, expected a number" in said["word"]


def test_its_output_becomes_metrics_while_it_succeeds(tmp_path: Path) -> None:
    file = tmp_path / "status.json"
    metrics = "[{name: app_jobs, help: Jobs., each: queues, value: jobs, labels: {queue: name}}]"
    with one("command", commands(script("it", f"cat {file}", metrics=metrics))) as target:
        file.write_text('{"queues": [{"name": "mail", "jobs": 3}]}')
        assert target.page()['app_jobs{queue="mail"}'] == "3"
        file.unlink()
        page = target.page()
    assert figure(page, "success") == "0"
    assert 'app_jobs{queue="mail"}' not in page


def test_a_mapping_that_does_not_fit_runs_the_command_no_more_often(tmp_path: Path) -> None:
    runs, file = tmp_path / "runs", tmp_path / "status.json"
    file.write_text('{"jobs": "many"}')
    metrics = "[{name: app_jobs, help: Jobs., value: jobs}]"
    with one("command", commands(script("it", f"echo >>{runs}; cat {file}", metrics=metrics, interval="1d"))) as target:
        for _ in range(3):
            assert "app_jobs: `jobs` is text" in target.outcomes()["it"]
    assert len(runs.read_text()) == 1


def test_a_round_that_is_over_says_so_of_what_it_cut() -> None:
    lines = ("first: {command: [sleep, 0.4]}", "it: {command: [sleep, 60]}", script("next", "exit 0"))
    settings = commands(*lines, more="timeout: 1s")
    with one("command", settings) as target:
        said = target.outcomes()
    assert re.search(r"failed it was killed after 0\.\d s, as the round was over, not its own timeout", said["it"])
    assert "`timeout` and `interval`" in said["it"]
    assert said["next"] == "ok" or "no time is left for it" in said["next"]


def test_one_runs_at_a_time(tmp_path: Path) -> None:
    code = f"mkdir {tmp_path}/lock && sleep 0.1 && rmdir {tmp_path}/lock"
    with one("command", commands(*(script(f"c{number}", code) for number in range(4)))) as target:
        page = target.page()
    assert [figure(page, "success", f"c{number}") for number in range(4)] == ["1"] * 4


def test_an_interval_of_its_own_outlives_a_restart(tmp_path: Path) -> None:
    often, seldom = tmp_path / "often", tmp_path / "seldom"
    settings = commands(script("often", f"echo >>{often}"), script("it", f"echo >>{seldom}; exit 1", interval="1d"))
    for _ in range(2):
        with one("command", settings, tmp_path / "state") as target:
            pages = [target.page(), target.page()]
            assert [figure(page, "success") for page in pages] == ["0", "0"]
    assert (len(often.read_text()), len(seldom.read_text())) == (4, 1)


def test_the_last_success_outlives_failures_and_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "good"
    file.touch()
    settings = commands(script("it", f"test -e {file}"))
    with one("command", settings, tmp_path / "state") as target:
        when = figure(target.page(), "last_success_timestamp_seconds")
        assert when is not None
        file.unlink()
        assert figure(target.page(), "last_success_timestamp_seconds") == when
    with one("command", settings, tmp_path / "state") as target:
        page = target.page()
        assert (figure(page, "success"), figure(page, "last_success_timestamp_seconds")) == ("0", when)


def test_what_another_version_kept_is_forgotten(tmp_path: Path) -> None:
    settings = commands(script("it", "exit 0", interval="1d"))
    with one("command", settings, tmp_path / "state") as target:
        target.target.collector.context.shelf.put("run it", {"time": time.time(), "state": "good"})
    with one("command", settings, tmp_path / "state") as target:
        assert figure(target.page(), "success") == "1"


@pytest.mark.parametrize(("settings", "place", "reason"), [
    ("{}", "commands", "is empty, and so are prerequisites; expected"),
    ("commands: {a: {}}", "commands.a.command", "is missing; expected list of text"),
    ("commands: {a: {command: []}}", "commands.a.command", "names no program"),
    ("commands: {a: {command: ls}}", "commands.a.command", "expected a list"),
    ("commands: {a b: {command: [ls]}}", "'commands.a b'", "cannot have this name"),
    ("commands: {a: {command: [ls], role: test}}", "commands.a.role", "is none of its words"),
    ("commands: {a: {command: [ls], timeout: 0}}", "commands.a.timeout", "leaves no time"),
    ("commands: {a: {command: [ls], timeout: 2m}}", "commands.a.timeout", "is longer than a round over the target may"),
    ("prerequisites: {node: {timeout: 2m}}", "prerequisites.node.timeout", "the target's timeout (60s)"),
    ("commands: {a: {command: [ls], interval: 100ms}}", "commands.a.interval", "is shorter than 1s"),
    ("commands: {a: {command: [ls], expected_status: [256]}}", "commands.a.expected_status", "expected 0 to 255"),
    ("commands: {a: {command: [ls], user: not-a-user}}", "commands.a.user", "there is no user 'not-a-user' here"),
    ("commands: {a: {command: [ls], environment: {A-B: x}}}", "commands.a.environment.A-B", "cannot be a variable"),
    ("commands: {a: {command: [ls], secret_environment: {1: long-word}}}", "commands.a.secret_environment.1", "cannot"),
    ("commands: {a: {command: [ls], environment: {API_KEY: x}}}", "commands.a.environment.API_KEY", "may be a secret"),
    ("commands: {a: {command: [ls], environment: {DB: 'postgres://u:p@h/d'}}}", "commands.a.environment.DB",
     "expected it in secret_environment"),
    ("commands: {a: {command: [ls]}}\nprerequisites: {a: {command: [ls]}}", "prerequisites.a", "is the name of a com"),
    ("prerequisites: {ffmpg: {}}", "prerequisites.ffmpg.command", "did you mean ffmpeg?"),
    ("prerequisites: {python: {at_least: newest}}", "prerequisites.python.at_least", "is no version; expected"),
    ("prerequisites: {python: {user: not-a-user}}", "prerequisites.python.user", "there is no user"),
    ("commands: {a: {command: [ls], metrics: [{name: x, help: X., value: 'x['}]}}", "commands.a.metrics[0].value",
     "is no JMESPath"),
    ("commands: {a: {command: [ls], metrics: [&x {name: x, help: X., value: x}]}, b: {command: [ls], metrics: [*x]}}",
     "commands", "makes x twice"),
])  # fmt: skip
def test_every_mistake_is_found_beforehand(settings: str, place: str, reason: str) -> None:
    lines = "".join(f"    {line}\n" for line in settings.splitlines() if line != "{}")
    with pytest.raises(ConfigError) as caught:
        read(f"targets:\n  it:\n    collector: command\n{lines}".encode(), "config.yml", INSTALLED, {})
    found = [problem for problem in caught.value.problems if f"targets.it.{place}: " in problem and reason in problem]
    assert found, caught.value.problems
