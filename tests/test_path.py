"""Paths: their settings, what stands on the page, and what is there without a walk."""

import getpass
import grp
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.collectors.path.settings import show_age
from exporter.config import INSTALLED, ConfigError
from exporter.config import read as read_config
from tests.onetarget import One, one
from tests.process import ROOT
from tests.support import until
from tests.walking import of, page, seen, settings_of

IT = of("it")
DAY = 86_400


def problem(path: str, more: str = "") -> str:
    text = f"targets: {{it: {{collector: path, paths: {{web: {path}}}{more}}}}}"
    with pytest.raises(ConfigError) as caught:
        read_config(text.encode(), "config.yml", INSTALLED, {})
    return str(caught.value)


@pytest.mark.parametrize(("path", "said"), [
    ("{}", "targets.it.paths.web.path: is missing; expected path"),
    ("{path: /a, role: outputs}", "targets.it.paths.web.role"),
    ("{path: /a/**/b}", "targets.it.paths.web.path: has `**`, and folders are walked anyway"),
    ("{path: /a, mode: '888'}", "targets.it.paths.web.mode: is no mode; expected three octal digits"),
    ("{path: /a, mode: '0o600'}", "is no mode"),
    ("{path: /a, files: 'b/*.js'}", "targets.it.paths.web.files: is a pattern of names"),
    ("{path: /a/*, user: nobody}", "targets.it.paths.web.user: needs one place, and `path` is a pattern"),
    ("{path: /a/*, copy: /b}", "targets.it.paths.web.copy: needs one place"),
    ("{path: /a, copy: /a/b}", "targets.it.paths.web.copy: lies in what it is a copy of"),
    ("{path: /a, copy: /a}", "targets.it.paths.web.copy: lies in what it is a copy of"),
    ("{path: /a, budget: 0}", "targets.it.paths.web.budget: leaves nothing"),
    ("{path: /a, max_entries: 0}", "targets.it.paths.web.max_entries: leaves nothing"),
    ("{path: /a, ages: [0]}", "targets.it.paths.web.ages: has 0"),
    ("{path: /a, rotate_size: 10MB}", "rotate_size: is about logs, and the role is other; expected `role: log`"),
    ("{path: /a, role: log, rotate_size: 0}", "targets.it.paths.web.rotate_size: leaves nothing"),
    ("{path: /a, role: log, rotated_kept: -1}", "targets.it.paths.web.rotated_kept: leaves nothing"),
    ("{path: /a, role: log, rotate_interval: 0}", "targets.it.paths.web.rotate_interval: is no time at all"),
])  # fmt: skip
def test_mistakes_are_found_with_their_place(path: str, said: str) -> None:
    assert said in problem(path)


def test_mistakes_of_the_whole_are_found() -> None:
    assert "targets.it.walk_interval: is shorter than 1s" in problem("{path: /a}", ", walk_interval: 500ms")
    assert "targets.it.path_timeout: leaves no time at all" in problem("{path: /a}", ", path_timeout: 0s")
    with pytest.raises(ConfigError, match="is empty; expected a path such as"):
        read_config(b"targets: {it: {collector: path, paths: {}}}", "config.yml", INSTALLED, {})


def test_what_is_next_to_a_place_is_no_part_of_it() -> None:
    assert settings_of({"web": {"path": "/a", "copy": "/ab"}}).paths["web"].copy == "/ab"


@pytest.mark.parametrize(("seconds", "label"), [(37 * DAY, "37d"), (7 * DAY, "7d"), (3600, "1h"), (90, "1m30s")])
def test_ages_are_shown_as_rules_ask_for_them(seconds: float, label: str) -> None:
    assert show_age(seconds) == label


@pytest.mark.parametrize(("settings", "size", "interval", "kept"), [
    ({}, "10000000", None, "5"),
    ({"rotate_interval": "1d"}, None, "86400.0", "30"),
    ({"rotate_interval": "1w", "rotated_kept": 4}, None, "604800.0", "4"),
    ({"rotate_size": "50MB", "rotated_kept": 0}, "50000000", None, "0"),
    ({"rotate_size": "50MB", "rotate_interval": "1d"}, "50000000", "86400.0", "30"),
])  # fmt: skip
def test_the_limits_of_a_log(settings: dict[str, object], size: str | None, interval: str | None, kept: str) -> None:
    shown = page(settings_of({"log": {"path": "/var/log/x", "role": "log", **settings}}), {})
    log = of("log", "log")
    found = [shown.get(log(f"rotation_{name}")) for name in ("size_bytes", "interval_seconds", "kept_files")]
    assert found == [size, interval, kept]


