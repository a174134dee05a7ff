"""Samples to the Prometheus text format 0.0.4: pure functions over text."""

import functools
import itertools
import sys
from collections.abc import Iterable, Mapping
from typing import Final

from exporter.metric import Histogram, Metric, Sample, Summary

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

Prefixes = dict[Metric, dict[tuple[str, ...], str]]
Blocks = dict[Metric, str]

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
        prefix = old.get(labels)
        if prefix is None:
            prefix = label_part(metric, labels, target)
        new[labels] = prefix
        if isinstance(value, Histogram):
            out.extend(histogram_lines(metric, labels, value, target))
        elif isinstance(value, Summary):
            out.extend(summary_lines(metric, labels, value, target))
        else:
            out.append(f"{prefix} {number(value)}")
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


def histogram_lines(metric: Metric, labels: tuple[str, ...], value: Histogram, target: str | None) -> list[str]:
    """Return the bucket, sum and count lines of one histogram."""
    bounds = [(number(bound), count) for bound, count in value.buckets] + [("+Inf", value.count)]
    lines = [f"{label_part(metric, labels, target, '_bucket', le)} {count}" for le, count in bounds]
    return lines + _sum_and_count(metric, labels, value, target)


def summary_lines(metric: Metric, labels: tuple[str, ...], value: Summary, target: str | None) -> list[str]:
    """Return the quantile, sum and count lines of one summary."""
    quantiles = [(number(quantile), number(figure)) for quantile, figure in value.quantiles]
    lines = [f"{label_part(metric, labels, target, '', quantile)} {figure}" for quantile, figure in quantiles]
    return lines + _sum_and_count(metric, labels, value, target)


def _sum_and_count(
    metric: Metric, labels: tuple[str, ...], value: Histogram | Summary, target: str | None
) -> list[str]:
    return [
        f"{label_part(metric, labels, target, '_sum')} {number(value.sum)}",
        f"{label_part(metric, labels, target, '_count')} {value.count}",
    ]


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
