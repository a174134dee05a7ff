"""Counters from reports that still grow: nothing twice, nothing invented, nothing back, over restarts and kills."""

import itertools
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.collectors.api.counting import OTHER, RUNNING, Counting, Series
from exporter.collectors.api.found import Count
from exporter.state import Shelf, State
from tests.process import ROOT
from tests.support import until

HOUR = 3600
DAY = 24 * HOUR
NOW = 1_750_003_200
REQUESTS = ("requests", "gpt", "completions")


class Clock:
    """The clock of this machine, some minutes after an hour began; a test may set it."""

    def __init__(self) -> None:
        self.ahead = 300.0

    def time(self) -> float:
        return NOW + self.ahead


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("exporter.collectors.api.counting.time", clock)
    return clock


def shelf() -> Shelf:
    return State(None).shelf("target it")


def count(bucket: int, value: float, model: str = "gpt") -> Count:
    return Count("requests", (model, "completions"), bucket, value)


def after(*reports: Iterable[Count], kept: Shelf | None = None, anew: bool = False) -> dict[Series, float]:
    """Take reports one after the other, each after a restart where `anew`; return what is counted then."""
    kept = kept or shelf()
    counting = Counting(kept, "an account")
    for report in reports:
        counting = Counting(kept, "an account") if anew else counting
        counting.take("usage", report)
    return dict(counting.of("usage"))


def test_the_first_report_is_where_counting_begins() -> None:
    assert after([count(NOW - HOUR, 70), count(NOW, 5)]) == {REQUESTS: 0}


@pytest.mark.parametrize("anew", [False, True])
def test_a_bucket_counts_with_what_it_grows_by(anew: bool) -> None:
    first, second, third = [count(NOW, 5)], [count(NOW, 5)], [count(NOW, 7.5)]
    assert after(first, second, third, third, anew=anew) == {REQUESTS: 2.5}


@pytest.mark.parametrize("anew", [False, True])
def test_a_bucket_that_is_new_counts_with_all_it_has(anew: bool) -> None:
    assert after([count(NOW - HOUR, 5)], [count(NOW - HOUR, 5), count(NOW, 3)], anew=anew) == {REQUESTS: 3}


OTHER_MODEL = ("requests", "other-model", "completions")


def test_a_model_that_is_new_counts_from_its_first_sight_in_hours_from_before_the_first_look() -> None:
    first, second = (
        [count(NOW, 5)],
        [count(NOW, 5), count(NOW - HOUR, 900, "other-model"), count(NOW, 2, "other-model")],
    )
    third = [count(NOW, 5), count(NOW, 3, "other-model")]
    assert after([count(NOW - HOUR, 1)], first, second, third) == {REQUESTS: 5, OTHER_MODEL: 1}


def test_a_model_that_is_new_counts_with_all_it_has_in_later_hours(clock: Clock) -> None:
    kept = shelf()
    after([count(NOW, 5)], kept=kept)
    clock.ahead += HOUR
    found = after([count(NOW, 5), count(NOW + HOUR, 2, "other-model")], kept=kept)
    assert found == {REQUESTS: 0, OTHER_MODEL: 2}


def test_a_late_hour_counts_though_newer_ones_were_seen() -> None:
    assert after([count(NOW - 3 * HOUR, 1), count(NOW, 1)], [count(NOW - HOUR, 4)]) == {REQUESTS: 4}


def test_a_correction_takes_nothing_and_gives_nothing_when_it_comes_back() -> None:
    assert after([count(NOW, 0)], [count(NOW, 10)], [count(NOW, 6)], [count(NOW, 10)]) == {REQUESTS: 10}
    assert after([count(NOW, 0)], [count(NOW, 10)], [count(NOW, 6)], [count(NOW, 12)]) == {REQUESTS: 12}


def test_hours_before_the_first_report_are_never_counted() -> None:
    assert after([count(NOW, 5)], [count(NOW - 5 * HOUR, 900), count(NOW, 6)]) == {REQUESTS: 1}


def test_an_empty_first_report_does_not_make_all_hours_of_the_next_one_new() -> None:
    assert after([], [count(NOW - 5 * HOUR, 900), count(NOW, 6)], [count(NOW, 8)]) == {REQUESTS: 2}


def test_a_clock_that_was_ahead_does_not_stop_the_counting(clock: Clock) -> None:
    kept = shelf()
    clock.ahead += 30 * DAY
    after([], kept=kept)
    clock.ahead -= 30 * DAY
    assert after([count(NOW, 5)], [count(NOW, 50)], [count(NOW, 500)], kept=kept) == {REQUESTS: 495}


