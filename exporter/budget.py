"""Series budgets: what one read may put on the page, and what becomes of the rest."""

import heapq
import itertools
import math
import operator
from collections.abc import Iterable
from typing import Any, Final

from exporter.collector import Members, Read, Trouble
from exporter.metric import Histogram, Metric, Sample, Summary, Value

OTHER: Final = "other"
# A member leaves the top only when it falls this far behind, so that two near the edge do not take turns.
_STEADINESS: Final = 1.25
# So many vanished members are remembered at least.
_REMEMBERED: Final = 1000

# What is not known is no series, but nor is it endless: so many may come beside the rest.
_UNKNOWN: Final = 10_000

_END: Final = object()
_CUMULATIVE: Final = frozenset({"counter", "histogram", "summary"})

Key = tuple[str, ...]


class Budget:
    """Keeps a read within `limit` series, and within its top members where it names any.

    A counter's member, once admitted, stays; the increases of the others go to `other`, and none ever moves between
    the two: a sum that loses a member, or a series born with its history, would read as a burst.
    """

    def __init__(self, read: Read, limit: int) -> None:
        self._name = read.name
        self._members = read.members
        self._limit = limit
        top = read.members.top if read.members else 0
        self._gauges = _Top(top)
        self._counters = _Admission(top)
        self._places: dict[Metric, tuple[int, ...] | None] = {}
        self._ranks: dict[Key, float] = {}

    def fit(self, samples: Iterable[Sample | None]) -> tuple[tuple[Sample, ...], int]:
        """Return the samples within the budget, and how many members were cut; None is no sample."""
        ceiling = self._ceiling()
        given = iter(samples)
        known = filter(None, itertools.islice(given, ceiling * 10 + _UNKNOWN))
        taken = tuple(itertools.islice(known, ceiling))
        if next(known, _END) is not _END:
            raise self._overflow()
        if next(given, _END) is not _END:
            raise Trouble(f"the read {self._name} does not end")
        if self._members is None:
            return taken, 0
        folded, cut = self._fold(taken, self._members)
        if len(folded) > self._limit:
            raise self._overflow()
        return folded, cut

    def _ceiling(self) -> int:
        # what will be folded may be larger than what is shown, but not endless
        return self._limit if self._members is None else self._limit * 10

    def _overflow(self) -> Trouble:
        return Trouble(
            f"the read {self._name} gives more than {self._limit:,} series",
            "narrow what the target looks at, or raise its series_limit",
        )

    def _fold(self, samples: tuple[Sample, ...], members: Members) -> tuple[tuple[Sample, ...], int]:
        keys = [self._member(sample, members.labels) for sample in samples]
        present = {key for key in keys if key is not None}
        top = self._gauges.choose(self._rank(zip(keys, samples, strict=True), present, members.rank))
        admitted = self._counters.choose(top, present)
        kept: list[Sample] = []
        sums = _Sums()
        for key, sample in zip(keys, samples, strict=True):
            cumulative = sample.metric.kind in _CUMULATIVE
            if key is None or key in (admitted if cumulative else top):
                kept.append(sample)
                if cumulative:
                    self._counters.note(sample)
            elif cumulative:
                self._counters.count(sample, _as_other(sample, members.labels))
            else:
                sums.add(_as_other(sample, members.labels))
        self._counters.round_over(present)
        # the totals stay when nothing was refused this time: a counter that comes and goes reads as a reset
        others = [Sample(*series, value) for series, value in (sums.values | self._counters.totals).items()]
        return (*kept, *others), len(present - top)

    def _rank(
        self, samples: Iterable[tuple[Key | None, Sample]], present: set[Key], metric: Metric
    ) -> dict[Key, float]:
        """Return the rank of each member; one that has none this time keeps its last, and so its place."""
        ranks: dict[Key, float] = {}
        for key, sample in samples:
            if key is not None and sample.metric is metric:
                ranks[key] = ranks.get(key, 0.0) + _rank(sample.value)
        self._ranks = {key: ranks.get(key, self._ranks.get(key, 0.0)) for key in present}
        return self._ranks

    def _member(self, sample: Sample, labels: Key) -> Key | None:
        metric = sample.metric
        if metric not in self._places:
            has_all = set(labels) <= set(metric.labels)
            self._places[metric] = tuple(map(metric.labels.index, labels)) if has_all else None
        places = self._places[metric]
        return None if places is None else tuple([sample.labels[place] for place in places])


def _rank(value: Value) -> float:
    return float(value) if isinstance(value, int | float) and value == value else 0.0  # NaN is in no order


def _as_other(sample: Sample, labels: Key) -> Sample:
    values = tuple(OTHER if name in labels else value
                   for name, value in zip(sample.metric.labels, sample.labels, strict=True))  # fmt: skip
    return Sample(sample.metric, values, sample.value)


