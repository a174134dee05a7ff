"""Packages of this host, by apt-get: which have a newer release in the lists that were fetched last."""

import os
import re
import shlex
from collections import Counter
from typing import Final, NamedTuple

from exporter.collector import Trouble
from exporter.collectors.dependency.found import Advisory, Origin, Pending, Scanned, Updates, Weaknesses
from exporter.collectors.dependency.names import among
from exporter.collectors.dependency.running import Way, changed, ended
from exporter.collectors.dependency.settings import ProjectSettings

# `upgrade` would leave out what needs a package more, as each new kernel does
_COMMAND: Final = (
    "apt-get", "-s", "-q",
    "-o", "APT::Get::Show-User-Simulation-Note=false", "-o", "Debug::NoLocking=true",
    "-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache=",  # nothing is written
    "dist-upgrade",
)  # fmt: skip
_PLACES: Final = ("apt-config", "shell", "STATE", "Dir::State/d", "LISTS", "Dir::State::lists/d",
                  "STATUS", "Dir::State::status/f")  # fmt: skip
_UPGRADE: Final = re.compile(r"Inst \S+ \[")
# Inst NAME [OLD] (NEW ORIGIN:VERSION/ARCHIVE, ... [ARCHITECTURE]); what is installed anew has no OLD
_LINE: Final = re.compile(r"Inst (\S+) \[([^\]]*)\] \((\S+) (.*) ?\[([^\]]+)\]\)")
_SECURITY: Final = re.compile(r"^Debian-Security:|[/:][^/]*-security$", re.IGNORECASE)
_INSTALLED: Final = b"Status: install ok installed"
_STAMP: Final = "periodic/update-success-stamp"


class Places(NamedTuple):
    """Where apt keeps what it knows."""

    state: str
    lists: str
    status: str


class _Upgrade(NamedTuple):
    name: str
    version: str
    origins: tuple[str, ...]
    arch: str

    @property
    def is_security(self) -> bool:
        return any(_SECURITY.search(origin) for origin in self.origins)


def scan(project: ProjectSettings, severity: str, way: Way) -> Scanned:
    """Return what could be upgraded; each security update among it is a vulnerability."""
    places = _places(project, way)
    installed = _installed(places)
    if not any(name.endswith("Release") for name in _names(places.lists)):
        raise Trouble("apt has no lists, so it knows of no upgrades", "run `apt-get update`")
    done = ended(project, _COMMAND, way)
    if done.status != 0:
        fix = "run `apt-get -s dist-upgrade`, and see what it says; broken packages are mended first"
        raise Trouble(f"apt-get ended with the status {done.status}", fix)
    upgrades = _upgrades(done.output.decode("utf-8", "replace"))
    upgrades = [one for one in upgrades if not among(one.name, project.private)]
    pending = tuple(Pending(one.name, one.version) for one in upgrades if one.name not in project.ignore)
    advisories = tuple(
        Advisory(one.name, one.version, (f"update of {one.name} {one.version}",), severity)
        for one in upgrades
        if one.is_security
    )
    return Scanned(Updates(installed, pending), Weaknesses(installed, advisories), _origins(upgrades), _fetched(places))


def _places(project: ProjectSettings, way: Way) -> Places:
    """Return where apt keeps what it knows."""
    done = ended(project, _PLACES, way)
    told = dict(
        shlex.split(line)[0].split("=", 1)
        for line in done.output.decode("utf-8", "replace").splitlines()
        if "=" in line
    )
    if done.status != 0 or not {"STATE", "LISTS", "STATUS"} <= told.keys():
        raise Trouble(f"apt-config ended with the status {done.status}", "see what `apt-config dump` says")
    return Places(told["STATE"], told["LISTS"], told["STATUS"])


def _fetched(places: Places) -> float | None:
    """Return when apt's lists were fetched last; None where nothing tells.

    A list keeps its server's time; the folder's own changes when one comes. The stamp is made by what runs
    `apt-get update` each day, where something does.
    """
    stamps = [_changed(os.path.join(places.state, _STAMP)), _changed(places.lists)]
    return max((stamp for stamp in stamps if stamp is not None), default=None)


def _changed(path: str) -> float | None:
    try:
        return os.stat(path).st_mtime
    except FileNotFoundError:
        return None


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []


def _installed(places: Places) -> int:
    try:
        with open(places.status, "rb") as file:
            return sum(line.startswith(_INSTALLED) for line in file)
    except OSError as error:
        raise Trouble(
            f"{places.status}: {error.strerror}", "see whether this host is Debian's, or one like it"
        ) from None


def _upgrades(text: str) -> list[_Upgrade]:
    found = []
    for line in text.splitlines():
        if not _UPGRADE.match(line):
            continue
        match = _LINE.match(line)
        if match is None:
            raise changed("what apt-get tells")
        name, old, _, origins, arch = match.groups()
        found.append(_Upgrade(name, old, tuple(sorted(map(str.strip, origins.split(",")))), arch))
    return found


def _origins(upgrades: list[_Upgrade]) -> tuple[Origin, ...]:
    counted = Counter((",".join(one.origins), one.arch) for one in upgrades)
    found = tuple(Origin(origin, arch, count) for (origin, arch), count in sorted(counted.items()))
    return found or (Origin("", "", 0),)  # as those who gave the name its form have it
