"""What a site wants otherwise than the pack: how it is said, what it comes to, and what is refused with which words."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from exporter import pack, promql, rulechange, rulechoice, rulefigure, ruleorder, rulevalues
from exporter.config import ConfigError
from exporter.rulefiles import wanted
from exporter.ruleplan import Branch, Plan, RuleChange


def planned(text: str, folder: Path, *sets: str) -> Plan:
    file = folder / "values.yml"
    file.write_text(text, encoding="utf-8")
    return wanted([str(file)], sets).plan


def problems(text: str, folder: Path, *sets: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        planned(text, folder, *sets)
    return [problem.replace(f"{folder}/", "") for problem in caught.value.problems]


def refused(*sets: str) -> list[str]:
    """Return what is said of these, each after the `--set` that it is said of."""
    with pytest.raises(ConfigError) as caught:
        wanted([], sets)
    return list(caught.value.problems)


# ---- how it is said


@pytest.mark.parametrize("line", [
    "SlowResponse: 1s", "SlowResponse: 1", "SlowResponse: {above: 1}", "SlowResponse: {number: 1000ms}",
    "SlowResponse.above: 1s", '"SlowResponse": "1s"',
])  # fmt: skip
def test_a_figure_in_a_file(line: str, tmp_path: Path) -> None:
    assert planned(f"alerts:\n  {line}\n", tmp_path) == Plan({("SlowResponse", 0): RuleChange(number="1")})


@pytest.mark.parametrize("text", ["SlowResponse=1s", "SlowResponse.number=1", "SlowResponse.above = 1"])
def test_a_figure_on_the_command_line(text: str) -> None:
    assert wanted([], [text]).plan == Plan({("SlowResponse", 0): RuleChange(number="1")})


@pytest.mark.parametrize("which", ['{use="other"}', "{use=other}", "{ use = 'other' }", '{priority="P2",use="other"}'])
def test_one_of_several_rules_by_its_labels(which: str, tmp_path: Path) -> None:
    expected = {("APIKeyInvalid", 1): RuleChange(priority="P3")}
    assert wanted([], [f"APIKeyInvalid{which}.priority=P3"]).plan.rules == expected
    assert planned(f"alerts:\n  APIKeyInvalid{which}: {{priority: P3}}\n", tmp_path).rules == expected


def test_everything_of_a_rule(tmp_path: Path) -> None:
    text = """
labels: {site: berlin}
alerts:
  DiskSpaceLow: {below: 15%, for: 10m, keep_firing_for: 2m, priority: P1, labels: {team: "on", site: bonn}}
"""
    plan = planned(text, tmp_path)
    assert plan.rules["DiskSpaceLow", 0] == RuleChange("0.15", "10m", "2m", "P1", {"team": "on", "site": "bonn"})
    assert plan.rules["HighCPUUsage", 0] == RuleChange(labels={"site": "berlin"})
    assert ("Watchdog", 0) not in plan.rules


def test_one_label_at_every_alert_and_one_of_an_alert_on_the_command_line() -> None:
    plan = wanted([], ["labels.site=berlin", "DiskSpaceLow.labels.team=disks"]).plan
    assert plan.rules["DiskSpaceLow", 0].labels == {"site": "berlin", "team": "disks"}
    assert plan.rules["HighCPUUsage", 0].labels == {"site": "berlin"}


@pytest.mark.parametrize("word", ["off", "Off", "OFF", "false", "no"])
def test_off(word: str, tmp_path: Path) -> None:
    assert planned(f"alerts:\n  EndpointDown: {word}\n", tmp_path).rules == {
        ("EndpointDown", 0): RuleChange(off=True), ("EndpointDown", 1): RuleChange(off=True)
    }  # fmt: skip


@pytest.mark.parametrize("text", ["", "# nothing\n", "alerts:\n", "alerts: {}\n", "x-mine: &a {above: 1}\n", "{}\n"])
def test_nothing_is_wanted_otherwise(text: str, tmp_path: Path) -> None:
    assert planned(text, tmp_path) == Plan()


def test_what_the_pack_has_is_no_change(tmp_path: Path) -> None:
    text = """
