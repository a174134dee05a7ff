"""One visit to a page, in a throwaway process: a browser is started, opens it, is asked what it sees, and is ended."""

import json
import os
import select
import shutil
import signal
from collections.abc import Mapping
from typing import Any, Final, NoReturn

from exporter.collector import Trouble
from exporter.collectors.page.browser import Browser, adopt, end_all
from exporter.collectors.page.events import Crashed
from exporter.collectors.page.reasons import ended, failed_to_load
from exporter.collectors.page.scripts import AT_START, STORAGE, STRUCTURE, WORLD
from exporter.collectors.page.settings import STARTS_WITHIN
from exporter.collectors.page.talk import CutError, ScriptError, Talk
from exporter.collectors.page.wire import HungUpError, Message
from exporter.throwawayprocess import CHANNEL

_BUSY_REQUESTS: Final = 2  # that may be open while the page counts as quiet
_ASKED: Final = 5.0  # seconds for answers once the page stands


class _GoneError(BaseException):
    """The exporter is gone, and nobody waits for the answer."""


def visit(request: Mapping[str, Any]) -> dict[str, Any]:
    """Open the page, and return what was seen; what is wrong with it stands in `trouble`."""
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # a browser may go while it is spoken to
    try:
        _end_tidily()
        adopt()
        return _visited(request)
    except _GoneError:
        end_all()  # it may just have been started
        shutil.rmtree(request["folder"], ignore_errors=True)
        os._exit(1)
    finally:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)


def _end_tidily() -> None:
    """End the browser first when the exporter goes, instead of ending at once."""

    def gone(*_: object) -> NoReturn:
        signal.signal(signal.SIGIO, signal.SIG_IGN)
        raise _GoneError

    signal.signal(signal.SIGIO, gone)
    _check_is_there()  # it may have gone before this was ready


def _check_is_there() -> None:
    poll = select.poll()
    poll.register(CHANNEL, select.POLLHUP)
    if poll.poll(0):
        raise _GoneError


def _visited(request: Mapping[str, Any]) -> dict[str, Any]:
    try:
        browser = Browser(request)
    except OSError as error:
        fix = "give its path with `browser`, and let the browser's user read and run it"
        raise Trouble(f"the browser cannot be started ({error.strerror})", fix) from None
    try:
        return _Visit(browser, request).made()
    finally:
        signal.signal(signal.SIGIO, signal.SIG_IGN)  # nothing may come between
        gone = browser.end()
        _check_is_there()
        if not gone:
            raise Trouble("the browser could not be killed", "see what it waits for, such as a disk that hangs")


