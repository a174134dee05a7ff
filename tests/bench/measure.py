"""What is measured, and in which order."""

import gzip
import tempfile
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

from tests.bench import access, burst, cache, celery, database, follow, groups, machine, probes, stores, visits, walk
from tests.bench.load import Pages, Scraper, Scrapes, by_turns, crowd, many_clients
from tests.bench.processes import NODE_EXPORTER, PARITY, Running, exporter, node_exporter
from tests.bench.results import Big, Crowded, Helped, Host, Results, Server
from tests.bench.scale import Scale
from tests.beside import Family, parse

_FRESH: Final = "host: {max_age: 0s}\n"
_ONLY_HOST: Final = "/metrics?collect%5B%5D=system"
CLIENTS: Final = 50
SILENT: Final = 500
HALF: Final = 500


PARTS: Final = ("host", "postgres", "processes", "stores", "helper", "celery", "cache", "probes", "visits")


def measure(scale: Scale, parts: Collection[str] = PARTS) -> Results:
    """Measure these parts, one after the other."""
    described = machine.describe()
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        return Results(
            described, parts,
            host=_host(place, scale) if "host" in parts else None,
            database=database.measure(place, scale) if "postgres" in parts else None,
            groups=groups.measure(place, scale) if "processes" in parts else {},
            stores=stores.measure(place, scale) if "stores" in parts else {},
            helped=_helped(place, scale) if "helper" in parts else None,
            celery=celery.measure(place, scale) if "celery" in parts else None,
            caches=cache.measure(place, scale.cache_entries, scale.cache_rounds) if "cache" in parts else [],
            probed=probes.measure(place, scale) if "probes" in parts else None,
            visits=visits.measure(scale.visits) if "visits" in parts else None,
        )  # fmt: skip


def _host(place: Path, scale: Scale) -> Host:
    """Measure exporters of the host side by side, and large pages."""
    with ExitStack() as stack:
        running, collectors = _servers(stack, place)
        servers = _scraped(running, scale)
        crowds = [_crowded(server, scale) for server in (running["fresh"], *_theirs(running))]
        # last, as refused clients leave thousands of sockets behind that both servers count
        loaded = _loaded([running["default"], *_theirs(running)], scale)
    return Host(servers, loaded, crowds, [_big(place, series, count) for series, count in scale.big], collectors)


def _helped(place: Path, scale: Scale) -> Helped:
    return Helped(
        burst.measure(place, scale.burst_lines, scale.helped_batches, scale.helped_batch),
        walk.measure(place, scale.walked_files, scale.helped_batches, scale.helped_batch),
        follow.measure(place, scale.followed_lines, scale.followed_times),
        access.measure(scale.access_lines),
    )


def _servers(stack: ExitStack, place: Path) -> tuple[dict[str, Running], list[str]]:
    """Start all of them; return them with the collectors of node_exporter that are compared."""
    ours = {
        "fresh": exporter(place, _FRESH, name="exporter, every scrape a round"),
        "default": exporter(place, name="exporter, default max_age"),
        "same": exporter(place, _FRESH, name="exporter, host alone", path=_ONLY_HOST),
    }
    running = {key: stack.enter_context(server) for key, server in ours.items()}
    if NODE_EXPORTER is None:
        return running, []
    theirs = running["theirs"] = stack.enter_context(node_exporter(place))
    collectors = list(shared_collectors(theirs, running["fresh"]))
    options = ["--collector.disable-defaults", "--web.disable-exporter-metrics"]
    options += [flag for name in collectors if (flag := f"--collector.{name}") not in PARITY]
    same = node_exporter(place, *options, name="node_exporter, same families")
    running["theirs same"] = stack.enter_context(same)
    return running, collectors


def _theirs(running: dict[str, Running]) -> list[Running]:
    return [running["theirs"]] if "theirs" in running else []


