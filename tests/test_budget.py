"""Series budgets: a steady top, and an `other` whose counters only grow."""

import itertools
import math
from collections.abc import Iterator, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.budget import _REMEMBERED, Budget
from exporter.collector import Members, Read, Trouble
from exporter.metric import Fold, Histogram, Metric, Sample, Samples, Value

SIZE = Metric("size_bytes", "gauge", "Size.", labels=("table",), source="the test")
READS = Metric("reads_total", "counter", "Reads.", labels=("table", "kind"), source="the test")
CALLS = Metric("calls_total", "counter", "Calls.", labels=("table",), source="the test")
TIME = Metric("time_seconds", "histogram", "Times.", labels=("table",), source="the test")
TABLES = Metric("tables", "gauge", "Tables.", source="the test")


def no_samples(_: object) -> Samples:
    yield None


def budget(top: int, rank: Metric = SIZE, limit: int = 1000, labels: tuple[str, ...] = ("table",)) -> Budget:
    return Budget(Read("tables", no_samples, "Tables.", members=Members(labels, top, rank)), limit)


def present(*samples: Sample | None) -> Iterator[Sample]:
    return (sample for sample in samples if sample is not None)


def sizes(budget: Budget, **ranks: float) -> tuple[dict[str, Value], int]:
    samples, cut = budget.fit(present(*(SIZE(size, table=table) for table, size in ranks.items())))
    return {sample.labels[0]: sample.value for sample in samples}, cut


def calls(budget: Budget, counts: Mapping[str, float]) -> dict[str, Value]:
    """Return the page's counters by member, each ranked by itself."""
    samples, _ = budget.fit(present(*(CALLS(count, table=table) for table, count in counts.items())))
    return {sample.labels[0]: sample.value for sample in samples}


# ---- the limit


def test_a_read_within_its_limit_is_left_as_it_is() -> None:
    samples = tuple(present(TABLES(1), TABLES(2)))
    assert Budget(Read("x", no_samples, "X."), 2).fit(iter(samples)) == (samples, 0)


def test_a_read_over_its_limit_fails_and_says_what_to_do() -> None:
    with pytest.raises(Trouble, match="the read x gives more than 1,000 series") as raised:
        Budget(Read("x", no_samples, "X."), 1000).fit(present(*(TABLES(n) for n in range(1001))))
    assert "series_limit" in raised.value.fix


def test_an_endless_read_is_cut_off() -> None:
    asked = 0

    def endless() -> Iterator[Sample]:
        nonlocal asked
        while True:
            asked += 1
            yield from present(TABLES(asked))

    with pytest.raises(Trouble, match="more than 5"):
        Budget(Read("x", no_samples, "X."), 5).fit(endless())
    assert asked == 6
    with pytest.raises(Trouble, match="more than 5"):
        budget(3, limit=5).fit(endless())


def test_what_is_not_known_is_no_series() -> None:
    for table in (Budget(Read("x", no_samples, "X."), 3), budget(3, limit=3)):
        given = (*[None] * 500, *present(*(TABLES(n) for n in range(3))), *[None] * 500)
        assert len(table.fit(iter(given))[0]) == 3


@pytest.mark.parametrize("budget", [Budget(Read("x", no_samples, "X."), 3), budget(3, limit=3)])
def test_an_endless_read_of_nothing_is_cut_off(budget: Budget) -> None:
    with pytest.raises(Trouble, match="does not end"):
        budget.fit(itertools.repeat(None))


def test_more_than_the_limit_may_be_folded_into_it() -> None:
    folded, cut = sizes(budget(3, limit=5), **{f"t{n}": n for n in range(40)})
    assert folded == {"t37": 37, "t38": 38, "t39": 39, "other": sum(range(37))}
    assert cut == 37


def test_what_is_over_the_limit_when_folded_fails() -> None:
    with pytest.raises(Trouble, match="more than 5"):
        sizes(budget(9, limit=5), **{f"t{n}": n for n in range(9)})


# ---- gauges


def test_all_members_of_a_small_crowd_have_their_own_series() -> None:
    assert sizes(budget(3), a=1, b=2, c=3) == ({"a": 1, "b": 2, "c": 3}, 0)


def test_gauges_beyond_the_top_add_up_in_other() -> None:
    assert sizes(budget(2), a=1, b=20, c=3, d=40) == ({"b": 20, "d": 40, "other": 4}, 2)


def test_the_top_is_steady() -> None:
    tables = budget(1)
    assert sizes(tables, a=100, b=90)[0] == {"a": 100, "other": 90}
    assert sizes(tables, a=100, b=120)[0] == {"a": 100, "other": 120}  # ahead, but not far enough
    assert sizes(tables, a=100, b=130)[0] == {"b": 130, "other": 100}
    assert sizes(tables, a=150, b=130)[0] == {"b": 130, "other": 150}


