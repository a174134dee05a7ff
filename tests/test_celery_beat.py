"""When a periodic task was last seen, where nobody listened for a while."""

from collections.abc import Mapping
from typing import Any

import pytest

from exporter.collectors.celery.settings import Beat, CelerySettings
from exporter.collectors.celery.tally import Tally, seen_after_gap
from exporter.secret import SecretURL

NOW = 1_800_000_000.0
HOUR = 3600.0
SETTINGS = CelerySettings(url=SecretURL("redis://127.0.0.1:1/0"), beat={"hourly": Beat(HOUR)})


@pytest.mark.parametrize(("last", "began", "ended", "seen"), [
    (-600.0, 0.0, 2.5 * HOUR, 2.5 * HOUR), (-600.0, 0.0, 2.0, -600.0), (-HOUR - 4.0, 0.0, 2.0, -4.0),
    (-HOUR - 6.0, 0.0, 2.0, -HOUR - 6.0), (1.0 - HOUR, 0.0, 2.0, 1.0),
    (-2 * HOUR - 1.0, 0.0, 2.5 * HOUR, -2 * HOUR - 1.0), (-2 * HOUR, 0.0, HOUR, HOUR),
    (-600.0, 0.0, HOUR - 601.0, -600.0),
], ids=["long", "short", "just late", "late", "in it", "overdue", "not so", "before it is due"])  # fmt: skip
def test_it_counts_anew_where_it_may_have_been_missed(last: float, began: float, ended: float, seen: float) -> None:
    assert seen_after_gap(NOW + last, HOUR, NOW + began, NOW + ended) == NOW + seen


def tally(kept: Mapping[str, Any], now: float) -> Tally:
    """Return what begins to listen at that moment."""
    made = Tally(SETTINGS, kept, now)
    made.listens(now)
    return made


def beat(made: Tally, now: float) -> Mapping[str, Any]:
    """Have the task be sent."""
    event = {"type": "task-sent", "uuid": "1", "name": "hourly", "queue": "q", "hostname": "gen@web", "timestamp": now}
    made.take(event, now)
    return made.flush(now)


def test_a_task_is_not_overdue_because_the_exporter_was_away() -> None:
    kept = beat(tally({}, NOW), NOW + 60)
    assert kept["tasks:beat"] == {"hourly": NOW + 60}
    back = tally(kept, NOW + 2.5 * HOUR)
    assert back.flush(NOW + 2.5 * HOUR)["tasks:beat"] == {"hourly": NOW + 2.5 * HOUR}
    assert tally(kept, NOW + 120).flush(NOW + 120)["tasks:beat"] == {"hourly": NOW + 60}


def test_a_beat_that_stopped_stays_stopped_though_the_broker_is_lost_again_and_again() -> None:
    kept = dict(beat(tally({}, NOW), NOW + 60))
    for turn in range(2, 250):  # for five seconds of each 53
        made = tally(kept, NOW + turn * 53.0)
        kept |= made.flush(NOW + turn * 53.0 + 48)
    assert kept["tasks:beat"] == {"hourly": NOW + 60}


def test_before_any_event_it_counts_from_when_listening_began_last() -> None:
    kept = tally({}, NOW).flush(NOW)
    assert kept["tasks:summary"]["events"] == 0
    again = tally(kept, NOW + 3 * HOUR).flush(NOW + 3 * HOUR)
    assert again["tasks:beat"] == {"hourly": NOW + 3 * HOUR}
    assert again["tasks:summary"]["gaps"] == 0
