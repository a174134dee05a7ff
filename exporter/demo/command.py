"""The command `demo`: starts stand-ins of applications and what watches them; breaks and mends them by name."""

import argparse
import os
import select
import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

from exporter.demo import door, found
from exporter.demo.application import CannotError
from exporter.demo.part import PartError
from exporter.demo.running import Demo
from exporter.demo.show import Screen, Watch

_MARK: Final = ".runbook-exporter-demo"
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LOOK: Final = 0.5  # seconds between two looks at whether all parts still run
WORDS: Final = ("break", "mend", "faults")


class Stopped(BaseException):
    """Somebody wants the demo to end."""


def run(options: argparse.Namespace) -> int:
    """Run it; return the exit code."""
    screen = Screen()
    try:
        return _chosen(options, screen)
    except (CannotError, PartError, TimeoutError) as error:
        screen.say(str(error), "firing")
        return 1
    except Stopped:
        return 0


def _chosen(options: argparse.Namespace, screen: Screen) -> int:
    word, *more = options.words or [""]
    if word == "faults":
        return _faults(more or found.names())
    if word in WORDS:
        if len(more) != 1:
            raise CannotError(f"`demo {word}` wants one fault; `demo faults` lists them")
        found.load(found.of_fault(more[0]))
        said = door.ask(_folder(options), what=word, fault=more[0])
        print(said["text"])
        return 0 if said["ok"] else 1
    applications = options.words or found.names()
    for name in applications:
        found.folder(name)
    return _start(applications, options, screen)


def _faults(applications: list[str]) -> int:
    for name in applications:
        kind = found.load(name)
        print(f"{kind.title}:")
        for fault in kind.faults:
            print(f"  {name}.{fault.name}\n      {fault.says}")
            print(f"      raises {', '.join(map(str, fault.alerts))}")
            if fault.beside:
                print(f"      and, kept quiet beside these, {', '.join(map(str, fault.beside))}")
    return 0


def _folder(options: argparse.Namespace) -> Path:
    given: Path | None = options.folder
    return given.absolute() if given else Path(tempfile.gettempdir()) / f"runbook-exporter-demo-{os.getuid()}"


def _start(applications: list[str], options: argparse.Namespace, screen: Screen) -> int:
    with _prepared(_folder(options), keep=options.folder is not None) as folder, _ending():
        demo = Demo(applications, folder, speed=options.speed, past=options.past, say=screen.say, told=screen.told)
        try:
            with demo, closing(door.listening(folder)) as listening:
                _tell(demo, screen, options)
                watch = Watch(demo, screen)
                watch.start()
                try:
                    _serve(demo, listening, screen)
                finally:
                    watch.stop()
        except Stopped:
            pass
        screen.say("all is stopped")
    return 0


@contextmanager
def _prepared(folder: Path, *, keep: bool) -> Iterator[Path]:
    """Yield the folder, empty; nobody else's, and not that of a demo that still runs."""
    if folder.exists():
        if not folder.is_dir() or folder.stat().st_uid != os.getuid():
            raise CannotError(f"{folder} is not a folder of yours; name another with --dir")
        if door.is_open(folder):
            raise CannotError(f"a demo runs in {folder}; end it, or name another folder with --dir")
        if any(folder.iterdir()) and not (folder / _MARK).exists():
            raise CannotError(f"{folder} is not empty; name a folder that is new, or of an earlier demo")
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    folder.chmod(0o711)  # servers that refuse root run as another user, and must come through
    (folder / _MARK).touch()
    try:
        yield folder
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _ending() -> Iterator[None]:
    """Have signals end the demo in an orderly way: once, as more of them must not cut that short."""

    def end(_number: int, _frame: FrameType | None) -> None:
        for one in _SIGNALS:
            signal.signal(one, signal.SIG_IGN)
        raise Stopped

    before = {number: signal.signal(number, end) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _tell(demo: Demo, screen: Screen, options: argparse.Namespace) -> None:
    for name, application in demo.applications.items():
        port = demo.exporters[name]
        shown = f"http://127.0.0.1:{port}/ shows how it is; its files lie in {application.folder}"
        screen.say(f"{application.title}: {shown}", "bold")
        for what, address in application.addresses().items():
            screen.say(f"    {what}: {address}")
    if demo.prometheus:
        screen.say(f"Prometheus: {demo.prometheus.url}/alerts")
    if demo.alertmanager:
        screen.say(f"Alertmanager: {demo.alertmanager}/")
    first = next(iter(demo.applications.values()))
    more = f" --dir {options.folder}" if options.folder else ""
    screen.say(f"in another terminal: runbook-exporter demo break {first.name}.{first.faults[0].name}{more}", "bold")
    screen.say("    `demo mend ...` ends it, `demo faults` lists all; Ctrl-C here ends the demo")


def _serve(demo: Demo, listening: socket.socket, screen: Screen) -> None:
    """Do what other terminals ask for, until somebody stops it."""
    while True:
        ready, _, _ = select.select([listening], [], [], _LOOK)
        if ready:
            caller, _ = listening.accept()
            with caller:
                _answer(demo, caller, screen)
        for part in demo.ended():
            code = part.process.returncode if part.process else "?"
            screen.say(f"{part.name} has ended by itself (exit code {code}):\n{part.tail()}", "firing")


def _answer(demo: Demo, caller: socket.socket, screen: Screen) -> None:
    request = door.hear(caller)
    what, name = request.get("what"), str(request.get("fault", ""))
    try:
        if what == "break":
            screen.say(f"BREAKING {name}: {demo.found(name).says}", "bold")
            fault = demo.do(name)
            text = f"{name} is broken; it should raise {', '.join(map(str, fault.alerts))}"
        elif what == "mend":
            screen.say(f"MENDING {name}", "bold")
            demo.undo(name)
            text = f"{name} is mended"
        else:
            raise CannotError("that is no request")
    except (CannotError, PartError, TimeoutError, OSError) as error:
        screen.say(str(error), "firing")
        door.answer(caller, ok=False, text=str(error))
        return
    screen.say(text)
    door.answer(caller, ok=True, text=text)
