"""Calendar rules: what they say, on days on which the clock changes too, and beside systemd's own."""

import re
import shutil
import subprocess
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.collectors.task.calendar import RuleError, comes, next_after, parse, zone_of

BERLIN = "Europe/Berlin"


def following(rule: str, since: str, zone: str = "UTC", count: int = 1) -> list[str]:
    """Return the next times of a rule, as the zone's clock shows them."""
    named = ZoneInfo(zone)
    at: float | None = datetime.fromisoformat(since).replace(tzinfo=named).timestamp()
    found = []
    for _ in range(count):
        assert at is not None
        at = next_after(parse(rule), at, named)
        if at is not None:
            found.append(datetime.fromtimestamp(at, named).strftime("%Y-%m-%d %H:%M%z"))
    return found


@pytest.mark.parametrize(("rule", "since", "expected"), [
    ("daily", "2026-03-01", "2026-03-02 00:00"),
    ("daily 09:30", "2026-03-01", "2026-03-01 09:30"),
    ("weekly", "2026-03-01", "2026-03-02 00:00"),
    ("monthly", "2026-03-01", "2026-04-01 00:00"),
    ("quarterly 08:00", "2026-11-29", "2027-01-01 08:00"),
    ("yearly", "2026-03-01", "2027-01-01 00:00"),
    ("Sat *-*-1..7 02:00", "2026-11-29", "2026-12-05 02:00"),
    ("first saturday 02:00", "2026-12-05T02:00", "2027-01-02 02:00"),
    ("third tue", "2026-12-01", "2026-12-15 00:00"),
    ("last friday 17:00", "2026-11-28", "2026-12-25 17:00"),
    ("last day 12:00", "2028-02-01", "2028-02-29 12:00"),
    ("*-*~01", "2027-02-01", "2027-02-28 00:00"),
    ("Mon *-05~07/1", "2026-01-01", "2026-05-25 00:00"),
    ("Mon..Fri 09:00", "2026-11-27T09:00", "2026-11-30 09:00"),
    ("Mon,Thu", "2026-11-30", "2026-12-03 00:00"),
    ("08,20:00", "2026-11-30T08:00", "2026-11-30 20:00"),
    ("*-01/3-15", "2026-02-01", "2026-04-15 00:00"),
    ("02-29", "2026-01-01", "2028-02-29 00:00"),
    ("Sun 02-29", "2033-01-01", "2060-02-29 00:00"),
    ("2027-03-01 06:00", "2026-01-01", "2027-03-01 06:00"),
    ("*-*-31", "2026-02-01", "2026-03-31 00:00"),
    ("Tue 14:05:00", "2026-12-01", "2026-12-01 14:05"),
])  # fmt: skip
def test_what_comes_next(rule: str, since: str, expected: str) -> None:
    assert following(rule, since) == [f"{expected}+0000"]


DAYS_THAT_CHANGE = [
    # a time that the clock leaves out comes later by what it leaves out, on that day; those around it stay
    ("daily 02:30", "2026-03-28T03:00", BERLIN, ["2026-03-29 03:30+0200", "2026-03-30 02:30+0200"]),
    ("daily 01:59", "2026-03-28T03:00", BERLIN, ["2026-03-29 01:59+0100", "2026-03-30 01:59+0200"]),
    ("daily 03:00", "2026-03-28T03:00", BERLIN, ["2026-03-29 03:00+0200", "2026-03-30 03:00+0200"]),
    ("02,03:30", "2026-03-28T23:00", BERLIN, ["2026-03-29 03:30+0200", "2026-03-30 02:30+0200"]),
    # a time that comes twice is the first of the two
    ("daily 02:30", "2026-10-24T03:00", BERLIN, ["2026-10-25 02:30+0200", "2026-10-26 02:30+0100"]),
    (
        "01,02,03:00",
        "2026-10-25T00:30",
        BERLIN,
        ["2026-10-25 01:00+0200", "2026-10-25 02:00+0200", "2026-10-25 03:00+0100"],
    ),
    # half an hour, in a zone that is half an hour beside the others
    ("daily 02:15", "2026-10-03T03:00", "Australia/Lord_Howe", ["2026-10-04 02:45+1100", "2026-10-05 02:15+1100"]),
    # midnight itself is left out
    ("daily", "2018-11-03T12:00", "America/Sao_Paulo", ["2018-11-04 01:00-0200", "2018-11-05 00:00-0200"]),
    # a whole day is left out
    ("daily 12:00", "2011-12-29T12:00", "Pacific/Apia", ["2011-12-31 12:00+1400", "2012-01-01 12:00+1400"]),
    ("06,18:00", "2011-12-29T18:00", "Pacific/Apia", ["2011-12-31 06:00+1400", "2011-12-31 18:00+1400"]),
]


@pytest.mark.parametrize(("rule", "since", "zone", "expected"), DAYS_THAT_CHANGE)
def test_days_on_which_the_clock_changes(rule: str, since: str, zone: str, expected: list[str]) -> None:
    assert following(rule, since, zone, len(expected)) == expected


