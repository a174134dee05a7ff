"""SQLite databases: sizes, locks, pages and integrity, so that whoever uses the file notices nothing."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any, ClassVar, Final

from exporter.collector import Collector, Context, Read, limited
from exporter.collectors.sqlite import figures, integrity, tables
from exporter.collectors.sqlite.session import Locked, Session
from exporter.collectors.sqlite.settings import SQLiteSettings
from exporter.deadline import Cancel, within
from exporter.longlook import keep_looking
from exporter.metric import Samples, gauge
from exporter.throwaway import ask

UP = gauge(
    "sqlite_up",
    "1 where the database could be read in the last round, or would be but for a lock; 0 where it could not.",
    source="the exporter, each 30 s by default",
)
_WAIT: Final = 1.0  # seconds for a moment without writers


class SQLite(Collector[Session]):
    """A SQLite database file."""

    Settings = SQLiteSettings
    groups: ClassVar[tuple[ModuleType, ...]] = (figures, integrity, tables)
    interval = 30.0

    def __init__(self, settings: SQLiteSettings, context: Context) -> None:
        super().__init__(settings, context)
        self._cancel = Cancel()
        self._counted: list[int] = []
        self._objects: Mapping[str, int] | None = None
        self._last: tuple[Any, ...] = ()
        self._locked: Locked | None = None
        self._readable = False
        self._integrity = integrity.look_of(settings, context.shelf) if settings.integrity_interval else None
        self._tables = tables.look_of(settings, context.shelf) if settings.tables_interval else None

    @contextmanager
    def connect(self) -> Iterator[Session]:
        self._cancel, self._readable = Cancel(), False
        request = {
            "path": self.settings.path,
            "wait": min(_WAIT, self.context.timeout / 4),
            "known": self._counted,
        }
        most = within(self.context.timeout)
        answer = ask("exporter.collectors._sqlite.look:look", request, timeout=most, cancel=self._cancel)
        self._remember(answer)
        yield Session(answer, self._readable, self._locked, self._objects, self._integrity, self._tables,
                      self.settings.integrity_timeout)  # fmt: skip

    def _remember(self, answer: Mapping[str, Any]) -> None:
        content = answer["content"].get("answer")
        self._readable = content is not None or answer["content"]["shut"]
        if content and content.get("counted") != self._counted:
            counted = content["objects"] is not None
            self._objects, self._counted = (content["objects"], content.get("counted", [])) if counted else (None, [])
        locks = answer["locks"].get("answer", {"write": False})
        now = (answer["file"], locks["pid"], locks["mark"]) if locks["write"] else ()
        if not now:
            self._locked = None
        elif now != self._last:
            self._locked = Locked(answer["time"], locks["process"])
        self._last = now

    def interrupt(self) -> None:
        self._cancel.cancel()

    def standing(self, up: bool, failing: bool) -> Samples:  # noqa: ARG002
        """Whether the database can be read."""
        yield UP(up and self._readable)

    def reads(self) -> list[Read]:
        return limited(super().reads(), self.settings.top)

    def watch(self, stop: threading.Event, ready: Callable[[], None]) -> None:
        looks = [look for look in (self._integrity, self._tables) if look is not None]
        if looks:
            keep_looking(looks, stop, ready)
            return
        ready()
        stop.wait()
