"""The whole way of an alert: exporter, Prometheus with the rules on a quicker clock, Alertmanager, and a webhook."""

import json
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import requests
import yaml

from exporter.rulescale import scaled
from tests.process import PLAIN, ROOT, Exporter, Prometheus, free_port, prometheus, running
from tests.support import until

FACTOR: Final = 60.0  # a minute of the rules is a second here
_SCRAPE: Final = 1.0
# What is sent before Alertmanager is found is lost, and sent again only after a minute by default.
_RESEND: Final = "--rules.alert.resend-delay=1s"
_AT_ONCE: Final = {"group_wait": "100ms", "group_interval": "1s", "repeat_interval": "1m"}


@dataclass
class Webhook:
    """Where Alertmanager's notifications end; each alert of each is kept, with the receiver that it came by."""

    port: int
    got: list[dict[str, Any]] = field(default_factory=list)

    def alerts(self, name: str, status: str) -> list[dict[str, Any]]:
        """Return what arrived of an alert with the status firing or resolved."""
        return [alert for alert in self.got if alert["labels"]["alertname"] == name and alert["status"] == status]

    def names(self) -> set[str]:
        return {alert["labels"]["alertname"] for alert in self.got}


@contextmanager
def webhook() -> Iterator[Webhook]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            kept.got.extend({**alert, "receiver": body["receiver"]} for alert in body["alerts"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        kept = Webhook(server.server_port)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield kept
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def alertmanager(folder: Path, port: int, sink: Webhook) -> Iterator[None]:
    """Start an Alertmanager with the shipped configuration, its receivers led to the webhook, without its waits."""
    config = yaml.safe_load((ROOT / "alertmanager.yml").read_text(encoding="utf-8"))
    config["receivers"] = [
        {"name": receiver["name"], "webhook_configs": [{"url": f"http://127.0.0.1:{sink.port}/{receiver['name']}"}]}
        for receiver in config["receivers"]
    ]
    _hurry(config["route"])
    file = folder / "alertmanager.yml"
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    arguments = [
        "prometheus-alertmanager", f"--config.file={file}", f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=",
    ]  # fmt: skip
    with (folder / "alertmanager.log").open("wb") as log, subprocess.Popen(
        arguments, stdout=log, stderr=log
    ) as process:  # fmt: skip
        try:
            until(lambda: _is_ready(port), 20)
            yield
        finally:
            process.kill()


def _hurry(route: dict[str, Any]) -> None:
    route.update({name: value for name, value in _AT_ONCE.items() if name in route or name == "group_wait"})
    for quiet in ("mute_time_intervals", "active_time_intervals"):  # tests are made at night as well
        route.pop(quiet, None)
    for inner in route.get("routes", ()):
        _hurry(inner)


def _is_ready(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/-/ready", timeout=5).ok
    except requests.ConnectionError:
        return False


def quick(exporter: int, own: int, alerts: int, folder: Path) -> str:
    """Return the shipped prometheus.yml for these ports, scraping each second, with the shipped rules scaled."""
    text = (ROOT / "prometheus.yml").read_text(encoding="utf-8")
    for shipped, port in (("10420", exporter), ("9090", own), ("9093", alerts)):
        text = text.replace(f"127.0.0.1:{shipped}", f"127.0.0.1:{port}")
    config = yaml.safe_load(text)
    config["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    rules = folder / "rules"
    rules.mkdir()
    for file in (ROOT / "rules").glob("*.yml"):
        (rules / file.name).write_text(scaled(file.read_text(encoding="utf-8"), FACTOR, 4 * _SCRAPE), encoding="utf-8")
    config["rule_files"] = [f"{rules}/*.yml"]
    rendered: str = yaml.safe_dump(config)
    return rendered


@dataclass
class Way:
    """All that runs."""

    exporter: Exporter
    prometheus: Prometheus
    webhook: Webhook

    def firing(self) -> set[str]:
        """Return the alerts that fire now, as Prometheus says."""
        return {alert["alertname"] for alert in self.prometheus.query('ALERTS{alertstate="firing"}')}


@contextmanager
def whole_way(folder: Path, config: str, program: Sequence[str] = PLAIN) -> Iterator[Way]:
    """Run everything over an exporter with this configuration."""
    own, alerts = free_port(), free_port()
    with (
        running(folder, config, program=program) as exporter,
        webhook() as sink,
        alertmanager(folder, alerts, sink),
        prometheus(folder, quick(exporter.port, own, alerts, folder), own, _RESEND) as server,
    ):
        yield Way(exporter, server, sink)
