"""Whatever an answer holds, a mapping takes figures from it that can be true, or says in our words what is wrong."""

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.collector import Trouble
from exporter.collectors.api.answerpaths import CostPath, QuotaPath, UsePath
from exporter.collectors.api.answers import Answer
from exporter.collectors.api.counting import RUNNING
from exporter.collectors.api.mappedfigures import Figures, figures_in

NOW = 1_796_000_000.0
NAMES = ("a", "b", "c", "d")
TEXTS = ("12.5", "1e400", "-3", "1m30s", "2026-11-29T10:00:00Z", "9999-12-31T23:59:59-12:00", "0001-01-01")
NUMBERS = st.integers(-(10**30), 10**30) | st.floats(allow_nan=False)
LEAVES = st.none() | st.booleans() | NUMBERS | st.text(max_size=8) | st.sampled_from(TEXTS)
DOCUMENTS = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner), max_leaves=20
)
ANSWERS = [
    Answer(name="look", quotas=(QuotaPath(limit="a", remaining="b", reset="c", model="d"),)),
    Answer(name="look", quotas=(QuotaPath(each="a", limit="b", used="c", reset="d", reset_as="unix"),)),
    Answer(name="look", quotas=(QuotaPath(each="a", limit="value", model="key", reset="d", reset_as="milliseconds"),)),
    Answer(name="look", used=(UsePath(count="tokens", value="a", less="b", model="c"),)),
    Answer(name="look", used=(UsePath(count="requests", buckets="a", each="b", since="c", value="d", model="a"),)),
    Answer(name="look", cost=CostPath(buckets="a", each="b", value="c", item="d", currency="a", scale=0.01)),
    Answer(name="look", cost=CostPath(value="a"), budget="b", data="c", more="d"),
    Answer(name="look", budget="a", budget_scale=1e300, data="b"),
]


def told(document: Any, answer: Answer) -> Figures | Trouble:
    try:
        return figures_in(document, answer, NOW)
    except Trouble as trouble:
        return trouble


@settings(max_examples=60, deadline=None)
@given(document=DOCUMENTS)
@pytest.mark.parametrize("number", range(len(ANSWERS)))
def test_an_answer_gives_figures_or_a_reason(number: int, document: Any) -> None:
    figures = told(document, ANSWERS[number])
    if isinstance(figures, Trouble):
        assert "`" in str(figures) or "two items" in str(figures)
        assert figures.fix
        return
    for quota in figures.quotas:
        assert all(value is None or 0 <= value < 9e18 for value in (quota.limit, quota.remaining))
        assert quota.reset is None or NOW - 3600 <= quota.reset <= NOW + 367 * 86400
        assert all(isinstance(label, str) for label in quota[:3])
    for count in figures.counts:
        assert 0 <= count.value < math.inf
        assert isinstance(count.bucket, int)
        assert count.bucket >= 0 if ANSWERS[number].used[0].since else count.bucket == RUNNING
    for figure in (figures.cost.total, figures.budget, figures.data, *figures.cost.items.values()):
        assert figure is None or math.isfinite(figure)
    assert figures.budget is None or figures.budget >= 0
