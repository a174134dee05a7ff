"""The base of all probes: what stands after one that failed, was cut, or could not look at all."""

import gc
import os
import resource
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from exporter.collector import Context, NoSettings, Trouble, Unable
from exporter.deadline import GIVEN_UP, Cancel, Deadline
from exporter.metric import Sample
from exporter.probemetrics import BY_PATTERN
from exporter.probing import Finding, MismatchError, Probe, told_by_pattern
from exporter.state import State
from tests.onetarget import one
from tests.process import free_port

Act = Callable[[Cancel], Finding]


class Scripted(Probe):
    """A probe that does what a test says, round by round."""

    def __init__(self, *acts: Act) -> None:
        super().__init__(NoSettings(), Context("it", 5.0, State(None).shelf("it")))
        self._acts = iter(acts)

    def probe(self, deadline: Deadline, cancel: Cancel) -> Finding:
        return next(self._acts)(cancel)

    def round(self) -> tuple[Exception | None, dict[str, object]]:
        """Make a round; return what it raised, and what stands on the page."""
        error: Exception | None = None
        samples: list[Sample | None] = []
        try:
            with self.connect() as finding:
                samples += type(self).found.function(self, finding)
        except (Trouble, RuntimeError) as raised:
            error = raised
        samples += self.standing(error is None, failing=False)
        return error, {sample.metric.name: sample.value for sample in samples if sample is not None}


def well(_: Cancel) -> Finding:
    return Finding((BY_PATTERN(0),), 1.0)


def failed(_: Cancel) -> Finding:
    return Finding((BY_PATTERN(1),), 2.0, MismatchError("it is another", by_pattern=True))


def unable(_: Cancel) -> Finding:
    return Finding((BY_PATTERN(1),), 3.0, Unable("no library"))


def broken(_: Cancel) -> Finding:
    raise RuntimeError("can't start new thread")


WELL = {"probe_success": 1, "probe_duration_seconds": 1, "probe_failed_due_to_regex": 0}
FAILED = {"probe_success": 0, "probe_duration_seconds": 2, "probe_failed_due_to_regex": 1}


def test_what_failed_stands_beside_the_reason() -> None:
    probe = Scripted(well, failed)
    assert probe.round() == (None, WELL)
    error, page = probe.round()
    assert (str(error), page) == ("it is another", FAILED)
    assert isinstance(error, Trouble)
    assert told_by_pattern(error)
    assert not told_by_pattern(Trouble("it is another"))


@pytest.mark.parametrize("nothing_known", [unable, broken])
def test_where_nothing_could_be_looked_at_nothing_is_said_and_what_was_seen_before_is_over(nothing_known: Act) -> None:
    probe = Scripted(failed, nothing_known, well)
    assert probe.round()[1] == FAILED
    error, page = probe.round()
    assert error is not None
    assert page == {}
    assert probe.round() == (None, WELL)


def test_after_one_that_was_cut_the_next_is_not() -> None:
    def cut(cancel: Cancel) -> Finding:
        probe.interrupt()
        assert cancel.cancelled
        return failed(cancel)

    def uncut(cancel: Cancel) -> Finding:
        assert not cancel.cancelled
        return well(cancel)

    probe = Scripted(cut, uncut)
    error, page = probe.round()
    assert (str(error), page["probe_success"]) == (GIVEN_UP, 0)
    assert probe.round() == (None, WELL)


class Answer:
    """What came from the other side."""


def test_a_finding_lets_go_of_what_came() -> None:
    seen: list[weakref.ref[Answer]] = []

    def heard() -> None:
        answer = Answer()
        seen.append(weakref.ref(answer))
        try:
            raise ValueError(answer)
        except ValueError as error:
            raise MismatchError("it is another") from error

    def failing(_: Cancel) -> Finding:
        try:
            heard()
        except Trouble as trouble:
            found = trouble
        return Finding((), 1.0, found)

    probe = Scripted(failing)
    probe.round()
    gc.collect()
    assert [one() for one in seen] == [None]
    assert probe._found is not None
    assert str(probe._found.trouble) == "it is another"


@contextmanager
def no_more_files() -> Iterator[None]:
    """Have no descriptor left while the block runs."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("tcp", "address: '127.0.0.1:{}'"),
        ("dns", "server: '127.0.0.1:{}'\nquery_name: shop.example.com"),
        ("dns", "server: '127.0.0.1:{}'\nquery_name: shop.example.com\ntransport: tcp"),
        ("icmp", "host: 127.0.0.1"),
        ("http", "url: http://127.0.0.1:{}/"),
        ("websocket", "url: ws://127.0.0.1:{}/"),
    ],
)
def test_without_descriptors_nothing_is_said_of_the_target(kind: str, settings: str) -> None:
    with one(kind, settings.format(free_port())) as target:
        known = target.page().get("probe_success")
        if known is None:
            pytest.skip("the exporter may not ping here")
        with no_more_files():
            snapshot = target.read()
        assert snapshot.up is False
        assert "lets the exporter open nothing more (Too many open files)" in snapshot.reason
        assert "LimitNOFILE" in snapshot.fix
        told = target.target.collector.standing(up=False, failing=True)
        assert [sample for sample in told if sample and sample.metric.name.startswith("probe_")] == []
        assert target.page()["probe_success"] == known
