"""What holds for every dashboard: the frame, the variables, the panels, how they look."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as sdk
from grafana_foundation_sdk.models import units as sdk_units

from grafana import build, render
from grafana.dashboards import ALL
from tests.dashboards import AREAS, FOLDER, Json, load, panels, variables
from tests.process import command

UNITS = {value for name, value in vars(sdk_units).items() if isinstance(value, str) and not name.startswith("_")}
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}


def test_the_files_are_current_and_no_others(tmp_path: Path) -> None:
    ended = command(str(tmp_path), program=("-m", "grafana.build"), environ={"HOME": "/", "PYTHONHASHSEED": "7"})
    assert ended.returncode == 0, ended.stderr
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert sorted(made) == [f"{area}.json" for area in AREAS]
    for name, content in made.items():
        assert (FOLDER / name).read_bytes() == content, f"{name}: run `make generate`"


def test_the_runbooks_may_lie_elsewhere() -> None:
    text = build.as_json(ALL[0], "https://runbooks.example.com")
    assert "localhost" not in text
    values = variables(json.loads(text))["runbooks"]
    assert values["query"] == values["current"]["value"] == "https://runbooks.example.com"


@pytest.mark.parametrize("area", AREAS)
def test_grafana_s_model_knows_every_field_and_value(area: str) -> None:
    """The SDK's model drops what it does not know when it reads, so what comes back is all that Grafana takes."""
    plugins.register_default_plugins()
    written = load(area)
    read = json.loads(json.dumps(sdk.Dashboard.from_json(written), cls=JSONEncoder))
    for variable in read["templating"]["list"]:  # what it adds to every variable is another kind's
        assert [variable.pop(name) for name in ("auto", "auto_min", "auto_count")] == [False, "10s", 30]
    assert {"id": None, **read} == written


@pytest.mark.parametrize("area", AREAS)
def test_frame(area: str) -> None:
    dashboard = load(area)
    assert "id" in dashboard
    assert dashboard["id"] is None
    assert dashboard["uid"] == f"runbook-{area}"
    assert dashboard["title"]
    assert dashboard["description"]
    assert dashboard["editable"] is False
    assert dashboard["tags"] == ["runbook", area]
    assert "__inputs" not in dashboard
    assert "__requires" not in dashboard
    assert "${DS_" not in (FOLDER / f"{area}.json").read_text(encoding="utf-8")
    assert dashboard["schemaVersion"] >= 39
    assert dashboard["graphTooltip"] == 1  # the same moment is marked on every panel


def test_titles_and_uids_differ() -> None:
    assert len({load(area)["title"] for area in AREAS}) == len({load(area)["uid"] for area in AREAS}) == len(AREAS) > 3


@pytest.mark.parametrize("area", AREAS)
def test_each_links_the_others_and_takes_no_variables_along(area: str) -> None:
    (link,) = load(area)["links"]
    assert (link["type"], link["tags"], link["keepTime"]) == ("dashboards", ["runbook"], True)
    assert link["includeVars"] is False  # a job of one area is none of another when targets are scraped one by one


@pytest.mark.parametrize("area", AREAS)
def test_one_data_source_variable_of_that_name(area: str) -> None:
    (source,) = [one for one in variables(load(area)).values() if one["type"] == "datasource"]
    assert (source["name"], source["query"], source["label"]) == ("datasource", "prometheus", "Data source")


@pytest.mark.parametrize("area", AREAS)
def test_variables_of_labels(area: str) -> None:
    found = {name: one for name, one in variables(load(area)).items() if one["type"] == "query"}
    assert list(found)[:3] == ["job", "instance", "target"]
    for name, one in found.items():
        assert (one["multi"], one["includeAll"], one["allValue"]) == (True, True, ".+"), name
        assert one["refresh"] == sdk.VariableRefresh.ON_TIME_RANGE_CHANGED, name
        assert one["datasource"] == DATASOURCE, name
        assert one["label"], name
        assert one["current"]["value"] == ["$__all"], name
        for above in list(found)[: list(found).index(name)]:
            assert re.search(rf'{above}=~"\${above}\|?"', one["query"]), name


@pytest.mark.parametrize("area", AREAS)
def test_every_variable_is_used(area: str) -> None:
    dashboard = load(area)
    used = json.dumps([dashboard["panels"], [one["query"] for one in dashboard["templating"]["list"]]])
    assert [name for name in variables(dashboard) if not re.search(rf"\$\{{?{name}\b", used)] == []


@pytest.mark.parametrize("area", AREAS)
def test_panels_say_what_they_are(area: str) -> None:
    for panel in panels(load(area)):
        assert panel["title"].strip()
        assert panel["description"].strip()
        assert panel["datasource"] == DATASOURCE
        assert [target["refId"] for target in panel["targets"]] == list("ABCDEFGH")[: len(panel["targets"])] != []
        assert all(target["datasource"] == DATASOURCE and target["expr"] for target in panel["targets"])
        assert all(target["range"] is not target["instant"] for target in panel["targets"])
        assert set(_units(panel)) <= UNITS


def _units(panel: Json) -> Iterator[str]:
    yield panel["fieldConfig"]["defaults"]["unit"]
    for override in panel["fieldConfig"]["overrides"]:
        yield from (one["value"] for one in override["properties"] if one["id"] == "unit")


