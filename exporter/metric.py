"""A metric is declared once, and calling it is the only way to make a sample."""

import math
import operator
import re
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal, NamedTuple

Kind = Literal["gauge", "counter", "histogram", "summary", "untyped"]
Fold = Literal["sum", "max", "min", "drop"]

# Names under these prefixes are this project's own; its naming rules bind them. Others keep what their makers gave.
OWN_PREFIXES: Final = ("runbook_", "duckdb_", "sqlite_")
UNITS: Final = frozenset(
    {"seconds", "timestamp_seconds", "bytes", "ratio", "celsius", "hertz", "volts", "amperes", "joules", "watts",
     "info", "usd", "octal"}
)  # fmt: skip
# A sum of these says nothing, so members cut by a budget are left out instead of added up.
UNSUMMABLE: Final = frozenset({"timestamp_seconds", "ratio", "info", "celsius", "octal"})

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_REFUSED_LABELS = frozenset({"job", "instance", "target", "le", "quantile"})
_HISTOGRAM_SUFFIXES = ("_bucket", "_sum", "_count")


@dataclass(frozen=True, slots=True)
class Histogram:
    """The value of a histogram: (upper bound, cumulative count) pairs without +Inf, the total count, and the sum."""

    buckets: tuple[tuple[float, int], ...]
    count: int
    sum: float

    def __post_init__(self) -> None:
        last, counted = -math.inf, 0
        for bound, count in self.buckets:
            if not last < bound < math.inf:
                raise DeclarationError(f"a histogram's bounds are finite and ascend; {bound!r} follows {last!r}")
            if count < counted:
                raise DeclarationError(f"a histogram's counts never decrease; {count!r} follows {counted!r}")
            last, counted = bound, count
        if counted > self.count:
            raise DeclarationError(f"a histogram of {self.count!r} values cannot have {counted!r} in a bucket")


@dataclass(frozen=True, slots=True)
class Summary:
    """The value of a summary: (quantile, value) pairs, the total count, and the sum. Only text files bring them."""

    quantiles: tuple[tuple[float, float], ...]
    count: int
    sum: float


Number = int | float | Decimal
Value = int | float | Histogram | Summary


class Sample(NamedTuple):
    """One value of one metric; `labels` are the values in the order of `metric.labels`."""

    metric: "Metric"
    labels: tuple[str, ...]
    value: Value


Samples = Iterator[Sample | None]
Remarking = Generator[Sample | None, None, str]
"""Samples that return a remark for people: why what was looked at is not well, though the look itself worked."""
_new = tuple.__new__


class DeclarationError(ValueError):
    """A metric's declaration breaks a naming rule, or a sample does not fit its declaration."""


