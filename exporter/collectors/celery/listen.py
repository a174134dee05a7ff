"""What listens to Celery, in the helper process: a thread for each look, begun again where it fails."""

import importlib
import time
from collections.abc import Callable, Iterator, Mapping
from threading import Event, Lock, Thread
from typing import Any, Final

from exporter.backoff import Backoff
from exporter.collector import Trouble
from exporter.collectors.celery.look import Look, look_key, standing
from exporter.collectors.celery.presence import ASKED, CONSUMED
from exporter.collectors.celery.settings import CelerySettings
from exporter.collectors.celery.trouble import explained
from exporter.collectors.redis.trouble import Denied
from exporter.secret import redact
from exporter.toil import Changes, Tell, Toil

_CONTROL: Final = "exporter.collectors.celery.control:Control"
LOOKS: Final = (
    "exporter.collectors.celery.events:Events",
    _CONTROL,
    "exporter.collectors.celery.broker:Broker",
)
_EVERY: Final = 1.0  # seconds between two notes of a look that is well
_WELL_AFTER: Final = 30.0  # seconds; a look that held so long was well, and the next failure is a new one
_REFUSED: Final = 60.0  # seconds until a broker is asked again that has refused us: it logs each time
_LINGERS: Final = 3.0  # seconds for all looks to end


class Listen(Toil):
    """The looks at one broker."""

    settings: CelerySettings

    def run(self, stop: Event, tell: Tell, ready: Callable[[], None]) -> None:
        """Run all looks until `stop` is set."""
        kept = Kept(self.kept)
        runs = [Run(_find(place), self.settings, kept, stop, tell) for place in self._places()]
        for hears in (kept.take, tell):
            hears(self._left_out())
        for run in runs:
            run.start()
        ready()
        stop.wait()
        deadline = time.monotonic() + _LINGERS
        for run in runs:
            run.join(max(0.0, deadline - time.monotonic()))
            run.leave()

    def _places(self) -> list[str]:
        return [place for place in LOOKS if self.settings.control or place != _CONTROL]

    def _left_out(self) -> dict[str, Any]:
        """Return what is told of workers that are not asked: that it is so, and nothing of what they said before."""
        if self.settings.control:
            return {}
        return {look_key("control"): {**standing(True, 0.0, 0.0), "off": True}, ASKED: None, CONSUMED: None}


def _find(place: str) -> type[Look]:
    module, _, name = place.partition(":")
    found: type[Look] = getattr(importlib.import_module(module), name)
    return found


class Kept(Mapping[str, Any]):
    """Every entry as it was told last, by all looks: one that begins again goes on from there."""

    def __init__(self, kept: Mapping[str, Any]) -> None:
        self._entries = dict(kept)  # replaced, never changed: a look may go through it meanwhile
        self._lock = Lock()

    def take(self, changes: Changes) -> None:
        with self._lock:
            entries = {**self._entries, **changes}
            self._entries = {key: value for key, value in entries.items() if value is not None}

    def __getitem__(self, key: str) -> Any:
        return self._entries[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


class Run(Thread):
    """One look at work, again and again; what it tells says that it is well."""

    def __init__(self, look: type[Look], settings: CelerySettings, kept: Kept, stop: Event, tell: Tell) -> None:
        super().__init__(name=f"celery {look.__name__}", daemon=True)
        self._make, self._settings, self._kept, self._stopping, self._tell = look, settings, kept, stop, tell
        self._backoff = Backoff(base=0.5, cap=10.0)
        self._key = look_key(getattr(look, "name", look.__name__))
        self._has_left = False
        self._ok: bool | None = None
        self._since = self._noted = 0.0

    def run(self) -> None:
        while not self._stopping.is_set():
            begun = time.monotonic()
            try:
                self._make(self._settings, self._kept).run(self._stopping, self._hear)
                trouble = Trouble("it returned")
            except BaseException as error:  # noqa: BLE001  # whatever a library raises, it is begun again
                trouble = explained(error, self._settings)
            if self._stopping.is_set():
                return
            if time.monotonic() - begun > _WELL_AFTER:
                self._backoff.succeeded()
            self._note({}, False, redact(str(trouble)), redact(trouble.fix))
            self._stopping.wait(_REFUSED if isinstance(trouble, Denied) else self._backoff.failed())

    def _hear(self, changes: Changes) -> None:
        """Hand over what a look tells, and that it is well; at its end as well, unless that comes too late."""
        if self._has_left:
            return
        if changes or self._ok is not True or time.time() - self._noted >= _EVERY:
            self._note(changes, True)

    def leave(self) -> None:
        """Have it tell nothing any more: what it found may be told by another by then."""
        self._has_left = True

    def _note(self, changes: Changes, ok: bool, reason: str = "", fix: str = "") -> None:
        now = time.time()
        if ok is not self._ok:
            self._ok, self._since = ok, now
        self._noted = now
        told = {**changes, self._key: standing(ok, now, self._since, reason, fix)}
        self._kept.take(told)
        self._tell(told)
