"""The checks of a cache's entries: what passes, what fails, what is not judged; and files that mean harm."""

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from exporter.collectors.cache import checking
from tests.caching import OLD, events, judged, of, page, page_of, put, said, seen, settings_of, surveyed

HOUR = 3600.0


def checked(folder: Path, ttl: str = "24h", files: str = "*", **validate: Any) -> dict[str, str]:
    """Walk and check the entries of a folder once; return the page."""
    return seen({"it": {"path": str(folder), "ttl": ttl, "files": [files], "validate": validate}})


# ---- within its time


def test_the_time_of_the_file(tmp_path: Path) -> None:
    for number, age in enumerate((10, 23 * HOUR, 25 * HOUR, -10_000)):
        put(tmp_path / str(number), "x", age)
    shown = checked(tmp_path, timestamp=True)
    assert judged(shown, "timestamp") == {"ok": 3, "failed": 1}
    assert shown[of("it", check="timestamp")("validation_ok")] == "0"


@pytest.mark.parametrize(
    ("document", "outcome"),
    [
        ({"at": "NOW"}, "ok"),
        ({"at": "NOW", "zone": "utc"}, "ok"),
        ({"at": 0}, "failed"),
        ({"at": "OLD"}, "failed"),
        ({"at": "2999-01-01T00:00:00Z"}, "failed"),
        ({"at": "yesterday"}, "failed"),
        ({"at": None}, "failed"),
        ({"at": True}, "failed"),
        ({"at": 1e300}, "failed"),
        ({}, "failed"),
        ([], "failed"),
    ],
    ids=str,
)
def test_the_time_in_the_document(tmp_path: Path, document: Any, outcome: str) -> None:
    moments = {"NOW": time.time() - 60, "OLD": time.time() - 25 * HOUR}
    if isinstance(document, dict) and document.get("at") in moments:
        moment = time.gmtime(moments[document["at"]])
        zone = "" if "zone" in document else "+00:00"
        document = {"at": time.strftime("%Y-%m-%dT%H:%M:%S", moment) + zone}
    put(tmp_path / "a.json", json.dumps(document))
    assert judged(checked(tmp_path, time="at"), "timestamp") == {outcome: 1}


def test_seconds_since_1970_are_a_time(tmp_path: Path) -> None:
    put(tmp_path / "a.json", json.dumps({"at": time.time() - 60}))
    put(tmp_path / "b.json", json.dumps({"at": int(time.time() - 25 * HOUR)}))
    assert judged(checked(tmp_path, time="at"), "timestamp") == {"ok": 1, "failed": 1}


# ---- as many rows as events


def counted(top: Path, **more: Any) -> dict[str, int]:
    its = {"rows": "tr.event", "pair": f"{top}/{{folder}}/{{stem}}.json", "events": "events", **more}
    return judged(checked(top, files="*.html", **its), "count")


def test_rows_are_compared_with_events(tmp_path: Path) -> None:
    put(tmp_path / "same.html", page_of(12))
    put(tmp_path / "same.json", events(12))
    put(tmp_path / "sub" / "less.html", page_of(12))
    put(tmp_path / "sub" / "less.json", events(11))
    put(tmp_path / "none.html", page_of(0))
    put(tmp_path / "none.json", events(0))
    put(tmp_path / "alone.html", page_of(3))
    put(tmp_path / "listless.html", page_of(3))
    put(tmp_path / "listless.json", "{}")
    put(tmp_path / "broken.html", page_of(3))
    put(tmp_path / "broken.json", events(3)[:-4])
    assert counted(tmp_path) == {"ok": 2, "failed": 3, "unpaired": 1}


def test_the_remark_tells_numbers_and_names_alone(tmp_path: Path) -> None:
    put(tmp_path / "less.html", page_of(12))
    put(tmp_path / "less.json", events(11))
    its = {"path": str(tmp_path), "ttl": "1h", "files": ["*.html"],
           "validate": {"rows": "tr", "pair": f"{tmp_path}/{{stem}}.json", "events": "events"}}  # fmt: skip
    settings = settings_of({"it": its})
    assert said(settings, surveyed(settings), "validations") == ("less.html: 12 rows, and 11 events in less.json", "")


