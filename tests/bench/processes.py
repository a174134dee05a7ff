"""Processes that serve pages, and what they cost."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from exporter.collectors.system import HostSettings
from tests.process import free_port
from tests.support import until

ROOT: Final = Path(__file__).parents[2]
NODE_EXPORTER: Final = shutil.which("prometheus-node-exporter") or shutil.which("node_exporter")
POSTGRES_EXPORTER: Final = shutil.which("prometheus-postgres-exporter") or shutil.which("postgres_exporter")
REDIS_EXPORTER: Final = shutil.which("prometheus-redis-exporter") or shutil.which("redis_exporter")
PROCESS_EXPORTER: Final = shutil.which("prometheus-process-exporter") or shutil.which("process-exporter")

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_TRIES: Final = 100
_Figure = TypeVar("_Figure")
_HOST = HostSettings()
# What it has to be told to look at the same things as this exporter does by default.
PARITY: Final = (
    "--collector.tcpstat",
    "--collector.netclass.ignore-invalid-speed",
    "--collector.netdev.device-exclude=^$",
    f"--collector.filesystem.mount-points-exclude={_HOST.mount_points_exclude}",
    f"--collector.filesystem.fs-types-exclude={_HOST.fs_types_exclude}",
    f"--collector.diskstats.device-exclude={_HOST.disk_devices_exclude}",
)


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of memory: resident, and with what is shared counted in proportion."""

    resident: int
    proportional: int


@dataclass(frozen=True, slots=True)
class Running:
    """A process that serves pages at http://127.0.0.1:<port><path>."""

    name: str
    pid: int
    port: int
    path: str = "/metrics"

    def page(self, path: str | None = None) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path or self.path}", timeout=60) as answer:
            return str(answer.read(), "utf-8")

    def cpu(self) -> float:
        """Return the seconds of CPU time spent so far, by its children too."""
        return tree_cpu(self.pid)

    def memory(self) -> Memory:
        fields = _of_family(self.pid, memory_of)
        return Memory(sum(memory.resident for memory in fields), sum(memory.proportional for memory in fields))

    def threads(self) -> int:
        return sum(_of_family(self.pid, lambda pid: len(os.listdir(f"/proc/{pid}/task"))))


@contextmanager
def running(
    name: str, command: Sequence[str], port: int, log: Path, path: str = "/metrics", **environment: str
) -> Iterator[Running]:
    """Run a server for as long as the block lasts."""
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT, env={**os.environ, **environment}
        )
    server = Running(name, process.pid, port, path)
    try:
        until(lambda: _answers(server, process, log), 30)
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def exporter(
    directory: Path, config: str = "", *, name: str = "exporter", module: str = "exporter", path: str = "/metrics"
) -> Iterator[Running]:
    """Run this exporter; `module` is what starts it."""
    place = directory / name
    place.mkdir()
    port = free_port()
    command = [sys.executable, "-m", module, f"--web.listen-address=127.0.0.1:{port}", f"--storage.path={place}"]
    if config:
        (place / "config.yml").write_text(config, encoding="utf-8")
        command.append(f"--config.file={place / 'config.yml'}")
    with running(name, command, port, place / "log", path) as server:
        yield server


@contextmanager
def node_exporter(directory: Path, *options: str, name: str = "node_exporter") -> Iterator[Running]:
    """Run prometheus-node-exporter, which has to be installed."""
    assert NODE_EXPORTER is not None, "install prometheus-node-exporter"
    port = free_port()
    command = [NODE_EXPORTER, f"--web.listen-address=127.0.0.1:{port}", *PARITY, *options]
    with running(name, command, port, directory / f"{name}.log") as server:
        yield server


@contextmanager
def postgres_exporter(
    directory: Path, url: str, *options: str, name: str = "postgres_exporter", path: str = "/metrics"
) -> Iterator[Running]:
    """Run prometheus-postgres-exporter, which has to be installed."""
    assert POSTGRES_EXPORTER is not None, "install prometheus-postgres-exporter"
    port = free_port()
    command = [POSTGRES_EXPORTER, f"--web.listen-address=127.0.0.1:{port}", *options]
    source = f"{url}?sslmode=disable"
    with running(name, command, port, directory / f"{name}.log", path, DATA_SOURCE_NAME=source) as server:
        yield server


@contextmanager
def process_exporter(directory: Path, *options: str, name: str = "process-exporter") -> Iterator[Running]:
    """Run prometheus-process-exporter, which has to be installed."""
    assert PROCESS_EXPORTER is not None, "install prometheus-process-exporter"
    port = free_port()
    command = [PROCESS_EXPORTER, f"-web.listen-address=127.0.0.1:{port}", *options]
    with running(name, command, port, directory / f"{name}.log") as server:
        yield server


@contextmanager
def redis_exporter(
    directory: Path, url: str, *options: str, name: str = "redis_exporter", path: str = "/metrics"
) -> Iterator[Running]:
    """Run prometheus-redis-exporter, which has to be installed."""
    assert REDIS_EXPORTER is not None, "install prometheus-redis-exporter"
    port = free_port()
    command = [REDIS_EXPORTER, f"-web.listen-address=127.0.0.1:{port}", f"-redis.addr={url}", *options]
    with running(name, command, port, directory / f"{name}.log", path) as server:
        yield server


def version_of(program: str | None) -> str:
    """Return the version of a program, or what stands for it where it is not installed."""
    if program is None:
        return "not installed"
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    # Debian's process-exporter tells its revision alone
    found = re.search(r"version (\d[^\s,]*)|revision: ([^\s)]+)", done.stdout + done.stderr)
    return (found[1] or found[2]) if found else "unknown"


def _answers(server: Running, process: subprocess.Popen[bytes], log: Path) -> bool:
    assert process.poll() is None, f"{server.name} has ended: {log.read_text(errors='replace')[-2000:]}"
    try:
        return bool(server.page())
    except (urllib.error.URLError, ConnectionError):
        return False


def tree_cpu(pid: int) -> float:
    """Return the seconds of CPU time of a process and its descendants."""
    return sum(_of_family(pid, _cpu))


def _of_family(pid: int, figure: Callable[[int], _Figure]) -> list[_Figure]:
    """Return a figure of a process and of each descendant; where one ends meanwhile, all are asked again."""
    for _ in range(_TRIES):
        with suppress(OSError):
            return [figure(member) for member in _family(pid)]
    return [figure(member) for member in _family(pid)]


def _family(pid: int) -> list[int]:
    """Return the process and its descendants."""
    found = [pid]
    for parent in found:  # grows while it is walked
        for task in Path(f"/proc/{parent}/task").iterdir():
            found.extend(map(int, (task / "children").read_text().split()))
    return found


def _cpu(pid: int) -> float:
    # the CPU clock of another process, as clock_getcpuclockid(3) makes it: in nanoseconds, dead threads counted
    own = time.clock_gettime((~pid << 3) | 2)
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    of_dead_children = int(fields[13]) + int(fields[14])
    return own + of_dead_children / _TICKS


def memory_of(pid: int) -> Memory:
    """Return the memory of one process."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    kilobytes = {line.split()[0]: int(line.split()[1]) for line in lines[1:]}
    return Memory(kilobytes["Rss:"] * 1024, kilobytes["Pss:"] * 1024)
