"""Groups of processes: what watching hundreds and thousands of them costs."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from tests.bench import sides
from tests.bench.processes import PROCESS_EXPORTER, Running, exporter, process_exporter
from tests.bench.results import Side
from tests.bench.scale import Scale

NAMES: Final = tuple(f"sleeper-{number}" for number in range(10))
ABOUT: Final = {
    "fresh": "max_age 0s: every scrape reads the processes anew",
    "full": "the same, with every read in every scrape",
    "theirs": "as it comes",
    "theirs same": "without its metrics of threads",
}
_PATH: Final = "/metrics?collect%5B%5D=process"
# One parent, whose children share its memory, so that thousands are cheap; it says when all are there.
_SLEEPERS: Final = """
import os, signal, sys
names, children = sys.argv[2:], []
for number in range(int(sys.argv[1])):
    child = os.fork()
    if child == 0:
        with open("/proc/self/comm", "w") as comm:
            comm.write(names[number % len(names)])
        os.write(1, b".")
        signal.pause()
        os._exit(0)
    children.append(child)
sys.stdin.read()
for child in children:
    os.kill(child, signal.SIGKILL)
for child in children:
    os.waitpid(child, 0)
"""


def measure(place: Path, scale: Scale) -> dict[int, dict[str, Side]]:
    """Measure both exporters over each number of processes."""
    return {processes: _measured(place, processes, count, scale) for processes, count in scale.groups}


def _measured(place: Path, processes: int, count: int, scale: Scale) -> dict[str, Side]:
    folder = place / f"processes-{processes}"
    folder.mkdir()
    with ExitStack() as stack:
        stack.enter_context(_sleepers(processes))
        running = _servers(stack, folder)
        return sides.scraped(running, ABOUT, scale.groups_batches, count)


def _servers(stack: ExitStack, place: Path) -> dict[str, Running]:
    groups = ", ".join(f"{name}: {{name: {name}}}" for name in NAMES)
    target = f"{{collector: process, max_age: 0s, groups: {{{groups}}}}}"
    config = f"host: {{enabled: false}}\ntargets: {{apps: {target}}}\n"
    running = {
        "fresh": stack.enter_context(exporter(place, config, name="exporter, process groups", path=_PATH)),
        "full": stack.enter_context(
            exporter(place, config, name="exporter, every read", module="tests.bench.every", path=_PATH)
        ),
    }
    if PROCESS_EXPORTER is not None:
        names = f"-procnames={','.join(NAMES)}"
        for key, options in {"theirs": [names], "theirs same": [names, "-threads=false"]}.items():
            name = "process-exporter" if key == "theirs" else "process-exporter, same families"
            running[key] = stack.enter_context(process_exporter(place, *options, name=name))
    return running


@contextmanager
def _sleepers(count: int) -> Iterator[None]:
    """Have so many processes sleep, in groups by name."""
    command = [sys.executable, "-c", _SLEEPERS, str(count), *NAMES]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        assert len(parent.stdout.read(count)) == count
        try:
            yield
        finally:
            parent.stdin.close()  # tells it to end them
