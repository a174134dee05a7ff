"""What the processes read from storage, and write to it."""

from typing import Final

from exporter.collector import Trouble, read
from exporter.collectors.process.denied import Readings
from exporter.collectors.process.process import Process
from exporter.collectors.process.table import Table
from exporter.metric import Samples, counter

_GROUP: Final = ("groupname",)
_IO: Final = "/proc/PID/io"

READ_BYTES = counter(
    "namedprocess_namegroup_read_bytes_total",
    "Bytes that the group had fetched from storage.",
    labels=_GROUP,
    source=_IO,
)
WRITE_BYTES = counter(
    "namedprocess_namegroup_write_bytes_total",
    "Bytes that the group had sent to storage.",
    labels=_GROUP,
    source=_IO,
)


@read
def io(table: Table) -> Samples:
    """Bytes read from storage and written to it by each group."""

    def look(process: Process) -> tuple[int, int] | None:
        return table.kept(process, "io", lambda: _io(table, process), beside_stat=True)

    readings = Readings(table, "io")
    for group, seen in readings.of(look):
        for process, figures in seen:
            group.count_process("io", process, figures)
        fetched, sent = group.total("io", 2)
        yield READ_BYTES(fetched, groupname=group.name)
        yield WRITE_BYTES(sent, groupname=group.name)
    yield from readings.denied("io", "CAP_SYS_PTRACE")


def _io(table: Table, process: Process) -> tuple[int, int] | None:
    raw = table.procfs.read(f"{process.pid}/io")
    if raw is None:
        return None
    fields = dict(line.split(b": ", 1) for line in raw.splitlines() if b": " in line)
    try:
        return int(fields[b"read_bytes"]), int(fields[b"write_bytes"])
    except (KeyError, ValueError):
        raise Trouble("/proc/PID/io of a process is not understood") from None
