"""The mapping: which values of a JSON document, or of a query, become which metrics, as the configuration says it."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, NamedTuple

from exporter.appmetrics import FIGURES
from exporter.jmes import compiled
from exporter.metric import OWN_PREFIXES, DeclarationError, Kind, Metric
from exporter.models import Problems
from exporter.setting import setting

Convert = Literal["number", "text", "time", "time_utc", "time_local"]
STATE: Final = "state"
"""The label that has the word, where the values of a metric are words."""


class Declaration(NamedTuple):
    """What a metric that the configuration makes is: all of it must agree where two targets use one name."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...]

    def metric(self, source: str) -> Metric:
        """Return the metric, the same object each time, so that a series given twice is noticed."""
        known = FIGURES.get(self.name)
        return known.metric if known is not None else _metric(self, source)


@lru_cache(maxsize=4096)
def _metric(declaration: Declaration, source: str) -> Metric:
    return Metric(declaration.name, declaration.kind, declaration.help, labels=declaration.labels, source=source)


PROMETHEUS: Final = frozenset({"up", "ALERTS", "ALERTS_FOR_STATE"})
"""Names that Prometheus makes by itself; alerts of others rely on them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """A metric that the configuration makes, wherever its values come from."""

    name: str = setting(
        help="Its name, with the base unit at its end, such as app_queue_oldest_seconds. Of the names of this program "
        f"only those that its rules know may be given: {', '.join(sorted(FIGURES))}.",
        example="app_queue_jobs",
    )
    help: str = setting(
        "", help="What it is, in a sentence. A name that the rules know has its own.", example="Jobs that wait."
    )
    value: str = setting("", help="Where its value stands.")
    type: Literal["gauge", "counter", "info"] = setting(
        "gauge", help="A counter only grows, and its name ends in `_total`; an `info` is 1, and says all in its labels."
    )
    labels: Collection[str] = ()
    convert: Convert = setting("number", help="What the values are.")
    scale: float = setting(
        1.0, help="What each value is multiplied with, to be in a base unit: 0.001 where it is in ms.", example="0.001"
    )
    states: tuple[str, ...] = setting(
        (),
        help="All words that the value can be: each becomes a series with the label `state`, 1 for the word that it is "
        "now and 0 for the others. Another word makes the read fail.",
        example="[healthy, degraded, critical]",
    )

    @property
    def wanted(self) -> str:
        """What is expected as `value`."""
        return "expected where a number stands"

    @property
    def declaration(self) -> Declaration:
        if (known := FIGURES.get(self.name)) is not None:
            return Declaration(self.name, known.metric.kind, known.metric.help, known.metric.labels)
        kind: Kind = "counter" if self.type == "counter" else "gauge"
        return Declaration(self.name, kind, self.help, (*self.labels, *((STATE,) if self.states else ())))

    def check(self) -> Problems:
        """Find names that Prometheus or this program refuses, and keys that do not go together."""
        if self.name in FIGURES:
            yield from _check_figure(self)
        else:
            yield from _check_declaration(self)
        yield from _check_kind(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedMetric(Mapped):
    """A metric, and where its values and labels stand in the document."""

    value: str = setting(
        "",
        help="Where its value stands, as a JMESPath (`queue.length`, `length(users)`, `@` for the item itself). `true` "
        "is 1 and `false` 0. A value that is null or not there has no sample, and is counted.",
        example="queue.length",
    )
    labels: Mapping[str, str] = setting(
        {}, help="The labels by name, each a JMESPath; a fixed text stands in single quotes.", example="{queue: name}"
    )
    convert: Convert = setting(
        "number",
        help='What the values are: numbers; `text` that holds numbers, as "12.5"; or a point in time such as '
        "2026-11-25T10:00:00Z, which becomes seconds since 1970. `time_utc` and `time_local` are for those that do not "
        "say their time zone.",
    )
    each: str = setting(
        "",
        help="JMESPath of a list: each item gives a series, and `value` and `labels` begin at it. Of an object each "
        "member is such an item, as `{key: its name, value: what it has}`.",
        example="queues",
    )

    @property
    def wanted(self) -> str:
        return "expected the JMESPath of a number, such as `queue.length`"

    def paths(self) -> Iterator[tuple[str, str]]:
        """Yield the path of each key that has a JMESPath, and the JMESPath."""
        yield from (("value", self.value), ("each", self.each))
        yield from ((f"labels.{name}", path) for name, path in self.labels.items())

    def check(self) -> Problems:
        """Find paths that are none, besides what is wrong with any metric."""
        yield from Mapped.check(self)
        yield from _check_paths(self)


def _check_declaration(wanted: Mapped) -> Problems:
    name, kind, help, labels = wanted.declaration
    if name.startswith(OWN_PREFIXES) or ":" in name:
        remedy = "expected another, such as app_queue_jobs"
        known = f"; those that may be given are {', '.join(sorted(FIGURES))}" if name.startswith("runbook_app") else ""
        prefixes = ", ".join(OWN_PREFIXES)
        yield "name", f"names with a colon, or beginning with {prefixes}, are this program's; {remedy}{known}"
    if name in PROMETHEUS or name.startswith("scrape_"):
        yield "name", f"{name} is what Prometheus itself says of a target; expected another, such as app_{name.lower()}"
    if (kind == "counter") != name.endswith("_total"):
        yield "name", "`_total` ends the names of counters, and of nothing else; expected another name, or type"
    if (wanted.type == "info") != name.endswith("_info"):
        yield "name", "`_info` ends the names of the type info, and of nothing else; expected another name, or type"
    if not help.strip():
        expected = "empty; expected a sentence on what the metric is" if help else "missing; expected text"
        yield "help", f"is {expected}, such as `help: Jobs that wait.`"
    try:
        Metric(name, kind, "Help.", source="the mapping")
    except DeclarationError as error:
        yield "name", f"{error}; expected letters, digits and `_`, such as app_queue_jobs"
    try:
        Metric("app", kind, "Help.", labels=labels, source="the mapping")
    except DeclarationError as error:
        reason = str(error).removeprefix("app: ")
        yield "labels", f"{reason}; expected other names, of letters, digits and `_`"


def _check_figure(wanted: Mapped) -> Problems:
    for key, given in (("help", wanted.help), ("states", wanted.states)):
        if given:
            yield key, f"{wanted.name} is one that the rules know, and has its own; expected it left out"
    metric = FIGURES[wanted.name].metric
    if wanted.type not in ("gauge", metric.kind):
        yield "type", f"{wanted.name} is a {metric.kind}; expected this key left out"
    labels = metric.labels
    if set(wanted.labels) != set(labels):
        expected = f"expected {', '.join(labels)}" if labels else "expected none"
        yield "labels", f"{wanted.name} is one that the rules know by its labels; {expected}"


def _check_paths(wanted: MappedMetric) -> Problems:
    for where, path in wanted.paths():
        if path or where.startswith("labels."):
            try:
                compiled(path)
            except ValueError as error:
                yield where, str(error)


def _check_kind(wanted: Mapped) -> Problems:
    if wanted.type == "info":
        for key, given in (("value", wanted.value), ("states", wanted.states)):
            if given:
                yield key, "an info has none, its value is 1; expected labels alone"
        if not wanted.labels:
            yield "labels", "is missing, and an info says all in its labels; expected such as `{version: version}`"
    elif not wanted.value:
        yield "value", f"is missing; {wanted.wanted}"
    if not 0 < wanted.scale < float("inf"):
        yield "scale", "is not above 0; expected such as 0.001"
    if wanted.states:
        yield from _check_states(wanted)


def _check_states(wanted: Mapped) -> Problems:
    if wanted.type == "counter":
        yield "type", "states come and go; expected gauge"
    if wanted.scale != 1 or wanted.convert != "number":
        yield "states", "are words, and `scale` and `convert` are for numbers; expected only one of them"
    if len(set(wanted.states)) < len(wanted.states) or "" in wanted.states:
        yield "states", "has a word twice, or an empty one; expected different words"
