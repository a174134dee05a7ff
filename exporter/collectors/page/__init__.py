"""Pages: opened in a real headless browser, as a user would see them, one browser at a time."""

import os
import shutil
import time
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from exporter.collector import Context, Read, Trouble, read
from exporter.collectors.page import structure
from exporter.collectors.page.folder import private_folder
from exporter.collectors.page.samples import remark_of, samples_of
from exporter.collectors.page.settings import STARTS_WITHIN, TIDIES_WITHIN, PageSettings
from exporter.collectors.page.turns import Turns
from exporter.deadline import GIVEN_UP, Cancel, Deadline
from exporter.metric import Samples
from exporter.probing import Finding, Probe
from exporter.throwaway import ask

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "microsoft-edge-stable")
_LEAST: Final = TIDIES_WITHIN + 5.0  # seconds below which no browser is started
_SHARED_MEMORY: Final = 512 << 20  # bytes with which browsers are at ease
_turns: Final = Turns()  # one browser at a time, over all targets


@dataclass(frozen=True, slots=True)
class Visit(Finding):
    """What one visit to a page saw; `structure` is None where that is not watched, or could not be seen."""

    structure: dict[str, Any] | None = None
    unasked: str = ""
    """Why the page could not be asked all that is asked once it stands."""


class Page(Probe):
    """A page, opened in a headless Chromium."""

    Settings = PageSettings
    interval = 300.0
    looks_again = True  # one visit at which an element was late must not stand for minutes
    timeout = 300.0  # most of it for the wait until other targets' browsers have ended
    settings: PageSettings

    def __init__(self, settings: PageSettings, context: Context) -> None:
        super().__init__(settings, context)
        self._had_turn = 0.0

    def probe(self, deadline: Deadline, cancel: Cancel) -> Finding:
        settings = self.settings
        if not os.path.exists("/proc/self/statm"):
            raise Trouble("pages are opened on Linux alone", "watch them from a machine that runs it")
        browser, identity = found_browser(settings.browser), settings.program().identity()
        with self._in_turn(deadline, cancel), private_folder(settings.scratch, identity) as place:
            began = self._had_turn = time.monotonic()
            seen = self._seen(browser, identity, place, deadline.left(), cancel)
        return self._finding(seen, time.monotonic() - began)

    @read
    def structure(self, visit: Finding) -> Samples:
        """When the page was first seen built otherwise than before, where that is watched."""
        kept = visit.structure if isinstance(visit, Visit) else None
        if kept is None:
            reason = visit.unasked if isinstance(visit, Visit) else ""
            raise Trouble(reason, "correct `structure.selector`, or see where the page goes on to")
        yield from structure.told(kept)

    def reads(self) -> list[Read]:
        """Return the reads of this target: what is not watched for changes has no structure that could be missed."""
        return [one for one in super().reads() if one.name != "structure" or self.settings.structure is not None]

    def _in_turn(self, deadline: Deadline, cancel: Cancel) -> AbstractContextManager[None]:
        """Be the one target that has a browser while the block runs; Trouble where the others take too long."""

        def check() -> None:
            if cancel.cancelled:
                raise Trouble(GIVEN_UP)
            if deadline.spent() > deadline.seconds - _LEAST:
                fix = "raise the target's `timeout`, and `interval` beside it: one browser runs at a time"
                raise Trouble("the browsers of other pages took all of the time", fix)

        return _turns.turn(self._had_turn, check)

    def _seen(self, browser: str, identity: dict[str, Any], place: str, left: float, cancel: Cancel) -> Any:
        settings = self.settings
        seconds = min(left - TIDIES_WITHIN, STARTS_WITHIN + settings.page_timeout)
        stop = os.path.join(place, "stop")
        request = {
            "url": settings.url.reveal(), "browser": browser, "identity": identity, "folder": place, "stop": stop,
            "flags": _flags(settings), "seconds": seconds, "page_timeout": settings.page_timeout,
            "elements": settings.elements, "elements_within": settings.elements_within, "quiet": settings.quiet,
            "structure": _wanted(settings), "max_memory": settings.max_memory, "max_disk": settings.max_disk,
            "max_transferred": settings.max_transferred,
        }  # fmt: skip
        with cancel.calling(Path(stop).touch):  # it ends the browser by itself then, and tidies up
            limit, url = seconds + TIDIES_WITHIN, settings.url.reveal()
            return ask("exporter.collectors.page.visit:visit", request, timeout=limit, key=url)

    def _finding(self, seen: dict[str, Any], seconds: float) -> Visit:
        settings, trouble = self.settings, seen["trouble"]
        if trouble is None and (seen["status"] or 0) >= 400:
            trouble = [f"the page was answered with the status {seen['status']}", "see the server's log"]
        samples = tuple(samples_of(seen, settings))
        if trouble is not None:
            return Visit(samples, seconds, Trouble(*trouble))
        return Visit(samples, seconds, None, remark_of(seen, settings), self._compared(seen), seen.get("unasked", ""))

    def _compared(self, seen: dict[str, Any]) -> dict[str, Any] | None:
        if self.settings.structure is None or "structure" not in seen:
            return None
        return structure.compared(seen["structure"] or "", self.settings, self.context.shelf)


def found_browser(named: str) -> str:
    """Return the path of the browser."""
    for name in (named,) if named else _NAMES:
        if path := shutil.which(name):
            return path
    if named:
        raise Trouble(f"{named} is no program that can be run", "correct `browser`, or install it")
    raise Trouble("no Chromium is installed", "install it (apt-get install chromium), or give its path with `browser`")


def _flags(settings: PageSettings) -> list[str]:
    flags = [] if settings.sandbox else ["--no-sandbox"]
    if not _has_shared_memory():  # as in most containers; files in its folder do as well
        flags.append("--disable-dev-shm-usage")
    if settings.insecure_skip_verify:
        flags.append("--ignore-certificate-errors")
    if settings.user_agent:
        flags.append(f"--user-agent={settings.user_agent}")
    return flags


def _has_shared_memory() -> bool:
    try:
        room = os.statvfs("/dev/shm")  # noqa: S108  # nothing is made there
    except OSError:
        return False
    return room.f_bavail * room.f_frsize >= _SHARED_MEMORY


def _wanted(settings: PageSettings) -> dict[str, Any] | None:
    if settings.structure is None:
        return None
    wanted = asdict(settings.structure)
    return {"selector": wanted["selector"], "depth": wanted["depth"], "generated": wanted["generated_names"]}
