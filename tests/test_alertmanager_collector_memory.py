"""Until when alerts were quiet: over restarts, and not for ever."""

from pathlib import Path

from exporter.collectors.alertmanager.alert import Alert
from exporter.collectors.alertmanager.memory import KEPT, Memory
from exporter.state import State


def alert(fingerprint: str = "a", *, quiet: bool, start: float = 100.0) -> Alert:
    return Alert(fingerprint, "Down", "P0", start, (), inhibited=quiet, muted=False)


def test_a_restart_forgets_nothing(tmp_path: Path) -> None:
    state = State(tmp_path)
    memory = Memory(state.shelf("it"))
    memory.note([alert(quiet=True), alert("b", quiet=True)], 200.0)
    memory.note([alert(quiet=False), alert("b", quiet=True)], 300.0)
    state.close()
    state = State(tmp_path)
    memory = Memory(state.shelf("it"))
    memory.note([alert(quiet=False), alert("b", quiet=False)], 400.0)
    assert memory.unanswered_since(alert(quiet=False)) == 300.0
    assert memory.unanswered_since(alert("b", quiet=False)) == 400.0  # it was quiet until the end, as far as is known
    state.close()


def test_what_was_never_quiet_waits_since_it_began() -> None:
    memory = Memory(State(None).shelf("it"))
    memory.note([alert(quiet=False)], 200.0)
    assert memory.unanswered_since(alert(quiet=False)) == 100.0


def test_one_that_begins_again_later_waits_since_then() -> None:
    memory = Memory(State(None).shelf("it"))
    memory.note([alert(quiet=True)], 200.0)
    memory.note([alert(quiet=False)], 300.0)
    assert memory.unanswered_since(alert(quiet=False, start=900.0)) == 900.0


def test_alerts_that_are_long_gone_are_forgotten_and_others_kept() -> None:
    shelf = State(None).shelf("it")
    shelf.put("incidents", {"success": 1.0})  # what the engine keeps of the target
    shelf.put("quiet odd", "text")
    memory = Memory(shelf)
    memory.note([alert(quiet=True), alert("b", quiet=True)], 200.0)
    memory.note([], 200.0 + KEPT)  # Alertmanager was restarted, and knows nothing yet
    memory.note([alert("b", quiet=False)], 201.0 + KEPT)
    assert shelf.keys() == ["incidents", "quiet b", "quiet odd"]
    assert memory.unanswered_since(alert("b", quiet=False)) == 201.0 + KEPT
    assert memory.unanswered_since(alert(quiet=False)) == 100.0
