"""What one run of the benchmark gave."""

from dataclasses import dataclass

from tests.bench.load import Pages, Scrapes
from tests.bench.processes import Memory


@dataclass(frozen=True, slots=True)
class Server:
    """One server under test: what its page is, what scraping it took, what it holds afterwards."""

    name: str
    about: str
    series: int
    families: frozenset[str]
    shared_series: int
    plain: int
    zipped: int
    scrapes: Scrapes
    idle_cpu: float
    memory: Memory
    threads: int


@dataclass(frozen=True, slots=True)
class Crowded:
    """Scrapes of one server without and with a crowd of peers that never finish a request."""

    name: str
    alone: Scrapes
    crowded: Scrapes


@dataclass(frozen=True, slots=True)
class Big:
    """Scrapes of a page of so many series."""

    series: int
    zipped: int
    scrapes: Scrapes


@dataclass(frozen=True, slots=True)
class Results:
    """All that one run measured."""

    machine: dict[str, str]
    servers: dict[str, Server]
    loaded: dict[str, list[Pages]]
    crowds: list[Crowded]
    big: list[Big]
    collectors: list[str]
