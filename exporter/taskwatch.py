"""Whether there is anything to look at for the alerts and metrics that watch lines of a checklist."""

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cache
from typing import Any, Final

from exporter import pack

_SUFFIXES: Final = ("_bucket", "_sum", "_count")
_OF_ALL: Final = ("up", "ALERTS", "runbook_target_", "runbook_exporter_")  # begin what each exporter has

Known = Callable[[Collection[str]], Mapping[str, Collection[Any]]]
"""Returns by name what the targets of this exporter say of metrics."""


def is_alert(name: str) -> bool:
    """Tell whether it is an alert of this pack, with a page of its own."""
    return name in pack.rules().alerts


def unseen(names: Iterable[str], known: Known) -> frozenset[str]:
    """Return those of the alerts and metrics that no target of this exporter gives anything for."""
    looked_at = {name: _looked_at(name) for name in names}
    given = {name for name, seen in known(frozenset().union(*looked_at.values())).items() if seen}
    return frozenset(name for name, metrics in looked_at.items() if metrics and not metrics & given)


@cache
def _looked_at(name: str) -> frozenset[str]:
    """Return the metrics that an alert rests on, or the metric itself; nothing where every exporter has them.

    Nothing either of an alert that is not this pack's.
    """
    rules = pack.rules()
    if not is_alert(name) and name[0].isupper():
        return frozenset()
    found = {metric for rule in rules.alerts.get(name, ()) for metric in rules.metrics(rule.expression)} or {name}
    bare = {metric.removesuffix(suffix) for metric in found for suffix in _SUFFIXES}
    return frozenset(metric for metric in bare if not metric.startswith(_OF_ALL) and not is_alert(metric))