@pytest.mark.parametrize("area", AREAS)
def test_panels_without_data(area: str) -> None:
    """Nothing there says why, and a gap in the data stays a gap."""
    for panel in panels(load(area)):
        assert len(panel["fieldConfig"]["defaults"]["noValue"]) > 3, panel["title"]
        assert not panel["fieldConfig"]["defaults"].get("custom", {}).get("spanNulls")
        if panel["type"] == "stat":  # an old sample would stand there as if it were of now
            assert all(target["instant"] for target in panel["targets"])


@pytest.mark.parametrize("area", AREAS)
def test_looks(area: str) -> None:
    for panel in panels(load(area)):
        look = {"timeseries": _looks_as_curves, "stat": _looks_as_figures, "table": _looks_as_table}[panel["type"]]
        look(panel)


def _looks_as_curves(panel: Json) -> None:
    legend, tooltip = panel["options"]["legend"], panel["options"]["tooltip"]
    assert (legend["showLegend"], legend["displayMode"], legend["placement"]) == (True, "table", "bottom")
    assert legend["calcs"] == ["lastNotNull", "mean", "max"]
    assert (tooltip["mode"], tooltip["sort"]) == ("multi", "desc")
    legends = [target["legendFormat"] for target in panel["targets"]]
    assert len(set(legends)) == len(legends) or panel["links"], "two queries, one name"


def _looks_as_figures(panel: Json) -> None:
    assert panel["options"]["textMode"] == "value_and_name"
    assert len(panel["targets"]) == 1


def _looks_as_table(panel: Json) -> None:
    assert {target["format"] for target in panel["targets"]} == {"table"}
    merge, organize = panel["transformations"]
    names = organize["options"]["renameByName"]
    shown = [override["matcher"]["options"] for override in panel["fieldConfig"]["overrides"]]
    assert merge["id"] == "merge"
    assert [name for name in names.values() if name in shown] == shown
    columns = [f"Value #{target['refId']}" for target in panel["targets"]] if len(panel["targets"]) > 1 else ["Value"]
    assert [name for name in names if name.startswith("Value")] == columns
    assert panel["options"]["sortBy"] == [{"displayName": shown[0], "desc": True}]
    labels = set(names) - set(columns)
    for target in panel["targets"]:  # rows are joined by their labels: one more or less would make two rows of one
        assert set(re.findall(r"\w+", target["expr"].partition("by (")[2].partition(")")[0])) == labels


@pytest.mark.parametrize("area", AREAS)
def test_panels_have_one_place_and_one_number_each(area: str) -> None:
    dashboard = load(area)
    taken: dict[tuple[int, int], int] = {}
    everything = [inner for panel in dashboard["panels"] for inner in (panel, *panel.get("panels", ()))]
    for panel in dashboard["panels"]:
        for cell in _cells(panel["gridPos"]):
            assert taken.setdefault(cell, panel["id"]) == panel["id"], panel["title"]
    assert max(x for x, _ in taken) < render.WIDTH
    assert len({panel["id"] for panel in everything}) == len(everything)
    titles = [panel["title"] for panel in panels(dashboard)]
    assert len(set(titles)) == len(titles)
    assert all(panel["id"] == render.identity(panel["title"]) for panel in panels(dashboard))


def _cells(place: dict[str, int]) -> list[tuple[int, int]]:
    columns = range(place["x"], place["x"] + place["w"])
    return [(x, y) for x in columns for y in range(place["y"], place["y"] + place["h"])]


@pytest.mark.parametrize("area", AREAS)
def test_what_matters_most_comes_first(area: str) -> None:
    rows = [panel["title"] for panel in load(area)["panels"] if panel["type"] == "row"]
    assert rows[:2] == ["At a glance", "What alerts watch"]
    assert panels(load(area))[0]["title"] == "Firing alerts"


def _provisioned(kind: str) -> Any:
    (file,) = (FOLDER / "provisioning" / kind).glob("*.yml")
    return yaml.safe_load(file.read_text(encoding="utf-8"))


def test_provisioning_loads_the_dashboards() -> None:
    found = _provisioned("dashboards")
    (provider,) = found["providers"]
    assert (found["apiVersion"], provider["type"], provider["allowUiUpdates"]) == (1, "file", False)
    assert provider["options"]["path"].startswith("/var/lib/grafana/")
    # of the folder, and of those below it, Grafana loads every .json as a dashboard
    assert sorted(FOLDER.rglob("*.json")) == [FOLDER / f"{area}.json" for area in AREAS]


def test_provisioning_names_prometheus() -> None:
    found = _provisioned("datasources")
    (source,) = found["datasources"]
    assert (found["apiVersion"], source["type"], source["isDefault"]) == (1, "prometheus", True)
    assert source["url"] == "http://127.0.0.1:9090"
    text = (FOLDER / "provisioning/datasources/prometheus.yml").read_text(encoding="utf-8")
    as_its_comment_says = text.replace("    url: http://127.0.0.1:9090\n", "").replace("# url:", "url:")
    (other,) = yaml.safe_load(as_its_comment_says)["datasources"]
    assert other == {**source, "url": "${PROMETHEUS_URL}"}
