"""Browsers and their drivers: which versions are installed, and whether the driver can drive the browser."""

import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from exporter.collector import Collector, NotApplicable, Read, Trouble, read
from exporter.collectors.command.ready import READY
from exporter.collectors.command.session import Session
from exporter.command import NotStarted
from exporter.deadline import within
from exporter.jsontext import beginning
from exporter.metric import Remarking, Samples, gauge, info
from exporter.models import Problems
from exporter.names import NAME, NAMES
from exporter.program import ProgramSettings
from exporter.setting import Seconds, setting
from exporter.source import nearest

_SOURCE: Final = "the programs' own --version, in the background"
_MOST_BYTES: Final = 64 << 10
# MAJOR.MINOR.BUILD.PATCH
_VERSION: Final = re.compile(r"(?<![\w.])([0-9]{1,5})\.([0-9]{1,5})\.([0-9]{1,6})\.([0-9]{1,6})(?![\w.])")
_OTHER_RULE: Final = re.compile(r"(?i)\b(?:firefox|gecko|safari)")
_MAJOR: Final = 1  # so many of its parts
_BUILD: Final = 3
_BY_MAJOR: Final = 115  # the first whose driver drives every browser of the same major version
_CHROME: Final = (READY["chrome"], READY["chromedriver"])
_KNOWN: Final = {
    "chrome": _CHROME,
    "chromium": (tuple(one for one in READY["chrome"] if "chromium" in one[0]), READY["chromedriver"]),
    "edge": (
        (("microsoft-edge", "--version"), ("microsoft-edge-stable", "--version")),
        (("msedgedriver", "--version"),),
    ),
}

COMPATIBLE = gauge(
    "runbook_browser_driver_compatible",
    "1 where browser and driver are installed and the driver can drive the browser, 0 where not.",
    labels=("browser",),
    source=_SOURCE,
)
INFO = info(
    "runbook_browser_version_info",
    "The versions of a browser and of its driver, empty where one is not installed.",
    labels=("browser", "version", "driver_version"),
    source=_SOURCE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowserSettings:
    """A browser, and the driver that drives it."""

    browser: tuple[str, ...] = setting(
        (),
        help=f"What prints the browser's version. Known by name: {', '.join(_KNOWN)}.",
        example="[/opt/chrome/chrome, --version]",
    )
    driver: tuple[str, ...] = setting(
        (), help="What prints the driver's version.", example="[/srv/app/chromedriver, --version]"
    )
    user: str = setting("", help="The user that they run as, where the exporter is root.", example="nobody")
    timeout: Seconds = setting(20.0, help="After how long either of them is killed.")

    def check(self) -> Problems:
        """Find commands and users that are none."""
        for key in ("browser", "driver"):
            if command := getattr(self, key):
                for _, problem in self.program(command).check():
                    yield key, problem
        if self.user and not (self.browser or self.driver):
            yield from self.program(("true",)).check()
        if self.timeout < 0.1:
            yield "timeout", "leaves no time; expected 100ms or more, such as 20s"

    def program(self, command: tuple[str, ...]) -> ProgramSettings:
        """Return a program to run, as the user."""
        return ProgramSettings(command=command, user=self.user)


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowsersSettings:
    """Which browsers are to be driven."""

    browsers: Mapping[str, BrowserSettings] = setting(
        {"chrome": BrowserSettings()},
        help="Browsers by name; those that are known by it need nothing else. `chrome` is Google's or Chromium, "
        "whichever is there.",
        example="{chrome: {}}",
    )

    def check(self) -> Problems:
        """Find browsers without a program, and names that are none."""
        if not self.browsers:
            yield "browsers", "is empty; expected such as `browsers: {chrome: {}}`"
        for name, one in self.browsers.items():
            if not NAME.fullmatch(name):
                yield f"browsers.{name}", f"cannot have this name; {NAMES}"
            elif name not in _KNOWN and not (one.browser and one.driver):
                remedy = f"expected `browser` and `driver`, or a name that is known: {nearest(name, list(_KNOWN))}"
                yield f"browsers.{name}", f"does not say what prints the versions; {remedy}"


class Browser(Collector[Session]):
    """Browsers that are driven by a program, and their drivers; each is a read of its own name."""

    Settings = BrowsersSettings
    interval = 3600.0
    timeout = 120.0

    @contextmanager
    def connect(self) -> Iterator[Session]:
        yield Session(within(self.context.timeout))

    @read
    def browser(self, session: Session, name: str) -> Remarking:
        """The versions of a browser and its driver, and whether they fit."""
        settings: BrowserSettings = self.settings.browsers[name]
        known = _KNOWN.get(name, ((), ()))
        versions, remarks = [], []
        for part, command, choice in zip(
            ("browser", "driver"), (settings.browser, settings.driver), known, strict=True
        ):
            try:
                versions.append(_version(session, settings, command or _first(settings, choice)))
            except NotStarted as trouble:
                versions.append("")
                remarks.append(f"no {part}: {trouble}")
        version, driver = versions
        remark = "; ".join(remarks) or _misfit(version, driver)
        yield COMPATIBLE(not remarks and fits(version, driver), browser=name)
        yield INFO(1, browser=name, version=version, driver_version=driver)
        return remark

    def reads(self) -> list[Read]:
        """Return a read for each browser."""
        (one,) = super().reads()
        return [replace(one, name=name, function=partial(_named, one, name)) for name in self.settings.browsers]


def _named(one: Read, name: str, session: Session) -> Samples:
    return one.function(session, name)


def _first(settings: BrowserSettings, choice: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    """Return the first of the commands whose program is there, else the first."""
    path = settings.program(choice[0]).variables()["PATH"]
    return next((command for command in choice if shutil.which(command[0], path=path)), choice[0])


def _version(session: Session, settings: BrowserSettings, command: tuple[str, ...]) -> str:
    """Return the version that a program prints; Trouble where it prints none, or does not end."""
    name = command[0]
    ended = session.run(settings.program(command), settings.timeout, _MOST_BYTES)
    if not ended.in_time:
        raise Trouble(f"{name} has not told its version within {settings.timeout:g} s", "run it by hand, as its user")
    if ended.status != 0:
        raise NotStarted(f"{name} ended with {ended.status}: {beginning(ended.errors.strip())}", "run it by hand")
    said = ended.output.decode("utf-8", "replace")
    found = _VERSION.search(said)
    if found is not None:
        return found[0]
    if _OTHER_RULE.search(said):
        raise NotApplicable(f"{name} is of a browser whose driver has no version to fit", "remove it from `browsers`")
    fix = "expected four numbers, as `chromium --version` and `chromedriver --version` print"
    raise Trouble(f"{name} tells no version: {beginning(ended.output)}", fix)


def fits(version: str, driver: str) -> bool:
    """Tell whether a driver drives a browser: the same major version; before 115 the same build."""
    same = _BUILD if int(version.partition(".")[0]) < _BY_MAJOR else _MAJOR
    return version.split(".")[:same] == driver.split(".")[:same]


def _misfit(version: str, driver: str) -> str:
    if not fits(version, driver):
        return f"the driver {driver} does not drive the browser {version}: install the driver of the same version"
    if version.split(".")[:_BUILD] != driver.split(".")[:_BUILD]:
        return f"the driver {driver} is of another build than the browser {version}: better one of the same"
    return ""