def test_a_clock_that_was_ahead_hides_no_model_that_is_new(clock: Clock) -> None:
    kept = shelf()
    clock.ahead += 30 * DAY
    after([count(NOW - HOUR, 5)], kept=kept)
    clock.ahead -= 30 * DAY
    after([count(NOW - HOUR, 5)], kept=kept)
    clock.ahead += HOUR
    assert after([count(NOW + HOUR, 2, "other-model")], kept=kept) == {REQUESTS: 0, OTHER_MODEL: 2}


def test_a_clock_that_was_behind_does_not_make_a_day_new(clock: Clock) -> None:
    kept = shelf()
    day = [count(NOW - hours * HOUR, 100) for hours in range(24)]
    clock.ahead -= 30 * DAY
    assert after(day, kept=kept) == {}
    clock.ahead += 30 * DAY
    assert after(day, kept=kept) == {REQUESTS: 0}
    assert after([*day[1:], count(NOW, 101)], kept=kept) == {REQUESTS: 1}


def test_what_is_used_for_the_first_time_after_weeks_counts_whole(clock: Clock) -> None:
    kept = shelf()
    clock.ahead -= 20 * DAY
    for _ in range(40):
        assert after([], kept=kept) == {}
        clock.ahead += DAY / 2
    assert after([count(NOW, 7)], kept=kept) == {REQUESTS: 7}


def test_after_days_of_rest_what_is_still_reported_counts_and_nothing_more(clock: Clock) -> None:
    old, kept = NOW - 96 * HOUR, shelf()
    clock.ahead -= 96 * HOUR
    assert after([count(old, 5)], [count(old, 9)], kept=kept) == {REQUESTS: 4}
    clock.ahead += 96 * HOUR
    days = [count(NOW - hours * HOUR, 1) for hours in range(25)]
    assert after(days, kept=kept) == {REQUESTS: 4 + 25}


def test_what_is_older_than_the_reports_is_forgotten_and_does_not_count_again() -> None:
    kept = shelf()
    hours = [count(NOW - hours * HOUR, 1) for hours in range(60, -1, -1)]
    found = after(*([hour] for hour in hours), hours, kept=kept)
    assert found == {REQUESTS: 60}
    assert 25 <= sum(key.startswith("bucket ") for key in kept.get_all()) <= 27


def test_another_account_begins_at_nothing() -> None:
    kept = shelf()
    after([count(NOW, 5)], [count(NOW, 9)], kept=kept)
    other = Counting(kept, "another account")
    assert dict(other.of("usage")) == {}
    other.take("usage", [count(NOW, 100)])
    assert dict(other.of("usage")) == {REQUESTS: 0}


def test_looks_are_counted_apart() -> None:
    counting = Counting(shelf(), "an account")
    for value in (1, 4):
        counting.take("usage", [count(NOW, value)])
        counting.take("usage more", [count(NOW, 10 * value)])
    assert dict(counting.of("usage")) == {REQUESTS: 3}
    assert dict(counting.of("usage more")) == {REQUESTS: 30}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -5.0])
def test_what_is_no_number_of_calls_is_not_counted(value: float) -> None:
    assert after([count(NOW, 1)], [count(NOW, value)], [count(NOW, 3)]) == {REQUESTS: 2}


def test_a_bucket_of_the_future_does_not_make_all_others_old() -> None:
    assert after([count(NOW, 1)], [count(NOW * 1000, 5), count(NOW, 3)], [count(NOW, 4)]) == {REQUESTS: 3}


def test_a_figure_that_runs_on_counts_by_its_growth() -> None:
    assert after([count(RUNNING, 500)], [count(RUNNING, 520)], [count(RUNNING, 530)]) == {REQUESTS: 30}


def test_a_figure_that_begins_anew_counts_with_all_it_has() -> None:
    assert after([count(RUNNING, 500)], [count(RUNNING, 7)], [count(RUNNING, 10)]) == {REQUESTS: 10}


def test_a_figure_that_is_corrected_has_not_begun_anew() -> None:
    assert after([count(RUNNING, 500)], [count(RUNNING, 490)], [count(RUNNING, 505)]) == {REQUESTS: 5}


def test_a_figure_that_is_seen_first_later_counts_from_there() -> None:
    found = after([count(RUNNING, 500)], [count(RUNNING, 500), count(RUNNING, 9000, "old-model")])
    assert found == {REQUESTS: 0, ("requests", "old-model", "completions"): 0}


