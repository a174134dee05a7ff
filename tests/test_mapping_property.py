"""Whatever a document holds, the mapping makes samples that can stand on a page, or says what does not fit."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from exporter.collector import Trouble
from exporter.exposition import render
from exporter.mapping import MappedMetric
from exporter.mappingpick import Picker

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["a", "12.5", "NaN"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
METRICS = [
    MappedMetric(name="app", help="It.", value="a"),
    MappedMetric(name="app", help="It.", value="@", convert="text"),
    MappedMetric(name="app", help="It.", value="a.b || c", convert="time_local"),
    MappedMetric(name="app", help="It.", value="@", each="a", labels={"x": "@", "y": "b"}),
    MappedMetric(name="app", help="It.", value="value", each="@", labels={"x": "key"}, scale=0.001),
    MappedMetric(name="app", help="It.", value="a", states=("a", "b")),
    MappedMetric(name="app_info", help="It.", type="info", labels={"x": "a", "y": "'z'"}),
    MappedMetric(name="app_total", help="It.", value="sum(a)", type="counter"),
    MappedMetric(name="app", help="It.", value="max(a) || ceil(b) || avg(c) || length(@)"),
]


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.value or metric.name)
@given(document=VALUES)
def test_any_document(metric: MappedMetric, document: Any) -> None:
    try:
        page = render([sample for sample in Picker([metric], "JSON").samples(document) if sample])
    except Trouble:
        return  # what is said then has its own tests
    series = [
        (one.name, tuple(one.labels.items()))
        for family in text_string_to_metric_families(page)
        for one in family.samples
    ]
    assert len(series) == len(set(series)) > 0
