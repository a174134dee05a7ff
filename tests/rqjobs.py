"""What RQ's workers do in tests, and a worker to do it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.process import ROOT

WORKER = "from rq import Worker, Queue; from redis import Redis; import sys;" \
    "c = Redis(port=int(sys.argv[1]));" \
    "Worker([Queue(n, connection=c) for n in sys.argv[2].split(',')], connection=c).work(" \
    "burst=sys.argv[3] == 'burst', logging_level='WARNING')"  # fmt: skip


def scrape(number: int = 0) -> int:
    """Do well."""
    return number


def fail() -> None:
    raise ValueError("as it was told to")


def hang() -> None:
    time.sleep(60)  # ended with its worker


def burst(port: int, queues: str = "default") -> None:
    """Have a worker do all that waits."""
    command = [sys.executable, "-c", WORKER, str(port), queues, "burst"]
    subprocess.run(command, cwd=ROOT, timeout=60, check=True, capture_output=True)


@contextmanager
def worker(port: int, queues: str = "default") -> Iterator[None]:
    """Run a worker for as long as the context."""
    command = [sys.executable, "-c", WORKER, str(port), queues, "on"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               start_new_session=True)  # fmt: skip
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(20)
