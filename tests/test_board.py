"""The board: targets that come and go, and are closed once."""

import time
from threading import Event

import pytest

from exporter.collector import Collector, Context, NoSettings
from exporter.config import TargetSettings
from exporter.metric import Samples
from tests.engine import VALUE, Bench, Script, Session, gives, settings, values
from tests.support import until


def test_targets_whose_settings_are_as_before_go_on_undisturbed() -> None:
    same, other = Script({"a": gives("a")}), Script({"a": gives("a")})
    with Bench(settings(same, "same"), settings(other, "other")) as bench:
        bench.page()
        before = {target.settings.name: target for target in bench.targets()}
        threads = bench.threads("target same")
        bench.apply([settings(Script({"a": gives("a")}), "new"), settings(same, "same")])
        assert [target.settings.name for target in bench.targets()] == ["new", "same"]
        assert bench.target("same") is before["same"]
        assert bench.threads("target same") == threads
        assert bench.target("other") is None
        bench.page()
        assert (same.rounds.count, same.closes.count) == (1, 0)
        until(lambda: other.closes.count == 1)


def test_a_changed_target_is_closed_and_made_anew() -> None:
    script = Script({"a": gives("a")})
    with Bench(settings(script)) as bench:
        bench.look()
        before = bench.target("t")
        bench.apply([settings(script, timeout=7)])
        assert bench.target("t") is not before
        until(lambda: script.closes.count == 1)
        assert values(bench.look()) == {"a": 1}
    assert script.closes.count == 2
    assert not script.closed_during_a_round


def test_a_target_that_never_ran_is_closed_too() -> None:
    script = Script({"a": gives("a")})
    with Bench(settings(script)) as bench:
        target = bench.targets()[0]
        bench.apply([])
        assert script.closes.count == 1
        assert bench.threads() == []
        target.close()
        assert script.closes.count == 1


def test_close_waits_for_the_round_and_happens_once() -> None:
    with Bench() as bench:
        gate = bench.gate()
        script = Script({"a": gives("a")}, connecting=lambda: gate.wait(20))
        bench.apply([settings(script)])
        bench.look(0.01)
        until(lambda: script.rounds.now == 1)
        target = bench.targets()[0]
        for _ in range(3):
            target.close()
        assert script.closes.count == 0
        gate.set()
        until(lambda: script.closes.count)
    assert script.closes.count == 1
    assert not script.closed_during_a_round


def test_closing_twice_asks_the_session_once_to_let_go() -> None:
    with Bench() as bench:
        gate = bench.gate()
        script = Script({"a": lambda _: iter([None] * gate.wait(20))})
        bench.apply([settings(script)])
        bench.look(0.01)
        until(lambda: script.rounds.now == 1)
        for _ in range(2):
            bench.targets()[0].close()
            until(lambda: not bench.threads("cancel"))
        assert script.cancels.count == 1


def test_a_hung_target_is_abandoned_and_reloading_does_not_wait() -> None:
    with Bench() as bench:
        gate = bench.gate()
        script = Script({"a": gives("a")}, connecting=lambda: gate.wait(20), cancel=lambda _: gate.wait(20))
        bench.apply([settings(script)])
        bench.look(0.01)
        begun = time.monotonic()
        bench.apply([settings(Script({"b": gives("b")}))])
        assert time.monotonic() - begun < 5
        until(lambda: values(bench.look()) == {"b": 1})  # it waits for the other as long as its own timeout
        assert script.closes.count == 0


def test_reloading_lets_a_round_that_can_be_cancelled_go() -> None:
    script = Script({"a": gives("a")}, cancel=lambda session: session.let_go.set())

    with Bench() as bench:
        script.reads = {"a": lambda session: iter([None] * bool(session.let_go.wait(20)))}
        bench.apply([settings(script)])
        bench.look(0.01)
        until(lambda: script.rounds.now == 1)
        bench.apply([])
        until(lambda: script.closes.count == 1)
        assert script.cancels.count == 1
        assert not script.closed_during_a_round


