"""Logs of real files through the helper process to the page: good, empty, denied, gone, hung, killed."""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.collectors import log as collector
from tests.hang_fs import mounted, need_fuse
from tests.onetarget import One, one
from tests.process import ROOT
from tests.support import until

TEXT = """\
2026-11-25 12:00:00,000 INFO app: run 1 starts
2026-11-25 12:00:30,500 ERROR app: SCRAPE_002: timeout
Traceback (most recent call last):
  File "app.py", line 3, in run
TimeoutError: 30 s
2026-11-25 12:01:00,000 INFO app: run 1 ends
what is this
2026-11-25 12:02:00,000 WARNING app: login failed for bob
"""
JSON = """\
{"timestamp": "2026-11-25T12:00:00Z", "level": "INFO", "message": "started", "request_id": "7"}
no object
{"timestamp": "2026-11-25T12:00:01Z", "level": "CRITICAL", "message": "out of memory"}
"""
ACCESS = '192.0.2.7 - - [25/Nov/2026:12:00:00 +0000] "GET /api/videos/7 HTTP/1.1" 504 160 "-" "curl"\n'


def settings(folder: Path, more: str = "") -> str:
    return f"""
logs:
  app: {{files: [{folder}/app.log], timezone: UTC}}
  api: {{files: [{folder}/api-*.log], format: json}}
  web: {{files: [{folder}/access.log], format: nginx}}
events: {{unknown: what is this}}
jobs: {{run: {{started: 'run (?P<id>[0-9]+) starts', finished: 'run (?P<id>[0-9]+) ends'}}}}
{more}"""


def shown(target: One) -> str:
    """Return the page without what the exporter says of itself, and without the times of looking."""
    lines = [line for line in target.text().splitlines(keepends=True) if re.search(r"http_|runbook_(log|job)_", line)]
    times = r"(?m)^(runbook_(?:log_counted_since|log_looked|job_known_since)\w+\{.*\}) .*$"
    return re.sub(times, r"\1 NOW", "".join(lines))


def value(target: One, series: str) -> float:
    return float(target.page().get(series, "nan"))  # what was told is shown once it is on disk


def test_the_page_of_three_logs(golden: Callable[[str, str], None], tmp_path: Path) -> None:
    with one("log", settings(tmp_path)) as target:
        assert set(target.outcomes().values()) == {"ok"}
        assert value(target, 'runbook_log_events_total{log="app",event="SCRAPE_002"}') == 0
        for name, text in {"app.log": TEXT, "api-1.log": JSON, "access.log": ACCESS}.items():
            (tmp_path / name).write_text(text)
        until(lambda: value(target, 'runbook_log_lines_total{log="web"}') == 1)
        until(lambda: value(target, 'runbook_log_lines_total{log="api"}') == 3)
        until(lambda: value(target, 'runbook_log_lines_total{log="app"}') == 8)
        golden("log.prom", shown(target))


def test_a_log_that_is_not_there_is_no_fault_and_its_series_are(tmp_path: Path) -> None:
    with one("log", settings(tmp_path)) as target:
        page = target.page()
        assert page['runbook_log_files{log="app"}'] == "0"
        assert page['runbook_log_messages_total{log="app",level="error"}'] == "0"
        assert page['runbook_job_runs_total{job_name="run",outcome="failure"}'] == "0"
        assert 'runbook_log_first_line_timestamp_seconds{log="app"}' not in page
        assert 'runbook_job_last_success_timestamp_seconds{job_name="run"}' not in page
        assert not any(series.startswith('runbook_log_messages_total{log="web"') for series in page)


def test_nothing_of_the_lines_is_shown(tmp_path: Path) -> None:
    with one("log", settings(tmp_path)) as target:
        (tmp_path / "app.log").write_text(TEXT)
        until(lambda: value(target, 'runbook_log_lines_total{log="app"}') == 8)
        text = target.text()
        assert "bob" not in text
        assert str(tmp_path) not in text


def test_reads_that_do_not_apply(tmp_path: Path) -> None:
    with one("log", f"logs: {{app: {{files: [{tmp_path}/app.log]}}}}") as target:
        outcomes = target.outcomes()
        assert outcomes["jobs"] == "skipped no jobs are configured"
        assert outcomes["requests"] == "skipped no access log is configured"


def test_what_was_counted_outlives_a_restart(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    with one("log", settings(tmp_path), tmp_path / "state") as target:
        log.write_text(TEXT)
        until(lambda: value(target, 'runbook_log_lines_total{log="app"}') == 8)
    with log.open("a") as file:
        file.write("2026-11-25 12:03:00,000 INFO app: run 2 ends\n")
    with one("log", settings(tmp_path), tmp_path / "state") as target:
        until(lambda: target.page().get('runbook_log_lines_total{log="app"}') == "9")
        assert value(target, 'runbook_job_runs_total{job_name="run",outcome="success"}') == 2
        assert value(target, 'runbook_job_duration_seconds_sum{job_name="run"}') == 60.0


AS_NOBODY = """
import os, sys
from tests.followed import followed, of_files
settings = of_files(*sys.argv[1:], start="beginning")
followed(settings).__enter__().kill()  # what it imports may be closed to another user
os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
with followed(settings) as it:
    print(it["problems"], it["lines"])
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run what follows as another user")
@pytest.mark.parametrize("closed", ["app.log", "inner"])
def test_a_log_that_may_not_be_read_is_said_and_others_are_read(tmp_path: Path, closed: str) -> None:
    above = Path(tempfile.gettempdir())
    for folder in (tmp_path, *(part for part in tmp_path.parents if above in part.parents)):
        folder.chmod(0o755)
    (tmp_path / "inner").mkdir()
    for name in ("app.log", "inner/other.log", "open.log"):
        (tmp_path / name).write_text(TEXT)
    (tmp_path / closed).chmod(0o600)
    ended = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, *(f"{tmp_path}/{name}" for name in ("app.log", "inner/*.log", "open.log"))],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert f"{tmp_path}/{closed}: Permission denied" in ended.stdout
    assert "setfacl -m u:USER:r" in ended.stdout
    assert ended.stdout.strip().endswith(" 16")


def test_a_log_that_cannot_be_opened_fails_the_read_of_files_alone(tmp_path: Path) -> None:
    (tmp_path / "app.log").symlink_to(tmp_path / "app.log")
    with one("log", settings(tmp_path)) as target:
        outcomes = target.outcomes()
        assert "app.log: Too many levels of symbolic links" in outcomes["files"]
        assert outcomes["lines"] == outcomes["jobs"] == "ok"


def test_a_log_that_is_not_looked_at_any_more_is_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need_fuse()
    monkeypatch.setattr(collector, "STALE", 6.0)
    with mounted(tmp_path / "mount") as system, one("log", settings(tmp_path / "mount")) as target:
        assert target.outcomes()["lines"] == "ok"
        system.hang()
        until(lambda: "was not looked at for" in target.outcomes()["lines"], 20)
        assert not any(series.startswith("runbook_log_") for series in target.page())
        system.answer()
        until(lambda: target.outcomes()["lines"] == "ok", 20)
