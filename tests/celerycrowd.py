"""Many workers of Celery that only speak: they tell of themselves and of tasks, and answer, from one process."""

import signal
import sys
import time
from contextlib import suppress
from functools import partial
from threading import Event
from typing import Any

from celery import Celery
from celery.app.control import Control
from celery.events import EventDispatcher

EVERY = 2.0
"""Seconds between two heartbeats, as real workers have it."""


class Speaker:
    """One worker that is none: all that others hear of it."""

    def __init__(self, app: Celery, connection: Any, name: str, pid: int) -> None:
        self.name, self.pid, self.processed = name, pid, 0
        self._told = EventDispatcher(connection, hostname=name, app=app)
        self._told.pid = pid
        self._node = Control(app).mailbox.Node(name, channel=connection.channel())
        for command in ("ping", "stats", "active", "reserved", "scheduled", "revoked", "registered", "active_queues"):
            self._node.handlers[command] = partial(self._answer, command)
        self._node.listen(callback=self._node.handle_message)

    def tell(self, kind: str, **more: Any) -> None:
        self._told.send(kind, **more)

    def beat(self, kind: str) -> None:
        self.tell(kind, freq=EVERY, processed=self.processed, active=0, sw_ident="py-celery", sw_ver="5.7.0",
                  sw_sys="Linux", loadavg=[0.0, 0.0, 0.0])  # fmt: skip

    def work(self, uuid: str) -> None:
        """Tell of a task from its coming to its end."""
        self.tell("task-received", uuid=uuid, name="tests.add", args="(1,)", kwargs="{}", eta=None, retries=0)
        self.processed += 1
        self.tell("task-started", uuid=uuid)
        self.tell("task-succeeded", uuid=uuid, runtime=0.01, result="3")

    def _answer(self, command: str, _: Any, **__: Any) -> Any:
        if command == "ping":
            return {"ok": "pong"}
        if command == "stats":
            pool = {"max-concurrency": 2, "processes": [self.pid + 1, self.pid + 2], "timeouts": [0, 0]}
            return {"pid": self.pid, "pool": pool, "total": {"tests.add": self.processed}, "prefetch_count": 8}
        return [{"name": "celery"}] if command == "active_queues" else []


def main(broker: str, prefix: str, count: int, tasks: int) -> None:
    """Speak for so many workers until a signal comes: after SIGTERM each says goodbye."""
    stop = Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    app = Celery("tests", broker=broker, set_as_current=False)
    with app.connection_for_write() as connection:
        speakers = [Speaker(app, connection, f"w@{prefix}{number}", 1000 + 10 * number) for number in range(count)]
        _each(speakers, "worker-online")
        print("ready", flush=True)
        _speak(speakers, connection, stop, tasks)
        _each(speakers, "worker-offline")


def _speak(speakers: list[Speaker], connection: Any, stop: Event, tasks: int) -> None:
    due, done = 0.0, 0
    while not stop.is_set():
        if time.monotonic() >= due:
            due = time.monotonic() + EVERY
            _each(speakers, "worker-heartbeat")
        if done < tasks:
            for speaker in speakers:
                speaker.work(f"{speaker.name}-{done}")
            done += 1
        with suppress(TimeoutError):
            connection.drain_events(timeout=0.05)


def _each(speakers: list[Speaker], kind: str) -> None:
    for speaker in speakers:
        speaker.beat(kind)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
