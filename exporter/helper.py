"""The helper process, seen from the exporter: begun when the first toil needs it, and again when it died."""

import contextlib
import io
import json
import logging
import os
import pickle
import socket
import struct
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any, Final

from exporter.collector import Trouble
from exporter.ledger import Ledger
from exporter.secret import Secret
from exporter.usage import Usage, usage_of

log = logging.getLogger(__name__)

_LOOK: Final = 0.25  # seconds between looks at whether the target still wants its toil
_PATIENCE: Final = 1  # seconds for a full channel to take more, before it is looked whether anybody lives there
_GRACE: Final = 5.0  # seconds for a toil to end; one that hangs in the kernel is left behind
_EXIT: Final = 1.0  # seconds for the process to end
_SILENCE: Final = 60.0  # seconds without a sign of life, of which there is one every few, after which it is replaced
# -P: what lies in the working directory must not be taken for a module
# This exporter is loaded by its place: another one may be installed as well, and be found first.
_PROGRAM: Final = """import sys
from importlib.util import module_from_spec, spec_from_file_location
sys.path.append({path!r})
spec = spec_from_file_location("exporter", {path!r} + "/exporter/__init__.py")
sys.modules["exporter"] = module_from_spec(spec)
spec.loader.exec_module(sys.modules["exporter"])
from exporter.helperprocess import main; main({descriptor})"""


@dataclass(eq=False)
class _Run:
    """One toil at work in the process, from its beginning to its end."""

    ledger: Ledger
    ready: Callable[[], None]
    ended: Event = field(default_factory=Event)
    reason: str = ""
    fix: str = ""


class _Process:
    """One life of the helper process. A thread of its own reads what it says."""

    def __init__(self) -> None:
        mine, its = socket.socketpair()
        mine.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", _PATIENCE, 0))
        with its:
            program = _PROGRAM.format(path=str(Path(__file__).parents[1]), descriptor=its.fileno())
            self._child = subprocess.Popen(
                [sys.executable, "-P", "-c", program], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                pass_fds=[its.fileno()], start_new_session=True,
            )  # fmt: skip
        self.pid = self._child.pid
        self._channel = mine
        self._sending = threading.Lock()
        self._runs: dict[int, _Run] = {}
        self._last = 0
        self._guard = threading.Lock()  # of the two above and of `dead`
        self.dead = False
        self.cpu = 0.0  # as last seen
        self._heard = time.monotonic()
        self._reader = threading.Thread(target=self._listen, name="helper", daemon=True)
        self._reader.start()

    def usage(self) -> Usage | None:
        """Return what it costs, and note its CPU time for when it is gone."""
        usage = usage_of(self.pid)
        self.cpu = usage.cpu if usage else self.cpu
        return usage

    def begin(self, toil: str, settings: Any, run: _Run) -> int:
        with self._guard:
            if self.dead:
                raise Trouble("the helper process has just ended", "it is begun again by itself")
            self._last += 1
            number = self._last
            self._runs[number] = run
        pickled = b64encode(_with_secrets(settings)).decode("ascii")
        self._send({"begin": number, "toil": toil, "settings": pickled, "kept": run.ledger.load()})
        return number

    def look(self) -> None:
        """Kill it where it gives no sign of life: its end is noticed, and another begun."""
        if time.monotonic() - self._heard > _SILENCE:
            self._child.kill()

    def end(self, number: int, run: _Run) -> None:
        """Ask a toil to end, give it a while, and listen to it no longer; one that has ended is forgotten there too."""
        self._send({"end": number})
        run.ended.wait(_GRACE)
        with self._guard:
            self._runs.pop(number, None)

    def close(self) -> None:
        """Let the process end: without its channel it does."""
        with contextlib.suppress(OSError):
            self._channel.shutdown(socket.SHUT_RDWR)
        try:
            self._child.wait(_EXIT)
        except subprocess.TimeoutExpired:
            self._child.kill()
        self._reader.join(_EXIT)

    def _send(self, order: dict[str, Any]) -> None:
        line = json.dumps(order, separators=(",", ":")).encode("ascii") + b"\n"
        with self._sending, contextlib.suppress(OSError):  # it has ended: the reader tells everybody
            self._send_all(memoryview(line))

    def _send_all(self, rest: memoryview) -> None:
        """Send as it takes it in; one that has stopped while its channel is full is killed in the end."""
        while rest:
            try:
                rest = rest[self._channel.send(rest) :]
            except BlockingIOError:  # not within _PATIENCE
                self.look()

    def _listen(self) -> None:
        try:
            with self._channel.makefile("rb") as lines:
                for line in lines:
                    self._hear(json.loads(line))
        except Exception:  # whatever it is, the toils must be told and begun again
            log.warning("the helper process is given up, as it cannot be heard", exc_info=True)
        self._bury()

    def _hear(self, said: dict[str, Any]) -> None:
        self._heard = time.monotonic()
        with self._guard:
            run = self._runs.get(said["run"])
        if run is None:  # its target is gone, or has begun anew
            return
        if "tell" in said:
            run.ledger.tell(said["tell"])
        elif "ready" in said:
            run.ready()
        else:
            run.reason, run.fix = said["reason"], said["fix"]
            run.ended.set()

    def _bury(self) -> None:
        """Note why it ended, and tell every toil's target."""
        with contextlib.suppress(OSError):
            self._channel.close()
        self.usage()  # what it spent is known until its end is taken note of
        try:
            code = self._child.wait(_EXIT)
        except subprocess.TimeoutExpired:  # it closed its channel and lives on
            self._child.kill()
            code = self._child.wait()
        with self._guard:
            self.dead = True
            runs = list(self._runs.values())
        for run in runs:
            if not run.ended.is_set():
                run.reason = f"the helper process ended with {'signal' if code < 0 else 'exit code'} {abs(code)}"
                run.ended.set()


