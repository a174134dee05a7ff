"""The network devices of a host: /proc/net/dev, /proc/net/arp and /sys/class/net."""

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from exporter.collector import NotApplicable, Read, Trouble
from exporter.collectors.system import HostSettings, network
from exporter.collectors.system.host import Host
from exporter.exposition import label_part, render
from exporter.metric import Sample

FIXTURE = Path(__file__).parent / "fixtures" / "host"
READS = (network.network_traffic, network.network_devices, network.arp, network.bonding)


def host(root: Path = FIXTURE, exclude: str = "") -> Host:
    return Host(str(root / "proc"), str(root / "sys"), "/", HostSettings(network_devices_exclude=exclude))


def samples(read: Read, host: Host) -> list[Sample]:
    return [sample for sample in read.function(host) if sample]


def values(read: Read, host: Host) -> dict[str, object]:
    return {label_part(metric, labels, None): value for metric, labels, value in samples(read, host)}


def live() -> Host:
    return Host("/proc", "/sys", "/", HostSettings())


def test_the_fixture_host(golden: Callable[[str, str], None]) -> None:
    golden("system_network.prom", render(sample for read in READS for sample in samples(read, host())))


def test_counters_keep_64_bits() -> None:
    found = values(network.network_traffic, host())
    assert found['node_network_receive_bytes_total{device="eth0"}'] == 2**64 - 1
    assert found['node_network_receive_bytes_total{device="lo"}'] == 2**53 + 1


def test_a_column_that_nobody_knows_is_left_out(tmp_path: Path) -> None:
    dev = "Inter-|  Receive |  Transmit\n face |bytes oddity packets|bytes oddity colls\n eth0: 1 2 3 4 5 6\n"
    write(tmp_path, "proc/net/dev", dev)
    assert values(network.network_traffic, host(tmp_path)) == {
        'node_network_receive_bytes_total{device="eth0"}': 1,
        'node_network_receive_packets_total{device="eth0"}': 3,
        'node_network_transmit_bytes_total{device="eth0"}': 4,
        'node_network_transmit_colls_total{device="eth0"}': 6,
    }


def test_what_a_device_does_not_tell_gives_no_sample() -> None:
    found = values(network.network_devices, host())
    assert found['node_network_up{device="eth1"}'] == 0
    assert 'node_network_carrier{device="eth1"}' not in found, "a device that is down gives an error for its carrier"
    assert 'node_network_speed_bytes{device="eth1"}' not in found, "-1 is not a speed"
    for name in ("changes", "up_changes", "down_changes"):  # empty, binary and a word
        assert f'node_network_carrier_{name}_total{{device="bond0"}}' not in found


def test_a_device_that_vanished_between_the_list_and_the_read_gives_nothing(tmp_path: Path) -> None:
    shutil.copytree(FIXTURE / "sys" / "class" / "net", tmp_path / "sys" / "class" / "net")
    (tmp_path / "sys" / "class" / "net" / "veth9c").symlink_to("../../devices/virtual/net/veth9c")
    assert "veth9c" in host(tmp_path).list_sys("class/net")
    assert values(network.network_devices, host(tmp_path)) == values(network.network_devices, host())


def test_devices_can_be_excluded() -> None:
    some = host(exclude="^(veth|bond)")
    for read in (network.network_traffic, network.network_devices, network.arp):
        everywhere = " ".join(values(read, some))
        assert "eth0" in everywhere
        assert "veth9c" not in everywhere
        assert "bond0" not in everywhere


def test_of_a_thousand_devices_the_oldest_are_shown_and_the_rest_is_said(tmp_path: Path) -> None:
    for index in range(1000):
        write(tmp_path, f"sys/class/net/veth{index:03}/ifindex", f"{2000 - index}\n")
        write(tmp_path, f"sys/class/net/veth{index:03}/operstate", "up\n")
    found = values(network.network_devices, host(tmp_path))
    assert found["runbook_network_devices_left_out"] == 900
    assert [key for key in found if "_up{" in key] == [f'node_network_up{{device="veth{n}"}}' for n in range(900, 1000)]


def test_without_devices_the_read_does_not_apply(tmp_path: Path) -> None:
    with pytest.raises(NotApplicable, match="no network device"):
        samples(network.network_devices, host(tmp_path))


