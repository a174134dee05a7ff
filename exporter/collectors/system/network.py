"""Network devices: traffic, state, neighbours and bonds."""

import functools
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from exporter.collector import Members, NotApplicable, Trouble, read
from exporter.collectors.system.host import Host, number
from exporter.collectors.system.names import (
    NETWORK_MTU_BYTES,
    NETWORK_RECEIVE_BYTES,
    NETWORK_RECEIVE_DROP,
    NETWORK_RECEIVE_ERRS,
    NETWORK_RECEIVE_PACKETS,
    NETWORK_SPEED_BYTES,
    NETWORK_TRANSMIT_BYTES,
    NETWORK_TRANSMIT_DROP,
    NETWORK_TRANSMIT_ERRS,
    NETWORK_TRANSMIT_PACKETS,
    NETWORK_UP,
)
from exporter.metric import Metric, Samples, counter, gauge, info

# A host of containers has a device for each, and each costs some 20 files: beyond so many, devices are left out.
MOST_DEVICES: Final = 100

_DEVICE: Final = ("device",)
_NET_DEV: Final = "/proc/net/dev"
_SYS_NET: Final = "/sys/class/net"


def _traffic(name: str, help: str) -> Metric:
    return counter(name, help, labels=_DEVICE, source=_NET_DEV)


# The columns of /proc/net/dev under the names that the kernel gives them there; columns unknown here are left out.
_RECEIVE: Final = {
    "bytes": NETWORK_RECEIVE_BYTES,
    "packets": NETWORK_RECEIVE_PACKETS,
    "errs": NETWORK_RECEIVE_ERRS,
    "drop": NETWORK_RECEIVE_DROP,
    "fifo": _traffic("node_network_receive_fifo_total", "Received packets lost by a full queue of the device."),
    "frame": _traffic("node_network_receive_frame_total", "Received packets with a wrong length, checksum or frame."),
    "compressed": _traffic("node_network_receive_compressed_total", "Compressed packets received."),
    "multicast": _traffic("node_network_receive_multicast_total", "Multicast packets received."),
}
_TRANSMIT: Final = {
    "bytes": NETWORK_TRANSMIT_BYTES,
    "packets": NETWORK_TRANSMIT_PACKETS,
    "errs": NETWORK_TRANSMIT_ERRS,
    "drop": NETWORK_TRANSMIT_DROP,
    "fifo": _traffic("node_network_transmit_fifo_total", "Packets not sent because of a queue of the device."),
    "colls": _traffic("node_network_transmit_colls_total", "Collisions while sending."),
    "carrier": _traffic("node_network_transmit_carrier_total", "Packets not sent because the carrier was lost."),
    "compressed": _traffic("node_network_transmit_compressed_total", "Compressed packets sent."),
}


def _state(name: str, help: str) -> Metric:
    return gauge(name, help, labels=_DEVICE, source=_SYS_NET)


def _changes(name: str, help: str) -> Metric:
    return counter(name, help, labels=_DEVICE, source=_SYS_NET)


# The files of one number in /sys/class/net/<device>.
_NUMBERS: Final = {
    "mtu": NETWORK_MTU_BYTES,
    "carrier": _state("node_network_carrier", "1 where the link has a carrier, else 0."),
    "carrier_changes": _changes("node_network_carrier_changes_total", "Changes of the carrier."),
    "carrier_up_count": _changes("node_network_carrier_up_changes_total", "Times that the carrier came."),
    "carrier_down_count": _changes("node_network_carrier_down_changes_total", "Times that the carrier was lost."),
    "dormant": _state("node_network_dormant", "1 where the device waits for another, as for a login, else 0."),
    "flags": _state("node_network_flags", "Flags of the device, as in linux/if.h."),
    "ifindex": _state("node_network_iface_id", "Index of the device."),
    "iflink": _state("node_network_iface_link", "Index of the device below this one."),
    "link_mode": _state("node_network_iface_link_mode", "0 where the link's state follows the carrier, 1 if dormant."),
    "type": _state("node_network_protocol_type", "Type of the hardware, as in linux/if_arp.h."),
    "tx_queue_len": _state("node_network_transmit_queue_length", "Packets that the queue for sending can hold."),
    "netdev_group": _state("node_network_net_dev_group", "Group of the device."),
    "dev_id": _state("node_network_device_id", "Number that tells devices with one hardware address apart."),
    "addr_assign_type": _state("node_network_address_assign_type", "How the device came by its hardware address."),
    "name_assign_type": _state("node_network_name_assign_type", "How the device came by its name."),
    "statistics/rx_nohandler": _changes(
        "node_network_receive_nohandler_total", "Packets received by a device that was not to receive."
    ),
}
_TEXTS: Final = ("flags", "operstate", "address", "broadcast", "duplex", "ifalias", "speed")
_FILES: Final = (*_NUMBERS, *_TEXTS)

NETWORK_INFO = info(
    "node_network_info",
    "Addresses and state of the device.",
    labels=("address", "adminstate", "broadcast", "device", "duplex", "ifalias", "operstate"),
    source=_SYS_NET,
)
NETWORK_DEVICES_LEFT_OUT = gauge(
    "runbook_network_devices_left_out",
    "Network devices whose state is not shown, as there are too many: the oldest are shown. "
    "The setting network_devices_exclude leaves out those that nobody asks for.",
    source=_SYS_NET,
)
ARP_ENTRIES = gauge("node_arp_entries", "Neighbours known by ARP.", labels=_DEVICE, source="/proc/net/arp")
BONDING_SLAVES = gauge("node_bonding_slaves", "Devices in the bond.", labels=("master",), source=_SYS_NET)
BONDING_ACTIVE = gauge(
    "node_bonding_active", "Devices in the bond whose link is up.", labels=("master",), source=_SYS_NET
)


