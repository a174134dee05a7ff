"""What a path may cost: none that `check` lets pass makes much more of a document than that is, or goes too deep."""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import jmespath
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.collector import Trouble
from exporter.jmes import compiled
from exporter.jmescost import growth
from tests.test_mapping import problems


@pytest.mark.parametrize("part", [
    "[@, @][]", "[@, @]", "{a: @, b: @}.*[]", "map(&[@, @], [@])[][]", "join('', [@, @])", "to_string([@])",
    "[?[@, @]].[@, @][]", "merge({a: @}, {b: @})", "not_null(@, @)", "([@, @] || a)", "([@, @] == a || [@, @])[]",
])  # fmt: skip
def test_what_doubles_over_and_over_is_found_beforehand(part: str) -> None:
    (found,) = problems(f'name: app_jobs, help: Jobs., value: "{" | ".join([part] * 20)}"')
    assert "targets.it.metrics[0].value: may make more than 64 times as much of a document" in found
    assert "; what stands in brackets" in found


def test_what_doubles_in_a_chain_without_pipes_is_found_as_well() -> None:
    for text in (".".join(["[@, @][]"] * 20), ".".join(["[a, b]"] * 20), "[*]." + ".".join(["{a: @, b: @}"] * 100)):
        with pytest.raises(ValueError, match="may make more than 64 times"):
            compiled(text)


def test_a_text_of_the_document_is_not_repeated() -> None:
    with pytest.raises(ValueError, match="joins by a text out of the document"):
        compiled("length(join(a, b))")
    assert compiled("join(', ', [a, b])").find({"a": "x", "b": "y"}) == "x, y"


@pytest.mark.parametrize("text", [
    "[" + ", ".join(["a"] * 64) + "]", "sum([length(a), length(b), length(c)])", "a[*].{x: b, y: c}[].[x, y][]",
    "a || b || c || `0`", "sort_by(a, &b)[0].c", "max_by(a[?b > `1`], &c).d", " || ".join(["a"] * 50), "a" + ".b" * 900,
    "length(a[?b == `true` && c != 'x'])", "a[1:2].b", "a.*.b", "!a", "to_string([a])",
])  # fmt: skip
def test_what_mappings_ask_is_taken(text: str) -> None:
    assert compiled(text).text == text


@pytest.mark.parametrize("operator", [" || ", " && ", " | ", "[].", "[*]."])
def test_what_goes_too_deep_is_found_beforehand(operator: str) -> None:
    for levels in (52, 150):
        with pytest.raises(ValueError, match="is nested too deep; expected 50 levels at most"):
            compiled(operator.join(["a"] * levels))


def test_what_may_go_deepest_is_searched_within_what_python_allows() -> None:
    inner = "@"
    for _ in range(24):
        inner = f"map(&{inner}, @)"
    document: Any = 1
    for _ in range(24):
        document = [document]

    def deep(levels: int) -> Any:
        return deep(levels - 1) if levels else compiled(inner).find(document)

    assert deep(100) == document  # a round does not stand deeper than that


def test_one_that_is_searched_too_deep_all_the_same_is_a_trouble() -> None:
    path = compiled(" || ".join(["a"] * 50))
    frame, depth = sys._getframe(), 0
    while frame.f_back:
        frame, depth = frame.f_back, depth + 1

    def deep(levels: int) -> Any:
        return deep(levels - 1) if levels else path.find({})

    with pytest.raises(Trouble, match="does not fit what came: RecursionError"):
        deep(sys.getrecursionlimit() - depth - 60)


# ---- the bound holds


def joined(form: str) -> Callable[[tuple[str, str]], str]:
    return lambda parts: form.format(*parts)


PLAIN = st.sampled_from(
    ["@", "a", "b", "[0]", "*", "[]", "[*]", "[:2]", "a.b", "keys(@)", "values(@)", "[?a]", "length(@)"]
)
FORMS = [
    "{0} | {1}", "[{0}, {1}]", "[{0}, {1}][]", "{{a: {0}, b: {1}}}", "({0}) || ({1})", "({0}) && ({1})",
    "to_string({0})", "to_string([{0}])", "map(&{0}, {1})", "not_null({0}, {1})", "sort_by({1}, &{0})",
    "merge({0}, {1})", "join('', {0})", "join('-', [{0}, {1}])", "[*].[{0}, {1}]", "[?{0}].[{1}]", "reverse({0})",
    "to_array({0})", "({0}) == ({1})", "!({0})",
]  # fmt: skip
EXPRESSIONS = st.recursive(
    PLAIN, lambda inner: st.one_of([st.tuples(inner, inner).map(joined(form)) for form in FORMS]), max_leaves=12
)
DOCUMENTS = st.recursive(
    st.integers(0, 9) | st.sampled_from(["a", 'b"', "\\"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=8,
)


@given(EXPRESSIONS, DOCUMENTS)
def test_no_search_makes_more_than_it_is_taken_for(text: str, document: Any) -> None:
    expression: Any = jmespath.compile(text)
    try:
        found = expression.search(document)
    except (ValueError, TypeError):
        return  # a function that does not fit
    each = len(json.dumps(document)) + 30 * len(text)  # what names, brackets and figures of its own add
    assert len(json.dumps(found)) <= growth(expression.parsed) * each


def test_the_most_that_is_taken_is_quick() -> None:
    path = compiled(" | ".join(["[@, @][]"] * 6))
    began = time.monotonic()
    assert path.find(list(range(1000))) == list(range(1000)) * 64
    assert time.monotonic() - began < 5
