"""Hardware: sensors, memory errors, thermal zones, power supplies and what the firmware says of the machine."""

import functools
import os
import re
from typing import Final

from exporter.collector import NotApplicable, read
from exporter.collectors.system.host import Host
from exporter.collectors.system.network import attributes, number
from exporter.metric import Metric, Pattern, Samples, counter, gauge, info, pattern

# Asking a sensor may mean a slow bus or a management controller, 100 ms of waiting, or waking a sleeping processor.
_SLOW: Final = 10.0
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


@read(interval=_SLOW)
def hwmon(host: Host) -> Samples:
    """Temperatures, voltages, currents, power and fans, from /sys/class/hwmon."""
    chips = host.list_sys("class/hwmon")
    if not chips:
        raise NotApplicable("no sensors in /sys/class/hwmon")
    for name in chips:
        path = f"class/hwmon/{name}"
        chip, chip_name = _chip(f"{host.sysfs}/{path}"), _clean(host.sys_or_none(f"{path}/name") or "")
        if chip_name:
            yield HWMON_CHIP_NAMES(1, chip=chip, chip_name=chip_name)
        for (sensor, kind), files in _sensor_files(host, path).items():
            yield from _readings(chip, sensor, kind, files)


def _chip(path: str) -> str:
    # the number in hwmonN depends on the order in which drivers were loaded, the device does not
    device = f"{path}/device"
    if os.path.exists(device):
        parent, name = os.path.split(os.path.realpath(device))
        return f"{_clean(os.path.basename(parent))}_{_clean(name)}"
    (name,) = [text or "" for text in attributes(path, ["name"])]
    return _clean(name) or _clean(os.path.basename(path))


def _clean(text: str) -> str:
    return re.sub(r"[^a-z0-9:_]", "_", text.lower()).strip("_")


def _sensor_files(host: Host, path: str) -> dict[tuple[str, str], dict[str, str]]:
    # old drivers put their files beside the device's own
    found: dict[tuple[str, str], dict[str, str]] = {}
    for place in (path, f"{path}/device"):
        files = [(name, place_of) for name in host.list_sys(place) if (place_of := _split(name))]
        texts = attributes(f"{host.sysfs}/{place}", [name for name, _ in files])
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


_EDAC: Final = "/sys/devices/system/edac/mc"


def _errors(name: str, help: str, *labels: str) -> Metric:
    return counter(name, help, labels=("controller", *labels), source=_EDAC)


EDAC_CORRECTABLE = _errors("node_edac_correctable_errors_total", "Memory errors that were corrected.")
EDAC_UNCORRECTABLE = _errors("node_edac_uncorrectable_errors_total", "Memory errors that could not be corrected.")
EDAC_CSROW_CORRECTABLE = _errors(
    "node_edac_csrow_correctable_errors_total", "Memory errors that were corrected, by row.", "csrow"
)
EDAC_CSROW_UNCORRECTABLE = _errors(
    "node_edac_csrow_uncorrectable_errors_total", "Memory errors that could not be corrected, by row.", "csrow"
)
EDAC_CHANNEL_CORRECTABLE = _errors(
    "node_edac_channel_correctable_errors_total", "Memory errors that were corrected, by channel of a row.",
    "csrow", "channel", "dimm_label",
)  # fmt: skip
_CHANNEL_FILE = re.compile(r"ch([0-9]+)_ce_count")


@read
def edac(host: Host) -> Samples:
    """Memory errors by controller, row and channel, from /sys/devices/system/edac."""
    controllers = _numbered(host, "devices/system/edac/mc", "mc")
    if not controllers:
        raise NotApplicable("no memory controller in /sys/devices/system/edac/mc")
    for controller in controllers:
        path = f"devices/system/edac/mc/mc{controller}"
        names = ("ce_count", "ue_count", "ce_noinfo_count", "ue_noinfo_count")
        figures = [number(text) for text in attributes(f"{host.sysfs}/{path}", names)]
        yield EDAC_CORRECTABLE(figures[0], controller=controller)
        yield EDAC_UNCORRECTABLE(figures[1], controller=controller)
        yield EDAC_CSROW_CORRECTABLE(figures[2], controller=controller, csrow="unknown")
        yield EDAC_CSROW_UNCORRECTABLE(figures[3], controller=controller, csrow="unknown")
        for csrow in _numbered(host, path, "csrow"):
            yield from _csrow(host, f"{path}/csrow{csrow}", controller, csrow)


def _csrow(host: Host, path: str, controller: str, csrow: str) -> Samples:
    corrected, uncorrected = attributes(f"{host.sysfs}/{path}", ("ce_count", "ue_count"))
    yield EDAC_CSROW_CORRECTABLE(number(corrected), controller=controller, csrow=csrow)
    yield EDAC_CSROW_UNCORRECTABLE(number(uncorrected), controller=controller, csrow=csrow)
    for match in filter(None, map(_CHANNEL_FILE.fullmatch, host.list_sys(path))):
        count, label = attributes(f"{host.sysfs}/{path}", (match[0], f"ch{match[1]}_dimm_label"))
        dimm = (label or "unknown").replace("#", "").replace("csrow", "_csrow").replace("channel", "_channel")
        yield EDAC_CHANNEL_CORRECTABLE(number(count), controller=controller, csrow=csrow, channel=match[1],
                                       dimm_label=dimm)  # fmt: skip


def _numbered(host: Host, path: str, prefix: str) -> list[str]:
    """Return the numbers N of the entries <prefix>N of a directory of /sys."""
    numbers = [name.removeprefix(prefix) for name in host.list_sys(path) if name.startswith(prefix)]
    return sorted(filter(str.isdecimal, numbers), key=int)


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


