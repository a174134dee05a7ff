"""The collector `cache`: what is counted of each class, what is told where a part cannot be seen, what is refused."""

import os
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from exporter.config import INSTALLED, ConfigError
from exporter.config import read as read_config
from tests.caching import as_nobody, events, of, page, page_of, put, said, seen, settings_of, surveyed, surveying
from tests.onetarget import one
from tests.process import ROOT
from tests.support import until

HOUR = 3600.0
IT = of("it")


def test_entries_sizes_and_ages_of_each_class(tmp_path: Path) -> None:
    put(tmp_path / "a.html", "x" * 100, age=2 * HOUR)
    put(tmp_path / "sub" / "b.html", "x" * 50, age=30 * HOUR)
    put(tmp_path / "a.json", "{}", age=HOUR / 2)
    shown = seen({
        "html": {"path": str(tmp_path), "files": ["*.html", "*.htm"], "ttl": "24h", "scheduled": True},
        "json": {"path": str(tmp_path), "files": ["*.json"], "ttl": "12h"},
        "all": {"path": str(tmp_path), "ttl": "1h"},
    })  # fmt: skip
    html, rest = of("html"), of("all")
    assert {kind: shown[of(kind)("entries")] for kind in ("html", "json", "all")} == {
        "html": "2",
        "json": "1",
        "all": "3",
    }
    assert (shown[html("size_bytes")], shown[html("stale_entries")], shown[rest("stale_entries")]) == ("150", "1", "2")
    assert float(shown[html("newest_timestamp_seconds")]) == (tmp_path / "a.html").stat().st_mtime
    assert float(shown[html("oldest_timestamp_seconds")]) == (tmp_path / "sub" / "b.html").stat().st_mtime
    assert (shown[html("ttl_seconds")], shown[html("scheduled")], shown[rest("scheduled")]) == ("86400.0", "1", "0")
    assert shown[of("html", location=str(tmp_path))("info")] == "1"
    assert html("empty_since_timestamp_seconds") not in shown


def test_the_distribution_of_ages(tmp_path: Path) -> None:
    for number, age in enumerate((10, 200, 800, 2 * HOUR, 30 * HOUR, 1000 * HOUR, -500)):
        put(tmp_path / f"{number}", "x", age=age)
    shown = seen({"it": {"path": str(tmp_path), "ttl": "24h"}})
    bounds = ("300.0", "900.0", "3600.0", "21600.0", "86400.0", "172800.0", "2592000.0", "+Inf")
    counts = {bound: int(shown[of("it", le=bound)("entry_age_seconds_bucket")]) for bound in bounds}
    assert list(counts.values()) == [3, 4, 4, 5, 5, 6, 6, 7]
    assert shown[IT("entry_age_seconds_count")] == "7"
    assert abs(float(shown[IT("entry_age_seconds_sum")]) - (10 + 200 + 800 + 1032 * HOUR)) < 60


def test_what_was_checked_stands_until_the_next_walk_of_a_large_tree(tmp_path: Path) -> None:
    put(tmp_path / "a.json", "{}")
    schema = {"schema": '{"type": "object"}'}
    settings = settings_of({"it": {"path": str(tmp_path), "ttl": "24h", "validate": schema}})
    entries = dict(surveyed(settings))
    ago, checked = time.time() - 3000.0, of("it", check="schema")("validation_ok")
    entries["surveyed it"] = {**entries["surveyed it"], "lasted": 3600.0, "ended": ago}
    entries["checked it"] = {**entries["checked it"], "lasted": 1.0, "time": ago}
    assert page(settings, entries)[checked] == "1"
    entries["surveyed it"]["lasted"] = 1.0
    assert checked not in page(settings, entries)


def test_an_empty_class_has_none_and_since_when_over_a_restart(tmp_path: Path) -> None:
    settings = settings_of({"it": {"path": str(tmp_path), "ttl": "24h"}})
    entries = surveyed(settings)
    shown = page(settings, entries)
    assert (shown[IT("entries")], shown[IT("size_bytes")], shown[IT("stale_entries")]) == ("0", "0", "0")
    assert not {IT("newest_timestamp_seconds"), IT("oldest_timestamp_seconds")} & shown.keys()
    since = entries["surveyed it"]["empty_since"] = entries["surveyed it"]["empty_since"] - 5000
    entries["surveyed it"]["ended"] -= 400
    with surveying(settings, entries) as work:
        until(lambda: work.entries["surveyed it"]["ended"] > time.time() - 100)
    assert float(page(settings, entries)[IT("empty_since_timestamp_seconds")]) == since
    put(tmp_path / "a", "x")
    entries["surveyed it"]["ended"] -= 400
    with surveying(settings, entries) as work:
        until(lambda: work.entries["surveyed it"]["entries"] == 1)
    assert IT("empty_since_timestamp_seconds") not in page(settings, entries)


