"""The page on figures that a site can change: each of its commands does what it says, in the words that it shows."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from exporter import cli, pack
from exporter.config import ConfigError
from exporter.rulefiles import wanted
from grafana import build
from grafana.dashboards import ALL
from tests.process import ROOT

PAGE = (ROOT / "docs" / "figures.md").read_text(encoding="utf-8")
YAML = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
FILES = {text.splitlines()[0].removeprefix("# "): text for text in YAML}
COMMANDS = [
    line for block in re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL) for line in block.splitlines()
]
BAD = """\

alerts:
  SlowRespons: 1s
  DiskSpaceLow: 15
  CertificateExpiresSoon: 30
  EndpointDown{critical="maybe"}.for: 1m
  HighCPUUsage.for: 10
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("figures")
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "examples").symlink_to(ROOT / "examples")
    (folder / "grafana").mkdir()
    return folder


@pytest.fixture
def apart(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Let the rules that this program was told of be forgotten again."""
    monkeypatch.chdir(place)
    monkeypatch.setattr(pack, "_site", None)
    yield place
    monkeypatch.undo()
    pack.rules.cache_clear()


@pytest.mark.parametrize("number", range(len(COMMANDS)))
def test_each_command_works(number: int, apart: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = [word.replace("/etc/prometheus", str(apart)) for word in shlex.split(COMMANDS[number])]
    if words[1] != "rules":
        assert cli.main(["rules", f"{apart}/rules", "--set", "SlowResponse=1s", "--force"]) == 0
    if words[0] == "python":
        assert words[1:3] == ["-m", "grafana.build"]
        monkeypatch.setattr("sys.argv", words[2:])
        monkeypatch.setattr(build, "ALL", [declared for declared in ALL if declared.area == "http"])
        build.main()
        assert "fires when > 1 (1s)" in (apart / "grafana" / "http.json").read_text(encoding="utf-8")
        return
    assert words[0] == "runbook-exporter"
    if len(words) == 2:  # it serves until it is stopped
        monkeypatch.setattr(cli, "serve", lambda file, overrides: 0)
    assert cli.main(words[1:]) == 0


def test_its_values_are_taken_and_do_what_they_say(place: Path) -> None:
    plan = wanted([str(place / "values.yml")]).plan
    assert plan.rules["SlowResponse", 0].number == "1"
    assert plan.rules["HighMemoryUsage", 0].off
    assert plan.rules["CertificateExpiresNow", 1].labels == {"site": "berlin", "team": "web"}
    assert plan.guards == {"runbook:http_errors:least": "10"}
    some = wanted([str(place / "some.yml")]).plan
    selectors = [change.selector for changes in some.more.values() for change in changes]
    assert selectors == ['target="reports"', 'mountpoint="/backup"', 'target="shop-db"']
    assert some.rules["SlowResponse", 0].selector == 'target!~"reports|batch-.*"'
    assert some.rules["PostgreSQLSlowQuery", 0].off


def test_its_refusals_are_those_of_the_program(tmp_path: Path) -> None:
    (told,) = re.findall(r"^```text\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "values.yml").write_text(BAD, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        wanted([str(tmp_path / "values.yml")])
    assert str(caught.value).replace(f"{tmp_path}/", "") == told.rstrip()


def test_what_it_names_is_there() -> None:
    known = {*pack.rules().alerts, *pack.rules().signals}
    named = set(re.findall(r"`([A-Z][a-zA-Z]{5,})(?:\{[^`]*)?(?:\.\w+)?(?:: [^`]*)?`", PAGE)) - {"PrometheusRule"}
    assert len(named) > 8
    assert named - known == set()


def test_the_operator_s_settings_in_a_file_are_those_of_the_command(tmp_path: Path) -> None:
    (shown,) = re.findall(r"`(operator: \{.*?\}\})`", PAGE)
    (tmp_path / "values.yml").write_text(shown, encoding="utf-8")
    (command,) = (line for line in COMMANDS if "--format operator" in line)
    sets = re.findall(r"--set (\S+)", command)
    assert wanted([str(tmp_path / "values.yml")], [], "operator") == wanted([], sets, "operator")
    assert set(yaml.safe_load(shown)) == {"operator"}
