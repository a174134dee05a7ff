"""Programs that must be installed: they run, and are not too old."""

import re
import shutil
from typing import Final

from exporter.collector import Trouble
from exporter.collectors.command.ready import READY, WEBDRIVER
from exporter.collectors.command.session import Session
from exporter.collectors.command.settings import PrerequisiteSettings
from exporter.collectors.command.webdriver import DRIVER, Fails, browser_version
from exporter.command import Ended, NotStarted
from exporter.metric import Remarking, gauge

_SOURCE: Final = "the program, run in the background"
_MOST_BYTES: Final = 64 << 10
_VERSION: Final = re.compile(r"(?<![\w.])v?([0-9]{1,9}(?:\.[0-9]{1,9}){1,5})")

OK = gauge(
    "runbook_prerequisite_ok",
    "Whether a program that is needed is installed, runs, and is not too old.",
    labels=("name",),
    source=_SOURCE,
    fact=True,
)
INFO = gauge(
    "runbook_prerequisite_info",
    "The version of a program that is needed, 1; empty where it does not tell.",
    labels=("name", "version"),
    source=_SOURCE,
    fact=True,
)


class Prerequisite:
    """A program that must be installed."""

    def __init__(self, name: str, settings: PrerequisiteSettings, timeout: float) -> None:
        self._name = name
        self._settings = settings
        self._timeout = timeout

    def samples(self, session: Session) -> Remarking:
        """Yield whether it will do, and its version; say why it will not."""
        try:
            version = self._version(session)
        except (NotStarted, Fails) as error:
            yield OK(0, name=self._name)
            return str(error)
        will_do = self._will_do(version)
        yield OK(will_do, name=self._name)
        yield INFO(1, name=self._name, version=version)
        return "" if will_do else f"it is too old: {version}, and at least {self._settings.at_least} is needed"

    def _version(self, session: Session) -> str:
        if self._name == WEBDRIVER and not self._settings.command:
            return browser_version(self._settings.program(DRIVER), session, self._timeout)
        program = self._settings.program(self._settings.command or self._found())
        ended = session.run(program, self._timeout, _MOST_BYTES)
        if not ended.in_time or ended.status != 0:
            raise Fails(f"{program.command[0]} ended with {ended.status}")
        return version_in(ended)

    def _found(self) -> tuple[str, ...]:
        """Return the first of the ready-made commands whose program is there, else the first."""
        choice = READY[self._name]
        path = self._settings.program(choice[0]).variables()["PATH"]
        return next((command for command in choice if shutil.which(command[0], path=path)), choice[0])

    def _will_do(self, version: str) -> bool:
        if not self._settings.at_least:
            return True
        if not version:
            fix = "give a `command` whose first line tells it, or leave `at_least` out"
            raise Trouble(f"{self._name} does not tell its version", fix)
        return _figures(version) >= _figures(self._settings.at_least)


def version_in(ended: Ended) -> str:
    """Return the version on the first line that a program wrote: figures and points alone, or nothing."""
    lines = (ended.output.strip() or ended.errors.strip()).decode("utf-8", "replace").splitlines()
    found = _VERSION.search(lines[0]) if lines else None
    return found[1] if found else ""


def _figures(version: str) -> tuple[int, ...]:
    figures = [int(part) for part in version.split(".")]
    return tuple(figures + [0] * (6 - len(figures)))
