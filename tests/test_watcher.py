"""A watch: started, restarted when it ends, stopped."""

import logging
import threading
from collections.abc import Callable
from threading import Event

import pytest

from exporter.backoff import Backoff
from exporter.watcher import Watcher
from tests.engine import CONTEXT, Bench, Script, Watching, gives, outcomes, settings
from tests.support import until


def shown(watched: Watcher) -> str:
    outcome = watched.outcome(7)
    return f"{outcome.status} {outcome.reason}".strip() if outcome else "not yet"


def watcher(watching: Callable[[Event], object]) -> Watcher:
    return Watcher("t", Watching(Script({}, watching=watching), CONTEXT).watch, Backoff(0.001, 0.002))


def test_one_that_does_not_begin_is_said_to_fail_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = watcher(lambda stop: stop.wait())
    before_it = Event()
    watched.start(before_it)  # the one that had the name before does not let go
    assert shown(watched) == "not yet"
    monkeypatch.setattr("exporter.watcher._TOO_LATE", 0.0)
    assert shown(watched) == "failed it has not begun to listen"
    watched.stop(5)


@pytest.mark.parametrize("error", [ValueError("broken"), SystemExit("broken"), KeyboardInterrupt("broken")])
def test_it_is_begun_again_after_it_fails(error: BaseException) -> None:
    begun = 0

    def watch(stop: Event) -> None:
        nonlocal begun
        begun += 1
        if begun < 4:
            raise error
        stop.wait()

    watched = watcher(watch)
    watched.start()
    until(lambda: begun == 4 and shown(watched) == "ok")
    watched.stop(5)
    assert begun == 4


def test_one_that_returns_is_begun_again_and_said() -> None:
    begun = 0

    def watch(stop: Event) -> None:
        nonlocal begun
        begun += 1

    watched = watcher(watch)
    assert watched.outcome(7) is None
    watched.start()
    until(lambda: begun > 3)
    until(lambda: shown(watched) == "failed it returned")
    watched.stop(5)


def test_the_reason_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    begun = 0

    def watch(stop: Event) -> None:
        nonlocal begun
        begun += 1
        raise ValueError("first" if begun < 5 else "second")

    with caplog.at_level(logging.WARNING):
        watched = watcher(watch)
        watched.start()
        until(lambda: begun > 10)
        watched.stop(5)
    assert [record.getMessage().split(";")[0] for record in caplog.records] == [
        "the watch ended: ValueError: first", "the watch ended: ValueError: second",
    ]  # fmt: skip


def test_stopping_does_not_wait_for_one_that_hangs() -> None:
    gate = Event()
    watched = watcher(lambda stop: gate.wait(20))
    watched.start()
    watched.stop(0.01)
    thread = next(thread for thread in threading.enumerate() if thread.name == "watch t")
    gate.set()
    thread.join(5)
    assert not thread.is_alive()


def test_a_watch_is_a_read_on_the_page() -> None:
    holds, fails = Event(), Event()

    def watch(stop: Event) -> None:
        holds.set()
        fails.wait(20)
        raise ValueError("the stream broke")

    script = Script({"a": gives("a")}, watching=watch)
    with Bench(settings(script)) as bench:
        assert holds.wait(5)
        assert outcomes(bench.look()) == {"a": "ok", "watch": "ok"}
        fails.set()
        until(lambda: bench.threads("watch") and bench.targets()[0]._watcher.outcome(0).reason)  # type: ignore[union-attr]
        bench.advance(10)
        page = bench.page()
        assert outcomes(bench.look()) == {"a": "ok", "watch": "failed ValueError: the stream broke"}
        assert page['runbook_exporter_read_success{collector="scripted",read="watch",target="t"}'] == "0"
        assert page['runbook_target_up{collector="scripted",target="t"}'] == "1"


def test_a_watch_that_holds_does_not_make_a_dead_target_look_alive() -> None:
    def refuse() -> None:
        raise ConnectionRefusedError("refused")

    script = Script({"a": gives("a")}, connecting=refuse, watching=lambda stop: stop.wait())
    with Bench(settings(script)) as bench:
        assert bench.look().up is False
        gate = bench.gate()
        script.connecting = lambda: gate.wait(20)
        bench.advance(60)
        assert bench.look(0.05).up is False


def test_closing_the_target_stops_its_watch() -> None:
    stopped = Event()

    def watch(stop: Event) -> None:
        stop.wait()
        stopped.set()

    with Bench(settings(Script({"a": gives("a")}, watching=watch))) as bench:
        until(lambda: bench.threads("watch"))
        bench.apply([])
        assert stopped.wait(5)


def test_two_watches_of_one_name_never_run_at_once_and_the_collector_is_closed_after_its_own() -> None:
    events: list[str] = []
    slow = Event()

    def first(stop: Event) -> None:
        events.append("first begins")
        stop.wait()
        slow.wait(20)
        events.append("first ends")

    def second(stop: Event) -> None:
        events.append("second begins")
        stop.wait()

    old = Script({"a": gives("a")}, watching=first, closing=lambda: events.append("first is closed"))
    with Bench(settings(old)) as bench:
        until(lambda: events)
        bench.apply([settings(Script({"a": gives("a")}, watching=second))])
        slow.set()
        until(lambda: "second begins" in events)
    assert events == ["first begins", "first ends", "first is closed", "second begins"]
