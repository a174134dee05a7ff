"""The dashboards as they lie in grafana/: their panels, and everything that they ask of Prometheus."""

import functools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from tests.process import ROOT

FOLDER: Final = ROOT / "grafana"
AREAS: Final = sorted(path.stem for path in FOLDER.glob("*.json"))
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """One expression of a dashboard, as it is written."""

    dashboard: str
    panel: str
    expr: str
    legend: str

    def __str__(self) -> str:
        return f"{self.dashboard}: {self.panel}: {self.expr}"


def load(area: str) -> Json:
    loaded: Json = json.loads((FOLDER / f"{area}.json").read_text(encoding="utf-8"))
    return loaded


def panels(dashboard: Json) -> list[Json]:
    """Return the panels of a dashboard, those of folded rows among them, without the rows."""
    everything = [inner for panel in dashboard["panels"] for inner in (panel, *panel.get("panels", ()))]
    return [panel for panel in everything if panel["type"] != "row"]


def variables(dashboard: Json) -> dict[str, Json]:
    return {variable["name"]: variable for variable in dashboard["templating"]["list"]}


def asked(area: str) -> Iterator[Asked]:
    """Yield every query of the panels."""
    for panel in panels(load(area)):
        for target in panel["targets"]:
            yield Asked(area, panel["title"], target["expr"], target["legendFormat"])


def variable_queries(area: str) -> Iterator[Asked]:
    """Yield what each variable asks, as the expression whose labels it offers."""
    for name, variable in variables(load(area)).items():
        if variable["type"] == "query":
            found = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"])
            assert found, variable["query"]
            yield Asked(area, f"variable {name}", f"count by ({found[2]}) ({found[1]})", "")


def annotation_queries(area: str) -> Iterator[Asked]:
    for annotation in load(area)["annotations"]["list"]:
        yield Asked(area, f"annotation {annotation['name']}", annotation["expr"], "")


def substituted(expr: str, rate_interval: str = "1m") -> str:
    """Return the expression as Grafana sends it while `All` is chosen everywhere."""
    ready = expr.replace("$__rate_interval", rate_interval).replace("$__range", "1h")
    for name, value in _chosen().items():
        ready = re.sub(rf"\${name}\b", value, ready)
    assert "$" not in ready, expr
    return ready


@functools.cache
def _chosen() -> dict[str, str]:
    """Return what `All` stands for in each variable of any dashboard."""
    return {
        name: variable["allValue"]
        for area in AREAS
        for name, variable in variables(load(area)).items()
        if variable["type"] == "query"
    }


def queries(rate_interval: str = "1m") -> list[tuple[str, str, str]]:
    """Return (dashboard, panel, expression) of every panel and every variable, ready to be sent."""
    return [
        (area, one.panel, substituted(one.expr, rate_interval))
        for area in AREAS
        for one in (*variable_queries(area), *asked(area))
    ]
