"""Folders and files: how large, how old, how full their disk, who may read and write them."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import ClassVar

from exporter.collector import Collector, Context
from exporter.collectors.path import present, walked
from exporter.collectors.path.encryption import Remembered
from exporter.collectors.path.looks import Looks
from exporter.collectors.path.settings import PathsSettings
from exporter.patience import Patience


class Path(Collector[Looks]):
    """Folders and files of this host: size, age, permissions, the room around them; walked in the background."""

    Settings = PathsSettings
    groups: ClassVar[tuple[ModuleType, ...]] = (present, walked)
    toil: ClassVar[str] = "exporter.collectors.path.walk:Walk"

    def __init__(self, settings: PathsSettings, context: Context) -> None:
        super().__init__(settings, context)
        self._patience = Patience(settings.path_timeout)
        self._encrypts = Remembered(settings.sysfs)

    @contextmanager
    def connect(self) -> Iterator[Looks]:
        yield Looks(self.settings, self._patience, self.context.ledger.entries(), self._encrypts)

    def close(self) -> None:
        self._patience.close()
