"""The mapping at work: documents to samples, and what does not fit."""

import math
from typing import Any

import pytest

from exporter.collector import Trouble
from exporter.exposition import render
from exporter.mapping import MappedMetric
from exporter.mappingpick import Picker

DOCUMENT: dict[str, Any] = {
    "queue": {"length": 3, "paused": False, "rate": 1.5},
    "users": [{"name": "a", "score": "12.5", "since": "2026-11-25T10:00:00Z"}, {"name": "b", "score": None}],
    "checks": {"db": {"ok": True, "ms": 12}, "redis": {"ok": False, "ms": 3}},
    "status": "degraded", "version": "1.10.0", "never": "0001-01-01T00:00:00Z", "nan": math.nan,
}  # fmt: skip


def lines(*metrics: MappedMetric, document: Any = None) -> list[str]:
    """Return the series of a mapping, without what is said of missing values."""
    found = render(filter(None, Picker(metrics, "JSON").samples(DOCUMENT if document is None else document)))
    return [line for line in found.splitlines() if not line.startswith(("#", "runbook_mapped"))]


def missing(*metrics: MappedMetric) -> list[int | float]:
    samples = [sample for sample in Picker(metrics, "JSON").samples(DOCUMENT) if sample]
    return [sample.value for sample in samples if sample.metric.name.startswith("runbook_mapped")]  # type: ignore[misc]


def metric(value: str = "", name: str = "app", help: str = "It.", **more: Any) -> MappedMetric:
    return MappedMetric(name=name, help=help, value=value, **more)


def trouble(wanted: MappedMetric, document: Any = None) -> str:
    with pytest.raises(Trouble) as caught:
        lines(wanted, document=document)
    assert caught.value.fix
    return str(caught.value)


def test_numbers_truths_and_what_they_are_multiplied_with() -> None:
    assert lines(metric("queue.length")) == ["app 3"]
    assert lines(metric("queue.rate", scale=0.001)) == ["app 0.0015"]
    assert lines(metric("queue.paused")) == ["app 0"]
    assert lines(metric("checks.db.ok")) == ["app 1"]
    assert lines(metric("length(users)")) == ["app 2"]
    assert lines(metric("@"), document=7) == ["app 7"]
    assert lines(metric("a"), document={"a": 2**70}) == [f"app {float(2**70)!r}"]
    assert lines(metric("a", name="app_total", type="counter"), document={"a": 5}) == ["app_total 5"]


def test_what_is_not_known_has_no_sample_and_is_counted() -> None:
    for path in ("nothing", "queue.nothing", "users[1].score", "nan", "length(nothing)", "users[9].score"):
        assert lines(metric(path)) == []
        assert missing(metric(path)) == [1]
    assert missing(metric("queue.length")) == [0]
    assert lines(metric("never", convert="time")) == []
    assert (lines(metric("@", each="nothing")), missing(metric("@", each="nothing"))) == ([], [1])
    assert missing(metric("score", each="users", convert="text", labels={"user": "name"})) == [1]


def test_a_document_that_is_no_object_lacks_everything() -> None:
    documents: tuple[Any, ...] = ([], "text", 3, True)
    for document in documents:
        assert lines(metric("a.b"), document=document) == []


def test_items_of_a_list_and_members_of_an_object() -> None:
    by_user = metric("score", each="users", convert="text", labels={"user": "name", "kind": "'human'"})
    assert lines(by_user) == ['app{user="a",kind="human"} 12.5']
    by_check = metric("value.ms", each="checks", labels={"check": "key"}, scale=0.001)
    assert lines(by_check) == ['app{check="db"} 0.012', 'app{check="redis"} 0.003']
    assert lines(metric("@", each="a", labels={"n": "to_string(@)"}), document={"a": [1, 2]}) == [
        'app{n="1"} 1', 'app{n="2"} 2',
    ]  # fmt: skip
    assert lines(metric("@", each="a"), document={"a": []}) == []


def test_states_are_a_series_each() -> None:
    wanted = metric("status", states=("healthy", "degraded", "critical"))
    assert lines(wanted) == ['app{state="healthy"} 0', 'app{state="degraded"} 1', 'app{state="critical"} 0']
    assert lines(metric("nothing", states=("healthy",))) == []
    assert "`status` is text 'degraded', expected one of healthy" in trouble(metric("status", states=("healthy",)))
    assert "`queue` is an object, expected one of x" in trouble(metric("queue", states=("x",)))


def test_infos_say_all_in_their_labels() -> None:
    assert lines(metric(name="app_info", type="info", labels={"version": "version"})) == [
        'app_info{version="1.10.0"} 1'
    ]


