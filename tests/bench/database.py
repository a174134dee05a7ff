"""A PostgreSQL server: what watching it costs, while all is well, while a table is locked, and while it hangs."""

import http.client
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from tests.bench import queries, sides
from tests.bench.load import HEADERS, Scraper, by_turns, many_clients
from tests.bench.processes import (
    NODE_EXPORTER,
    POSTGRES_EXPORTER,
    Memory,
    Running,
    exporter,
    node_exporter,
    postgres_exporter,
    tree_cpu,
)
from tests.bench.results import Database, Many
from tests.bench.scale import Scale
from tests.postgres import DISTRIBUTIONS, Cluster, majors, monitor, server

CLIENTS: Final = 50
_TABLE: Final = """
CREATE TABLE things{0} AS SELECT id, id::text AS name FROM generate_series(1, 200) AS id;
CREATE INDEX ON things{0} (id);
ANALYZE things{0};
"""
_SETTINGS: Final = {"max_connections": "200", "shared_preload_libraries": "pg_stat_statements"}
_PATH: Final = "/metrics?collect%5B%5D=postgres"
ABOUT: Final = {
    "fresh": "max_age 0s: every scrape asks the server anew; tables, sizes, settings and statements once a minute",
    "full": "the same, with every read in every scrape",
    "together": "with the host: the whole exporter",
    "theirs": "as it comes: no tables, no statements",
    "theirs more": "with all databases, and queries of tables and statements",
}


def measure(place: Path, scale: Scale) -> Database | None:
    """Measure both exporters on one server; without a PostgreSQL there is nothing to measure."""
    if not majors():
        return None
    major = DISTRIBUTIONS if DISTRIBUTIONS in majors() else max(majors())
    folder = place / "postgres"
    folder.mkdir()
    with ExitStack() as stack:
        cluster = stack.enter_context(server(major, _SETTINGS))
        _fill(cluster, scale)
        running = _servers(stack, folder, cluster)
        return _measured(cluster, running, folder, scale)


def _measured(cluster: Cluster, running: dict[str, Running], place: Path, scale: Scale) -> Database:
    """Measure what disturbs the least first."""
    scraped = sides.scraped(running, ABOUT, scale.database_batches, scale.database_batch)
    with _nodes(place) as node:
        together = _held_together(node, scraped["theirs"].memory, scale) if node and "theirs" in scraped else None
    compared = {key: one for key, one in running.items() if key != "together"}
    cpu = {key: _server_cpu(cluster, one, scale.database_batch) for key, one in compared.items()}
    with _locked(cluster):
        locked = {key: _seconds(one, scale.scrape_timeout) for key, one in compared.items()}
    many = {key: _many(cluster, key, one, scale) for key, one in compared.items()}
    with cluster.stopped(), ThreadPoolExecutor() as pool:
        waiting = {key: pool.submit(_seconds, one, scale.scrape_timeout) for key, one in compared.items()}
        hanging = {key: future.result() for key, future in waiting.items()}
    version = str(cluster.sql("SHOW server_version")[0][0])
    return Database(version, scraped, cpu, locked, hanging, many, scale.scrape_timeout, together)


def _fill(cluster: Cluster, scale: Scale) -> None:
    """Make databases with tables and indexes in them."""
    cluster.sql("CREATE EXTENSION pg_stat_statements")
    for number in range(scale.databases):
        cluster.sql(f"CREATE DATABASE app{number}")
        cluster.sql("".join(map(_TABLE.format, range(scale.tables))), database=f"app{number}")


def _servers(stack: ExitStack, place: Path, cluster: Cluster) -> dict[str, Running]:
    """Start all of them, each with a role of its own, by which its connections are counted."""
    running = {}
    for key, module, host in (
        ("fresh", "exporter", "enabled: false"),
        ("full", "tests.bench.every", "enabled: false"),
        ("together", "exporter", "max_age: 0s"),
    ):
        target = f"{{collector: postgres, max_age: 0s, url: '{monitor(cluster, _role(key))}'}}"
        config = f"host: {{{host}}}\ntargets: {{db: {target}}}\n"
        path = "/metrics" if key == "together" else _PATH
        started = exporter(place, config, name=f"exporter, {_NAMES[key]}", module=module, path=path)
        running[key] = stack.enter_context(started)
    if POSTGRES_EXPORTER is not None:
        running["theirs"] = stack.enter_context(postgres_exporter(place, monitor(cluster, _role("theirs"))))
        more = ("--auto-discover-databases", "--exclude-databases=template0,template1",
                queries.write(place, statements=True))  # fmt: skip
        url = monitor(cluster, _role("theirs more"))
        started = postgres_exporter(place, url, *more, name="postgres_exporter, more")
        running["theirs more"] = stack.enter_context(started)
    return running


_NAMES: Final = {"fresh": "PostgreSQL", "full": "PostgreSQL, every read", "together": "host and PostgreSQL"}


def _role(key: str) -> str:
    return f"of_{key.replace(' ', '_')}"


@contextmanager
def _nodes(place: Path) -> Iterator[Running | None]:
    if NODE_EXPORTER is None:
        yield None
        return
    with node_exporter(place, name="node_exporter, for its memory") as node:
        yield node


def _held_together(node: Running, theirs: Memory, scale: Scale) -> Memory:
    """Return what postgres_exporter and a node_exporter scraped as often hold."""
    by_turns([node], scale.database_batches, scale.database_batch)
    held = node.memory()
    return Memory(held.resident + theirs.resident, held.proportional + theirs.proportional)


def _server_cpu(cluster: Cluster, one: Running, count: int) -> float:
    """Return the seconds of CPU that PostgreSQL itself spends on a scrape."""
    first = cluster.processes()[0]
    scraper = Scraper(one)
    scraper.once()
    before = tree_cpu(first)
    scraper.batch(count)
    spent = tree_cpu(first) - before
    scraper.close()
    return spent / count


@contextmanager
def _locked(cluster: Cluster) -> Iterator[None]:
    """Hold the hardest lock on a table of one database."""
    with cluster.connect("app0") as connection, connection.transaction():
        connection.execute("LOCK TABLE things0 IN ACCESS EXCLUSIVE MODE")
        yield


def _seconds(one: Running, timeout: float) -> float | None:
    """Return the seconds of a scrape that says it waits `timeout`; None where half as long again is not enough."""
    connection = http.client.HTTPConnection("127.0.0.1", one.port, timeout=1.5 * timeout)
    begun = time.monotonic()
    try:
        connection.request("GET", one.path, headers={**HEADERS, "X-Prometheus-Scrape-Timeout-Seconds": f"{timeout:g}"})
        connection.getresponse().read()
    except TimeoutError:
        return None
    finally:
        connection.close()
    return time.monotonic() - begun


def _many(cluster: Cluster, key: str, one: Running, scale: Scale) -> Many:
    """Return the most connections and the most memory while many clients scrape."""
    connections, memory = [0], [one.memory()]
    with ThreadPoolExecutor() as pool, cluster.connect() as watching:
        pages = pool.submit(many_clients, one, CLIENTS, scale.load_seconds)
        stopped = threading.Event()
        pages.add_done_callback(lambda _: stopped.set())
        while not stopped.wait(0.02):
            query = "SELECT count(*) FROM pg_stat_activity WHERE usename = %s"
            row = watching.execute(query, (_role(key),)).fetchone()
            connections.append(row[0] if row else 0)
            memory.append(one.memory())
        return Many(max(connections), max(memory, key=lambda held: held.proportional), pages.result())
