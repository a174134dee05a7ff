"""The daily digest of P3: one message in its hour with all that stands then, by a real Alertmanager."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Final

import pytest

from tests.notified import Alertmanager, always, notifying, over
from tests.support import until

NEVER: Final = [{"years": ["2000"]}]
MINUTE: Final = timedelta(minutes=1)


def p3(name: str, **more: Any) -> dict[str, Any]:
    labels = {"alertname": name, "priority": "P3", "severity": "info", "job": "j", "instance": "i", "target": name}
    return {**labels, "_": {"annotations": {"summary": f"What {name} says."}, **more}}


@contextmanager
def digesting(folder: Path, hours: list[dict[str, Any]], **clock: str) -> Iterator[Alertmanager]:
    """Run the shipped routes at other hours, an hour being a second where no clock is given."""
    maintenance = next(interval for interval in always() if interval["name"] == "maintenance")
    intervals = [maintenance, {"name": "digest", "time_intervals": hours}]

    def change(config: dict[str, Any]) -> None:
        [route] = [route for route in config["route"]["routes"] if 'priority="P3"' in route["matchers"]]
        route.update(clock)

    with notifying(folder, 3600, intervals, change=change) as started:
        yield started


def text(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def test_outside_its_hour_nothing_is_told(tmp_path: Path) -> None:
    with digesting(tmp_path, NEVER) as am:
        am.fire(p3("Small"), {**p3("Big"), "priority": "P1", "severity": "critical"})
        looks = "Notifications not sent, route is not within active time"
        until(lambda: am.log.read_text().count(looks) >= 3, 20)
        until(lambda: am.inbox.mail("P1 Big"), 20)
        assert am.inbox.mail("digest") == []


def test_what_joins_is_in_the_next_and_is_not_told_by_itself(tmp_path: Path) -> None:
    """All of P3 is one group, whatever it is about, so each look gives one message at most."""
    with digesting(tmp_path, always()[1]["time_intervals"]) as am:
        am.fire(*(p3(name) for name in ("One", "Two", "Three")))
        until(lambda: am.inbox.mail("P3 digest: 3 alerts"), 20)
        am.fire(p3("Four"), p3("One", **over()))
        until(lambda: am.inbox.mail("P3 digest: 3 alerts")[1:], 20)
        first, second = am.inbox.mail("P3 digest")
        assert [name in text(second) for name in ("One", "Two", "Three", "Four")] == [False, True, True, True]
        assert "Four" not in text(first)


@pytest.mark.long
@pytest.mark.timeout(400)
def test_each_of_its_hours_has_one_message(tmp_path: Path) -> None:
    """An hour is a minute here, and its days are two: what is told in one minute is told again in the next but one."""
    begin = datetime.now(UTC).replace(second=0, microsecond=0) + MINUTE
    days = [begin, begin + 2 * MINUTE]
    hours = [{"times": [{"start_time": f"{day:%H:%M}", "end_time": f"{day + MINUTE:%H:%M}"} for day in days]}]
    if (begin + 3 * MINUTE).day != begin.day:
        pytest.skip("the windows would lie on two days")
    with digesting(tmp_path, hours, group_wait="1s", group_interval="1m", repeat_interval="90s") as am:
        am.fire(p3("Old"), p3("Over"))
        until(lambda: am.inbox.mail("P3 digest"), 130)
        assert datetime.now(UTC) < days[0] + MINUTE
        am.fire(p3("New"), p3("Over", **over()))
        until(lambda: am.inbox.mail("P3 digest")[1:], 130)
        assert days[1] <= datetime.now(UTC) < days[1] + MINUTE
        until(lambda: datetime.now(UTC) > days[1] + 2 * MINUTE, 130)
        first, second = am.inbox.mail("P3 digest")
        assert [name in text(first) for name in ("Old", "Over", "New")] == [True, True, False]
        assert [name in text(second) for name in ("Old", "Over", "New")] == [True, False, True]
