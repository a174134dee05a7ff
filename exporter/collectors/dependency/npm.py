"""Projects of npm, by their lock file: of what the registry has something newer, and what it says against them."""

import json
import os
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from exporter.collector import Trouble
from exporter.collectors.dependency.found import Package, Pending, Updates
from exporter.collectors.dependency.names import among
from exporter.collectors.dependency.running import Way, changed, document, ended, workshop
from exporter.collectors.dependency.semver import is_newer
from exporter.collectors.dependency.settings import ProjectSettings
from exporter.command import Ended
from exporter.throwaway import ask

ECOSYSTEM: Final = "npm"
_READER: Final = "exporter.collectors.dependency.npmlock:packages"
_MOST_DATES: Final = 30  # packages whose dates are asked for, each by a process
QUIET: Final = ("--no-update-notifier", "--no-fund", "--ignore-scripts", "--loglevel", "error", "--fetch-retries", "1",
         "--fetch-retry-mintimeout", "1000")  # fmt: skip
_CODE: Final = re.compile(r"[A-Z0-9_]{1,40}")


class Lock(NamedTuple):
    """What a lock file holds: packages of a registry, those asked for directly, and how many come from elsewhere."""

    packages: list[Package]
    direct: list[Package]
    strange: int


def lock_of(project: ProjectSettings, way: Way) -> Lock:
    """Return what the lock file holds, without what is private."""
    told = ask(_READER, {"path": project.npm}, timeout=way.left(), cancel=way.cancel, key=f"lock {project.npm}")
    kept = {
        what: [Package(*one) for one in told[what] if not among(one[0], project.private)]
        for what in ("packages", "direct")
    }
    return Lock(kept["packages"], kept["direct"], told["strange"])


def updates(project: ProjectSettings, npm: str, way: Way) -> Updates:
    """Return which of the packages that are asked for directly are outdated, as locked.

    npm leaves out in silence what the registry refuses, and what is current. So it is asked in an empty folder, where
    it tells of each package that it knows.
    """
    lock = lock_of(project, way)
    if not lock.direct:
        return Updates(0, ())
    with workshop(project) as folder:
        shop = _Shop(project, npm, folder, way)
        latest = shop.latest(sorted({package.name for package in lock.direct}))
        newer = [package for package in lock.direct if package.name in latest]
        if not newer:
            fix = "see with `npm view NAME`, as the same user, whether its registry answers"
            raise Trouble(f"npm's registry knows none of the {len(lock.direct)} packages that are asked for", fix)
        newer = [one for one in newer if is_newer(latest[one.name], one.version) and one.name not in project.ignore]
        lags = {one: shop.lag(one, latest[one.name]) for one in newer[:_MOST_DATES]}
    pending = tuple(Pending(*one, lags.get(one)) for one in newer)
    return Updates(len(lock.direct), pending, sum(one.name not in latest for one in lock.direct))


def words_for(folder: str) -> tuple[str, ...]:
    """Return the options with which npm writes nothing but into our folder."""
    return (*QUIET, "--cache", os.path.join(folder, "cache"), "--logs-dir", os.path.join(folder, "logs"))


def make_project(folder: str, like: ProjectSettings, files: Mapping[str, Any]) -> None:
    """Make a project of ours in a folder, which asks the registry as the real one does."""
    for name, content in files.items():
        path = os.path.join(folder, name)
        with open(path, "w", encoding="utf-8") as file:
            json.dump(content, file)
        os.chmod(path, 0o644)  # npm may run as another user, the only one who can enter the folder
    settings = os.path.join(os.path.dirname(like.npm), ".npmrc")
    if os.path.isfile(settings):
        os.symlink(settings, os.path.join(folder, ".npmrc"))


class _Shop:
    """A folder with a project of ours in it, and the npm that is run there."""

    def __init__(self, project: ProjectSettings, npm: str, folder: str, way: Way) -> None:
        self._project, self._npm, self._folder, self._way = project, npm, folder, way

    def latest(self, names: list[str]) -> dict[str, str]:
        """Return the newest release of each package that the registry knows."""
        manifest = {"name": "scanned", "version": "0.0.0", "private": True, "dependencies": dict.fromkeys(names, "*")}
        make_project(self._folder, self._project, {"package.json": manifest})
        told = answer(self._run("outdated", "--json"), "outdated")
        found = {name: one["latest"] for name, one in told.items() if isinstance(one, dict) and "latest" in one}
        if len(found) != len(told) or not all(isinstance(version, str) for version in found.values()):
            raise changed("what `npm outdated` tells")
        return {name: str(version) for name, version in found.items() if name in names}

    def lag(self, package: Package, latest: str) -> float | None:
        """Return the seconds between two releases; None where the registry tells no dates."""
        done = self._run("view", package.name, "time", "--json")
        if done.status != 0 or not done.output.strip():
            return None
        times = document(done, "`npm view`")
        if not isinstance(times, dict):
            return None
        ours, newest = (_moment(times.get(version)) for version in (package.version, latest))
        return max(0.0, newest - ours) if ours is not None and newest is not None else None

    def _run(self, *words: str) -> Ended:
        return ended(self._project, (self._npm, *words, *words_for(self._folder)), self._way, self._folder)


def answer(done: Ended, what: str) -> dict[str, Any]:
    """Return what npm told; Trouble where that is an error."""
    # its status says nothing: it is 1 also where something was found
    if done.status not in (0, 1) or not done.output.strip():
        fix = f"run `npm {what}` there, as the same user, and see what it says"
        raise Trouble(f"npm {what} ended with the status {done.status}, and told nothing", fix)
    told = document(done, f"`npm {what}`")
    if not isinstance(told, dict):
        raise changed(f"what `npm {what}` tells")
    error = told.get("error")
    if isinstance(error, dict) and "code" in error:
        fix = "see whether npm's registry answers, and takes the login that .npmrc has"
        raise Trouble(f"npm {what} failed ({_word(error['code'])})", fix)
    return told


def _word(code: Any) -> str:
    """Return a code of npm's, such as E401 or ECONNREFUSED; of anything else nothing is shown."""
    text = str(code)
    return text if _CODE.fullmatch(text) else "an unknown error"


def _moment(text: Any) -> float | None:
    try:
        return datetime.fromisoformat(text).timestamp()
    except (TypeError, ValueError):
        return None
