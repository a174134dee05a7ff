"""What the report says of the work that the helper process does."""

from typing import Any, Final

from tests.bench.load import Scrapes
from tests.bench.results import Helped
from tests.bench.table import Goal, mib, p50, p99, table

_HEADER: Final = ("", "p50 ms at rest", "p99 ms at rest", "p50 ms meanwhile", "p99 ms meanwhile", "takes s",
                  "helper's CPU s")  # fmt: skip


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
        f"A core follows {_rate(helped):.0f} MB/s of a log in JSON, with every ready-made event looked for; the helper "
        f"holds {mib(walked.memory)} MiB while it walks.",
    ]


def figures(helped: Helped) -> dict[str, Any]:
    """Return the figures for a program."""
    burst, walked = helped.burst, helped.walked
    return {
        "burst": {"lines": burst.lines, "bytes": burst.size, "seconds": burst.seconds, "helper_cpu_s": burst.cpu,
                  **_figures(burst.rest, burst.bursting)},
        "walk": {"files": walked.files, "seconds": walked.seconds, "helper_cpu_s": walked.cpu,
                 "helper_resident_bytes": walked.memory, **_figures(walked.rest, walked.walking)},
    }  # fmt: skip


def _took(rest: Scrapes, meanwhile: Scrapes) -> tuple[str, ...]:
    return tuple(f"{figure:.2f}" for figure in (p50(rest), p99(rest), p50(meanwhile), p99(meanwhile)))


def _figures(rest: Scrapes, meanwhile: Scrapes) -> dict[str, float]:
    return {"rest_p50_ms": p50(rest), "rest_p99_ms": p99(rest), "p50_ms": p50(meanwhile), "p99_ms": p99(meanwhile)}


def _rate(helped: Helped) -> float:
    return helped.burst.size / 1e6 / helped.burst.cpu
