"""Demos for end-to-end tests: a stand-in with all that watches it, its faults brought about and mended."""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

import pytest

from exporter.demo import found
from exporter.demo.application import Expected
from exporter.demo.running import Demo
from tests.support import until

SPEED = 240.0
_PATIENCE = 3.0  # times as long as a fault says: the machine may be busy with other tests
_BESIDE = 5.0  # seconds in which something else than the expected would show itself

Labels = Mapping[str, str]


def the_faults(application: str) -> list[str]:
    """Return the names of an application's faults, as they are declared."""
    return [fault.name for fault in found.load(application).faults]


class Running:
    """A demo that runs, and one application of it."""

    def __init__(self, demo: Demo, name: str) -> None:
        self.demo = demo
        self.name = name

    def quiet(self, seconds: float) -> None:
        """See that for so long nothing fires."""
        began = time.monotonic()
        until(lambda: time.monotonic() > began + seconds, 2 * seconds)
        _none(_shown(self.fired(time.monotonic() - began)))

    def breaks(self, fault: str) -> None:
        """Bring a fault about, see its alerts and no others, mend it, and see them end."""
        name = f"{self.name}.{fault}"
        if lacking := self.demo.lacking(name):
            (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"{name}: {lacking}")
        began = time.monotonic()
        declared = self.demo.do(name)
        try:
            self._await_alerts(declared.alerts, declared.beside, declared.seconds)
        finally:
            self.demo.undo(name)
        self._await_end(declared.seconds)
        fired = self.fired(time.monotonic() - began)
        _none(_strange(fired, (*declared.alerts, *declared.beside)))

    def _await_alerts(self, alerts: Sequence[Expected], beside: Sequence[Expected], seconds: float) -> None:
        everything = (*alerts, *beside)
        with suppress(AssertionError):  # what is otherwise than expected is told below
            until(lambda: _differs(self.demo.firing(), everything) == [], _PATIENCE * seconds)
        _none(_differs(self.demo.firing(), everything))
        with suppress(AssertionError):
            until(lambda: _differs(self.demo.told(), alerts) == [], 30)
        _none([f"told of: {one}" for one in _differs(self.demo.told(), alerts)])
        then = time.monotonic() + _BESIDE
        until(lambda: time.monotonic() > then, 2 * _BESIDE)
        _none(_strange(self.demo.firing(), everything))
        _none(_strange(self.demo.told(), alerts))

    def _await_end(self, seconds: float) -> None:
        with suppress(AssertionError):
            until(lambda: not self.demo.firing() and not self.demo.told(), _PATIENCE * seconds)
        _none(_shown(self.demo.firing()))
        _none([part.name for part in self.demo.ended()])

    def fired(self, seconds: float) -> list[dict[str, str]]:
        """Return the labels of what fired in the last seconds, be it for one evaluation."""
        assert self.demo.prometheus
        window = f"{max(round(seconds), 1)}s"
        return self.demo.prometheus.query(
            f'count_over_time(ALERTS{{alertstate="firing", alertname!="Watchdog"}}[{window}])'
        )


def _none(strange: Sequence[str]) -> None:
    assert not strange, "\n".join(strange)


def _differs(alerts: Sequence[Labels], expected: Sequence[Expected]) -> list[str]:
    missing = [f"missing: {one}" for one in expected if not any(one.fits(alert) for alert in alerts)]
    return [*missing, *_strange(alerts, expected)]


def _strange(alerts: Sequence[Labels], expected: Sequence[Expected]) -> list[str]:
    return _shown([alert for alert in alerts if not any(one.fits(alert) for one in expected)])


def _shown(alerts: Sequence[Labels]) -> list[str]:
    hidden = ("__name__", "alertstate", "value", "instance", "job", "severity")
    return sorted(
        f"{alert['alertname']} { ({key: value for key, value in alert.items() if key not in (*hidden, 'alertname')}) }"
        for alert in alerts
    )


@contextmanager
def running(application: str, factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Run the demo of an application, on free ports, with the rules on a quick clock."""
    lacking = found.load(application).lacks()
    assert not lacking, lacking
    folder = factory.mktemp(application)
    said: list[str] = []
    with Demo([application], folder, speed=SPEED, usual_ports=False, say=said.append) as demo:
        if demo.lacks:
            (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("; ".join(said))
        yield Running(demo, application)
