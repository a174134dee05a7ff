"""When a worker gets nowhere, and when all of a queue do: judged of answers, of which some do not come."""

import time
from collections.abc import Mapping
from typing import Any

import pytest

from exporter.collectors.celery import workers
from exporter.collectors.celery.answers import limits_of, strictest, will_end
from exporter.collectors.celery.control import WORKERS, Control
from exporter.collectors.celery.heartbeats import SILENT
from exporter.collectors.celery.look import look_key, standing, true_for
from exporter.collectors.celery.presence import ASKED, LEFT, TOLD, living, presence
from exporter.collectors.celery.settings import CelerySettings
from exporter.secret import SecretURL

NOW = 1_800_000_000.0
JUDGED = (workers.STUCK, workers.STANDSTILL)
LIMITED = ["app.work [time_limit=900]"]


class Answering:
    """Workers whose places are all taken, one more waiting in each; some answers may be left out."""

    def __init__(self, *names: str, reserved: int = 1) -> None:
        self.running = {name: [f"{name}-{number}" for number in range(2)] for name in names}
        self.reserved = dict.fromkeys(names, reserved)
        self.queues = {name: ["celery"] for name in names}
        self.registered = ["app.work"]
        self.since = NOW
        self.missed: set[str] = set()

    def names(self) -> frozenset[str]:
        return frozenset(() if "ping" in self.missed else self.running)

    def ask(self, command: str, count: int, **arguments: Any) -> Mapping[str, Any]:
        return {} if command in self.missed else {name: self._answer(command, name) for name in self.running}

    def _answer(self, command: str, name: str) -> Any:
        if command == "stats":
            return {"pid": 1, "pool": {"max-concurrency": 2, "processes": [8, 9]}, "total": {"app.work": 2}}
        if command == "active":
            return [{"id": uuid, "name": "app.work", "time_start": self.since} for uuid in self.running[name]]
        if command == "active_queues":
            return [{"name": queue} for queue in self.queues[name]]
        if command == "registered":
            return self.registered
        return [{}] * self.reserved[name] if command == "reserved" else []


class Rounds:
    """Rounds of questions, each fifteen seconds after the one before."""

    def __init__(self, answering: Answering, told: Mapping[str, Any] | None = None, interval: float = 15.0) -> None:
        self.settings = CelerySettings(url=SecretURL("redis://127.0.0.1:1/0"), control_interval=interval)
        self.answering, self.kept = answering, {TOLD: told or {}, LEFT: {}}
        self.control = Control(self.settings, self.kept)
        self.turn = 0

    def round(self, *missed: str, times: int = 1) -> dict[tuple[str, ...], float]:
        """Make rounds in which these answers are missed; return what is told of standing still, from NOW on."""
        self.answering.missed = set(missed)
        for _ in range(times):
            told = self.control._round(self.answering, self.turn)  # type: ignore[arg-type]
            self.turn += 1
            for seen in self.kept[TOLD].values():
                seen["seen"] = time.time()
            here = time.time()
            self.kept |= {**told, look_key("control"): standing(True, here, NOW)}
            samples = [*workers.workers.function(self.kept), *workers.consumers.function(self.kept)]
            found = {
                (sample.metric.name, *sample.labels): sample.value - NOW for sample in samples
                if sample and sample.metric in JUDGED and isinstance(sample.value, float)
            }  # fmt: skip
            _Clock.now += self.settings.control_interval
        return found


class _Clock:
    now = NOW


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    _Clock.now = NOW
    monkeypatch.setattr(time, "time", lambda: _Clock.now)


STUCK = ("celery_worker_stuck_since_timestamp_seconds", "h", "w@h")
STANDS = ("celery_queue_standstill_since_timestamp_seconds", "celery")


@pytest.mark.parametrize("missed", ["ping", "stats", "active", "active_queues", "reserved", "registered"])
def test_a_missed_answer_is_not_taken_for_getting_on(missed: str) -> None:
    rounds = Rounds(Answering("w@h"), {"w@h": {"seen": NOW, "since": NOW, "processed": 2}})
    rounds.round(times=4)
    assert rounds.round(missed) == {STUCK: 0, STANDS: 0}  # the fifth asks for what is seldom asked for
    assert rounds.round(missed) == {STUCK: 0, STANDS: 0}
    assert rounds.round(times=4) == {STUCK: 0, STANDS: 0}


def test_a_task_that_ends_is_getting_on_though_an_answer_was_missed() -> None:
    answering = Answering("w@h")
    rounds = Rounds(answering)
    rounds.round(times=2)
    answering.running["w@h"] = ["another", "one-more"]
    assert rounds.round("active") == {STUCK: 0, STANDS: 0}
    assert rounds.round() == {STUCK: 45, STANDS: 45}  # as far as it was seen
    answering.running["w@h"] = ["alone"]
    assert rounds.round() == {}


