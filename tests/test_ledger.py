"""What toils told, and when it may be shown."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.ledger import Ledger
from exporter.state import State
from tests.support import until
from tests.test_state import content, filling, hanging, reopened


class HeldBack(State):
    """A state that says when something is on disk only as the test wants it."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.calls: list[Callable[[], None]] = []

    def put(self, shelf: str, texts: dict[str, str | None], then: Callable[[], None] | None = None) -> None:  # type: ignore[override]
        super().put(shelf, texts, None)
        if then:
            self.calls.append(then)


def test_what_was_told_is_shown_once_it_is_on_disk(tmp_path: Path) -> None:
    state = HeldBack(tmp_path)
    ledger = Ledger(state.shelf("s"))
    ledger.tell({"place": 10, "lines": 2})
    ledger.tell({"place": 20})
    assert ledger.entries() == {}
    state.calls[0]()
    assert ledger.entries() == {"place": 10, "lines": 2}
    state.calls[1]()
    assert ledger.entries() == {"place": 20, "lines": 2}
    state.close()


def test_it_is_there_again_after_a_restart_and_none_forgets(tmp_path: Path) -> None:
    state = State(tmp_path)
    ledger = Ledger(state.shelf("s"))
    ledger.tell({"a\udc80": [1, {"b": 2.5}], "gone": 1})
    ledger.tell({"gone": None})
    until(lambda: ledger.entries() == {"a\udc80": [1, {"b": 2.5}]})
    state.close()
    again = State(tmp_path)
    assert Ledger(again.shelf("s")).entries() == {"a\udc80": [1, {"b": 2.5}]}
    assert Ledger(again.shelf("s")).load() == {"a\udc80": [1, {"b": 2.5}]}
    again.close()


def test_without_a_disk_it_is_shown_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for state in (State(None), State(tmp_path / "file" / "state")):
        ledger = Ledger(state.shelf("s"))
        ledger.tell({"lines": 2})
        assert ledger.entries() == {"lines": 2}
        state.close()


def test_what_a_page_has_seen_stays_as_it_was(tmp_path: Path) -> None:
    state = State(None)
    ledger = Ledger(state.shelf("s"))
    ledger.tell({"lines": 2})
    seen = ledger.entries()
    ledger.tell({"lines": 3})
    assert seen == {"lines": 2}
    assert ledger.entries() == {"lines": 3}


def test_no_count_goes_back_when_the_disk_fails_hangs_and_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = reopened(tmp_path)
    ledger, shown = Ledger(state.shelf("s")), [0]

    def tell_some() -> None:
        for _ in range(50):
            count = ledger.load().get("n", 0) + 1
            ledger.tell({"n": count})
            shown.append(ledger.entries().get("n", 0))

    tell_some()
    with filling(state):
        tell_some()
        assert state.problem
        assert shown[-1] == ledger.load()["n"]  # at once, where the disk does not take it
    with hanging(state):
        tell_some()
        monkeypatch.setattr(State, "LONGEST_WRITE", 0.0)
        tell_some()
        assert shown[-1] == ledger.load()["n"]
        monkeypatch.undo()
    tell_some()
    until(lambda: ledger.entries()["n"] == ledger.load()["n"])
    assert shown == sorted(shown)
    last = ledger.load()["n"]
    state.close()
    assert content(tmp_path)["s", "n"] == str(last)


def test_what_was_told_to_a_full_disk_is_shown_once_there_is_room(tmp_path: Path) -> None:
    state = reopened(tmp_path)
    ledger = Ledger(state.shelf("s"))
    with filling(state):
        ledger.tell({"n": 1})
        assert not state.flush()
    assert state.flush()
    until(lambda: ledger.entries().get("n") == 1)
    state.close()


def test_what_waits_for_a_disk_does_not_grow(tmp_path: Path) -> None:
    state = reopened(tmp_path)
    ledger = Ledger(state.shelf("s"))
    with hanging(state):
        tracemalloc.start()
        for number in range(20_000):
            ledger.tell({"n": number})
        grown, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert grown < 100_000
    until(lambda: ledger.entries() == {"n": 19_999})
    state.close()
