"""Two exporters of the same things side by side: do names, types, labels and values agree?

`python -m tests.beside` prints the comparison with prometheus-node-exporter.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

Labels = tuple[tuple[str, str], ...]
Fetch = Callable[[], str]
Explained = Mapping[tuple[str, str], str]
"""Why a family differs in one aspect, by name and aspect."""

# Figures that move by themselves are asked for again until both sides have shown the same: a wrong unit never does.
TRIES: Final = 10
ASPECTS: Final = ("type", "label names", "only theirs", "only ours", "values")
_GAUGE_TOLERANCE: Final = 0.01
_ROUNDING: Final = 1e-9
_SHOWN: Final = 3
_KINDS: Final = {"unknown": "untyped"}  # the parser speaks OpenMetrics


@dataclass(slots=True)
class Family:
    """The series of one name on a page."""

    kind: str
    series: dict[Labels, float]

    def label_names(self) -> set[tuple[str, ...]]:
        return {tuple(name for name, _ in labels) for labels in self.series}


@dataclass(frozen=True, slots=True)
class Verdict:
    """One family that both give, and in which aspects it differs."""

    name: str
    kind: str
    labels: tuple[str, ...]
    series: int
    differences: Mapping[str, str]

    def said(self, explained: Explained) -> str:
        """Return the differences with their explanations."""
        parts = []
        for aspect, text in self.differences.items():
            reason = explained.get((self.name, aspect))
            parts.append(f"{aspect}: {text}" + (f" (explained: {reason})" if reason else ""))
        return "; ".join(parts) or "agree"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What both give, what only they give and what only we give."""

    verdicts: tuple[Verdict, ...]
    lacking: tuple[str, ...]
    added: tuple[str, ...]

    def unexplained(self, explained: Explained) -> list[str]:
        """Return what differs without a reason."""
        return [f"{verdict.name}: {aspect}: {text}" for verdict in self.verdicts
                for aspect, text in verdict.differences.items() if (verdict.name, aspect) not in explained]  # fmt: skip

    def table(self, explained: Explained) -> str:
        """Return all of it as a table for people."""
        rows = [("name", "type", "labels", "series", "values")]
        for verdict in self.verdicts:
            labels = ",".join(verdict.labels) or "-"
            rows.append((verdict.name, verdict.kind, labels, str(verdict.series), verdict.said(explained)))
        widths = [max(map(len, column)) for column in list(zip(*rows, strict=True))[:-1]]
        lines = ["  ".join([*map(str.ljust, row, widths), row[-1]]) for row in rows]
        lines += ["", f"they give, we lack ({len(self.lacking)}): {' '.join(self.lacking)}"]
        lines += ["", f"we add ({len(self.added)}): {' '.join(self.added)}"]
        return "\n".join(lines)


def parse(page: str) -> dict[str, Family]:
    """Return the families of a page by the names that its lines have."""
    families: dict[str, Family] = {}
    for metric in text_string_to_metric_families(page):
        for sample in metric.samples:
            family = families.setdefault(sample.name, Family(_KINDS.get(metric.type, metric.type), {}))
            family.series[tuple(sorted(sample.labels.items()))] = sample.value
    return families


def compare(theirs: Fetch, ours: Fetch, prefix: str, newer: Mapping[str, str]) -> Comparison:
    """Fetch both by turns, until every family under the prefix has agreed once or that was tried often enough.

    `newer` names a label of a family that older releases of the peer lack: it is left out where theirs has none.
    """
    settled: dict[str, Verdict] = {}
    for _ in range(TRIES):
        # one after the other twice, so that what moved stands between two figures of the other side
        pages = [_under(prefix, parse(fetch())) for fetch in (theirs, ours, theirs, ours)]
        for name in sorted(pages[0].keys() & pages[1].keys()):
            if name not in settled or settled[name].differences:
                families = [page.get(name, Family("gone", {})) for page in pages]
                settled[name] = _judge(name, *_alike(families, newer.get(name)))
        if not any(verdict.differences for verdict in settled.values()):
            break
    return Comparison(
        tuple(settled[name] for name in sorted(settled)),
        tuple(sorted(pages[0].keys() - pages[1].keys() - settled.keys())),
        tuple(sorted(pages[1].keys() - pages[0].keys() - settled.keys())),
    )


def _under(prefix: str, page: Mapping[str, Family]) -> dict[str, Family]:
    return {name: family for name, family in page.items() if name.startswith(prefix)}


def _alike(families: list[Family], label: str | None) -> list[Family]:
    """Return their and our families by turns, ours without a label that theirs do not know."""
    if label is None or any(label in names for names in families[0].label_names()):
        return families
    return [_without(label, family) for family in families]


def _without(label: str, family: Family) -> Family:
    series = {tuple(pair for pair in labels if pair[0] != label): value for labels, value in family.series.items()}
    return Family(family.kind, series)


def _judge(name: str, theirs: Family, ours: Family, theirs_again: Family, ours_again: Family) -> Verdict:
    found = (
        "" if theirs.kind == ours.kind else f"theirs {theirs.kind}, ours {ours.kind}",
        ""
        if theirs.label_names() == ours.label_names()
        else f"theirs {theirs.label_names()}, ours {ours.label_names()}",
        _few([_shown(labels) for labels in theirs.series if labels not in ours.series]),
        _few([_shown(labels) for labels in ours.series if labels not in theirs.series]),
        _few(list(_differing_values((theirs, theirs_again), (ours, ours_again)))),
    )
    differences = {aspect: text for aspect, text in zip(ASPECTS, found, strict=True) if text}
    return Verdict(name, ours.kind, min(ours.label_names()), len(ours.series), differences)


def _few(items: list[str]) -> str:
    more = len(items) - _SHOWN
    return ", ".join(items[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _differing_values(theirs: tuple[Family, Family], ours: tuple[Family, Family]) -> Iterator[str]:
    for labels in ours[0].series.keys() & theirs[0].series.keys():
        their_figures = [family.series[labels] for family in theirs if labels in family.series]
        our_figures = [family.series[labels] for family in ours if labels in family.series]
        if not _meet(their_figures, our_figures, ours[0].kind):
            yield f"{_shown(labels)} theirs {their_figures[0]:.10g}, ours {our_figures[0]:.10g}"


def _meet(theirs: list[float], ours: list[float], kind: str) -> bool:
    """Tell whether the ranges over which both moved meet; those of gauges that move need only come close."""
    if theirs[0] == ours[0] or all(map(math.isnan, theirs + ours)):
        return True
    gap = max(min(ours) - max(theirs), min(theirs) - max(ours))
    moved = theirs[0] != theirs[-1] or ours[0] != ours[-1]
    tolerance = _GAUGE_TOLERANCE if kind == "gauge" and moved else _ROUNDING
    return gap <= max(map(abs, theirs + ours)) * tolerance


def _shown(labels: Labels) -> str:
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels) + "}"


def main() -> None:
    from tests.test_beside_node_exporter import EXPLAINED, compare_here

    print(compare_here().table(EXPLAINED))


if __name__ == "__main__":
    main()
