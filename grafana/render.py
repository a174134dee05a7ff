"""From a declared dashboard to Grafana's own model of one."""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from grafana_foundation_sdk.models import dashboard, prometheus

from exporter.pack import Pack
from grafana import alerts, visuals
from grafana.declare import Dashboard, Mark, Panel, Query, Row, Variable

DATASOURCE: Final = dashboard.DataSourceRef(type_val="prometheus", uid="${datasource}")
TAG: Final = "runbook"
WIDTH: Final = 24
# The least step of such a query; Grafana makes its rate interval four of them.
SLOWEST: Final = "1m"


def model(declared: Dashboard, pack: Pack, runbooks: str) -> dashboard.Dashboard:
    """Return Grafana's model of a dashboard."""
    return dashboard.Dashboard(
        uid=f"runbook-{declared.area}",
        title=declared.title,
        description=declared.text,
        tags=[TAG, declared.area],
        editable=False,
        graph_tooltip=dashboard.DashboardCursorSync.CROSSHAIR,
        time=dashboard.DashboardDashboardTime(from_val="now-3h", to="now"),
        timepicker=dashboard.TimePickerConfig(refresh_intervals=["10s", "30s", "1m", "5m", "15m", "1h"]),
        refresh="30s",
        panels=list(_placed(declared, pack)),
        templating=dashboard.DashboardDashboardTemplating(list_val=list(_variables(declared, runbooks))),
        annotations=dashboard.AnnotationContainer(list_val=list(_annotations(declared, pack))),
        links=[_others()],
    )


def _variables(declared: Dashboard, runbooks: str) -> Iterator[dashboard.VariableModel]:
    yield _variable(
        dashboard.VariableType.DATASOURCE, "datasource", "Data source", "prometheus", current="default",
        refresh=dashboard.VariableRefresh.ON_DASHBOARD_LOAD,
    )  # fmt: skip
    above: list[str] = []
    for variable in (
        Variable("job", "Job", declared.presence),
        Variable("instance", "Instance", declared.presence),
        Variable("target", "Target", declared.targets or declared.presence),
        *declared.variables,
    ):
        yield _query_variable(variable, above)
        absent = "|" if variable.label == "target" and declared.matchers == "$own" else ""
        above.append(f'{variable.label}=~"${variable.label}{absent}"')
    yield _variable(
        dashboard.VariableType.CONSTANT, "runbooks", "Runbooks", runbooks, current=runbooks,
        hide=dashboard.VariableHide.HIDE_VARIABLE,
    )  # fmt: skip


def _variable(
    kind: dashboard.VariableType, name: str, label: str, query: str, *, current: str | list[str],
    refresh: dashboard.VariableRefresh | None = None, hide: dashboard.VariableHide | None = None,
) -> dashboard.VariableModel:  # fmt: skip
    """Return a variable, without the fields that belong to other kinds than these."""
    shown: str | list[str] = ["All"] if current == ["$__all"] else current
    return dashboard.VariableModel(
        type_val=kind, name=name, label=label, query=query, refresh=refresh, hide=hide, auto=None, auto_min=None,
        auto_count=None, current=dashboard.VariableOption(selected=True, text=shown, value=current),
    )  # fmt: skip


def _query_variable(variable: Variable, above: Iterable[str]) -> dashboard.VariableModel:
    """Return a variable that offers the values of a label, among what those above it leave."""
    name, _, inside = variable.metric.removesuffix("}").partition("{")
    matchers = ", ".join([one for one in (inside, *above) if one])
    series = name + (f"{{{matchers}}}" if matchers else "")
    made = _variable(
        dashboard.VariableType.QUERY, variable.label, variable.title, f"label_values({series}, {variable.label})",
        current=["$__all"], refresh=dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED,
    )  # fmt: skip
    made.datasource, made.sort = DATASOURCE, dashboard.VariableSort.ALPHABETICAL_ASC
    made.multi, made.include_all, made.all_value = True, True, ".+"
    return made