def shared_collectors(theirs: Running, ours: Running) -> Iterator[str]:
    """Yield the collectors of node_exporter that give a family here which we give too."""
    our_families = parse(ours.page()).keys()
    successes = parse(theirs.page())["node_scrape_collector_success"].series
    for name in sorted(dict(labels)["collector"] for labels in successes):
        page = parse(theirs.page(f"/metrics?collect%5B%5D={quote(name)}"))
        # what begins otherwise it says of itself, whichever collector is asked for
        if any(family.startswith("node_") for family in page.keys() & our_families):
            yield name


ABOUT: Final = {
    "fresh": "max_age 0s: every scrape reads the host anew",
    "default": "max_age 5s: scrapes within 5 seconds share a round",
    "same": "max_age 0s, collect[]=system: without the exporter's own metrics",
    "theirs": "its default collectors and tcpstat",
    "theirs same": "only the collectors of which we give a family, without its own metrics",
}


def _scraped(running: dict[str, Running], scale: Scale) -> dict[str, Server]:
    """Scrape all of them by turns, then watch them idle."""
    results = dict(zip(running, by_turns(list(running.values()), scale.batches, scale.batch), strict=True))
    idle = _idle(running, scale.idle_seconds)
    return {key: _server(key, running, results[key], idle[key]) for key in running}


def _server(key: str, running: dict[str, Running], scrapes: Scrapes, idle: float) -> Server:
    server = running[key]
    plain = server.page()
    families = parse(plain)
    other = _other(key, running)
    shared = families.keys() & parse(other.page()).keys() if other else set()
    return Server(
        server.name, ABOUT[key], _series(families.values()), frozenset(families),
        _series(families[name] for name in shared), len(plain.encode()), _zipped(server), scrapes, idle,
        server.memory(), server.threads(),
    )  # fmt: skip


def _other(key: str, running: dict[str, Running]) -> Running | None:
    """Return the server of the other kind that one is compared with."""
    pairs = {"fresh": "theirs", "default": "theirs", "same": "theirs same", "theirs": "fresh", "theirs same": "same"}
    return running.get(pairs[key])


def _series(families: Iterable[Family]) -> int:
    return sum(len(family.series) for family in families)


def _zipped(server: Running) -> int:
    scraper = Scraper(server)
    page = scraper.once()
    scraper.close()
    assert gzip.decompress(page), f"{server.name} gave an empty page"
    return len(page)


def _idle(running: dict[str, Running], seconds: float) -> dict[str, float]:
    """Return the CPU time per second of each while nobody asks it anything."""
    before = {key: server.cpu() for key, server in running.items()}
    begun = time.monotonic()
    time.sleep(seconds)  # this is what is measured, not a wait for something
    elapsed = time.monotonic() - begun
    return {key: (server.cpu() - before[key]) / elapsed for key, server in running.items()}


def _loaded(servers: Sequence[Running], scale: Scale) -> dict[str, list[Pages]]:
    found: dict[str, list[Pages]] = {server.name: [] for server in servers}
    for _ in range(scale.load_rounds):
        for server in servers:
            found[server.name].append(many_clients(server, CLIENTS, scale.load_seconds))
    return found


def _crowded(server: Running, scale: Scale) -> Crowded:
    alone, crowded = Scrapes(), Scrapes()
    for _ in range(scale.crowd_batches):
        _add(alone, by_turns([server], 1, scale.batch)[0])
        with crowd(server, SILENT, HALF):
            _add(crowded, by_turns([server], 1, scale.batch)[0])
    return Crowded(server.name, alone, crowded)


def _add(to: Scrapes, more: Scrapes) -> None:
    to.seconds += more.seconds
    to.cpu += more.cpu


def _big(place: Path, series: int, count: int) -> Big:
    with _many(place, series) as server:
        scrapes = by_turns([server], max(1, count // 5), min(count, 5))[0]
        return Big(series, _zipped(server), scrapes)


@contextmanager
def _many(place: Path, series: int) -> Iterator[Running]:
    config = (
        "host: {enabled: false}\n"
        f"targets: {{many: {{collector: many, series: {series}, series_limit: {series}, max_age: 0s}}}}\n"
    )
    path = "/metrics?collect%5B%5D=many"
    with exporter(place, config, name=f"{series} series", module="tests.plugged", path=path) as server:
        yield server
