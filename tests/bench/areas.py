"""What the report says of PostgreSQL, of process groups and of data stores."""

from collections.abc import Mapping
from typing import Any, Final

from tests.bench.load import Scrapes
from tests.bench.results import Database, Results, Side
from tests.bench.table import Goal, mib, p50, p99, ratio, table

_HEADER: Final = ("", "series", "of shared families", "p50 ms", "p99 ms", "CPU ms", "RSS MiB", "PSS MiB")
# Scraped every 15 s, one scrape of four makes the reads that are made once a minute.
_FULL_SHARE: Final = 0.25
_OFFSET: Final = 0.4


def goals(results: Results) -> list[Goal]:
    """Return what is aimed at for PostgreSQL, processes and stores beside what was measured."""
    return [
        *(_database_goals(results.database) if "postgres" in results.parts else ()),
        *(_group_goals(results.groups) if results.groups else ()),
        *(_store_goals(results.stores) if results.stores else ()),
    ]


def _database_goals(database: Database | None) -> list[Goal]:
    hanging = database.hanging["fresh"] if database else None
    timeout = database.scrape_timeout if database else 10.0
    return [
        Goal("CPU per scrape of PostgreSQL, as a share of postgres_exporter's for the same families", 1 / 3,
             _share(database), ""),
        Goal("memory of host and PostgreSQL, as a share of node_exporter's and postgres_exporter's together", 1,
             _memory_share(database), ""),
        Goal("a page while PostgreSQL hangs", timeout - _OFFSET, hanging, "s"),
        Goal("connections for 50 clients", 1, float(database.many["fresh"].connections) if database else None, ""),
    ]  # fmt: skip


def _group_goals(groups: Mapping[int, Mapping[str, Side]]) -> list[Goal]:
    largest = max(groups)
    return [Goal(f"a round over {largest:,} processes", 50, p50(groups[largest]["fresh"].scrapes), "ms")]


def _store_goals(stores: Mapping[str, Mapping[str, Side]]) -> list[Goal]:
    return [
        Goal("CPU per scrape of Redis, as a share of redis_exporter's for the same families", 1,
             _redis_share(stores.get("redis", {})), ""),
        Goal("median of a page of a data store, the slowest of them", 15,
             max(p50(sides["ours"].scrapes) for sides in stores.values()), "ms"),
    ]  # fmt: skip


def sections(results: Results) -> list[str]:
    """Return the parts of the report."""
    return [
        *(_database_sections(results.database) if "postgres" in results.parts else ()),
        *(_group_sections(results.groups) if results.groups else ()),
        *(_store_sections(results.stores) if results.stores else ()),
    ]


def _database_sections(database: Database | None) -> list[str]:
    return [
        "## PostgreSQL\n\nOne server with a few databases of a few tables each, all exporters beside it, scraped by "
        "turns as above; PostgreSQL's CPU is what the server itself spends on a scrape.",
        *_database(database),
    ]


def _group_sections(groups: Mapping[int, Mapping[str, Side]]) -> list[str]:
    return [
        "## Process groups\n\nSleeping processes in ten groups by name, all exporters beside them.",
        *(f"{processes:,} processes:\n\n{_sides(sides)}" for processes, sides in groups.items()),
        _group_ratios(groups),
    ]


def _store_sections(stores: Mapping[str, Mapping[str, Side]]) -> list[str]:
    return [
        "## Data stores\n\nOne of each kind that is installed, and an exporter of its own for each, which asks it anew "
        "in every scrape. What takes long is read in the background, and not measured here.",
        _stores(stores),
        _store_ratios(stores),
    ]


def figures(results: Results) -> dict[str, Any]:
    """Return the figures for a program."""
    found = {
        "postgres": _database_figures(results.database),
        "processes": {str(count): {key: _figures(side) for key, side in sides.items()}
                      for count, sides in results.groups.items()},
        "stores": {kind: {key: _figures(side) for key, side in sides.items()}
                   for kind, sides in results.stores.items()},
    }  # fmt: skip
    return {part: figures for part, figures in found.items() if part in results.parts}


def every_quarter(database: Database) -> float:
    """Return our seconds of CPU per scrape every 15 s, of which every fourth makes the reads of once a minute too."""
    fresh, full = (database.sides[key].scrapes.cpu_each() for key in ("fresh", "full"))
    return (1 - _FULL_SHARE) * fresh + _FULL_SHARE * full


def _share(database: Database | None) -> float | None:
    if database is None or "theirs more" not in database.sides:
        return None
    return every_quarter(database) / database.sides["theirs more"].scrapes.cpu_each()


def _memory_share(database: Database | None) -> float | None:
    if database is None or database.together is None:
        return None
    return database.sides["together"].memory.proportional / database.together.proportional


def _database(database: Database | None) -> list[str]:
    if database is None:
        return ["PostgreSQL is not installed, so nothing is measured."]
    parts = [f"PostgreSQL {database.version}.", _sides(database.sides), _disturbed(database), _ratios(database)]
    if database.together is not None:
        parts.append(
            f"node_exporter and postgres_exporter together hold {mib(database.together.resident)} MiB RSS, "
            f"{mib(database.together.proportional)} MiB PSS."
        )
    return parts


