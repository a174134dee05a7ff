"""What the tests of dependencies are made against: a small index of Python, a registry of npm, advisories, projects."""

import gzip
import json
import os
import shutil
import sys
import sysconfig
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from exporter.collectors.dependency.settings import ProjectSettings
from exporter.deadline import Cancel
from exporter.setting import Secret
from tests.apiserver import API, Asked, Said
from tests.onetarget import One

NOBODY = "http://127.0.0.1:1"
"""Where nobody listens, and nobody else's test begins to."""
BATCH = "/v1/querybatch"
AUDIT = "/-/npm/v1/security/advisories/bulk"
JINJA, LODASH = "GHSA-462w-v97r-4m45", "GHSA-jf85-cpcp-j695"


def needs(program: str) -> str:
    """Return the path of a program; without it skip, and fail in CI."""
    found = shutil.which(program)
    if found is None:
        reason = f"{program} is not here: `make test` installs it (.ci/packages)"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    return found


# Python


def environment(folder: Path, installed: Mapping[str, str], *, pip: bool = True) -> Path:
    """Make a virtual environment in which these packages are installed, as far as anybody can tell."""
    venv = folder / "venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin/python").symlink_to(Path(sys.executable).resolve())
    site = venv / f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
    site.mkdir(parents=True)
    home = Path(sys.executable).resolve().parent
    told = f"home = {home}\ninclude-system-site-packages = false\n"
    (venv / "pyvenv.cfg").write_text(told, encoding="utf-8")
    for name, version in installed.items():
        info = site / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")
        (info / "INSTALLER").write_text("pip\n", encoding="utf-8")
    if pip:
        (site / "pip").symlink_to(Path(sysconfig.get_path("purelib")) / "pip")
    return venv


def index(server: API, releases: Mapping[str, list[str]]) -> dict[str, str]:
    """Have the server be an index with these releases; return the environment that has pip ask it and nobody else."""
    for name, versions in releases.items():
        links = "".join(f'<a href="/files/{file}">{file}</a>' for file in (_wheel(name, one) for one in versions))
        server.routes[f"/simple/{name}/"] = Said(f"<!DOCTYPE html><html><body>{links}</body></html>",
                                                 headers={"Content-Type": "text/html"})  # fmt: skip
    return asking(f"{server.url}/simple")


def asking(address: str) -> dict[str, str]:
    """Return the environment that has pip ask this index and nobody else."""
    return {"PIP_INDEX_URL": address, "PIP_CONFIG_FILE": os.devnull, "PIP_TRUSTED_HOST": "127.0.0.1"}


def _wheel(name: str, version: str) -> str:
    return f"{name.replace('-', '_')}-{version}-py3-none-any.whl"


# npm


def lock(folder: Path, direct: Mapping[str, str], *, version: int = 3, more: Mapping[str, Any] = {}) -> Path:
    """Write a project of npm that asks for these packages; `more` are further entries of its lock, by place."""
    folder.mkdir(parents=True, exist_ok=True)
    root = {"name": "front", "version": "1.0.0", "dependencies": dict(direct)}
    places = {f"node_modules/{name}": {"version": locked} for name, locked in direct.items()}
    content: dict[str, Any] = {"name": "front", "version": "1.0.0", "lockfileVersion": version, "requires": True}
    if version > 1:
        content["packages"] = {"": root, **places, **more}
    if version < 3:
        content["dependencies"] = {**{name: {"version": locked} for name, locked in direct.items()}, **more}
    (folder / "package.json").write_text(json.dumps(root), encoding="utf-8")
    path = folder / "package-lock.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def registry(server: API, releases: Mapping[str, Mapping[str, str]], bad: Mapping[str, Any] = {}) -> dict[str, str]:
    """Have the server be a registry with these releases, by date, the last the latest; return npm's environment."""
    for name, dates in releases.items():
        server.routes[f"/{name}"] = Said(_packument(server, name, dates))
    server.routes[AUDIT] = lambda asked: Said({name: bad[name] for name in _audited(asked) if name in bad})
    return {"npm_config_registry": f"{server.url}/", "npm_config_userconfig": os.devnull}


def _packument(server: API, name: str, dates: Mapping[str, str]) -> dict[str, Any]:
    versions = {
        one: {"name": name, "version": one, "dist": {"tarball": f"{server.url}/{name}-{one}.tgz"}} for one in dates
    }
    return {"name": name, "dist-tags": {"latest": list(dates)[-1]}, "versions": versions, "time": dict(dates)}


