"""How each kind of panel looks: Grafana's plugin, its options, its fields."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from grafana_foundation_sdk.models import common, dashboard, stat, table, timeseries

from exporter.pack import Pack
from grafana import alerts, units
from grafana.declare import Panel, Query, States


@dataclass(frozen=True, slots=True)
class Look:
    """A plugin of Grafana's, its options for a panel, and what is its own in a field."""

    plugin: str
    options: Callable[[Panel], object]
    custom: Callable[[Sequence[float], bool], object]


def _lines(_: Panel) -> timeseries.Options:
    return timeseries.Options(
        legend=common.VizLegendOptions(
            display_mode=common.LegendDisplayMode.TABLE, placement=common.LegendPlacement.BOTTOM, show_legend=True,
            calcs=["lastNotNull", "mean", "max"], sort_by="Last *", sort_desc=True,
        ),
        tooltip=common.VizTooltipOptions(mode=common.TooltipDisplayMode.MULTI, sort=common.SortOrder.DESCENDING),
    )  # fmt: skip


def _stat(_: Panel) -> stat.Options:
    return stat.Options(
        # no curve: it would need old samples, and the last of those would stand for a reading that is gone
        graph_mode=common.BigValueGraphMode.NONE,
        color_mode=common.BigValueColorMode.VALUE,
        justify_mode=common.BigValueJustifyMode.AUTO,
        text_mode=common.BigValueTextMode.VALUE_AND_NAME,
        reduce_options=common.ReduceDataOptions(calcs=["lastNotNull"], fields="", values=False),
        orientation=common.VizOrientation.AUTO,
    )


def _table(panel: Panel) -> table.Options:
    return table.Options(
        show_header=True, cell_height=common.TableCellHeight.SM,
        sort_by=[common.TableSortByFieldState(display_name=panel.columns[0].title, desc=True)],
    )  # fmt: skip


def _curve(figures: Sequence[float], stacked: bool) -> common.GraphFieldConfig:
    stacking = common.StackingMode.NORMAL if stacked else common.StackingMode.NONE
    style = common.GraphThresholdsStyleMode.DASHED if figures else common.GraphThresholdsStyleMode.OFF
    return common.GraphFieldConfig(
        draw_style=common.GraphDrawStyle.LINE,
        line_width=1,
        fill_opacity=40 if stacked else 8,
        show_points=common.VisibilityMode.AUTO,
        span_nulls=False,
        stacking=common.StackingConfig(mode=stacking, group="A"),
        thresholds_style=common.GraphThresholdsStyleConfig(mode=style),
        axis_soft_min=0,
        # the line is to be seen from far below it
        axis_soft_max=round(max(figures) * 1.1, 9) if figures and max(figures) > 0 else None,
    )


def _figure(_: Sequence[float], __: bool) -> None:
    return None


def _cell(_: Sequence[float], __: bool) -> common.TableFieldOptions:
    return common.TableFieldOptions(
        align=common.FieldTextAlignment.AUTO, cell_options=common.TableAutoCellOptions(), inspect=False
    )


LOOKS: Final[Mapping[str, Look]] = {
    "lines": Look("timeseries", _lines, _curve),
    "stat": Look("stat", _stat, _figure),
    "table": Look("table", _table, _cell),
}


def field_config(panel: Panel, asked: Sequence[Query], pack: Pack) -> dashboard.FieldConfigSource:
    """Return units, axis, lines at the alerts' figures, and names of values."""
    steps = alerts.steps(panel, pack)
    defaults = dashboard.FieldConfig(
        unit=panel.unit or _one_unit(asked),
        min_val=0 if panel.top is not None else None,
        max_val=panel.top,
        mappings=_mappings(panel.states),
        thresholds=dashboard.ThresholdsConfig(
            mode=dashboard.ThresholdsMode.ABSOLUTE,
            steps=[dashboard.Threshold(value=number, color=_colour(panel, colour)) for number, colour in steps],
        ),
        color=dashboard.FieldColor(mode=_colouring(panel)),
        no_value=panel.empty,
        custom=LOOKS[panel.kind].custom([number for number, _ in steps if number is not None], panel.stacked),
    )
    return dashboard.FieldConfigSource(defaults=defaults, overrides=[_unit_of(column) for column in _named(panel)])


def _one_unit(asked: Sequence[Query]) -> str:
    found = {units.of(query.expr) for query in asked}
    if len(found) != 1:
        raise units.UnknownUnitError(f"{sorted(found)}: {[query.expr for query in asked]}")
    return found.pop()


def _colour(panel: Panel, colour: str) -> str:
    """Return the colour of a step: a figure that nothing judges is neither good nor bad, one without a name is bad."""
    if panel.alerts:
        return colour
    return "red" if panel.states else "text"


def _colouring(panel: Panel) -> dashboard.FieldColorModeId:
    lines = panel.kind == "lines"
    return dashboard.FieldColorModeId.PALETTE_CLASSIC if lines else dashboard.FieldColorModeId.THRESHOLDS


def _mappings(states: States) -> list[dashboard.ValueMapping] | None:
    options = {value: dashboard.ValueMappingResult(text=text, color=colour) for value, (text, colour) in states.items()}
    return [dashboard.ValueMap(options)] if options else None


def _named(panel: Panel) -> list[tuple[str, str]]:
    """Return (title, unit) of a table's columns."""
    return [(column.title, column.unit) for column in panel.columns]


def _unit_of(column: tuple[str, str]) -> dashboard.DashboardFieldConfigSourceOverrides:
    title, unit = column
    return dashboard.DashboardFieldConfigSourceOverrides(
        matcher=dashboard.MatcherConfig(id_val="byName", options=title),
        properties=[dashboard.DynamicConfigValue(id_val="unit", value=unit)],
    )


def transformations(panel: Panel) -> list[dashboard.DataTransformerConfig] | None:
    """Return how a table's queries become its columns: joined by their labels, named and ordered."""
    if panel.kind != "table":
        return None
    several = len(panel.columns) > 1
    values = {
        f"Value #{chr(ord('A') + number)}" if several else "Value": column.title
        for number, column in enumerate(panel.columns)
    }
    names = {**panel.keys, **values}
    order = {name: place for place, name in enumerate(names)}
    organize = {"excludeByName": {"Time": True}, "indexByName": order, "renameByName": names}
    return [
        dashboard.DataTransformerConfig(id_val="merge", options={}),
        dashboard.DataTransformerConfig(id_val="organize", options=organize),
    ]
