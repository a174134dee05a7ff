"""Which scans there are of each project, and how each is made."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from exporter.collectors.dependency import debian, npm, npmaudit, python
from exporter.collectors.dependency.advice import Records, advisories
from exporter.collectors.dependency.found import Package, Scanned, Weaknesses
from exporter.collectors.dependency.osv import Source
from exporter.collectors.dependency.running import Way
from exporter.collectors.dependency.settings import DependencySettings, ProjectSettings
from exporter.state import Shelf

UPDATES, WEAKNESSES = "updates", "vulnerabilities"


class Scan(NamedTuple):
    """A scan of one project: of what, for what, how, and what must not change for its last result to stand."""

    ecosystem: str
    project: str
    parts: tuple[str, ...]
    work: Callable[[Way], Scanned]
    of: str

    @property
    def name(self) -> str:
        return f"{'+'.join(self.parts)} {self.ecosystem} {self.project}"


def scans(settings: DependencySettings, shelf: Shelf) -> Iterator[Scan]:
    """Yield the scans of all projects."""
    for name, project in settings.projects.items():
        if project.python:
            of = f"{project.python} {project.private}"
            work: Callable[[Way], Scanned] = partial(_python_updates, project)
            yield Scan("python", name, (UPDATES,), work, f"{of} {project.ignore}")
            work = partial(_python_weaknesses, settings, project, shelf, f"advisories python {name}")
            yield Scan("python", name, (WEAKNESSES,), work, f"{of} {settings.osv_url.reveal()}")
        if project.npm:
            of = f"{project.npm} {project.private}"
            work = partial(_npm_updates, settings, project)
            yield Scan("npm", name, (UPDATES,), work, f"{of} {project.ignore}")
            work = partial(_npm_weaknesses, settings, project, shelf, f"advisories npm {name}")
            asked = settings.osv_url.reveal() if settings.npm_advisories == "osv" else ""
            yield Scan("npm", name, (WEAKNESSES,), work, f"{of} {settings.npm_advisories} {asked}")
        if project.debian:
            of = f"{project.private} {project.ignore} {settings.debian_security_severity}"
            yield Scan("debian", name, (UPDATES, WEAKNESSES), partial(_debian, settings, project), of)


def _python_updates(project: ProjectSettings, way: Way) -> Scanned:
    return Scanned(updates=python.updates(project, way))


def _npm_updates(settings: DependencySettings, project: ProjectSettings, way: Way) -> Scanned:
    return Scanned(updates=npm.updates(project, settings.npm_command, way))


def _python_weaknesses(
    settings: DependencySettings, project: ProjectSettings, shelf: Shelf, key: str, way: Way
) -> Scanned:
    found = python.installed(project, way)
    return Scanned(weaknesses=_by_osv(Source(settings, python.ECOSYSTEM, way), found, 0, shelf, key))


def _npm_weaknesses(
    settings: DependencySettings, project: ProjectSettings, shelf: Shelf, key: str, way: Way
) -> Scanned:
    if settings.npm_advisories == "audit":
        return Scanned(weaknesses=npmaudit.weaknesses(project, settings.npm_command, way))
    lock = npm.lock_of(project, way)
    return Scanned(weaknesses=_by_osv(Source(settings, npm.ECOSYSTEM, way), lock.packages, lock.strange, shelf, key))


def _by_osv(source: Source, packages: list[Package], strange: int, shelf: Shelf, key: str) -> Weaknesses:
    if not packages:
        return Weaknesses(0, (), strange)
    records = Records(shelf.get(key))
    named = source.named(packages)
    whole = False
    try:
        source.fill(records, named)
        found = tuple(advisories(named, records))
        whole = True
    finally:  # what was learned before something went wrong need not be asked for again
        shelf.put(key, records.kept(used=whole))
    return Weaknesses(len(packages), found, strange)


def _debian(settings: DependencySettings, project: ProjectSettings, way: Way) -> Scanned:
    return debian.scan(project, settings.debian_security_severity, way)
