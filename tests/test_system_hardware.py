"""The hardware of a host: sensors, memory errors, thermal zones, power supplies, firmware.

The fixtures are written after the kernel's documentation of these interfaces. A directory stands for a file that
gives an error when it is read. Links are made here, as a source archive does not keep them.
"""

import shutil
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from exporter.collector import NotApplicable, Read, Trouble
from exporter.collectors.system import HostSettings, hardware, sensors
from exporter.collectors.system.host import Host
from exporter.exposition import label_part, render
from exporter.metric import Sample
from tests.hang_fs import mounted, need_fuse
from tests.support import until

FIXTURE = Path(__file__).parent / "fixtures" / "host" / "sys"
LINKS = {
    "class/hwmon/hwmon0/device": "../../platform/coretemp.0",
    "class/hwmon/hwmon1": "../nvme/nvme0/hwmon1",
    "class/nvme/nvme0/hwmon1/device": "../../nvme0",
    "class/hwmon/hwmon2/device": "../../platform/it87.656",
    "class/power_supply/BAT9": "../../devices/it-vanished",
}
READS = (sensors.hwmon, hardware.edac, sensors.thermal, hardware.power_supply, hardware.dmi)


@pytest.fixture(scope="module")
def sysfs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("host") / "sys"
    shutil.copytree(FIXTURE, root)
    for link, device in LINKS.items():
        (root / link).symlink_to(device)
    return root


def samples(read: Read, sysfs: Path | str) -> list[Sample]:
    with closing(Host("/proc", str(sysfs), "/", HostSettings())) as host:
        return [sample for sample in read.function(host) if sample]


def values(read: Read, sysfs: Path | str) -> dict[str, object]:
    return {label_part(metric, labels, None): value for metric, labels, value in samples(read, sysfs)}


def sensor(name: str, chip: str, sensor: str) -> str:
    return f'node_hwmon_{name}{{chip="{chip}",sensor="{sensor}"}}'


def write(root: Path, **files: str | bytes) -> None:
    root.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (root / name).write_bytes(text if isinstance(text, bytes) else text.encode())


def test_the_fixture_host(sysfs: Path, golden: Callable[[str, str], None]) -> None:
    golden("system_hardware.prom", render(sample for read in READS for sample in samples(read, sysfs)))


@pytest.mark.parametrize("read", READS, ids=lambda read: read.name)
def test_without_the_hardware_the_read_does_not_apply(read: Read, tmp_path: Path) -> None:
    with pytest.raises(NotApplicable):
        samples(read, tmp_path)


def test_on_this_machine_a_read_applies_where_the_kernel_has_its_directory() -> None:
    directories = {
        sensors.hwmon: "class/hwmon/*",
        hardware.edac: "devices/system/edac/mc/mc[0-9]*",
        sensors.thermal: "class/thermal/*[0-9]",
        hardware.power_supply: "class/power_supply/*",
        hardware.dmi: "class/dmi/id",
    }
    there = {read.name for read, pattern in directories.items() if any(Path("/sys").glob(pattern))}
    assert {read.name for read in READS if applies(read)} == there


def applies(read: Read) -> bool:
    try:
        samples(read, "/sys")
    except NotApplicable:
        return False
    return True


def test_a_chip_is_named_by_its_device_as_numbers_change(sysfs: Path) -> None:
    found = values(sensors.hwmon, sysfs)
    assert found['node_hwmon_chip_names{chip="platform_coretemp_0",chip_name="coretemp"}'] == 1
    assert found['node_hwmon_chip_names{chip="nvme_nvme0",chip_name="nvme"}'] == 1
    assert found['node_hwmon_chip_names{chip="power_meter",chip_name="power_meter"}'] == 1, "without a device"
    assert sensor("temp_celsius", "hwmon11", "temp1") in found, "without a name, too"
    assert sensor("fan_rpm", "platform_it87_656", "fan1") in found, "files of an old driver are beside the device's"


def test_units_are_node_exporters(sysfs: Path) -> None:
    found = values(sensors.hwmon, sysfs)
    assert found[sensor("temp_celsius", "platform_coretemp_0", "temp1")] == 51.5
    assert found[sensor("temp_min_celsius", "nvme_nvme0", "temp1")] == -273.15
    assert found[sensor("in_volts", "platform_it87_656", "in0")] == 1.056
    assert found[sensor("curr_amps", "power_meter", "curr1")] == 13.3
    assert found[sensor("power_watt", "power_meter", "power1")] == 150
    assert found[sensor("energy_joule_total", "power_meter", "energy1")] == 123.456789
    assert found[sensor("fan_min_rpm", "platform_it87_656", "fan1")] == 600
    assert found[sensor("humidity", "power_meter", "humidity1")] == 0.455
    assert found[sensor("freq_freq_mhz", "power_meter", "sclk")] == 1350
    assert found[sensor("power_average_interval_seconds", "power_meter", "power1")] == 1
    assert {s.metric.kind for s in samples(sensors.hwmon, sysfs) if "joule" in s.metric.name} == {"counter"}


def test_an_alarm_is_one_or_zero_whatever_the_unit_in_its_name(sysfs: Path) -> None:
    found = values(sensors.hwmon, sysfs)
    assert found[sensor("temp_crit_alarm_celsius", "platform_coretemp_0", "temp1")] == 1
    assert found[sensor("temp_crit_alarm_celsius", "platform_coretemp_0", "temp2")] == 0
    assert found[sensor("temp_alarm", "nvme_nvme0", "temp1")] == 0