class _Top:
    """The steady top N of a gauge's members: one in it stays until clearly overtaken."""

    def __init__(self, top: int) -> None:
        self._size = top
        self._inside: set[Key] = set()

    def choose(self, ranks: dict[Key, float]) -> set[Key]:
        def weight(key: Key) -> tuple[float, bool, Key]:
            inside = key in self._inside
            return ranks[key] * (_STEADINESS if inside else 1.0), inside, key

        candidates = [key for key in ranks if key != (OTHER,) * len(key)]
        self._inside = set(heapq.nlargest(self._size, candidates, key=weight))
        return self._inside


Figures = tuple[float, ...]


class _Admission:
    """Which members of counters have series of their own, and what the others have counted.

    Members that vanish are remembered for a while: one that comes back brings its history, which is no increase.
    """

    def __init__(self, top: int) -> None:
        self._size = top
        self._admitted: set[Key] = set()
        self._refused: dict[Key, None] = {}  # in the order in which they were last seen
        self._first = True
        self._last: dict[tuple[Metric, Key], Figures] = {}
        self._noted = 0
        self.totals: dict[tuple[Metric, Key], Value] = {}

    def choose(self, wanted: set[Key], present: set[Key]) -> set[Key]:
        self._admitted &= present  # one that vanished leaves its place to one never seen before
        for key in sorted(wanted - self._refused.keys() - self._admitted):
            if len(self._admitted) < self._size:
                self._admitted.add(key)
        return self._admitted

    def note(self, sample: Sample) -> Figures | None:
        """Remember what a member has counted; return what it had counted when it was last seen."""
        now = _figures(sample.value)
        if not all(map(math.isfinite, now)):  # it would spoil the total for ever
            return None
        series = (sample.metric, sample.labels)
        before = self._last.pop(series, None)
        self._last[series] = now
        self._noted += 1
        return before

    def count(self, sample: Sample, other: Sample) -> None:
        """Add to `other` what a member that is not admitted has counted since it was last seen."""
        now = _figures(sample.value)
        if not all(map(math.isfinite, now)):
            return
        before = self.note(sample)
        if before is None:
            # what it counted before we first looked is history; born between two rounds, it counts from 0
            before = now if self._first else _nothing(now)
        elif len(before) != len(now) or not _grew(sample.value, now, before):
            before = _nothing(now)
        series = (other.metric, other.labels)
        total = _figures(self.totals[series]) if series in self.totals else _nothing(now)
        increase = map(operator.sub, now, before)
        self.totals[series] = _like(sample.value, list(map(operator.add, total, increase)))

    def round_over(self, present: set[Key]) -> None:
        self._first = False
        for key in sorted(present - self._admitted):
            self._refused.pop(key, None)
            self._refused[key] = None
        _forget(self._refused, len(present))
        _forget(self._last, self._noted)
        self._noted = 0


def _forget(memory: dict[Any, Any], present: int) -> None:
    """Forget what was seen longest ago, of a memory much larger than what is there now."""
    for key in list(itertools.islice(memory, max(0, len(memory) - 2 * present - _REMEMBERED))):
        del memory[key]


def _grew(value: Value, now: Figures, before: Figures) -> bool:
    """Tell whether the one count follows on the other; where not, it was reset in between."""
    increase = list(map(operator.sub, now, before))
    counts = increase[:-1] if isinstance(value, Histogram) else []  # a bucket holds what the narrower ones do
    return min(increase) >= 0 and counts == sorted(counts)


def _nothing(figures: Figures) -> Figures:
    return (0.0,) * len(figures)


def _figures(value: Value) -> Figures:
    if isinstance(value, Histogram):
        return (*(float(count) for _, count in value.buckets), float(value.count), value.sum)
    if isinstance(value, Summary):  # its quantiles cannot be added up
        return (float(value.count), value.sum)
    return (float(value),)


def _like(model: Value, figures: list[float]) -> Value:
    if isinstance(model, Summary):
        return Summary((), int(figures[0]), figures[1])
    if not isinstance(model, Histogram):
        return figures[0]
    *counts, count, total = figures
    buckets = tuple((bound, int(n)) for (bound, _), n in zip(model.buckets, counts, strict=True))
    return Histogram(buckets, int(count), total)


class _Sums:
    """The gauges of `other` in one round."""

    def __init__(self) -> None:
        self.values: dict[tuple[Metric, Key], Value] = {}

    def add(self, sample: Sample) -> None:
        fold, value = sample.metric.fold, sample.value
        if fold == "drop" or isinstance(value, Histogram | Summary):
            return
        series = (sample.metric, sample.labels)
        before = self.values.get(series)
        if before is None or isinstance(before, Histogram | Summary):
            self.values[series] = value
        elif fold == "sum":
            self.values[series] = before + value
        else:
            self.values[series] = max(before, value) if fold == "max" else min(before, value)