def test_of_one_that_answers_no_more_it_is_known_for_some_rounds_only() -> None:
    rounds = Rounds(Answering("w@h"), {"w@h": {"seen": NOW, "since": NOW, "processed": 2}})
    rounds.round()
    last = int(true_for(15) // 15)
    assert rounds.round("ping", times=last) == {STUCK: 0, STANDS: 0}
    assert rounds.round("ping") == {}


def test_one_that_consumes_nothing_is_stuck_since_then_though_it_was_full() -> None:
    answering = Answering("w@h")
    rounds = Rounds(answering)
    rounds.round(times=2)
    answering.queues["w@h"] = []
    assert rounds.round() == {STUCK: 30}
    assert rounds.round("active_queues") == {STUCK: 30}
    answering.queues["w@h"] = ["celery"]
    assert rounds.round()[STUCK] == 60


def test_a_queue_stands_still_where_all_its_workers_do_and_something_waits() -> None:
    answering = Answering("a@h", "b@h", reserved=0)
    answering.queues["b@h"] = ["celery", "other"]
    rounds = Rounds(answering)
    other = ("celery_queue_standstill_since_timestamp_seconds", "other")
    assert rounds.round() == {}  # nothing waits
    rounds.kept["queue:celery"] = {"length": 1}
    assert rounds.round() == {STANDS: 0}
    answering.running["b@h"] = ["new", "newer"]
    rounds.kept["queue:other"] = {"length": 1}
    assert rounds.round() == {STANDS: 30, other: 30}
    answering.running["b@h"] = ["newer"]
    assert rounds.round() == {}
    del answering.running["b@h"]
    assert rounds.round() == {}  # it may miss an answer, and have a place
    rounds.kept[LEFT] = {"b@h": time.time()}
    assert rounds.round() == {STANDS: 0}


def test_what_a_time_limit_ends_calls_nobody_until_the_limit_has_passed() -> None:
    answering = Answering("w@h")
    answering.registered = LIMITED
    rounds = Rounds(answering)
    assert STANDS not in rounds.round(times=61)  # the last at the very limit
    assert rounds.round()[STANDS] == 0


def test_where_limits_were_never_told_nothing_is_judged() -> None:
    rounds = Rounds(Answering("w@h"))
    assert rounds.round("registered", times=4) == {STUCK: 0}
    assert rounds.round()[STANDS] == 0


def test_limits_stay_known_while_an_answer_is_missed_and_go_with_their_worker() -> None:
    answering = Answering("a@h", "b@h")
    answering.registered = LIMITED
    rounds = Rounds(answering)
    rounds.round()
    for missed in ("registered", "stats", "ping"):
        rounds.round(missed, times=4)
        assert rounds.kept[WORKERS]["tasks"].get("app.work", {"limit": 900.0})["limit"] == 900.0
    del answering.running["a@h"]
    rounds.round(times=8)
    assert set(rounds.control._limits) == {"b@h"}


@pytest.mark.parametrize(("registered", "stats", "expected"), [
    (["a [time_limit=60]", "b"], {"pool": {"timeouts": [20, 0]}}, {"a": 60.0, "b": 20.0}),
    (["a [soft_time_limit=5 time_limit=60]"], {"pool": {}}, {"a": 5.0}), (["a"], {}, {}), (None, {}, None),
    (["a"], None, None), ("a", {}, None),
], ids=["worker", "strictest", "none", "missed", "no stats", "malformed"])  # fmt: skip
def test_a_workers_limits(registered: Any, stats: Any, expected: dict[str, float] | None) -> None:
    assert limits_of(registered, stats) == expected


def test_the_strictest_limit_of_all_workers_holds() -> None:
    assert strictest([{"a": 5.0, "b": 1.0}, {"a": 3.0}, {}]) == {"a": 3.0, "b": 1.0}


@pytest.mark.parametrize(("active", "limits", "expected"), [
    ([{"name": "a", "time_start": NOW - 5}], {"a": 5.0}, True),
    ([{"name": "a", "time_start": NOW - 6}], {"a": 5.0}, False),
    ([{"name": "b", "time_start": NOW}], {"a": 5.0}, False), ([{"name": "a"}, 7], {"a": 5.0}, True),
    (None, {"a": 5.0}, None), ([], None, None), ([], {}, False),
])  # fmt: skip
def test_whether_a_limit_ends_what_runs(active: Any, limits: Any, expected: bool | None) -> None:
    assert will_end(active, limits, NOW) is expected


@pytest.mark.parametrize(("told", "left", "age", "lives"), [
    (None, None, 900, True), (None, None, 901, False), ({"processed": None}, None, 900, True),
    ({"processed": 3}, None, SILENT, True), ({"processed": 3}, None, SILENT + 1, False),
    (None, 900 - SILENT, 900, False), (None, 900, 839, True),
], ids=["seldom", "three missed", "events only", "heartbeats", "vanished", "left", "came back"])  # fmt: skip
def test_one_without_heartbeats_is_there_for_three_rounds_of_questions(
    told: dict[str, Any] | None, left: float | None, age: float, lives: bool
) -> None:
    asked = {"workers": {"w": {"answered": NOW - age}}, "settings": {"interval": 300.0}}
    entries = {ASKED: asked, TOLD: {"w": {**told, "seen": NOW - 1000}} if told else {},
               LEFT: {"w": NOW - left} if left else {}}  # fmt: skip
    assert living(presence(entries), NOW) == ({"w"} if lives else set())
