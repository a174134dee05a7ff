"""The mapping as it is written in the configuration: every mistake in it is found, with place and remedy."""

import sys

import pytest

from exporter.config import INSTALLED, ConfigError, read
from exporter.jmes import compiled
from exporter.mapping import MappedMetric
from exporter.mappingclash import clashes
from exporter.metric import CATALOGUE, Metric

HEAD = "targets:\n  it:\n    collector: json\n    file: x.json\n    metrics:\n"


def problems(*metrics: str, head: str = HEAD) -> list[str]:
    text = head + "".join(f"      - {{{metric}}}\n" for metric in metrics)
    try:
        read(text.encode(), "config.yml", INSTALLED, {})
    except ConfigError as error:
        return list(error.problems)
    return []


@pytest.mark.parametrize("metric", [
    "name: app_jobs, help: Jobs., value: queue.length",
    "name: app_jobs_total, help: Jobs., value: done, type: counter, each: queues, labels: {queue: name, kind: \"'x'\"}",
    "name: app_info, help: Version., type: info, labels: {version: version}",
    "name: app_status, help: Status., value: status, states: [healthy, degraded]",
    "name: app_seen_timestamp_seconds, help: Seen., value: seen, convert: time_utc",
    "name: app_took_seconds, help: Time., value: ms, scale: 0.001, convert: text",
    "name: app_users, help: Users., value: 'length(users[?active == `true`])'",
    "name: app_any, help: Any., value: \"a || b.c[0] | sum(@)\"",
])  # fmt: skip
def test_what_is_right(metric: str) -> None:
    assert problems(metric) == []


@pytest.mark.parametrize(("metric", "place", "reason"), [
    ("name: app_jobs, help: Jobs., value: 'a['", "value", "is no JMESPath at character 3; expected"),
    ("name: app_jobs, help: Jobs., value: a..b", "value", "is no JMESPath at character 3; expected"),
    ("name: app_jobs, help: Jobs., value: \"'x\"", "value", "is no JMESPath at character 1; expected"),
    ("name: app_jobs, help: Jobs., value: \"a.length()\"", "value", "gives length() 0 arguments"),
    ("name: app_jobs, help: Jobs., value: size(a)", "value", "has a function size(), which JMESPath does not know"),
    ("name: app_jobs, help: Jobs., value: 'a[?nosuch(b)].c'", "value", "has a function nosuch()"),
    ("name: app_jobs, help: Jobs., value: 'length(a, b)'", "value", "gives length() 2 arguments; expected 1"),
    ("name: app_jobs, help: Jobs., value: merge()", "value", "gives merge() 0 arguments; expected 1 or more"),
    ("name: app_jobs, help: Jobs.", "value", "is missing; expected the JMESPath of a number"),
    (f"name: app_jobs, help: Jobs., value: '{'[' * 1500}'", "value", "is no JMESPath"),
    (f"name: app_jobs, help: Jobs., value: {'a' * 2001}", "value", "is too long"),
    ("name: app_jobs, help: Jobs., value: a, each: 'b['", "each", "is no JMESPath"),
    ("name: app_jobs, help: Jobs., value: a, labels: {queue: 'b['}", "labels.queue", "is no JMESPath"),
    ("name: app_jobs, help: Jobs., value: a, labels: {queue: ''}", "labels.queue", "is empty; expected a JMESPath"),
    ("name: app_jobs, help: Jobs., value: a, labels: {target: b}", "labels", "cannot have a label 'target'; expected"),
    ("name: app_jobs, help: Jobs., value: a, labels: {le: b}", "labels", "cannot have a label 'le'; expected"),
    ("name: app_jobs, help: Jobs., value: a, labels: {a-b: b}", "labels", "cannot have a label 'a-b'; expected"),
    ("name: app_jobs, help: Jobs., value: a, labels: {state: b}, states: [x]", "labels", "a label stands twice"),
    ("name: app.jobs, help: Jobs., value: a", "name", "'app.jobs' is not a metric name; expected letters"),
    ("name: 'app:jobs', help: Jobs., value: a", "name", "names with a colon"),
    ("name: runbook_jobs, help: Jobs., value: a", "name", "beginning with runbook_"),
    ("name: up, help: Jobs., value: a", "name", "up is what Prometheus itself says of a target; expected another"),
    ("name: ALERTS, help: Jobs., value: a", "name", "ALERTS is what Prometheus itself says of a target"),
    ("name: scrape_jobs, help: Jobs., value: a", "name", "scrape_jobs is what Prometheus itself says"),
    ("name: app_total, help: Jobs., value: a", "name", "`_total` ends the names of counters"),
    ("name: app, help: Jobs., value: a, type: counter", "name", "`_total` ends the names of counters"),
    ("name: app_info, help: Jobs., value: a", "name", "`_info` ends the names of the type info"),
    ("name: app_info, help: Jobs., type: info", "labels", "is missing, and an info says all in its labels"),
    ("name: app_info, help: Jobs., type: info, value: a, labels: {a: a}", "value", "an info has none"),
    ("name: app_jobs, help: ' ', value: a", "help", "is empty; expected a sentence"),
    ("name: app_jobs, help: Jobs., value: a, type: histogram", "type", "is none of its words; expected `gauge` or"),
    ("name: app_jobs, help: Jobs., value: a, convert: date", "convert", "expected `number` or `text` or `time`"),
    ("name: app_jobs, help: Jobs., value: a, scale: 0", "scale", "is not above 0; expected"),
    ("name: app_jobs, help: Jobs., value: a, states: [x, x]", "states", "has a word twice"),
    ("name: app_jobs, help: Jobs., value: a, states: [x], scale: 2", "states", "`scale` and `convert` are for numbers"),
    ("name: app_total, help: Jobs., value: a, states: [x], type: counter", "type", "states come and go"),
    ("name: app_jobs, value: a", "help", "is missing; expected text"),
    ("name: app_jobs, help: Jobs., values: a", "values", "unknown key; did you mean value?"),
])  # fmt: skip
def test_what_is_wrong_is_told_with_its_line_and_a_remedy(metric: str, place: str, reason: str) -> None:
    found = problems("name: app_good, help: Good., value: a", metric)
    assert any(problem.startswith(f"config.yml:7: targets.it.metrics[1].{place}: ") and reason in problem
               for problem in found), found  # fmt: skip
    assert all("; " in problem for problem in found)


