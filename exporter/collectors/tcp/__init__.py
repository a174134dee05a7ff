"""Ports, looked at from outside: whether they answer, with TLS and as a dialogue expects it."""

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from exporter.address import parse
from exporter.certificatemetrics import library_lacking, shown_samples
from exporter.collector import Context, Trouble
from exporter.collectors.tcp.dialogue import Dialogue
from exporter.collectors.tcp.ready import STARTTLS
from exporter.collectors.tcp.settings import Step, TCPSettings
from exporter.deadline import Cancel, Deadline
from exporter.exchange import trouble as meaning
from exporter.metric import Samples, gauge
from exporter.probeline import Place, Sight, connected, opened, secured, unverified
from exporter.probemetrics import BY_PATTERN, METRICS, sight_samples
from exporter.probing import Finding, Probe, told_by_pattern

__all__ = ["METRICS", "TCP"]

DURATION = gauge(
    "runbook_probe_tcp_duration_seconds",
    "How long each phase took: resolve, connect, tls, and dialogue, which is what was said step by step.",
    labels=("phase",),
    source="the probe",
)
_NAMED: Final = "starttls"


class TCP(Probe):
    """A port over TCP, with TLS and a dialogue where they are asked for."""

    Settings = TCPSettings
    settings: TCPSettings

    def __init__(self, settings: TCPSettings, context: Context) -> None:
        super().__init__(settings, context)
        self.patient = bool(settings.values)  # as what logs in does
        host, port = parse(settings.address)
        self._place = Place(host, port, settings.ip_family)

    def probe(self, deadline: Deadline, cancel: Cancel) -> Finding:
        visit = _Visit(self.settings, self._place, deadline, cancel)
        found: Trouble | None = None
        try:
            visit.go()
        except Trouble as trouble:
            found = trouble
        except (OSError, ValueError) as error:
            found = meaning(self.settings.address, deadline, error)
        return Finding(tuple(visit.samples(found)), deadline.spent(), found, library_lacking(visit.sight.shown))


class _Visit:
    """One probe on its way, and what it saw so far."""

    def __init__(self, settings: TCPSettings, place: Place, deadline: Deadline, cancel: Cancel) -> None:
        self.settings, self.place, self.deadline, self.cancel = settings, place, deadline, cancel
        self.sight = Sight()
        self.begun: float | None = None
        self.ended = 0.0
        self._name = settings.server_name or place.host

    def go(self) -> None:
        settings = self.settings
        try:
            if settings.tls:
                context = settings.context(self.deadline.left())
                with connected(self.place, context, self._name, self.deadline, self.cancel, self.sight) as line:
                    self._talk(self._dialogue(line))
            else:
                with opened(self.place, self.deadline, self.cancel, self.sight) as line:
                    self._talk(self._dialogue(line))
        finally:
            self.ended = time.monotonic()

    def _dialogue(self, line: socket.socket) -> Dialogue:
        settings = self.settings
        values = {name: value.reveal() for name, value in settings.values.items()}
        return Dialogue(line, self.deadline, settings.max_bytes, settings.line_end, values)

    def _talk(self, dialogue: Dialogue) -> None:
        """Say everything, over TLS from where a step begins it."""
        self.begun = time.monotonic()
        with ExitStack() as stack:
            for named, steps in ((_NAMED, STARTTLS[self.settings.starttls]), ("steps", self.settings.steps)):
                number = dialogue.go(steps, named)
                if number is not None:
                    dialogue.over(stack.enter_context(self._begun_tls(dialogue, named, steps[: number + 1])))
                    dialogue.go(steps, named, number + 1)

    @contextmanager
    def _begun_tls(self, dialogue: Dialogue, named: str, before: tuple[Step, ...]) -> Iterator[ssl.SSLSocket]:
        """Speak TLS on the dialogue's line; one that does not verify shows its certificate on another line."""
        context = self.settings.context(self.deadline.left())
        try:
            with secured(dialogue.line, context, self._name, self.deadline, self.sight) as line:
                yield line
        except ssl.SSLCertVerificationError as error:
            unverified(self._again(named, before), self._name, error, self.deadline, self.sight)
            raise

    @contextmanager
    def _again(self, named: str, before: tuple[Step, ...]) -> Iterator[socket.socket]:
        """Be connected anew while the block runs, and as far in the dialogue as TLS begins."""
        at = Place(self.sight.address, self.place.port)
        with opened(at, self.deadline, self.cancel, Sight()) as line:
            self._dialogue(line).go(before, named)
            yield line

    def samples(self, trouble: Trouble | None) -> Samples:
        """Yield what was seen, as far as it came."""
        sight = self.sight
        yield from sight_samples(sight)
        yield DURATION(sight.resolve, phase="resolve")
        yield DURATION(sight.connect if sight.address else None, phase="connect")
        yield DURATION(sight.tls or None, phase="tls")
        if self.begun is not None:
            inside = 0.0 if self.settings.tls else sight.tls
            yield DURATION(self.ended - self.begun - inside, phase="dialogue")
            yield BY_PATTERN(told_by_pattern(trouble))
        yield from shown_samples(sight.shown)
