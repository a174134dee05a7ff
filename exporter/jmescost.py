"""What a JMESPath may cost: how deep it is nested, and how much more than the document a search may make.

Without bounds `[@,@][] | [@,@][] | ...` doubles the document with each part, within a line of text.
"""

import math
from collections.abc import Iterator
from typing import Any, Final

_DEEPEST: Final = 50  # a search calls itself several times for each level
_MOST_COPIES: Final = 64  # of the document
_BESIDE: Final = frozenset({"multi_select_list", "multi_select_dict"})
_ONE_OF: Final = frozenset({"or_expression", "and_expression", "comparator"})


def cost_problems(expression: Any) -> Iterator[str]:
    """Yield why a parsed expression may cost too much, and what was expected."""
    if _is_deeper(expression, _DEEPEST):
        yield f"is nested too deep; expected {_DEEPEST} levels at most, so fewer operators after each other"
    elif (times := growth(expression)) > _MOST_COPIES:
        remedy = "what stands in brackets or functions after each other multiplies, so expected less of it"
        yield f"may make more than {_MOST_COPIES} times as much of a document ({times:.3g} times); {remedy}"
    elif any(_repeats(node) for node in _nodes(expression)):
        yield "joins by a text out of the document, as often as there are items; expected one such as `', '`"


def children(node: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the parts of a node of a parsed expression."""
    return [child for child in node["children"] if isinstance(child, dict)]  # those of a slice are numbers


def _is_deeper(expression: dict[str, Any], levels: int) -> bool:
    """Tell whether it is nested deeper; level by level, as recursion has its own limit."""
    level = [expression]
    for _ in range(levels):
        level = [child for node in level for child in children(node)]
    return bool(level)


def growth(node: dict[str, Any]) -> int:
    """Return how many times the document what a search makes can be at most, on its way too.

    Parts beside each other add up, as each may give the whole document; parts after each other multiply. None of them
    can look back at the whole document, so nothing else lets what is made grow.
    """
    kind, found = node["type"], [growth(child) for child in children(node)]
    if kind in _BESIDE:
        return max(1, sum(found))
    if kind in _ONE_OF:
        return max(found)
    return _growth_of_call(node, found) if kind == "function_expression" else math.prod(found)


def _growth_of_call(node: dict[str, Any], found: list[int]) -> int:
    applied = [child["type"] == "expref" for child in children(node)]  # to each item of the other arguments
    each = math.prod(copies for copies, is_applied in zip(found, applied, strict=True) if is_applied)
    given = sum(copies for copies, is_applied in zip(found, applied, strict=True) if not is_applied)
    escaped = 2 if node["value"] == "to_string" else 1  # a quote and a backslash get a backslash each time
    return max(1, given) * each * escaped


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in children(node):
        yield from _nodes(child)


def _repeats(node: dict[str, Any]) -> bool:
    called = node["value"] if node["type"] == "function_expression" else ""
    return called == "join" and children(node)[0]["type"] != "literal"