@read(interval=_SLOW)
def thermal(host: Host) -> Samples:
    """Temperatures of thermal zones and states of cooling devices, from /sys/class/thermal."""
    zones, coolers = (_numbered(host, "class/thermal", prefix) for prefix in ("thermal_zone", "cooling_device"))
    if not zones and not coolers:
        raise NotApplicable("no thermal zone in /sys/class/thermal")
    for zone in zones:
        kind, temp = attributes(f"{host.sysfs}/class/thermal/thermal_zone{zone}", ("type", "temp"))
        millidegrees = number(temp)
        if kind and millidegrees is not None:
            yield THERMAL_ZONE_TEMP(millidegrees / _MILLI, type=kind, zone=zone)
    for cooler in coolers:
        path = f"{host.sysfs}/class/thermal/cooling_device{cooler}"
        kind, now, most = attributes(path, ("type", "cur_state", "max_state"))
        if kind:
            yield COOLING_CUR_STATE(number(now), name=cooler, type=kind)
            yield COOLING_MAX_STATE(number(most), name=cooler, type=kind)


_POWER_SUPPLY: Final = "/sys/class/power_supply"
POWER_SUPPLY = pattern(
    "node_power_supply_*", "gauge", "Power supply: the figure *.", labels=("power_supply",), source=_POWER_SUPPLY
)
# By divisor, the files and what the metric is called where it is not called as the file.
_SUPPLY_FILES: Final = {
    1: "authentic calibrate capacity capacity_alert_max capacity_alert_min cycle_count:cyclecount online present"
       " time_to_empty_now:time_to_empty_seconds time_to_full_now:time_to_full_seconds",
    10: "temp:temp_celsius temp_alert_max:temp_alert_max_celsius temp_alert_min:temp_alert_min_celsius"
        " temp_ambient:temp_ambient_celsius temp_ambient_max:temp_ambient_max_celsius"
        " temp_ambient_min:temp_ambient_min_celsius temp_max:temp_max_celsius temp_min:temp_min_celsius",
    _MICRO: "current_boot current_max current_now:current_ampere energy_empty energy_empty_design energy_full"
            " energy_full_design energy_now:energy_watthour voltage_boot voltage_max voltage_max_design voltage_min"
            " voltage_min_design voltage_now:voltage_volt voltage_ocv charge_control_limit charge_control_limit_max"
            " charge_counter charge_empty charge_empty_design charge_full charge_full_design charge_now:charge_ampere"
            " charge_term_current constant_charge_current constant_charge_current_max constant_charge_voltage"
            " constant_charge_voltage_max precharge_current input_current_limit power_now:power_watt",
}  # fmt: skip
_SUPPLY_NUMBERS: Final = [
    (name, POWER_SUPPLY.named(part or name), divisor)
    for divisor, files in _SUPPLY_FILES.items()
    for name, _, part in (file.partition(":") for file in files.split())
]
_SUPPLY_TEXTS: Final = ("capacity_level", "charge_type", "health", "manufacturer", "model_name", "scope",
                        "serial_number", "status", "technology", "type", "usb_type")  # fmt: skip
POWER_SUPPLY_INFO = info(
    "node_power_supply_info", "What is known of the power supply, and its state.",
    labels=("power_supply", *_SUPPLY_TEXTS), source=_POWER_SUPPLY,
)  # fmt: skip


@read(interval=_SLOW)
def power_supply(host: Host) -> Samples:
    """Batteries and other power supplies, from /sys/class/power_supply."""
    supplies = host.list_sys("class/power_supply")
    if not supplies:
        raise NotApplicable("no power supply in /sys/class/power_supply")
    files = [*_SUPPLY_TEXTS, *(name for name, _, _ in _SUPPLY_NUMBERS)]
    for supply in supplies:
        found = dict(zip(files, attributes(f"{host.sysfs}/class/power_supply/{supply}", files), strict=True))
        for name, metric, divisor in _SUPPLY_NUMBERS:
            value = number(found[name])
            if value is not None:
                yield metric(value if divisor == 1 else value / divisor, power_supply=supply)
        if found["type"]:
            yield POWER_SUPPLY_INFO(1, power_supply=supply, **{name: found[name] or "" for name in _SUPPLY_TEXTS})


_DMI_FILES: Final = ("bios_date", "bios_release", "bios_vendor", "bios_version", "board_asset_tag", "board_name",
                     "board_serial", "board_vendor", "board_version", "chassis_asset_tag", "chassis_serial",
                     "chassis_vendor", "chassis_version", "product_family", "product_name", "product_serial",
                     "product_sku", "product_uuid", "product_version", "sys_vendor")  # fmt: skip
DMI_INFO = info(
    "node_dmi_info", "What the firmware says of the machine; some only to root.",
    labels=(*_DMI_FILES[:-1], "system_vendor"), source="/sys/class/dmi/id", fact=True,
)  # fmt: skip


@read(interval=3600)  # it changes with the firmware, and then the host has been restarted
def dmi(host: Host) -> Samples:
    """Maker, model and firmware of the machine, from /sys/class/dmi."""
    texts = attributes(f"{host.sysfs}/class/dmi/id", _DMI_FILES)
    if not any(texts):
        raise NotApplicable("this machine has no /sys/class/dmi/id")
    yield DMI_INFO(1, **{label: text or "" for label, text in zip(DMI_INFO.labels, texts, strict=True)})
