"""What nvidia-smi says: a line of figures for each graphics processor, or why there is none.

It is used rather than NVML, the library under it: a driver that hangs or crashes then takes a process with it that can
be killed, and not a thread of the exporter; and nothing has to be installed that the driver does not bring.
"""

import re
from dataclasses import dataclass
from typing import Final

from exporter.collector import Trouble
from exporter.command import Ended, NotStarted, run
from exporter.deadline import Cancel, within
from exporter.jsontext import beginning
from exporter.program import ProgramSettings

# Names as `nvidia-smi --help-query-gpu` has them.
FIELDS: Final = ("index", "name", "driver_version", "memory.total", "memory.used", "utilization.gpu",
                 "temperature.gpu", "power.draw", "power.limit")  # fmt: skip
ARGUMENTS: Final = (f"--query-gpu={','.join(FIELDS)}", "--format=csv,noheader,nounits")

_MOST: Final = 256 << 10
_LOST: Final = frozenset({"[GPU is lost]", "[GPU requires reset]"})
_ERRORS: Final = frozenset({"[Unknown Error]", "ERR!"})
_NUMBER: Final = re.compile(r"[0-9]{1,18}(\.[0-9]{1,18})?")
_INDEX: Final = re.compile(r"[0-9]{1,3}")
_MIB: Final = float(1 << 20)
# The exit codes of its manual page, and NVML's own for the mismatch that every update of the driver brings.
_FIXES: Final = {
    2: "name another nvidia-smi with `command`: this one does not know what is asked",
    4: "let the exporter's user open /dev/nvidia*",
    8: "connect the power cables of the card",
    9: "load the driver with `modprobe nvidia`; after a new kernel build it with `dkms autoinstall`",
    10: "see the kernel's log; restart the machine",
    12: "install the driver's library, libnvidia-ml.so.1, in the version of the driver",
    15: "reset it with `nvidia-smi --gpu-reset`, or restart the machine with the power off in between",
    18: "the driver was updated: load its new modules, or restart the machine",
}


class _Absent(Trouble):
    """There may be no graphics processor in this machine at all."""


ABSENT: Final = (NotStarted, _Absent)
_NOTHING_THERE: Final = (6, 9, 12)  # no device, no driver, no library


@dataclass(frozen=True, slots=True)
class Gpu:
    """One graphics processor in base units; what it does not tell is None."""

    index: str
    name: str
    driver: str
    lost: bool
    memory: float | None
    memory_used: float | None
    utilization: float | None
    temperature: float | None
    power: float | None
    power_limit: float | None


@dataclass(frozen=True, slots=True)
class Told:
    """All that it told; `complaint` is the first line that is no figures, in quotes."""

    gpus: tuple[Gpu, ...]
    complaint: str


class Smi:
    """Runs nvidia-smi; while one hangs in the kernel, where it cannot be killed, run() starts no other beside it."""

    def __init__(self, command: tuple[str, ...], timeout: float) -> None:
        self._program = ProgramSettings(command=(*command, *ARGUMENTS))
        self._timeout = within(timeout)

    def ask(self, cancel: Cancel) -> Told:
        """Return what it tells; Trouble where it tells of no graphics processor."""
        ended = run(self._program, timeout=self._timeout, most=_MOST, cancel=cancel)
        if not ended.in_time:
            fix = "see the kernel's log; `nvidia-smi -pm 1` where it is only slow"
            raise Trouble(f"nvidia-smi hangs: no answer within {self._timeout:g} s", fix)
        told = told_by(ended.output.decode("utf-8", "replace"))
        if not told.gpus:
            raise _trouble(ended)
        return told


def _trouble(ended: Ended) -> Trouble:
    words = beginning(ended.output.strip() or ended.errors.strip())
    said = f"nvidia-smi tells of no GPU (exit status {ended.status}): {words}"
    fix = _FIXES.get(ended.status, "run nvidia-smi by hand; see the kernel's log for NVRM and Xid")
    nothing_there = ended.status in _NOTHING_THERE or b"No devices were found" in ended.output
    return _Absent(said, fix) if nothing_there else Trouble(said, fix)


def told_by(text: str) -> Told:
    """Return what lines of figures say; the first line that is none is its complaint."""
    gpus, complaint = [], ""
    for line in filter(str.strip, text.splitlines()):
        row = [cell.strip() for cell in line.split(",")]
        if len(row) == len(FIELDS) and _INDEX.fullmatch(row[0]):
            gpus.append(gpu_in(row))
        else:
            complaint = complaint or beginning(line.encode())
    if len({gpu.index for gpu in gpus}) != len(gpus):
        raise Trouble("nvidia-smi tells twice of one GPU", "run it by hand")
    return Told(tuple(gpus), complaint)


def gpu_in(row: list[str]) -> Gpu:
    """Return the graphics processor that a line of figures tells of."""
    index, name, driver, memory, memory_used, utilization, temperature, power, power_limit = row
    return Gpu(
        index=str(int(index)),
        name=name,
        driver=driver,
        lost=bool(_LOST & set(row)) or {memory, memory_used} <= _ERRORS,
        memory=_number(memory, _MIB),
        memory_used=_number(memory_used, _MIB),
        utilization=None if (busy := _number(utilization)) is None else busy / 100,
        temperature=_number(temperature),
        power=_number(power),
        power_limit=_number(power_limit),
    )


def _number(text: str, unit: float = 1.0) -> float | None:
    """Return a figure in its base unit; [N/A], [Not Supported] and the like are none."""
    return float(text) * unit if _NUMBER.fullmatch(text) else None
