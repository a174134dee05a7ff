"""The phases of a probe: how long each took, which went well, and which one failed."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from exporter.metric import Samples, gauge
from exporter.probeline import Sight

DURATION: Final = gauge(
    "runbook_websocket_duration_seconds",
    "How long each phase took; resolve, connect and tls add up over all lines, and stand in no other phase.",
    labels=("phase",),
    source="the probe",
)
PASSED: Final = gauge(
    "runbook_websocket_phase_success",
    "1 where a phase went well, 0 where it is the one that failed; none where it was not reached.",
    labels=("phase",),
    source="the probe",
)


class Phases:
    """What one probe went through."""

    def __init__(self, sight: Sight) -> None:
        self.sight = sight
        self.failed = ""
        self._passed: dict[str, bool] = {}
        self._seconds: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Note what the block takes, and how it ends; what fails inside another phase is that one's failure alone."""
        begun, opening = time.monotonic(), self._opening()
        try:
            yield
        except BaseException:
            self.fail(name)
            raise
        else:
            self._passed.setdefault(name, True)
        finally:
            spent = time.monotonic() - begun - (self._opening() - opening)
            self._seconds[name] = self._seconds.get(name, 0.0) + max(spent, 0.0)

    @contextmanager
    def lining(self) -> Iterator[None]:
        """Note how a look-up and a connection go, which the block makes."""
        try:
            yield
        except BaseException:
            self.fail("connect" if self.sight.address else "resolve")
            raise
        self._passed |= {"resolve": True, "connect": True}

    def note(self, name: str, passed: bool, seconds: float) -> None:
        """Note a phase that fails nothing but itself."""
        self._passed[name], self._seconds[name] = passed, seconds

    def fail(self, name: str) -> None:
        """Note the phase that failed; of a line that is not the first one, that is the phase that needed it."""
        if not self.failed and name not in self._passed:
            self.failed = name
            if name == "connect":
                self._passed["resolve"] = True
            self._passed[name] = False

    def _opening(self) -> float:
        return self.sight.resolve + self.sight.connect + self.sight.tls

    def samples(self) -> Samples:
        """Yield each phase that was reached."""
        lined = {name: getattr(self.sight, name) for name in ("resolve", "connect", "tls")}
        for name, passed in self._passed.items():
            yield PASSED(passed, phase=name)
            yield DURATION(lined.get(name, self._seconds.get(name)), phase=name)
