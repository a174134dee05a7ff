"""Toils for the tests of the helper process; it imports this module by its name."""

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event

from exporter.collector import Trouble
from exporter.toil import Tell, Toil


@dataclass(frozen=True, slots=True)
class Place:
    """A file, and what to do once it was looked at."""

    path: str = ""
    then: str = ""


class Count(Toil):
    """Counts the lines of a file that grows, with the place that it has come to."""

    def run(self, stop: Event, tell: Tell, ready: Callable[[], None]) -> None:
        """Tell of every few lines."""
        place, lines = self.kept.get("place", 0), self.kept.get("lines", 0)
        ready()
        while not stop.is_set():
            with open(self.settings.path, "rb") as file:
                file.seek(place)
                piece = file.read(4096)
            place, lines = place + len(piece), lines + piece.count(b"\n")
            if piece:
                tell({"place": place, "lines": lines})
            else:
                stop.wait(0.001)


class Odd(Toil):
    """Does what its settings say."""

    def run(self, stop: Event, tell: Tell, ready: Callable[[], None]) -> None:
        """Say who this is, then end, fail, break off, print, burn or wait."""
        ready()
        tell({"pid": os.getpid(), "niceness": os.nice(0), "session": os.getsid(0), "path": sys.path[0]})
        if self.settings.then == "fail":
            raise Trouble("the disk is gone", "look for it")
        if self.settings.then == "raise":
            raise KeyError("odd")
        if self.settings.then == "exit":
            os._exit(3)
        if self.settings.then == "print":
            print("this must go nowhere", flush=True)
        if self.settings.then == "linger":
            while True:
                time.sleep(60)
        if self.settings.then != "return":
            stop.wait()
            tell({"bye": True, "path": None})
