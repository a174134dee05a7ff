"""Python environments, by pip: what is installed, and of what the index has something newer."""

import importlib.util
import os
import re
import sys
from typing import Any, Final

from exporter.collector import Trouble
from exporter.collectors.dependency.found import Package, Pending, Updates
from exporter.collectors.dependency.names import among
from exporter.collectors.dependency.running import Way, changed, document, ended, workshop
from exporter.collectors.dependency.settings import ProjectSettings
from exporter.command import Ended

ECOSYSTEM: Final = "PyPI"
# one more try, so that an index that is gone is told of within the scan's time
_OPTIONS: Final = ("--format", "json", "--no-input", "--disable-pip-version-check", "--no-color")
_POLITE: Final = ("--retries", "1", "--timeout", "15")
_NO_PIP: Final = b"No module named pip"


def normalized(name: str) -> str:
    """Return a name as the index has it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def installed(project: ProjectSettings, way: Way) -> list[Package]:
    """Return what is installed, without what is private."""
    listed = _listed(project, way)
    return [Package(name, version) for name, version in sorted(listed.items()) if not _is_private(name, project)]


def updates(project: ProjectSettings, way: Way) -> Updates:
    """Return what is outdated; what the index has neither as it is nor newer is not told to be well.

    pip leaves out in silence what it could not ask for: nothing is outdated with an index that is dead. So it is asked
    for what is current as well.
    """
    listed = _listed(project, way)
    private = [name for name in listed if _is_private(name, project)]
    packages = listed.keys() - private
    if not packages:
        return Updates(0, ())
    with workshop(project) as folder:
        options = (*_POLITE, "--cache-dir", folder, *(word for name in private for word in ("--exclude", name)))
        outdated = _listed(project, way, ("--outdated", *options))
        current = _listed(project, way, ("--uptodate", *options))
    told = packages & {*outdated, *current}
    if not told:
        fix = "see with `pip index versions pip`, as the same user, whether pip's index answers"
        raise Trouble(f"pip's index knows none of the {len(packages)} packages that are installed", fix)
    ignored = {normalized(name) for name in project.ignore}
    pending = [Pending(name, outdated[name]) for name in sorted(packages & outdated.keys()) if name not in ignored]
    return Updates(len(packages), tuple(pending), len(packages - told))


def _is_private(name: str, project: ProjectSettings) -> bool:
    return among(name, map(normalized, project.private))


def _listed(project: ProjectSettings, way: Way, options: tuple[str, ...] = ()) -> dict[str, str]:
    """Return the packages that `pip list` tells, each with the version that is installed."""
    python = _python(project.python)
    _refuse_foreign(python, project)
    words = ("list", *_OPTIONS, *options)
    done = ended(project, (python, "-m", "pip", *words), way)
    if done.status != 0 and _NO_PIP in done.errors:
        done = ended(project, _own_pip(python, words), way)
    return _packages(done)


def _packages(done: Ended) -> dict[str, str]:
    if done.status != 0:
        fix = "run `pip list --outdated` there, as the same user, and see what it says"
        raise Trouble(f"pip ended with the status {done.status}", fix)
    told = document(done, "pip")
    if not isinstance(told, list) or not all(_is_package(one) for one in told):
        raise changed("what pip lists")
    return {normalized(one["name"]): one["version"] for one in told}


def _is_package(one: Any) -> bool:
    return isinstance(one, dict) and isinstance(one.get("name"), str) and isinstance(one.get("version"), str)


def _own_pip(python: str, words: tuple[str, ...]) -> tuple[str, ...]:
    """Return the command that has our own pip look at another environment, one that was made without pip."""
    if importlib.util.find_spec("pip") is None:
        raise Trouble(f"{python} has no pip", "install it there, or beside runbook-exporter: pip >= 22.3")
    return (sys.executable, "-m", "pip", "--python", python, *words)


def _python(place: str) -> str:
    for path in (place, os.path.join(place, "bin", "python"), os.path.join(place, "bin", "python3")):
        if os.path.isfile(path):
            return path
    raise Trouble(f"there is no Python at {place}", "correct `python`: a virtual environment's folder, or its Python")


def _refuse_foreign(python: str, project: ProjectSettings) -> None:
    """Refuse to run as root what somebody else may change."""
    if os.geteuid() != 0 or project.user:
        return
    folder = os.path.dirname(python)
    owners = {os.lstat(python).st_uid, *(os.stat(path).st_uid for path in (python, folder, os.path.dirname(folder)))}
    if owners != {0}:
        fix = "give the project its `user`; or run the exporter as another user than root"
        raise Trouble(f"{python} is another user's, and the exporter is root", fix)
