"""What one run of the benchmark gave."""

from collections.abc import Collection
from dataclasses import dataclass

from tests.bench.access import Counted
from tests.bench.burst import Burst
from tests.bench.cache import Cached
from tests.bench.celery import Celery
from tests.bench.follow import Followed
from tests.bench.load import Pages, Scrapes
from tests.bench.probes import Probed
from tests.bench.processes import Memory
from tests.bench.visits import Visits
from tests.bench.walk import Walked


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
class Side:
    """One of the exporters of an area: what its page is, what scraping it took, what it holds afterwards."""

    name: str
    about: str
    series: int
    shared_series: int
    scrapes: Scrapes
    memory: Memory


@dataclass(frozen=True, slots=True)
class Many:
    """What 50 clients at once did to PostgreSQL and to the exporter."""

    connections: int
    memory: Memory
    pages: Pages


@dataclass(frozen=True, slots=True)
class Database:
    """Exporters of a PostgreSQL; where figures are by server they have the keys of `sides`."""

    version: str
    sides: dict[str, Side]
    server_cpu: dict[str, float]
    locked: dict[str, float | None]
    hanging: dict[str, float | None]
    many: dict[str, Many]
    scrape_timeout: float
    together: Memory | None
    """What node_exporter and postgres_exporter hold together."""


@dataclass(frozen=True, slots=True)
class Helped:
    """What the helper process did."""

    burst: Burst
    walked: Walked
    followed: list[Followed]
    """Followers of logs."""
    counted: list[Counted]
    """Access logs."""


@dataclass(frozen=True, slots=True)
class Host:
    """Exporters of the host, and what pages cost whatever is on them."""

    servers: dict[str, Server]
    loaded: dict[str, list[Pages]]
    crowds: list[Crowded]
    big: list[Big]
    collectors: list[str]


@dataclass(frozen=True, slots=True)
class Results:
    """All that one run measured."""

    machine: dict[str, str]
    parts: Collection[str]
    """What was asked for; the rest of what follows is empty."""
    host: Host | None
    database: Database | None
    groups: dict[int, dict[str, Side]]
    """Exporters of process groups, by the number of processes."""
    stores: dict[str, dict[str, Side]]
    """Exporters of a data store, by the collector's name."""
    helped: Helped | None
    celery: Celery | None
    caches: list[Cached]
    probed: Probed | None = None
    visits: Visits | None = None
