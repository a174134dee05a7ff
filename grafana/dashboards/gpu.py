"""The dashboard of graphics processors."""

from typing import Final

from grafana.declare import QUIET, UP_DOWN, Column, Dashboard, Panel, Row, Variable, firing, lines, signal, stat, table

OF: Final = 'gpu=~"$gpu"'
GPU: Final = "{{instance}} {{target}} {{gpu}}"
NAMES: Final = {"instance": "Instance", "target": "Target", "gpu": "GPU"}
_BY: Final = "by (instance, target, gpu)"
_OF: Final = f"{{$match, {OF}}}"

GLANCE: Final[list[Panel]] = [
    firing(),
    stat(
        "Answering", "How many graphics processors answer.",
        f"sum by (instance, target) (runbook_gpu_up{_OF})", "{{instance}} {{target}}", unit="none",
        empty="there is none",
    ),
    stat(
        "Not answering", "How many of those that are expected, or were seen, do not answer.",
        f"sum by (instance, target) (runbook_gpu_up{_OF} == bool 0)", "{{instance}} {{target}}", unit="none",
        states=QUIET, empty="there is none",
    ),
    table(
        "Graphics processors", "Every one that answers, the one with the most memory in use first.",
        NAMES,
        Column("Memory used", f"max {_BY} (runbook_gpu_memory_used_bytes{_OF})", "bytes"),
        Column("Memory", f"max {_BY} (runbook_gpu_memory_size_bytes{_OF})", "bytes"),
        Column("Busy", f"max {_BY} (runbook_gpu_utilization_ratio{_OF})", "percentunit"),
        Column("Temperature", f"max {_BY} (runbook_gpu_temperature_celsius{_OF})", "celsius"),
        Column("Power", f"max {_BY} (runbook_gpu_power_watts{_OF})", "watt"),
        width=12, height=8, empty="there is none",
    ),
    table(
        "Products and drivers", "A driver that differs from machine to machine, or changed, stands out here.",
        {**NAMES, "name": "Product", "driver": "Driver"},
        Column("There", "max by (instance, target, gpu, name, driver)"
               f" (runbook_gpu_info{_OF})", "bool_yes_no"),
        width=12, height=8, empty="there is none",
    ),
]  # fmt: skip

WATCHED: Final[list[Panel]] = [
    signal(
        "Answers", "Whether each graphics processor answers. One that is expected, or was seen before, is always here.",
        "GPUUnavailable", legend=GPU, unit="none", within=OF, states=UP_DOWN, empty="there is none",
    ),
    lines(
        "Share of the memory in use", "A model that does not fit fails with `CUDA out of memory`.",
        (f"max {_BY} (runbook_gpu_memory_used_bytes{_OF})"
         f" / (max {_BY} (runbook_gpu_memory_size_bytes{_OF}) > 0)", GPU),
        unit="percentunit", top=1, empty="none tells of its memory",
    ),
]  # fmt: skip

DETAIL: Final[list[Panel]] = [
    lines(
        "Busy", "Share of the last moments before each look in which something was computed: a sample, not an average.",
        (f"runbook_gpu_utilization_ratio{_OF}", GPU), top=1, empty="none tells how busy it is",
    ),
    lines(
        "Memory in use", "What is taken, and what there is.",
        (f"runbook_gpu_memory_used_bytes{_OF}", f"{GPU} used"),
        (f"runbook_gpu_memory_size_bytes{_OF}", f"{GPU} all"), empty="none tells of its memory",
    ),
    lines(
        "Temperature", "Beyond what it bears it slows down by itself.",
        (f"runbook_gpu_temperature_celsius{_OF}", GPU), empty="none tells its temperature",
    ),
    lines(
        "Power", "What is drawn, and what may be.",
        (f"runbook_gpu_power_watts{_OF}", f"{GPU} drawn"),
        (f"runbook_gpu_power_limit_watts{_OF}", f"{GPU} limit"), empty="none tells its power",
    ),
]  # fmt: skip

DASHBOARD: Final = Dashboard(
    area="gpu",
    title="Graphics processors",
    text="Whether the graphics processors that computing depends on answer, and what is used of them.",
    presence="runbook_gpu_up",
    variables=(Variable("gpu", "GPU", "runbook_gpu_up"),),
    rows=[Row("At a glance", GLANCE), Row("What alerts watch", WATCHED), Row("In detail", DETAIL)],
)