def test_a_cache_cleared_by_hand_is_empty_and_not_stale(tmp_path: Path) -> None:
    put(tmp_path / "cache" / "a", "x", age=100 * HOUR)
    with one("cache", f"walk_interval: 1s\nclasses: {{it: {{path: {tmp_path}/cache, ttl: 24h}}}}") as target:
        until(lambda: target.page().get(IT("stale_entries")) == "1")
        for entry in (tmp_path / "cache").iterdir():
            entry.unlink()
        until(lambda: target.page().get(IT("entries")) == "0")
        shown = target.page()
        assert (shown[IT("stale_entries")], shown[IT("seen")]) == ("0", "1")
        assert IT("newest_timestamp_seconds") not in shown
        (tmp_path / "cache").rmdir()
        until(lambda: target.page()[IT("seen")] == "0")
        assert IT("entries") not in target.page()
        assert target.outcomes()["unseen"] == (
            f"failed {tmp_path}/cache: there is no such folder create it, or correct `path`"
        )
        put(tmp_path / "cache" / "b", "x")
        until(lambda: target.page().get(IT("entries")) == "1", 40)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_what_may_not_be_read_is_unknown() -> None:
    with tempfile.TemporaryDirectory() as place:
        top = Path(place)
        top.chmod(0o755)
        put(top / "open" / "a", "x")
        put(top / "shut" / "b", "x")
        (top / "shut").chmod(0o700)
        asked: dict[str, dict[str, Any]] = {
            "it": {"path": place, "ttl": "1h"},
            "shut": {"path": f"{place}/shut", "ttl": "1h"},
        }
        shown, (reason, fix) = as_nobody(asked)
    for name in asked:
        assert shown[of(name)("seen")] == "0"
        assert not [series for series in shown if f'class="{name}"' in series and "entries" in series]
    assert reason == f"{place}: 1 folders cannot be read; {place}/shut: Permission denied"
    assert "let the exporter's user" in fix


def test_a_file_is_no_class(tmp_path: Path) -> None:
    settings = settings_of({"it": {"path": str(put(tmp_path / "a", "x")), "ttl": "1h"}})
    entries = surveyed(settings)
    assert said(settings, entries, "unseen")[0] == f"{tmp_path}/a: there is no such folder"
    assert page(settings, entries)[IT("seen")] == "0"


def test_a_walk_cut_short_has_no_figures_and_says_so(tmp_path: Path) -> None:
    for number in range(20):
        put(tmp_path / str(number), "x")
    settings = settings_of({"it": {"path": str(tmp_path), "ttl": "1h", "max_entries": 5}})
    entries = surveyed(settings)
    shown = page(settings, entries)
    assert (IT("entries") in shown, IT("newest_timestamp_seconds") in shown, shown[IT("seen")]) == (False, False, "0")
    assert said(settings, entries, "unseen") == (f"{tmp_path}: the walk is cut short", "raise `max_entries`")


def test_links_pipes_and_names_that_are_no_text(tmp_path: Path) -> None:
    put(tmp_path / "real", "x")
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "loop").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with open(os.fsencode(tmp_path) + b"/\xff\xfe", "wb") as file:
        file.write(b"12345")
    shown = seen({"it": {"path": str(tmp_path), "ttl": "1h", "validate": {"timestamp": True}}})
    assert (shown[IT("entries")], shown[of("it", check="timestamp")("validated_entries")]) == ("2", "2")


def test_what_was_found_too_long_ago_is_not_told_but_when_is(tmp_path: Path) -> None:
    put(tmp_path / "a", "{}")
    settings = settings_of({"it": {"path": str(tmp_path), "ttl": "1h", "validate": {"timestamp": True}}})
    entries = surveyed(settings)
    entries["surveyed it"]["ended"] -= 3600
    shown = page(settings, entries)
    assert IT("walked_timestamp_seconds") in shown
    assert shown[IT("seen")] == "0"
    assert not [series for series in shown if "entries" in series or "_ok" in series]
    assert said(settings, entries, "unseen")[0] == f"{tmp_path}: not walked for 60 minutes"


