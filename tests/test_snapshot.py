"""One round: reads are independent of each other, and nothing that a collector raises gets out."""

from collections.abc import Callable

import pytest

from exporter.collector import NotApplicable, Trouble
from exporter.metric import Metric, Samples
from exporter.secret import MASK, Secret
from exporter.snapshot import reason_of
from tests.engine import VALUE, Bench, Script, Session, gives, outcomes, raises, settings, values

Function = Callable[[Session], Samples]
CALLS = Metric("test_calls_total", "counter", "Calls.", source="the test")


def twice(_: Session) -> Samples:
    yield VALUE(1, read="twice")
    yield VALUE(2, read="twice")


def endless(_: Session) -> Samples:
    while True:
        yield VALUE(1, read="endless")


def many(_: Session) -> Samples:
    for number in range(11):
        yield VALUE(1, read=f"many {number}")


def wrong(_: Session) -> Samples:
    yield VALUE(1, raed="wrong")


def no_generator(_: Session) -> Samples:
    return None  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("bad", "outcome"),
    [
        (raises(ValueError("bad\n  luck")), "failed ValueError: bad luck"),
        (raises(ZeroDivisionError()), "failed ZeroDivisionError"),
        (raises(Trouble("the table is locked")), "failed the table is locked"),
        (raises(NotApplicable("there is no table")), "skipped there is no table"),
        (raises(SystemExit("bye")), "failed SystemExit: bye"),
        (raises(KeyboardInterrupt()), "failed KeyboardInterrupt"),
        (twice, "failed test_value['twice'] is given twice"),
        (endless, "failed the read bad gives more than 10 series"),
        (many, "failed the read bad gives more than 10 series"),
        (wrong, "failed DeclarationError: test_value has the labels ['read'], not ['raed']"),
        (no_generator, "failed TypeError: 'NoneType' object is not iterable"),
        (gives("good"), "failed test_value['good'] is given twice"),
    ],
)
def test_a_read_that_is_bad_is_bad_alone(bad: Function, outcome: str) -> None:
    script = Script({"good": gives("good", 1), "bad": bad, "also": gives("also", 2)})
    with Bench(settings(script, series_limit=10)) as bench:
        snapshot = bench.look()
        assert outcomes(snapshot) == {"good": "ok", "bad": outcome, "also": "ok"}
        assert values(snapshot) == {"good": 1, "also": 2}
        assert snapshot.up is True
        assert len(bench.threads("target")) == 1  # which lives on
        bench.advance(10)
        assert values(bench.look()) == {"good": 1, "also": 2}


def test_what_a_failed_read_had_given_is_free_for_others() -> None:
    def first(_: Session) -> Samples:
        yield VALUE(1, read="x")
        yield VALUE(1, read="good")

    script = Script({"good": gives("good"), "first": first, "second": gives("x", 2)})
    with Bench(settings(script)) as bench:
        snapshot = bench.look()
        assert values(snapshot) == {"good": 1, "x": 2}
        assert [outcome.status for outcome in snapshot.outcomes] == ["ok", "failed", "ok"]


def test_what_is_not_known_is_left_out() -> None:
    def some(_: Session) -> Samples:
        yield VALUE(None, read="unknown")
        yield VALUE(3, read="known")

    with Bench(settings(Script({"some": some}))) as bench:
        assert values(bench.look()) == {"known": 3}


@pytest.mark.parametrize("error", [ConnectionRefusedError("refused"), SystemExit("refused")])
def test_a_target_that_cannot_be_reached_is_down(error: BaseException) -> None:
    def refuse() -> None:
        raise error

    with Bench(settings(Script({"a": gives("a"), "b": gives("b")}, connecting=refuse))) as bench:
        snapshot = bench.look()
        reason = f"{type(error).__name__}: refused"
        assert (snapshot.up, snapshot.reason) == (False, reason)
        assert outcomes(snapshot) == {"a": f"failed {reason}", "b": f"failed {reason}"}
        assert list(snapshot.samples()) == []


def test_a_target_that_does_not_apply_is_up_and_its_reads_are_skipped() -> None:
    def refuse() -> None:
        raise NotApplicable("this is no Linux", "use another system")

    script = Script({"a": gives("a")}, connecting=refuse, intervals={"a": 600})
    with Bench(settings(script)) as bench:
        snapshot = bench.look()
        assert (snapshot.up, outcomes(snapshot)) == (True, {"a": "skipped this is no Linux"})
        assert snapshot.outcomes[0].fix == "use another system"
        script.connecting = lambda: None
        bench.advance(10)
        assert values(bench.look()) == {"a": 1}  # the interval is of reads that were made


def test_a_target_whose_reads_all_fail_is_down() -> None:
    with Bench(settings(Script({"a": raises(ValueError("x")), "b": raises(ValueError("y"))}))) as bench:
        assert (bench.look().up, bench.look().reason) == (False, "ValueError: x")


def test_a_session_that_fails_to_end_takes_nothing_from_the_reads() -> None:
    def fail() -> None:
        raise OSError("connection lost")

    with Bench(settings(Script({"a": gives("a")}, leaving=fail))) as bench:
        assert outcomes(bench.look()) == {"a": "ok"}
        assert values(bench.look()) == {"a": 1}


def test_what_to_do_about_it_is_carried() -> None:
    secret = Secret("correct horse")
    trouble = Trouble("permission denied", f"GRANT pg_monitor TO x; -- {secret.reveal()}")
    with Bench(settings(Script({"a": gives("a"), "b": raises(trouble)}))) as bench:
        assert bench.look().outcomes[1].fix == f"GRANT pg_monitor TO x; -- {MASK}"
    with Bench(settings(Script({"b": raises(trouble)}))) as bench:
        assert bench.look().fix == f"GRANT pg_monitor TO x; -- {MASK}"


