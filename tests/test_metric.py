"""Declaring metrics, and making samples."""

import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from exporter import metric
from exporter.metric import CATALOGUE, DeclarationError, Histogram, Metric, Pattern, Sample

Make = Callable[..., Metric]
USED = Metric("disk_used", "gauge", "Use.", labels=("device", "mode"), source="df")
SIMPLE = Metric("load", "gauge", "Load.", source="loadavg")


@pytest.fixture
def catalogue(monkeypatch: pytest.MonkeyPatch) -> dict[str, Metric | Pattern]:
    empty: dict[str, Metric | Pattern] = {}
    monkeypatch.setattr(metric, "CATALOGUE", empty)
    return empty


def test_a_sample_carries_its_labels_in_the_order_of_the_declaration() -> None:
    assert USED(3, mode="rw", device="sda") == Sample(USED, ("sda", "rw"), 3)


@pytest.mark.parametrize(
    "labels",
    [{}, {"device": "sda"}, {"device": "sda", "mod": "rw"}, {"device": "sda", "mode": "rw", "path": "/"}],
)
def test_labels_that_do_not_fit_raise_at_once(labels: dict[str, str]) -> None:
    with pytest.raises(DeclarationError, match=r"disk_used has the labels \['device', 'mode'\]"):
        USED(3, **labels)


@pytest.mark.parametrize("value", [None, 3, b"sda", True])
def test_a_label_value_is_text(value: Any) -> None:
    with pytest.raises(DeclarationError, match="label values are text"):
        USED(3, device=value, mode="rw")


def test_what_is_not_known_gives_no_sample() -> None:
    assert USED(None, device="sda", mode="rw") is None


@pytest.mark.parametrize(
    ("given", "kept"),
    [(True, 1), (False, 0), (7, 7), (-0.5, -0.5), (Decimal("1.5"), 1.5), (Decimal("NaN"), math.nan), (10**30, 10**30)],
)
def test_numbers_become_int_or_float(given: float | Decimal, kept: float) -> None:
    sample = SIMPLE(given)
    assert sample is not None
    assert type(sample.value) is type(kept)
    assert sample.value == kept or kept != kept


@pytest.mark.parametrize("value", ["1", b"1", [], object(), 1j, Histogram((), 0, 0)])
def test_what_is_no_number_raises(value: Any) -> None:
    with pytest.raises(DeclarationError):
        SIMPLE(value)


def test_a_histogram_takes_histograms_only() -> None:
    latency = Metric("latency", "histogram", "Time.", source="the log")
    value = Histogram(((0.1, 2),), 3, 4.5)
    assert latency(value) == Sample(latency, (), value)
    for number in (1, 1.0, True, Decimal(1)):
        with pytest.raises(DeclarationError, match="is a histogram"):
            latency(number)


@pytest.mark.parametrize(
    ("buckets", "count"),
    [
        (((1, 1), (1, 2)), 3),
        (((2, 1), (1, 2)), 3),
        (((1, 1), (math.inf, 3)), 3),
        (((-math.inf, 1), (1, 3)), 3),
        (((math.nan, 1),), 3),
        (((1, 2), (2, 1)), 3),
        (((1, -1),), 3),
        (((1, 2), (2, 4)), 3),
        ((), -1),
    ],
)
def test_a_histogram_that_cannot_be_is_refused(buckets: tuple[tuple[float, int], ...], count: int) -> None:
    with pytest.raises(DeclarationError, match="a histogram"):
        Histogram(buckets, count, 1.0)


@pytest.mark.parametrize("label", ["job", "instance", "target", "le", "quantile", "exported_x", "__x", "a-b", "", "é"])
def test_labels_that_prometheus_sets_itself_are_refused(label: str) -> None:
    with pytest.raises(DeclarationError, match="cannot have a label"):
        Metric("x", "gauge", "X.", labels=(label,), source="x")


def test_a_label_cannot_stand_twice() -> None:
    with pytest.raises(DeclarationError, match="twice"):
        Metric("x", "gauge", "X.", labels=("a", "a"), source="x")


@pytest.mark.parametrize("name", ["", "1x", "a-b", "a b", "é", "x\n"])
def test_a_name_is_one_that_prometheus_takes(name: str) -> None:
    with pytest.raises(DeclarationError, match="is not a metric name"):
        Metric(name, "gauge", "X.", source="x")


