"""Entries that are large, broken, deep, closed, packed, in other encodings, or gone meanwhile: each is said rightly."""

import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from exporter.collectors.cache import checking
from tests.caching import events, judged, page_of, put, seen, settings_of, surveying
from tests.process import ROOT
from tests.support import until


def counted(folder: Path, **more: Any) -> dict[str, int]:
    """Return what is found where rows are compared with events."""
    its = {"rows": "tr.event", "pair": f"{folder}/{{stem}}.json", "events": "events", **more}
    return judged(seen({"it": {"path": str(folder), "ttl": "24h", "files": ["*.html"], "validate": its}}), "count")


def fitting(folder: Path, schema: str = '{"type": "object"}', **more: Any) -> dict[str, int]:
    """Return what is found where a schema is asked for."""
    its = {"schema": schema, **more}
    return judged(seen({"it": {"path": str(folder), "ttl": "24h", "validate": its}}), "schema")


@pytest.mark.parametrize("page", [
    page_of(3).encode("utf-8-sig"), page_of(3).encode("utf-16"), page_of(3).encode("utf-16-le"),
    page_of(3).encode("utf-16-be"), page_of(3).replace("ride", "Ritt über Grün").encode("cp1252"),
    page_of(3).replace("ride", "乗馬").encode("shift_jis"), page_of(3).replace("ride", "骑马").encode("gb18030"),
    page_of(3)[:-40].encode(), b"\0\1" + page_of(3).encode(), gzip.compress(page_of(3).encode()),
    b"<!-- <tr class=event> -->" + page_of(3).replace("</td></tr>", "").encode(),
], ids=["BOM", "UTF-16", "little", "big", "Windows", "Japan", "China", "cut", "bytes", "gzip", "no ends"])  # fmt: skip
def test_rows_are_counted_in_whatever_encoding(tmp_path: Path, page: bytes) -> None:
    put(tmp_path / "a.html", page)
    put(tmp_path / "a.json", events(3))
    assert counted(tmp_path) == {"ok": 1}


def test_json_that_is_packed_and_what_is_cut_or_swells(tmp_path: Path) -> None:
    put(tmp_path / "good.json", gzip.compress(b'{"a": 1}'))
    put(tmp_path / "parts.json", gzip.compress(b'{"a": ') + gzip.compress(b"1}"))
    put(tmp_path / "more.json", gzip.compress(b'{"a": 1}') + b"more")
    put(tmp_path / "cut.json", gzip.compress(b'{"a": 1}' * 100)[:-12])
    put(tmp_path / "junk.json", b"\x1f\x8b\x08" + b"junk" * 10)
    put(tmp_path / "bomb.json", gzip.compress(b" " * 50_000_000))
    put(tmp_path / "wide.json", '{"a": 1}'.encode("utf-16"))
    begun = time.monotonic()
    assert fitting(tmp_path) == {"ok": 2, "failed": 4, "too_large": 1}
    assert time.monotonic() - begun < 30


def test_large_files_are_counted_where_they_may_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "EACH", 60.0)
    monkeypatch.setattr(checking, "LONGEST", 90.0)
    rows = 10_000_000 // len("<tr class=event><td>a ride</td></tr>") + 1
    put(tmp_path / "a.html", page_of(rows))
    put(tmp_path / "a.json", json.dumps({"events": rows}))
    assert (tmp_path / "a.html").stat().st_size > 10_000_000
    assert counted(tmp_path) == {"too_large": 1}
    assert counted(tmp_path, max_bytes="20MB") == {"ok": 1}


@pytest.mark.long
def test_json_of_fifty_megabytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "EACH", 60.0)
    monkeypatch.setattr(checking, "LONGEST", 90.0)
    text = events(1, more=["x" * 90] * 540_000)
    assert len(text) > 50_000_000
    put(tmp_path / "a.json", text)
    assert fitting(tmp_path) == {"too_large": 1}
    assert fitting(tmp_path, max_bytes="60MB") == {"ok": 1}


def test_what_is_deep_is_not_judged_and_not_followed(tmp_path: Path) -> None:
    put(tmp_path / "deep.json", '{"a": ' * 900 + "1" + "}" * 900)
    put(tmp_path / "good.json", '{"a": {"a": 1}}')
    schema = '{"properties": {"a": {"$ref": "#"}}}'
    assert fitting(tmp_path, schema) == {"ok": 1, "too_large": 1}


def test_loops_of_links_and_folders_that_go_while_they_are_walked(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    put(cache / "stays" / "a", "x")
    (cache / "stays" / "up").symlink_to(cache)
    (cache / "self").symlink_to(cache / "self")
    (cache / "one").symlink_to(cache / "two")
    (cache / "two").symlink_to(cache / "one")
    stop = threading.Event()

    def churn() -> None:
        while not stop.is_set():
            for number in range(20):
                put(cache / "goes" / f"{number}" / "b", "x")
            shutil.rmtree(cache / "goes", ignore_errors=True)

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        its = {"path": str(cache), "ttl": "1h", "validate": {"schema": "{}", "entries": 5}}
        with surveying(settings_of({"it": its}, walk_interval="1s")) as work:
            until(lambda: "surveyed it" in work.entries, 30)
            first = work.entries["surveyed it"]["ended"]
            until(lambda: work.entries["surveyed it"]["ended"] > first + 3, 60)
            told = work.entries["surveyed it"]
            assert (told["whole"], work.entries.get("trouble it")) == (True, None)
            assert 1 <= told["entries"] <= 21  # links are none
    finally:
        stop.set()
        thread.join()


AS_NOBODY = """
import json, os, resource, sys
from exporter.collectors.cache.validation import validate
request = json.loads(sys.argv[1])
validate({**request, "names": ["open.json"]})  # what it imports may be closed to another user
os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
print(json.dumps(validate(request)["verdicts"]))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_entries_that_are_closed_are_not_judged() -> None:
    with tempfile.TemporaryDirectory() as place:
        top = Path(place)
        top.chmod(0o755)
        put(top / "open.json", "{}").chmod(0o644)
        put(top / "shut.json", "{}").chmod(0o600)
        its: dict[str, Any] = {"root": place, "names": ["open.json", "shut.json", "gone.json"], "seconds": 30.0,
                               "each": 5.0, "ttl": 3600.0, "checks": ["timestamp"], "max_bytes": 1000, "time": "",
                               "rows": "", "pair": "", "events": "", "schema": "{}", "schema_file": ""}  # fmt: skip
        command = [sys.executable, "-c", AS_NOBODY, json.dumps(its)]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    assert [told["timestamp"][0] for told in json.loads(ended.stdout)] == ["ok", "unreadable", "changing"]