def _annotations(declared: Dashboard, pack: Pack) -> Iterator[dashboard.AnnotationQuery]:
    """Yield what marks, on every panel, when an alert of this area fired, and what else the dashboard marks."""
    firing = Mark("Alerts", 'ALERTS{alertname=~"$alerts", alertstate="firing", $own}', "red")
    for mark in (firing, *declared.marks):
        yield dashboard.AnnotationQuery(
            name=mark.name, datasource=DATASOURCE, enable=True, icon_color=mark.colour,
            expr=alerts.written_out(mark.expr, declared, pack),
        )  # fmt: skip


def _others() -> dashboard.DashboardLink:
    """Return the links to the other dashboards. Variables stay here: job and instance may be other ones there."""
    return dashboard.DashboardLink(
        title="Other dashboards", type_val=dashboard.DashboardLinkType.DASHBOARDS, icon="external link",
        tags=[TAG], keep_time=True,
    )  # fmt: skip


def _placed(declared: Dashboard, pack: Pack) -> Iterator[dashboard.Panel | dashboard.RowPanel]:
    """Yield rows and panels from left to right and from top to bottom."""
    y = 0
    for row in declared.rows:
        inside, height = _in_row(row, y + 1, declared, pack)
        heading = dashboard.RowPanel(
            collapsed=row.folded, title=row.title, id_val=identity(f"row {row.title}"),
            grid_pos=dashboard.GridPos(h=1, w=WIDTH, x=0, y=y), panels=inside if row.folded else [],
        )  # fmt: skip
        yield heading
        if not row.folded:
            yield from inside
        y += 1 + (0 if row.folded else height)


def _in_row(row: Row, top: int, declared: Dashboard, pack: Pack) -> tuple[list[dashboard.Panel], int]:
    """Return the panels of a row, placed, and how high they stand."""
    made, x, y, tallest = [], 0, top, 0
    for panel in row.panels:
        if x + panel.width > WIDTH:
            x, y, tallest = 0, y + tallest, 0
        place = dashboard.GridPos(h=panel.height, w=panel.width, x=x, y=y)
        made.append(_panel(panel, place, declared, pack))
        x, tallest = x + panel.width, max(tallest, panel.height)
    return made, y + tallest - top


def _panel(panel: Panel, place: dashboard.GridPos, declared: Dashboard, pack: Pack) -> dashboard.Panel:
    asked = alerts.queries(panel, declared, pack)
    look = visuals.LOOKS[panel.kind]
    return dashboard.Panel(
        type_val=look.plugin,
        id_val=identity(panel.title),
        title=panel.title,
        description=alerts.description(panel, pack),
        datasource=DATASOURCE,
        grid_pos=place,
        targets=[_target(panel, number, query, declared.slow) for number, query in enumerate(asked)],
        options=look.options(panel),
        field_config=visuals.field_config(panel, asked, pack),
        transformations=visuals.transformations(panel),
        links=[_runbook(name) for name in (*panel.alerts, *panel.named)] or None,
    )


def identity(title: str) -> int:
    """Return a panel's number: from its title, so that links to it hold when panels are added before it."""
    return zlib.crc32(title.encode()) % 1_000_000 + 1


def _target(panel: Panel, number: int, query: Query, slow: Sequence[str]) -> prometheus.Dataquery:
    now = panel.kind != "lines"
    shape = prometheus.PromQueryFormat.TABLE if panel.kind == "table" else prometheus.PromQueryFormat.TIME_SERIES
    return prometheus.Dataquery(
        expr=query.expr, legend_format=query.legend, ref_id=chr(ord("A") + number), datasource=DATASOURCE,
        interval=SLOWEST if any(name in query.expr for name in slow) else None,
        instant=now, range_val=not now, format_val=shape, editor_mode=prometheus.QueryEditorMode.CODE,
    )  # fmt: skip


def _runbook(alert: str) -> dashboard.DashboardLink:
    return dashboard.DashboardLink(
        title=f"Runbook: {alert}", type_val=dashboard.DashboardLinkType.LINK, icon="doc",
        url=f"{alerts.RUNBOOKS}/{alert}", target_blank=True,
    )  # fmt: skip
