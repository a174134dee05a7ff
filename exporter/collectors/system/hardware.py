"""Hardware: memory errors, power supplies and what the firmware says of the machine."""

import re
from typing import Final

from exporter.collector import NotApplicable, read
from exporter.collectors.system.host import Host, number, numbered
from exporter.collectors.system.sensors import SLOW, patient
from exporter.metric import Metric, Samples, counter, info, pattern

_MICRO: Final = 1_000_000
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
    controllers = numbered(host, "devices/system/edac/mc", "mc")
    if not controllers:
        raise NotApplicable("no memory controller in /sys/devices/system/edac/mc")
    for controller in controllers:
        path = f"devices/system/edac/mc/mc{controller}"
        names = ("ce_count", "ue_count", "ce_noinfo_count", "ue_noinfo_count")
        figures = [number(text) for text in host.sys_files(path, names)]
        yield EDAC_CORRECTABLE(figures[0], controller=controller)
        yield EDAC_UNCORRECTABLE(figures[1], controller=controller)
        yield EDAC_CSROW_CORRECTABLE(figures[2], controller=controller, csrow="unknown")
        yield EDAC_CSROW_UNCORRECTABLE(figures[3], controller=controller, csrow="unknown")
        for csrow in numbered(host, path, "csrow"):
            yield from _csrow(host, f"{path}/csrow{csrow}", controller, csrow)


def _csrow(host: Host, path: str, controller: str, csrow: str) -> Samples:
    corrected, uncorrected = host.sys_files(path, ("ce_count", "ue_count"))
    yield EDAC_CSROW_CORRECTABLE(number(corrected), controller=controller, csrow=csrow)
    yield EDAC_CSROW_UNCORRECTABLE(number(uncorrected), controller=controller, csrow=csrow)
    for match in filter(None, map(_CHANNEL_FILE.fullmatch, host.list_sys(path))):
        count, label = host.sys_files(path, (match[0], f"ch{match[1]}_dimm_label"))
        dimm = (label or "unknown").replace("#", "").replace("csrow", "_csrow").replace("channel", "_channel")
        yield EDAC_CHANNEL_CORRECTABLE(number(count), controller=controller, csrow=csrow, channel=match[1],
                                       dimm_label=dimm)  # fmt: skip


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


@read(interval=SLOW)
@patient
def power_supply(host: Host) -> Samples:
    """Batteries and other power supplies, from /sys/class/power_supply."""
    supplies = host.list_sys("class/power_supply")
    if not supplies:
        raise NotApplicable("no power supply in /sys/class/power_supply")
    files = [*_SUPPLY_TEXTS, *(name for name, _, _ in _SUPPLY_NUMBERS)]
    for supply in supplies:
        found = dict(zip(files, host.sys_files(f"class/power_supply/{supply}", files), strict=True))
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
    texts = host.sys_files("class/dmi/id", _DMI_FILES)
    if not any(texts):
        raise NotApplicable("this machine has no /sys/class/dmi/id")
    yield DMI_INFO(1, **{label: text or "" for label, text in zip(DMI_INFO.labels, texts, strict=True)})
