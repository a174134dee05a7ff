"""Groups of processes beside those of Debian's prometheus-process-exporter, which watches the same ones."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psutil
import pytest

from tests.bench.processes import PROCESS_EXPORTER, exporter, process_exporter
from tests.beside import Comparison, compare
from tests.support import until

EXPLAINED: Final = {
    ("namedprocess_namegroup_states", "values"): "there the main thread counts twice where there are several",
}
"""Differences that are meant, by family and aspect."""

# The parser ends the names of counters with `_total`.
OF_ITSELF: Final = frozenset(
    f"namedprocess_scrape_{errors}_total" for errors in ("errors", "partial_errors", "procread_errors")
)
OF_THREADS: Final = frozenset({
    "namedprocess_namegroup_threads_wchan", "namedprocess_namegroup_thread_count",
    "namedprocess_namegroup_thread_cpu_seconds_total", "namedprocess_namegroup_thread_io_bytes_total",
    "namedprocess_namegroup_thread_major_page_faults_total", "namedprocess_namegroup_thread_minor_page_faults_total",
    "namedprocess_namegroup_thread_context_switches_total",
})  # fmt: skip
"""Families of theirs that are not given here, see docs/process_exporter.md."""

# A parent with a thread and two children that wait: figures that differ from one kind of process to the other.
_FAMILY: Final = """
import os, signal, sys, threading
with open("/proc/self/comm", "w") as comm:
    comm.write("beside-parent")
sum(number for number in range(3_000_000))
files = [open(os.devnull) for _ in range(20)]
for _ in range(2):
    if os.fork() == 0:
        signal.pause()
threading.Thread(target=threading.Event().wait, daemon=True).start()
print(flush=True)
signal.pause()
"""


def dated_after(moment: float) -> bool:
    """Tell whether a process begun now is dated after the moment: the kernel's clock of starts has whole seconds."""
    with subprocess.Popen(["sleep", "60"]) as sleeper:
        began = psutil.Process(sleeper.pid).create_time()
        sleeper.kill()
    return began > moment


@contextmanager
def family() -> Iterator[None]:
    """Have processes to look at, begun after both exporters: what they have counted by then counts for both.

    process-exporter leaves out what a process had counted when it dates its start before its own first look.
    """
    ready = time.time()
    until(lambda: dated_after(ready))
    command = [sys.executable, "-c", _FAMILY]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as parent:
        try:
            assert parent.stdout is not None
            parent.stdout.readline()
            yield
        finally:
            os.killpg(parent.pid, signal.SIGKILL)


def compare_here() -> Comparison:
    """Compare both over the same processes; every page of ours is a round of its own."""
    config = """
targets:
  apps:
    collector: process
    max_age: 0s
    groups: {beside-parent: {name: beside-parent}}
"""
    with (
        tempfile.TemporaryDirectory() as directory,
        process_exporter(Path(directory), "-procnames=beside-parent") as theirs,
        exporter(Path(directory), config, path="/probe?target=apps") as ours,
        family(),
    ):
        return compare(theirs.page, ours.page, "namedprocess_", {})


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    if PROCESS_EXPORTER is None:
        if os.environ.get("CI") == "true":
            pytest.fail("prometheus-process-exporter is not installed")
        pytest.skip("prometheus-process-exporter is not installed")
    found = compare_here()
    print("\n" + found.table(EXPLAINED))
    return found


def test_families_that_both_give_agree(comparison: Comparison) -> None:
    assert comparison.unexplained(EXPLAINED) == []
    assert len(comparison.verdicts) > 10


def test_no_family_is_lacking_but_those_of_its_threads_and_of_itself(comparison: Comparison) -> None:
    assert set(comparison.lacking) - OF_ITSELF - OF_THREADS == set()
