"""The results as Markdown and as JSON, with the goals beside them."""

import statistics
from collections.abc import Iterable
from typing import Any, Final

from tests.bench import areas, helped, outside, queues
from tests.bench.load import Pages
from tests.bench.results import Host, Results
from tests.bench.table import Goal, kib, mib, p50, p99, ratio, table

_PAIRS: Final = (("fresh", "theirs"), ("default", "theirs"), ("same", "theirs same"))


def goals(results: Results) -> list[Goal]:
    """Return what is aimed at beside what was measured."""
    return [
        *(_host_goals(results.host) if results.host else ()),
        *areas.goals(results),
        *(helped.goals(results.helped) if results.helped else ()),
        *(queues.goals(results.celery) if results.celery else ()),
        *outside.goals(results.probed),
    ]


def _host_goals(results: Host) -> list[Goal]:
    ours = _pages(results, "default")
    big = {page.series: page.scrapes for page in results.big}
    share = None
    if "theirs same" in results.servers:
        share = _cpu(results, "same") / _cpu(results, "theirs same")
    return [
        Goal("CPU per scrape, as a share of node_exporter's for the same families", 1 / 3, share, ""),
        Goal("CPU per page of the host", 4.5, 1000 * _cpu(results, "fresh"), "ms"),
        Goal("p99 of a scrape that is a round of its own", 15, p99(results.servers["fresh"].scrapes), "ms"),
        Goal("the same among silent and half-sent peers", 15, p99(results.crowds[0].crowded), "ms"),
        Goal("pages a second for 50 clients", 500, _per_second(ours), "", at_least=True),
        Goal("of these, refused", 0, float(sum(page.refused for page in ours)), ""),
        Goal("p99 of a page of 1,000 series", 15, p99(big[1_000]), "ms"),
        Goal("median of a page of 100,000 series", 700, p50(big[100_000]), "ms"),
    ]


def as_markdown(results: Results) -> str:
    """Return the report for people."""
    parts = [
        "# What a scrape costs",
        table(("machine", ""), results.machine.items()),
        *(_host_sections(results.host) if results.host else ()),
        *areas.sections(results),
        *(helped.sections(results.helped) if results.helped else ()),
        *(queues.sections(results.celery) if results.celery else ()),
        *(queues.cache_sections(results.caches) if results.caches else ()),
        *outside.sections(results.probed, results.visits),
        "## Goals",
        _goals(results),
    ]
    return "\n\n".join(parts) + "\n"


def _host_sections(results: Host) -> list[str]:
    return [
        "## Servers\n\nAll of them ran side by side and were scraped by turns in small batches, one scrape after the "
        "other over a kept connection, gzip'd, with the headers of Prometheus. CPU is that of the server, the median "
        "over batches; memory is after the scrapes.",
        _servers(results),
        _compared(results),
        "## Ratios\n\nOurs divided by theirs.",
        _ratios(results),
        "## 50 clients at once\n\nMedian over rounds by turns; refused: another status than 200, or no answer.",
        _load(results),
        "## A crowd\n\nScrapes while 500 peers are connected and say nothing and 500 have sent half a header.",
        _crowds(results),
        "## Large pages\n\nA collector of the benchmark: new values in every scrape, stable labels.",
        _big(results),
    ]


def as_json(results: Results) -> dict[str, Any]:
    """Return the figures for a program."""
    return {
        "machine": results.machine,
        **(_host_figures(results.host) if results.host else {}),
        **areas.figures(results),
        **(helped.figures(results.helped) if results.helped else {}),
        **({"celery": queues.figures(results.celery)} if results.celery else {}),
        **({"caches": queues.cache_figures(results.caches)} if results.caches else {}),
        **outside.figures(results.probed, results.visits),
        "goals": [{"name": goal.name, "limit": goal.limit, "measured": goal.measured, "unit": goal.unit,
                   "met": goal.met()} for goal in goals(results)],
    }  # fmt: skip


def _host_figures(results: Host) -> dict[str, Any]:
    return {
        "collectors": results.collectors,
        "servers": {
            key: {"name": server.name, "about": server.about, "series": server.series,
                  "series_of_shared_families": server.shared_series, "bytes": server.plain,
                  "bytes_gzip": server.zipped, "p50_ms": p50(server.scrapes), "p99_ms": p99(server.scrapes),
                  "cpu_ms": 1000 * server.scrapes.cpu_each(), "idle_cpu_ms_per_s": 1000 * server.idle_cpu,
                  "resident_bytes": server.memory.resident, "proportional_bytes": server.memory.proportional,
                  "threads": server.threads}
            for key, server in results.servers.items()
        },
        "clients": {name: {"per_second": _per_second(pages), "refused": sum(page.refused for page in pages),
                           "client": pages[0].client} for name, pages in results.loaded.items()},
        "crowd": {crowd.name: {"p50_ms_alone": p50(crowd.alone), "p99_ms_alone": p99(crowd.alone),
                               "p50_ms": p50(crowd.crowded), "p99_ms": p99(crowd.crowded)}
                  for crowd in results.crowds},
        "large": {str(page.series): {"bytes_gzip": page.zipped, "p50_ms": p50(page.scrapes),
                                     "p99_ms": p99(page.scrapes), "cpu_ms": 1000 * page.scrapes.cpu_each()}
                  for page in results.big},
    }  # fmt: skip