def test_a_round_that_was_asked_for_and_never_began_keeps_nobody_waiting() -> None:
    script = Script({"a": gives("a")})
    with Bench(settings(script)) as bench:
        bench.look()
        target = bench.targets()[0]
        with target._changed:  # which the target's thread needs to take the round up
            waited = target.run_now()
            target.close()
        until(waited.done.done)
        until(lambda: script.closes.count == 1)
        assert script.rounds.count == 1
        assert target.ask() is None


@pytest.mark.parametrize("error", [OSError("lost"), SystemExit()])
def test_a_close_that_fails_is_logged(error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise error

    with Bench(settings(Script({"a": gives("a")}, closing=fail))) as bench:
        bench.look()
    assert [record.getMessage() for record in caplog.records] == ["closing failed"]


def test_a_background_target_runs_on_through_a_reload_and_stops_when_it_is_removed() -> None:
    script = Script({"a": gives("a")})
    kept = settings(script, interval=600)
    with Bench(kept) as bench:
        until(lambda: bench.look().up)
        bench.apply([kept])
        bench.advance(600)
        until(lambda: script.rounds.count == 2)
        bench.apply([])
        until(lambda: script.closes.count == 1)
        bench.advance(6000)
        assert bench.threads("target") == []
        assert script.rounds.count == 2


def test_a_target_that_comes_and_goes_is_on_the_page_with_its_state() -> None:
    script = Script({"a": gives("a")})

    def refuse() -> None:
        raise OSError("refused")

    with Bench(settings(script)) as bench:
        seen = []
        for up in (True, False, True, False, False, True):
            script.connecting = (lambda: None) if up else refuse
            bench.advance(60)
            page = bench.page()
            seen.append(page['runbook_target_up{collector="scripted",target="t"}'])
            assert ('test_value{read="a",target="t"}' in page) is up
        assert seen == ["1", "0", "1", "0", "0", "1"]


def test_closing_the_board_awaits_all_and_one_that_hangs_does_not_take_the_time_of_the_others() -> None:
    with Bench(clock=time) as bench:
        gate = bench.gate()
        hung = Script({"a": gives("a")}, connecting=lambda: gate.wait(20))
        well = Script({"a": gives("a")}, closing=lambda: Event().wait(0.05))  # it takes a while
        bench.apply([settings(hung, "hung"), settings(well, "well")])
        bench.page(0.05)
        begun = time.monotonic()
        bench.close(0.4)
        assert time.monotonic() - begun < 5
        assert (hung.closes.count, well.closes.count, well.closes.now) == (0, 1, 0)


def test_what_is_known_of_others_is_never_half_read() -> None:
    with Bench() as bench:
        gate = bench.gate()
        gate.set()

        def second(_: Session) -> Samples:
            gate.wait(20)
            yield VALUE(1, read="second")

        script = Script({"first": gives("first"), "second": second})
        bench.apply([settings(script, max_age=0.0)])
        bench.look()
        gate.clear()
        bench.look(0.01)
        until(lambda: script.rounds.count == 2 and script.rounds.now == 1)
        assert {seen.sample.labels for seen in bench.known({VALUE.name})[VALUE.name]} == {("first",), ("second",)}


def test_targets_are_selected_by_collector() -> None:
    with Bench(settings(Script({}), "one"), settings(Script({}), "two")) as bench:
        assert bench.select() == bench.select(["scripted"]) == bench.select([], ["other"]) == bench.targets()
        assert (
            bench.select(["other"]) == bench.select([], ["scripted"]) == bench.select(["scripted"], ["scripted"]) == []
        )


def test_the_exporter_watches_itself() -> None:
    class Real(Bench):
        """A bench whose collectors are the real ones."""

        def _collector(self, settings: TargetSettings, context: Context) -> Collector[None]:
            return super(Bench, self)._collector(settings, context)

    with Real(TargetSettings(name="exporter", collector="exporter", settings=NoSettings())) as bench:
        page = bench.page()
    assert page['runbook_target_up{collector="exporter",target="exporter"}'] == "1"
    assert page["runbook_exporter_config_last_reload_successful"] == "1"
    assert page["runbook_exporter_state_writable"] == "0"
    assert any(series.startswith("runbook_exporter_build_info{version=") for series in page)
    for series in ("process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds", "process_threads"):
        assert float(page[series]) > 0
    assert not any('read="' in series and value == "0" and "success" in series for series, value in page.items())
