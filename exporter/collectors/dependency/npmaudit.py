"""What the registry of npm says against the packages of a lock file, by `npm audit`."""

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from exporter.collector import Trouble
from exporter.collectors.dependency.found import Advisory, Weaknesses
from exporter.collectors.dependency.names import among
from exporter.collectors.dependency.npm import answer, lock_of, make_project, words_for
from exporter.collectors.dependency.running import Way, changed, ended, workshop
from exporter.collectors.dependency.settings import ProjectSettings
from exporter.collectors.dependency.severity import of_word

_GHSA: Final = re.compile(r"GHSA(?:-[23456789cfghjmpqrvwx]{4}){3}")
_AUDIT: Final = ("audit", "--json", "--package-lock-only")
# A release with vulnerabilities that everybody knows: who tells none of it tells of none at all.
_BAD: Final = ("lodash", "4.17.4")


def weaknesses(project: ProjectSettings, npm: str, way: Way) -> Weaknesses:
    """Return the advisories of the registry; Trouble where it has none to give."""
    lock = lock_of(project, way)
    with workshop(project) as folder:
        words = (npm, *_AUDIT, *words_for(folder))
        if lock.packages:
            _refuse_silence(project, words, folder, way)
            report = _report(project, words, os.path.dirname(project.npm), way)
        else:
            report = {}
    found = {(one.package, one.names): one for one in _advisories(report) if not among(one.package, project.private)}
    return Weaknesses(len(lock.packages), tuple(found.values()), lock.strange)


def _report(project: ProjectSettings, words: tuple[str, ...], directory: str, way: Way) -> Mapping[str, Any]:
    told = answer(ended(project, words, way, directory), "audit")
    if told.get("auditReportVersion") != 2:
        if "message" in told or "statusCode" in told:
            fix = "set `npm_advisories: osv`; or have the mirror pass on /-/npm/v1/security/advisories/bulk"
            raise Trouble(f"npm's registry gives no advisories ({_status(told)})", fix)
        raise changed("what `npm audit` tells")
    found = told.get("vulnerabilities")
    if not isinstance(found, dict):
        raise changed("what `npm audit` tells")
    return found


def _status(told: Mapping[str, Any]) -> str:
    status = told.get("statusCode")
    return f"status {status}" if isinstance(status, int) else "it does not answer"


def _refuse_silence(project: ProjectSettings, words: tuple[str, ...], folder: str, way: Way) -> None:
    """Refuse a registry that has nothing to say against what everybody knows to be bad."""
    name, version = _BAD
    root = {"name": "scanned", "version": "0.0.0", "dependencies": {name: version}}
    place = {"version": version, "resolved": f"https://registry.npmjs.org/{name}/-/{name}-{version}.tgz"}
    lock = {"name": "scanned", "version": "0.0.0", "lockfileVersion": 3, "requires": True,
            "packages": {"": root, f"node_modules/{name}": place}}  # fmt: skip
    trial = os.path.join(folder, "trial")
    os.mkdir(trial)
    os.chmod(trial, 0o755)  # noqa: S103  # npm may run as another user, the only one who can enter the folder above
    make_project(trial, project, {"package.json": root, "package-lock.json": lock})
    if not any(one.package == name for one in _advisories(_report(project, words, trial, way))):
        fix = "set `npm_advisories: osv`; or see what the mirror makes of /-/npm/v1/security/advisories/bulk"
        raise Trouble(f"npm's registry knows nothing against {name} {version}, so it has no advisories", fix)


def _advisories(report: Mapping[str, Any]) -> Iterator[Advisory]:
    for entry in report.values():
        via = entry.get("via") if isinstance(entry, dict) else None
        if not isinstance(via, list):
            raise changed("what `npm audit` tells")
        # a text is the name of another package, which has the advisory itself
        yield from (_advisory(one) for one in via if isinstance(one, dict))


def _advisory(one: Mapping[str, Any]) -> Advisory:
    name, source, url = one.get("name"), one.get("source"), one.get("url")
    if not isinstance(name, str) or not isinstance(source, int | str):
        raise changed("what `npm audit` tells")
    known = _GHSA.search(url) if isinstance(url, str) else None
    version = one.get("range")
    return Advisory(name, version if isinstance(version, str) else "", (known[0] if known else f"npm-{source}",),
                    of_word(one.get("severity")))  # fmt: skip