class _Visit:
    """The visit while it lasts."""

    def __init__(self, browser: Browser, request: Mapping[str, Any]) -> None:
        self._browser, self._request = browser, request
        self._talk = Talk(browser, request)
        self._found: dict[str, Any] = {"trouble": None}

    def made(self) -> dict[str, Any]:
        """Make it, and return what was seen."""
        self._talk.within(STARTS_WITHIN)
        self._open()
        self._talk.within(self._request["page_timeout"])
        try:
            self._load()
            self._look_around()
        except (CutError, Crashed) as error:
            self._found["trouble"] = [str(error), getattr(error, "fix", "")]
        except TimeoutError:
            self._found["trouble"] = self._too_late()
        except HungUpError:
            self._found["trouble"] = list(ended(self._browser))
        return self._found | self._seen()

    def _open(self) -> None:
        """Have the browser ready, and an empty page in it that is listened to."""
        try:
            self._found["browser"] = self._talk.call("Browser.getVersion")["product"]
            self._prepare()
        except TimeoutError:
            fix = "see whether the machine is busy, and whether `chromium --headless --dump-dom about:blank` works"
            raise Trouble("the browser did not start in time", fix) from None
        except CutError as error:
            raise Trouble(str(error), error.fix) from None
        except HungUpError:
            raise Trouble(*ended(self._browser)) from None

    def _prepare(self) -> None:
        call, events = self._talk.call, self._talk.events
        call("Browser.setDownloadBehavior", behavior="deny")
        target = call("Target.createTarget", url="about:blank")["targetId"]
        session = call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        events.session = session
        events.frame = call("Page.getFrameTree", session)["frameTree"]["frame"]["id"]
        call("Network.enable", session, maxTotalBufferSize=0, maxResourceBufferSize=0, maxPostDataSize=0)
        for domain in ("Runtime", "Log", "Inspector", "Page"):
            call(f"{domain}.enable", session)
        call("Page.addScriptToEvaluateOnNewDocument", session, source=AT_START, worldName=WORLD)
        # frames and workers of other processes wait until they are listened to
        call("Target.setAutoAttach", session, autoAttach=True, waitForDebuggerOnStart=True, flatten=True)

    def _load(self) -> None:
        """Go to the page, and wait until it has loaded, its elements are there, and it is quiet."""
        if error := _refused(self._talk.go(self._request["url"])):
            raise CutError(*failed_to_load(error))
        while not self._stands():
            self._talk.turn()

    def _stands(self) -> bool:
        """Tell whether the page has all that is waited for and is quiet, or was waited for long enough."""
        state, request = self._talk.state, self._request
        if not (loaded := state.get("load")):
            return False
        complete = state["paint"] and len(self._talk.events.open) <= _BUSY_REQUESTS
        complete = complete and not any(said in ("missing", "empty") for said in state["elements"])
        quiet = state["now"] - self._usable() >= request["quiet"]
        return bool(complete and quiet) or state["now"] - loaded >= request["elements_within"]

    def _usable(self) -> float:
        """Return the seconds from the navigation's beginning until the page answered without delay, as far as known."""
        state = self._talk.state
        return max(state.get("paint") or 0.0, state.get("usable") or 0.0, state.get("task") or 0.0)

    def _look_around(self) -> None:
        """Ask what is asked once, when the page stands."""
        talk, structure = self._talk, self._request["structure"]
        self._found["interactive"] = self._usable() if talk.state["paint"] else None
        talk.within(_ASKED)
        try:
            self._found["storage"] = talk.evaluated(STORAGE)
            self._found["heap"] = talk.call("Runtime.getHeapUsage", talk.events.session)["usedSize"]
            if structure:
                self._found["structure"] = talk.evaluated(STRUCTURE % json.dumps(structure))
        except ScriptError as error:
            self._found["unasked"] = str(error)
        except TimeoutError:
            fix = "see what they do in a browser's profiler"
            raise CutError("the page stood, and then its scripts let nobody ask it anything", fix) from None

    def _seen(self) -> dict[str, Any]:
        events, state = self._talk.events, self._talk.state
        return {
            "status": events.status, "bytes": events.by_type(), "requests": events.requests,
            "errors": {"console": events.console, "exception": events.exceptions, "request": events.failed},
            "elements": state.get("elements"), "load": state.get("load"), "paint": state.get("paint"),
            "memory": self._talk.peak,
        }  # fmt: skip

    def _too_late(self) -> list[str]:
        """Return what kept the page from being done in its time."""
        events, seconds = self._talk.events, self._request["page_timeout"]
        if not events.navigations:
            return [f"nothing was answered within {seconds:g} s", "see what the server waits for"]
        waits = [f"requests without an end: {len(events.open)}"] if events.open else []
        waits += ["its scripts do not let go"] if self._talk.is_stuck() else []
        waits += [f"dialogs that it opened: {events.dialogs}"] if events.dialogs else []
        waits += [f"times that it went on to another page: {events.navigations - 1}"] if events.navigations > 1 else []
        fix = "see what it waits for in a browser's developer tools, or raise `page_timeout`"
        return [f"the page has not loaded within {seconds:g} s{': ' * bool(waits)}{', '.join(waits)}", fix]


def _refused(answer: Message) -> str:
    """Return why the browser could not go to the page."""
    if "error" in answer:
        return "net::ERR_INVALID_URL"
    text: str = answer["result"].get("errorText", "")
    return "download" if answer["result"].get("isDownload") else text
