"""Backups: when the last whole one was made, by reading and restoring it, not by the date of a file."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from threading import Event, Lock
from types import ModuleType
from typing import Any, ClassVar, Final

from exporter.collector import Collector, Context, Trouble
from exporter.collectors.backup import expected, present, verified
from exporter.collectors.backup.checking import as_listing, listed_by_command
from exporter.collectors.backup.files import Listing, listed
from exporter.collectors.backup.kept import Kept
from exporter.collectors.backup.session import Session
from exporter.collectors.backup.settings import BackupsSettings
from exporter.collectors.backup.trouble import explained
from exporter.collectors.backup.verifying import Verifying
from exporter.longlook import LongLook, keep_looking
from exporter.patience import Patience

_STANDS: Final = 3.0  # intervals for which what a command listed counts


class Backups(Collector[Session]):
    """Backups: age, size, number, and whether the newest is whole; each is verified in the background, as it comes."""

    Settings = BackupsSettings
    interval = 60.0
    groups: ClassVar[tuple[ModuleType, ...]] = (expected, present, verified)

    def __init__(self, settings: BackupsSettings, context: Context) -> None:
        super().__init__(settings, context)
        self._patience = Patience(settings.path_timeout)
        self._lock = Lock()  # which one round at a time may use
        self._backups = [Kept(name, one, context.shelf) for name, one in settings.backups.items()]
        self._lists = {
            kept.name: LongLook(
                f"list of {kept.name}", partial(listed_by_command, kept.settings), kept.settings.list_command.every,
                context.shelf, of=kept.settings.place,
            )
            for kept in self._backups if kept.settings.list_command
        }  # fmt: skip
        self._verifying = Verifying(settings, self._backups, context)

    @contextmanager
    def connect(self) -> Iterator[Session]:
        yield Session(self._backups, self._seen(), self._verifying.trouble)

    def _seen(self) -> Mapping[str, Trouble]:
        """Look at the files of all backups; return why some cannot be seen."""
        with self._lock:
            answers: dict[str, Any] = dict(
                self._patience.run({
                    kept.name: partial(listed, kept.settings)
                    for kept in self._backups if not kept.settings.list_command
                })
            )  # fmt: skip
            troubles: dict[str, Trouble] = {}
            for kept in self._backups:
                answer = answers[kept.name] if kept.name in answers else self._listed(kept)
                if isinstance(answer, Exception):
                    troubles[kept.name] = explained(answer, kept.settings.path)
                kept.note(None if isinstance(answer, Exception) else answer)
            return troubles

    def _listed(self, kept: Kept) -> Listing | Trouble:
        command = kept.settings.list_command
        try:
            told = self._lists[kept.name].found(_STANDS * (command.every if command else 0.0)).value
        except Trouble as trouble:
            return trouble
        return as_listing(kept.settings, told)

    def watch(self, stop: Event, ready: Callable[[], None]) -> None:
        self._seen()  # so that who asks once sees a verdict: the first one is awaited for a while
        keep_looking([*self._lists.values(), self._verifying], stop, ready)

    def close(self) -> None:
        self._patience.close()
        self._verifying.close()
