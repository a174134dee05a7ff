"""Events of Celery: how many a second are kept up with, and what a scrape costs, beside celery-exporter."""

import itertools
import json
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench.processes import ROOT, Running, exporter, running
from tests.process import free_port
from tests.redisserver import Redis, server
from tests.support import until

PEER: Final = ROOT / ".celery" / "exporter" / "bin" / "python"
"""The Python that has celery-exporter, put there by `.ci/celery`."""
_START: Final = "from src.cli import cli; cli()"
_TASKS: Final = 40
_WORKERS: Final = 4


@dataclass(frozen=True, slots=True)
class Listened:
    """What one of both made of the same stream."""

    who: str
    events: int
    counted: int
    seconds: float
    cpu: float
    scrape_p50_ms: float
    scrape_p99_ms: float
    resident: int
    proportional: int

    @property
    def rate(self) -> float:
        """Events a second of one processor."""
        return self.events / self.cpu


@contextmanager
def celery_exporter(directory: Path, url: str, name: str = "celery-exporter") -> Iterator[Running]:
    """Run celery-exporter, which `.ci/celery` has to have installed."""
    port = free_port()
    options = ["--broker-url", url, "--host", "127.0.0.1", "--port", str(port), "--retry-interval", "1"]
    command = [str(PEER), "-c", _START, *options]
    # a page takes it two seconds, and it gives one at a time
    with running(name, command, port, directory / f"{name}.log", "/health", PYTHONPATH="") as peer:
        yield Running(peer.name, peer.pid, peer.port)


def stream(tasks: int) -> Iterator[tuple[str, str]]:
    """Yield channels and messages as Celery's senders and workers publish them, four events for each task."""
    now = time.time()
    for start in range(0, tasks, 20):
        batch = range(start, min(start + 20, tasks))
        for number in batch:
            yield "/0.celeryev/task.sent", _message(_event("task-sent", number, now, queue="celery", eta=None))
        events = [event for number in batch for event in _worker_events(number, now)]
        yield "/0.celeryev/task.multi", _message(events)


def _worker_events(number: int, now: float) -> list[dict[str, object]]:
    received = _event("task-received", number, now, args="(1, 2)", kwargs="{}", retries=0, eta=None)
    started = _event("task-started", number, now)
    return [received, started, _event("task-succeeded", number, now, result="3", runtime=0.01)]


def _event(kind: str, number: int, now: float, **more: object) -> dict[str, object]:
    uuid, name, worker = f"{number:032}", f"app.tasks.task{number % _TASKS}", f"celery@host{number % _WORKERS}"
    common = {"hostname": worker, "utcoffset": 0, "pid": 7, "clock": number, "timestamp": now, "type": kind}
    return {"uuid": uuid, **({"name": name} if kind in ("task-sent", "task-received") else {}), **common, **more}


def _message(body: object) -> str:
    properties = {"body_encoding": "base64", "delivery_info": {"exchange": "celeryev"}, "delivery_tag": "1"}
    encoded = b64encode(json.dumps(body).encode()).decode()
    return json.dumps({"body": encoded, "content-type": "application/json", "content-encoding": "utf-8",
                       "headers": {}, "properties": properties})  # fmt: skip


def measure(place: Path, tasks: int, scrapes: int) -> list[Listened]:
    """Have each of both listen to the same stream, one after the other, and scrape it while it rests."""
    found = []
    with server() as broker:
        url = broker.url(database=0)
        config = f"host: {{enabled: false}}\ntargets: {{it: {{collector: celery, max_age: 0s, url: '{url}'}}}}\n"
        folder = place / "celery"
        folder.mkdir()
        sides = [exporter(folder, config, path="/probe?target=it")]
        if PEER.exists():
            sides.append(celery_exporter(folder, url))
        for side in sides:
            with side as listening:
                until(lambda: broker.ask("PUBSUB", "NUMPAT") >= 1, 30)
                found.append(_listened(listening, broker, tasks, scrapes))
            until(lambda: broker.ask("PUBSUB", "NUMPAT") == 0, 30)
    return found


def _listened(side: Running, broker: Redis, tasks: int, scrapes: int) -> Listened:
    """Publish the whole stream, and wait until the side has counted all of it."""
    before, cpu, begun = _counted(side), side.cpu(), time.monotonic()
    with broker.client() as client:
        for batch in _batched(tasks):
            pipe = client.pipeline(transaction=False)
            for channel, message in batch:
                pipe.publish(channel, message)
            pipe.execute()
    until(lambda: _counted(side) - before >= tasks or time.monotonic() - begun > 120, 180)
    seconds = time.monotonic() - begun
    spent = side.cpu() - cpu
    times = sorted(_timed(side) for _ in range(scrapes))
    memory = side.memory()
    return Listened(
        side.name, tasks * 4, int(_counted(side) - before), seconds, spent, times[len(times) // 2] * 1000,
        times[min(len(times) - 1, len(times) * 99 // 100)] * 1000, memory.resident, memory.proportional,
    )  # fmt: skip


def _batched(tasks: int) -> Iterator[list[tuple[str, str]]]:
    messages = stream(tasks)
    while batch := list(itertools.islice(messages, 200)):
        yield batch


def _counted(side: Running) -> float:
    lines = side.page().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("celery_task_succeeded_total{"))


def _timed(side: Running) -> float:
    begun = time.perf_counter()
    side.page()
    return time.perf_counter() - begun


def report(found: list[Listened]) -> str:
    """Return the figures as lines for people."""
    return "".join(
        f"{one.who}: {one.counted} of {one.events // 4} tasks, {one.events} events in {one.seconds:.1f} s, "
        f"{one.cpu:.2f} s CPU ({one.rate:,.0f} events/s of a processor), scrape p50 {one.scrape_p50_ms:.1f} ms, "
        f"p99 {one.scrape_p99_ms:.1f} ms, PSS {one.proportional / 2**20:.1f} MiB\n"
        for one in found
    )


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as directory:
        print(report(measure(Path(directory), int(sys.argv[1]) if len(sys.argv) > 1 else 20_000, 10)))
