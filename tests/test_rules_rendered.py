"""The pack as a site wants it: what is written, that promtool takes it, and that the pack's tests see it."""

import json
import re
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from exporter import alerts, cli, pack
from exporter.rulefiles import Wanted, wanted, write
from exporter.ruleplan import Branch, Follower, Plan, RuleChange
from exporter.ruletext import changed
from grafana import build
from grafana.dashboards import ALL
from tests.process import ROOT
from tests.rules import loaded, promtool_tests

AREAS = sorted(file.stem for file in (ROOT / "rules").glob("*.yml"))
VALUES = sorted((ROOT / "examples").glob("*/values.yml"))
APPS = ("clippy", "mem", "ndisuite", "nova-clip", "trailblaze")
TEXT = """\
groups:
  - name: spool  # its files
    rules:
      # how full
      - record: runbook:spool:ratio
        expr: |
          x / on (job) (y > 0)
      - alert: SpoolFull
        expr: runbook:spool:ratio > 0.80  # of all
        for: 5m
        labels:
          priority: P2
          severity: warning
        annotations:
          summary: "Full."

      # it always fires
      - alert: SpoolSeen
        expr: runbook:spool:ratio > 0
        labels:
          priority: P3
          severity: info
        annotations:
          summary: "Seen."
      - record: runbook:spool:least
        expr: 10

      - alert: SpoolFull
        expr: runbook:spool:ratio > 0.95
        for: 5m
        keep_firing_for: 1m
        labels:
          priority: P1
          severity: critical
          limit: hard
        annotations:
          summary: "Full."
"""


def lines(text: str) -> list[str]:
    """Return what of a text differs from the one above, as `diff` has it."""
    before, after = TEXT.splitlines(), text.splitlines()
    return [f"-{line.strip()}" for line in before if line not in after] + [
        f"+{line.strip()}" for line in after if line not in before
    ]


@pytest.mark.parametrize(("change", "differs"), [
    (RuleChange(number="0.9"), ["-expr: runbook:spool:ratio > 0.80  # of all",
                                "+expr: runbook:spool:ratio > 0.9  # of all"]),
    (RuleChange(wait="10m"), ["+for: 10m"]),
    (RuleChange(keep="3m"), ["+keep_firing_for: 3m"]),
    (RuleChange(priority="P0"), ["-priority: P2", "-severity: warning", "+priority: P0"]),
    (RuleChange(labels={"team": "web", "at": "yes", "zone": "é: x", "n": "12"}),
     ["+team: web", '+at: "yes"', '+zone: "é: x"', '+n: "12"']),
])  # fmt: skip
def test_one_value_is_exchanged_and_the_rest_stays(change: RuleChange, differs: list[str]) -> None:
    text = changed(TEXT, Plan({("SpoolFull", 0): change}))
    assert lines(text) == differs
    (group,) = loaded(text)["groups"]
    soft, hard = (rule for rule in group["rules"] if rule.get("alert") == "SpoolFull")
    assert hard == loaded(TEXT)["groups"][0]["rules"][4]
    assert {name: soft["labels"].get(name) for name in change.labels} == change.labels


def test_what_is_there_twice_is_exchanged_where_it_is_meant() -> None:
    text = changed(TEXT, Plan({("SpoolFull", 1): RuleChange("0.99", keep="2m", priority="P3", labels={"team": "web"})}))
    hard = loaded(text)["groups"][0]["rules"][4]
    assert (hard["expr"], hard["keep_firing_for"]) == ("runbook:spool:ratio > 0.99", "2m")
    assert hard["labels"] == {"priority": "P3", "severity": "info", "limit": "hard", "team": "web"}
    assert text.count("\n") == TEXT.count("\n") + 1