def test_a_number_counts_as_that_many_and_names_are_taken_as_they_are(tmp_path: Path) -> None:
    put(tmp_path / "{name}.html", page_of(2))
    put(tmp_path / "{name}.html.json", '{"count": 2}')
    put(tmp_path / "16.html", page_of(2).encode("utf-16"))
    put(tmp_path / "16.html.json", b"\xef\xbb\xbf" + b'{"count": 2}')
    its = {"pair": f"{tmp_path}/{{name}}.json", "events": "count"}
    assert counted(tmp_path, **its) == {"ok": 2}


def test_new_html_has_time_to_be_made_into_json(tmp_path: Path) -> None:
    put(tmp_path / "a.html", page_of(3), age=300)
    put(tmp_path / "a.json", events(2), age=4000)
    put(tmp_path / "b.html", page_of(3), age=700)
    put(tmp_path / "b.json", events(2), age=4000)
    assert counted(tmp_path) == {"changing": 1, "failed": 1}


def test_html_of_the_wild(tmp_path: Path) -> None:
    wild = (
        b"<TABLE><tr class='x event'><td>\xff\xfe\x00 < & &nope; <tr CLASS=event><p></b></i><!-- <tr class=event> -->"
    )
    put(tmp_path / "a.html", wild + b"<script>'<tr class=event>'</script>")
    put(tmp_path / "a.json", events(2))
    assert counted(tmp_path) == {"ok": 1}


# ---- as the schema says

SCHEMA = {"type": "object", "required": ["events"], "properties": {"events": {"items": {"$ref": "#/$defs/event"}}},
          "$defs": {"event": {"required": ["name"]}}}  # fmt: skip


@pytest.mark.parametrize("inline", [True, False], ids=["inline", "file"])
def test_the_schema(tmp_path: Path, inline: bool) -> None:
    folder = tmp_path / "cache"
    put(folder / "good.json", events(3))
    put(folder / "bad.json", '{"events": [{"name": 1}, {"nam": 1}]}')
    put(folder / "other.json", "[]")
    put(folder / "html.json", "<html>")
    put(folder / "empty.json", "")
    put(folder / "nan.json", '{"events": [], "x": NaN}')
    put(folder / "latin.json", '{"events": [], "x": "é"}'.encode("latin-1"))
    text = json.dumps(SCHEMA)
    its = {"schema": text} if inline else {"schema_file": str(put(tmp_path / "schema.json", text))}
    assert judged(checked(folder, **its), "schema") == {"ok": 1, "failed": 6}


def test_a_remark_says_where_it_does_not_fit_and_not_what_stands_there(tmp_path: Path) -> None:
    put(tmp_path / "a.json", '{"events": [{"canary-value": "canary-text"}]}')
    settings = settings_of({"it": {"path": str(tmp_path), "ttl": "1h", "validate": {"schema": json.dumps(SCHEMA)}}})
    remark, _ = said(settings, surveyed(settings), "validations")
    assert remark == "a.json: does not fit the schema at events[0] (required)"


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ('{"type": "nonsense"}', "the schema is none: 'nonsense' is not valid under any of the given schemas"),
        (None, "cannot be read (No such file or directory)"),
        ("{", "the schema is not JSON"),
    ],
    ids=["nonsense", "missing", "broken"],
)
def test_a_schema_that_is_none_is_said_and_nothing_counted(tmp_path: Path, schema: str | None, reason: str) -> None:
    put(tmp_path / "cache" / "a.json", "{}")
    place = tmp_path / "schema.json"
    if schema is not None:
        place.write_text(schema)
    its = {"path": f"{tmp_path}/cache", "ttl": "1h", "validate": {"schema_file": str(place)}}
    settings = settings_of({"it": its})
    entries = surveyed(settings)
    assert reason in said(settings, entries, "unvalidated")[0]
    shown = page(settings, entries)
    assert shown[of("it")("entries")] == "1"
    assert not [series for series in shown if "valid" in series]


def test_a_schema_fetches_nothing(tmp_path: Path) -> None:
    with open(tmp_path / "asked", "wb"):
        put(tmp_path / "a.json", "{}")
        shown = checked(tmp_path, files="*.json", schema='{"$ref": "http://127.0.0.1:9/schema.json"}')
    assert judged(shown, "schema") == {"failed": 1}


# ---- files that mean harm


