"""What the report says of events of Celery, and of caches on disk."""

from typing import Any, Final

from tests.bench.cache import Cached
from tests.bench.celery import Celery, Listened
from tests.bench.table import Goal, mib, p50, p99, ratio, table

_HEADER: Final = ("", "events a second of one processor", "keeps up with, events a second", "of all counted", "series",
                  "p50 ms at rest", "p99 ms at rest", "CPU ms", "p50 ms meanwhile", "p99 ms meanwhile", "RSS MiB",
                  "PSS MiB")  # fmt: skip


def goals(celery: Celery) -> list[Goal]:
    """Return what is aimed at beside what was measured."""
    ours, theirs = celery.sides["ours"], celery.sides.get("theirs")
    return [
        Goal("CPU per event of Celery, as a share of celery-exporter's", 1 / 2,
             theirs.per_cpu / ours.per_cpu if theirs else None, ""),
        Goal("events of Celery that are kept up with, a second", 5_000, ours.per_second, "", at_least=True),
        Goal("median of a page of Celery", 15, p50(ours.rest), "ms"),
        Goal("median of a page of Celery while events come as fast as they are read", 50, p50(ours.meanwhile), "ms"),
    ]  # fmt: skip


def sections(celery: Celery) -> list[str]:
    """Return the parts of the report."""
    ours = celery.sides["ours"]
    return [
        f"## Celery\n\nStreams of {ours.streams[0].events:,} events of 160 tasks by name and host, published to Redis "
        "as fast as they are read; the median of some. Meanwhile: scrapes while one more is read. Processor time and "
        "memory are those of all processes.",
        table(_HEADER, [_row(side) for side in celery.sides.values()]),
        f"What comes faster waits in Redis: {mib(celery.held_bytes)} MiB at most, which is about "
        f"{celery.held_bytes / celery.event_bytes:,.0f} events. Beyond that Redis ends the subscription, and events "
        "are lost until it is made again.",
        _ratios(celery),
    ]


def figures(celery: Celery) -> dict[str, Any]:
    """Return the figures for a program."""
    return {
        key: {"name": side.name, "series": side.series, "events_per_cpu_s": side.per_cpu,
              "events_per_s": side.per_second, "counted_ratio": side.counted, "p50_ms": p50(side.rest),
              "p99_ms": p99(side.rest), "cpu_ms": 1000 * side.rest.cpu_each(), "meanwhile_p50_ms": p50(side.meanwhile),
              "meanwhile_p99_ms": p99(side.meanwhile), "resident_bytes": side.memory.resident,
              "proportional_bytes": side.memory.proportional}
        for key, side in celery.sides.items()
    }  # fmt: skip


def _row(side: Listened) -> tuple[object, ...]:
    return (f"**{side.name}**", f"{side.per_cpu:,.0f}", f"{side.per_second:,.0f}", f"{side.counted:.1%}", side.series,
            f"{p50(side.rest):.2f}", f"{p99(side.rest):.2f}", f"{1000 * side.rest.cpu_each():.2f}",
            f"{p50(side.meanwhile):.2f}", f"{p99(side.meanwhile):.2f}", mib(side.memory.resident),
            mib(side.memory.proportional))  # fmt: skip


def _ratios(celery: Celery) -> str:
    if "theirs" not in celery.sides:
        return "celery-exporter is not here (`.ci/celery` puts it there), so nothing is compared."
    ours, theirs = celery.sides["ours"], celery.sides["theirs"]
    row = (f"{ours.name} / {theirs.name}", ratio(theirs.per_cpu, ours.per_cpu),
           ratio(ours.per_second, theirs.per_second), f"{p50(ours.rest) / p50(theirs.rest):.4f}",
           ratio(ours.rest.cpu_each(), theirs.rest.cpu_each()),
           ratio(ours.memory.proportional, theirs.memory.proportional))  # fmt: skip
    return table(("ours / theirs", "CPU per event", "rate", "p50", "CPU per scrape", "PSS"), [row])


def cache_sections(caches: list[Cached]) -> list[str]:
    """Return the parts of the report on caches on disk."""
    header = ("a cache on disk", "entries", "walks take s", "helper's CPU s", "helper's RSS MiB")
    rows = [(one.about, f"{one.entries:,}", f"{one.seconds:.2f}", f"{one.cpu:.2f}", mib(one.memory)) for one in caches]
    return ["## Caches\n\nWhat a round over the three classes of one takes.", table(header, rows)]


def cache_figures(caches: list[Cached]) -> list[dict[str, Any]]:
    """Return the figures on caches for a program."""
    return [
        {"cache": one.about, "entries": one.entries, "seconds": one.seconds, "helper_cpu_s": one.cpu,
         "helper_resident_bytes": one.memory}
        for one in caches
    ]  # fmt: skip