@read(members=Members(_DEVICE, MOST_DEVICES, NETWORK_RECEIVE_BYTES))
def network_traffic(host: Host) -> Samples:
    """What each network device received and sent, from /proc/net/dev."""
    with reading("dev"):
        _, header, *lines = net_file(host, "dev").splitlines()
        columns = _columns(header)
        devices = dict(_figures(line, len(columns)) for line in lines)
    shown = _asked_for(host, devices)
    for index, metric in enumerate(columns):
        if metric:
            for device in shown:
                yield metric(devices[device][index], device=device)


@functools.lru_cache(maxsize=8)
def _columns(header: str) -> tuple[Metric | None, ...]:
    _, receive, transmit = header.split("|")
    return (*map(_RECEIVE.get, receive.split()), *map(_TRANSMIT.get, transmit.split()))


def _figures(line: str, expected: int) -> tuple[str, list[int]]:
    device, _, figures = line.partition(":")
    values = [int(figure) for figure in figures.split()]
    if len(values) != expected:
        raise ValueError(f"{len(values)} figures instead of {expected} for {device.strip()!r}")
    return device.strip(), values


@read
def network_devices(host: Host) -> Samples:
    """State of each network device, from /sys/class/net."""
    devices = _asked_for(host, host.list_sys("class/net"))
    if not devices:
        raise NotApplicable("no network device in /sys/class/net")
    shown = _oldest(host, devices)
    yield NETWORK_DEVICES_LEFT_OUT(len(devices) - len(shown))
    found = [(device, dict(zip(_FILES, host.sys_files(f"class/net/{device}", _FILES), strict=True)))
             for device in shown]  # fmt: skip
    for name, metric in _NUMBERS.items():
        for device, state in found:
            yield metric(number(state[name]), device=device)
    for device, state in found:
        yield from _link(device, state)


def _link(device: str, state: dict[str, str | None]) -> Samples:
    flags, operstate, *texts = [state[name] for name in _TEXTS]
    if operstate is None:  # the device went away meanwhile
        return
    address, broadcast, duplex, ifalias, _ = [text or "" for text in texts]
    admin = "up" if (number(flags) or 0) & 1 else "down"
    yield NETWORK_UP(operstate == "up", device=device)
    yield NETWORK_INFO(1, address=address, adminstate=admin, broadcast=broadcast, device=device, duplex=duplex,
                       ifalias=ifalias, operstate=operstate)  # fmt: skip
    megabits = number(state["speed"])
    if megabits is not None and megabits >= 0:  # -1 where it is not known
        yield NETWORK_SPEED_BYTES(megabits * 125_000, device=device)


def _asked_for(host: Host, devices: Iterable[str]) -> list[str]:
    exclude = host.settings.network_devices_exclude
    unwanted = re.compile(exclude).search if exclude else None
    return [name for name in devices if name != "bonding_masters" and not (unwanted and unwanted(name))]


def _oldest(host: Host, devices: list[str]) -> list[str]:
    # the lowest indices: the host's own devices came up before those of containers, and the choice is a steady one
    if len(devices) <= MOST_DEVICES:
        return devices
    index = {name: number(host.sys_or_none(f"class/net/{name}/ifindex")) or 1 << 32 for name in devices}
    return sorted(sorted(devices, key=index.__getitem__)[:MOST_DEVICES])


@read(members=Members(_DEVICE, MOST_DEVICES, ARP_ENTRIES))
def arp(host: Host) -> Samples:
    """Neighbours by network device, from /proc/net/arp."""
    with reading("arp"):
        _, *lines = net_file(host, "arp").splitlines()
        entries = Counter([line.split()[5] for line in lines])
    for device in _asked_for(host, entries):
        yield ARP_ENTRIES(entries[device], device=device)


@read
def bonding(host: Host) -> Samples:
    """Devices of each bond, and how many of them have a link, from /sys/class/net."""
    for master in host.sys("class/net/bonding_masters").split():
        slaves = host.sys_or_none(f"class/net/{master}/bonding/slaves")
        if slaves is not None:
            links = [_bonded(host, master, slave) for slave in slaves.split()]
            yield BONDING_SLAVES(len(links) - links.count(None), master=master)
            yield BONDING_ACTIVE(links.count("up"), master=master)


def _bonded(host: Host, master: str, slave: str) -> str | None:
    status = host.sys_or_none(f"class/net/{master}/lower_{slave}/bonding_slave/mii_status")
    return status or host.sys_or_none(f"class/net/{master}/slave_{slave}/bonding_slave/mii_status")


def net_place(host: Host) -> str:
    """Return where the host's network is below procfs; /proc/net itself is that of whoever looks at it."""
    if host.procfs != "/proc" and os.path.isdir(f"{host.procfs}/1/net"):
        return "1/net"
    return "net"


def net_file(host: Host, name: str) -> str:
    """Return a file of the host's /proc/net, whole or not at all."""
    text = host.proc(f"{net_place(host)}/{name}")
    if not text.endswith("\n"):
        raise Trouble(f"/proc/net/{name} is empty or cut off")
    return text


def has_net_file(host: Host, name: str) -> bool:
    """Tell whether the kernel has a file of /proc/net that it can do without."""
    return os.path.exists(f"{host.procfs}/{net_place(host)}/{name}")


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Say which file of /proc/net it was, where one is not as the kernel writes it."""
    try:
        yield
    except (ValueError, IndexError, KeyError) as problem:
        raise Trouble(f"/proc/net/{name} is not understood: {problem}") from problem
