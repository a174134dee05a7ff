"""Sensors: temperatures, voltages, currents, fans and thermal zones."""

import functools
import os
import re
from collections.abc import Callable
from typing import Final

from exporter.collector import NotApplicable, Trouble, read
from exporter.collectors.system.host import Host, number, numbered
from exporter.metric import Metric, Pattern, Samples, counter, gauge, pattern
from exporter.patience import NoAnswer

# Asking a sensor may mean a slow bus or a management controller, 100 ms of waiting, or waking a sleeping processor.
SLOW: Final = 10.0
_MILLI, _MICRO = 1_000, 1_000_000

_HWMON: Final = "/sys/class/hwmon"
_SENSOR: Final = ("chip", "sensor")

HWMON_CHIP_NAMES = gauge(
    "node_hwmon_chip_names", "Name of the chip, in its label; the value is 1.", labels=("chip", "chip_name"),
    source=_HWMON, fold="drop",
)  # fmt: skip
HWMON_SENSOR_LABEL = gauge(
    "node_hwmon_sensor_label", "What the sensor measures, in its label; the value is 1.",
    labels=("chip", "label", "sensor"), source=_HWMON, fold="drop",
)  # fmt: skip


def _sensor(name: str, help: str) -> Metric:
    return gauge(name, help, labels=_SENSOR, source=_HWMON)


def _sensors(name: str, help: str) -> Pattern:
    return pattern(name, "gauge", help, labels=_SENSOR, source=_HWMON)


HWMON_FREQUENCY = _sensor("node_hwmon_freq_freq_mhz", "Frequency in megahertz; the sensor is named by its label.")
HWMON_OTHER = _sensors("node_hwmon_*", "Sensor: the figure *, as the kernel gives it.")
HWMON_ENERGY = counter("node_hwmon_energy_joule_total", "Energy used.", labels=_SENSOR, source=_HWMON)
HWMON_ENERGY_OTHER = pattern(
    "node_hwmon_energy_*_joule_total", "counter", "Energy: the figure *.", labels=_SENSOR, source=_HWMON
)

# By kind of sensor: the metric of its reading, those of its other files, and what both are divided by.
_KINDS: Final = {
    "temp": (_sensor("node_hwmon_temp_celsius", "Temperature."),
             _sensors("node_hwmon_temp_*_celsius", "Temperature: the figure *."), _MILLI),
    "in": (_sensor("node_hwmon_in_volts", "Voltage."),
           _sensors("node_hwmon_in_*_volts", "Voltage: the figure *."), _MILLI),
    "cpu": (_sensor("node_hwmon_cpu_volts", "Voltage of the processor core."),
            _sensors("node_hwmon_cpu_*_volts", "Voltage of the processor core: the figure *."), _MILLI),
    "curr": (_sensor("node_hwmon_curr_amps", "Current."),
             _sensors("node_hwmon_curr_*_amps", "Current: the figure *."), _MILLI),
    "power": (_sensor("node_hwmon_power_watt", "Power."),
              _sensors("node_hwmon_power_*_watt", "Power: the figure *."), _MICRO),
    "energy": (HWMON_ENERGY, HWMON_ENERGY_OTHER, _MICRO),
    "humidity": (_sensor("node_hwmon_humidity", "Humidity, from 0 to 1."),
                 _sensors("node_hwmon_humidity_*", "Humidity, from 0 to 1: the figure *."), 100_000),
    "fan": (_sensor("node_hwmon_fan_rpm", "Revolutions of the fan per minute."),
            _sensors("node_hwmon_fan_*_rpm", "Revolutions of the fan per minute: the figure *."), 1),
}  # fmt: skip
_INTERVAL_METRIC = _sensors("node_hwmon_power_*_seconds", "Power: the figure *.")
# Files with a metric of their own; an alarm is 1 or 0 whatever the unit in its name.
_OWN: Final = {
    ("temp", "crit"): (_sensor("node_hwmon_temp_crit_celsius", "Temperature that is critical."), _MILLI),
    ("temp", "max"): (_sensor("node_hwmon_temp_max_celsius", "Temperature that is high."), _MILLI),
    ("temp", "crit_alarm"): (
        _sensor("node_hwmon_temp_crit_alarm_celsius", "1 while the temperature is critical, else 0."), 1,
    ),
    ("temp", "type"): (HWMON_OTHER.named("temp_type"), 1),
    ("fan", "min"): (_sensor("node_hwmon_fan_min_rpm", "Least revolutions of the fan per minute."), 1),
    ("power", "accuracy"): (_sensor("node_hwmon_power_accuracy", "Accuracy of the power meter, from 0 to 1."), 100),
    ("power", "average_interval"): (_INTERVAL_METRIC.named("average_interval"), _MILLI),
    ("power", "average_interval_min"): (_INTERVAL_METRIC.named("average_interval_min"), _MILLI),
    ("power", "average_interval_max"): (_INTERVAL_METRIC.named("average_interval_max"), _MILLI),
    ("vrm", ""): (_sensor("node_hwmon_voltage_regulator_version", "Version of the voltage regulator."), 1),
    ("beep_enable", ""): (_sensor("node_hwmon_beep_enabled", "1 where the chip may beep, else 0."), 1),
    ("update_interval", ""): (_sensor("node_hwmon_update_interval_seconds", "Seconds between measurements."), _MILLI),
}  # fmt: skip
_SENSOR_FILE = re.compile(
    r"(vrm|beep_enable|update_interval|in|cpu|fan|pwm|temp|curr|power|energy|humidity|intrusion|freq)([0-9]*)(?:_(.+))?"
)


