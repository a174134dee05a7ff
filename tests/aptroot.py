"""A Debian of its own for apt: a repository, lists that were fetched from it, and packages that are installed."""

import hashlib
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from tests.dependencies import needs

STABLE: Final = ("Debian", "12.15", "oldstable", "bookworm")
SECURITY: Final = ("Debian-Security", "12", "oldstable-security", "bookworm-security")
Releases = Mapping[tuple[str, str, str, str], Mapping[str, str]]
"""Packages with their versions, by label, version, suite and codename of where they come from."""


class Root(NamedTuple):
    """Where it is, and what has apt look there."""

    folder: Path
    environment: dict[str, str]

    def fetch(self) -> None:
        """Have its lists fetched, as its administrator would."""
        done = subprocess.run(
            [needs("apt-get"), "update", "-q"], env={"PATH": os.environ["PATH"], **self.environment},
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr


def root(folder: Path, installed: Mapping[str, str], releases: Releases, *, fetched: bool = True) -> Root:
    """Make such a root below the folder."""
    for path in ("state/lists/partial", "state/periodic", "cache/archives/partial", "etc/preferences.d", "dpkg"):
        (folder / path).mkdir(parents=True)
    (folder / "dpkg/status").write_text("".join(_entry(*one, "Status: install ok installed\n") for one in
                                                installed.items()), encoding="utf-8")  # fmt: skip
    (folder / "etc/sources.list").write_text("", encoding="utf-8")
    for place, packages in releases.items():
        publish(folder, place, packages)
    (folder / "apt.conf").write_text(_config(folder), encoding="utf-8")
    made = Root(folder, {"APT_CONFIG": str(folder / "apt.conf")})
    if fetched:
        made.fetch()
    return made


def publish(folder: Path, place: tuple[str, str, str, str], packages: Mapping[str, str]) -> None:
    """Have a place offer these packages, from the next fetch on."""
    label, version, suite, codename = place
    listed = "".join(_entry(*one, f"Filename: pool/{one[0]}.deb\nSize: 1\nSHA256: {'0' * 64}\n")
                     for one in packages.items()).encode()  # fmt: skip
    dists = folder / "repository/dists" / codename
    (dists / "main/binary-amd64").mkdir(parents=True, exist_ok=True)
    (dists / "main/binary-amd64/Packages").write_bytes(listed)
    digest = hashlib.sha256(listed).hexdigest()
    (dists / "Release").write_text(
        f"Origin: Debian\nLabel: {label}\nSuite: {suite}\nVersion: {version}\nCodename: {codename}\n"
        f"Date: Sat, 28 Nov 2026 00:00:00 UTC\nArchitectures: amd64\nComponents: main\n"
        f"SHA256:\n {digest} {len(listed)} main/binary-amd64/Packages\n",
        encoding="utf-8",
    )
    line = f"deb [trusted=yes arch=amd64] file:{folder}/repository {codename} main\n"
    sources = folder / "etc/sources.list"
    if line not in sources.read_text(encoding="utf-8"):
        sources.write_text(sources.read_text(encoding="utf-8") + line, encoding="utf-8")


def _entry(name: str, version: str, more: str) -> str:
    return (f"Package: {name}\n{more}Priority: optional\nSection: misc\nMaintainer: Nobody <nobody@example.com>\n"
            f"Architecture: amd64\nVersion: {version}\nDescription: a package\n\n")  # fmt: skip


def _config(folder: Path) -> str:
    return f"""
Dir "{folder}/";
Dir::State "{folder}/state/";
Dir::State::lists "{folder}/state/lists/";
Dir::State::status "{folder}/dpkg/status";
Dir::Cache "{folder}/cache/";
Dir::Etc "{folder}/etc/";
Dir::Etc::sourcelist "{folder}/etc/sources.list";
Dir::Etc::sourceparts "-";
Dir::Etc::main "-";
Dir::Etc::parts "-";
APT::Architecture "amd64";
APT::Sandbox::User "";
Acquire::Languages "none";
"""