def test_without_bonds_the_read_does_not_apply(tmp_path: Path) -> None:
    with pytest.raises(NotApplicable, match="bonding_masters"):
        samples(network.bonding, host(tmp_path))


def test_a_bond_counts_the_devices_that_are_still_there() -> None:
    assert values(network.bonding, host()) == {
        'node_bonding_slaves{master="bond0"}': 2,
        'node_bonding_active{master="bond0"}': 1,
        'node_bonding_slaves{master="bond1"}': 0,
        'node_bonding_active{master="bond1"}': 0,
    }


@pytest.mark.parametrize("name", ["dev", "arp"])
def test_a_file_that_is_not_whole_is_an_error(name: str, tmp_path: Path) -> None:
    read = {"dev": network.network_traffic, "arp": network.arp}[name]
    text = (FIXTURE / "proc" / "net" / name).read_bytes()
    lines = text.splitlines(keepends=True)
    for broken in (b"", text[:-1], text[:-30], b"\x00\xff\x7f\n" * 5, b"".join(lines[:2]) + lines[2][:20] + b"\n"):
        write(tmp_path, f"proc/net/{name}", broken)
        with pytest.raises(Trouble, match=f"/proc/net/{name} is"):
            samples(read, host(tmp_path))


def test_without_the_file_the_read_does_not_apply(tmp_path: Path) -> None:
    with pytest.raises(NotApplicable, match="net/dev"):
        samples(network.network_traffic, host(tmp_path))


def test_elsewhere_the_network_is_that_of_the_first_process(tmp_path: Path) -> None:
    shutil.copytree(FIXTURE / "proc" / "net", tmp_path / "proc" / "1" / "net")
    write(tmp_path, "proc/net/dev", "own\n")
    assert values(network.network_traffic, host(tmp_path)) == values(network.network_traffic, host())
    assert network.net_place(live()) == "net"


def test_in_a_network_of_its_own_the_host_is_still_seen() -> None:
    script = (
        "from exporter.collectors.system import HostSettings, network\n"
        "from exporter.collectors.system.host import Host\n"
        "import json\n"
        "def devices(procfs):\n"
        "    host = Host(procfs, '/sys', '/', HostSettings())\n"
        "    return [s.labels[0] for s in network.network_traffic.function(host) if 'receive_bytes' in s.metric.name]\n"
        "print(json.dumps([devices('/proc'), devices('/proc/../proc')]))"
    )
    done = subprocess.run(["unshare", "--net", sys.executable, "-c", script], capture_output=True, text=True)
    if "unshare failed" in done.stderr:
        pytest.skip("a network of one's own needs root")
    own, of_the_host = json.loads(done.stdout)
    assert set(of_the_host) == set(psutil.net_io_counters(pernic=True, nowrap=False))
    assert len(own) < len(of_the_host)


def test_traffic_agrees_with_psutil() -> None:
    before = psutil.net_io_counters(pernic=True, nowrap=False)
    found = values(network.network_traffic, live())
    after = psutil.net_io_counters(pernic=True, nowrap=False)
    assert {key for key in found if "receive_bytes" in key} == {
        f'node_network_receive_bytes_total{{device="{name}"}}' for name in before
    }
    columns = {
        "receive_bytes": "bytes_recv", "transmit_bytes": "bytes_sent", "receive_packets": "packets_recv",
        "transmit_packets": "packets_sent", "receive_errs": "errin", "transmit_errs": "errout",
        "receive_drop": "dropin", "transmit_drop": "dropout",
    }  # fmt: skip
    for device in before:
        for ours, theirs in columns.items():
            figure = found[f'node_network_{ours}_total{{device="{device}"}}']
            assert isinstance(figure, int)
            assert getattr(before[device], theirs) <= figure <= getattr(after[device], theirs)


def test_devices_agree_with_the_kernel() -> None:
    found = values(network.network_devices, live())
    for device, stats in psutil.net_if_stats().items():
        label = f'{{device="{device}"}}'
        flags = found[f"node_network_flags{label}"]
        assert isinstance(flags, int)
        assert found[f"node_network_mtu_bytes{label}"] == stats.mtu
        assert found[f"node_network_iface_id{label}"] == socket.if_nametoindex(device)
        assert bool(flags & 1) == ("up" in stats.flags.split(","))
        assert f"node_network_up{label}" in found


def write(root: Path, path: str, text: str | bytes) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