@pytest.mark.parametrize(("text", "number"), [
    ("12.5", "12.5"), (" 7 ", "7"), ("-1e3", "-1000.0"), ("true", "1"), ("FALSE", "0"), (".5", "0.5"),
    ("12345678901234567890", "1.2345678901234567e+19"),
])  # fmt: skip
def test_numbers_in_text_are_taken_only_when_asked_for(text: str, number: str) -> None:
    assert lines(metric("@", convert="text"), document=text) == [f"app {number}"]
    assert "is text, expected a number, or `convert: text`, or `states`" in trouble(metric("@"), text)


@pytest.mark.parametrize("text", ["", "abc", "1,5", "0x10", "1_000", "1e9999", "٣", "inf"])
def test_text_that_is_no_number(text: str) -> None:
    assert "`@` is text, expected" in trouble(metric("@", convert="text"), text)


@pytest.mark.parametrize(("convert", "text", "number"), [
    ("time", "2026-11-25T10:00:00Z", 1795600800), ("time", "2026-11-25T11:00:00+01:00", 1795600800),
    ("time", "2026-11-25 10:00:00.250+00:00", 1795600800.25), ("time", "20261125T100000Z", 1795600800),
    ("time_utc", "2026-11-25T10:00:00", 1795600800), ("time_utc", "2026-11-25T11:00:00+01:00", 1795600800),
    ("time_utc", "2026-11-25", 1795564800),
])  # fmt: skip
def test_times(convert: Any, text: str, number: float) -> None:
    (line,) = lines(metric("@", convert=convert), document=text)
    assert float(line.split()[1]) == number


def test_times_without_a_zone_are_not_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "expected a time zone in it" in trouble(metric("@", convert="time"), "2026-11-25T10:00:00")
    assert len(lines(metric("@", convert="time_local"), document="2026-11-25T10:00:00")) == 1
    for far in ("9999-12-31T23:59:59", "0002-01-01T00:00:00"):
        assert len(lines(metric("@", convert="time_utc"), document=far)) == 1
    for wrong in ("yesterday", "", "2026-13-01T00:00:00Z"):
        assert "expected a time such as" in trouble(metric("@", convert="time"), wrong)
    assert "a number needs only `scale`" in trouble(metric("@", convert="time"), 1795600800)


@pytest.mark.parametrize(("value", "kind"), [({}, "an object"), ([1], "a list"), ("x", "text")])
def test_a_value_of_another_kind_is_told_with_its_path(value: Any, kind: str) -> None:
    said = trouble(metric("a.b"), {"a": {"b": value}})
    assert said.startswith(f"app: `a.b` is {kind}, expected a number")


def test_what_is_too_large_negative_or_not_to_be_walked_through() -> None:
    assert "as large as that" in trouble(metric("@"), math.inf)
    assert "as large as that" in trouble(metric("@", scale=1e300), 10**300)
    assert "as large as that" in trouble(metric("@"), 10**350)
    assert "expected 0 or more" in trouble(metric("@", name="app_total", type="counter"), -1)
    assert "`a` is text, expected a list or an object" in trouble(metric("@", each="a"), {"a": "x"})
    assert "does not fit what came: sum() of" in trouble(metric("sum(@)"), {"a": 1})
    assert "does not fit what came: OverflowError" in trouble(metric("ceil(@)"), math.inf)


def test_labels_are_text_of_a_bounded_length() -> None:
    def label(value: Any) -> str:
        return lines(metric("b", labels={"a": "a"}), document={"a": value, "b": 1})[0]

    assert [label(value) for value in ("x", 3, 2.0, 1.5, True, None)] == [
        f'app{{a="{text}"}} 1' for text in ("x", "3", "2", "1.5", "true", "")
    ]
    assert label('a"\n\ud800') == 'app{a="a\\"\\n\\\\ud800"} 1'
    assert "expected text or a number for the label a" in trouble(metric("b", labels={"a": "a"}), {"a": [], "b": 1})
    assert "200 characters at most" in trouble(metric("b", labels={"a": "a"}), {"a": "x" * 201, "b": 1})


def test_two_items_of_one_name_are_no_two_series() -> None:
    said = trouble(metric("@", each="a"), {"a": [1, 2]})
    assert said == "app: two items give the same labels []"


def test_the_same_metric_is_one_object_wherever_it_is_made() -> None:
    first, second = (next(iter(Picker([metric("queue.length")], "JSON").samples(DOCUMENT))) for _ in range(2))
    assert first is not None
    assert second is not None
    assert first.metric is second.metric
