"""Lock files of npm, of all three versions; read in a throwaway process."""

import json
import os
import re
import stat
from collections.abc import Iterator, Mapping
from typing import Any, Final

from exporter.collector import Trouble

_MOST: Final = 64 << 20
_FOLDER: Final = "node_modules/"
_VERSION: Final = re.compile(r"\d+\.\d+\.\d+(?:[-+][0-9A-Za-z.+-]+)?")
_NAME: Final = re.compile(r"(?:@[A-Za-z0-9._~-]+/)?[A-Za-z0-9._~-]+")
_KINDS: Final = ("dependencies", "devDependencies", "optionalDependencies")


def packages(request: Mapping[str, str]) -> dict[str, Any]:
    """Return the packages of a lock file, those that the project itself asks for, and how many are no registry's."""
    lock = _read(request["path"])
    if not _is_lock(lock):
        raise Trouble(f"{request['path']} is no lock file of npm", "correct `npm`")
    found, strange = set(), 0
    for name, version, _ in _entries(lock):
        if _VERSION.fullmatch(version) and _NAME.fullmatch(name):
            found.add((name, version))
        else:
            strange += 1
    return {"packages": sorted(found), "direct": _direct(lock, request["path"], found), "strange": strange}


def _read(path: str) -> Any:
    try:
        # a pipe that nobody writes to is opened at once then
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_size > _MOST:
                raise Trouble(f"{path} is no file, or larger than {_MOST} bytes", "correct `npm`")
            lock = json.loads(file.read(_MOST))
    except OSError as error:
        raise Trouble(
            f"{path}: {error.strerror}", "correct `npm`; the exporter's user must be able to read it"
        ) from None
    except (ValueError, RecursionError):
        raise Trouble(f"{path} is not JSON", "make it anew: npm install --package-lock-only") from None
    return lock


def _is_lock(lock: Any) -> bool:
    """Tell whether it is a lock file: any other JSON would be taken for a project without packages."""
    if not isinstance(lock, dict) or not isinstance(lock.get("packages", lock.get("dependencies", {})), dict):
        return False
    # npm before 5 gave its shrinkwraps no version
    return "lockfileVersion" in lock or any(isinstance(one, dict) for one in lock.get("dependencies", {}).values())


def _entries(lock: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield name, version and place of each package; places of workspaces and links are not packages."""
    if isinstance(lock.get("packages"), dict):
        yield from _flat(lock["packages"])
    else:
        yield from _nested(lock.get("dependencies", {}), "")


def _flat(entries: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for place, entry in entries.items():
        if _FOLDER not in place or not isinstance(entry, dict) or entry.get("link"):
            continue
        name = entry.get("name") or place.rpartition(_FOLDER)[2]
        yield str(name), _version_of(entry), place


def _nested(entries: Mapping[str, Any], above: str) -> Iterator[tuple[str, str, str]]:
    for key, entry in entries.items():
        if not isinstance(entry, dict):
            continue
        place, version = f"{above}{_FOLDER}{key}", _version_of(entry)
        name = key
        if version.startswith("npm:"):  # an alias
            name, _, version = version.removeprefix("npm:").rpartition("@")
        yield name, version, place
        inner = entry.get("dependencies")
        yield from _nested(inner if isinstance(inner, dict) else {}, f"{place}/")


def _version_of(entry: Mapping[str, Any]) -> str:
    resolved = entry.get("resolved")
    if isinstance(resolved, str) and resolved.startswith(("git", "file:")):
        return resolved
    return str(entry.get("version") or "")


def _direct(lock: Mapping[str, Any], path: str, found: set[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the packages that the project itself asks for, as they are locked."""
    asked = _asked(lock, path)
    tops = {place.removeprefix(_FOLDER): (name, version) for name, version, place in _entries(lock)
            if place.count(_FOLDER) == 1 and place.startswith(_FOLDER)}  # fmt: skip
    return sorted({tops[key] for key in asked if tops.get(key) in found})


def _asked(lock: Mapping[str, Any], path: str) -> set[str]:
    """Return the names of what the project and its workspaces ask for."""
    entries = lock.get("packages")
    if isinstance(entries, dict):
        manifests = [entry for place, entry in entries.items() if _FOLDER not in place]
    else:  # version 1 does not tell
        manifests = [_read(os.path.join(os.path.dirname(path), "package.json"))]
    found: set[str] = set()
    for manifest in manifests:
        for kind in _KINDS:
            asked = manifest.get(kind) if isinstance(manifest, dict) else None
            found |= asked.keys() if isinstance(asked, dict) else set()
    return found
