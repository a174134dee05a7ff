"""The machine that a stand-in's exporter sees: its processors and memory are made up, so that they can have faults."""

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from exporter.demo.files import put
from exporter.demo.waiting import Repeated

_TICK: Final = 0.5  # seconds between two figures
_PROCESSORS: Final = 4
_TOTAL: Final = 16 << 20  # kB
_MADE: Final = ("stat", "meminfo", "vmstat", "loadavg", "self", "1", "mounts")
_HERTZ: Final = os.sysconf("SC_CLK_TCK")


class Machine:
    """A folder in the shape of /proc: what the real one says, but for processors, memory and the mount table."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.busy = 0.05
        """The share of the processors' time that is used."""
        self.used = 0.40
        """The share of the memory that is used."""
        self.oom_kills = 0
        """How many processes the kernel has killed for want of memory."""
        self._idle = self._working = 0.0
        self._before = time.monotonic()
        self._writing = Repeated("machine", _TICK, self._write)

    def start(self) -> None:
        self.folder.mkdir(parents=True)
        for entry in os.scandir("/proc"):
            if not entry.name.isdecimal() and entry.name not in _MADE:
                with suppress(OSError):
                    (self.folder / entry.name).symlink_to(entry.path)
        for name in ("self", "1"):
            (self.folder / name).mkdir()
            (self.folder / name / "net").symlink_to("/proc/self/net")
            # a memory file system alone: how full this machine's disks are is no matter of the stand-in's
            mounted = "21 1 0:19 / /dev/shm rw - tmpfs tmpfs rw\n"
            (self.folder / name / "mountinfo").write_text(mounted, encoding="utf-8")
        self._write()
        self._writing.start()

    def stop(self) -> None:
        self._writing.stop()

    def _write(self) -> None:
        now = time.monotonic()
        self._working += self.busy * (now - self._before) * _HERTZ
        self._idle += (1 - self.busy) * (now - self._before) * _HERTZ
        self._before = now
        with suppress(OSError):  # the folder is being removed
            self._put("stat", self._stat())
            self._put("meminfo", self._meminfo())
            self._put("loadavg", f"{self.busy * _PROCESSORS:.2f} {self.busy * _PROCESSORS:.2f} 0.50 1/100 1000\n")
            counts = {"pgfault": 1, "pgmajfault": 1, "pgpgin": 1, "pgpgout": 1, "pswpin": 0, "pswpout": 0}
            counts["oom_kill"] = self.oom_kills
            self._put("vmstat", "".join(f"{name} {count}\n" for name, count in counts.items()))

    def _put(self, name: str, text: str) -> None:
        put(self.folder / name, text)

    def _stat(self) -> str:
        real = Path("/proc/stat").read_text(encoding="utf-8").splitlines()
        share = f"{self._working:.0f} 0 0 {self._idle:.0f} 0 0 0 0 0 0"
        lines = [f"cpu  {share}", *(f"cpu{number} {share}" for number in range(_PROCESSORS))]
        return "\n".join([*lines, *(line for line in real if not line.startswith("cpu"))]) + "\n"

    def _meminfo(self) -> str:
        free = round(_TOTAL * (1 - self.used))
        kilobytes = {"MemTotal": _TOTAL, "MemFree": free // 2, "MemAvailable": free, "Cached": free // 2}
        kilobytes |= dict.fromkeys(("Buffers", "SwapCached", "SwapTotal", "SwapFree", "Dirty", "Slab"), 0)
        return "".join(f"{name}: {size} kB\n" for name, size in kilobytes.items())