def test_the_same_series_twice_in_a_bucket_adds_up() -> None:
    assert after([count(NOW, 1), count(NOW, 2)], [count(NOW, 3), count(NOW, 2)]) == {REQUESTS: 2}


def test_beyond_a_thousand_series_the_others_are_one() -> None:
    names = [f"model-{number}" for number in range(1500)]
    found = after([count(NOW, 1, name) for name in names], [count(NOW, 3, name) for name in names])
    assert len(found) == 1001
    assert found["requests", OTHER, "completions"] == 2 * 500
    assert sum(found.values()) == 2 * 1500


def test_what_is_counted_here_outlives_a_restart() -> None:
    kept, series = shelf(), ("rate_limited", "exporter", "")
    Counting(kept, "an account").add(series, 2)
    counting = Counting(kept, "an account")
    counting.take("usage", [count(NOW, 1)])  # must not hide what was counted before
    assert dict(counting.totals()) == {series: 2}
    counting.add(series, 1)
    assert dict(counting.totals()) == {series: 3}


grown = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from(["a", "b"]), st.integers(0, 9), st.booleans(), st.booleans()),
    max_size=25,
)


@settings(max_examples=100, deadline=None)
@given(baseline=st.dictionaries(st.integers(0, 2), st.integers(0, 50), min_size=1), growths=grown)
def test_all_that_buckets_have_grown_by_is_counted_once(
    baseline: dict[int, int], growths: list[tuple[int, str, int, bool, bool]]
) -> None:
    """Buckets grow in any order, late ones too; reports come twice, are partial, or are corrected for a while."""
    kept = shelf()
    counting = Counting(kept, "an account")
    first = min(baseline)
    values = {(bucket, "a"): float(value) for bucket, value in baseline.items()}
    begun = dict(values)
    seen = {"a"}
    counting.take("usage", [count(NOW + (at - 5) * HOUR, value, name) for (at, name), value in values.items()])
    for later, name, growth, restart, corrected in growths:
        key = (min(5, first + later), name)
        values[key] = values.get(key, 0.0) + growth
        counting = Counting(kept, "an account") if restart else counting
        report = {**values, key: 0.0} if corrected else values
        begun |= {} if name in seen else {key: report[key]}
        seen.add(name)
        counting.take("usage", [count(NOW + (at - 5) * HOUR, value, name) for (at, name), value in report.items()])
        counting.take("usage", [count(NOW + (at - 5) * HOUR, value, name) for (at, name), value in values.items()])
        assert sum(counting.of("usage").values()) == sum(values.values()) - sum(begun.values())


KILLED = """
import itertools, sys
from pathlib import Path
from exporter.collectors.api.counting import Counting
from exporter.collectors.api.found import Count
from exporter.state import State
state = State(Path(sys.argv[1]))
counting = Counting(state.shelf("target it"), "an account")
bucket, begun = int(sys.argv[2]), int(sys.argv[3])
for value in itertools.count(begun):
    counting.take("usage", [Count("requests", ("gpt", "completions"), bucket, value)])
    counting.add(("rate_limited", "exporter", ""), 1)
    shown = counting.of("usage").get(("requests", "gpt", "completions"), 0)
    print(value, shown, counting.totals().get(("rate_limited", "exporter", ""), 0), flush=True)
"""


@contextmanager
def counting_until_killed(folder: Path, begun: int) -> Iterator[list[list[float]]]:
    """Count in another process as fast as it can; kill it at the end of the block, and give all lines it printed."""
    lines: list[list[float]] = []
    command = [sys.executable, "-c", KILLED, str(folder), str(NOW), str(begun)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        lines.append([float(word) for word in process.stdout.readline().split()])
        try:
            yield lines
        finally:
            process.send_signal(signal.SIGKILL)
            rest = process.stdout.read().splitlines()[:-1]  # the last one may be half
            lines.extend([float(word) for word in line.split()] for line in rest)


def test_what_was_shown_does_not_go_back_when_the_process_is_killed(tmp_path: Path) -> None:
    shown: list[list[float]] = []
    for life in range(2):
        begun = int(shown[-1][0]) if shown else 0
        with counting_until_killed(tmp_path, begun) as lines:
            started = time.monotonic()
            until(lambda: time.monotonic() - started > 0.2 + 0.07 * life)  # noqa: B023
        shown += lines
    assert len(shown) > 20
    for before, later in itertools.pairwise(shown):
        assert later[1] >= before[1]
        assert later[2] >= before[2]
    assert shown[-1][1] > 0
