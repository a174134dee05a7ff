"""Samples to the Prometheus text format 0.0.4: pure functions over text."""

import functools
import itertools
import sys
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from exporter.metric import Histogram, Metric, Sample, Summary

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class Parts(NamedTuple):
    """The label parts of one histogram or summary: one for each line, sum and count last."""

    bounds: tuple[float, ...]
    lines: tuple[str, ...]


Prefixes = dict[Metric, dict[tuple[str, ...], str | Parts]]
Blocks = dict[Metric, str]

_DISTRIBUTIONS: Final = (Histogram, Summary)
_LARGEST: Final = sys.float_info.max
_LABEL_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_HELP_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n"})


def render(samples: Iterable[Sample]) -> str:
    """Return one page of samples in the order of their first appearance, without a `target` label."""
    blocks, _ = render_blocks(samples, None, {})
    return join([blocks])


def render_blocks(samples: Iterable[Sample], target: str | None, kept: Prefixes) -> tuple[Blocks, Prefixes]:
    """Return the lines of each metric, and the label parts to hand in as `kept` the next time.

    Escaping and joining labels is most of the work and they seldom change, so the part of a line before its value is
    kept from one round to the next, and no longer: what vanished is forgotten.
    """
    lines: dict[Metric, list[str]] = {}
    prefixes: Prefixes = {}
    last: Metric | None = None
    for metric, labels, value in samples:
        if metric is not last:  # samples of a metric mostly come together
            last = metric
            out = lines.setdefault(metric, [])
            old = kept.get(metric) or {}
            new = prefixes.setdefault(metric, {})
        part = old.get(labels)
        if isinstance(value, _DISTRIBUTIONS):
            bounds = bounds_of(value)
            if not isinstance(part, Parts) or part.bounds != bounds:
                part = Parts(bounds, line_parts(metric, labels, target, value))
            out.extend(map("{} {}".format, part.lines, figures_of(value)))
        else:
            if not isinstance(part, str):
                part = label_part(metric, labels, target)
            out.append(f"{part} {number(value)}")
        new[labels] = part
    return {metric: "\n".join(block) + "\n" for metric, block in lines.items()}, prefixes


def join(targets: Iterable[Mapping[Metric, str]]) -> str:
    """Return one page from the blocks of several targets: each family once, under one HELP and TYPE."""
    families: dict[str, list[str]] = {}
    for blocks in targets:
        for metric, block in blocks.items():
            family = families.get(metric.name)
            if family is None:
                families[metric.name] = [header(metric), block]
            else:
                family.append(block)
    return "".join(itertools.chain.from_iterable(families.values()))


@functools.lru_cache(maxsize=4096)
def header(metric: Metric) -> str:
    """Return the HELP and TYPE lines; HELP ends with where the figure comes from."""
    text = encodable(f"{metric.help} Source: {metric.source}.").translate(_HELP_ESCAPES)
    return f"# HELP {metric.name} {text}\n# TYPE {metric.name} {metric.kind}\n"


def label_part(metric: Metric, labels: tuple[str, ...], target: str | None, suffix: str = "", bound: str = "") -> str:
    """Return a line up to its value: name and labels, with the bucket's or quantile's bound and `target` last."""
    pairs = [f'{name}="{escape(value)}"' for name, value in zip(metric.labels, labels, strict=True)]
    if bound:
        pairs.append(f'{"quantile" if metric.kind == "summary" else "le"}="{bound}"')
    if target is not None:
        pairs.append(f'target="{escape(target)}"')
    return f"{metric.name}{suffix}{{{','.join(pairs)}}}" if pairs else f"{metric.name}{suffix}"


def bounds_of(value: Histogram | Summary) -> tuple[float, ...]:
    """Return what tells the lines of one histogram or summary apart."""
    pairs = value.buckets if isinstance(value, Histogram) else value.quantiles
    return tuple([bound for bound, _ in pairs])


def line_parts(
    metric: Metric, labels: tuple[str, ...], target: str | None, value: Histogram | Summary
) -> tuple[str, ...]:
    """Return the label parts of the bucket or quantile lines, the sum and the count."""
    bounds = [number(bound) for bound in bounds_of(value)]
    suffix, bounds = ("_bucket", [*bounds, "+Inf"]) if isinstance(value, Histogram) else ("", bounds)
    lines = [label_part(metric, labels, target, suffix, bound) for bound in bounds]
    return (*lines, *(label_part(metric, labels, target, suffix) for suffix in ("_sum", "_count")))


def figures_of(value: Histogram | Summary) -> list[int | str]:
    """Return what stands behind the label parts, in their order."""
    if isinstance(value, Histogram):
        return [*[count for _, count in value.buckets], value.count, number(value.sum), value.count]
    return [*[number(figure) for _, figure in value.quantiles], number(value.sum), value.count]


def escape(value: str) -> str:
    """Return a label value as it stands between quotes."""
    return encodable(value).translate(_LABEL_ESCAPES)


def encodable(text: str) -> str:
    """Return text that a page can hold: bytes that are no UTF-8 (file names) show as \\udcXX, NUL as \\x00."""
    if text.isprintable():
        return text
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def number(value: float) -> str:
    """Return a number as Prometheus writes it."""
    if -_LARGEST <= value <= _LARGEST:  # an integer beyond it is no number to Prometheus, which would refuse the page
        return repr(value)
    if value != value:
        return "NaN"
    return "+Inf" if value > 0 else "-Inf"
