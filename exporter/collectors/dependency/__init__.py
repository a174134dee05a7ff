"""Dependencies: what is outdated and for how long, which vulnerabilities are known, and when they must be gone."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event
from types import ModuleType
from typing import ClassVar

from exporter.collector import Collector, Context, Read
from exporter.collectors.dependency import host, told
from exporter.collectors.dependency.looks import Looks
from exporter.collectors.dependency.settings import DependencySettings
from exporter.longlook import keep_looking


class Dependency(Collector[Looks]):
    """Packages of Python environments, of projects of npm and of this Debian: newer releases and vulnerabilities."""

    Settings = DependencySettings
    settings: DependencySettings
    groups: ClassVar[tuple[ModuleType, ...]] = (told, host)

    def __init__(self, settings: DependencySettings, context: Context) -> None:
        super().__init__(settings, context)
        self.looks = Looks(settings, context.history)

    @contextmanager
    def connect(self) -> Iterator[Looks]:
        yield self.looks

    def watch(self, stop: Event, ready: Callable[[], None]) -> None:
        keep_looking(self.looks.all(), stop, ready)

    def reads(self) -> list[Read]:
        """Return the reads of this target: those of the host only where its packages are watched."""
        is_host = any(project.debian for project in self.settings.projects.values())
        return [one for one in super().reads() if is_host or one.name not in host.OF_HOST]