def test_members_of_one_rank_do_not_take_turns() -> None:
    tables = budget(2)
    assert sizes(tables, a=0, b=0)[0].keys() == {"a", "b"}
    assert sizes(tables, a=0, b=0, c=0, z=0)[0].keys() == {"a", "b", "other"}


def test_a_rank_that_is_no_number_is_the_last() -> None:
    assert sizes(budget(1), a=math.nan, b=1, c=math.nan)[0].keys() == {"b", "other"}


def test_a_member_without_a_rank_is_behind_those_that_have_one() -> None:
    samples, _ = budget(1).fit(present(CALLS(1, table="a"), SIZE(1, table="b"), SIZE(2, table="c")))
    assert [sample.labels for sample in samples if sample.metric is SIZE] == [("c",), ("other",)]


def test_the_rank_of_a_member_adds_up_its_samples() -> None:
    counts = {"a": (1000, 1), "b": (5, 5), "c": (6, math.nan)}
    samples, _ = budget(1, rank=READS).fit(
        present(*(READS(count, table=table, kind=str(kind)) for table, pair in counts.items()
                  for kind, count in enumerate(pair)))
    )  # fmt: skip
    assert {sample.labels[0] for sample in samples} == {"a", "other"}


@pytest.mark.parametrize(("fold", "other"), [("sum", 6), ("max", 4), ("min", 2), ("drop", None)])
def test_other_adds_up_as_the_metric_says(fold: Fold, other: float | None) -> None:
    size = Metric("size", "gauge", "Size.", labels=("table",), source="the test", fold=fold)
    samples, cut = budget(1, rank=size).fit(present(size(9, table="a"), size(2, table="b"), size(4, table="c")))
    shown = {sample.labels[0]: sample.value for sample in samples}
    assert shown == {"a": 9} | ({} if other is None else {"other": other})
    assert cut == 2


def test_other_keeps_the_labels_that_are_not_the_members() -> None:
    samples, _ = budget(1).fit(
        present(SIZE(9, table="a"), READS(5, table="b", kind="seq"), READS(6, table="b", kind="index"), TABLES(2))
    )
    assert {(sample.metric, sample.labels) for sample in samples} == {
        (SIZE, ("a",)), (READS, ("other", "seq")), (READS, ("other", "index")), (TABLES, ()),
    }  # fmt: skip


def test_a_member_really_called_other_is_part_of_other() -> None:
    tables = budget(2)
    assert sizes(tables, other=50, a=1, b=2) == ({"a": 1, "b": 2, "other": 50}, 1)
    assert sizes(tables, other=50, a=1, b=2, c=0.5)[0] == {"a": 1, "b": 2, "other": 50.5}


# ---- counters


def test_a_counter_once_admitted_stays_whoever_overtakes_it() -> None:
    tables = budget(1, rank=CALLS)
    assert calls(tables, {"a": 100, "b": 90}) == {"a": 100, "other": 0}
    assert calls(tables, {"a": 100, "b": 900_090}) == {"a": 100, "other": 900_000}
    assert calls(tables, {"a": 101, "b": 900_100}) == {"a": 101, "other": 900_010}


def test_the_first_round_is_where_other_begins() -> None:
    assert calls(budget(1, rank=CALLS), {"a": 100, "b": 90, "c": 5}) == {"a": 100, "other": 0}


def test_a_member_born_later_counts_from_nothing() -> None:
    tables = budget(1, rank=CALLS)
    calls(tables, {"a": 100})
    assert calls(tables, {"a": 100, "b": 7}) == {"a": 100, "other": 7}


def test_a_counter_that_starts_again_counts_from_nothing() -> None:
    tables = budget(1, rank=CALLS)
    calls(tables, {"a": 100, "b": 90})
    assert calls(tables, {"a": 100, "b": 3}) == {"a": 100, "other": 3}


def test_other_stays_when_its_members_are_gone() -> None:
    tables = budget(1, rank=CALLS)
    calls(tables, {"a": 100, "b": 90})
    calls(tables, {"a": 100, "b": 95})
    assert calls(tables, {"a": 100}) == {"a": 100, "other": 5}


def test_a_member_that_comes_back_brings_no_burst() -> None:
    tables = budget(1, rank=CALLS)
    calls(tables, {"a": 100, "b": 90})
    calls(tables, {"a": 100})
    assert calls(tables, {"a": 100, "b": 92}) == {"a": 100, "other": 2}


def test_an_admitted_member_that_lost_its_place_while_away_counts_on_in_other() -> None:
    tables = budget(1, rank=CALLS)
    calls(tables, {"a": 100})
    assert calls(tables, {"new": 3}) == {"new": 3}
    assert calls(tables, {"new": 3, "a": 150}) == {"new": 3, "other": 50}


