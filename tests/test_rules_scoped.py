"""Figures of a site for some of what an alert watches, beside the figure for all others."""

import subprocess
from pathlib import Path

import pytest
import yaml

from exporter import pack
from exporter.config import ConfigError
from exporter.rulefiles import wanted, write
from exporter.ruleplan import RuleChange
from grafana import build
from grafana.dashboards import ALL

SLOW = ("SlowResponse", 0)


def made(*sets: str) -> list[RuleChange]:
    """Return what becomes of SlowResponse: the rule for all, and those after it."""
    plan = wanted([], sets).plan
    return [plan.rules.get(SLOW, RuleChange()), *plan.more.get(SLOW, ())]


def special(selector: str, figure: str, number: str | None = None, **more: str) -> RuleChange:
    return RuleChange(number, selector=selector, labels={"figure": figure}, **more)  # type: ignore[arg-type]


def test_one_target_has_its_own_figure() -> None:
    assert made('SlowResponse{target="shop"}=1s') == [
        RuleChange(selector='target!="shop"'), special('target="shop"', "target=shop", "1")
    ]  # fmt: skip


def test_several_have_theirs_and_a_pattern_means_many() -> None:
    sets = ["SlowResponse{target=shop}=1s", 'SlowResponse{target=~"blog-.*"}.for=1h', "SlowResponse{target=a.b}=off"]
    assert made(*sets) == [
        RuleChange(selector=r'target!~"shop|blog-.*|a\\.b"'), special('target="shop"', "target=shop", "1"),
        special('target=~"blog-.*"', "target=~blog-.*", wait="1h"),
    ]  # fmt: skip
    assert made('SlowResponse{job=~"web|shop"}=off') == [RuleChange(selector='job!~"web|shop"')]


def test_what_is_set_for_all_holds_for_some_but_for_what_they_have_of_their_own() -> None:
    sets = ["SlowResponse=800ms", "SlowResponse.labels.team=web", "SlowResponse{target=shop}.priority=P1"]
    every, shop = made(*sets)
    assert every == RuleChange("0.8", labels={"team": "web"}, selector='target!="shop"')
    assert shop == RuleChange("0.8", None, None, "P1", {"team": "web", "figure": "target=shop"}, False, 'target="shop"')


def test_what_is_the_same_for_some_is_no_figure_of_their_own() -> None:
    assert made("SlowResponse{target=shop}=500ms") == [RuleChange()]
    assert made("SlowResponse=1s", "SlowResponse{target=shop}=1000ms") == [RuleChange("1")]


def test_an_alert_is_there_for_some_alone() -> None:
    sets = ["SlowResponse=off", "SlowResponse{target=shop}=on", "SlowResponse{target=shop}.above=2s"]
    assert made(*sets) == [RuleChange(off=True), special('target="shop"', "target=shop", "2")]
    with pytest.raises(ConfigError, match=r"the alert is off by .*; add --set 'SlowResponse\{target=\"shop\"\}=on'"):
        made("SlowResponse=off", "SlowResponse{target=shop}.above=2s")


def test_a_later_layer_for_all_counts_over_an_earlier_for_some(tmp_path: Path) -> None:
    file = tmp_path / "values.yml"
    file.write_text('alerts: {"SlowResponse{target=shop}": 1s}\n', encoding="utf-8")
    assert wanted([str(file)], ["SlowResponse=3s"]).plan.rules == {SLOW: RuleChange("3")}


def test_rules_of_an_alert_and_what_they_are_about_are_named_at_once() -> None:
    plan = wanted([], ['EndpointDown{critical="no",target="blog"}=off', "EndpointDown{target=x}.for=1h"]).plan
    assert plan.rules["EndpointDown", 0].selector == 'target!="x"'
    assert plan.rules["EndpointDown", 1].selector == 'target!~"blog|x"'
    assert [change.wait for changes in plan.more.values() for change in changes] == ["1h", "1h"]


