"""What a collector declares, and how its file is found."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from types import ModuleType

import pytest

from exporter import collectors
from exporter.collector import Collector, Members, Read, find, kinds, read
from exporter.metric import Metric, Samples
from tests.engine import CONTEXT

SIZE = Metric("size_bytes", "gauge", "Size.", labels=("table",), source="the test")


class Base(Collector[str]):
    """A collector with reads of its own."""

    @contextmanager
    def connect(self) -> Iterator[str]:
        yield "session"

    @read
    def first(self, session: str) -> Samples:
        """The first,

        of two."""
        assert (self.settings, session) == ("settings", "session")
        yield None

    @read(interval=30.0, members=Members(("table",), 5, SIZE))
    def second(self, session: str) -> Samples:
        """The second."""
        yield None


@read
def grouped(session: str) -> Samples:
    """One of a group."""
    assert session == "session"
    yield None


def group(name: str, *reads: Read) -> ModuleType:
    module = ModuleType(name)
    for item in reads:
        setattr(module, item.name, item)
    return module


def test_a_read_is_described_by_its_name_docstring_and_options() -> None:
    first, second = Base.declared_reads().values()
    assert (first.name, first.help, first.interval, first.members) == ("first", "The first, of two.", None, None)
    assert (second.name, second.interval, second.members) == ("second", 30.0, Members(("table",), 5, SIZE))


def test_a_read_without_a_docstring_is_refused() -> None:
    def silent(_: str) -> Samples:
        yield None

    with pytest.raises(TypeError, match="the read silent needs a docstring"):
        read(silent)


def test_reads_are_functions_of_the_session_alone() -> None:
    class Grouped(Base):
        groups = (group("x", grouped),)

    reads = Grouped("settings", CONTEXT).reads()
    assert [item.name for item in reads] == ["first", "second", "grouped"]
    assert [list(item.function("session")) for item in reads] == [[None]] * 3
    assert (reads[1].interval, reads[1].members) == (30.0, Members(("table",), 5, SIZE))


def test_a_subclass_replaces_a_read_in_its_place() -> None:
    class Special(Base):
        @read
        def first(self, session: str) -> Samples:
            """Another first."""
            yield None

    assert [item.help for item in Special("settings", CONTEXT).reads()] == ["Another first.", "The second."]


def test_two_reads_of_one_name_are_refused() -> None:
    class Twice(Base):
        groups = (group("x", grouped), group("y", grouped))

    with pytest.raises(TypeError, match="Twice has two reads named grouped"):
        Twice.declared_reads()


def test_only_a_collector_with_a_watch_watches() -> None:
    class Watching(Base):
        def watch(self, stop: Event, ready: Callable[[], None]) -> None:
            stop.wait()

    assert (Base.watches(), Watching.watches()) == (False, True)
    Base("settings", CONTEXT).watch(Event(), lambda: None)
    Base("settings", CONTEXT).close()


def test_a_collector_without_connect_says_so() -> None:
    with pytest.raises(TypeError, match=r"Collector has no connect\(\)"), Collector[None](None, CONTEXT).connect():
        pass


def test_the_folder_is_the_registry() -> None:
    assert "system" in kinds()
    assert kinds() == sorted(kinds())
    for kind in kinds():
        assert find(kind).kind == kind


def test_what_collectors_share_is_no_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("made_up.py", "_shared.py"):
        (tmp_path / name).touch()
    monkeypatch.setattr(collectors, "__path__", [str(tmp_path)])
    assert kinds() == ["made_up"]


@pytest.mark.parametrize("number", [0, 2])
def test_a_file_has_one_collector(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"{collectors.__name__}.made_up"
    module = ModuleType(name)
    for index in range(number):
        setattr(module, f"C{index}", type(f"C{index}", (Collector,), {"__module__": name}))
    monkeypatch.setitem(sys.modules, name, module)
    with pytest.raises(TypeError, match=f"must define one Collector, it defines {number}"):
        find("made_up")


def test_a_kind_that_is_not_there_cannot_be_found() -> None:
    with pytest.raises(ModuleNotFoundError):
        find("made_up")