def test_one_target_makes_a_name_once_and_makes_at_least_one() -> None:
    (found,) = problems("name: app_a, help: A., value: a", "name: app_a, help: A., value: b")
    assert found == (
        "config.yml:5: targets.it.metrics: makes app_a twice; "
        "expected it once, with `each` and `labels` for several series"
    )
    (empty,) = problems(head=HEAD.replace("metrics:\n", "metrics: []\n"))
    assert "is empty; expected such as" in empty


def test_paths_are_compiled_once() -> None:
    assert compiled("a.b") is compiled("a.b")


def test_a_library_that_is_missing_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jmespath", None)
    (found,) = problems("name: app_jobs, help: Jobs., value: never.compiled.before")
    assert "paths need the library jmespath" in found
    assert "pip install 'runbook-exporter[json]'" in found


# ---- over the whole configuration


class Makes:
    """Settings of a target that makes metrics."""

    def __init__(self, *metrics: MappedMetric) -> None:
        self.metrics = metrics

    def mapped(self) -> list[tuple[str, MappedMetric]]:
        return [("metrics", metric) for metric in self.metrics]


DECLARED = Metric("mapping_test_declared", "gauge", "Declared.", source="here")


def test_two_targets_may_make_the_same_metric_and_no_other_of_its_name() -> None:
    one = MappedMetric(name="app_a", help="A.", value="a")
    same = MappedMetric(name="app_a", help="A.", value="elsewhere.a", scale=2)
    assert list(clashes([("x", Makes(one)), ("y", Makes(same)), ("z", object())])) == []
    for other in (
        MappedMetric(name="app_a", help="Another.", value="a"),
        MappedMetric(name="app_a", help="A.", value="a", labels={"b": "b"}),
        MappedMetric(name="app_a", help="A.", value="a", type="counter"),
    ):
        ((target, where, text),) = clashes([("x", Makes(one)), ("y", Makes(other))])
        assert (target, where) == ("y", "metrics")
        assert (
            text == "app_a: type, help or labels differ from those in the target x; expected the same, or another name"
        )


@pytest.mark.parametrize("name", [
    "mapping_test_declared", "node_load1", "node_memory_Anything_bytes",
])  # fmt: skip
def test_a_metric_of_this_program_is_no_other_s(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CATALOGUE, DECLARED.name, DECLARED)
    ((target, _, text),) = clashes([("x", Makes(MappedMetric(name=name, help="A.", value="a")))])
    assert (target, text) == ("x", f"{name} is a metric of this program; expected another name")


def test_both_are_told_of_a_configuration_with_their_lines() -> None:
    one = "  {name}: {{collector: json, file: x, metrics: [{{name: {metric}, help: {help}, value: x}}]}}\n"
    text = "targets:\n" + one.format(name="first", metric="app_a", help="A.")
    text += one.format(name="second.of.them", metric="app_a", help="B.") + one.format(
        name="third", metric="node_load1", help="A."
    )
    text += (
        "  fourth: {collector: command, commands: {c: {command: [ls], metrics: [{name: app_a, help: C., value: a}]}}}\n"
    )
    with pytest.raises(ConfigError) as caught:
        read(text.encode(), "config.yml", INSTALLED, {})
    differs = "app_a: type, help or labels differ from those in the target first"
    assert [problem.partition(";")[0] for problem in caught.value.problems] == [
        f"config.yml:3: targets.second.of.them.metrics: {differs}",
        "config.yml:4: targets.third.metrics: node_load1 is a metric of this program",
        f"config.yml:5: targets.fourth.commands.c.metrics: {differs}",
    ]
    alike = (
        "targets:\n"
        + one.format(name="first", metric="app_a", help="A.")
        + one.format(name="second", metric="app_a", help="A.")
    )
    assert len(read(alike.encode(), "config.yml", INSTALLED, {}).targets) == 2
