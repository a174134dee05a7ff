"""Shows in the terminal what happens: alerts that begin and end, notifications, and what has died."""

import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final, TextIO

from exporter.demo.running import Demo
from exporter.demo.waiting import Repeated

_LOOK: Final = 1.0  # seconds between two looks at the alerts
_HIDDEN: Final = ("alertname", "alertstate", "__name__", "value", "job", "severity", "priority")
_COLOURS: Final = {"firing": "31", "pending": "33", "resolved": "32", "told": "36", "bold": "1"}


class Screen:
    """Lines with the time of day before them, in colours where a person looks."""

    def __init__(self, out: TextIO = sys.stdout) -> None:
        self._out = out
        self._colours = out.isatty()
        self._one_at_a_time = threading.Lock()

    def say(self, text: str, kind: str = "") -> None:
        stamp = time.strftime("%H:%M:%S")
        if self._colours and kind in _COLOURS:
            text = f"\x1b[{_COLOURS[kind]}m{text}\x1b[0m"
        with self._one_at_a_time:
            self._out.write(f"{stamp}  {text}\n")
            self._out.flush()

    def told(self, receiver: str, alerts: list[dict[str, Any]]) -> None:
        """Say that a notification has come."""
        names = [alert for alert in alerts if alert["labels"].get("alertname") != "Watchdog"]
        if not names:
            return
        count = f", {len(names)} alerts" if len(names) > 1 else ""
        first = names[0]
        what = "RESOLVED" if all(alert["status"] == "resolved" for alert in names) else "FIRING"
        text = first["annotations"].get("description") or first["annotations"].get("summary", "")
        self.say(f"  -> {receiver}: [{what}{count}] {first['labels']['alertname']}: {text}", "told")


class Watch:
    """Looks at the alerts each second, in a thread of its own, and says what is otherwise than before."""

    def __init__(self, demo: Demo, screen: Screen) -> None:
        self._demo = demo
        self._screen = screen
        self._before: dict[str, str] = {}
        self._looking = Repeated("watch", _LOOK, self._look)
        self.start, self.stop = self._looking.start, self._looking.stop

    def _look(self) -> None:
        with suppress(OSError):  # Prometheus is being stopped, or hangs: the next look tells
            self.look()

    def look(self) -> None:
        now = {_shown(alert): "pending" for alert in self._demo.pending()}
        now |= {_shown(alert): "firing" for alert in self._demo.firing()}
        for alert, state in now.items():
            if self._before.get(alert) != state:
                self._screen.say(f"{state.upper() if state == 'firing' else state:<8}  {alert}", state)
        for alert in self._before.keys() - now.keys():
            if self._before[alert] == "firing":
                self._screen.say(f"{'resolved':<8}  {alert}", "resolved")
        self._before = now


def _shown(alert: Mapping[str, str]) -> str:
    more = ", ".join(f"{key}={value}" for key, value in sorted(alert.items()) if key not in _HIDDEN)
    return f"{alert.get('priority', '--')} {alert['alertname']} ({more})"
