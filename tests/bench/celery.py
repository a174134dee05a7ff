"""Events of Celery: how many a second are kept up with, and what a scrape costs, beside celery-exporter."""

import json
import statistics
import threading
import time
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import redis

from tests.bench.load import Scraper, Scrapes
from tests.bench.processes import ROOT, Memory, Running, exporter, running
from tests.bench.scale import Scale
from tests.process import free_port
from tests.redisserver import Redis, server
from tests.support import until

PEER: Final = ROOT / ".celery" / "exporter" / "bin" / "python"
"""The Python that has celery-exporter, put there by `.ci/celery`."""
_START: Final = "from src.cli import cli; cli()"
_TASKS: Final = 40
_WORKERS: Final = 4
_EVENTS: Final = 4  # of each task
_BATCH: Final = 20  # tasks whose events a worker sends in one message
_UNREAD: Final = 2 << 20  # bytes that may wait for the listener, far below where Redis would cut it off
_LONGEST: Final = 600.0  # seconds for one stream
_PATIENCE: Final = 10  # pages that show no more than the one before, after which no more is to come
_SUCCEEDED: Final = "celery_task_succeeded_total{"

Message = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Kept:
    """What one stream took, published as fast as it was read."""

    events: int
    counted: int
    """Events of the tasks that the page shows afterwards."""
    seconds: float
    """From the first message until none was left unread."""
    cpu: float
    """Seconds of CPU, with that of the helper process."""


@dataclass(slots=True)
class Listened:
    """What one of both made of the same streams."""

    name: str
    series: int
    memory: Memory
    streams: list[Kept] = field(default_factory=list)
    rest: Scrapes = field(default_factory=Scrapes)
    meanwhile: Scrapes = field(default_factory=Scrapes)
    """While another such stream is read."""

    @property
    def per_cpu(self) -> float:
        """Events a second of one processor."""
        return statistics.median(one.events / one.cpu for one in self.streams)

    @property
    def per_second(self) -> float:
        """Events a second that are kept up with."""
        return statistics.median(one.events / one.seconds for one in self.streams)

    @property
    def counted(self) -> float:
        """The share of events that are on the page."""
        return sum(one.counted for one in self.streams) / sum(one.events for one in self.streams)


@dataclass(frozen=True, slots=True)
class Celery:
    """Both, and what there is to say of the stream."""

    sides: dict[str, Listened]
    event_bytes: float
    """Of one event, as Redis holds it."""
    held_bytes: int
    """That Redis holds for a listener that falls behind, before it cuts it off."""


def measure(place: Path, scale: Scale) -> Celery:
    """Have each of both listen to the same streams, one after the other."""
    folder = place / "celery"
    folder.mkdir()
    found = {}
    with server() as broker:
        url = broker.url(database=0)
        sides = {"ours": exporter(folder, _config(url), name="exporter, celery", path="/probe?target=it")}
        if PEER.exists():
            sides["theirs"] = celery_exporter(folder, url)
        for key, side in sides.items():
            batches = (scale.celery_batches, scale.celery_batch) if key == "ours" else scale.celery_peer
            with side as listening:
                until(lambda: broker.ask("PUBSUB", "NUMPAT"), 30)
                found[key] = _listened(listening, broker, scale, *batches)
            until(lambda: not broker.ask("PUBSUB", "NUMPAT"), 30)
        held = str(broker.ask("CONFIG", "GET", "client-output-buffer-limit"))
    return Celery(found, _size(scale.celery_tasks), int(held.split("pubsub ")[1].split()[0]))


def _config(url: str) -> str:
    return f"host: {{enabled: false}}\ntargets: {{it: {{collector: celery, max_age: 0s, url: '{url}'}}}}\n"


@contextmanager
def celery_exporter(directory: Path, url: str, name: str = "celery-exporter") -> Iterator[Running]:
    """Run celery-exporter, which `.ci/celery` has to have installed."""
    port = free_port()
    options = ["--broker-url", url, "--host", "127.0.0.1", "--port", str(port), "--retry-interval", "1"]
    command = [str(PEER), "-c", _START, *options]
    # a page takes it two seconds, and it gives one at a time
    with running(name, command, port, directory / f"{name}.log", "/health", PYTHONPATH="") as peer:
        yield Running(peer.name, peer.pid, peer.port)


def _listened(side: Running, broker: Redis, scale: Scale, batches: int, batch: int) -> Listened:
    tasks, runs = scale.celery_tasks, scale.celery_runs
    streams = [_kept(side, broker, stream(tasks, number * tasks), tasks) for number in range(runs)]
    rest = Scraper(side)
    for _ in range(batches):
        rest.batch(batch)
    rest.close()
    meanwhile = _meanwhile(side, broker, list(stream(tasks, runs * tasks)))
    series = sum(not line.startswith("#") for line in side.page().splitlines())
    return Listened(side.name, series, side.memory(), streams, rest.result, meanwhile)


