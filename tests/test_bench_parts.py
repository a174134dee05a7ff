"""Parts of `make bench` alone, with few events and entries; what they measure is not judged here."""

import dataclasses
from pathlib import Path

import pytest

from tests.bench import cache, celery, queues, report
from tests.bench.celery import Celery, Kept, Listened
from tests.bench.load import Scrapes
from tests.bench.measure import PARTS, measure
from tests.bench.processes import Memory
from tests.bench.results import Results
from tests.bench.scale import QUICK

SMALL = dataclasses.replace(QUICK, celery_tasks=80, celery_batches=2, celery_batch=2)


def test_celery_alone_is_measured_where_the_other_exporter_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(celery, "PEER", tmp_path / "none")
    results = measure(SMALL, ["celery"])
    assert results.celery is not None
    assert (results.host, results.database, results.helped, results.stores) == (None, None, None, {})
    ours = results.celery.sides["ours"]
    assert (ours.counted, [one.events for one in ours.streams]) == (1, [320])
    assert ours.series > 80 * 7
    assert min(ours.per_cpu, ours.per_second, *ours.rest.seconds, *ours.meanwhile.seconds) > 0
    page = report.as_markdown(results)
    assert "| **exporter, celery** | " in page
    assert "so nothing is compared" in page
    assert "| CPU per event of Celery, as a share of celery-exporter's | at most 0.5  | not measured | - |" in page
    assert "PostgreSQL" not in page.partition("## Celery")[2]
    assert report.as_json(results).keys() == {"machine", "celery", "goals"}


def listened(name: str, cpu: float, seconds: float, scrape: float) -> Listened:
    streams = [Kept(1000, 1000, seconds, cpu), Kept(1000, 500, seconds * 10, cpu), Kept(1000, 1000, seconds, cpu * 9)]
    scrapes = Scrapes([scrape, scrape], [scrape / 2])
    return Listened(name, 7, Memory(2 << 20, 1 << 20), streams, scrapes, scrapes)


def test_both_listeners_are_compared_by_the_medians_of_their_streams() -> None:
    both = Celery({"ours": listened("a", 0.1, 0.2, 0.004), "theirs": listened("b", 0.4, 1.0, 2.0)}, 340.0, 34_000_000)
    assert [side.per_cpu for side in both.sides.values()] == pytest.approx([10_000, 2_500])
    assert [side.per_second for side in both.sides.values()] == pytest.approx([5_000, 1_000])
    assert both.sides["theirs"].counted == pytest.approx(2500 / 3000)
    page = "\n".join(queues.sections(both))
    assert "| **b** | 2,500 | 1,000 | 83.3% | 7 | 2000.00 |" in page
    assert "about 100,000 events" in page
    assert "| a / b | 0.25 | 5.00 | 0.0020 | 0.00 | 1.00 |" in page
    goals = queues.goals(both)
    assert [goal.met() for goal in goals] == [True, True, True, True]
    figures = queues.figures(both)
    assert figures["ours"]["events_per_cpu_s"] == pytest.approx(10_000)
    assert figures["theirs"]["counted_ratio"] == pytest.approx(2500 / 3000)


def test_a_stream_has_each_task_on_each_worker_and_four_events_of_each() -> None:
    channels = [channel for channel, _ in celery.stream(160)]
    assert channels.count("/0.celeryev/task.sent") == 160
    assert channels.count("/0.celeryev/task.multi") == 160 / 20
    assert list(celery.stream(20, first=20)) != list(celery.stream(20))


def test_a_round_over_a_cache_is_measured_with_and_without_a_look_into_entries(tmp_path: Path) -> None:
    walked, checked = cache.measure(tmp_path, 6, 1)
    assert (walked.entries, checked.entries) == (6, 6)
    assert walked.seconds > 0
    assert checked.cpu > walked.cpu > 0
    empty = Results({}, ["cache"], None, None, {}, {}, None, None, [walked, checked])
    assert f"| {checked.about} | 6 | " in report.as_markdown(empty)
    assert [one["entries"] for one in report.as_json(empty)["caches"]] == [6, 6]


def test_a_part_that_is_not_asked_for_has_no_section() -> None:
    nothing = Results({}, [], None, None, {}, {}, None, None, [])
    page = report.as_markdown(nothing)
    assert page.count("\n## ") == 1  # the goals, of which there are none
    assert set(PARTS) == {"host", "postgres", "processes", "stores", "helper", "celery", "cache", "probes", "visits"}
