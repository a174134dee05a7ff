"""What stays known: facts, the times of success, and both after a restart."""

import json
from pathlib import Path
from threading import Event

import pytest

from exporter.board import shelf_of
from exporter.collector import NotApplicable
from exporter.metric import CATALOGUE, Samples
from exporter.snapshot import Snapshot
from exporter.state import State
from tests.engine import FACT, VALUE, Bench, Script, Session, gives, outcomes, raises, settings, values
from tests.support import until

LAST = 'runbook_exporter_read_last_success_timestamp_seconds{collector="scripted",read="a",target="t"}'


@pytest.fixture(autouse=True)
def declared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the catalogue know the fact, as it does every metric of a collector."""
    monkeypatch.setitem(CATALOGUE, FACT.name, FACT)


def facts(snapshot: Snapshot) -> list[float]:
    return [float(str(sample.value)) for sample in snapshot.samples() if sample.metric is FACT]


class Backup:
    """A read that gives a fact and a reading, or fails."""

    def __init__(self) -> None:
        self.made: float | None = 100
        self.error: Exception | None = None

    def __call__(self, _: Session) -> Samples:
        if self.error:
            raise self.error
        yield FACT(self.made)
        yield VALUE(5, read="a")


def test_facts_stay_when_the_read_fails_and_readings_do_not() -> None:
    backup = Backup()
    with Bench(settings(Script({"a": backup, "b": gives("b")}))) as bench:
        assert (facts(bench.look()), values(bench.look())) == ([100], {"a": 5, "b": 1})
        backup.error = ValueError("unreadable")
        bench.advance(10)
        assert (facts(bench.look()), values(bench.look())) == ([100], {"b": 1})


def test_facts_and_the_last_success_stay_when_the_target_is_down() -> None:
    backup = Backup()
    script = Script({"a": backup})

    def refuse() -> None:
        raise OSError("refused")

    with Bench(settings(script)) as bench:
        worked = bench.clock.now
        bench.look()
        script.connecting = refuse
        for _ in range(3):
            bench.advance(60)
            page = bench.page()
            assert page['test_made_timestamp_seconds{target="t"}'] == "100"
            assert page[LAST] == repr(worked)
            assert 'test_value{read="a",target="t"}' not in page
            assert page['runbook_target_up{collector="scripted",target="t"}'] == "0"


def test_the_next_success_replaces_facts_or_takes_them_away() -> None:
    backup = Backup()
    with Bench(settings(Script({"a": backup, "b": gives("b")}))) as bench:
        bench.look()
        backup.made = 200
        bench.advance(10)
        assert facts(bench.look()) == [200]
        backup.made = None
        bench.advance(10)
        assert facts(bench.look()) == []
        backup.error = ValueError("unreadable")
        bench.advance(10)
        assert facts(bench.look()) == []


def test_a_fact_of_what_is_no_more_goes() -> None:
    backup = Backup()
    with Bench(settings(Script({"a": backup, "b": gives("b")}))) as bench:
        bench.look()
        backup.error = NotApplicable("there is no backup")
        bench.advance(10)
        assert facts(bench.look()) == []


def test_a_read_that_does_not_apply_is_not_missed_while_the_target_is_down() -> None:
    absent = raises(NotApplicable("there is no such thing"))
    refused: list[OSError] = []

    def connect() -> None:
        if refused:
            raise refused[0]

    with Bench(settings(Script({"a": gives("a"), "b": absent}, connecting=connect))) as bench:
        assert outcomes(bench.look()) == {"a": "ok", "b": "skipped there is no such thing"}
        refused.append(OSError("refused"))
        bench.advance(10)
        snapshot = bench.look()
        assert snapshot.up is False
        assert outcomes(snapshot) == {"a": "failed OSError: refused", "b": "skipped there is no such thing"}


def test_a_read_that_never_worked_has_no_last_success() -> None:
    with Bench(settings(Script({"a": raises(ValueError("bad")), "b": gives("b")}))) as bench:
        assert LAST not in bench.page()


# ---- over a restart


def restarted(directory: Path, script: Script) -> tuple[Bench, State]:
    state = State(directory)
    assert not state.problem
    return Bench(settings(script, interval=600, timeout=60), state=state), state


def test_facts_and_last_successes_of_a_background_target_come_back_and_readings_do_not(tmp_path: Path) -> None:
    bench, state = restarted(tmp_path, Script({"a": Backup()}))
    with bench:
        worked = bench.clock.now
        until(lambda: bench.look().up)
    state.close()
    bench, state = restarted(tmp_path, Script({"a": gives("a")}))
    with bench:
        gate = bench.gate()
        bench.apply([settings(Script({"a": gives("a")}, connecting=lambda: gate.wait(20)), interval=600)])
        page = bench.page()
        assert page == {'test_made_timestamp_seconds{target="t"}': "100", LAST: repr(worked)}
        gate.set()
        until(lambda: bench.look().up)
        assert facts(bench.look()) == []
    state.close()


def test_what_a_scrape_can_read_again_is_not_kept(tmp_path: Path) -> None:
    state = State(tmp_path)
    with Bench(settings(Script({"a": Backup()})), state=state) as bench:
        assert facts(bench.look()) == [100]
    assert state.entries == {}
    state.close()


def test_a_fact_whose_metric_is_declared_otherwise_by_now_is_left(tmp_path: Path) -> None:
    state = State(tmp_path)
    kept = [
        ["test_gone", {}, 1], ["runbook_target_up", {"collector": "x"}, 1],
        ["test_made_timestamp_seconds", {"one": "more"}, 1], ["test_made_timestamp_seconds", {}, 7],
    ]  # fmt: skip
    shelf = shelf_of(settings(Script({})))
    state.put(shelf, {"a": json.dumps({"success": None, "facts": kept})})
    state.put(shelf, {"gone": json.dumps({"success": 5.0, "facts": kept})})
    gate = Event()
    with Bench(
        settings(Script({"a": gives("a")}, connecting=lambda: gate.wait(20)), interval=600), state=state
    ) as bench:
        page = bench.page()
        gate.set()
        assert page == {'test_made_timestamp_seconds{target="t"}': "7"}
    state.close()


@pytest.mark.parametrize("kept", ['"text"', "[]", '{"success": "soon", "facts": []}', '{"facts": 7}'])
def test_what_is_kept_and_makes_no_sense_is_left_out(kept: str, caplog: pytest.LogCaptureFixture) -> None:
    state = State(None)
    state.put(shelf_of(settings(Script({}))), {"a": kept})
    with Bench(settings(Script({"a": gives("a")}), interval=600), state=state) as bench:
        until(lambda: values(bench.look()) == {"a": 1})
    assert "what was kept of the read a is not understood" in caplog.text


def test_what_was_learned_of_another_thing_of_the_same_name_is_not_shown(tmp_path: Path) -> None:
    state = State(None)

    class Elsewhere(Script):
        def __repr__(self) -> str:
            return "elsewhere"

    with Bench(settings(Script({"a": Backup()}), interval=600), state=state) as bench:
        until(lambda: facts(bench.look()) == [100])
        gate = bench.gate()
        bench.apply([settings(Elsewhere({"a": Backup()}, connecting=lambda: gate.wait(20)), interval=600)])
        assert facts(bench.look()) == []
        assert [shelf for shelf, _ in state.entries if "t" in shelf.split()] == []
