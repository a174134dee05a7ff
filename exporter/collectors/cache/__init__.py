"""Caches on disk, class by class: how many entries, how old, and whether they are as they must be."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import ClassVar

from exporter.collector import Collector
from exporter.collectors.cache import checks, found
from exporter.collectors.cache.classes import Classes
from exporter.collectors.cache.settings import CacheSettings


class Cache(Collector[Classes]):
    """An on-disk cache in classes: entries, size, age, what is out of date or not valid; walked in the background."""

    Settings = CacheSettings
    groups: ClassVar[tuple[ModuleType, ...]] = (found, checks)
    toil: ClassVar[str] = "exporter.collectors.cache.survey:Survey"

    @contextmanager
    def connect(self) -> Iterator[Classes]:
        yield Classes(self.settings, self.context.ledger.entries())
