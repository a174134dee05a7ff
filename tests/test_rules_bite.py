"""The lint of the rules is known to bite."""

import pytest
import yaml

from tests import rules_promql as promql
from tests import rules_shape as shape
from tests.rules import Rule, rules_in
from tests.rules_promql import Check, with_contexts

GOOD = """
groups:
  - name: host
    rules:
      - record: runbook:spool:ratio
        expr: EXPRESSION
      - record: runbook:spool:bytes
        expr: node_memory_MemFree_bytes
      - alert: HighCPUUsage
        expr: runbook:spool:ratio > 0.80
        for: 5m
        keep_firing_for: 1m
        labels:
          priority: P1
          severity: critical
        annotations:
          summary: The spool is full.
          description: "The spool of {{ $labels.instance }} is {{ $value | humanizePercentage }} full."
          runbook_url: "URLHighCPUUsage"
""".replace("URL", shape.URL)
EXPRESSION = "node_memory_MemFree_bytes / on (job, instance, target) (node_memory_MemTotal_bytes > 0)"

BAD_EXPRESSIONS: list[tuple[Check, str]] = [
    (promql.metrics_exist, "node_no_such_thing"),
    (promql.metrics_exist, "runbook:spool:bytes"),  # recorded further down
    (promql.matchers_name_labels, 'node_load1{cpu="0"}'),
    (promql.matchers_name_labels, 'node_load1{job="node"}'),
    (promql.regexes_are_needed, 'node_filesystem_size_bytes{fstype=~"ext4"}'),
    (promql.regexes_are_needed, 'node_filesystem_size_bytes{fstype!~"tmpfs"}'),
    (promql.lists_of_labels_name_labels, "max by (job, instance, target, cpu) (node_load1)"),
    (promql.lists_of_labels_name_labels, "max without (cpu) (node_load1)"),
    (promql.lists_of_labels_name_labels, "node_load1 + on (device) node_load5"),
    (promql.lists_of_labels_name_labels, "node_load1 + on (job, cpu) rate(node_cpu_seconds_total[5m])"),
    (promql.lists_of_labels_name_labels, "sum by (job) (node_load1) + on (job, instance) node_load5"),
    (promql.lists_of_labels_name_labels, "(node_load1 + on (job) node_load5) - on (instance) node_load15"),
    (promql.lists_of_labels_name_labels, "sum(node_load1) - on (job) node_load15"),
    (promql.vectors_are_matched, "node_load1 + node_load5"),
    (promql.vectors_are_matched, "node_load1 and node_load5"),
    (promql.vectors_are_matched, "time() - node_load1 > node_load5"),
    (promql.counters_are_rated, "node_cpu_seconds_total"),
    (promql.counters_are_rated, "sum by (job, instance, target) (node_cpu_seconds_total)"),
    (promql.counters_are_rated, "rate(node_load1[5m])"),
    (promql.counters_are_rated, "increase(node_vmstat_pgfault[5m])"),
    (promql.counters_are_rated, "deriv(node_cpu_seconds_total[5m])"),
    (promql.counters_are_rated, "max_over_time(node_cpu_seconds_total[5m])"),
    (promql.counters_are_rated, "node_cpu_seconds_total unless on (job) node_load1 offset 1h"),
    (promql.counters_are_rated, "node_forks_total unless on (job) node_forks_total"),
    (promql.counters_are_rated, "node_forks_total - ignoring () max_over_time(node_forks_total[5m])"),
    (promql.counters_are_rated, "node_forks_total - ignoring () last_over_time(node_forks_total[5m] offset 5m)"),
    (promql.counters_are_rated, "node_forks_total + ignoring () min_over_time(node_forks_total[5m])"),
    (promql.counters_are_rated, "node_forks_total - on (job) min_over_time(node_context_switches_total[5m])"),
    (promql.counters_are_rated, "min_over_time(node_forks_total[5m])"),
    (promql.functions_are_sound, "irate(node_forks_total[5m])"),
    (promql.functions_are_sound, "rate(sum by (job) (node_forks_total)[5m:1m])"),
    (promql.functions_are_sound, "timestamp(node_load1 > 1)"),
    (promql.absence_has_static_labels, "absent(node_load1)"),
    (promql.absence_has_static_labels, 'absent(node_uname_info{nodename=~"a|b"})'),
    (promql.functions_are_sound, "topk(3, node_load1)"),
    (promql.functions_are_sound, "bottomk by (job) (3, node_load1)"),
    (promql.windows_are_wide, "rate(node_forks_total[45s])"),
    (promql.divisions_are_guarded, "node_load1 / on (job, instance, target) node_load5"),
    (promql.divisions_are_guarded, "node_load1 / on (job) (node_load5 - 1)"),
    (promql.divisions_are_guarded, "avg by (job) (node_load1 / on (job, instance, target) (node_load5 > 0))"),
    (shape.figures_stand_alone, "node_load1 > 3"),
    (shape.figures_stand_alone, "node_load1 * 100"),
    (shape.signals_keep_their_place, "sum by (job) (node_load1)"),
    (shape.signals_keep_their_place, "max(node_load1)"),
    (shape.signals_keep_their_place, "node_load1 - on (instance) node_load5"),
]
GOOD_EXPRESSIONS = [
    EXPRESSION,
    'rate(node_cpu_seconds_total{mode=~"user|system"}[1m])',
    "increase(node_vmstat_oom_kill[10m])",
    "node_forks_total unless on (job, instance, target) last_over_time(node_forks_total[1h] offset 1h)",
    "node_forks_total - ignoring () min_over_time(node_forks_total[5m])",
    "node_forks_total - ignoring () (node_forks_total offset 1h or ignoring () min_over_time(node_forks_total[1h]))",
    "count by (job, instance, target) (node_cpu_seconds_total)",
    "changes(node_forks_total[5m])",
    "count_over_time(node_forks_total[5m])",
    'absent(node_uname_info{nodename="a"}) and on () node_load1',
    "timestamp(node_load1)",
    "time() - node_boot_time_seconds",
    "-(deriv(node_load1[5m]) < 0)",
    "predict_linear(node_load1[5m], 3600)",
    "0.4",
]
BAD_SHAPES: list[tuple[Check, str, str]] = [
    (shape.names_are_alike, "alert: HighCPUUsage", "alert: high_cpu_usage"),
    (shape.names_are_alike, "alert: HighCPUUsage", f"alert: High{'C' * 40}"),
    (shape.names_are_alike, "record: runbook:spool:ratio", "record: spool:ratio"),
    (shape.names_are_alike, "name: host", "name: disks"),
    (shape.an_alert_compares_a_signal, "runbook:spool:ratio > 0.80", "node_load1 > 0.80"),
    (shape.an_alert_compares_a_signal, "runbook:spool:ratio > 0.80", "runbook:other:ratio > 0.80"),
    (shape.an_alert_compares_a_signal, "runbook:spool:ratio > 0.80", "runbook:spool:ratio"),
    (shape.an_alert_compares_a_signal, "runbook:spool:ratio > 0.80", "runbook:spool:ratio * 100 > 80"),
    (shape.an_alert_compares_a_signal, "runbook:spool:ratio > 0.80", 'runbook:spool:ratio{job="x"} > 0.80'),
    (shape.an_alert_compares_a_signal, "alert: HighCPUUsage", "alert: Watchdog"),
    (shape.severity_fits_priority, "severity: critical", "severity: warning"),
    (shape.severity_fits_priority, "priority: P1", "priority: P7"),
    (shape.severity_fits_priority, "          priority: P1\n", ""),
    (shape.severity_fits_priority, "priority: P1", 'priority: P1\n          full: "{{ $value }}"'),
    (shape.severity_fits_priority, "priority: P1", "priority: P1\n          instance: here"),
    (shape.annotations_are_whole, "summary: The spool is full.", 'summary: "{{ $labels.target }} is full."'),
    (shape.annotations_are_whole, "summary: The spool is full.", "summary: full"),
    (shape.annotations_are_whole, "summary: The spool is full.", "summary: The spool is over 80% full."),
    (shape.annotations_are_whole, "          summary: The spool is full.\n", ""),
    (shape.annotations_are_whole, "summary: The spool is full.", "summary: Full.\n          more: x"),
    (shape.annotations_are_whole, "full.\"", "over 80%.\""),
    (shape.annotations_are_whole, "of {{ $labels.instance }} ", ""),
    (shape.annotations_are_whole, "full.\"", "full\""),
    (shape.annotations_are_whole, "/HighCPUUsage\"", "/HighCPU\""),
    (shape.annotations_are_whole, "{{ with $externalLabels.runbooks }}{{ . }}{{ else }}", "{{ if true }}"),
    (shape.descriptions_tell_the_value, " | humanizePercentage", ""),
    (shape.descriptions_tell_the_value, "{{ $value | humanizePercentage }} ", ""),
    (shape.descriptions_tell_the_value, "$labels.instance", "$labels.mountpoint"),
    (shape.an_alert_has_a_runbook, "alert: HighCPUUsage", "alert: HighSpool"),
    (shape.an_alert_waits, "        for: 5m\n", ""),
    (shape.an_alert_waits, "runbook:spool:ratio > 0.80\n        for: 5m", "absent(up) > 0\n        for: 0m"),
    (shape.a_page_does_not_flap, "        keep_firing_for: 1m\n", ""),
]  # fmt: skip