@pytest.mark.parametrize(("help", "source"), [("", "x"), ("X.", ""), (" ", "x")])
def test_help_and_source_say_something(help: str, source: str) -> None:
    with pytest.raises(DeclarationError, match="must say something"):
        Metric("x", "gauge", help, source=source)


@pytest.mark.parametrize("prefix", ["runbook_", "duckdb_", "sqlite_"])
@pytest.mark.parametrize(
    ("rest", "kind", "unit"),
    [
        ("rows", "counter", ""),
        ("rows_total", "gauge", ""),
        ("rows_count", "gauge", ""),
        ("time_sum", "gauge", ""),
        ("time_bucket", "gauge", ""),
        ("bytes_free", "gauge", "bytes"),
        ("time_ms", "gauge", "ms"),
        ("rowsRead", "gauge", ""),
    ],
)
def test_naming_rules_bind_our_own_names_only(prefix: str, rest: str, kind: metric.Kind, unit: str) -> None:
    with pytest.raises(DeclarationError):
        Metric(prefix + rest, kind, "X.", unit=unit, source="x")
    assert Metric("pg_" + rest, kind, "X.", unit=unit, source="x").name == "pg_" + rest


@pytest.mark.parametrize(
    ("name", "kind", "unit", "fold"),
    [
        ("runbook_size_bytes", "gauge", "bytes", "sum"),
        ("runbook_read_bytes_total", "counter", "bytes", "sum"),
        ("runbook_made_timestamp_seconds", "gauge", "timestamp_seconds", "drop"),
        ("runbook_hit_ratio", "gauge", "ratio", "drop"),
        ("runbook_rows", "gauge", "", "sum"),
        ("runbook_build_info", "gauge", "info", "drop"),
    ],
)
def test_the_unit_is_read_from_the_name(name: str, kind: metric.Kind, unit: str, fold: str) -> None:
    declared = Metric(name, kind, "X.", source="x")
    assert (declared.unit, declared.fold) == (unit, fold)


@pytest.mark.parametrize(
    "again",
    [metric.gauge, metric.counter, metric.histogram, metric.untyped],
)
def test_a_metric_is_declared_once(catalogue: dict[str, Metric | Pattern], again: Make) -> None:
    first = metric.gauge("x", "X.", source="x")
    with pytest.raises(DeclarationError, match="x is declared twice"):
        again("x", "X.", source="x")
    assert catalogue == {"x": first}


def test_every_way_to_declare_gives_its_kind(catalogue: dict[str, Metric | Pattern]) -> None:
    made: list[Metric | Pattern] = [
        metric.gauge("a", "X.", source="x", fact=True, fold="max"),
        metric.counter("b", "X.", source="x"),
        metric.histogram("c", "X.", source="x"),
        metric.untyped("d", "X.", source="x"),
        metric.info("e_info", "X.", labels=("v",), source="x"),
        metric.pattern("f_*", "counter", "X.", source="x"),
    ]
    assert [item.kind for item in made] == ["gauge", "counter", "histogram", "untyped", "gauge", "counter"]
    assert list(catalogue.values()) == made
    assert made[0].fact
    assert not made[1].fact


def test_a_pattern_makes_each_metric_once() -> None:
    memory = Pattern("node_memory_*_bytes", "gauge", "Memory: *.", source="/proc/meminfo")
    active = memory.named("Active(anon)")
    assert active is memory.named("Active(anon)")
    assert (active.name, active.help, active.unit) == (
        "node_memory_Active_anon__bytes",
        "Memory: Active(anon).",
        "bytes",
    )
    assert memory.named("Active_anon_") is active  # one name is one metric, so that duplicates are noticed


@pytest.mark.parametrize("name", ["node_memory", "a_*_*", "runbook_*_count", "runbook_X_*", "a-*"])
def test_a_pattern_that_could_make_no_metric_is_refused(name: str) -> None:
    with pytest.raises(DeclarationError):
        Pattern(name, "gauge", "X.", source="x")


def test_a_pattern_is_declared_once(catalogue: dict[str, Metric | Pattern]) -> None:
    metric.pattern("a_*", "gauge", "X.", source="x")
    with pytest.raises(DeclarationError, match="declared twice"):
        metric.pattern("a_*", "gauge", "X.", source="x")


def test_the_real_catalogue_has_each_metric_under_its_name() -> None:
    from exporter import selfmetrics

    assert CATALOGUE["runbook_target_up"] is selfmetrics.TARGET_UP
    assert all(name == declared.name for name, declared in CATALOGUE.items())
