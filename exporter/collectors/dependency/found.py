"""What a scan finds: packages with newer releases, and vulnerabilities."""

from typing import NamedTuple


class Package(NamedTuple):
    """A package as it is in use."""

    name: str
    version: str


class Pending(NamedTuple):
    """A package that has a newer release, and how much newer that is in seconds, where dates are told."""

    name: str
    version: str
    lag: float | None = None


class Advisory(NamedTuple):
    """A vulnerability of a package in use, by all of its names."""

    package: str
    version: str
    names: tuple[str, ...]
    severity: str


class Updates(NamedTuple):
    """How many packages were looked at, which are outdated, of how many nothing could be told."""

    packages: int
    pending: tuple[Pending, ...]
    unscanned: int = 0


class Weaknesses(NamedTuple):
    """How many packages were looked at, what is known against them, of how many nothing could be told."""

    packages: int
    advisories: tuple[Advisory, ...]
    unscanned: int = 0


class Origin(NamedTuple):
    """How many pending upgrades come from a place, for an architecture."""

    origin: str
    arch: str
    number: int


class Scanned(NamedTuple):
    """What one scan found, of what it looks for."""

    updates: Updates | None = None
    weaknesses: Weaknesses | None = None
    origins: tuple[Origin, ...] | None = None
    lists: float | None = None
    """When the lists that tell of upgrades were fetched."""
