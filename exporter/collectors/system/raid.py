"""Arrays of disks that the kernel's md driver makes: their members, and how far they are in sync."""

import itertools
from collections.abc import Iterator
from typing import Final

from exporter.collector import Trouble, read
from exporter.collectors.system.host import Host
from exporter.metric import Samples, gauge

_DEVICE: Final = ("device",)
_MDSTAT: Final = "/proc/mdstat"

MD_STATE = gauge(
    "node_md_state", "1 for the state that the array is in, 0 for others.", labels=("device", "state"), source=_MDSTAT
)
MD_DISKS = gauge(
    "node_md_disks", "Disks of the array that are active, failed, spare.", labels=("device", "state"), source=_MDSTAT
)
MD_DISKS_REQUIRED = gauge("node_md_disks_required", "Disks that the array needs.", labels=_DEVICE, source=_MDSTAT)
MD_BLOCKS = gauge("node_md_blocks", "Blocks of the array.", labels=_DEVICE, source=_MDSTAT)
MD_BLOCKS_SYNCED = gauge("node_md_blocks_synced", "Blocks that are in sync.", labels=_DEVICE, source=_MDSTAT)
MD_RAID_DISKS = gauge("node_md_raid_disks", "Disks that the array needs.", labels=_DEVICE, source="/sys/block/*/md")
MD_DEGRADED = gauge("node_md_degraded", "Disks that the array lacks.", labels=_DEVICE, source="/sys/block/*/md")

_STATES: Final = ("active", "inactive", "recovering", "resync", "check")
_STATE_WHILE: Final = {"recovery": "recovering", "resync": "resync", "check": "check", "reshape": "reshape"}
_WITHOUT_REDUNDANCY: Final = frozenset({"raid0", "linear"})  # they need all disks, and have nothing to keep in sync


@read
def raid(host: Host) -> Samples:
    """State, disks and synchronisation of each md array, from /proc/mdstat and /sys/block."""
    for device, state, members, details in _arrays(host.proc("mdstat")):
        yield from _disks(device, state, members, details)
        yield from _blocks(device, state, details)
        yield MD_RAID_DISKS(_whole(host.sys_or_none(f"block/{device}/md/raid_disks")), device=device)
        yield MD_DEGRADED(_whole(host.sys_or_none(f"block/{device}/md/degraded")), device=device)


def _arrays(text: str) -> Iterator[tuple[str, str, list[str], list[str]]]:
    """Yield of each array its name, its state, the words after that, and the words of the lines about it."""
    if "\nunused devices:" not in text:
        raise Trouble("/proc/mdstat ends too soon: its last line is missing")
    lines = [*text.split("\n"), ""]
    for at, line in enumerate(lines):
        words = line.split()
        if line.startswith((" ", "\t", "Personalities")) or words[1:2] != [":"]:
            continue
        if len(words) < 3:
            raise Trouble(f"/proc/mdstat has a line that is not understood: {line!r}")
        details = itertools.takewhile(lambda line: line.startswith((" ", "\t")), lines[at + 1 :])
        yield words[0], words[2], words[3:], " ".join(details).replace("=", " = ").split()


def _disks(device: str, state: str, members: list[str], details: list[str]) -> Samples:
    disks = [word for word in members if "[" in word]
    required, active = _pair(details, "[", "]")
    if not _WITHOUT_REDUNDANCY.isdisjoint(members):
        required = active = len(disks)
    elif state == "inactive":
        active = 0
    yield MD_DISKS_REQUIRED(required, device=device)
    yield MD_DISKS(active, device=device, state="active")
    yield MD_DISKS(sum("(F)" in disk for disk in disks), device=device, state="failed")
    yield MD_DISKS(sum("(S)" in disk for disk in disks), device=device, state="spare")


def _blocks(device: str, state: str, details: list[str]) -> Samples:
    blocks = _whole(details[0]) if details[1:2] == ["blocks"] else None
    operation = next((word for word, sign in itertools.pairwise(details) if sign == "=" and word in _STATE_WHILE), None)
    for name in _STATES:
        yield MD_STATE(int(name == (_STATE_WHILE[operation] if operation else state)), device=device, state=name)
    yield MD_BLOCKS(blocks, device=device)
    if operation:  # where it waits for another array, nothing says how far it came
        yield MD_BLOCKS_SYNCED(_pair(details, "(", ")")[0], device=device)
    elif state == "active":
        yield MD_BLOCKS_SYNCED(blocks, device=device)


def _pair(words: list[str], opening: str, closing: str) -> tuple[int | None, int | None]:
    """Return the two numbers of the first word such as [3/2], where there is one."""
    for word in words:
        first, slash, second = word.removeprefix(opening).removesuffix(closing).partition("/")
        if slash and word == f"{opening}{first}/{second}{closing}" and first.isdigit() and second.isdigit():
            return int(first), int(second)
    return None, None


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() else None
