"""A real Alertmanager for the tests of its collector: alerts with a past, silences, inhibition."""

import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests

from tests.process import free_port
from tests.support import until

CONFIG = """
route: {receiver: nobody, group_wait: 1h}
receivers: [{name: nobody}]
inhibit_rules:
  - {source_matchers: [alertname="Down"], target_matchers: [alertname="Symptom"], equal: [instance]}
"""
LONG = 100 * 365 * 86400.0


def when(seconds: float) -> str:
    """Return a time as the API takes it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


@dataclass
class Server:
    """A running Alertmanager."""

    process: "subprocess.Popen[bytes]"
    port: int
    options: Mapping[str, Any]  # how to ask it: scheme, user, authority

    @property
    def url(self) -> str:
        return f"{self.options.get('scheme', 'http')}://localhost:{self.port}"

    def ask(self, method: str, path: str, **more: Any) -> Any:
        known = {name: value for name, value in self.options.items() if name != "scheme"}
        answer = requests.request(method, f"{self.url}{path}", timeout=10, **known, **more)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def is_ready(self) -> bool:
        try:
            self.ask("GET", "/api/v2/status")
        except requests.ConnectionError:
            return False
        return True

    def fire(self, name: str, start: float, end: float | None = None, **labels: str) -> None:
        """Tell it of an alert that began at `start`, and does not end if nobody says otherwise."""
        alert = {"labels": {"alertname": name, **labels}, "startsAt": when(start), "endsAt": when(end or start + LONG)}
        self.ask("POST", "/api/v2/alerts", json=[alert])

    def silence(self, name: str, seconds: float = 3600.0) -> str:
        """Silence the alerts of a name from now on; return the id of the silence."""
        matcher = {"name": "alertname", "value": name, "isRegex": False, "isEqual": True}
        now = time.time()
        silence = {"matchers": [matcher], "startsAt": when(now), "endsAt": when(now + seconds)}
        made = self.ask("POST", "/api/v2/silences", json={**silence, "createdBy": "test", "comment": "test"})
        return str(made["silenceID"])

    def prolong(self, silence: str, seconds: float) -> str:
        """Have a silence last for so long from now on; return its id, which may be a new one."""
        known = self.ask("GET", f"/api/v2/silence/{silence}")
        kept = {name: known[name] for name in ("id", "matchers", "startsAt", "createdBy", "comment")}
        made = self.ask("POST", "/api/v2/silences", json={**kept, "endsAt": when(time.time() + seconds)})
        return str(made["silenceID"])

    def expire(self, silence: str) -> None:
        self.ask("DELETE", f"/api/v2/silence/{silence}")

    def hang(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)


@contextmanager
def alertmanager(folder: Path, *more: str, **options: Any) -> Iterator[Server]:
    """Start an Alertmanager that tells nobody, and stop it in the end."""
    file, port = folder / "incidents.yml", free_port()
    file.write_text(CONFIG, encoding="utf-8")
    cluster = () if any("cluster" in one for one in more) else ("--cluster.listen-address=",)
    arguments = [
        "prometheus-alertmanager", f"--config.file={file}", f"--storage.path={folder / 'incidents'}",
        f"--web.listen-address=127.0.0.1:{port}", *cluster, *more,
    ]  # fmt: skip
    with (folder / "incidents.log").open("wb") as log, subprocess.Popen(arguments, stdout=log, stderr=log) as process:
        server = Server(process, port, options)
        try:
            until(server.is_ready, 20)
            yield server
        finally:
            process.kill()
