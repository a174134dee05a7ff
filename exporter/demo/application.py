"""What the author of a stand-in writes: an application, and the faults that it can have."""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Final

from exporter.demo import asking, configuration
from exporter.demo.machine import Machine
from exporter.demo.part import Part
from exporter.demo.waiting import until

HERE: Final = "127.0.0.1"
_DAY: Final = 86400.0


@dataclass(frozen=True, slots=True)
class Expected:
    """One alert that a fault raises: its name, and the labels that tell it from others of that name."""

    name: str
    labels: tuple[tuple[str, str], ...] = ()

    def fits(self, labels: Mapping[str, str]) -> bool:
        return labels.get("alertname") == self.name and all(labels.get(key) == value for key, value in self.labels)

    def __str__(self) -> str:
        labels = ", ".join(f"{key}={value}" for key, value in self.labels)
        return f"{self.name}{{{labels}}}" if labels else self.name


def alert(name: str, /, **labels: str) -> Expected:
    """Return an alert that is expected."""
    return Expected(name, tuple(sorted(labels.items())))


@dataclass(frozen=True, slots=True)
class Fault:
    """What can go wrong in an application, how to bring it about and to mend it, and which alerts it raises.

    `alerts` are those that somebody is told of, `beside` those that fire too and are kept quiet by one of these.
    What it needs beside the application (`nginx`, `history`, `small disk`) stands in `needs`.
    """

    name: str
    says: str
    do: Callable[[Any], object]
    undo: Callable[[Any], object]
    alerts: tuple[Expected, ...]
    beside: tuple[Expected, ...] = ()
    needs: tuple[str, ...] = ()
    seconds: float = 60.0  # in which its alerts are there, and gone, in the tests


class CannotError(Exception):
    """Something cannot be done here; the text says why, and what helps."""


@dataclass(slots=True)
class Setting:
    """Where a stand-in runs: its folder, its ports, the machine that its exporter sees."""

    folder: Path
    machine: Machine
    usual_ports: bool = True
    speed: float = 60.0
    parts: list[Part] = field(default_factory=list)
    ports: dict[str, int] = field(default_factory=dict)
    leftovers: list[Path] = field(default_factory=list)
    """Folders elsewhere that go in the end."""


