"""The catalogue of metrics: `metrics` and `explain`."""

import json

import pytest

from exporter.catalogue import as_markdown, explain, find_metric, nearest
from exporter.metric import Metric, Pattern
from tests.process import PLAIN, command

LOAD = Metric("x_load", "gauge", "How | busy.", labels=("cpu",), source="here")
TIME = Metric("x_time_seconds", "histogram", "How long.", source="there")
ANY = Pattern("x_memory_*", "gauge", "The figure *.", source="meminfo")
BYTES = Pattern("x_memory_*_bytes", "gauge", "The size *.", source="meminfo")
CATALOGUE: dict[str, list[Metric | Pattern]] = {"system": [LOAD, ANY, BYTES], "other": [TIME]}


@pytest.mark.parametrize(("name", "found"), [
    ("x_load", LOAD), ("x_memory_Free_bytes", BYTES), ("x_memory_Huge", ANY), ("x_memory_*", ANY),
    ("x_time_seconds_bucket", TIME), ("x_time_seconds_count", TIME), ("x_time_seconds", TIME),
])  # fmt: skip
def test_a_metric_is_found_by_its_name_or_that_of_a_series(name: str, found: Metric | Pattern) -> None:
    owner = "other" if found is TIME else "system"
    assert find_metric(name, CATALOGUE) == (owner, found)


@pytest.mark.parametrize("name", ["x_load_bucket", "x_memory_", "load", "", "x_load[", "*"])
def test_what_is_no_metric_is_not_found(name: str) -> None:
    assert find_metric(name, CATALOGUE) is None


def test_nearest_names() -> None:
    assert nearest("x_laod", CATALOGUE)[0] == "x_load"
    assert nearest("time", CATALOGUE) == ["x_time_seconds"]
    assert nearest("qqqqqq", CATALOGUE) == []


def test_explain_says_all_that_is_known() -> None:
    shown = explain("system", LOAD, "x_load")
    assert shown.startswith("x_load\n\n  How | busy.\n")
    assert [line.split(":")[1].strip() for line in shown.splitlines()[4:]] == ["gauge", "none", "cpu", "here", "system"]
    assert "target (on /metrics)" in explain("other", TIME, "x_time_seconds")


def test_the_explain_command() -> None:
    ended = command("explain", "node_load1", program=PLAIN)
    assert ended.returncode == 0
    assert "source:" in ended.stdout
    assert "/proc/loadavg" in ended.stdout


def test_the_explain_command_names_the_nearest() -> None:
    ended = command("explain", "node_lod1", program=PLAIN)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "did you mean node_load1," in ended.stderr
    assert "runbook-exporter metrics" in command("explain", "qqqq", program=PLAIN).stderr


def test_the_metrics_command_lists_every_metric_that_a_page_shows() -> None:
    listed = json.loads(command("metrics", "--json", program=PLAIN).stdout)
    assert {"name", "type", "unit", "labels", "help", "source", "fact", "collector"} == set(listed[0])
    plain = [metric["name"] for metric in listed if "*" not in metric["name"]]
    assert len(plain) == len(set(plain))
    lines = command("metrics", program=PLAIN).stdout.splitlines()
    assert len(lines) == len(listed)
    assert any(line.split()[:3] == ["system", "gauge", "node_load1"] for line in lines)
    page = command("once", program=PLAIN).stdout
    shown = {line.split()[2]: line.split()[3] for line in page.splitlines() if line.startswith("# TYPE ")}
    known = {metric["name"]: metric["type"] for metric in listed}
    unknown = {name for name, kind in shown.items() if known.get(name, kind) != kind}
    assert unknown == set()
    stems = [name.split("*")[0] for name in known if "*" in name]
    assert {name for name in shown if name not in known and not name.startswith(tuple(stems))} == set()


def test_a_collector_s_metrics_are_listed_under_it() -> None:
    listed = json.loads(command("metrics", "--json").stdout)
    owners = {metric["name"]: metric["collector"] for metric in listed}
    assert (owners["fake_value"], owners["node_load1"], owners["process_threads"]) == ("fake", "system", "exporter")


def test_the_generated_page_escapes_what_tables_give_a_meaning() -> None:
    page = as_markdown({"system": [LOAD], "exporter": []})
    assert "| `x_load` | gauge | cpu | How \\| busy. | here |\n" in page
    assert "Its job name by /sd is `node`." in page