def test_a_sensor_without_a_value_gives_no_sample_and_the_rest_comes(sysfs: Path) -> None:
    found = values(sensors.hwmon, sysfs)
    for broken in ("temp3", "temp4", "temp5"):  # an error, garbage and nothing
        assert sensor("temp_celsius", "platform_coretemp_0", broken) not in found
    assert found[sensor("temp_crit_celsius", "platform_coretemp_0", "temp3")] == 100
    assert sensor("temp_celsius", "nvme_nvme0", "temp3") not in found, "what a broken sensor reads is no measurement"
    assert found[sensor("temp_fault", "nvme_nvme0", "temp3")] == 1
    assert sensor("freq_freq_mhz", "power_meter", "freq2") not in found, "a frequency is named by its label"


def test_binary_labels_and_values_do_no_harm(tmp_path: Path) -> None:
    chip = tmp_path / "class" / "hwmon" / "hwmon0"
    write(chip, name=b"\xff\xfe\n", temp1_input=b"\x00\x01", temp2_input="42000\n", temp2_label=b"\xffcore \x00\n")
    found = values(sensors.hwmon, tmp_path)
    assert found[sensor("temp_celsius", "hwmon0", "temp2")] == 42
    assert sensor("temp_celsius", "hwmon0", "temp1") not in found
    assert len([key for key in found if key.startswith("node_hwmon_sensor_label")]) == 1


def test_a_chip_that_vanishes_takes_nothing_with_it(tmp_path: Path) -> None:
    write(tmp_path / "class" / "hwmon" / "hwmon0", temp1_input="42000\n")
    (tmp_path / "class" / "hwmon" / "hwmon1").symlink_to("../../devices/gone")
    assert list(values(sensors.hwmon, tmp_path)) == [sensor("temp_celsius", "hwmon0", "temp1")]


def test_memory_errors_that_belong_to_no_row_are_unknown(sysfs: Path) -> None:
    found = values(hardware.edac, sysfs)
    assert found['node_edac_correctable_errors_total{controller="0"}'] == 1
    assert found['node_edac_csrow_uncorrectable_errors_total{controller="0",csrow="unknown"}'] == 6
    assert found['node_edac_csrow_uncorrectable_errors_total{controller="0",csrow="0"}'] == 4
    assert 'node_edac_correctable_errors_total{controller="10"}' not in found, "`?` is not a number"
    assert found['node_edac_uncorrectable_errors_total{controller="10"}'] == 0


def test_thermal_zones_that_cannot_be_read_give_no_sample(sysfs: Path) -> None:
    found = values(sensors.thermal, sysfs)
    assert found['node_thermal_zone_temp{type="x86_pkg_temp",zone="0"}'] == 44.25
    assert found['node_thermal_zone_temp{type="acpitz",zone="1"}'] == -1.5
    assert not [key for key in found if "iwlwifi_1" in key]
    assert 'node_cooling_device_cur_state{name="12",type="Fan"}' not in found
    assert found['node_cooling_device_max_state{name="12",type="Fan"}'] == 3


def test_power_supplies(sysfs: Path) -> None:
    found = values(hardware.power_supply, sysfs)
    assert found['node_power_supply_online{power_supply="AC"}'] == 0
    assert found['node_power_supply_energy_watthour{power_supply="BAT0"}'] == 36.58
    assert found['node_power_supply_temp_celsius{power_supply="BAT0"}'] == 32.5
    assert found['node_power_supply_time_to_empty_seconds{power_supply="BAT0"}'] == 9000
    for name in ("voltage_ocv", "charge_ampere", "current_ampere"):  # an error, nothing and a word
        assert f'node_power_supply_{name}{{power_supply="BAT0"}}' not in found
    assert not [key for key in found if "BAT9" in key], "it vanished between the list and the read"


def test_what_only_root_may_read_is_empty(sysfs: Path) -> None:
    (sample,) = samples(hardware.dmi, sysfs)
    labels = dict(zip(sample.metric.labels, sample.labels, strict=True))
    assert labels["system_vendor"] == "Dell Inc."
    assert labels["product_serial"] == ""


@pytest.mark.parametrize("read", [sensors.hwmon, sensors.thermal, hardware.power_supply], ids=lambda read: read.name)
def test_hardware_that_hangs_costs_its_timeout_once_and_comes_back(read: Read, tmp_path: Path) -> None:
    need_fuse()
    path = tmp_path / "sys"
    with mounted(path) as server, closing(Host("/proc", str(path), "/", HostSettings())) as host:
        host.hardware.timeout = 0.3
        assert fate(read, host) is NotApplicable
        server.hang()
        begun = time.monotonic()
        with pytest.raises(Trouble, match=r"the hardware has not answered within 0\.3 s"):
            list(read.function(host))
        assert time.monotonic() - begun >= 0.3
        begun = time.monotonic()
        assert [fate(read, host) for _ in range(20)] == [Trouble] * 20
        assert time.monotonic() - begun < 1
        server.answer()
        until(lambda: fate(read, host) is NotApplicable)


def fate(read: Read, host: Host) -> type[Trouble]:
    with pytest.raises(Trouble) as caught:
        list(read.function(host))
    return caught.type


def test_slow_hardware_is_not_asked_at_each_scrape() -> None:
    assert {read.name: read.interval for read in READS} == {
        "hwmon": 10, "thermal": 10, "power_supply": 10, "edac": None, "dmi": 3600,
    }  # fmt: skip
