"""A target at work: deadlines, single flight, back-off, the background."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest

from exporter.metric import Remarking, Samples
from exporter.snapshot import Snapshot
from tests.engine import VALUE, Bench, Script, Scripted, Session, gives, outcomes, raises, settings, values
from tests.support import until

UP = 'runbook_target_up{collector="scripted",target="t"}'
SHORT = 0.05  # of a scrape that will not get all


def holds(name: str, gate: Event, entered: Event | None = None) -> Callable[[Session], Samples]:
    """Return a read that hangs until the gate opens, whatever anybody asks."""

    def function(_: Session) -> Samples:
        if entered is not None:
            entered.set()
        gate.wait(20)
        yield VALUE(1, read=name)

    return function


def hangs_until_cancelled(name: str) -> Callable[[Session], Samples]:
    def function(session: Session) -> Samples:
        if session.let_go.wait(20):
            raise TimeoutError("cancelled")
        yield VALUE(1, read=name)

    return function


def let_go(session: Session) -> None:
    session.let_go.set()


def failing(error: Exception) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


# ---- the deadline


def test_a_scrape_returns_at_its_deadline_with_what_is_finished() -> None:
    with Bench() as bench:
        gate = bench.gate()
        script = Script({"1": gives("1"), "2": gives("2"), "3": holds("3", gate), "4": gives("4")})
        bench.apply([settings(script, timeout=60)])
        begun = time.monotonic()
        snapshot = bench.look(SHORT)
        assert SHORT <= time.monotonic() - begun < 2
        assert outcomes(snapshot) == {"1": "ok", "2": "ok", "3": "failed timeout", "4": "failed timeout"}
        assert values(snapshot) == {"1": 1, "2": 1}
        assert snapshot.up is True
        gate.set()
        assert values(bench.look()) == {"1": 1, "2": 1, "3": 1, "4": 1}  # the round went on, and is the same
        assert script.rounds.count == 1


@pytest.mark.parametrize("where", ["connect", "read"])
def test_a_hung_target_delays_the_first_page_only(where: str) -> None:
    with Bench() as bench:
        gate = bench.gate()
        script = Script({"a": gives("a")}, connecting=lambda: gate.wait(20))
        if where == "read":
            script = Script({"a": holds("a", gate)})
        bench.apply([settings(script), settings(Script({"b": gives("b")}), name="well")])
        assert bench.page(SHORT)[UP] == "0"
        bench.advance(6)
        for _ in range(20):
            bench.advance(15)
            begun = time.monotonic()
            page = bench.page(60)
            assert time.monotonic() - begun < 5
            assert page[UP] == "0"
            assert page['test_value{read="b",target="well"}'] == "1"
        assert outcomes(bench.read(bench.targets()[:1], 0)[0]) == {"a": "failed timeout"}
        assert script.rounds.count == 1
        until(lambda: bench.threads("cancel") == [])
        assert len(bench.threads("target t")) == 1
        gate.set()
        until(lambda: bench.targets()[0]._round is None)
        pages = []
        for _ in range(2):
            bench.advance(15)
            pages.append(bench.page()[UP])
        assert pages[-1] == "1"


def test_with_real_time_a_hung_target_delays_one_page_by_its_timeout_and_the_next_by_nothing() -> None:
    with Bench(clock=time) as bench:
        gate = bench.gate()
        bench.apply([settings(Script({"a": holds("a", gate)}), timeout=0.2, max_age=0.0)])
        begun = time.monotonic()
        assert bench.look().up is False
        assert 0.2 <= time.monotonic() - begun < 2
        begun = time.monotonic()
        for _ in range(50):
            assert bench.look().up is False
        assert time.monotonic() - begun < 2  # 50 pages, none of which waited
        assert len(bench.threads("target")) == 1


def test_what_hangs_in_one_read_keeps_the_others_from_one_page_and_no_more() -> None:
    script = Script(
        {"1": gives("1"), "2": gives("2"), "3": hangs_until_cancelled("3"), "4": gives("4"), "5": gives("5")},
        cancel=let_go,
    )
    with Bench(settings(script)) as bench:
        first = bench.look(SHORT)
        assert values(first) == {"1": 1, "2": 1}
        until(lambda: bench.targets()[0]._round is not None)
        for round in range(1, 4):
            bench.advance(6)  # past the timeout: the session is told to let go
            until(lambda: bench.targets()[0]._round is None)
            assert script.cancels.count == round
            bench.advance(15)
            later = bench.look(1)
            assert values(later) == {"1": 1, "2": 1, "4": 1, "5": 1}
            assert outcomes(later)["3"] == "failed timeout"
            assert later.up is True


def test_a_page_after_an_overrun_waits_a_grace_only() -> None:
    script = Script({"1": gives("1"), "2": hangs_until_cancelled("2")}, cancel=let_go)
    with Bench(settings(script, timeout=0.1, max_age=0.0), clock=time) as bench:
        bench.look()
        until(lambda: bench.targets()[0]._round is None)
        target = bench.targets()[0]
        assert target.patience(target.run_now()) <= 0.05
        until(lambda: values(bench.look()) == {"1": 1})


def test_letting_go_that_hangs_itself_harms_nobody() -> None:
    with Bench() as bench:
        gate, cancel = bench.gate(), bench.gate()
        entered = Event()
        script = Script({"1": gives("1"), "2": holds("2", gate, entered)}, cancel=lambda _: cancel.wait(20))
        bench.apply([settings(script), settings(Script({"b": gives("b")}), name="well")])
        bench.page(SHORT)
        assert entered.wait(5)
        bench.advance(6)
        until(lambda: script.cancels.now == 1)
        for _ in range(5):
            bench.advance(15)
            assert bench.page()['test_value{read="b",target="well"}'] == "1"
        gate.set()
        until(lambda: bench.targets()[0]._round is None)
        bench.advance(60)
        assert values(bench.look_at("t")) == {"1": 1, "2": 1}
        gate.clear()
        bench.advance(60)
        bench.look_at("t", SHORT)
        until(lambda: script.rounds.now == 1)
        bench.advance(6)
        assert outcomes(bench.look_at("t"))["2"] == "failed timeout"
        gate.set()
        until(lambda: bench.targets()[0]._round is None)
        assert script.cancels.count == 1
        assert len(bench.threads("cancel")) == 1


def test_what_was_not_begun_when_the_time_was_over_is_not_begun() -> None:
    begun = []

    def late(_: Session) -> Samples:
        begun.append("late")
        yield VALUE(1, read="late")

    script = Script({"1": gives("1"), "2": hangs_until_cancelled("2"), "late": late}, cancel=let_go)
    with Bench(settings(script)) as bench:
        bench.look(SHORT)
        bench.advance(6)
        until(lambda: bench.targets()[0]._round is None)
        assert outcomes(bench.targets()[0].view())["late"] == "failed timeout"
    assert begun == []


@pytest.mark.parametrize("error", [OSError("no"), SystemExit()])
def test_letting_go_that_fails_harms_nobody(error: BaseException) -> None:
    def cancel(session: Session) -> None:
        session.let_go.set()
        raise error

    script = Script({"1": gives("1"), "2": hangs_until_cancelled("2")}, cancel=cancel)
    with Bench(settings(script)) as bench:
        bench.look(SHORT)
        bench.advance(6)
        until(lambda: bench.targets()[0]._round is None)
        assert outcomes(bench.targets()[0].view()) == {"1": "ok", "2": "failed TimeoutError: cancelled"}


def test_readings_of_an_overdue_round_vanish() -> None:
    with Bench() as bench:
        gate = bench.gate()
        bench.apply([settings(Script({"1": gives("1"), "2": holds("2", gate)}), timeout=5, max_age=4)])
        assert values(bench.look(SHORT)) == {"1": 1}
        bench.advance(8)
        assert values(bench.look()) == {"1": 1}  # overdue, and not older than an answer may be
        bench.advance(2)
        assert (values(bench.look()), bench.look().up) == ({}, False)


def test_a_round_that_comes_back_hours_later_gives_no_readings_of_then() -> None:
    with Bench() as bench:
        gate = bench.gate()
        bench.apply([settings(Script({"1": gives("1"), "2": holds("2", gate)}), interval=900, timeout=60)])
        until(lambda: bench.targets()[0]._round is not None)
        bench.advance(7200)
        gate.set()
        until(lambda: bench.targets()[0]._round is None)
        assert (values(bench.look()), bench.look().up) == ({}, False)


def test_however_often_a_hung_target_is_asked_nothing_piles_up() -> None:
    with Bench() as bench:
        gate, cancel = bench.gate(), bench.gate()
        script = Script({"a": holds("a", gate)}, cancel=lambda _: cancel.wait(20))
        bench.apply([settings(script)])
        bench.look(SHORT)
        for _ in range(50):
            bench.advance(15)
            bench.look()
        until(lambda: script.cancels.now == 1)
        assert sorted(name.split()[0] for name in bench.threads()) == ["cancel", "target", "watchdog"]
        assert (script.rounds.count, script.cancels.count) == (1, 1)


# ---- single flight


def test_fifty_who_ask_at_once_make_one_round() -> None:
    with Bench() as bench, ThreadPoolExecutor(50) as pool:
        gate = bench.gate()
        script = Script({"a": holds("a", gate)})
        bench.apply([settings(script)])
        together = threading.Barrier(51)

        def scrape() -> Snapshot:
            together.wait(5)
            return bench.look()

        scrapes = [pool.submit(scrape) for _ in range(50)]
        together.wait(5)
        until(lambda: script.rounds.now == 1)
        gate.set()
        assert len({scrape.result(5) for scrape in scrapes}) == 1
        assert (script.rounds.count, script.rounds.most) == (1, 1)


def test_two_scrapers_with_different_deadlines_share_a_round() -> None:
    with Bench() as bench, ThreadPoolExecutor(1) as pool:
        gate = bench.gate()
        script = Script({"1": gives("1"), "2": holds("2", gate)})
        bench.apply([settings(script)])
        patient = pool.submit(bench.look, 20.0)
        until(lambda: script.rounds.now == 1)
        assert values(bench.look(SHORT)) == {"1": 1}
        gate.set()
        assert values(patient.result(5)) == {"1": 1, "2": 1}
        assert script.rounds.count == 1


def test_a_young_snapshot_is_reused_and_an_older_one_is_not() -> None:
    script = Script({"a": gives("a")})
    with Bench(settings(script, max_age=5)) as bench:
        first = bench.look()
        bench.advance(4.9)
        assert bench.look() is first
        bench.advance(0.1)
        assert bench.look() is not first
        assert script.rounds.count == 2


def test_a_page_does_not_show_a_round_that_another_began_since() -> None:
    with Bench() as bench:
        gate = bench.gate()
        gate.set()
        bench.apply([settings(Script({"a": holds("a", gate)}), max_age=5)])
        target = bench.targets()[0]
        bench.look()
        bench.advance(4)
        asked = bench.clock.monotonic()
        assert target.ask() is None  # fresh for this page, which has others to wait for
        gate.clear()
        bench.advance(2)
        assert target.ask() is not None  # another page, for which it is too old
        assert values(target.view(asked)) == {"a": 1}
        shown = target.view(bench.clock.monotonic())
        assert (values(shown), shown.up) == ({}, True)  # nothing is read yet, and nothing says that it is down


def test_a_page_that_waits_for_others_shows_what_was_fresh_when_it_was_asked_for() -> None:
    with Bench() as bench, ThreadPoolExecutor(1) as pool:
        quick, slow = bench.gate(), bench.gate()
        quick.set()
        script, other = Script({"a": holds("a", quick)}), Script({"b": holds("b", slow)})
        bench.apply([settings(script, "quick"), settings(other, "slow", timeout=60)])
        bench.look_at("quick")
        quick.clear()
        bench.advance(4)
        page = pool.submit(bench.read, bench.targets(), 20.0)
        until(lambda: other.rounds.now == 1)
        bench.advance(2)
        assert values(bench.look_at("quick", SHORT)) == {}  # another page, for which it was too old
        slow.set()
        assert [values(snapshot) for snapshot in page.result(5)] == [{"a": 1}, {"b": 1}]


def test_who_gives_up_waiting_takes_the_round_from_nobody() -> None:
    with Bench() as bench:
        gate = bench.gate()
        bench.apply([settings(Script({"a": holds("a", gate)}))])
        round = bench.targets()[0].ask()
        assert round is not None
        assert not round.done.cancel()
        gate.set()
        assert values(bench.look()) == {"a": 1}
        assert len(bench.threads("target")) == 1


def test_what_has_not_changed_is_the_same_object() -> None:
    with Bench() as bench:
        gate = bench.gate()
        bench.apply([settings(Script({"1": gives("1"), "2": holds("2", gate)}))])
        bench.look(SHORT)
        target = bench.targets()[0]
        assert target.view() is target.view()


# ---- targets that fail


def test_a_target_that_is_down_is_left_alone_for_a_while_and_the_page_says_so() -> None:
    script = Script({"a": gives("a")}, connecting=failing(OSError("refused")))
    with Bench(settings(script, max_age=0.0)) as bench:
        assert bench.page()[UP] == "0"
        for _ in range(10):
            assert bench.page()[UP] == "0"
            assert bench.look().reason == "OSError: refused"
        assert script.rounds.count == 1
        bench.advance(1)
        bench.look()
        assert script.rounds.count == 2


def test_the_rest_grows_to_its_cap_and_ends_with_the_trouble() -> None:
    script = Script({"a": gives("a")}, connecting=failing(OSError("refused")))
    with Bench(settings(script, max_age=0.0)) as bench:
        for seconds in (1, 2, 4, 8, 16, 30, 30, 30):
            before = script.rounds.count
            bench.look()
            assert script.rounds.count == before + 1
            bench.advance(seconds * 0.49)  # chance takes half of it at most
            bench.look()
            assert script.rounds.count == before + 1
            bench.advance(seconds * 0.51)
        script.connecting = lambda: None
        assert (bench.look().up, values(bench.look())) == (True, {"a": 1})
        script.connecting = failing(OSError("refused"))
        assert bench.look().up is False
        bench.advance(1)
        before = script.rounds.count
        bench.look()
        assert script.rounds.count == before + 1  # the rest began anew


def test_what_changes_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    script = Script({"a": gives("a"), "b": gives("b")})
    reads = dict(script.reads)
    script.reads = {"a": gives("a"), "b": lambda session: reads["b"](session)}
    with caplog.at_level(logging.INFO, "exporter"), Bench(settings(script)) as bench:

        def rounds(number: int) -> None:
            for _ in range(number):
                bench.advance(60)
                bench.look()

        rounds(3)
        reads["b"] = raises(ValueError("bad"))
        rounds(3)
        script.connecting = failing(OSError("refused"))
        rounds(3)
        script.connecting = lambda: None
        rounds(3)
        reads["b"] = gives("b")
        rounds(3)
    assert [(record.levelname, record.getMessage(), getattr(record, "target", "")) for record in caplog.records] == [
        ("WARNING", "the read b fails: ValueError: bad", "t"),
        ("WARNING", "down: OSError: refused", "t"),
        ("INFO", "up again", "t"),
        ("WARNING", "the read b fails: ValueError: bad", "t"),
        ("INFO", "the read b works again", "t"),
    ]


def test_no_thread_to_be_had_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    script = Script({"a": gives("a")})
    with Bench(settings(script)) as bench:
        with monkeypatch.context() as patch:

            def refuse(_: threading.Thread) -> None:
                raise RuntimeError("can't start new thread")

            patch.setattr(threading.Thread, "start", refuse)
            assert bench.look().up is None  # the page comes all the same, and knows nothing of the target
        assert values(bench.look()) == {"a": 1}


# ---- targets in the background


def background(script: Script, **more: Any) -> Any:
    return settings(script, **{"interval": 600.0, "timeout": 60.0, **more})


def test_a_scrape_never_waits_for_the_background() -> None:
    with Bench() as bench:
        gate = bench.gate()
        script = Script({"a": holds("a", gate)})
        bench.apply([background(script)])
        until(lambda: script.rounds.now == 1)  # at once, and nobody asked
        assert bench.ask(bench.targets()).rounds == ()
        assert bench.look().up is None
        assert UP not in bench.page()
        gate.set()
        until(lambda: bench.look().up)
        assert bench.page()[UP] == "1"
        assert script.rounds.count == 1


def test_the_background_is_read_at_its_interval() -> None:
    script = Script({"a": gives("a")})
    with Bench(background(script)) as bench:
        until(lambda: bench.look().up)
        bench.advance(599)
        bench.look()
        assert script.rounds.count == 1
        bench.advance(1)
        until(lambda: script.rounds.count == 2)


def test_targets_in_the_background_begin_apart() -> None:
    scripts = [Script({"a": gives("a")}) for _ in range(3)]
    with Bench(*(settings(script, str(number), interval=15.0) for number, script in enumerate(scripts))) as bench:
        until(lambda: scripts[0].rounds.count == 1)
        for number in (1, 2):
            assert [script.rounds.count for script in scripts] == [1] * number + [0] * (3 - number)
            bench.advance(0.2501)
            until(lambda number=number: scripts[number].rounds.count == 1)  # type: ignore[misc]


def test_thousands_of_targets_begin_within_their_interval() -> None:
    scripts = [Script({"a": gives("a")}) for _ in range(201)]
    with Bench(*(settings(script, str(number), interval=1.0) for number, script in enumerate(scripts))) as bench:
        bench.advance(1.0)
        until(lambda: all(script.rounds.count for script in scripts))


def test_an_overdue_background_round_is_down_and_its_readings_are_gone() -> None:
    with Bench() as bench:
        gate = bench.gate()
        gate.set()
        script = Script({"a": holds("a", gate)})
        bench.apply([background(script)])
        until(lambda: bench.look().up)
        gate.clear()
        bench.advance(600)
        until(lambda: script.rounds.now == 1)
        assert values(bench.look()) == {"a": 1}  # while the round is in time, the one before it stands
        bench.advance(60)
        assert (bench.look().up, bench.look().reason, values(bench.look())) == (False, "timeout", {})
        gate.set()
        until(lambda: script.rounds.now == 0)
        bench.advance(60)
        until(lambda: bench.look().up)


def test_a_background_target_that_hangs_from_the_start_is_down() -> None:
    with Bench() as bench:
        gate = bench.gate()
        bench.apply([background(Script({"a": gives("a")}, connecting=lambda: gate.wait(20)))])
        until(lambda: bench.targets()[0]._round is not None)
        bench.advance(60)
        assert bench.page()[UP] == "0"


def test_a_failing_background_target_is_tried_sooner_and_then_at_its_interval() -> None:
    script = Script({"a": gives("a")}, connecting=failing(OSError("refused")))
    with Bench(background(script, interval=60.0)) as bench:
        target = bench.targets()[0]
        for number, longest in enumerate((15, 30, 60, 60, 60), 1):
            until(lambda number=number: script.rounds.count == number and target._round is None)  # type: ignore[misc]
            rest = target._due - bench.clock.monotonic()
            assert longest / 2 <= rest <= longest
            bench.advance(rest + 0.001)


def test_what_is_patient_is_tried_no_sooner_than_its_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Scripted, "patient", True)
    script = Script({"a": gives("a")}, connecting=failing(OSError("wrong password")))
    with Bench(background(script, interval=60.0)) as bench:
        target = bench.targets()[0]
        for number in (1, 2, 3):
            until(lambda number=number: script.rounds.count == number and target._round is None)  # type: ignore[misc]
            assert target._due - bench.clock.monotonic() == 60
            bench.advance(60)


@pytest.mark.parametrize("looks_again", [True, False])
def test_after_a_remark_what_looks_again_does_so_soon(looks_again: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def late(_: Session) -> Remarking:
        yield VALUE(0, read="a")
        return "it is late"

    monkeypatch.setattr(Scripted, "looks_again", looks_again)
    script = Script({"a": late})
    with Bench(background(script)) as bench:
        target = bench.targets()[0]
        until(lambda: script.rounds.count == 1 and target._round is None)
        assert bench.look().up
        rest = target._due - bench.clock.monotonic()
        assert 7.5 <= rest <= 15 if looks_again else rest == 600


@pytest.mark.parametrize("interval", [None, 10.0])
def test_a_mistake_of_the_engine_is_a_target_that_is_down_until_the_next_round(
    interval: float | None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with Bench(settings(Script({"a": gives("a")}), interval=interval)) as bench:
        until(lambda: values(bench.look()) == {"a": 1})
        with monkeypatch.context() as patch:
            patch.setattr(bench.targets()[0]._knowledge, "settle", lambda *_, **__: 1 / 0)
            bench.advance(60)
            bench.targets()[0].ask()
            until(lambda: "the round broke off" in caplog.text)
            until(lambda: bench.targets()[0].view().up is False)
            assert "its log says more" in bench.targets()[0].view().reason
        bench.advance(60)
        until(lambda: values(bench.look()) == {"a": 1})