def test_what_is_too_large_or_too_deep_is_not_judged(tmp_path: Path) -> None:
    with put(tmp_path / "huge.json", "").open("wb") as file:
        file.truncate(200_000_000)
    os.utime(tmp_path / "huge.json", (time.time() - OLD,) * 2)
    put(tmp_path / "deep.json", "[" * 100_000 + "]" * 100_000)
    put(tmp_path / "good.json", "{}")
    assert judged(checked(tmp_path, schema="{}"), "schema") == {"ok": 1, "too_large": 2}


def test_html_that_is_too_much_for_the_parser_costs_its_own_verdict_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checking, "EACH", 2.0)
    put(tmp_path / "b.html", "<div>" * 300_000, age=OLD)  # takes minutes
    put(tmp_path / "b.json", events(2))
    put(tmp_path / "a.html", page_of(2), age=2 * OLD)
    put(tmp_path / "a.json", events(2))
    put(tmp_path / "c.html", "&lt;" * 1_000_000 + page_of(2), age=OLD / 2)
    put(tmp_path / "c.json", events(2), age=OLD / 2)
    begun = time.monotonic()
    assert counted(tmp_path) == {"ok": 2, "refused": 1}
    assert time.monotonic() - begun < 25


def test_a_pattern_that_never_ends_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "EACH", 1.0)
    put(tmp_path / "a.json", json.dumps("a" * 40 + "!"))
    assert judged(checked(tmp_path, schema='{"pattern": "^(a+)+$"}'), "schema") == {"refused": 1}


def test_what_there_is_no_time_for_is_not_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "LONGEST", 1.0)
    put(tmp_path / "a.json", json.dumps("a" * 40 + "!"))
    put(tmp_path / "b.json", "{}", age=2 * OLD)
    assert judged(checked(tmp_path, schema='{"pattern": "^(a+)+$"}'), "schema") == {"refused": 1, "out_of_time": 1}


def test_a_bomb_of_memory_is_cut(tmp_path: Path) -> None:
    put(tmp_path / "a.json", "[" + "{}," * 1_600_000 + "{}]")
    put(tmp_path / "b.json", "{}")
    found = judged(checked(tmp_path, schema="{}"), "schema")
    assert found.pop("ok") >= 1
    assert sum(found.values()) <= 1


def test_half_of_a_file_is_not_judged_until_it_rests(tmp_path: Path) -> None:
    put(tmp_path / "new.json", '{"events": [', age=1)
    put(tmp_path / "old.json", '{"events": [', age=OLD)
    put(tmp_path / "whole.json", events(1), age=1)
    assert judged(checked(tmp_path, schema="{}"), "schema") == {"ok": 1, "changing": 1, "failed": 1}


@pytest.mark.long
def test_files_that_are_replaced_all_the_time_never_fail(tmp_path: Path) -> None:
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            name = tmp_path / f"{number % 20}.json"
            with name.open("w") as file:
                text = events(200)
                file.write(text[:500])
                file.flush()
                file.write(text[500:])
            if number % 7 == 0:
                name.unlink()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(5):
            found = judged(checked(tmp_path, files="*.json", schema="{}"), "schema")
            assert found.keys() <= {"ok", "changing"}
    finally:
        stop.set()
        thread.join()


def test_links_are_not_looked_through_and_pipes_not_waited_for(tmp_path: Path) -> None:
    outside = put(tmp_path / "outside.json", events(2))
    folder = tmp_path / "cache"
    put(folder / "a.html", page_of(2))
    (folder / "a.json").symlink_to(outside)
    put(folder / "b.html", page_of(2))
    os.mkfifo(folder / "b.json")
    assert counted(folder) == {"unreadable": 2}


def test_the_newest_are_looked_into_and_so_many_only(tmp_path: Path) -> None:
    for number in range(30):
        put(tmp_path / f"{number}.json", "{}" if number < 10 else "", age=OLD + number)
    found = {count: judged(checked(tmp_path, schema="{}", entries=count), "schema") for count in (5, 10, 12)}
    assert found == {5: {"ok": 5}, 10: {"ok": 10}, 12: {"ok": 10, "failed": 2}}


def test_an_empty_class_is_neither_valid_nor_not(tmp_path: Path) -> None:
    shown = checked(tmp_path, timestamp=True)
    assert judged(shown, "timestamp") == {}
    assert of("it", check="timestamp")("validation_ok") not in shown
