"""The catalogue of metrics: every declaration, for `metrics`, `explain` and docs/metrics.md."""

import difflib
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from exporter import selfmetrics
from exporter.collector import Collector, find, kinds
from exporter.config import HOST_COLLECTOR
from exporter.metric import CATALOGUE, Metric, Pattern, covers

Declared = Metric | Pattern


def collectors() -> dict[str, type[Collector[Any]]]:
    """Return every collector by kind; importing them is what declares their metrics."""
    return {kind: find(kind) for kind in kinds()} | {selfmetrics.Exporter.kind: selfmetrics.Exporter}


def by_collector() -> dict[str, list[Declared]]:
    """Return the metrics of each collector, in the order of their names."""
    owners = {id(metric): kind for kind, collector in collectors().items() for metric in _declared_by(collector)}
    found: dict[str, list[Declared]] = {kind: [] for kind in collectors()}
    for name in sorted(CATALOGUE):
        metric = CATALOGUE[name]
        if id(metric) not in owners:
            raise TypeError(f"{name} is declared in no module of a collector")
        found[owners[id(metric)]].append(metric)
    return found


def _declared_by(collector: type[Collector[Any]]) -> Iterator[Declared]:
    """Yield every metric in the modules of a collector: its file, or the files of its folder."""
    home = collector.__module__
    for name in [name for name in sys.modules if name == home or name.startswith(f"{home}.")]:
        yield from _metrics_in(list(vars(sys.modules[name]).values()))


def _metrics_in(value: object) -> Iterator[Declared]:
    if isinstance(value, Metric | Pattern):
        yield value
    elif isinstance(value, Mapping) and value is not CATALOGUE:
        yield from _metrics_in(list(value.values()))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _metrics_in(item)


def as_json(metrics: dict[str, list[Declared]]) -> list[dict[str, Any]]:
    """Return the catalogue as plain data: name, type, unit, labels, help, source, fact, collector."""
    return [
        {"name": metric.name, "type": metric.kind, "unit": metric.unit, "labels": list(metric.labels),
         "help": metric.help, "source": metric.source, "fact": metric.fact, "collector": kind}
        for kind, group in metrics.items() for metric in group
    ]  # fmt: skip


def find_metric(name: str, metrics: dict[str, list[Declared]]) -> tuple[str, Declared] | None:
    """Return the collector and the declaration of a metric, also by a series' name or one that a pattern covers."""
    everything = [(kind, metric) for kind, group in metrics.items() for metric in group]
    found = [pair for pair in everything if pair[1].name == name] or [
        pair for pair in everything if covers(pair[1], name)
    ]
    return max(found, key=lambda pair: len(pair[1].name), default=None)  # of patterns the closest


def nearest(name: str, metrics: dict[str, list[Declared]], more: Iterable[str] = ()) -> list[str]:
    """Return names, of metrics and these more, that are nearly this one, or hold it."""
    names = [*more, *(metric.name for group in metrics.values() for metric in group)]
    return difflib.get_close_matches(name, names, 5, 0.6) or [known for known in names if name in known][:5]


def explain(kind: str, metric: Declared, name: str) -> str:
    """Return what a person wants to know about the metric asked for by that name, as a few lines of text."""
    fields = [
        ("type", metric.kind),
        ("unit", metric.unit or "none"),
        ("labels", ", ".join([*metric.labels, *_target_label(kind, metric)]) or "none"),
        ("source", metric.source),
        ("collector", kind),
    ]
    if metric.fact:
        fields.append(("fact", "it stays on the page when its target cannot be read"))
    meaning = metric.help.replace("*", _part(metric, name)) if isinstance(metric, Pattern) else metric.help
    lines = [metric.name, "", f"  {meaning}", "", *(f"  {name + ':':<12}{text}" for name, text in fields)]
    return "\n".join(lines)


def _part(pattern: Pattern, name: str) -> str:
    """Return what stands for the `*` of a pattern in a name."""
    before, after = pattern.name.split("*")
    return name.removeprefix(before).removesuffix(after)


def _target_label(kind: str, metric: Declared) -> list[str]:
    """Return the label that the series of configured targets, and what is said of any, carry besides those declared."""
    built_in = kind in (HOST_COLLECTOR, selfmetrics.Exporter.kind) and metric.labels[:1] != ("collector",)
    return [] if built_in else ["target (on /metrics)"]


def as_markdown(metrics: dict[str, list[Declared]]) -> str:
    """Return docs/metrics.md."""
    parts = [_PREFACE]
    classes = collectors()
    for kind, group in metrics.items():
        reads = classes[kind].declared_reads().values()
        parts.append(
            f"\n## {kind}\n\n{_first_sentence(classes[kind])} Its job name by /sd is `{classes[kind].job}`.\n\n"
        )
        parts.append("Reads: " + "; ".join(f"`{read.name}`: {read.help.rstrip('.')}" for read in reads) + ".\n\n")
        parts.append("| name | type | labels | what it is | source |\n|---|---|---|---|---|\n")
        parts.extend(_row(metric) for metric in group)
    return "".join(parts)


def _first_sentence(collector: type[Collector[Any]]) -> str:
    return (collector.__doc__ or "").strip().splitlines()[0]


def _row(metric: Declared) -> str:
    cells: Iterable[str] = (
        f"`{metric.name}`",
        metric.kind,
        ", ".join(metric.labels),
        metric.help + (" A fact: it stays when its target cannot be read." if metric.fact else ""),
        metric.source,
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


_PREFACE = """# Metrics

Every metric that this version can give. This page is made by `make generate` from the declarations in the code.

A `*` in a name stands for a part that is known only when it is read. The series of a configured target carry the
label `target` on /metrics; those of the host and of the exporter itself do not, and on /probe none does. What is not
known has no sample: a 0 was measured.
"""
