"""What a dashboard is declared with: rows of panels, each a few lines of data. `render.py` makes Grafana's JSON of it.

In an expression `$match` stands for the matchers of job, instance and target, and `$own` for those of series that carry
the label `target` only where each target is scraped for itself: the host's, the exporter's own, and Prometheus' `up`.
`$alerts` stands for the names of the area's alerts, as a regular expression.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

# An absent label is an empty one to a matcher; the `|` lets it through, and All stays `.+` for every variable.
MATCHERS: Final = {
    "$match": 'job=~"$job", instance=~"$instance", target=~"$target"',
    "$own": 'job=~"$job", instance=~"$instance", target=~"$target|"',
}
States = Mapping[str, tuple[str, str]]
"""What a value is called, and its colour."""
UP_DOWN: Final[States] = {"1": ("up", "green"), "0": ("down", "red")}
YES_NO: Final[States] = {"1": ("yes", "green"), "0": ("no", "red")}
QUIET: Final[States] = {"0": ("none", "green")}


@dataclass(frozen=True, slots=True)
class Query:
    """One expression, and what its series are called in the legend."""

    expr: str
    legend: str


@dataclass(frozen=True, slots=True)
class Column:
    """One column of figures in a table."""

    title: str
    expr: str
    unit: str


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel; without queries it asks for the signals of its alerts."""

    kind: Literal["lines", "stat", "table"]
    title: str
    text: str
    queries: Sequence[Query] = ()
    unit: str = ""
    """Grafana's unit; where it is empty, the unit that the metric or signal declares."""
    alerts: Sequence[str] = ()
    """The rules whose figures are lines here; the panel names and links them."""
    named: Sequence[str] = ()
    """Alerts that the panel names and links, without a figure of theirs."""
    legend: str = ""
    within: str = ""
    """More matchers for the signals of its alerts."""
    width: int = 12
    height: int = 8
    stacked: bool = False
    top: float | None = None
    """The end of the axis, where the figure has one."""
    states: States = field(default_factory=dict)
    empty: str = "no data"
    """What stands there without data."""
    columns: Sequence[Column] = ()
    keys: Mapping[str, str] = field(default_factory=dict)
    """The labels that make a row of a table, with their titles."""


@dataclass(frozen=True, slots=True)
class Row:
    """A heading, and what stands under it; a folded one asks nothing until it is opened."""

    title: str
    panels: Sequence[Panel]
    folded: bool = False


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable besides job, instance and target: a label of a metric."""

    label: str
    title: str
    metric: str


@dataclass(frozen=True, slots=True)
class Mark:
    """What is marked on every panel at the times when an expression has a sample."""

    name: str
    expr: str
    colour: str


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One dashboard; its area is the stem of its file, of its uid and of the rule file."""

    area: str
    title: str
    text: str
    presence: str
    """The metric whose labels are what job, instance and target offer."""
    rows: Sequence[Row]
    matchers: Literal["$match", "$own"] = "$match"
    variables: Sequence[Variable] = ()
    slow: Sequence[str] = ()
    """How the names of metrics begin that are read once a minute: rates of them look back over four minutes."""
    targets: str = ""
    """The metric that knows the targets, where `presence` has no such label."""
    marks: Sequence[Mark] = ()
    """What is marked besides alerts."""


def lines(
    title: str, text: str, *queries: tuple[str, str], unit: str = "", width: int = 12, height: int = 8,
    stacked: bool = False, top: float | None = None, empty: str = "no data", states: States | None = None,
) -> Panel:  # fmt: skip
    """Declare curves over time: (expression, legend) of each."""
    return Panel("lines", title, text, [Query(*query) for query in queries], unit, width=width, height=height,
                 stacked=stacked, top=top, empty=empty, states=states or {})  # fmt: skip


def stat(
    title: str, text: str, expr: str, legend: str, *, unit: str = "", width: int = 4, height: int = 4,
    states: States | None = None, empty: str = "no data",
) -> Panel:  # fmt: skip
    """Declare figures of now; a value that `states` does not name is a bad one."""
    return Panel("stat", title, text, [Query(expr, legend)], unit, width=width, height=height, states=states or {},
                 empty=empty)  # fmt: skip


def signal(
    title: str, text: str, *alerts: str, legend: str, unit: str = "", width: int = 12, height: int = 8,
    top: float | None = None, empty: str = "no data", states: States | None = None, named: Sequence[str] = (),
    within: str = "",
) -> Panel:  # fmt: skip
    """Declare a panel of what these alerts watch, with their figures as its lines."""
    return Panel("lines", title, text, (), unit, alerts, named, legend, within, width, height, top=top, empty=empty,
                 states=states or {})  # fmt: skip


def firing(width: int = 8) -> Panel:
    """Declare the panel of the area's alerts that fire now."""
    return stat(
        "Firing alerts",
        "The alerts of this page that fire now, and for how many things. Pending ones are not counted.",
        'count by (alertname) (ALERTS{alertname=~"$alerts", alertstate="firing", $own})'
        ' or on () label_replace(vector(0), "alertname", "all is well", "", "")',
        "{{alertname}}", unit="none", width=width, states=QUIET,
    )  # fmt: skip


def table(
    title: str, text: str, keys: Mapping[str, str], *columns: Column, width: int = 24, height: int = 9,
    empty: str = "no data",
) -> Panel:  # fmt: skip
    """Declare a table of figures of now, sorted by the first: a row for each combination of the labels `keys`."""
    queries = [Query(column.expr, column.title) for column in columns]
    return Panel("table", title, text, queries, columns[0].unit, width=width, height=height, columns=columns, keys=keys,
                 empty=empty)  # fmt: skip