def test_an_alert_that_is_off_goes_with_its_comment_and_one_blank_line() -> None:
    text = changed(TEXT, Plan({("SpoolSeen", 0): RuleChange(off=True), ("SpoolFull", 1): RuleChange(off=True)}))
    assert '          summary: "Full."\n\n      - record: runbook:spool:least\n        expr: 10\n' in text
    assert [rule.get("alert") for rule in loaded(text)["groups"][0]["rules"]] == [None, "SpoolFull", None]
    assert "always" not in text
    assert text.endswith("expr: 10\n")


def test_the_numbers_of_guards() -> None:
    assert lines(changed(TEXT, Plan(guards={"runbook:spool:least": "3"}))) == ["-expr: 10", "+expr: 3"]


FOLLOWING = TEXT.replace(
    "x / on (job) (y > 0)", "min_over_time(x[5m]) > on () group_left () n and x offset 5m and y[5m:1m]"
)


def followed(*branches: Branch) -> str:
    text = changed(FOLLOWING, Plan(followers={"runbook:spool:ratio": Follower("x", "n", "5m", branches)}))
    expression: str = loaded(text)["groups"][0]["rules"][0]["expr"]
    return expression


def test_a_signal_that_follows_an_alert() -> None:
    assert followed(Branch("", None, "1h")) == (
        "min_over_time(x[1h]) > on () group_left () n and x offset 1h and y[5m:1m]\n"
    )
    assert (
        followed(Branch('a!="b"', None, "5m"), Branch('a="b"', "3", "1h"))
        == """\
(
  min_over_time(x{a!="b"}[5m]) > on () group_left () n and x{a!="b"} offset 5m and y[5m:1m]
)
  or
(
  min_over_time(x{a="b"}[1h]) > 3 and x{a="b"} offset 1h and y[5m:1m]
)
"""
    )


# ---- the files


def test_without_values_every_byte_is_the_pack_s(tmp_path: Path) -> None:
    for number, what in enumerate((Wanted(), wanted([]), wanted([], ["DiskSpaceLow=20%"]))):
        for file in write(tmp_path / str(number), what):
            assert file.read_bytes() == (ROOT / "rules" / file.name).read_bytes()


