"""The commands `test` and `once`."""

import json
import subprocess
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.process import PLAIN, command

CONFIG = """
targets:
  good: {collector: fake}
  torn: {collector: fake, behaviour: fails}
  gone: {collector: fake, behaviour: down}
  hung: {collector: fake, behaviour: hangs, timeout: 300ms}
"""


def file_with(folder: Path, text: str = CONFIG) -> str:
    (folder / "config.yml").write_text(text, encoding="utf-8")
    return f"--config.file={folder / 'config.yml'}"


def test_a_target_that_works_is_exit_0(tmp_path: Path) -> None:
    ended = command("test", file_with(tmp_path), "good")
    assert ended.returncode == 0
    lines = ended.stdout.splitlines()
    assert lines[0].startswith("good (fake): up after ")
    assert lines[1].split()[:4] == ["ok", "good", "1", "series"]
    assert lines[2].split()[:2] == ["skipped", "absent"]
    assert lines[2].endswith("there is <i>no</i> such thing")


def test_a_read_that_fails_is_exit_1_with_the_reason_and_the_fix(tmp_path: Path) -> None:
    ended = command("test", file_with(tmp_path), "good", "torn")
    assert ended.returncode == 1
    assert "good (fake): up" in ended.stdout
    assert "failed  doubtful" in ended.stdout
    assert "it is <broken> & torn" in ended.stdout
    assert 'fix: say "please"' in ended.stdout


def test_a_target_that_is_down_is_exit_1_with_the_reason_and_the_fix(tmp_path: Path) -> None:
    ended = command("test", file_with(tmp_path), "gone")
    assert ended.returncode == 1
    assert ended.stdout.startswith("gone (fake): DOWN after ")
    assert "nobody is at home" in ended.stdout
    assert "fix: ring again <b>later</b>" in ended.stdout
    assert "Traceback" not in ended.stderr


def test_a_target_that_hangs_is_given_up_in_its_own_time(tmp_path: Path) -> None:
    ended = command("test", file_with(tmp_path), "hung")
    assert ended.returncode == 1
    assert "timeout" in ended.stdout


def test_what_is_looked_at_in_the_background_is_waited_for(tmp_path: Path) -> None:
    ended = command("test", file_with(tmp_path, "targets: {slow: {collector: fake, behaviour: early}}"), "slow")
    assert ended.returncode == 0, ended.stdout
    assert ended.stdout.splitlines()[-2].split()[:2] == ["ok", "doubtful"]


def test_all_targets_are_read_where_none_is_named(tmp_path: Path) -> None:
    ended = command("test", "--json", file_with(tmp_path))
    assert ended.returncode == 1
    found = {target["target"]: target for target in json.loads(ended.stdout)}
    assert list(found) == ["host", "exporter", "good", "torn", "gone", "hung"]
    assert (found["gone"]["up"], found["gone"]["reason"]) == (False, "nobody is at home")
    assert found["gone"]["fix"] == "ring again <b>later</b>"
    torn = {read["read"]: read for read in found["torn"]["reads"]}
    assert [torn[name]["outcome"] for name in ("good", "absent", "doubtful")] == ["ok", "skipped", "failed"]
    assert torn["good"]["series"] == 1
    assert 0 <= torn["good"]["duration"] < 1
    assert {read["outcome"] for read in found["host"]["reads"]} <= {"ok", "skipped"}


def test_a_name_that_is_no_target_is_exit_2_with_those_there_are(tmp_path: Path) -> None:
    ended = command("test", file_with(tmp_path), "nobody")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "there is no target nobody; there are host, exporter, good, torn, gone, hung\n"


def test_the_host_alone_needs_no_configuration() -> None:
    ended = command("test", "host", program=PLAIN)
    assert ended.returncode == 0, ended.stdout
    assert "host (system): up" in ended.stdout


def test_once_prints_a_page_that_promtool_and_the_parser_accept(tmp_path: Path) -> None:
    ended = command("once", file_with(tmp_path))
    assert ended.returncode == 0
    page = ended.stdout
    families = {family.name: family for family in text_string_to_metric_families(page)}
    assert 'fake_value{part="a",target="good"} 1\n' in page
    assert 'runbook_target_up{collector="fake",target="gone"} 0\n' in page
    assert len(families["node_cpu_seconds"].samples) > 7
    checked = subprocess.run(["promtool", "check", "metrics"], input=page, text=True, capture_output=True, check=False)
    ours = [line for line in checked.stderr.splitlines() if line.startswith("runbook_")]
    assert checked.returncode in (0, 3), checked.stderr  # 3: advice on names, which others gave their metrics
    assert ours == []


def test_once_leaves_no_state_behind(tmp_path: Path) -> None:
    folder = tmp_path / "home"
    folder.mkdir()
    assert command("once", program=PLAIN, environ={"HOME": str(folder)}).returncode == 0
    assert list(folder.iterdir()) == []
