"""What the report says of the work that the helper process does."""

from typing import Any, Final

from tests.bench.load import Scrapes
from tests.bench.results import Helped
from tests.bench.table import Goal, mib, p50, p99, table

_HEADER: Final = ("", "p50 ms at rest", "p99 ms at rest", "p50 ms meanwhile", "p99 ms meanwhile", "takes s",
                  "helper's CPU s")  # fmt: skip
_FOLLOWERS: Final = ("log", "counted", "follower", "MB/s", "errors, events")


def goals(helped: Helped) -> list[Goal]:
    """Return what is aimed at beside what was measured."""
    return [
        Goal("p99 of a scrape while a log bursts", 15, p99(helped.burst.bursting), "ms"),
        Goal("p99 of a scrape while a tree is walked", 15, p99(helped.walked.walking), "ms"),
    ]


def sections(helped: Helped) -> list[str]:
    """Return the parts of the report."""
    burst, walked = helped.burst, helped.walked
    rows = [
        (f"a log bursts: {burst.lines:,} lines at once", *_took(burst.rest, burst.bursting), f"{burst.seconds:.1f}",
         f"{burst.cpu:.1f}"),
        (f"a tree of {walked.files:,} files is walked, again and again", *_took(walked.rest, walked.walking),
         f"{walked.seconds:.1f}", f"{walked.cpu:.1f}"),
    ]  # fmt: skip
    return [
        "## Logs and trees\n\nScrapes of the host's page, each a round of its own, while the helper process works.",
        table(_HEADER, rows),
        f"The helper holds {mib(walked.memory)} MiB while it walks.",
        "How fast a log is read from start to end, on one processor; the median of three times.",
        _followers(helped),
        "How fast requests are counted in access logs, on one processor.",
        table(
            ("log", "lines a second", "MB/s"),
            [(one.name, f"{one.lines_per_second:,.0f}", f"{one.bytes_per_second / 1e6:.0f}") for one in helped.counted],
        ),
    ]


def figures(helped: Helped) -> dict[str, Any]:
    """Return the figures for a program."""
    burst, walked = helped.burst, helped.walked
    return {
        "burst": {"lines": burst.lines, "bytes": burst.size, "seconds": burst.seconds, "helper_cpu_s": burst.cpu,
                  **_figures(burst.rest, burst.bursting)},
        "walk": {"files": walked.files, "seconds": walked.seconds, "helper_cpu_s": walked.cpu,
                 "helper_resident_bytes": walked.memory, **_figures(walked.rest, walked.walking)},
        "followers": [{"follower": one.who, "log": one.log, "counted": one.asked, "mb_per_s": one.rate}
                      for one in helped.followed],
        "access_logs": {one.name: one.lines_per_second for one in helped.counted},
    }  # fmt: skip


def _took(rest: Scrapes, meanwhile: Scrapes) -> tuple[str, ...]:
    return tuple(f"{figure:.2f}" for figure in (p50(rest), p99(rest), p50(meanwhile), p99(meanwhile)))


def _figures(rest: Scrapes, meanwhile: Scrapes) -> dict[str, float]:
    return {"rest_p50_ms": p50(rest), "rest_p99_ms": p99(rest), "p50_ms": p50(meanwhile), "p99_ms": p99(meanwhile)}


def _followers(helped: Helped) -> str:
    rows = [(one.log, one.asked, one.who, f"{one.rate:.1f}", f"{one.errors}, {one.events}") for one in helped.followed]
    if len({one.who for one in helped.followed}) == 1:
        return f"{table(_FOLLOWERS, rows)}\n\nmtail is not installed, so nothing is compared."
    return table(_FOLLOWERS, rows)