def test_a_member_once_refused_never_gets_a_series_of_its_own() -> None:
    tables = budget(1, rank=CALLS)
    calls(tables, {"a": 100, "b": 90})
    calls(tables, {})
    assert calls(tables, {"b": 900}) == {"other": 810}


def test_a_count_that_is_no_number_does_not_spoil_other() -> None:
    tables = budget(1, rank=CALLS)
    calls(tables, {"a": 100, "b": 90, "c": 1})
    assert calls(tables, {"a": 100, "b": math.nan, "c": math.inf})["other"] == 0
    assert calls(tables, {"a": 100, "b": 95, "c": 2})["other"] == 6


def test_a_member_without_a_rank_for_a_round_keeps_its_place() -> None:
    tables = budget(1)
    live = Metric("live", "gauge", "Rows.", labels=("table",), source="the test")

    def top(**ranks: float | None) -> str:
        given = (sample for table, rank in ranks.items() for sample in (SIZE(rank, table=table), live(1, table=table)))
        samples, _ = tables.fit(given)
        return next(sample.labels[0] for sample in samples if sample.metric is live)

    assert top(a=100, b=60) == "a"
    assert top(a=None, b=60) == "a"
    assert top(a=None, b=70) == "a"
    assert top(b=70) == "b"  # gone, and so forgotten
    assert top(a=None, b=70) == "b"


def test_histograms_are_counted_like_counters() -> None:
    tables = budget(1)

    def fit(a: Histogram, b: Histogram) -> dict[str, Value]:
        samples, _ = tables.fit(present(SIZE(9, table="a"), SIZE(1, table="b"), TIME(a, table="a"), TIME(b, table="b")))
        return {sample.labels[0]: sample.value for sample in samples if sample.metric is TIME}

    first = Histogram(((1, 5), (2, 8)), 10, 12.5)
    assert fit(first, first) == {"a": first, "other": Histogram(((1, 0), (2, 0)), 0, 0)}
    grown = Histogram(((1, 6), (2, 10)), 13, 20.0)
    assert fit(grown, grown) == {"a": grown, "other": Histogram(((1, 1), (2, 2)), 3, 7.5)}
    anew = Histogram(((1, 1), (2, 1)), 1, 0.5)
    assert fit(grown, anew)["other"] == Histogram(((1, 2), (2, 3)), 4, 8.0)
    assert fit(grown, Histogram(((1, 1), (2, 6)), 6, 5.0))["other"] == Histogram(((1, 2), (2, 8)), 9, 12.5)
    unseen = Histogram(((1, 7), (2, 8)), 8, 9.0)  # larger everywhere, and yet it cannot have grown so
    assert fit(grown, unseen)["other"] == Histogram(((1, 9), (2, 16)), 17, 21.5)


def test_what_vanished_is_forgotten_in_time() -> None:
    tables = budget(1, rank=CALLS)
    for number in range(2 * _REMEMBERED):
        calls(tables, {"a": 1, f"b{number}": 2})
    assert len(tables._counters._last) <= _REMEMBERED + 5
    assert len(tables._counters._refused) <= _REMEMBERED + 5


ROUND = st.dictionaries(st.sampled_from(["a", "b", "c", "d", "e", "other"]), st.integers(0, 100), max_size=6)


@given(st.integers(1, 4), st.lists(ROUND, min_size=1, max_size=12))
def test_the_increases_on_the_page_are_those_of_the_members(top: int, rounds: list[dict[str, int]]) -> None:
    tables = budget(top, rank=CALLS)
    true = _Increases()
    shown = _Increases()
    own: set[str] = set()
    folded: set[str] = set()
    other = 0.0
    for number, counts in enumerate(rounds):
        page = calls(tables, counts)
        true.see(counts, first=number == 0)
        # `other` begins with nothing behind it, unlike the members that were there before we looked
        shown.see({name: value for name, value in page.items() if name != "other"}, first=number == 0)
        before, other = other, float(str(page.get("other", other)))
        assert other >= before
        assert shown.total + other == true.total
        own |= page.keys() - {"other"}
        folded |= counts.keys() - page.keys()
        assert len(page) <= top + 1
        assert not (folded & page.keys() - {"other"}), "a member moved out of `other`"


class _Increases:
    """What Prometheus would add up: each value less the one before, or all of it after a fall or a birth."""

    def __init__(self) -> None:
        self.total = 0.0
        self._last: dict[str, float] = {}

    def see(self, counts: Mapping[str, Value], *, first: bool) -> None:
        for name, count in counts.items():
            value = float(str(count))
            before = self._last.get(name, value if first else 0.0)
            self.total += value - before if value >= before else value
            self._last[name] = value
