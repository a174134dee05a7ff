"""What has run past its time is noticed."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from exporter.snapshot import Clock
from exporter.watchdog import Watchdog
from tests.engine import FakeClock
from tests.support import until


@contextmanager
def watching(clock: Clock) -> Iterator[Watchdog]:
    before = set(threading.enumerate())
    watchdog = Watchdog(clock)
    yield watchdog
    watchdog.close()
    until(lambda: not set(threading.enumerate()) - before)


def advance(watchdog: Watchdog, clock: FakeClock, seconds: float) -> None:
    clock.now += seconds
    with watchdog._changed:
        watchdog._changed.notify()


def test_it_calls_back_when_the_time_is_over_and_not_before() -> None:
    clock = FakeClock()
    called: list[str] = []
    with watching(clock) as watchdog:
        watchdog.arm(10, lambda: called.append("late"))
        watchdog.arm(5, lambda: called.append("soon"))
        advance(watchdog, clock, 4)
        advance(watchdog, clock, 1)
        until(lambda: called == ["soon"])
        advance(watchdog, clock, 5)
        until(lambda: called == ["soon", "late"])


def test_what_was_disarmed_is_not_called() -> None:
    clock = FakeClock()
    called: list[str] = []
    with watching(clock) as watchdog:
        token = watchdog.arm(5, lambda: called.append("disarmed"))
        watchdog.arm(6, lambda: called.append("armed"))
        watchdog.disarm(token)
        watchdog.disarm(token)
        advance(watchdog, clock, 6)
        until(lambda: called)
    assert called == ["armed"]


def test_an_earlier_time_wakes_it() -> None:
    import time

    called = threading.Event()
    with watching(time) as watchdog:
        watchdog.arm(60, lambda: None)
        until(lambda: watchdog._changed._waiters)  # type: ignore[attr-defined]  # it sleeps
        watchdog.arm(0.01, called.set)
        assert called.wait(5)


def test_one_that_fails_leaves_the_others_watched(caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock()
    called: list[str] = []

    def fail() -> None:
        raise RuntimeError("can't start new thread")

    with watching(clock) as watchdog, caplog.at_level(logging.ERROR):
        watchdog.arm(1, fail)
        watchdog.arm(2, lambda: called.append("next"))
        advance(watchdog, clock, 2)
        until(lambda: called == ["next"])
    assert "can't start new thread" in caplog.text


def test_one_thread_serves_all_and_none_is_begun_before_it_is_needed() -> None:
    before = set(threading.enumerate())
    clock = FakeClock()
    with watching(clock) as watchdog:
        assert set(threading.enumerate()) == before
        for _ in range(50):
            watchdog.arm(5, lambda: None)
        assert [thread.name for thread in set(threading.enumerate()) - before] == ["watchdog"]
