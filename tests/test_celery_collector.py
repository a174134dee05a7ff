"""Celery's events of real workers on a real Redis, through the helper process to the page."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from exporter import config
from tests import celeryapp
from tests.celeryapp import beat, total, value, worker
from tests.onetarget import One, one
from tests.process import free_port
from tests.redisserver import PASSWORD, Redis, server
from tests.soak import leaves_nothing
from tests.support import until

CANARY = "canary-of-the-arguments"
EVENT_READS = {"tasks", "failures", "runtimes", "waits", "heartbeats", "events", "oldest_started", "periodic"}
_MOVING = re.compile(r"(?m)^(celery_\S*(?:_seconds|timestamp_seconds|_sum|_bucket|events_total)\S*(?:\{.*\})?) .*$")


@pytest.fixture(scope="module")
def broker() -> Iterator[Redis]:
    with server(settings={"requirepass": PASSWORD}) as running:
        yield running


@pytest.fixture
def place(broker: Redis) -> str:
    """Return the address of an empty database of the broker."""
    broker.ask("FLUSHALL")
    return broker.url(database=0)


def settings(url: str, *more: str) -> str:
    return "\n".join([f"url: '{url}'", "max_age: 0s", *more])


def event_outcomes(target: One) -> dict[str, str]:
    """Return how the reads of events fared."""
    return {read: said for read, said in target.outcomes().items() if read in EVENT_READS}


def listens(target: One) -> None:
    """Wait until the events of the broker are listened to."""
    until(lambda: not any(said.startswith(("failed", "down")) for said in event_outcomes(target).values()), 20)


def looks_again(target: One, key: str, times: int) -> None:
    """Wait until a look has told its entry so many times anew."""
    seen: set[float] = set()

    def has_told() -> bool:
        entry = target.target.collector.context.ledger.entries().get(key) or {}
        seen.add(float(entry.get("at") or entry.get("looked") or 0.0))
        return len(seen - {0.0}) > times

    until(has_told, 40)


def test_the_page(golden: Callable[[str, str], None], place: str, tmp_path: Path) -> None:
    app = celeryapp.make(place)
    with one("celery", settings(place, "beat: {tests.add: {interval: 1m}}")) as target, ExitStack() as stack:
        listens(target)
        app.send_task("tests.add", (1, 2))
        app.send_task("tests.fail", (CANARY,))
        app.send_task("tests.retry", kwargs={"text": CANARY})
        app.send_task("tests.reject")
        app.send_task("tests.hang", (f"{tmp_path}/{CANARY}",))
        until(lambda: total(target, "celery_task_sent_total") == 5)  # a worker may be quicker to tell than who sends
        stack.enter_context(worker(place, tmp_path))
        until(lambda: total(target, "celery_task_started_total") == 6)
        until(lambda: total(target, "celery_task_retried_total") == 1 and total(target, "celery_task_rejected_total"))
        until(lambda: total(target, "celery_task_succeeded_total") == 2)
        until(lambda: 'celery_events_enabled{hostname="tests",worker="one@tests"}' in target.page())
        text = re.sub(r'hostname="(?!tests")[^"]*"', 'hostname="SENDER"', target.text())
        text = re.sub(r'version="\d[^"]*"', 'version="ITS"', text)
        assert CANARY not in text
        assert CANARY not in json.dumps(dict(target.target.collector.context.ledger.entries()))
        families = EVENT_FAMILIES
        lines = [line for line in text.splitlines(keepends=True) if families.search(line)]
        golden("celery_events.prom", _MOVING.sub(r"\1 ~", "".join(lines)))
        (tmp_path / CANARY).touch()
        until(lambda: total(target, "celery_started_task_oldest_timestamp_seconds") == 0)


EVENT_FAMILIES = re.compile(
    r"celery_(task_|started_task|workers_(?:online|expected)|worker_(?:up|last|info|online)|events_|event_gaps|beat_)|celery_task_runtime"
)


def test_before_there_is_a_worker_there_are_none(place: str) -> None:
    with one("celery", settings(place, "workers: 3")) as target:
        listens(target)
        page = target.page()
        assert page["celery_workers_online"] == "0"
        assert page["celery_workers_expected"] == "3"
        assert page["celery_events_lost_total"] == "0"
        assert [series for series in page if series.startswith("celery_task_")] == ["celery_task_wait_unknown_total"]


def test_a_long_password_that_the_server_repeats_is_not_shown(broker: Redis) -> None:
    """Where AUTH is another command, Redis tells what stood after it, cut after 128 characters."""
    word = "-".join(f"piece{number}" for number in range(40))
    with (
        server(settings={"rename-command AUTH": "hidden"}) as renamed,
        one("celery", settings(renamed.url(password=word))) as target,
    ):
        until(lambda: "unknown command" in target.outcomes().get("events", ""), 20)
        until(lambda: all("unknown command" in target.outcomes()[read] for read in ("workers", "queues")), 20)
        said = json.dumps(target.outcomes()) + target.text()
        assert "piece1" not in said
        assert "knows no AUTH" in said


def test_the_application_s_own_variable_changes_no_target(broker: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", broker.url(database=0))  # Celery's library would take that instead
    with one("celery", settings(f"redis://127.0.0.1:{free_port()}/0")) as target:
        until(lambda: "cannot be reached" in target.outcomes().get("events", ""), 20)
        assert not target.read().up
        assert all("cannot be reached" in target.outcomes()[read] for read in ("workers", "queues"))


@pytest.mark.parametrize(("change", "reason"), [
    ("gone", "cannot be reached"), ("password", "refuses us"), ("no password", "refuses us"), ("rights", "refuses us"),
    ("strange", "cannot be reached"),
])  # fmt: skip
def test_a_broker_that_lets_nobody_in_is_down_and_says_why(broker: Redis, change: str, reason: str) -> None:
    answering = socket.create_server(("127.0.0.1", 0))
    addresses = {
        "gone": f"redis://127.0.0.1:{free_port()}/0", "password": broker.url(password="not-the-one"),
        "no password": f"redis://127.0.0.1:{broker.port}/0", "rights": broker.user("nobody-at-all", "-@all"),
        "strange": f"redis://127.0.0.1:{_talker(answering)}/0",
    }  # fmt: skip
    with answering, one("celery", settings(addresses[change])) as target:
        until(lambda: reason in " ".join(event_outcomes(target).values()), 60)
        snapshot = target.read()
        assert not snapshot.up
        said = json.dumps(target.outcomes()) + target.text()
        assert PASSWORD not in said
        assert "not-the-one" not in said
        assert "celery_workers_online" not in said
        assert "celery_workers_expected 1" in said


def _talker(answering: socket.socket) -> int:
    def talk() -> None:
        try:
            while True:
                with answering.accept()[0] as line:
                    line.sendall(b"220 what is this\r\n")
        except OSError:
            pass

    threading.Thread(target=talk, daemon=True).start()
    return int(answering.getsockname()[1])


def test_the_least_rights_are_enough(broker: Redis, place: str, tmp_path: Path) -> None:
    url = broker.user("monitor", "resetchannels", "-@all", "+psubscribe", "+ping", "&/0.celeryev", "&/0.celeryev/*")
    with one("celery", settings(f"{url}/0")) as target, worker(place, tmp_path):
        listens(target)
        until(lambda: value(target, "celery_workers_online") == 1)


def test_a_broker_that_hangs_keeps_no_page_and_is_told(broker: Redis, place: str, tmp_path: Path) -> None:
    app = celeryapp.make(place)
    with one("celery", settings(place)) as target, worker(place, tmp_path):
        listens(target)
        app.send_task("tests.add", (1, 2))
        until(lambda: total(target, "celery_task_succeeded_total") == 1)
        with broker.stopped():
            until(lambda: any("does not answer" in said for said in event_outcomes(target).values()), 40)
            assert target.read(1.0) is not None
        until(lambda: total(target, "celery_task_succeeded_total") == 1, 30)
        app.send_task("tests.add", (1, 2))
        until(lambda: total(target, "celery_task_succeeded_total") == 2, 20)
        assert value(target, "celery_event_gaps_total") >= 1


@pytest.mark.long
def test_counts_outlive_broker_worker_flush_and_exporter(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with server(settings={"requirepass": PASSWORD}) as broker:
        place = broker.url(database=0)
        app = celeryapp.make(place)
        with one("celery", settings(place), state) as target:
            listens(target)
            with worker(place, tmp_path, name="first@tests"):
                app.send_task("tests.add", (1, 2))
                until(lambda: total(target, "celery_task_succeeded_total") == 1)
            with worker(place, tmp_path, name="second@tests") as second:
                app.send_task("tests.add", (1, 2))
                until(lambda: total(target, "celery_task_succeeded_total") == 2)
                broker.ask("FLUSHALL")
                assert not any(said.startswith("failed") for said in event_outcomes(target).values())
                broker.stop(signal.SIGKILL)
                until(lambda: any("cannot be reached" in said for said in event_outcomes(target).values()))
                broker.start()
                until(lambda: total(target, "celery_task_succeeded_total") == 2, 20)
                until(lambda: second.log().count("Connected to redis") == 2, 30)
                until(lambda: value(target, "celery_workers_online") >= 1, 20)
                app.send_task("tests.add", (1, 2))
                until(lambda: total(target, "celery_task_succeeded_total") == 3, 20)
                os.kill(_helper_of(), signal.SIGKILL)
                listens(target)
                until(lambda: total(target, "celery_task_succeeded_total") == 3, 20)
                until(lambda: value(target, "celery_event_gaps_total") == 2, 20)
        with one("celery", settings(place), state) as target:
            until(lambda: total(target, "celery_task_succeeded_total") == 3, 20)


def _helper_of() -> int:
    """Return the helper process of this one."""
    (found,) = [child.pid for child in psutil.Process().children() if "helperprocess" in " ".join(child.cmdline())]
    return int(found)


def test_a_worker_that_takes_its_leave_is_gone_at_once_and_one_killed_is_not(place: str, tmp_path: Path) -> None:
    with one("celery", settings(place)) as target, worker(place, tmp_path, name="stays@one") as stays:
        listens(target)
        with worker(place, tmp_path, name="leaves@two") as leaves:
            until(lambda: value(target, "celery_workers_online") == 2, 20)
            leaves.stop(signal.SIGTERM)
            until(lambda: value(target, "celery_workers_online") == 1)
            assert 'celery_worker_up{hostname="two"}' not in target.page()
        stays.kill()
        assert value(target, 'celery_worker_up{hostname="one"}') == 1  # for a minute it may come back


@pytest.mark.long
def test_a_worker_without_events_is_told(place: str, tmp_path: Path) -> None:
    app = celeryapp.make(place)
    with one("celery", settings(place)) as target, worker(place, tmp_path, events=False):
        listens(target)
        until(lambda: value(target, "celery_workers_online") == 1)
        app.send_task("tests.add", (1, 2))
        until(lambda: value(target, 'celery_events_enabled{hostname="tests",worker="one@tests"}') == 0, 60)
        assert "start it with -E" in target.outcomes()["events"]
        app.control.enable_events()
        until(lambda: value(target, "celery_events_total") > 0)
        app.send_task("tests.add", (1, 2))
        until(lambda: value(target, 'celery_events_enabled{hostname="tests",worker="one@tests"}') == 1, 20)
        assert value(target, "celery_events_lost_total") == 0


def test_a_beat_that_stopped_is_seen_by_its_last_task(place: str, tmp_path: Path) -> None:
    name = 'celery_beat_task_last_sent_timestamp_seconds{name="tests.add"}'
    with one("celery", settings(place, "beat: {tests.add: {interval: 1s}}")) as target:
        listens(target)
        with beat(place, tmp_path, 0.3) as process:
            before = value(target, name)
            until(lambda: value(target, name) > before, 20)
            process.kill()
        assert target.page()['celery_beat_task_interval_seconds{name="tests.add"}'] == "1.0"


def test_what_is_no_event_is_counted_and_harms_nothing(broker: Redis, place: str) -> None:
    with one("celery", settings(place)) as target:
        listens(target)
        event = json.dumps({"body": json.dumps({"type": "task-started"}), "properties": {}})
        for text in ("what is this", "[]", "{}", '{"body": 7, "properties": {}}', event, "[" * 100_000):
            broker.ask("PUBLISH", "/0.celeryev/task.started", text)
        broker.ask("PUBLISH", "/0.celeryev", '{"body": "[1, {}]", "properties": {}}')
        broker.ask("PUBLISH", "/1.celeryev/task.started", "another database's")
        until(lambda: value(target, "celery_events_malformed_total") == 8)


def test_the_broker_has_what_it_had(broker: Redis, place: str, tmp_path: Path) -> None:
    with worker(place, tmp_path) as busy:
        busy.kill()
        before = _contents(broker)
        with one("celery", settings(place, "control_interval: 1s", "broker_interval: 1s")) as target:
            for key in ("control:workers", "broker", "tasks:summary"):  # each look several times
                looks_again(target, key, 3)
        until(lambda: _contents(broker) == before, 10)


def _contents(broker: Redis) -> dict[bytes, bytes]:
    with broker.client(decode_responses=False) as client:
        return {key: client.dump(key) for key in client.keys("*")}


@pytest.mark.long
def test_five_hundred_rounds_leave_nothing(broker: Redis, place: str) -> None:
    with one("celery", settings(place)) as target:
        listens(target)
        leaves_nothing(target, 500)
    with one("celery", settings(f"redis://127.0.0.1:{free_port()}/0")) as target:
        until(lambda: "cannot be reached" in " ".join(event_outcomes(target).values()))
        leaves_nothing(target, 500)


@pytest.mark.parametrize(("lines", "said"), [
    ("url: http://127.0.0.1", "is no address of a broker"), ("url: not-an-address", "is no address of a broker"),
    ("url: redis://127.0.0.1:x/0", "no address of a broker"), ("url: redis://h/0\nworkers: -1", "negative"),
    ("url: redis://h/0\ntask_top: 0", "out of range"), ("url: redis://h/0\nqueues: ['']", "no queue"),
    ("url: redis://h/0\nmanagement: http://h", "broker is Redis"), ("url: redis://h/0\nca_file: x", "no TLS"),
    ("url: amqps://h\nclient_cert: x", "stands alone"), ("url: amqp://h\nmanagement: h:15672", "no address of a web"),
    ("url: redis://h/0\npriority_steps: [300]", "priorities"), ("url: redis://h/0\ncontrol_interval: 0s", "range"),
    ("url: redis://h/0\nbeat: {a.b: {interval: 0s}}", "not positive"),
])  # fmt: skip
def test_what_cannot_be_meant_is_refused(lines: str, said: str) -> None:
    text = "targets:\n  it:\n    collector: celery\n" + "".join(f"    {line}\n" for line in lines.splitlines())
    with pytest.raises(config.ConfigError, match=said):
        config.read(text.encode(), "config.yml", config.INSTALLED, {})


def test_the_exporter_itself_imports_nothing_of_celery() -> None:
    code = "import sys, exporter.collectors.celery; print([m for m in ('celery', 'kombu', 'amqp') if m in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True).stdout
    assert said.strip() == "[]"