def _servers(results: Host) -> str:
    header = ("", "series", "of shared families", "KiB", "KiB gzip", "p50 ms", "p99 ms", "CPU ms", "idle CPU ms/s",
              "RSS MiB", "PSS MiB", "threads")  # fmt: skip
    rows = [
        (f"**{server.name}**: {server.about}", server.series, server.shared_series, kib(server.plain),
         kib(server.zipped), f"{p50(server.scrapes):.2f}", f"{p99(server.scrapes):.2f}",
         f"{1000 * server.scrapes.cpu_each():.2f}", f"{1000 * server.idle_cpu:.2f}", mib(server.memory.resident),
         mib(server.memory.proportional), server.threads)
        for server in results.servers.values()
    ]  # fmt: skip
    return table(header, rows)


def _compared(results: Host) -> str:
    if "theirs" not in results.servers:
        return "prometheus-node-exporter is not installed, so nothing is compared."
    ours, theirs = results.servers["same"], results.servers["theirs same"]
    return (
        f"The same families: node_exporter runs the collectors {', '.join(results.collectors)}, each of which gives "
        f"a family that we give too. Of its {theirs.series} series {theirs.shared_series} are of such families, of "
        f"our {ours.series} series {ours.shared_series}; either side pays for the rest of its page as well."
    )


def _ratios(results: Host) -> str:
    rows = []
    for mine, their in _PAIRS:
        if their in results.servers:
            ours, theirs = results.servers[mine], results.servers[their]
            rows.append((f"{ours.name} / {theirs.name}",
                         ratio(ours.scrapes.cpu_each(), theirs.scrapes.cpu_each()),
                         ratio(p50(ours.scrapes), p50(theirs.scrapes)),
                         ratio(p99(ours.scrapes), p99(theirs.scrapes)),
                         ratio(ours.memory.proportional, theirs.memory.proportional)))  # fmt: skip
    return table(("", "CPU", "p50", "p99", "PSS"), rows)


def _load(results: Host) -> str:
    rows = [(name, f"{_per_second(pages):,.0f}", f"{sum(page.refused for page in pages):,}", pages[0].client)
            for name, pages in results.loaded.items()]  # fmt: skip
    return table(("", "pages a second", "refused", "client"), rows)


def _crowds(results: Host) -> str:
    rows = [(crowd.name, f"{p50(crowd.alone):.2f}", f"{p99(crowd.alone):.2f}", f"{p50(crowd.crowded):.2f}",
             f"{p99(crowd.crowded):.2f}") for crowd in results.crowds]  # fmt: skip
    return table(("", "p50 ms alone", "p99 ms alone", "p50 ms in the crowd", "p99 ms in the crowd"), rows)


def _big(results: Host) -> str:
    rows = [(f"{page.series:,}", kib(page.zipped), f"{p50(page.scrapes):.1f}", f"{p99(page.scrapes):.1f}",
             f"{1000 * page.scrapes.cpu_each():.1f}", f"{1e6 * page.scrapes.cpu_each() / page.series:.2f}")
            for page in results.big]  # fmt: skip
    return table(("series", "KiB gzip", "p50 ms", "p99 ms", "CPU ms", "CPU µs per series"), rows)


def _goals(results: Results) -> str:
    rows = []
    for goal in goals(results):
        bound = f"{'at least' if goal.at_least else 'at most'} {goal.limit:.3g} {goal.unit}"
        measured = "not measured" if goal.measured is None else f"{goal.measured:.3g} {goal.unit}"
        rows.append((goal.name, bound, measured, {True: "met", False: "MISSED", None: "-"}[goal.met()]))
    return table(("goal", "figure", "measured", ""), rows)


def _pages(results: Host, key: str) -> list[Pages]:
    return results.loaded[results.servers[key].name]


def _per_second(pages: Iterable[Pages]) -> float:
    return statistics.median(page.per_second for page in pages)


def _cpu(results: Host, key: str) -> float:
    return results.servers[key].scrapes.cpu_each()