def patient(look: Callable[[Host], Samples]) -> Callable[[Host], Samples]:
    """Make a read fail where its devices hang in the kernel, instead of hanging with them."""

    @functools.wraps(look)
    def patiently(host: Host) -> Samples:
        answer = host.hardware.run({look: lambda: list(look(host))})[look]
        if isinstance(answer, NoAnswer):
            raise Trouble(
                f"the hardware has not answered within {host.hardware.timeout} s",
                "see the kernel's log: a driver or a management controller hangs",
            )
        if isinstance(answer, Exception):
            raise answer
        yield from answer

    return patiently


@read(interval=SLOW)
@patient
def hwmon(host: Host) -> Samples:
    """Temperatures, voltages, currents, power and fans, from /sys/class/hwmon."""
    chips = host.list_sys("class/hwmon")
    if not chips:
        raise NotApplicable("no sensors in /sys/class/hwmon")
    for name in chips:
        path = f"class/hwmon/{name}"
        given = host.sys_or_none(f"{path}/name") or ""
        chip, chip_name = _chip(f"{host.sysfs}/{path}", given), _clean(given)
        if chip_name:
            yield HWMON_CHIP_NAMES(1, chip=chip, chip_name=chip_name)
        for (sensor, kind), files in _sensor_files(host, path).items():
            yield from _readings(chip, sensor, kind, files)


def _chip(path: str, given: str) -> str:
    # the number in hwmonN depends on the order in which drivers were loaded, the device does not
    device = f"{path}/device"
    if os.path.exists(device):
        parent, name = os.path.split(os.path.realpath(device))
        return f"{_clean(os.path.basename(parent))}_{_clean(name)}"
    return _clean(given) or _clean(os.path.basename(path))


def _clean(text: str) -> str:
    return re.sub(r"[^a-z0-9:_]", "_", text.lower()).strip("_")


def _sensor_files(host: Host, path: str) -> dict[tuple[str, str], dict[str, str]]:
    # old drivers put their files beside the device's own
    found: dict[tuple[str, str], dict[str, str]] = {}
    for place in (path, f"{path}/device"):
        files = [(name, place_of) for name in host.list_sys(place) if (place_of := _split(name))]
        texts = host.sys_files(place, [name for name, _ in files])
        for (_, (sensor, kind, element)), text in zip(files, texts, strict=True):
            if text:
                found.setdefault((sensor, kind), {})[element] = text
    return found


@functools.lru_cache(maxsize=4096)
def _split(name: str) -> tuple[str, str, str] | None:
    """Return sensor, kind and element of a file's name: temp1_crit is (temp1, temp, crit)."""
    match = _SENSOR_FILE.fullmatch(name)
    if not match or name == "power":  # a directory of every device's own power management
        return None
    kind, index, element = match.groups("")
    return f"{kind}{int(index or 0)}", kind, element


def _readings(chip: str, sensor: str, kind: str, files: dict[str, str]) -> Samples:
    label = files.get("label")
    if label:
        yield HWMON_SENSOR_LABEL(1, chip=chip, label=label, sensor=sensor)
    for element, text in files.items():
        value = number(text)
        if value is None or element == "label":
            continue
        if element == "input" and (kind == "freq" or files.get("fault") == "1"):
            if kind == "freq" and label:
                yield HWMON_FREQUENCY(value / _MICRO, chip=chip, sensor=_clean(label))
            continue  # what a broken sensor reads is no measurement
        metric, divisor = _metric(kind, element, "" in files)
        yield metric(value if divisor == 1 else value / divisor, chip=chip, sensor=sensor)


@functools.cache
def _metric(kind: str, element: str, bare: bool) -> tuple[Metric, int]:
    if (kind, element) in _OWN:
        return _OWN[kind, element]
    if element == "beep":
        return HWMON_OTHER.named(f"{kind}_beep_enabled"), 1
    without_unit = element in ("alarm", "fault") or (kind == "fan" and element not in ("input", "max", "target"))
    if kind not in _KINDS or without_unit:
        return HWMON_OTHER.named(f"{kind}_{_clean(element)}".rstrip("_")), 1
    reading, other, divisor = _KINDS[kind]
    if element == "" or (element == "input" and not bare):
        return reading, divisor
    return other.named(_clean(element)), 1 if element.endswith(("_alarm", "enable")) else divisor


_THERMAL: Final = "/sys/class/thermal"
THERMAL_ZONE_TEMP = gauge(
    "node_thermal_zone_temp", "Temperature of the zone in degrees Celsius.", unit="celsius",
    labels=("type", "zone"), source=_THERMAL,
)  # fmt: skip
COOLING_CUR_STATE = gauge(
    "node_cooling_device_cur_state", "How much the device cools.", labels=("name", "type"), source=_THERMAL
)
COOLING_MAX_STATE = gauge(
    "node_cooling_device_max_state", "How much the device can cool.", labels=("name", "type"), source=_THERMAL
)


@read(interval=SLOW)
@patient
def thermal(host: Host) -> Samples:
    """Temperatures of thermal zones and states of cooling devices, from /sys/class/thermal."""
    zones, coolers = (numbered(host, "class/thermal", prefix) for prefix in ("thermal_zone", "cooling_device"))
    if not zones and not coolers:
        raise NotApplicable("no thermal zone in /sys/class/thermal")
    for zone in zones:
        kind, temp = host.sys_files(f"class/thermal/thermal_zone{zone}", ("type", "temp"))
        millidegrees = number(temp)
        if kind and millidegrees is not None:
            yield THERMAL_ZONE_TEMP(millidegrees / _MILLI, type=kind, zone=zone)
    for cooler in coolers:
        kind, now, most = host.sys_files(f"class/thermal/cooling_device{cooler}", ("type", "cur_state", "max_state"))
        if kind:
            yield COOLING_CUR_STATE(number(now), name=cooler, type=kind)
            yield COOLING_MAX_STATE(number(most), name=cooler, type=kind)