class Metric:
    """Name, type, help, unit, labels and source of one metric family.

    `unit` is a base unit and ends the name; `source` says where the figure is read; a `fact` stays true without
    being read again; `fold` says how members beyond a series budget add up in `other`.
    """

    __slots__ = ("_values", "fact", "fold", "help", "kind", "labels", "name", "source", "unit")

    def __init__(
        self,
        name: str,
        kind: Kind,
        help: str,
        *,
        unit: str = "",
        labels: Sequence[str] = (),
        source: str,
        fact: bool = False,
        fold: Fold | None = None,
    ) -> None:
        self.name = name
        self.kind: Kind = kind
        self.help = help
        self.unit = unit or _unit_in(name)
        self.labels = tuple(labels)
        self.source = source
        self.fact = fact
        self.fold: Fold = fold or ("drop" if self.unit in UNSUMMABLE else "sum")
        self._values = _picker(self.labels)
        _check_declaration(self)

    def __call__(self, value: Number | Histogram | None, /, **labels: str) -> Sample | None:
        """Return the sample, or None where the value is not known: what nobody measured is not reported."""
        if value is None:
            return None
        kind = type(value)
        if (kind is not float and kind is not int) or self.kind == "histogram":
            value = self._coerce(value)
        try:
            values = self._values(labels)
            "".join(values)  # the quickest way to see that each is text
        except (KeyError, TypeError):
            raise self._misfit(labels) from None
        if len(labels) != len(values):
            raise self._misfit(labels)
        # half the cost of Sample(...), and a page has thousands: 1.0 us a sample becomes 0.5
        return _new(Sample, (self, values, value))

    def _coerce(self, value: object) -> int | float | Histogram:
        if isinstance(value, Histogram):
            if self.kind != "histogram":
                raise DeclarationError(f"{self.name} is a {self.kind}, its value cannot be a histogram")
            return value
        if self.kind == "histogram":
            raise DeclarationError(f"{self.name} is a histogram, its value cannot be {value!r}")
        if isinstance(value, int):  # a bool, or a subclass that would print otherwise
            return int(value)
        if isinstance(value, float | Decimal):
            return float(value)
        raise DeclarationError(f"{self.name}: {value!r} is not a number")

    def _misfit(self, labels: dict[str, str]) -> DeclarationError:
        if labels.keys() != set(self.labels):
            return DeclarationError(f"{self.name} has the labels {list(self.labels)}, not {sorted(labels)}")
        wrong = next(value for value in labels.values() if not isinstance(value, str))
        return DeclarationError(f"{self.name}: label values are text, not {wrong!r}")

    def __repr__(self) -> str:
        return f"<{self.kind} {self.name}>"


def _picker(names: tuple[str, ...]) -> Callable[[dict[str, str]], tuple[str, ...]]:
    """Return the function from labels by name to their values in the order of the declaration."""
    if not names:
        return lambda _: ()
    if len(names) == 1:
        return lambda labels: (labels[names[0]],)
    return operator.itemgetter(*names)


def _unit_in(name: str) -> str:
    stem = name.removesuffix("_total")
    if stem.endswith("_timestamp_seconds"):
        return "timestamp_seconds"
    last = stem.rpartition("_")[2]
    return last if last in UNITS else ""


def _check_declaration(metric: Metric) -> None:
    name = metric.name
    if not _NAME.fullmatch(name):
        raise DeclarationError(f"{name!r} is not a metric name")
    for label in metric.labels:
        if not _LABEL.fullmatch(label) or label.startswith(("__", "exported_")) or label in _REFUSED_LABELS:
            raise DeclarationError(f"{name}: a metric cannot have a label {label!r}")
    if len(set(metric.labels)) != len(metric.labels):
        raise DeclarationError(f"{name}: a label stands twice in {list(metric.labels)}")
    if not metric.help.strip() or not metric.source.strip():
        raise DeclarationError(f"{name}: help and source must say something")
    if name.startswith(OWN_PREFIXES):
        _check_own_name(metric)


def _check_own_name(metric: Metric) -> None:
    name, unit = metric.name, metric.unit
    if (metric.kind == "counter") != name.endswith("_total"):
        raise DeclarationError(f"{name}: `_total` ends the names of our counters, and no others")
    if name.endswith(_HISTOGRAM_SUFFIXES) and unit != "info":
        raise DeclarationError(f"{name}: {'/'.join(_HISTOGRAM_SUFFIXES)} are made by histograms")
    if unit and unit not in UNITS:
        raise DeclarationError(f"{name}: {unit!r} is not a base unit ({', '.join(sorted(UNITS))})")
    if unit and not name.removesuffix("_total").endswith("_" + unit):
        raise DeclarationError(f"{name}: its unit {unit!r} belongs at the end of the name")
    if name != name.lower():
        raise DeclarationError(f"{name}: our names are in lower case")


