"""Settings: how quantities are written, and which models a developer may declare."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.quantity import (
    parse_duration,
    parse_ratio,
    parse_size,
    show_duration,
    show_number,
    show_size,
)
from exporter.setting import Bytes, Seconds, Secret, SecretURL, describe, keys, setting


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5", 5.0), ("0.5", 0.5), ("90s", 90.0), ("1h30m", 5400.0), ("1h 30m", 5400.0), ("15m", 900.0), ("1d", 86400.0),
        ("2w", 1209600.0), ("500ms", 0.5), ("1.5h", 5400.0), ("300ms", 0.3), ("0", 0.0), ("5 s", 5.0),
    ],
)  # fmt: skip
def test_a_duration_is_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "s", "-1", "1e3", "5 minutes", "5M", "1h30", "1:30", "inf", "nan", "٣s", "9" * 50]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [("10", 10), ("10B", 10), ("500MB", 500_000_000), ("2GiB", 2 << 30), ("2gib", 2 << 30), ("1.5 kB", 1500), ("0", 0)],
)
def test_a_size_is_read(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-1", "10G", "1.5", "0.3B", "10 10", "999999999PiB", "1e3"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^is "):
        parse_size(text)


def test_a_ratio_is_read() -> None:
    assert [parse_ratio(text) for text in ("0.8", "80%", "80 %", "0", "1", "12.5%")] == [0.8, 0.8, 0.8, 0, 1, 0.125]
    for text in ("", "%", "1.1", "101%", "-1", "a"):
        with pytest.raises(ValueError, match=r"^is "):
            parse_ratio(text)


def test_quantities_are_shown_as_a_person_writes_them() -> None:
    assert [show_duration(seconds) for seconds in (0.0, 0.25, 5.0, 90.0, 5400.0, 86400.0 * 15, 1e-7)] == [
        "0s", "250ms", "5s", "1m30s", "1h30m", "2w1d", "0.0000001s",
    ]  # fmt: skip
    assert [show_size(size) for size in (0, 999, 1000, 1024, 1536, 5 << 30, 10**9)] == [
        "0", "999", "1kB", "1KiB", "1536", "5GiB", "1GB",
    ]  # fmt: skip
    assert [show_number(number) for number in (1.0, 0.8, 100.0, 1e-6)] == ["1", "0.8", "100", "0.000001"]


@given(st.floats(0, 3e9).map(lambda seconds: round(seconds, 9)), st.integers(0, 2**63 - 1))
def test_a_quantity_survives_being_shown(seconds: float, size: int) -> None:
    assert parse_duration(show_duration(seconds)) == seconds
    assert parse_size(show_size(size)) == size


def model(kind: Any, default: Any = None) -> type[Any]:
    made = type("Model", (), {"__annotations__": {"field": kind}, "field": setting(default, help="Something.")})
    return dataclass(frozen=True)(made)


@pytest.mark.parametrize(
    "kind",
    [set[str], list[str], str | int, tuple[str, int], dict[str, str], Literal[1], object, Mapping[int, str], None],
)
def test_a_type_that_yaml_cannot_fill_is_refused(kind: Any) -> None:
    with pytest.raises(TypeError, match=r"Model.field: settings cannot be of the type"):
        keys(model(kind))


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Seconds | None, "duration or null"),
        (tuple[Bytes, ...], "list of size"),
        (Mapping[str, Secret], "mapping of names to secret"),
        (Literal["a", "b"], "`a` or `b`"),
        (SecretURL, "address, its password kept secret"),
        (model(str), "mapping"),
    ],
)
def test_a_type_has_a_name_for_people(kind: Any, words: str) -> None:
    assert describe(keys(model(kind))["field"].type) == words


def test_a_setting_without_documentation_is_refused() -> None:
    @dataclass(frozen=True)
    class Silent:
        field: str = "x"

    @dataclass(frozen=True)
    class NoExample:
        field: str = setting(help="Required.")

    @dataclass(frozen=True)
    class Twice:
        key: Secret | None = setting(None, help="A secret.")
        key_file: str = setting("", help="Its file.")

    with pytest.raises(TypeError, match=r"Silent.field needs setting"):
        keys(Silent)
    with pytest.raises(TypeError, match=r"NoExample.field is required, so it needs an example"):
        keys(NoExample)
    with pytest.raises(TypeError, match=r"Twice.key_file is made by itself"):
        keys(Twice)


def test_a_mutable_default_is_not_shared() -> None:
    first, second = model(Mapping[str, str], {"a": "b"}), None
    second = first()
    assert first().field == second.field == {"a": "b"}
    assert first().field is not second.field