class _Revealing(pickle.Pickler):
    """Pickles secrets too, which refuse that elsewhere: for the channel to the helper process, and nothing else."""

    def reducer_override(self, given: object) -> Any:
        return (type(given), (given.reveal(), given.origin)) if isinstance(given, Secret) else NotImplemented


def _with_secrets(settings: Any) -> bytes:
    buffer = io.BytesIO()
    _Revealing(buffer).dump(settings)
    return buffer.getvalue()


class Helper:
    """Runs toils in the helper process; nothing is begun as long as nothing needs it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: _Process | None = None
        self._closed = False
        self._spent = 0.0  # CPU time of processes that are no more
        self.begun = 0
        """How many processes there have been."""

    @property
    def pid(self) -> int | None:
        """The process that lives now."""
        process = self._process
        return None if process is None or process.dead else process.pid

    def work(self, toil: str, settings: Any, ledger: Ledger, stop: Event, ready: Callable[[], None]) -> None:
        """Have the toil `module:class` work until `stop` is set; Trouble tells why it ended before."""
        run = _Run(ledger, ready)
        process = self._living()
        number = process.begin(toil, settings, run)
        try:
            while not (stop.wait(_LOOK) or run.ended.is_set()):
                process.look()
        finally:
            process.end(number, run)
        if not stop.is_set():
            raise Trouble(run.reason or "it returned", run.fix)

    def usage(self) -> Usage | None:
        """Return what the process costs, its CPU time with that of its forerunners; None while there is none."""
        with self._lock:
            process = self._process
            usage = None if process is None or process.dead else process.usage()
            return None if usage is None else usage._replace(cpu=self._spent + usage.cpu)

    def close(self) -> None:
        """End the process, for good."""
        with self._lock:
            self._closed = True
            process, self._process = self._process, None
        if process is not None:
            process.close()

    def _living(self) -> _Process:
        with self._lock:
            if self._closed:
                raise Trouble("the exporter is stopping")
            if os.name != "posix":
                raise Trouble("the helper process, which does this, needs Linux or another POSIX system")
            if self._process is None or self._process.dead:
                self._spent += self._process.cpu if self._process else 0.0
                self._process = _Process()
                self.begun += 1
            return self._process