def _audited(asked: Asked) -> dict[str, list[str]]:
    body = gzip.decompress(asked.body) if asked.headers.get("content-encoding") == "gzip" else asked.body
    found: dict[str, list[str]] = json.loads(body)
    return found


def advised(number: int, ghsa: str, severity: str, versions: str = "<4.17.12") -> dict[str, Any]:
    """Return an advisory as a registry gives it."""
    return {
        "id": number, "url": f"https://github.com/advisories/{ghsa}", "title": "Prototype Pollution",
        "severity": severity, "vulnerable_versions": versions, "cwe": ["CWE-1321"],
        "cvss": {"score": 0, "vectorString": None},
    }  # fmt: skip


BAD_LODASH = {"lodash": [advised(1106913, LODASH, "critical")]}
"""What every registry knows."""


# OSV


def record(name: str, package: str = "jinja2", word: str = "", **more: Any) -> dict[str, Any]:
    """Return an advisory as OSV gives it."""
    told: dict[str, Any] = {
        "schema_version": "1.7.3", "id": name, "modified": "2024-01-01T00:00:00Z", "summary": "Something is wrong",
        "affected": [{"package": {"name": package, "ecosystem": "PyPI"}, "ranges": []}],
    }  # fmt: skip
    if word:
        told["database_specific"] = {"severity": word, "cwe_ids": []}
    return told | more


def source(server: API, known: Mapping[tuple[str, str], list[dict[str, Any]]]) -> dict[tuple[str, str], list[Any]]:
    """Have the server answer as OSV does: what is known by package and version, which may be changed afterwards."""
    held = {("jinja2", "2.4.1"): [record(JINJA, word="HIGH")], **known}
    held.setdefault(("lodash", "4.17.4"), [record(LODASH, "lodash", "CRITICAL")])
    server.routes[BATCH] = lambda asked: _batch(server, held, asked)
    for records in held.values():
        publish(server, *records)
    return held


def publish(server: API, *records: Mapping[str, Any]) -> None:
    """Have the server give these advisories when it is asked for them by name."""
    for one in records:
        server.routes[f"/v1/vulns/{one['id']}"] = Said(one)


def _batch(server: API, held: Mapping[tuple[str, str], list[dict[str, Any]]], asked: Asked) -> Said:
    results = []
    for query in json.loads(asked.body)["queries"]:
        found = held.get((query["package"]["name"], query["version"]), [])
        publish(server, *found)
        results.append({"vulns": [{"id": one["id"], "modified": one["modified"]} for one in found]} if found else {})
    return Said({"results": results})


def queries(server: API) -> list[dict[str, Any]]:
    """Return every query that the server was sent."""
    return [query for asked in server.asked if asked.path == BATCH for query in json.loads(asked.body)["queries"]]


# projects


def project(**settings: Any) -> ProjectSettings:
    """Return the settings of a project; `secret` are variables whose values are kept secret."""
    secret = {name: Secret(value) for name, value in settings.pop("secret", {}).items()}
    return ProjectSettings(secret_environment=secret, **settings)


def program(folder: Path, name: str, text: str) -> Path:
    """Write a program of the shell that stands for another."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def in_turn(*said: Said) -> Callable[[Asked], Said]:
    """Return a route that answers with each of these in turn, and then with the last of them."""
    left = list(said)
    return lambda asked: left.pop(0) if len(left) > 1 else left[0]


def pip(folder: Path, installed: Mapping[str, str], outdated: tuple[str, ...] = (), *, silent: bool = False) -> Path:
    """Have a program stand for the Python of a project: its pip tells this, or what is told later."""
    told = {
        "installed": installed,
        "outdated": {} if silent else {name: installed[name] for name in outdated},
        "current": {} if silent else {name: one for name, one in installed.items() if name not in outdated},
    }
    for what, packages in told.items():
        listed = [{"name": name, "version": version, "latest_version": "99"} for name, version in packages.items()]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / what).write_text(json.dumps(listed), encoding="utf-8")
    text = f"""case "$*" in
*--outdated*) cat {folder}/outdated ;;
*--uptodate*) cat {folder}/current ;;
*) cat {folder}/installed ;;
esac"""
    return program(folder / "bin", "python", text).parent.parent


def scan_again(watched: One) -> None:
    """Make all scans now, as if they were due."""
    collector: Any = watched.target.collector
    for look in collector.looks.all():
        look.make(Cancel())


def figures(watched: One, *parts: str) -> dict[str, float]:
    """Return what the page has of this collector's own metrics, those whose series hold all of these parts."""
    page = {name: float(value) for name, value in watched.page().items() if name.startswith("runbook_dependency_")}
    return {name: value for name, value in page.items() if all(part in name for part in parts)}
