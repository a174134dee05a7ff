"""Mapped metrics of a whole configuration: one name is one metric, and none that this program has already."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from exporter.appmetrics import FIGURES
from exporter.mapping import Declaration, Mapped
from exporter.metric import is_declared
from exporter.models import Problems

EACH: Final = "expected it once, with `each` and `labels` for several series"


def named_twice(metrics: Sequence[Mapped], where: str = "metrics", remedy: str = EACH) -> Problems:
    """Find a name that stands twice among the metrics of one target."""
    names = [metric.name for metric in metrics]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield where, f"makes {name} twice; {remedy}"


def clashes(targets: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, str, str]]:
    """Yield what is wrong with the mapped metrics of all targets together: target, key, and problem.

    `targets` are names and settings; settings that make metrics have a method `mapped()`, which yields the path of a
    key and the metric that stands there.
    """
    made: dict[str, tuple[str, Declaration]] = {}
    for target, settings in targets:
        for where, metric in getattr(settings, "mapped", tuple)():
            declaration = metric.declaration
            first, other = made.setdefault(declaration.name, (target, declaration))
            if other != declaration:
                differs = "type, help or labels differ from those"
                yield (
                    target,
                    where,
                    f"{declaration.name}: {differs} in the target {first}; expected the same, or another name",
                )
            elif declaration.name not in FIGURES and is_declared(declaration.name):
                yield target, where, f"{declaration.name} is a metric of this program; expected another name"