def test_no_secret_is_in_a_reason() -> None:
    secret = Secret("battery  staple")  # two spaces, which a reason does not have
    error = ValueError(f"cannot reach postgres://me:{secret.reveal()}@db/x with {secret.reveal()}")
    with Bench(settings(Script({"a": raises(error)}))) as bench:
        snapshot = bench.look()
        assert snapshot.reason == f"ValueError: cannot reach postgres://me:{MASK}@db/x with {MASK}"
        assert "staple" not in repr(snapshot)


def test_a_reason_is_one_line_of_bounded_length_that_can_be_written() -> None:
    assert reason_of(ValueError("a\n b\t\tc")) == "ValueError: a b c"
    assert len(reason_of(ValueError("x" * 10_000))) == 400
    assert reason_of(ValueError("\udc80.log")).encode() == b"ValueError: \\udc80.log"
    assert reason_of(Trouble("")) == ""


def test_outcomes_say_when_and_how_long() -> None:
    with Bench() as bench:

        def slow(_: Session) -> Samples:
            bench.clock.now += 2
            yield CALLS(1)

        begun = bench.clock.now
        bench.apply([settings(Script({"slow": slow, "next": gives("next")}))])
        snapshot = bench.look()
        assert [(outcome.time - begun, outcome.duration) for outcome in snapshot.outcomes] == [(0, 2), (2, 0)]
        assert (snapshot.time, snapshot.duration) == (begun, 2)
        assert snapshot.last_success == {"slow": begun + 2, "next": begun + 2}


# ---- reads with an interval of their own


def test_a_read_with_an_interval_is_reused_within_it_and_made_anew_after_it() -> None:
    made = 0

    def count(_: Session) -> Samples:
        nonlocal made
        made += 1
        yield VALUE(made, read="slow")

    script = Script({"slow": count, "quick": gives("quick")}, intervals={"slow": 30})
    with Bench(settings(script)) as bench:
        for seconds, expected in ((0, 1), (10, 1), (19, 1), (6, 2), (29, 2), (6, 3)):
            bench.advance(seconds)
            assert values(bench.look()) == {"slow": expected, "quick": 1}
        assert script.rounds.count == 6


def test_a_read_with_an_interval_that_failed_is_left_alone_for_a_while_and_longer_each_time() -> None:
    made = 0

    def fail(_: Session) -> Samples:
        nonlocal made
        made += 1
        yield VALUE(made, read="slow")
        raise ValueError(made)

    script = Script({"slow": fail, "quick": gives("quick")}, intervals={"slow": 3600})
    with Bench(settings(script)) as bench:
        for _ in range(100):
            assert outcomes(bench.look())["slow"] == f"failed ValueError: {made}"
            bench.advance(15)
    assert 5 <= made <= 9  # 25 minutes: after 15 s, 30 s, 1 min ... each less up to half by chance


def test_a_duplicate_of_a_reused_read_fails_that_read_alone() -> None:
    taken = False

    def sometimes(_: Session) -> Samples:
        yield VALUE(1, read="x" if taken else "y")

    script = Script({"first": sometimes, "slow": gives("x"), "last": gives("last")}, intervals={"slow": 30})
    with Bench(settings(script)) as bench:
        assert values(bench.look()) == {"x": 1, "y": 1, "last": 1}
        taken = True
        bench.advance(10)
        assert outcomes(bench.look()) == {
            "first": "ok", "slow": "failed test_value['x'] is given twice", "last": "ok",
        }  # fmt: skip


def test_a_clock_set_back_does_not_keep_an_old_answer() -> None:
    made = 0

    def count(_: Session) -> Samples:
        nonlocal made
        made += 1
        yield VALUE(made, read="slow")

    class Stepping:
        """A clock whose time of day can be set back."""

        def __init__(self) -> None:
            self.day = self.running = 1000.0

        def time(self) -> float:
            return self.day

        def monotonic(self) -> float:
            return self.running

    clock = Stepping()
    with Bench(settings(Script({"slow": count}, intervals={"slow": 30})), clock=clock) as bench:
        bench.look()
        clock.day, clock.running = 400.0, 1010.0
        assert values(bench.look()) == {"slow": 2}


def test_a_read_with_an_interval_stands_through_rounds_that_break_off() -> None:
    made, broken = 0, False

    def count(_: Session) -> Samples:
        nonlocal made
        made += 1
        yield VALUE(made, read="metered")

    def connecting() -> None:
        if broken:
            raise ConnectionRefusedError("refused")

    script = Script({"metered": count}, intervals={"metered": 3600}, connecting=connecting)
    with Bench(settings(script)) as bench:
        for number in range(20):
            broken = number % 2 == 1
            bench.look()
            bench.advance(31)
    assert made == 1


def test_what_is_held_from_before_does_not_make_a_target_look_alive() -> None:
    refused = False

    def ask(_: Session) -> Samples:
        if refused:
            raise ConnectionRefusedError("refused")
        yield VALUE(1, read="live")

    script = Script({"held": gives("held"), "live": ask}, intervals={"held": 3600})
    with Bench(settings(script)) as bench:
        assert bench.look().up is True
        refused = True
        bench.advance(10)
        assert bench.look().up is False


def test_an_exception_without_a_text_costs_its_read_only() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise ValueError("no text")

    with Bench(settings(Script({"mute": raises(Mute()), "good": gives("good")}))) as bench:
        assert outcomes(bench.look()) == {"mute": "failed Mute: (its text cannot be had)", "good": "ok"}
        bench.advance(10)
        assert values(bench.look()) == {"good": 1}