@pytest.mark.parametrize(("sets", "said"), [
    (["HighCPUUsage{target=x}=90%"], "HighCPUUsage has no label target, neither its rules nor what they are"
     " about; there is instance, job"),
    (["SlowResponse{endpoint=x}=1s"], "there is instance, job, target"),
    (["Watchdog{job=x}=off"], "it is about nothing"),
    (['SlowResponse{target=~"("}=1s'], 'target=~"(" is no regular expression'),
    (["SlowResponse{target=}=1s"], "is no label with its value"),
    (['SlowResponse{target=""}=1s'], 'target="" has no value; write the one that is meant'),
    (["SlowResponse{target=a,job=b}=1s"], "name one label of what the alert is about"),
    (["SlowResponse{target=a}=1s", "SlowResponse{job=b}=1s"], "tell figures of one alert apart by one label"),
    (["SlowResponse{target=a-1}=1s", 'SlowResponse{target=~"a-.*"}=1s'], 'means what target="a-1" means as well'),
    (["EndpointDown{critical=~y.*}=off"], "critical is a label of rules, which has fixed values; write critical="),
    (["SlowResponse{target=a}=1s", "SlowResponse{target=a}=2s"], "is set here and at"),
    (["APIResponseOverMaximum{target=a}=100ms"], "APIResponseOverMaximum (> 100ms) would fire before"),
    (["APIResponseOverTarget=400ms", "APIResponseOverMaximum{target=a}=300ms"], "would fire before"),
    (["SlowResponse.labels.figure=x"], "the label figure cannot be set"),
])  # fmt: skip
def test_what_cannot_be_is_refused(sets: list[str], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        wanted([], sets)
    assert said in str(caught.value)
    assert len(caught.value.problems) == 1


def test_the_order_of_two_alerts_is_that_of_each_target() -> None:
    sets = ["APIResponseOverTarget{target=a}=50ms", "APIResponseOverMaximum{target=a}=100ms"]
    assert len(wanted([], sets).plan.more) == 2
    assert wanted([], [sets[1], "APIResponseOverTarget{target=a}=off"]).plan.more.keys() == {
        ("APIResponseOverMaximum", 0)
    }


SETS = (
    'DiskSpaceLow{mountpoint="/b"}=5%', "APIHighLatency{job=patient}=3s", "APIHighLatency{job=silent}=off",
    'HighMemoryUsage{instance=~"big.*"}=95%',
)  # fmt: skip
PROOF = """
rule_files: [host.yml, http.yml]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {series: 'node_filesystem_size_bytes{job="node",instance="a",mountpoint="/"}', values: "100x30"}
      - {series: 'node_filesystem_avail_bytes{job="node",instance="a",mountpoint="/"}', values: "19x30"}
      - {series: 'node_filesystem_size_bytes{job="node",instance="a",mountpoint="/b"}', values: "100x30"}
      - {series: 'node_filesystem_avail_bytes{job="node",instance="a",mountpoint="/b"}', values: "6x30"}
      - {series: 'node_filesystem_size_bytes{job="node",instance="b",mountpoint="/b"}', values: "100x30"}
      - {series: 'node_filesystem_avail_bytes{job="node",instance="b",mountpoint="/b"}', values: "4x30"}
REQUESTS
    promql_expr_test:
      - expr: count by (alertname, job, instance, mountpoint, figure) (ALERTS{alertstate="firing"})
        eval_time: 25m
        exp_samples:
          - {labels: '{alertname="DiskSpaceLow",job="node",instance="a",mountpoint="/"}', value: 1}
          - value: 1
            labels: '{alertname="DiskSpaceLow",job="node",instance="b",mountpoint="/b",figure="mountpoint=/b"}'
          - {labels: '{alertname="APIHighLatency",job="quick",instance="q"}', value: 1}
          - {labels: '{alertname="SlowResponse",job="patient",instance="p"}', value: 1}
          - {labels: '{alertname="SlowResponse",job="silent",instance="s"}', value: 1}
"""


def requests(job: str) -> str:
    """Return the series of an application: three in ten requests, all to one endpoint, take up to two seconds."""
    series = 'http_request_duration_seconds_bucket{{job="{}",instance="{}",endpoint="{}",le="{}"}}'
    counts = {("/", "0.1"): 70, ("/", "1"): 70, ("/", "2"): 70, ("/", "+Inf"): 70, ("/slow", "0.1"): 0,
              ("/slow", "1"): 0, ("/slow", "2"): 30, ("/slow", "+Inf"): 30}  # fmt: skip
    given = ((series.format(job, job[0], endpoint, le), count) for (endpoint, le), count in counts.items())
    return "\n".join(f"      - {{series: '{name}', values: '0+{count}x30'}}" for name, count in given)


def test_each_has_its_figure_and_what_follows_it_follows_each(tmp_path: Path) -> None:
    write(tmp_path, wanted([], SETS))
    series = "\n".join(requests(job) for job in ("quick", "patient", "silent"))
    (tmp_path / "proof.yml").write_text(PROOF.replace("REQUESTS", series), encoding="utf-8")
    files = [tmp_path / "host.yml", tmp_path / "http.yml"]
    checked = subprocess.run(["promtool", "check", "rules", *files], capture_output=True, text=True, check=False)
    assert (checked.returncode, "duplicate" in checked.stdout) == (0, False), checked.stdout + checked.stderr
    tested = subprocess.run(
        ["promtool", "test", "rules", tmp_path / "proof.yml"], capture_output=True, text=True, check=False
    )
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_the_rule_for_some_stands_after_the_rule_for_all_with_all_that_it_has(tmp_path: Path) -> None:
    for style in ("prometheus", "operator"):
        folder = tmp_path / style
        write(folder, wanted([], [*SETS, "HighCPUUsage=off"], style))
        made = pack.load([folder / "host.yml"])
        low, backup = made.alerts["DiskSpaceLow"]
        signal = "runbook:filesystem_avail:ratio"
        assert (low.condition, low.selector) == ((signal, "<", "0.20"), '{mountpoint!="/b"}')
        assert (backup.condition, backup.selector) == ((signal, "<", "0.05"), '{mountpoint="/b"}')
        assert (backup.wait, backup.annotations) == (low.wait, low.annotations)
        assert backup.labels == {**low.labels, "figure": "mountpoint=/b"}
        yaml.safe_load((folder / "http.yml").read_text(encoding="utf-8"))


def test_pages_and_dashboards_tell_both_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, wanted([], SETS))
    site = pack.of_site(tmp_path)
    assert [rule.condition[2] for rule in site.alerts["DiskSpaceLow"] if rule.condition] == ["0.20", "0.05"]
    assert not any(rule.off for rules in site.alerts.values() for rule in rules)
    monkeypatch.setattr(pack, "rules", lambda: site)
    (host,) = (declared for declared in ALL if declared.area == "host")
    drawn = build.as_json(host)
    assert "Alert **DiskSpaceLow** (P2): fires when < 0.20 (20%) for 5m or fires when < 0.05 (5%) for 5m." in drawn
    assert "mountpoint!=" not in drawn
