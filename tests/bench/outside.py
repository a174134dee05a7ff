"""What the report says of probes, and of visits to pages."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tests.bench.paced import Paced
from tests.bench.probes import INTERVAL, Cost, Probed
from tests.bench.processes import Memory
from tests.bench.table import Goal, mib, ratio, table
from tests.bench.visits import Visits

_WHO: Final = {
    "page": "exporter, all on one page",
    "each": "exporter, each by /probe",
    "theirs": "blackbox_exporter, each by /probe",
}
_ABOUT: Final = (
    "## Probes\n\nOf each kind {} targets on servers of this machine, probed by turns; the median of batches, with all "
    "threads and helpers, over kept connections as Prometheus has them. What one core carries is the interval divided "
    "by that. Ours have no `interval` here: they probe when they are asked, on one page all at once, by /probe one "
    "after the other."
)
_ABOUT_PACE: Final = (
    "{} targets of a kind, each probed every {:g} s, {} times, all of this side by side. Ours probe by themselves, "
    "which is the default, and are asked for all on one page or each at its moment; the peer probes when it is asked. "
    "CPU is all that was spent in that time. Late is what failed, what was probed more than 1 s after its time, or was "
    "not there within 10 s. probe_duration is what the probes say that they took."
)
_HEADER: Final = ("probe", "who", "CPU ms a probe", "batches", f"at {INTERVAL:g} s, one core carries", "RSS MiB",
                  "PSS MiB", "CPU / theirs")  # fmt: skip
_AT_PACE: Final = ("probe", "who", "of one core", "CPU ms a probe", "one core carries", "late", "slowest answer s",
                   "probe_duration p50 ms", "p99 ms",
                   "RSS MiB", "PSS MiB", "CPU / theirs")  # fmt: skip


def goals(probed: Probed | None) -> list[Goal]:
    """Return what is aimed at beside what was measured."""
    if probed is None:
        return []
    paced = probed.paced.get("http", {})
    share = paced["page"].each / paced["theirs"].each if {"page", "theirs"} <= paced.keys() else None
    return [
        Goal("CPU of a probe over HTTP at its pace, as a share of blackbox_exporter's", 1.3, share, ""),
        Goal("targets over HTTP that one core carries, measured at their pace", 3_000,
             paced["page"].carried if "page" in paced else None, "", at_least=True),
        Goal("of these, late", 0, float(paced["page"].late) if "page" in paced else None, ""),
    ]  # fmt: skip


def sections(probed: Probed | None, visits: Visits | None) -> list[str]:
    """Return the parts of the report."""
    return [
        *(_probe_sections(probed) if probed is not None else ()),
        *(_visit_sections(visits) if visits is not None else ()),
    ]


def _probe_sections(probed: Probed) -> list[str]:
    return [
        _ABOUT.format(probed.targets),
        table(_HEADER, _cost_rows(probed.costs)),
        *_lacking(probed),
        *(_paced_section(probed.paced) if any(probed.paced.values()) else ()),
    ]


def _cost_rows(costs: Mapping[str, Mapping[str, Cost]]) -> Iterator[tuple[object, ...]]:
    for kind, sides in costs.items():
        for key, cost in sides.items():
            yield (kind, _WHO[key], f"{cost.median:.2f}", f"{min(cost.batches):.2f} to {max(cost.batches):.2f}",
                   f"{cost.carried:,.0f}", *_held(cost.memory),
                   ratio(cost.median, sides["theirs"].median) if "theirs" in sides else "-")  # fmt: skip


def _held(memory: Memory) -> tuple[str, str]:
    return mib(memory.resident), mib(memory.proportional)


def _lacking(probed: Probed) -> Iterator[str]:
    """Yield a sentence for what could not be measured here."""
    if not any("theirs" in sides for sides in probed.costs.values()):
        yield "prometheus-blackbox-exporter is not installed, so nothing is compared."
    if "http" not in probed.costs:
        yield "nginx is not installed, so nothing is probed over HTTP, TCP and TLS."
    for kind, sides in probed.costs.items():
        if "page" not in sides:
            yield f"A probe of the kind {kind} does not go well here, so it is not measured."


def _paced_section(paced: Mapping[str, Mapping[str, Paced]]) -> list[str]:
    one = next(one for sides in paced.values() for one in sides.values())
    return [
        _ABOUT_PACE.format(one.targets, one.interval, one.rounds),
        table(_AT_PACE, _paced_rows(paced)),
    ]


def _paced_rows(paced: Mapping[str, Mapping[str, Paced]]) -> Iterator[tuple[object, ...]]:
    for kind, sides in paced.items():
        for key, one in sides.items():
            yield (kind, _WHO[key], f"{one.busy:.2%}", f"{1000 * one.each:.2f}", f"{one.carried:,.0f}", one.late,
                   f"{one.slowest:.2f}", *(f"{1000 * one.percentile(at):.1f}" for at in (50, 99)), *_held(one.memory),
                   ratio(one.each, sides["theirs"].each) if "theirs" in sides else "-")  # fmt: skip


def _visit_sections(visits: Visits) -> list[str]:
    about = "## Visits to pages\n\nOne visit of a Chromium to a small page, 2 s of which it waits for quiet; medians."
    if not visits.made:
        return [about, "No Chromium is installed, so nothing is measured."]
    header = ("visits", "seconds", "CPU s", "PSS MiB at the peak", "processes")
    row = (len(visits.made), f"{visits.median(lambda one: one.seconds):.2f}",
           f"{visits.median(lambda one: one.cpu):.2f}", mib(int(visits.median(lambda one: one.memory))),
           f"{visits.median(lambda one: one.processes):g}")  # fmt: skip
    return [about, table(header, [row])]


def figures(probed: Probed | None, visits: Visits | None) -> dict[str, Any]:
    """Return the figures for a program."""
    return {
        **({"probes": _probe_figures(probed)} if probed is not None else {}),
        **({"visits": _visit_figures(visits)} if visits is not None else {}),
    }


def _probe_figures(probed: Probed) -> dict[str, Any]:
    costs = {
        kind: {key: {"cpu_ms": cost.median, "batches": cost.batches, "carried_by_one_core": cost.carried,
                     "proportional_bytes": cost.memory.proportional} for key, cost in sides.items()}
        for kind, sides in probed.costs.items()
    }  # fmt: skip
    paced = {
        kind: {key: {"targets": one.targets, "interval_s": one.interval, "rounds": one.rounds, "cpu_s": one.cpu,
                     "seconds": one.seconds, "carried_by_one_core": one.carried, "late": one.late,
                     "slowest_s": one.slowest, "duration_p50_s": one.percentile(50),
                     "duration_p99_s": one.percentile(99), "proportional_bytes": one.memory.proportional}
               for key, one in sides.items()}
        for kind, sides in probed.paced.items()
    }  # fmt: skip
    return {"by_turns": costs, "paced": paced}


def _visit_figures(visits: Visits) -> list[dict[str, Any]]:
    return [
        {"seconds": one.seconds, "cpu_s": one.cpu, "proportional_bytes": one.memory, "processes": one.processes}
        for one in visits.made
    ]
