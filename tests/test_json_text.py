"""Bytes to JSON: what is none is refused within bounds, with a reason that says what came."""

import json
import math
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.collector import Trouble
from exporter.jsontext import MAX_VALUES, parse
from exporter.secret import Secret


def refused(data: bytes, depth: int = 9, shown: bool = True) -> Trouble:
    with pytest.raises(Trouble) as caught:
        parse(data, "the answer", depth, shown=shown)
    return caught.value


@pytest.mark.parametrize(("data", "value"), [
    (b'{"a": [1, 2.5, true, null, "x"]}', {"a": [1, 2.5, True, None, "x"]}),
    (b"\xef\xbb\xbf[1]", [1]),
    (b" 3 ", 3),
    ('"é"'.encode(), "é"),
    (b"1e999", math.inf),
    (b"9" * 399, int("9" * 399)),
    (b"9" * 5000, math.inf),
])  # fmt: skip
def test_what_is_json(data: bytes, value: object) -> None:
    assert parse(data, "it") == value


def test_nan_is_taken_as_python_and_javascript_write_it() -> None:
    assert math.isnan(parse(b'{"a": NaN}', "it")["a"])


@pytest.mark.parametrize(("data", "reason"), [
    (b"", "the answer is empty"),
    (b" \n", "the answer is empty"),
    (b"\n<!DOCTYPE html>\n<title>Log  in</title>", "is HTML or XML, not JSON: '<!DOCTYPE html> <title>Log in</title>'"),
    (b'{"a": 1', "is not JSON (line 1, column 8): '{\"a\": 1'"),
    (b"[1]]", "goes on after its end (line 1, column 4)"),
    (b'{"a": 1}\n{"a": 2}', "goes on after its end (line 2, column 1)"),
    (b"OK", "is not JSON (line 1, column 1): 'OK'"),
    (b"{'a': 1}", "is not JSON"),
    (b'{"a": 1, "a": 2}', "has a key twice in one object"),
    (b'["\xff"]', "is not UTF-8 at byte 3"),
    ("[1]".encode("utf-16"), "is not UTF-8 at byte 1"),
    (b"x" * 1000, "'" + "x" * 79 + "…'"),
])  # fmt: skip
def test_what_is_not(data: bytes, reason: str) -> None:
    said = refused(data)
    assert reason in str(said)
    assert said.fix


def test_nothing_of_it_is_shown_where_that_is_not_meant() -> None:
    for data in (b"<html>canary", b"canary", b"[1] canary", b'{"canary": 1, "canary": 2}', b'["canary'):
        assert "canary" not in str(refused(data, shown=False))


def test_secrets_are_masked_before_the_text_is_cut() -> None:
    Secret("a-secret-of-json-text")
    assert "a-secret" not in str(refused(b"x" * 70 + b" a-secret-of-json-text"))


@pytest.mark.parametrize("before", [1980, 1995, (16 << 10) - 12])
def test_half_a_secret_does_not_show_either(before: int) -> None:
    Secret("another-secret-of-json-text")
    said = str(refused(b"oh" + b" " * before + b"another-secret-of-json-text", depth=9))
    assert "'oh" in said
    assert "another" not in said


def test_each_of_several_is_looked_into() -> None:
    for deep in (b"[1, [[2]]]", b'{"a": 1, "b": {"c": [2]}}', b"[[1], [2], [[3]]]"):
        parse(deep, "it", 3)
        assert "nested more than 2 levels deep" in str(refused(deep, depth=2))


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_depth(opening: bytes) -> None:
    closing = b"]" if opening == b"[" else b"}"
    parse(opening * 9 + b"1" + closing * 9, "it")
    said = refused(opening * 10 + b"1" + closing * 10)
    assert str(said) == "the answer is nested more than 9 levels deep"
    assert "`max_depth`" in said.fix
    parse(opening * 10 + b"1" + closing * 10, "it", 10)
    assert "nested" in str(refused(opening * 100_000 + b"1" + closing * 100_000))
    assert "not JSON" in str(refused(opening * 500)) or "nested" in str(refused(opening * 500))


@pytest.mark.parametrize("piece", [b"{}", b"[]", b'""', b"1"])
def test_short_values_do_not_fill_the_memory(piece: bytes) -> None:
    many = b"[" + b",".join([piece] * 900_000) + b"]"
    tracemalloc.start()
    said = refused(many)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert f"holds more than {MAX_VALUES:,} values" in str(said)
    assert peak < 1 << 20


def test_what_is_taken_takes_a_bounded_memory() -> None:
    most = b"[" + b",".join([b"{}"] * (MAX_VALUES // 2 - 1)) + b"]"
    tracemalloc.start()
    parse(most, "it")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 32 << 20


@given(st.binary(max_size=200))
def test_any_bytes_are_json_or_refused(data: bytes) -> None:
    try:
        value = parse(data, "it")
    except Trouble:
        return
    assert isinstance(value, str | int | float | list | dict | None)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


@given(VALUES)
def test_what_python_writes_is_read(value: object) -> None:
    assert parse(json.dumps(value).encode(), "it", 100) == value