def _kept(side: Running, broker: Redis, messages: Iterator[Message], tasks: int) -> Kept:
    """Publish one stream as fast as it is read, and wait until the page shows all of it, or grows no more."""
    made = list(messages)
    before, cpu, begun = _counted(side), side.cpu(), time.monotonic()
    publish(broker, made)
    seconds = time.monotonic() - begun
    counted, patience = _counted(side), _PATIENCE
    while counted < before + tasks and patience:
        time.sleep(0.5)  # a page costs as well
        last, counted = counted, _counted(side)
        patience = _PATIENCE if counted > last else patience - 1
    return Kept(tasks * _EVENTS, int(counted - before) * _EVENTS, seconds, side.cpu() - cpu)


def publish(broker: Redis, messages: Sequence[Message]) -> None:
    """Publish all, no faster than they are read: Redis would cut the listener off."""
    deadline = time.monotonic() + _LONGEST
    with broker.client() as client:
        for first in range(0, len(messages), 100):
            pipe = client.pipeline(transaction=False)
            for channel, message in messages[first : first + 100]:
                pipe.publish(channel, message)
            pipe.execute()
            _wait(client, _UNREAD, deadline)
        _wait(client, 0, deadline)


def _wait(client: redis.Redis, most: int, deadline: float) -> None:
    """Wait until no more bytes than these are unread."""
    while _unread(client) > most:
        assert time.monotonic() < deadline, "the stream is not read to its end"
        time.sleep(0.02)  # to look takes a millisecond


def _unread(client: redis.Redis) -> int:
    """Return how many bytes wait for those who listen, in Redis and in the kernel."""
    listening = [one for one in client.client_list() if "P" in one["flags"]]
    ends = {f"{int(one['addr'].rpartition(':')[2]):04X}" for one in listening}
    sockets = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    in_kernel = sum(int(queue, 16) for _, mine, its, _, queues, *_ in sockets for queue in queues.split(":")
                    if ends & {mine[-4:], its[-4:]})  # fmt: skip
    return sum(int(one["omem"]) for one in listening) + in_kernel


def _meanwhile(side: Running, broker: Redis, messages: Sequence[Message]) -> Scrapes:
    """Return scrapes made while a stream is read."""
    scraper = Scraper(side)
    scraper.once()
    publishing = threading.Thread(target=publish, args=(broker, messages))
    publishing.start()
    while publishing.is_alive() or len(scraper.result.seconds) < 2:
        scraper.batch(1)
        publishing.join(0.1)
    publishing.join()
    scraper.close()
    return scraper.result


def _counted(side: Running) -> float:
    lines = side.page().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(_SUCCEEDED))


def stream(tasks: int, first: int = 0) -> Iterator[Message]:
    """Yield channels and messages as Celery's senders and workers publish them, four events for each task."""
    now = time.time()
    for start in range(first, first + tasks, _BATCH):
        batch = range(start, min(start + _BATCH, first + tasks))
        for number in batch:
            yield "/0.celeryev/task.sent", _message(_event("task-sent", number, now, queue="celery", eta=None))
        events = [event for number in batch for event in _worker_events(number, now)]
        yield "/0.celeryev/task.multi", _message(events)


def _size(tasks: int) -> float:
    """Return how many bytes of a stream are one event's."""
    some = min(tasks, 1000)
    return sum(len(message) for _, message in stream(some)) / (some * _EVENTS)


def _worker_events(number: int, now: float) -> list[dict[str, object]]:
    received = _event("task-received", number, now, args="(1, 2)", kwargs="{}", retries=0, eta=None)
    started = _event("task-started", number, now)
    return [received, started, _event("task-succeeded", number, now, result="3", runtime=0.01)]


def _event(kind: str, number: int, now: float, **more: object) -> dict[str, object]:
    # the tasks of a batch are one worker's, and each worker has all of them in turn
    uuid, name = f"{number:032}", f"app.tasks.task{number % _TASKS}"
    worker = f"celery@host{number // _TASKS % _WORKERS}"
    common = {"hostname": worker, "utcoffset": 0, "pid": 7, "clock": number, "timestamp": now, "type": kind}
    return {"uuid": uuid, **({"name": name} if kind in ("task-sent", "task-received") else {}), **common, **more}


def _message(body: object) -> str:
    properties = {"body_encoding": "base64", "delivery_info": {"exchange": "celeryev"}, "delivery_tag": "1"}
    encoded = b64encode(json.dumps(body).encode()).decode()
    return json.dumps({"body": encoded, "content-type": "application/json", "content-encoding": "utf-8",
                       "headers": {}, "properties": properties})  # fmt: skip