def accepted(files: Iterable[Path]) -> bool:
    ended = subprocess.run(["promtool", "check", "rules", *files], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return True


def test_promtool_takes_every_alert_changed_in_every_way(tmp_path: Path) -> None:
    sets = [f"labels.site={json.dumps('a: b')}"]
    for name, rules in pack.rules().alerts.items():
        for rule in rules:
            if rule.condition:
                own = ",".join(f'{key}="{value}"' for key, value in {**rule.labels}.items())
                which = f"{name}{{{own}}}"
                lacks = [other for other in rules if rule.labels.items() <= other.labels.items()]
                if len(lacks) == 1:
                    sets += [f"{which}.for=17m", f"{which}.keep_firing_for=3m", f"{which}.priority=P0"]
    what = wanted([], sets)
    assert sum(change.wait == "17m" for change in what.plan.rules.values()) > 150
    files = write(tmp_path, what)
    assert accepted(files)
    made = pack.load(files)
    for name, rules in made.alerts.items():
        for rule, before in zip(rules, pack.rules().alerts[name], strict=True):
            if rule.condition:
                assert rule.condition == before.condition
                assert rule.labels["severity"] == alerts.severity_of(rule.labels["priority"])
                assert {**rule.own_labels, **before.own_labels} == rule.own_labels
                assert rule.labels["site"] == '"a: b"'


def test_promtool_takes_the_pack_without_any_alert(tmp_path: Path) -> None:
    files = write(tmp_path, wanted([], [f"{name}=off" for name in pack.rules().alerts]))
    assert accepted(files)
    assert pack.load(files).alerts == {}
    assert pack.load(files).signals.keys() == pack.rules().signals.keys()


def test_the_examples_are_those_of_the_five_applications() -> None:
    assert [file.parent.name for file in VALUES] == list(APPS)


@pytest.mark.parametrize("app", APPS)
def test_the_values_of_an_application_are_taken(app: str, tmp_path: Path) -> None:
    what = wanted([str(ROOT / "examples" / app / "values.yml")])
    files = write(tmp_path, what)
    assert accepted(files)
    assert {rule.labels["app"] for rules in pack.load(files).alerts.values() for rule in rules if rule.condition} == {
        app
    }
    assert len(what.plan.rules) > 150


def test_figures_of_the_applications() -> None:
    changes = {
        app: wanted([str(ROOT / "examples" / app / "values.yml")]).plan.rules["SlowResponse", 0]
        for app in ("trailblaze", "ndisuite", "nova-clip")
    }  # fmt: skip
    (rule,) = pack.rules().alerts["SlowResponse"]
    assert rule.condition == ("runbook:http_request_duration:seconds", ">", "0.5")
    assert {app: change.number for app, change in changes.items() if not change.off} == {
        "trailblaze": None, "ndisuite": "1"
    }  # fmt: skip


def test_values_can_be_hurried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [ROOT / "rules" / f"{area}.yml" for area in ("host", "http")]
    what = wanted([], ["SlowResponse=1s", "SlowResponse.for=10m", "HighMemoryUsage=off", "APIHighLatency.for=10m"])
    monkeypatch.setattr(pack, "rule_files", lambda: files)
    made = pack.load(write(tmp_path, what, factor=60, scrape_interval=0.5))
    assert (made.alerts["SlowResponse"][0].expression[-4:], made.alerts["SlowResponse"][0].wait) == (" > 1", "10s")
    assert "HighMemoryUsage" not in made.alerts
    assert made.signals["runbook:http_endpoint_told:seconds"][0].expression.count("10s") == 2


# ---- the command


def test_the_command_takes_files_and_single_values(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = tmp_path / "values.yml"
    values.write_text("alerts: {DiskSpaceLow: 15%, HighMemoryUsage: off}\n", encoding="utf-8")
    folder = tmp_path / "rules"
    assert cli.main(["rules", str(folder), "--values", str(values), "--set", "DiskSpaceLow=10%"]) == 0
    assert loaded(capsys.readouterr().out) == {"rule_files": [f"{folder}/*.yml"]}
    made = pack.load(sorted(folder.iterdir()))
    assert made.alerts["DiskSpaceLow"][0].expression.endswith(" < 0.1")
    assert "HighMemoryUsage" not in made.alerts


@pytest.mark.parametrize("arguments", [["--set", "DiskSpaceLow=80"], ["--set", "Nothing=1"],
                                       ["--values", "/nowhere.yml"]])  # fmt: skip
def test_the_command_writes_nothing_where_something_is_wrong(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["rules", str(tmp_path / "rules"), *arguments]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert arguments[1].split("=")[0] in told.err
    assert list(tmp_path.iterdir()) == []


def test_other_values_are_written_over_those_before_only_when_told(tmp_path: Path) -> None:
    arguments = ["rules", str(tmp_path), "--set", "DiskSpaceLow=10%"]
    assert cli.main(arguments) == 0
    assert cli.main(arguments) == 0
    assert cli.main([*arguments[:-1], "DiskSpaceLow=15%"]) == 1
    assert pack.load([tmp_path / "host.yml"]).alerts["DiskSpaceLow"][0].expression.endswith(" < 0.1")
    assert cli.main([*arguments[:-1], "DiskSpaceLow=15%", "--force"]) == 0
    assert pack.load([tmp_path / "host.yml"]).alerts["DiskSpaceLow"][0].expression.endswith(" < 0.15")


# ---- the Prometheus operator

_TIME = r"^(0|(([0-9]+)y)?(([0-9]+)w)?(([0-9]+)d)?(([0-9]+)h)?(([0-9]+)m)?(([0-9]+)s)?(([0-9]+)ms)?)$"
_TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
_RULE = {
    "type": "object", "required": ["expr"], "additionalProperties": False,
    "properties": {
        "alert": {"type": "string"}, "record": {"type": "string"}, "expr": {"type": ["integer", "string"]},
        "for": {"type": "string", "pattern": _TIME}, "labels": _TEXTS, "annotations": _TEXTS,
        "keep_firing_for": {"type": "string", "minLength": 1, "pattern": _TIME},
    },
}  # fmt: skip
_GROUP = {
    "type": "object", "required": ["name"], "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "minLength": 1}, "interval": {"type": "string", "pattern": _TIME},
        "rules": {"type": "array", "items": _RULE},
    },
}  # fmt: skip
CRD = {
    "type": "object", "required": ["apiVersion", "kind", "metadata", "spec"], "additionalProperties": False,
    "properties": {
        "apiVersion": {"const": "monitoring.coreos.com/v1"}, "kind": {"const": "PrometheusRule"},
        "metadata": {"type": "object", "required": ["name"]},
        "spec": {
            "type": "object", "required": ["groups"], "additionalProperties": False,
            "properties": {"groups": {"type": "array", "items": _GROUP}},
        },
    },
}  # fmt: skip
"""What the operator's own definition of the resource asks for (0.82), as far as rules go."""
_NO_TEXT = re.compile(r"[-+.\d][-+.\deE_x]*|(?i:y|n|yes|no|on|off|true|false|null|~)")
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


@pytest.fixture(scope="module")
def resources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("manifests")
    sets = ["operator.namespace=monitoring", "operator.labels.release=stack", "labels.site=on", "Watchdog=off"]
    return {file.stem: file.read_text("utf-8") for file in write(folder, wanted([], sets, "operator"))}


def test_the_operator_s_definition_takes_every_area(resources: dict[str, str]) -> None:
    assert sorted(resources) == AREAS
    for area, text in resources.items():
        made: dict[str, Any] = loaded(text)
        jsonschema.validate(made, CRD)
        assert NAME.fullmatch(made["metadata"]["name"])
        assert made["metadata"] == {
            "name": f"runbook-exporter-{area}", "namespace": "monitoring",
            "labels": {"app.kubernetes.io/name": "runbook-exporter", "app.kubernetes.io/component": "rules",
                       "release": "stack"},
        }  # fmt: skip
        names = [group["name"] for group in made["spec"]["groups"]]
        assert len(set(names)) == len(names)


def test_what_other_readers_of_yaml_take_for_no_text_is_quoted(resources: dict[str, str]) -> None:
    """Kubernetes takes 100e6 for a number, and y for yes; PyYAML takes both for texts."""
    for text in resources.values():
        for line in text.splitlines():
            value = line.strip().partition(": ")[2]
            plain = bool(value) and value[0] not in "\"'|["
            assert not (plain and _NO_TEXT.fullmatch(value)), line


def test_the_operator_s_rules_are_the_pack_s(resources: dict[str, str], tmp_path: Path) -> None:
    files = write(tmp_path / "plain", wanted([], ["labels.site=on", "Watchdog=off"]))
    for file in files:
        of_operator = tmp_path / file.name
        of_operator.write_text(resources[file.stem], encoding="utf-8")
        assert pack.load([of_operator]) == pack.load([file])
        inside = tmp_path / f"inside_{file.name}"
        inside.write_text(yaml.safe_dump(loaded(resources[file.stem])["spec"]), encoding="utf-8")
    assert accepted(tmp_path.glob("inside_*.yml"))


def test_the_command_says_how_they_come_into_the_cluster(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["rules", str(tmp_path / "m"), "--format=operator"]) == 0
    assert f"kubectl apply -f {tmp_path}/m" in capsys.readouterr().out


def test_the_operator_s_rules_can_be_hurried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack, "rule_files", lambda: [ROOT / "rules" / "http.yml"])
    (file,) = write(tmp_path, wanted([], [], "operator"), factor=60)
    jsonschema.validate(loaded(file.read_text(encoding="utf-8")), CRD)


# ---- the pack's own tests on what is written


def complaints(areas: Iterable[str], rules: Path, folder: Path) -> set[str]:
    """Return the alerts that promtool's tests of some areas find otherwise than told, on the rules in a folder."""
    files = []
    for area in areas:
        for file in promtool_tests(area):
            text = file.read_text(encoding="utf-8")
            assert f"../{area}.yml" in text
            files.append(folder / f"test_{file.name}")
            files[-1].write_text(text.replace(f"../{area}.yml", str(rules / f"{area}.yml")), encoding="utf-8")
    ended = subprocess.run(["promtool", "test", "rules", *files], capture_output=True, text=True, check=False)
    found = set(re.findall(r"alertname: ?(\w+)", ended.stdout + ended.stderr))
    assert (ended.returncode == 0) == (found == set()), ended.stdout + ended.stderr
    return found


QUICK = ("gpu", "pgbouncer", "process", "systemd")


def test_the_pack_s_tests_run_on_what_is_written_and_see_what_is_otherwise(tmp_path: Path) -> None:
    otherwise = {
        "PgBouncerClientsHigh": "=76%", "ProcessMemoryNearLimit": "=80%", "ProcessFileDescriptorsNearLimit": "=75%",
        "ProcessCPUThrottled": "=20%", "ServiceRestarting": "=2", "GPUUnavailable": ".for=1h",
        "PgBouncerDown": ".priority=P3", "SystemdUnitFailed": "=off", "ProcessDown": ".labels.team=web",
    }  # fmt: skip
    files = write(tmp_path / "rules", wanted([], [name + what for name, what in otherwise.items()]))
    assert complaints(QUICK, files[0].parent, tmp_path) == set(otherwise)
    assert len([name for name, rules in pack.rules().alerts.items() if rules[0].area in QUICK]) > len(otherwise)


# ---- what tells of the rules


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    sets = ["SlowResponse=1s", "SlowResponse.for=20m", "HighMemoryUsage=off", "CertificateExpiresNow{critical=no}=off"]
    monkeypatch.setattr(pack, "_site", None)
    yield write(tmp_path / "site", wanted([], sets))[0].parent
    monkeypatch.undo()
    pack.rules.cache_clear()


def test_a_site_s_rules_are_read_with_what_is_off(site: Path) -> None:
    (site / "others.yml").write_text("not: rules\n", encoding="utf-8")
    made = pack.of_site(site)
    assert made.alerts.keys() == pack.rules().alerts.keys()
    (slow,) = made.alerts["SlowResponse"]
    assert (slow.condition, slow.wait, slow.off) == (("runbook:http_request_duration:seconds", ">", "1"), "20m", False)
    assert [rule.off for rule in made.alerts["HighMemoryUsage"]] == [True]
    assert [rule.off for rule in made.alerts["CertificateExpiresNow"]] == [False, True]
    assert sum(rule.off for rules in made.alerts.values() for rule in rules) == 2
    assert pack.of_site(ROOT / "rules") == pack.load(pack.rule_files())


def test_dashboards_draw_a_site_s_figures(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (http,) = (declared for declared in ALL if declared.area == "http")
    (host,) = (declared for declared in ALL if declared.area == "host")
    made = pack.of_site(site)
    monkeypatch.setattr(pack, "rules", lambda: made)
    assert "Alert **SlowResponse** (P2): fires when > 1 (1s) for 20m." in build.as_json(http)
    drawn = build.as_json(host)
    assert "Alert **HighMemoryUsage** (P2): off." in drawn
    assert '"value": 0.85' not in drawn
    assert "runbook:host_memory:ratio{" in drawn


def test_explain_and_the_exporter_take_a_site_s_rules(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["explain", "SlowResponse", "--rules.path", str(site)]) == 0
    assert "runbook:http_request_duration:seconds > 1 (1s), for 20m" in capsys.readouterr().out
    assert cli.main(["serve", "--rules.path", str(site / "none")]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "has no rules of this program; write them with: runbook-exporter rules" in told.err
