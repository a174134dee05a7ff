"""What was counted survives a restart and a kill, and begins again where the settings are others."""

import random
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.collectors.log.access import Access, samples
from exporter.collectors.log.routes import AccessSettings
from tests.test_access_counting import SMALL, access, after, line

PATHS = st.sampled_from(["/a", "/b", "/c", "/d", "/api/1", "/api/2", "/x%20y", "/health"])
LINES = st.lists(
    st.builds(line, PATHS, st.sampled_from([200, 404, 500, 504]), st.sampled_from(["GET", "PUT"]),
              st.sampled_from(["0.001", "0.250", "7.000", "-"])),
    max_size=60,
)  # fmt: skip


@settings(deadline=None)
@given(LINES, st.randoms(use_true_random=False))
def test_killed_at_any_moment_nothing_is_counted_twice_or_lost(lines: list[bytes], chance: random.Random) -> None:
    """The position is told together with the counts: what was not told is read again."""
    kept: dict[str, Any] = {}
    it, place, told = access(), 0, 0
    while told < len(lines):
        more = chance.randint(1, 10)
        it.feed(lines[place : place + more])
        place += more
        if chance.random() < 0.6:
            kept, told = after(it.changed(), kept), place
        if chance.random() < 0.4:
            it, place = access(kept=kept), told
    whole = access()
    whole.feed(lines)
    assert sums(after(access(kept=kept).changed(), kept)) == sums(after(whole.changed(), {}))


def sums(entries: Mapping[str, Any]) -> dict[str, float]:
    """Return what is counted by method and status; which lines come together decides only the endpoint of some."""
    found: dict[str, float] = {}
    for key, entry in entries.items():
        method = key.split()[2]
        parts = {f"{method} {status}": count for status, count in entry.get("statuses", {}).items()}
        parts |= {f"{method} bucket {place}": count for place, count in enumerate(entry.get("buckets", ()))}
        for part, count in {**parts, f"{method} ms": round(entry.get("seconds", 0) * 1000)}.items():
            found[part] = found.get(part, 0) + count
    return {part: count for part, count in found.items() if count}


def test_only_what_changed_is_told() -> None:
    it = access()
    it.feed([line("/a"), line("/b")])
    assert set(it.changed()) == {
        "access web settings",
        "access web other other",
        "access web GET /a",
        "access web GET /b",
    }
    it.feed([line("/b")])
    assert it.changed() == {"access web GET /b": {"statuses": {"200": 2}, "buckets": [2, 0, 0], "seconds": 0.2}}


@pytest.mark.parametrize("other", [
    AccessSettings(routes=("/api/{name}",), endpoints=3, buckets=(0.1, 0.5)),
    AccessSettings(routes=("/api/{id}",), endpoints=4, buckets=(0.1, 0.5)),
    AccessSettings(routes=("/api/{id}",), endpoints=3, buckets=(0.1, 0.4)),
    AccessSettings(routes=("/api/{id}",), endpoints=3, buckets=(0.1, 0.5), ignore=("/b",)),
])  # fmt: skip
def test_under_other_settings_counting_begins_again(other: AccessSettings) -> None:
    it = access()
    it.feed([line("/a"), line("/api/1")])
    kept = after(it.changed(), {"position": 1, "access elsewhere GET /a": {"statuses": {"200": 1}}})
    again = access(other, kept)
    again.feed([line("/c")])
    left = after(again.changed(), kept)
    assert {key for key in left if key.startswith("access web ")} == {
        "access web settings", "access web other other", "access web GET /c",
    }  # fmt: skip
    assert "access elsewhere GET /a" in left
    assert after(access(SMALL, left).changed(), left)["access web other other"]["statuses"] == {"other": 0}


def test_a_format_without_times_takes_the_histograms_away_and_one_with_them_begins_them() -> None:
    it = access()
    it.feed([line("/a")])
    kept = after(it.changed(), {})
    plain = Access("web", "nginx", SMALL, kept)
    kept = after(plain.changed(), kept)
    assert kept["access web GET /a"] == {"statuses": {"200": 1}}
    assert not [one for one in samples(kept) if one and one.metric.kind == "histogram"]
    assert after(access(kept=kept).changed(), kept)["access web GET /a"]["buckets"] == [0, 0, 0]


def test_logs_whose_names_begin_alike_are_told_apart() -> None:
    first, second = access(log="a"), access(log="a GET")
    first.feed([line("/x")])
    second.feed([line("/x"), line("/x")])
    kept = after(second.changed(), after(first.changed(), {}))
    counts = {key: entry["statuses"]["200"] for key, entry in kept.items() if key.endswith("/x")}
    assert counts == {"access a GET /x": 1, "access a GET GET /x": 2}
    again = access(kept=kept, log="a")
    again.feed([line("/x")])
    assert after(again.changed(), kept)["access a GET /x"]["statuses"] == {"200": 2}