alerts:
  DiskSpaceLow: {below: 20%, for: 300s, keep_firing_for: 0, priority: P2}
  SlowResponse: 500ms
  OutputStorageLow: 2GB
  DuckDBGrowthHigh: 120MB/day
  BackupOverdue: 100%
  HighErrorRate: {for: 0s}
  Watchdog: on
guards: {runbook:http_errors:least: 3.0, runbook:filesystem_filling:least_ratio: 40%}
"""
    assert planned(text, tmp_path) == Plan()


def test_anchors_stand_at_keys_of_their_own(tmp_path: Path) -> None:
    text = "x-slow: &slow {above: 2s, for: 10m}\nalerts: {SlowResponse: *slow, APIHighLatency: {<<: *slow, for: 1h}}\n"
    plan = planned(text, tmp_path)
    assert plan.rules["SlowResponse", 0] == RuleChange("2", "10m")
    assert plan.rules["APIHighLatency", 0] == RuleChange("2", "1h")


# ---- which of several counts


def test_a_later_file_counts_over_an_earlier_and_the_command_line_over_both(tmp_path: Path) -> None:
    one, two = tmp_path / "one.yml", tmp_path / "two.yml"
    one.write_text("alerts: {SlowResponse: 1s, DiskSpaceLow: 10%, HighCPUUsage: off, GPUUnavailable: off}\n", "utf-8")
    two.write_text("alerts: {SlowResponse: 2s, HighCPUUsage: on}\nguards: {runbook:http_errors:least: 5}\n", "utf-8")
    plan = wanted([str(one), str(two)], ["SlowResponse=3s", "runbook:http_errors:least=6"]).plan
    assert plan.rules == {
        ("SlowResponse", 0): RuleChange("3"), ("DiskSpaceLow", 0): RuleChange("0.1"),
        ("GPUUnavailable", 0): RuleChange(off=True),
    }  # fmt: skip
    assert plan.guards == {"runbook:http_errors:least": "6"}


def test_what_names_labels_counts_over_what_does_not_in_any_order(tmp_path: Path) -> None:
    lines = ['EndpointDown{critical="no"}: {for: 10m}', "EndpointDown: {for: 5m}"]
    for order in (lines, lines[::-1]):
        plan = planned("alerts:\n  " + "\n  ".join(order) + "\n", tmp_path)
        assert [plan.rules["EndpointDown", n].wait for n in (0, 1)] == ["5m", "10m"]
    over = planned("alerts:\n  " + lines[0] + "\n", tmp_path, "EndpointDown.for=7m")
    assert [over.rules["EndpointDown", n].wait for n in (0, 1)] == ["7m", "7m"]


def test_what_an_alert_has_once_is_set_at_all_its_rules() -> None:
    plan = wanted([], ["CertificateExpiresNow=5d"]).plan
    assert plan.rules == {("CertificateExpiresNow", n): RuleChange("432000") for n in (0, 1)}
    # only one of the two has a figure: the other tells of a state
    assert wanted([], ["BackupOverdue=150%"]).plan.rules == {("BackupOverdue", 0): RuleChange("1.5")}


# ---- what goes along


def test_a_figure_that_others_rest_on_is_changed_there_as_well() -> None:
    assert wanted([], ["APIHighLatency=2s"]).plan.guards == {"runbook:http_endpoint_slow:seconds": "2"}
    assert wanted([], ["APIHighLatency=off"]).plan.guards == {"runbook:http_endpoint_slow:seconds": "1e9"}
    for wait, window in (("10m", "10m"), ("0", "1m")):
        (follower,) = wanted([], [f"APIHighLatency.for={wait}"]).plan.followers.values()
        assert follower.branches == (Branch("", None, window),)
    assert wanted([], ["APIHighLatency=2s"]).plan.followers == {}


def test_figures_that_follow_are_what_the_pack_has_for_the_alert() -> None:
    for guard, alert in rulechoice.FOLLOWS.items():
        (rule,) = pack.rules().alerts[alert]
        assert rule.condition is not None
        assert rule.condition[2] == pack.rules().signals[guard][0].expression
    for signal, alert in rulechange.WINDOWS.items():
        (rule,) = pack.rules().alerts[alert]
        text = pack.rules().signals[signal][0].expression
        assert text.count(f"[{rule.wait}]") == text.count(f"offset {rule.wait}") == 1


def test_a_guard_beside_the_signal_whose_figure_it_has_follows_that() -> None:
    figures = {
        (rule.condition[0], float(rule.condition[2]))
        for rules in pack.rules().alerts.values() for rule in rules if rule.condition
    }  # fmt: skip
    numbers = {name: float(group[0].expression) for name, group in pack.rules().signals.items() if group[0].is_number}
    found = set()
    for group in pack.rules().signals.values():
        names = set(promql.names(group[0].expression))
        found |= {guard for guard in names & numbers.keys() for name in names if (name, numbers[guard]) in figures}
    assert found == set(rulechoice.FOLLOWS)


def test_numbers_that_cannot_be_set_alone_are_there() -> None:
    guards = [name for name, group in pack.rules().signals.items() if group[0].is_number]
    fixed = [name for name in guards if rulechoice.FIXED.fullmatch(name)]
    assert len(fixed) > 10
    for name in fixed:
        assert refused(f"{name}=5")[0].endswith("so it cannot be set alone")


@pytest.mark.parametrize(("sets", "said"), [
    (["APIResponseOverMaximum=100ms"],
     "APIResponseOverMaximum (> 100ms) would fire before APIResponseOverTarget (> 200ms), which it is told instead of;"
     " set APIResponseOverTarget as well, or one of them off"),
    (["APIResponseOverTarget=600ms"], "set APIResponseOverMaximum as well"),
    (["DuckDBGrowthOverTarget=200MB/day"], "DuckDBGrowthHigh (> 120e6) would fire before"),
    (["CertificateExpiresSoon=2d"], "CertificateExpiresNow (< 3d) would fire before CertificateExpiresSoon (< 2d)"),
    (["CertificateExpiresNow=30d"], "CertificateExpiresNow (< 30d) would fire before CertificateExpiresSoon (< 21d)"),
    (["SearchLatencyHigh=2s"], "APIHighLatency (> 1s) would fire before SearchLatencyHigh (> 2s)"),
])  # fmt: skip
def test_the_stricter_of_two_stays_the_stricter(sets: list[str], said: str) -> None:
    (problem,) = refused(*sets)
    assert problem.startswith(f"--set '{sets[0]}': ")
    assert said in problem


@pytest.mark.parametrize("sets", [
    ["APIResponseOverMaximum=100ms", "APIResponseOverTarget=50ms"], ["APIResponseOverMaximum=200ms"],
    ["APIResponseOverMaximum=100ms", "APIResponseOverTarget=off"],
    ["CertificateExpiresSoon=2d", "CertificateExpiresNow=1d"], ["SearchLatencyHigh=2s", "APIHighLatency=off"],
])  # fmt: skip
def test_both_can_be_moved_or_one_be_off(sets: list[str]) -> None:
    assert len(wanted([], sets).plan.rules) >= 1


def test_pairs_whose_order_is_kept_are_those_that_are_told_instead_of_each_other() -> None:
    pairs = {(strict[0], loose[0]) for strict, loose in ruleorder.pairs(pack.rules())}
    assert pairs == {
        ("APIResponseOverMaximum", "APIResponseOverTarget"), ("DuckDBGrowthHigh", "DuckDBGrowthOverTarget"),
        ("CertificateExpired", "CertificateExpiresNow"), ("CertificateExpiresNow", "CertificateExpiresSoon"),
        ("APIHighLatency", "SearchLatencyHigh"),
    }  # fmt: skip


# ---- figures in the unit of their signal


@pytest.mark.parametrize(("signal", "before", "text", "figure"), [
    ("a:ratio", "0.80", "90%", "0.9"), ("a:ratio", "0.80", "0.90", "0.90"), ("a:ratio", "0.80", "12.5 %", "0.125"),
    ("a:ratio", "0.80", "80%", "0.80"), ("a:ratio", "0.05", ".1", "0.1"), ("a:ratio", "1", "1.5", "1.5"),
    ("a:ratio", "10", "50", "50"), ("a:ratio", "1", "8000%", "80"), ("a:ratio", "5", "10", "10"),
    ("runbook:task_overdue:ratio", "0.20", "2", "2"), ("runbook:task_overdue:ratio", "0.20", "150%", "1.5"),
    ("a:seconds", "0.5", "1", "1"), ("a:seconds", "0.5", "250ms", "0.25"), ("a:seconds", "1814400", "30d", "2592000"),
    ("a:seconds", "60", "1h30m", "5400"), ("a:seconds", "0.5", "500s", "500"), ("a:seconds", "0", "30", "30"),
    ("a:bytes", "2e9", "5GB", "5000000000"), ("a:bytes", "2e9", "2GiB", "2147483648"), ("a:bytes", "2e9", "3e9", "3e9"),
    ("a:bytes_per_day", "120e6", "60MB/day", "60000000"), ("a:bytes_per_day", "120e6", "60 MB per day", "60000000"),
    ("a:least_bytes", "10e6", "0", "0"), ("a:count", "3", "5", "5"), ("a:least", "20000", "1e5", "1e5"),
    ("a:most", "0.5", "30%", "0.3"), ("a:most", "5", "7", "7"),
])  # fmt: skip
def test_a_figure_is_written_in_its_unit(signal: str, before: str, text: str, figure: str) -> None:
    assert rulefigure.figure(text, signal, before) == figure
    assert rulefigure.figure(figure, signal, figure) == figure


@pytest.mark.parametrize(("signal", "before", "operator", "text", "said"), [
    ("a:ratio", "0.80", ">", "80", "80 is more than the whole; the figure is a share of one: write 80% or 0.8"),
    ("a:ratio", "0.80", ">", "120%", "120% is more than the whole; the figure is a share of one, as 0.15 or 15%"),
    ("a:ratio", "0.80", ">", "1", "a share is never above 1; to have no such alert write off"),
    ("a:ratio", "0.20", "<", "0%", "a share is never below 0; to have no such alert write off"),
    ("a:ratio", "1", ">", "80", "80 is 80 times; write 80% or 0.8, or 8000% if 80 times are meant"),
    ("a:ratio", "0.80", ">", "5m", "'5m' is a duration; expected a share of one, as 0.15 or 15%"),
    ("a:ratio", "0.80", ">", "5GB", "'5GB' is a size; expected a share of one, as 0.15 or 15%"),
    ("a:ratio", "0.80", ">", "high", "'high' is no figure; expected a share of one, as 0.15 or 15%"),
    ("a:ratio", "0.80", ">", "nan", "'nan' is no figure; expected a share of one, as 0.15 or 15%"),
    ("a:ratio", "0.80", ">", "inf%", "'inf%' is no figure; expected a share of one, as 0.15 or 15%"),
    ("a:ratio", "0.80", ">", "0,9", "'0,9' is no figure; expected a share of one, as 0.15 or 15%"),
    ("a:ratio", "0.80", ">", "-0.1", "-0.1 is below 0; a:ratio is a share of one"),
    ("a:seconds", "0.5", ">", "500", "500 is 500 seconds, where the pack has 500ms; write its unit: 500ms"),
    ("a:seconds", "1814400", "<", "30", "30 is 30 seconds, where the pack has 3w; write its unit: 30h or 30d"),
    ("a:seconds", "0.5", ">", "50%", "'50%' is a share of one; expected a duration, as 500ms, 10m or 30d"),
    ("a:bytes", "2e9", "<", "5", "5 is 5 bytes, where the pack has 2GB; write its unit: 5GB"),
    ("a:bytes", "2e9", "<", "5G", "'5G' is no figure; expected a size, as 500MB or 10GB"),
    ("a:count", "3", ">", "5%", "'5%' is a share of one; expected a number, as 5"),
])  # fmt: skip
def test_a_figure_that_is_none_or_in_another_unit(
    signal: str, before: str, operator: str, text: str, said: str
) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        rulefigure.figure(text, signal, before, operator)
    assert str(caught.value) == said


@pytest.mark.parametrize(("text", "said"), [
    ("10", "10 has no unit; write 10s, 10m or 10h"), ("1.5h", "'1.5h' is no duration of Prometheus'; write 1h30m"),
    ("10 m", "'10 m' is no duration of Prometheus'; write 10m"),
    ("5m1h", "'5m1h' is no duration of Prometheus'; write 1h5m"),
    ("x", "'x' is no duration of Prometheus'; expected one as 30s, 10m or 1h30m"),
    ("-5m", "'-5m' is no duration of Prometheus'; expected one as 30s, 10m or 1h30m"),
    ("2y", "2y is longer than a year"),
])  # fmt: skip
def test_a_duration_that_is_none(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        rulefigure.duration(text)
    assert str(caught.value) == said


# ---- what is refused

EVERY_BAD_THING: Sequence[tuple[str, str]] = [
    ("alerts: {SlowRespons: 1s}", "alerts.SlowRespons: there is no alert SlowRespons; did you mean SlowResponse?"),
    ("alerts: {slowresponse: 1s}", "alerts.slowresponse: there is no alert slowresponse; did you mean SlowResponse?"),
    ("alerts: {Nothing_Like_It: 1s}", "there is no alert Nothing_Like_It; docs/alerts.md has all of them"),
    ("alerts: {runbook:http_errors:least: 1}", "is no alert; a guard stands below `guards:`"),
    ('alerts: {"EndpointDown{critical=maybe}": off}', "no rule of EndpointDown has these labels; there is"
     ' EndpointDown{critical="yes"}, EndpointDown{critical="no"}'),
    ('alerts: {"EndpointDown{critical!=no}": off}', '{critical!=no} is no label with its value; write {label="value"}'),
    ('alerts: {"EndpointDown{critical=~no}": off}', "critical is a label of rules, which has fixed values; write"),
    ('alerts: {"EndpointDown{critical=no,critical=no}": off}', "names the label critical twice"),
    ('alerts: {"EndpointDown{}": off}', '{} is no label with its value; write {label="value"}'),
    ('alerts: {"Endpoint Down": off}', "names no rules; expected Alert"),
    ("alerts: {EndpointDown: 3}", "EndpointDown tells of a state (runbook:endpoint_critical:up is 0), and has no"),
    ("alerts: {Watchdog: 3}", "Watchdog fires always, and has no figure; it can be off"),
    ("alerts: {Watchdog: {priority: P1}}", "Watchdog has no priority; it can be off"),
    ("alerts: {CeleryTaskStuck: 1h}", 'say which: CeleryTaskStuck{stuck="running"} (> 1800),'
     ' CeleryTaskStuck{stuck="limit"} (> 0), CeleryTaskStuck{stuck="waiting"} (> 1800)'),
    ("alerts: {EndpointDown: {priority: P1}}", "the rules of EndpointDown differ in `priority`; say which:"
     ' EndpointDown{critical="yes"} (P0), EndpointDown{critical="no"} (P2)'),
    ("alerts: {VulnerabilityUnpatched: {priority: P1}}", 'VulnerabilityUnpatched{security="yes"} (P1),'
     ' VulnerabilityUnpatched{priority="P2"} (P2), VulnerabilityUnpatched{priority="P3"} (P3)'),
    ("alerts: {APIQuotaExhausted: {for: 10m}}", 'APIQuotaExhausted{reason="rate"} (5m)'),
    ("alerts: {DiskSpaceLow: {above: 10%}}", "DiskSpaceLow fires below its figure; write `below` or `number`"),
    ("alerts: {DiskSpaceLow: {below: 10%, number: 10%}}", "is set here and at"),
    ("alerts: {DiskSpaceLow: 10%, DiskSpaceLow.below: 15%}", "is set here and at"),
    ("alerts: {DiskSpaceLow: 10%, DiskSpaceLow: 15%}", "the key 'DiskSpaceLow' stands here again, after line 1"),
    ("alerts: {DiskSpaceLow: off, DiskSpaceLow.below: 15%}\n", "the alert is off by"),
    ("alerts: {DiskSpaceLow: {severity: info}}", "alerts.DiskSpaceLow.severity: `severity` follows `priority`;"),
    ("alerts: {DiskSpaceLow: {threshold: 1}}", "alerts.DiskSpaceLow.threshold: `threshold` is called `number`"),
    ("alerts: {DiskSpaceLow: {wiat: 1}}", "alerts.DiskSpaceLow.wiat: `wiat` is not known;"),
    ("alerts: {DiskSpaceLow: {prioritty: P1}}", "`prioritty` is not known; did you mean priority?"),
    ("alerts: {DiskSpaceLow: {priority: P4}}", "'P4' is no priority; expected one of P0, P1, P2, P3"),
    ("alerts: {DiskSpaceLow: {for: }}", "`for` has no value; write one, or leave it out"),
    ("alerts: {DiskSpaceLow: {for: [1m]}}", "is a list; expected a single value"),
    ("alerts: {DiskSpaceLow: [1]}", "is a list; expected a number, off, on, or a mapping of number, above, below, for"),
    ("alerts: {DiskSpaceLow: }", "has no value; expected a number, off, on, or a mapping"),
    ("alerts: {DiskSpaceLow: {labels: team}}", "`labels` are a mapping, as {team: web}"),
    ("alerts: {DiskSpaceLow: {labels: {priority: P1}}}", "the label priority cannot be set: set `priority` instead"),
    ("alerts: {DiskSpaceLow: {labels: {severity: x}}}", "the label severity cannot be set: it follows `priority`"),
    ("alerts: {DiskSpaceLow: {labels: {instance: x}}}", "it says what the alert is about"),
    ("alerts: {DiskSpaceLow: {labels: {a-b: x}}}", "'a-b' is no name of a label"),
    ("alerts: {DiskSpaceLow: {labels: {__a: x}}}", "'__a' is no name of a label"),
    ("alerts: {DiskSpaceLow: {labels: {mountpoint: x}}}", "DiskSpaceLow tells by the label mountpoint what it is"),
    ("alerts: {SecretLogged: {labels: {security: 'no'}}}", 'SecretLogged has the label security="yes", which stays'),
    ("alerts: {DiskSpaceLow: {labels: {team: '{{ $labels.job }}'}}}", "the label team needs a text of 1 to 200"),
    ("alerts: {DiskSpaceLow: {labels: {team: ''}}}", "the label team needs a text of 1 to 200"),
    ("labels: {name: x}", "tells by the label name what it is about; choose another name"),
    ("labels: [a]", "labels: is a list; expected a mapping"),
    ("guards: {runbook:http_error:least: 3}", "there is no guard runbook:http_error:least; did you mean"),
    ("guards: {DiskSpaceLow: 3}", "there is no guard DiskSpaceLow; docs/alerts.md has all of them below Guards"),
    ("guards: {runbook:http_endpoint_slow:seconds: 2}", "is the figure of APIHighLatency, and follows it; set that"),
    ("guards: {runbook:job_known_1h:seconds: 2}", "belongs to the windows and functions of its signal"),
    ("guards: {runbook:http_errors:least: off}", "'off' is no figure; expected a number, as 5"),
    ("guards: {runbook:http_errors:least: {number: 3}}", "is a mapping; expected a single value"),
    ("operator: {name: x}", "operator.name: is not known here; expected one of labels, namespace"),
    ("operator: {namespace: Bad_One}", "'Bad_One' is no namespace; expected at most 63 small letters"),
    ("operator: {labels: {re lease: x}}", "re lease: 'x' is no label of Kubernetes"),
    ("operator: {labels: {release: 'x y'}}", "release: 'x y' is no label of Kubernetes"),
    ("SlowResponse: 1s", "SlowResponse: is not known; an alert stands below `alerts:`"),
    ("runbook:http_errors:least: 1", "is not known; a guard stands below `guards:`"),
    ("alert: {SlowResponse: 1s}", "alert: is not known; did you mean alerts?"),
    ("[1]", "is a list; expected a mapping of alerts, guards, labels, operator"),
    ("alerts: {SlowResponse: 1s", "is not YAML"),
    ("alerts: {SlowResponse: 500}", "500 is 500 seconds, where the pack has 500ms; write its unit: 500ms"),
    ("alerts: {DiskSpaceLow: '{{ .Values.disk }}'}", "'{{ .Values.disk }}' is no figure; expected a share of one"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), EVERY_BAD_THING, ids=range(len(EVERY_BAD_THING)))
def test_bad_values_are_refused_with_their_place_and_a_remedy(text: str, said: str, tmp_path: Path) -> None:
    found = problems(text, tmp_path)
    assert any(said in problem for problem in found), found
    assert all(re.match(r"values\.yml:[12]: ", problem) for problem in found)


@pytest.mark.parametrize(("text", "said"), [
    ("SlowResponse", "is not understood; expected WHICH=WHAT, as SlowResponse=1s or SlowResponse.for=10m"),
    ("=1", "is not understood"), ("A{b=1", "is not understood"), ("", "is not understood"),
    ("SlowResponse=", "has nothing after the `=`; expected a number, off, on"),
    ("SlowRespons=1s", "there is no alert SlowRespons; did you mean SlowResponse?"),
    ("runbook:http_errors:least.for=1m", "a guard has its name and a number, and nothing else"),
    ("DiskSpaceLow.severity=info", "`severity` follows `priority`; set that"),
    ("DiskSpaceLow.labels=x", "`labels` are a mapping, as {team: web}"),
    ("operator.name=x", "is not known here; expected one of labels, namespace"),
])  # fmt: skip
def test_a_bad_set_is_refused_with_its_text(text: str, said: str) -> None:
    (problem,) = refused(text)
    assert problem.startswith(f"--set {text!r}: ")
    assert said in problem


def test_one_thing_set_twice_on_the_command_line_names_both() -> None:
    assert refused("DiskSpaceLow=10%", "DiskSpaceLow.below=15%") == [
        "--set 'DiskSpaceLow.below=15%': is set here and at --set 'DiskSpaceLow=10%'; keep one of them"
    ]
    (guard,) = refused("runbook:http_errors:least=4", "runbook:http_errors:least=5")
    assert guard.endswith("is set here and at --set 'runbook:http_errors:least=4'; keep one of them")


def test_everything_that_is_wrong_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    text = "alerts:\n  SlowRespons: 1s\n  DiskSpaceLow:\n    below: 15\n    for: 10\n  HighCPUUsage: 90%\nguard: {}\n"
    assert problems(text, tmp_path, "Nothing=1") == [
        "values.yml:7: guard: is not known; did you mean guards?",
        "values.yml:2: alerts.SlowRespons: there is no alert SlowRespons; did you mean SlowResponse?",
        "values.yml:4: alerts.DiskSpaceLow.below: 15 is more than the whole; the figure is a share of one:"
        " write 15% or 0.15",
        "values.yml:5: alerts.DiskSpaceLow.for: 10 has no unit; write 10s, 10m or 10h",
        "--set 'Nothing=1': there is no alert Nothing; docs/alerts.md has all of them",
    ]


def test_what_is_off_in_a_file_is_not_changed_by_what_forgets_that(tmp_path: Path) -> None:
    text = "alerts:\n  HighMemoryUsage: off\n"
    (problem,) = problems(text, tmp_path, "HighMemoryUsage=90%")
    assert problem == (
        "--set 'HighMemoryUsage=90%': the alert is off by "
        f"{tmp_path}/values.yml:2: alerts.HighMemoryUsage; add --set 'HighMemoryUsage=on', or take this out"
    ).replace(f"{tmp_path}/", "")
    assert planned(text, tmp_path, "HighMemoryUsage=90%", "HighMemoryUsage=on").rules == {
        ("HighMemoryUsage", 0): RuleChange("0.9")
    }


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        wanted([str(tmp_path / "none.yml")])


def test_every_alert_can_be_named_so_that_one_rule_is_meant() -> None:
    for name, rules in pack.rules().alerts.items():
        said = rulechoice.choices(rules, "for")
        for rule, shown in zip(rules, said.removeprefix("say which: ").split("), "), strict=True):
            which, _ = rulevalues.which_of(shown.rpartition(" (")[0])
            assert which.name == name
            assert [other for other in rules if rulechoice.is_meant(which, other)] == [rule]