class Application:
    """A stand-in of an application. Its class stands in examples/<app>/demo.py, with its faults in `faults`."""

    title: ClassVar[str] = ""
    libraries: ClassVar[tuple[str, ...]] = ()
    """Modules that it needs: of the extra `demo`."""
    faults: ClassVar[tuple[Fault, ...]] = ()
    url: str
    """Where it answers."""

    def __init__(self, name: str, here: Path, setting: Setting) -> None:
        self.name = name
        self.here = here
        """Where its files lie: examples/<app>."""
        self.setting = setting
        self.folder = setting.folder
        """Where everything that it writes belongs; gone in the end."""
        self.speed = setting.speed
        """By how much the rules' durations are divided."""

    # ------------------------------------------------------------ what an author writes

    def start(self) -> None:
        """Start all parts; return when they work."""
        raise NotImplementedError

    def environment(self) -> Mapping[str, str]:
        """Return the variables that config.yml asks for."""
        return {}

    def changes(self) -> Mapping[str, Any]:
        """Return what is otherwise than in config.yml, as a tree merged over it; None takes a key out."""
        return {}

    def addresses(self) -> Mapping[str, str]:
        """Return where a person may look: a name, and an address."""
        return {}

    def scrapes(self) -> list[dict[str, Any]]:
        """Return what Prometheus scrapes beside the exporter, as `monitoring.scraped(name, port, job)` gives it."""
        return []

    def wants(self, need: str) -> str:
        """Return why a fault that needs this cannot be shown here; nothing where it can. A need is a program here."""
        return "" if program(need) else f"{need} is not installed"

    def stop(self) -> None:
        """Take away what is not a part, and not in the folder."""

    # ------------------------------------------------------------ what an author calls

    def port(self, name: str, usual: int = 0) -> int:
        """Return the port of this name: the usual one if it is free, else any; the same each time."""
        ports = self.setting.ports
        if name not in ports:
            ports[name] = _free_port(usual if self.setting.usual_ports else 0, set(ports.values()))
        return ports[name]

    def part(
        self, name: str, command: Sequence[str | Path], *, environment: Mapping[str, str] | None = None,
        directory: Path | None = None, ready: Callable[[], object] | None = None, **more: Any,
    ) -> Part:  # fmt: skip
        """Start a process that belongs to the stand-in, and wait until `ready()` is true; its output is <name>.log."""
        part = Part(
            f"{self.name}-{name}", [str(word) for word in command], self.folder / f"{name}.log",
            environment={**os.environ, **(environment or {})}, directory=directory or self.folder, ready=ready, **more,
        )  # fmt: skip
        self.setting.parts.append(part)
        part.start()
        return part

    def python(self, file: str, *arguments: str | Path) -> list[str]:
        """Return the command that runs a Python file of examples/<app>."""
        return [sys.executable, str(self.here / file), *map(str, arguments)]

    @property
    def machine(self) -> Machine:
        """The machine that the application's exporter sees: its processors and memory may be made busy."""
        return self.setting.machine

    def reconfigure(self, more: Mapping[str, Any] | None = None) -> None:
        """Have the exporter load its configuration anew, with this tree laid over it; without one as it began.

        What only time brings about, as a backup that is not made, may be shown so: by an interval that is shorter.
        """
        configuration.write(self.here, self.folder, self.machine.folder, self.changes(), more or {})
        asking.post(f"http://{HERE}:{self.port('exporter')}/-/reload")

    def uvicorn(self, port: int) -> list[str]:
        """Return the command that serves `app` of app.py."""
        served = ["-m", "uvicorn", "--app-dir", str(self.here), "app:app", "--host", HERE, "--port", str(port)]
        return [sys.executable, *served, "--log-level", "warning"]

    def send_away(self, part: Part) -> None:
        """End a part that was there for a fault alone."""
        part.stop()
        self.setting.parts.remove(part)

    def turn(self, **knobs: Any) -> None:
        """Turn knobs of the application, which takes them at /simulate."""
        asking.post(f"{self.url}/simulate", knobs, timeout=120)

    def mark_done(self, task: str, days_ago: float = 0) -> None:
        """Mark a task of the checklist done, as a person would, now or so long ago."""
        then = time.strftime("%Y-%m-%dT%H:%M", time.localtime(time.time() - days_ago * _DAY))
        options = [f"--config.file={self.folder / 'config.yml'}", f"--storage.path={self.folder / 'state'}"]
        options += [f"--at={then}"] if days_ago else []
        command = [sys.executable, "-m", "exporter", "done", task, *options]
        environment = {**os.environ, **self.environment()}
        subprocess.run(command, check=True, capture_output=True, timeout=60, env=environment)

    def secret(self) -> str:
        """Return a password that nobody knows."""
        return secrets.token_urlsafe(18)

    def fault(self, name: str) -> Fault:
        """Return the fault of this name, with or without the application's before it."""
        short = name.removeprefix(f"{self.name}.")
        for fault in self.faults:
            if fault.name == short:
                return fault
        raise CannotError(f"{self.name} has no fault {short}; it has {', '.join(fault.name for fault in self.faults)}")

    @classmethod
    def lacks(cls) -> str:
        """Return what must be installed before it can run; nothing if all is there."""
        missing = [library for library in cls.libraries if find_spec(library) is None]
        return f"{', '.join(missing)}: pip install 'runbook-exporter[demo]'" if missing else ""

    until = staticmethod(until)


def program(*names: str) -> str | None:
    """Return the path of the first of these programs that is installed, also where only root has it on its PATH."""
    places = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin", "/usr/local/sbin"))
    return next((found for name in names if (found := shutil.which(name, path=places))), None)


def _free_port(usual: int, taken: set[int]) -> int:
    for port in (usual, 0) if usual and usual not in taken else (0,):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HERE, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise CannotError("no port is free")