def test_room_is_the_file_system_s(tmp_path: Path) -> None:
    shown = seen({"it": {"path": str(tmp_path)}, "pattern": {"path": f"{tmp_path}/*"}, "gone": {"path": "/no/such"}})
    now = os.statvfs(tmp_path)
    for name in ("it", "pattern"):
        path = of(name)
        assert shown[path("filesystem_size_bytes")] == str(now.f_blocks * now.f_frsize)
        assert abs(int(shown[path("filesystem_avail_bytes")]) - now.f_bavail * now.f_frsize) < 1 << 30
        assert shown[path("filesystem_inodes")] == str(now.f_files)
    assert not [series for series in shown if "filesystem" in series and '"gone"' in series]


def test_a_place_that_comes_and_goes_is_seen_at_once(tmp_path: Path) -> None:
    place = tmp_path / "place"
    with one("path", f"walk_interval: 1h\npaths: {{it: {{path: {place}, role: store}}}}") as target:
        exists = of("it", "store")("exists")
        assert target.page()[exists] == "0"
        place.mkdir()
        assert target.page()[exists] == "1"
        place.rmdir()
        assert target.page()[exists] == "0"
        assert set(target.outcomes().values()) == {"ok", "skipped no path says which user must be able to write there "
                                                         "give it `user`"}  # fmt: skip


def test_the_example_of_the_documentation_is_right() -> None:
    text = (ROOT / "docs" / "paths.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    (target,) = read_config(example.encode(), "config.yml", INSTALLED, {}).targets
    assert {path.role for path in target.settings.paths.values()} >= {"output", "log", "database", "secret", "store"}


def shown(target: One, top: Path) -> str:
    """Return the page without what differs from machine to machine and from time to time."""
    lines = [line for line in target.text().splitlines(keepends=True) if "runbook_path_" in line]
    text = "".join(line for line in lines if not re.search("filesystem_(avail|size|inodes|free)|_encrypted", line))
    text = text.replace(str(top), "/srv").replace(f'owner="{getpass.getuser()}"', 'owner="me"')
    text = text.replace(f'group="{grp.getgrgid(os.getegid()).gr_name}"', 'group="us"')
    measured = r"(?m)^(runbook_path_(?:walk\w+_seconds|allocated_bytes|oldest_unsynced\w+|log_unrotated\w+)\{.*\}) .*$"
    return re.sub(measured, r"\1 MEASURED", text)


def test_the_page(golden: Callable[[str, str], None], tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    files = {"out/a.png": 100, "out/old.png": 50, "logs/app.log": 30, "logs/app.log.1": 60, "dist/app.js": 700,
             "mem.duckdb": 900, "copy/a.png": 100}  # fmt: skip
    for name, size in files.items():
        file = tmp_path / name
        file.parent.mkdir(mode=0o755, exist_ok=True)
        file.write_bytes(b"x" * size)
        file.chmod(0o644)
        os.utime(file, (1_700_000_000, 1_700_000_000))
    os.utime(tmp_path / "out" / "a.png", (time.time() // 1, 2_000_000_000))
    settings = f"""
paths:
  outputs: {{path: {tmp_path}/out, role: output, user: root, copy: {tmp_path}/copy, ages: [1d]}}
  log: {{path: {tmp_path}/logs/app.log, role: log}}
  bundle: {{path: {tmp_path}/dist, role: build, files: "*.js", budget: 1MB}}
  database: {{path: {tmp_path}/mem.duckdb, role: database, owner: nobody}}
  env: {{path: "{tmp_path}/*/.env", role: secret}}
  vectors: {{path: {tmp_path}/none, role: store}}
"""
    with one("path", settings) as target:
        until(lambda: "runbook_path_budget_bytes" in target.text() and target.outcomes()["watch"] == "ok")
        golden("path.prom", shown(target, tmp_path))