def _disturbed(database: Database) -> str:
    header = ("", "PostgreSQL's CPU ms", "page while a table is locked", "page while PostgreSQL hangs",
              "connections for 50 clients", "RSS MiB then", "PSS MiB then", "pages a second", "refused")  # fmt: skip
    rows = []
    for key, many in database.many.items():
        rows.append((database.sides[key].name, f"{1000 * database.server_cpu[key]:.2f}",
                     _in(database.locked[key], database), _in(database.hanging[key], database), many.connections,
                     mib(many.memory.resident), mib(many.memory.proportional), f"{many.pages.per_second:,.0f}",
                     f"{many.pages.refused:,}"))  # fmt: skip
    return table(header, rows)


def _in(seconds: float | None, database: Database) -> str:
    return f"never within {1.5 * database.scrape_timeout:g} s" if seconds is None else f"{seconds:.2f} s"


def _ratios(database: Database) -> str:
    if "theirs" not in database.sides:
        return "prometheus-postgres-exporter is not installed, so nothing is compared."
    pairs = (("fresh", "theirs"), ("full", "theirs"), ("full", "theirs more"))
    rows = [_compared(database.sides, ours, theirs) for ours, theirs in pairs]
    for theirs in (database.sides["theirs"], database.sides["theirs more"]):
        share = ratio(every_quarter(database), theirs.scrapes.cpu_each())
        rows.append((f"ours scraped every 15 s / {theirs.name}", share, "-", "-", "-"))
    return table(("ours / theirs", "CPU", "p50", "p99", "PSS"), rows)


def _group_ratios(groups: Mapping[int, Mapping[str, Side]]) -> str:
    if any("theirs" not in sides for sides in groups.values()):
        return "prometheus-process-exporter is not installed, so nothing is compared."
    rows = [(f"{processes:,} processes: {row[0]}", *row[1:]) for processes, sides in groups.items()
            for row in (_compared(sides, "fresh", "theirs"), _compared(sides, "fresh", "theirs same"))]  # fmt: skip
    return table(("ours / theirs", "CPU", "p50", "p99", "PSS"), rows)


def _stores(stores: Mapping[str, Mapping[str, Side]]) -> str:
    return _sides({f"{kind} {key}": side for kind, sides in stores.items() for key, side in sides.items()})


def _store_ratios(stores: Mapping[str, Mapping[str, Side]]) -> str:
    rows = [_compared(sides, "ours", "theirs") for sides in stores.values() if "theirs" in sides]
    if not rows:
        return "prometheus-redis-exporter is not installed, so nothing is compared."
    return table(("ours / theirs", "CPU", "p50", "p99", "PSS"), rows)


def _redis_share(sides: Mapping[str, Side]) -> float | None:
    if "theirs" not in sides:
        return None
    return sides["ours"].scrapes.cpu_each() / sides["theirs"].scrapes.cpu_each()


def _compared(sides: Mapping[str, Side], mine: str, their: str) -> tuple[str, ...]:
    ours, theirs = sides[mine], sides[their]
    return (f"{ours.name} / {theirs.name}", ratio(ours.scrapes.cpu_each(), theirs.scrapes.cpu_each()),
            ratio(p50(ours.scrapes), p50(theirs.scrapes)), ratio(p99(ours.scrapes), p99(theirs.scrapes)),
            ratio(ours.memory.proportional, theirs.memory.proportional))  # fmt: skip


def _sides(sides: Mapping[str, Side]) -> str:
    rows = [(f"**{side.name}**: {side.about}", side.series, side.shared_series, *_took(side.scrapes),
             mib(side.memory.resident), mib(side.memory.proportional)) for side in sides.values()]  # fmt: skip
    return table(_HEADER, rows)


def _took(scrapes: Scrapes) -> tuple[str, str, str]:
    return f"{p50(scrapes):.2f}", f"{p99(scrapes):.2f}", f"{1000 * scrapes.cpu_each():.2f}"


def _figures(side: Side) -> dict[str, Any]:
    return {"name": side.name, "about": side.about, "series": side.series,
            "series_of_shared_families": side.shared_series, "p50_ms": p50(side.scrapes), "p99_ms": p99(side.scrapes),
            "cpu_ms": 1000 * side.scrapes.cpu_each(), "resident_bytes": side.memory.resident,
            "proportional_bytes": side.memory.proportional}  # fmt: skip


def _database_figures(database: Database | None) -> dict[str, Any] | None:
    if database is None:
        return None
    return {
        "version": database.version,
        "servers": {key: _figures(side) for key, side in database.sides.items()},
        "server_cpu_ms": {key: 1000 * seconds for key, seconds in database.server_cpu.items()},
        "locked_seconds": database.locked,
        "hanging_seconds": database.hanging,
        "clients": {key: {"connections": many.connections, "resident_bytes": many.memory.resident,
                          "proportional_bytes": many.memory.proportional, "per_second": many.pages.per_second,
                          "refused": many.pages.refused} for key, many in database.many.items()},
    }  # fmt: skip
