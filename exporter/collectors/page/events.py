"""What a browser tells by itself while a page loads: requests, errors, dialogs, crashes."""

from collections.abc import Callable
from typing import Any, Final

from exporter.collectors.page.scripts import WORLD
from exporter.collectors.page.wire import Message, Wire

_TYPES: Final = {kind.title(): kind for kind in ("script", "stylesheet", "image", "font", "document")}
_ERRORS: Final = ("error", "assert")
_MOST_OPEN: Final = 20_000
_MOST_CHILDREN: Final = 500
# what stays open by nature, and no page waits for
_LASTING: Final = ("WebSocket", "EventSource", "Ping", "Prefetch")


def _is_apart(url: str, kind: str) -> bool:
    """Whether a request is none of the page's: nothing is transferred, or the browser asks for the site's icon."""
    return url.startswith(("data:", "blob:")) or (kind == "Other" and url.partition("?")[0].endswith("/favicon.ico"))


class Crashed(Exception):
    """What shows the page is gone."""


class Events:
    """Takes the browser's messages of one page, of its frames and workers, and keeps what they come to."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.session = ""
        self.frame = ""
        self.open: dict[str, str] = {}
        """Requests that have no end yet, with their kind."""
        self._kinds: dict[str, str] = {}
        self._received_of: dict[str, int] = {}
        self.bytes: dict[str, int] = {}
        self.requests = self.failed = self.console = self.exceptions = self.dialogs = self.navigations = 0
        self.received = 0
        """Bytes of all answers so far, decompressed."""
        self.status: int | None = None
        self.world: int | None = None
        """The number of the world that our scripts run in, while there is one."""
        self._children = 0
        self._take: Final[dict[str, Callable[[dict[str, Any], str], None]]] = {
            "Network.requestWillBeSent": self._begun,
            "Network.responseReceived": self._answered,
            "Network.dataReceived": self._received,
            "Network.loadingFinished": self._finished,
            "Network.loadingFailed": self._broken,
            "Runtime.consoleAPICalled": self._said,
            "Runtime.exceptionThrown": self._thrown,
            "Log.entryAdded": self._logged,
            "Runtime.executionContextCreated": self._entered,
            "Runtime.executionContextDestroyed": self._left,
            "Runtime.executionContextsCleared": self._cleared,
            "Page.frameNavigated": self._navigated,
            "Page.javascriptDialogOpening": self._asked,
            "Target.attachedToTarget": self._attached,
            "Inspector.targetCrashed": self._crashed,
        }

    def take(self, message: Message) -> None:
        """Note what a message says."""
        take = self._take.get(message.get("method", ""))
        if take is not None:
            take(message["params"], message.get("sessionId", ""))

    def by_type(self) -> dict[str, int]:
        """Return the bytes that came over the wire, of what has not ended as well."""
        told = dict(self.bytes)
        for number, size in self._received_of.items():
            name = _TYPES.get(self._kinds[number], "other")
            told[name] = told.get(name, 0) + size
        return told

    # ---- requests

    def _begun(self, said: dict[str, Any], _: str) -> None:
        number, kind = said["requestId"], said.get("type", "Other")
        if "redirectResponse" in said:
            self._add(kind, said["redirectResponse"].get("encodedDataLength", 0))
        elif _is_apart(said["request"]["url"], kind):
            return
        else:
            self.requests += 1
        if len(self._kinds) < _MOST_OPEN:
            self._kinds[number] = kind
            if kind not in _LASTING:
                self.open[number] = kind

    def _answered(self, said: dict[str, Any], session: str) -> None:
        response, kind = said["response"], said.get("type", "Other")
        if said["requestId"] in self._kinds:
            self._kinds[said["requestId"]] = kind
        if kind == "Document" and session == self.session and said.get("frameId") == self.frame:
            self.status = response["status"] or None
        elif response["status"] >= 400 and said["requestId"] in self._kinds:
            self.failed += 1
        if kind in _LASTING:
            self.open.pop(said["requestId"], None)

    def _received(self, said: dict[str, Any], _: str) -> None:
        number = said["requestId"]
        self.received += max(said.get("dataLength", 0), said.get("encodedDataLength", 0))
        if number in self._kinds:  # of what is under way; its end tells the whole
            self._received_of[number] = self._received_of.get(number, 0) + said.get("encodedDataLength", 0)

    def _finished(self, said: dict[str, Any], _: str) -> None:
        kind = self._forget(said["requestId"])
        if kind is not None:
            self._add(kind, said.get("encodedDataLength", 0))

    def _broken(self, said: dict[str, Any], _: str) -> None:
        received = self._received_of.get(said["requestId"], 0)
        kind = self._forget(said["requestId"])
        if kind is not None:
            self._add(kind, received)
            self.failed += not said.get("canceled")

    def _forget(self, number: str) -> str | None:
        self.open.pop(number, None)
        self._received_of.pop(number, None)
        return self._kinds.pop(number, None)

    def _add(self, kind: str, size: float) -> None:
        name = _TYPES.get(kind, "other")
        self.bytes[name] = self.bytes.get(name, 0) + int(size)

    # ---- errors

    def _said(self, said: dict[str, Any], _: str) -> None:
        self.console += said.get("type") in _ERRORS

    def _logged(self, said: dict[str, Any], _: str) -> None:
        entry = said["entry"]  # what the browser writes to the console; failed requests are counted as such
        self.console += entry["level"] == "error" and entry["source"] != "network"

    def _thrown(self, _: dict[str, Any], __: str) -> None:
        self.exceptions += 1

    # ---- the page itself

    def _entered(self, said: dict[str, Any], session: str) -> None:
        context = said["context"]
        is_ours = context.get("name") == WORLD and context.get("auxData", {}).get("frameId") == self.frame
        if is_ours and session == self.session:
            self.world = context["id"]

    def _left(self, said: dict[str, Any], session: str) -> None:
        if session == self.session and said.get("executionContextId") == self.world:
            self.world = None

    def _cleared(self, _: dict[str, Any], session: str) -> None:
        if session == self.session:
            self.world = None

    def _navigated(self, said: dict[str, Any], session: str) -> None:
        if session == self.session and "parentId" not in said["frame"]:
            self.navigations += 1

    def _asked(self, said: dict[str, Any], session: str) -> None:
        self.dialogs += 1
        self._wire.send("Page.handleJavaScriptDialog", session, accept=said.get("type") == "beforeunload")

    def _attached(self, said: dict[str, Any], _: str) -> None:
        """Listen to a frame or a worker that runs in a process or a thread of its own."""
        self._children += 1
        child = said["sessionId"]
        if self._children > _MOST_CHILDREN:
            raise Crashed("the page opens more frames and workers than can be followed")
        for order in ("Network.enable", "Runtime.enable", "Runtime.runIfWaitingForDebugger"):
            self._wire.send(order, child)

    def _crashed(self, _: dict[str, Any], session: str) -> None:
        if session == self.session:
            raise Crashed("the process that shows the page crashed, or ran out of memory")
