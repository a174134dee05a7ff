"""WebSocket and Socket.IO servers, looked at from outside: what they answer, and how long each phase takes."""

import http.client
from typing import Final

from exporter import probemetrics
from exporter.certificatemetrics import METRICS as OF_TLS
from exporter.certificatemetrics import library_lacking, shown_samples
from exporter.collector import Context, Trouble, Unable
from exporter.collectors.websocket import plain, socketio
from exporter.collectors.websocket.answers import PROXY
from exporter.collectors.websocket.phases import Phases
from exporter.collectors.websocket.settings import WebSocketSettings
from exporter.collectors.websocket.way import Way
from exporter.deadline import Cancel, Deadline
from exporter.exchange import trouble as meaning
from exporter.metric import Samples, gauge
from exporter.probeline import Sight
from exporter.probemetrics import BY_PATTERN, sight_samples
from exporter.probing import Finding, Probe, told_by_pattern

METRICS: Final = (*probemetrics.METRICS, *OF_TLS)

STATUS = gauge(
    "runbook_websocket_status_code",
    "The HTTP status that was answered last: 101 where a WebSocket was opened.",
    source="the probe",
)
PROTOCOL = gauge(
    "runbook_websocket_protocol_info",
    "1, and what is spoken, also while the target is down.",
    labels=("protocol",),
    source="the configuration",
)
PING_INTERVAL = gauge(
    "runbook_websocket_server_ping_interval_seconds",
    "How often a Socket.IO server says that it pings.",
    source="Engine.IO",
)
PING_TIMEOUT = gauge(
    "runbook_websocket_server_ping_timeout_seconds",
    "How long a Socket.IO server says that it waits for the answer to its ping.",
    source="Engine.IO",
)
_FAILURES: Final = (OSError, http.client.HTTPException, ValueError)
_FOR_LEAVING: Final = 0.1  # of the time, so that what has not answered is still told that we go


class WebSocket(Probe):
    """A WebSocket, plain or of Socket.IO."""

    Settings = WebSocketSettings
    settings: WebSocketSettings

    def __init__(self, settings: WebSocketSettings, context: Context) -> None:
        super().__init__(settings, context)
        self.patient = bool(settings.values)  # as what logs in does
        self._url = settings.parts()

    def probe(self, deadline: Deadline, cancel: Cancel) -> Finding:
        talking = Deadline(round(deadline.left() * (1 - _FOR_LEAVING), 2))
        way = Way(self.settings, self._url, talking, deadline, cancel, Phases(Sight()))
        trouble: Trouble | None = None
        try:
            if self.settings.socketio is None:
                plain.visit(way)
            else:
                socketio.visit(way, self.settings.socketio)
        except Trouble as error:
            trouble = error
        except _FAILURES as error:
            trouble = _meant(way, error)
        found = tuple(_seen(way, trouble))
        if trouble is not None and way.phases.failed and not isinstance(trouble, Unable):
            trouble = Trouble(f"{way.phases.failed}: {trouble}", trouble.fix)
        return Finding(found, deadline.spent(), trouble, library_lacking(way.phases.sight.shown))

    def standing(self, up: bool, failing: bool) -> Samples:
        """Yield what is spoken, besides what every probe has."""
        yield from super().standing(up, failing)
        yield PROTOCOL(1, protocol="websocket" if self.settings.socketio is None else "socket.io")


def _meant(way: Way, error: Exception) -> Trouble:
    """Return what an error means to a person."""
    trouble = meaning(way.shown, way.deadline, error)
    late = isinstance(error, TimeoutError) and way.phases.failed == "upgrade"
    return Trouble(str(trouble), f"{trouble.fix}; or {PROXY}") if late else trouble


def _seen(way: Way, trouble: Trouble | None) -> Samples:
    """Yield what was seen, as far as it came."""
    yield from sight_samples(way.phases.sight)
    yield from shown_samples(way.phases.sight.shown)
    yield from way.phases.samples()
    yield STATUS(way.status)
    if way.pings is not None:
        yield PING_INTERVAL(way.pings[0])
        yield PING_TIMEOUT(way.pings[1])
    if way.settings.has_patterns and way.status is not None:
        yield BY_PATTERN(told_by_pattern(trouble))