def test_entries_of_other_settings_are_not_taken_for_these(tmp_path: Path) -> None:
    put(tmp_path / "a", "x", age=2 * HOUR)
    entries = surveyed(settings_of({"it": {"path": str(tmp_path), "ttl": "3h"}}))
    other = settings_of({"it": {"path": str(tmp_path), "ttl": "1h"}})
    assert IT("stale_entries") not in page(other, entries)
    assert page(other, surveyed(other, entries))[IT("stale_entries")] == "1"


@pytest.mark.parametrize(
    ("its", "where", "problem"),
    [
        ("ttl: 0s", "ttl", "is no time at all"),
        ("ttl: 1h, path: '/srv/*'", "path", "is a pattern"),
        ("ttl: 1h, files: [a/b]", "files", "are patterns of names"),
        ("ttl: 1h, max_entries: 0", "max_entries", "leaves nothing"),
        ("ttl: 1h, validate: {entries: 5}", "validate", "checks nothing"),
        ("ttl: 1h, validate: {rows: tr}", "validate.pair", "is missing; `rows` in the HTML"),
        ("ttl: 1h, validate: {rows: 'tr[', pair: 'a/{stem}'}", "validate.rows", "is no CSS selector"),
        ("ttl: 1h, validate: {rows: tr, pair: 'a/b.json'}", "validate.pair", "is the same for each entry"),
        ("ttl: 1h, validate: {rows: tr, pair: 'a/{key}'}", "validate.pair", "has {key}, which stands for nothing"),
        ("ttl: 1h, validate: {rows: tr, pair: 'a/{stem}', events: '['}", "validate.events", "is no JMESPath"),
        ("ttl: 1h, validate: {time: 'a('}", "validate.time", "is no JMESPath"),
        ("ttl: 1h, validate: {schema: '{'}", "validate.schema", "is not JSON"),
        ("ttl: 1h, validate: {schema: '{}', schema_file: a}", "validate.schema_file", "stands beside `schema`"),
        ("ttl: 1h, validate: {timestamp: true, entries: 0}", "validate.entries", "is out of range"),
        ("ttl: 1h, validate: {timestamp: true, max_bytes: 1GB}", "validate.max_bytes", "is out of range"),
    ],
)  # fmt: skip
def test_mistakes_are_named_with_their_place(its: str, where: str, problem: str) -> None:
    path = "" if "path:" in its else "path: /srv/cache, "
    text = f"targets:\n  it:\n    collector: cache\n    classes: {{html: {{{path}{its}}}}}\n"
    with pytest.raises(ConfigError) as error:
        read_config(text.encode(), "config.yml", INSTALLED, {})
    assert f"targets.it.classes.html.{where}" in str(error.value)
    assert problem in str(error.value)


def test_the_example_of_the_documentation_is_right() -> None:
    text = (ROOT / "docs" / "cache.md").read_text(encoding="utf-8")
    example = re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)[0]
    target = read_config(example.encode(), "config.yml", INSTALLED, {}).targets[0]
    ttls = {name: one.ttl / HOUR for name, one in target.settings.classes.items()}
    assert ttls == {"html": 24, "json": 12, "comparison": 6, "reference": 168}
    assert target.settings.classes["html"].validate.checks == ("timestamp", "count")
    assert target.settings.classes["json"].validate.checks == ("timestamp", "schema")


def test_the_page(golden: Callable[[str, str], None], tmp_path: Path) -> None:
    put(tmp_path / "html" / "a.html", page_of(2))
    put(tmp_path / "html" / "b.html", page_of(3), age=26 * HOUR)
    put(tmp_path / "json" / "a.json", events(2))
    put(tmp_path / "json" / "b.json", events(2), age=26 * HOUR)
    (tmp_path / "none").mkdir()
    settings = f"""
classes:
  html:
    path: {tmp_path}/html
    ttl: 24h
    scheduled: true
    validate: {{timestamp: true, rows: tr.event, pair: "{tmp_path}/json/{{stem}}.json", events: events}}
  json: {{path: {tmp_path}/json, ttl: 12h}}
  empty: {{path: {tmp_path}/none, ttl: 6h}}
  gone: {{path: {tmp_path}/gone, ttl: 6h}}
"""
    with one("cache", settings) as target:
        until(lambda: "runbook_cache_validated_timestamp_seconds" in target.text())
        lines = [line for line in target.text().splitlines(keepends=True) if "runbook_cache_" in line]
    text = "".join(lines).replace(str(tmp_path), "/srv/cache")
    measured = r"(?m)^(runbook_cache_\w+(?:timestamp|duration|age)_seconds(?:_sum)?\{.*\}) .*$"
    golden("cache.prom", re.sub(measured, r"\1 MEASURED", text))