def complaints(check: Check, text: str) -> list[str]:
    rules: list[Rule] = rules_in(text, "host")
    return [wrong for rule, context in with_contexts(tuple(rules)) for wrong in check(rule, context)]


def recording(expression: str) -> str:
    return GOOD.replace("EXPRESSION", yaml.safe_dump(expression, default_style='"', width=1000).strip())


@pytest.mark.parametrize("expression", GOOD_EXPRESSIONS)
def test_nothing_is_wrong_with_a_good_rule(expression: str) -> None:
    text = recording(expression)
    assert [wrong for check in promql.EXPRESSION_CHECKS for wrong in complaints(check, text)] == []
    assert [wrong for check in shape.SHAPE_CHECKS for wrong in complaints(check, recording(EXPRESSION))] == []


@pytest.mark.parametrize(("check", "expression"), BAD_EXPRESSIONS, ids=lambda part: getattr(part, "__name__", part))
def test_a_bad_expression_is_seen(check: Check, expression: str) -> None:
    assert complaints(check, recording(expression)) != []


@pytest.mark.parametrize(("check", "good", "bad"), BAD_SHAPES)
def test_a_bad_shape_is_seen(check: Check, good: str, bad: str) -> None:
    text = recording(EXPRESSION)
    assert good in text
    assert complaints(check, text) == []
    assert complaints(check, text.replace(good, bad)) != []


def test_every_check_is_known_to_bite() -> None:
    bitten = {check for check, *_ in (*BAD_EXPRESSIONS, *BAD_SHAPES)}
    assert bitten == {*promql.EXPRESSION_CHECKS, *shape.SHAPE_CHECKS}


def test_a_bad_group_is_seen() -> None:
    assert list(shape.group_trouble({"name": "x", "rules": [{}] * 20, "interval": "5m"})) == []
    assert list(shape.group_trouble({"name": "x", "rules": [{}] * 21})) != []
    assert list(shape.group_trouble({"name": "x", "rules": [], "interval": "5m1s"})) != []