@pytest.mark.parametrize(("text", "problem"), [
    ("", "is empty"), ("now and then", "no weekday"), ("Mon..", "no weekday"), ("Fri..Mon", "goes past Sunday"),
    ("*-13-01", "not within 1 and 12"), ("*-*-32", "not within 1 and 31"), ("*-*-5..2", "nothing in it"),
    ("*-*-1/0", "nothing in it"), ("24:00", "not within 0 and 23"), ("12:60", "is no time"), ("12:*", "is no time"),
    ("daily 02:00 Europe/Berlin", "neither weekday, date nor time"), ("26-01-01", "not within 1970 and 2199"),
    ("*-*-*-*", "neither"), ("first", "no weekday"), ("Mon *-*-* 1:00 2:00", "neither"),
    ("*-*-1..99999", "no number"),
    ("Mon,,Tue", "no weekday"), ("*-*-,", "no number"), ("*:*", "is no time"), ("½-1", "no number"),
])  # fmt: skip
def test_what_is_no_rule(text: str, problem: str) -> None:
    with pytest.raises(RuleError, match=problem):
        parse(text)


@pytest.mark.parametrize(("rule", "there"), [
    ("02-30", False), ("04-31", False), ("*-02~30", False), ("02-29", True), ("Wed 02-29", True), ("2027-02-29", False),
    ("2020-01-01", True),
])  # fmt: skip
def test_days_that_never_come(rule: str, there: bool) -> None:
    assert comes(parse(rule)) is there


def test_a_rule_whose_years_are_over_has_no_next_time() -> None:
    assert following("2020-01-01", "2026-01-01") == []


PARTS = st.one_of(
    st.just("*"), st.integers(1, 12).map(str),
    st.tuples(st.integers(1, 6), st.integers(7, 12)).map("{0[0]}..{0[1]}".format),
    st.tuples(st.integers(1, 6), st.integers(1, 3)).map("{0[0]}/{0[1]}".format),
)  # fmt: skip
DAYS = st.sampled_from(["", "Mon ", "Tue,Sat ", "Mon..Fri "])
CLOCK = st.tuples(st.integers(0, 23), st.integers(0, 59)).map("{0[0]}:{0[1]:02d}".format)
RULES = st.tuples(DAYS, PARTS, PARTS, CLOCK).map("{0[0]}*-{0[1]}-{0[2]} {0[3]}".format)
ZONES = st.sampled_from(["UTC", BERLIN, "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia"])
TIMES = st.floats(1.2e9, 2.5e9)


@settings(max_examples=150, deadline=None)
@given(RULES, ZONES, TIMES)
def test_the_next_time_is_later_and_nothing_lies_between(text: str, name: str, since: float) -> None:
    rule, zone = parse(text), ZoneInfo(name)
    found = next_after(rule, since, zone)
    assert found is not None
    assert found > since
    assert next_after(rule, since + (found - since) / 2, zone) == found
    assert next_after(rule, found, zone) != found


@settings(max_examples=100, deadline=None)
@given(RULES, TIMES)
def test_the_next_time_is_one_of_the_rule_s(text: str, since: float) -> None:
    rule = parse(text)
    at = datetime.fromtimestamp(next_after(rule, since, UTC) or 0.0, UTC)
    assert rule.is_on(at.date())
    assert (at.hour, at.minute) in rule.times
    skipped = [datetime.fromtimestamp(since, UTC).date() + timedelta(days=days) for days in range(1, 400)]
    assert not any(rule.is_on(day) for day in skipped if day < at.date())


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="0123456789*-~/,.: MonTueSatfirstlaydqrw", max_size=30))
def test_whatever_is_written_is_a_rule_or_refused(text: str) -> None:
    with suppress(RuleError):
        rule = parse(text)
        assert all((rule.times, rule.months, rule.days, rule.weekdays))


ORACLE = (
    "Sat *-*-1..7 02:00", "quarterly", "*-*~01", "Mon *-05~07/1", "Mon..Fri 09:00", "*-02-29", "*-*-31 23:59",
    "Tue,Fri *-01/3-10..20 08,20:15", "2027..2028-6/2-5/9 6/6:30", "Sun *-*~07/1 04:00", "monthly", "weekly",
)  # fmt: skip


@pytest.mark.parametrize("zone", ["UTC", BERLIN, "Asia/Kolkata"])
@pytest.mark.parametrize("rule", ORACLE)
def test_beside_systemd(rule: str, zone: str) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed here")
    begin = datetime(2026, 7, 3, 5, 7, tzinfo=UTC)
    said = subprocess.run(
        ["systemd-analyze", "calendar", "--base-time=2026-07-03 05:07:00 UTC", "--iterations=6", f"{rule} {zone}"],
        env={"TZ": "UTC", "PATH": "/usr/bin:/bin"}, capture_output=True, text=True, timeout=30, check=True,
    ).stdout  # fmt: skip
    theirs = re.findall(r"(?:Next elapse|Iter\. #\d+): \w+ (\S+ \S+) UTC", said)
    ours, at = [], begin.timestamp()
    for _ in theirs:
        at = next_after(parse(rule), at, ZoneInfo(zone)) or 0.0
        ours.append(datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S"))
    assert len(theirs) == 6
    assert ours == theirs


def test_the_zone_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", ":Asia/Kolkata")
    assert zone_of("").utcoffset(datetime(2026, 1, 1)) == timedelta(hours=5, minutes=30)  # noqa: DTZ001  # of its clock
    monkeypatch.setenv("TZ", "CET-1CEST")
    with pytest.raises(ValueError, match="'CET-1CEST' is no time zone here"):
        zone_of("")
    monkeypatch.delenv("TZ")
    assert zone_of("").utcoffset(datetime(2026, 1, 1)) is not None  # noqa: DTZ001
    with pytest.raises(ValueError, match="expected one such as UTC or Europe/Berlin"):
        zone_of("../../etc/passwd")
