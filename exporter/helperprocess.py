"""The helper process, seen from inside: a niced child that does the toils, one thread for each."""

import contextlib
import importlib
import json
import os
import pickle
import signal
import socket
import threading
import time
from base64 import b64decode
from collections.abc import Mapping
from typing import Any, Final, NoReturn

from exporter.secret import redact
from exporter.toil import Changes, Toil

_NICENESS: Final = 10
_BEAT: Final = 5.0  # seconds between signs of life
_importing: Final = threading.Lock()  # two threads whose packages import each other would see halves of them


class Channel:
    """Where this process says things, one JSON object a line."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def say(self, run: int, **what: Any) -> None:
        line = json.dumps({"run": run, **what}, separators=(",", ":")).encode("ascii") + b"\n"
        with self._lock:
            self._connection.sendall(line)


class Work(threading.Thread):
    """One toil at work."""

    def __init__(self, channel: Channel, order: Mapping[str, Any]) -> None:
        super().__init__(name=f"toil {order['toil']} {order['begin']}", daemon=True)
        self._channel = channel
        self._order = order
        self._number: int = order["begin"]
        self.stop = threading.Event()

    def run(self) -> None:
        """Make the toil and have it work; say how it ended."""
        try:
            self._toil().run(self.stop, self._tell, lambda: self._channel.say(self._number, ready=True))
            reason, fix = "it returned", ""
        except BaseException as error:  # noqa: BLE001  # the exporter is told, and begins it again
            reason, fix = str(error) or type(error).__name__, getattr(error, "fix", "")
            if type(error).__name__ != "Trouble":
                reason = f"{type(error).__name__}: {error}"
        with contextlib.suppress(OSError):  # the exporter is no more
            self._channel.say(self._number, ended=True, reason=redact(reason), fix=redact(fix))

    def _toil(self) -> Toil:
        module, _, name = self._order["toil"].partition(":")
        with _importing:
            make: type[Toil] = getattr(importlib.import_module(module), name)
            # from the exporter itself, over a channel that nobody else has
            settings = pickle.loads(b64decode(self._order["settings"]))  # noqa: S301
        return make(settings, self._order["kept"])

    def _tell(self, changes: Changes) -> None:
        if changes:
            self._channel.say(self._number, tell=dict(changes))


def main(descriptor: int) -> NoReturn:
    """Take orders until the exporter closes the channel, or is no more."""
    _step_back()
    works: dict[int, Work] = {}
    with socket.socket(fileno=descriptor) as connection, connection.makefile("rb") as orders:
        channel = Channel(connection)
        threading.Thread(target=_beat, args=(channel,), name="beat", daemon=True).start()
        with contextlib.suppress(OSError):
            for line in orders:
                _obey(json.loads(line), works, channel)
    os._exit(0)  # a toil may hang in the kernel, and what was not told will be done again


def _beat(channel: Channel) -> None:
    """Give signs of life, so that a process that is stopped or stuck can be told from one that has nothing to say."""
    with contextlib.suppress(OSError):
        while True:
            channel.say(0, alive=True)
            time.sleep(_BEAT)


def _obey(order: dict[str, Any], works: dict[int, Work], channel: Channel) -> None:
    if "begin" in order:
        works[order["begin"]] = work = Work(channel, order)
        work.start()
    else:
        works.pop(order["end"]).stop.set()


def _step_back() -> None:
    """Leave the processor to others, and the signals meant for the exporter to it: it ends this process by itself."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    with contextlib.suppress(OSError):
        os.nice(_NICENESS)
    with contextlib.suppress(OSError, AttributeError):  # not on every system
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