class Pattern:
    """Metrics whose middle part is known only when read, as `node_memory_*_bytes`; one declaration for them all."""

    __slots__ = ("_by_name", "_made", "fact", "help", "kind", "labels", "name", "source", "unit")

    def __init__(
        self, name: str, kind: Kind, help: str, *, unit: str = "", labels: Sequence[str] = (), source: str
    ) -> None:
        if name.count("*") != 1:
            raise DeclarationError(f"{name}: a pattern has one `*`")
        self.name = name
        self.kind: Kind = kind
        self.help = help
        # the rules that bind a metric bind what a pattern makes, so one is made to see
        self.unit = Metric(name.replace("*", "x"), kind, help, unit=unit, labels=labels, source=source).unit
        self.labels = tuple(labels)
        self.source = source
        self.fact = False
        self._made: dict[str, Metric] = {}
        self._by_name: dict[str, Metric] = {}

    def named(self, part: str) -> Metric:
        """Return the metric whose `*` is `part`, the same object each time."""
        metric = self._made.get(part)
        if metric is None:
            name = self.name.replace("*", re.sub(r"[^a-zA-Z0-9_]", "_", part))
            # two parts may make one name: as one metric, a series given twice is noticed
            metric = self._by_name.get(name) or self._make(name, part)
            self._made[part] = self._by_name[name] = metric
        return metric

    def _make(self, name: str, part: str) -> Metric:
        return Metric(name, self.kind, self.help.replace("*", part), unit=self.unit, labels=self.labels,
                      source=self.source)  # fmt: skip


CATALOGUE: Final[dict[str, Metric | Pattern]] = {}
"""Every declaration made by gauge(), counter(), histogram(), untyped(), info() and pattern(), by name."""


def _declare(metric: Metric) -> Metric:
    if metric.name in CATALOGUE:
        raise DeclarationError(f"{metric.name} is declared twice")
    CATALOGUE[metric.name] = metric
    return metric


def gauge(
    name: str, help: str, *, unit: str = "", labels: Sequence[str] = (), source: str,
    fact: bool = False, fold: Fold | None = None,
) -> Metric:  # fmt: skip
    """Declare a value that goes up and down."""
    return _declare(Metric(name, "gauge", help, unit=unit, labels=labels, source=source, fact=fact, fold=fold))


def counter(name: str, help: str, *, unit: str = "", labels: Sequence[str] = (), source: str) -> Metric:
    """Declare a value that only grows, and starts again from 0 when what counts it does."""
    return _declare(Metric(name, "counter", help, unit=unit, labels=labels, source=source))


def histogram(name: str, help: str, *, unit: str = "", labels: Sequence[str] = (), source: str) -> Metric:
    """Declare a distribution; its samples carry a Histogram."""
    return _declare(Metric(name, "histogram", help, unit=unit, labels=labels, source=source))


def untyped(name: str, help: str, *, unit: str = "", labels: Sequence[str] = (), source: str) -> Metric:
    """Declare a value whose standard name is untyped with its original exporter."""
    return _declare(Metric(name, "untyped", help, unit=unit, labels=labels, source=source))


def info(name: str, help: str, *, labels: Sequence[str], source: str, fact: bool = False) -> Metric:
    """Declare a metric that says something in its labels; its value is 1."""
    return _declare(Metric(name, "gauge", help, unit="info", labels=labels, source=source, fact=fact))


def pattern(name: str, kind: Kind, help: str, *, unit: str = "", labels: Sequence[str] = (), source: str) -> Pattern:
    """Declare metrics whose middle part is known only when read; `*` in name and help stands for it."""
    if name in CATALOGUE:
        raise DeclarationError(f"{name} is declared twice")
    declared = Pattern(name, kind, help, unit=unit, labels=labels, source=source)
    CATALOGUE[name] = declared
    return declared


def covers(declared: Metric | Pattern, name: str) -> bool:
    """Return whether the series of this name are the declared metric's."""
    if not name.startswith(declared.name.partition("*")[0]):
        return False  # most are not, and a pattern for each would take long
    stem = re.escape(declared.name).replace(r"\*", "[a-zA-Z0-9_]+")
    suffix = "_(bucket|sum|count)" if declared.kind == "histogram" else ""
    return re.fullmatch(stem + suffix, name) is not None


def is_declared(name: str) -> bool:
    """Return whether a name, or the series of that name, is taken by a metric of this program."""
    return name in CATALOGUE or any(covers(declared, name) for declared in list(CATALOGUE.values()))
