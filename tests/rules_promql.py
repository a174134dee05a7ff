"""What is wrong with an expression of a rule: metrics, labels, counters, matching, windows, ratios."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import promql_parser as promql

from tests.rules import SCRAPE_INTERVAL, SCRAPED, Known, Rule, known

SET_OPERATORS: Final = frozenset({"and", "or", "unless"})
COMPARISONS: Final = frozenset({"==", "!=", "<", "<=", ">", ">="})
FOR_COUNTERS: Final = frozenset({"rate", "increase", "resets"})
ASK_HOW_OFTEN: Final = frozenset({"changes", "count_over_time"})  # and not how much
FOR_GAUGES: Final = frozenset({"deriv", "delta", "idelta", "predict_linear", "holt_winters"})
SCRAPES_IN_A_WINDOW: Final = 4


@dataclass(frozen=True, slots=True)
class Context:
    """What the rules before this one have recorded, by name."""

    recorded: Mapping[str, frozenset[str]]

    def known(self, name: str | None) -> Known | None:
        if name is None:
            return None
        return Known("gauge", self.recorded[name]) if name in self.recorded else known(name)


Check = Callable[[Rule, Context], Iterator[str]]
"""Yields what is wrong with a rule."""


def children(node: Any) -> list[Any]:
    """Return the expressions that an expression is made of."""
    parts = [getattr(node, name, None) for name in ("lhs", "rhs", "expr", "param", "vector_selector")]
    return [part for part in parts if part is not None] + list(getattr(node, "args", None) or ())


def walk(node: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """Yield every part of an expression with what it stands in, the outermost first."""
    yield node, above
    for child in children(node):
        yield from walk(child, (*above, node))


def selectors(node: Any) -> list[Any]:
    return [part for part, _ in walk(node) if isinstance(part, promql.VectorSelector)]


def calls(rule: Rule, *functions: str) -> list[Any]:
    return [part for part, _ in walk(rule.node) if isinstance(part, promql.Call) and part.func.name in functions]


def aggregations(rule: Rule) -> list[Any]:
    return [part for part, _ in walk(rule.node) if isinstance(part, promql.AggregateExpr)]


def bare(node: Any) -> Any:
    """Return the expression without the parentheses around it."""
    return bare(node.expr) if isinstance(node, promql.ParenExpr) else node


def is_scalar(node: Any) -> bool:
    inner = bare(node)
    if isinstance(inner, promql.Call):
        return inner.func.name in ("time", "scalar")
    if isinstance(inner, promql.UnaryExpr | promql.BinaryExpr):
        return all(map(is_scalar, children(inner)))
    return isinstance(inner, promql.NumberLiteral)


def vector_operations(rule: Rule) -> list[Any]:
    """Return the binary operators that have a vector on either side."""
    found = [part for part, _ in walk(rule.node) if isinstance(part, promql.BinaryExpr)]
    return [part for part in found if not is_scalar(part.lhs) and not is_scalar(part.rhs)]


def labels_of(node: Any, context: Context) -> frozenset[str]:
    """Return the labels that the series of an expression may have."""
    inner = bare(node)
    if isinstance(inner, promql.VectorSelector):
        declared = context.known(inner.name)
        return declared.labels if declared else frozenset()
    if isinstance(inner, promql.AggregateExpr):
        return _aggregated(inner, context)
    if isinstance(inner, promql.BinaryExpr):
        return _combined(inner, context)
    made = frozenset({inner.args[1].val}) if _makes_a_label(inner) else frozenset()
    return made.union(*(labels_of(child, context) for child in children(inner)))


def _makes_a_label(node: Any) -> bool:
    return isinstance(node, promql.Call) and node.func.name in ("label_replace", "label_join")


def _aggregated(node: Any, context: Context) -> frozenset[str]:
    inside = labels_of(node.expr, context)
    if node.modifier is None:
        return frozenset()
    names = frozenset(node.modifier.labels)
    return inside & names if node.modifier.type == promql.AggModifierType.By else inside - names


def _combined(node: Any, context: Context) -> frozenset[str]:
    left, right = labels_of(node.lhs, context), labels_of(node.rhs, context)
    if is_scalar(node.lhs) or is_scalar(node.rhs) or str(node.op) == "or":
        return left | right
    modifier = node.modifier
    if str(node.op) in SET_OPERATORS or modifier is None or modifier.matching is None:
        return left
    if modifier.card != promql.VectorMatchCardinality.OneToOne:
        many = left if modifier.card == promql.VectorMatchCardinality.ManyToOne else right
        return many | frozenset(modifier.group_labels or ())
    names = frozenset(modifier.matching.labels)
    return left & names if modifier.matching.type == promql.LabelModifierType.Include else left - names


def metrics_exist(rule: Rule, context: Context) -> Iterator[str]:
    for selector in selectors(rule.node):
        if context.known(selector.name) is None:
            yield f"nobody declares {selector.name}, or it is recorded further down"


def matchers_name_labels(rule: Rule, context: Context) -> Iterator[str]:
    for selector in selectors(rule.node):
        declared = context.known(selector.name)
        for matcher in selector.matchers.matchers:
            if matcher.name in SCRAPED:
                yield f"{selector.name} is selected by {matcher.name}, which is the user's"
            elif declared and matcher.name not in declared.labels:
                yield f"{selector.name} has no label {matcher.name}"


def regexes_are_needed(rule: Rule, context: Context) -> Iterator[str]:
    for selector in selectors(rule.node):
        for matcher in selector.matchers.matchers:
            if matcher.op in (promql.MatchOp.Re, promql.MatchOp.NotRe) and re.escape(matcher.value) == matcher.value:
                yield f"{selector.name}: the regex {matcher.value} is an equality"


def lists_of_labels_name_labels(rule: Rule, context: Context) -> Iterator[str]:
    if any(metrics_exist(rule, context)):
        return  # what nobody declares has no labels to speak of
    for node in aggregations(rule):
        missing = frozenset(node.modifier.labels if node.modifier else ()) - labels_of(node.expr, context)
        if missing:
            yield f"{node.op} by or without {sorted(missing)}, which are not there"
    for node in vector_operations(rule):
        matching = node.modifier and node.modifier.matching
        for side in (node.lhs, node.rhs) if matching else ():
            missing = frozenset(matching.labels) - labels_of(side, context)
            if missing:
                yield f"{node.op} is matched by {sorted(missing)}, which {side} does not have"


def vectors_are_matched(rule: Rule, context: Context) -> Iterator[str]:
    for node in vector_operations(rule):
        if node.modifier is None or node.modifier.matching is None:
            yield f"{node.op} matches two vectors without on() or ignoring()"


def counters_are_rated(rule: Rule, context: Context) -> Iterator[str]:
    for selector, above in walk(rule.node):
        if isinstance(selector, promql.VectorSelector):
            declared = context.known(selector.name)
            functions = {node.func.name for node in above if isinstance(node, promql.Call)}
            if declared and declared.kind == "counter":
                yield from _misuse_of_a_counter(selector, above, functions)
            elif declared and functions & FOR_COUNTERS:
                yield f"{selector.name} is a {declared.kind}, and {functions & FOR_COUNTERS} are for counters"


def _misuse_of_a_counter(selector: Any, above: tuple[Any, ...], functions: set[str]) -> Iterator[str]:
    if functions & FOR_GAUGES:
        yield f"{selector.name} is a counter, and {functions & FOR_GAUGES} are for gauges"
    elif not functions & (FOR_COUNTERS | ASK_HOW_OFTEN) and not _is_plain(selector, above):
        yield f"{selector.name} is a counter that nothing takes the rate or the increase of"


def _is_plain(selector: Any, above: tuple[Any, ...]) -> bool:
    """Tell whether a counter stands where nothing has to take its rate."""
    return _is_counted(above) or _is_born(selector, above) or _is_what_came(selector, above)


def _is_counted(above: tuple[Any, ...]) -> bool:
    """Tell whether only the number of series is asked for."""
    return bool(above) and isinstance(above[-1], promql.AggregateExpr) and str(above[-1].op) == "count"


def _is_born(selector: Any, above: tuple[Any, ...]) -> bool:
    """Tell whether a counter stands in `x unless x offset w`: what a series begins with counts."""
    for node in above:
        if isinstance(node, promql.BinaryExpr) and str(node.op) == "unless":
            now, before = selectors(node.lhs), selectors(node.rhs)
            if [one.name for one in (*now, *before)] == [selector.name] * 2 and before[0].offset is not None:
                return True
    return False


def _is_what_came(selector: Any, above: tuple[Any, ...]) -> bool:
    """Tell whether a counter stands in `x - ... min_over_time(x[w])`: exactly what came since, but for a reset."""
    for node in above:
        if (
            isinstance(node, promql.BinaryExpr)
            and str(node.op) == "-"
            and isinstance(bare(node.lhs), promql.VectorSelector)
        ):
            least = [
                part
                for part, _ in walk(node.rhs)
                if isinstance(part, promql.Call) and part.func.name == "min_over_time"
            ]
            if least and {one.name for one in selectors(node)} == {selector.name}:
                return True
    return False


def functions_are_sound(rule: Rule, context: Context) -> Iterator[str]:
    for call in calls(rule, "irate"):
        yield f"{call}: irate sees two samples and forgets the rest"
    for call in calls(rule, *FOR_COUNTERS):
        if not isinstance(call.args[0], promql.MatrixSelector):
            yield f"{call} of what is not a counter any more: resets are lost"
    for call in calls(rule, "timestamp"):
        if not isinstance(bare(call.args[0]), promql.VectorSelector):
            yield f"{call} is always now"
    for node in aggregations(rule):
        if str(node.op) in ("topk", "bottomk"):
            yield f"{node.op} makes series come and go"


def absence_has_static_labels(rule: Rule, context: Context) -> Iterator[str]:
    for call in calls(rule, "absent", "absent_over_time"):
        matchers = [matcher for one in selectors(call) for matcher in one.matchers.matchers]
        if not matchers or any(matcher.op != promql.MatchOp.Equal for matcher in matchers):
            yield f"{call} has no static labels to speak with"


def windows_are_wide(rule: Rule, context: Context) -> Iterator[str]:
    for node, _ in walk(rule.node):
        if isinstance(node, promql.MatrixSelector):
            declared = context.known(node.vector_selector.name)
            interval = max(SCRAPE_INTERVAL, declared.interval if declared else 0.0)
            if node.range.total_seconds() < SCRAPES_IN_A_WINDOW * interval:
                yield f"{node} holds fewer than {SCRAPES_IN_A_WINDOW} samples, as one comes every {interval:g} s"


def divisions_are_guarded(rule: Rule, context: Context) -> Iterator[str]:
    for node, _ in walk(rule.node):
        if isinstance(node, promql.BinaryExpr) and str(node.op) == "/" and not _never_zero(node.rhs):
            yield f"{node} may divide by 0"
    for node in aggregations(rule):
        inner = bare(node.expr)
        if isinstance(inner, promql.BinaryExpr) and str(inner.op) == "/":
            yield f"{node} aggregates ratios; divide what is aggregated"


def _never_zero(node: Any) -> bool:
    inner = bare(node)
    if isinstance(inner, promql.UnaryExpr):
        return _never_zero(inner.expr)
    if isinstance(inner, promql.AggregateExpr):
        return str(inner.op) == "count"
    if isinstance(inner, promql.BinaryExpr):
        return str(inner.op) in (">", "<") and is_scalar(inner.rhs)
    return isinstance(inner, promql.NumberLiteral) and inner.val != 0


EXPRESSION_CHECKS: Final[tuple[Check, ...]] = (
    metrics_exist, matchers_name_labels, regexes_are_needed, lists_of_labels_name_labels, vectors_are_matched,
    counters_are_rated, functions_are_sound, absence_has_static_labels, windows_are_wide, divisions_are_guarded,
)  # fmt: skip


def with_contexts(rules: tuple[Rule, ...]) -> Iterator[tuple[Rule, Context]]:
    """Yield each rule with what its file has recorded before it."""
    recorded: dict[tuple[str, str], frozenset[str]] = {}
    for rule in rules:
        context = Context({name: labels for (area, name), labels in recorded.items() if area == rule.area})
        yield rule, context
        if not rule.is_alert:
            recorded[rule.area, rule.name] = labels_of(rule.node, context) | frozenset(rule.labels)
