"""DuckDB databases: looked at from outside, and read from a private copy that a throwaway process opens."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event
from types import ModuleType
from typing import ClassVar

from exporter.collector import Collector, Context
from exporter.collectors.duckdb import configured, contents, files, header, holders, integrity, library
from exporter.collectors.duckdb.looks import looks_of
from exporter.collectors.duckdb.session import Session
from exporter.collectors.duckdb.settings import DuckDBSettings
from exporter.longlook import keep_looking
from exporter.metric import Samples, gauge

UP = gauge("duckdb_up", "1 where the database file is there and can be looked at, else 0.", source="the file")


class DuckDB(Collector[Session]):
    """A DuckDB database file."""

    Settings = DuckDBSettings
    groups: ClassVar[tuple[ModuleType, ...]] = (files, header, holders, configured, contents, library, integrity)

    def __init__(self, settings: DuckDBSettings, context: Context) -> None:
        super().__init__(settings, context)
        self._looks = looks_of(settings, context)

    @contextmanager
    def connect(self) -> Iterator[Session]:
        path = self.settings.path
        header.check_is_there(path)
        yield Session(path, self.settings, self.context.shelf, time.time(), self._looks)

    def watch(self, stop: Event, ready: Callable[[], None]) -> None:
        looks = [self._looks.contents, *([self._looks.integrity] if self.settings.integrity_interval else [])]
        keep_looking(looks, stop, ready)

    def standing(self, up: bool, failing: bool) -> Samples:  # noqa: ARG002
        yield UP(int(up))
