"""What watches the stand-ins: an exporter for each, Prometheus, and Alertmanager."""

import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from exporter import pack, rulefiles
from exporter.demo import asking, configuration, history
from exporter.demo.application import HERE, Application, program
from exporter.demo.part import Part

SCRAPE: Final = 2.0  # seconds between two scrapes, and between two evaluations: a busy machine takes its time
_WAITS: Final = {"group_wait": 0.1, "group_interval": 1.0, "repeat_interval": 60.0}
"""The least seconds of Alertmanager's waits, which are divided like the rules' durations."""


def exporter(application: Application, port: int) -> Part:
    """Return the exporter of an application, with examples/<app>/config.yml and what is otherwise here."""
    file = configuration.write(application.here, application.folder, application.machine.folder, application.changes())
    command = [
        sys.executable, "-m", "exporter.demo.quick", "serve", f"--config.file={file}",
        f"--web.listen-address={HERE}:{port}", f"--storage.path={application.folder / 'state'}",
        "--web.enable-lifecycle",
    ]  # fmt: skip
    return Part(
        f"{application.name}-exporter", command, application.folder / "exporter.log", directory=application.folder,
        environment={**os.environ, **application.environment()}, ready=asking.answers(f"http://{HERE}:{port}/-/ready"),
    )  # fmt: skip


def alertmanager(folder: Path, port: int, sink: int, speed: float) -> Part | None:
    """Return an Alertmanager with the shipped configuration, its receivers led to the sink; None if there is none."""
    found = program("prometheus-alertmanager", "alertmanager")
    if found is None:
        return None
    config = yaml.safe_load(pack.alertmanager_file().read_text(encoding="utf-8"))
    for receiver in config["receivers"]:
        for kind in [key for key in receiver if key.endswith("_configs")]:
            del receiver[kind]
        receiver["webhook_configs"] = [{"url": f"http://{HERE}:{sink}/{receiver['name']}", "send_resolved": True}]
    config.pop("templates", None)
    config.pop("global", None)
    _hurry(config["route"], speed)
    file = folder / "alertmanager.yml"
    file.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    command = [
        found, f"--config.file={file}", f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address={HERE}:{port}", "--cluster.listen-address=",
    ]  # fmt: skip
    return Part(
        "alertmanager", command, folder / "alertmanager.log", environment=os.environ, directory=folder,
        ready=asking.answers(f"http://{HERE}:{port}/-/ready"),
    )  # fmt: skip


def _hurry(route: dict[str, Any], speed: float) -> None:
    from exporter.rulescale import to_seconds

    for name, least in _WAITS.items():
        if name in route:
            route[name] = f"{round(max(to_seconds(str(route[name])) / speed, least) * 1000)}ms"
    route.pop("mute_time_intervals", None)  # people look at demos at night as well
    route.pop("active_time_intervals", None)
    for inner in route.get("routes", ()):
        _hurry(inner, speed)


class Prometheus:
    """A Prometheus that scrapes the exporters, with the rules on a quicker clock."""

    def __init__(self, folder: Path, port: int, speed: float, values: Path | None = None) -> None:
        self.folder = folder
        self.port = port
        self.speed = speed
        self.url = f"http://{HERE}:{port}"
        self.data = folder / "prometheus"
        self.rules = folder / "rules"
        self.values = values
        self._file = folder / "prometheus.yml"
        command = [
            program("prometheus") or "prometheus", f"--config.file={self._file}", f"--storage.tsdb.path={self.data}",
            f"--web.listen-address={HERE}:{port}", "--rules.alert.resend-delay=1s", "--storage.tsdb.retention.time=30d",
        ]  # fmt: skip
        self.part = Part(
            "prometheus", command, folder / "prometheus.log", environment=os.environ, directory=folder,
            ready=asking.answers(f"{self.url}/-/ready"),
        )  # fmt: skip

    def write(
        self, scrapes: list[dict[str, Any]], alerts: int | None, *, runbooks: str, applications: Sequence[str] = ()
    ) -> None:
        """Write its configuration and its rules; without the port of an Alertmanager nobody is told of anything."""
        if not self.rules.exists():
            what = rulefiles.wanted([str(self.values)] if self.values else [])
            rulefiles.write(self.rules, what, factor=self.speed, scrape_interval=SCRAPE)
        config: dict[str, Any] = {
            "global": {
                **dict.fromkeys(("scrape_interval", "scrape_timeout", "evaluation_interval"), f"{SCRAPE:g}s"),
                "external_labels": {"runbooks": runbooks},
            },
            "rule_files": [f"{self.rules}/*.yml"],
            "scrape_configs": scrapes,
        }  # fmt: skip
        if alerts is not None:
            config["alerting"] = {
                # what belongs together is known by the label `app`
                "alert_relabel_configs": [
                    {"source_labels": ["instance"], "regex": "|".join(applications), "target_label": "app",
                     "replacement": "$0"},
                ],
                "alertmanagers": [{"static_configs": [{"targets": [f"{HERE}:{alerts}"]}]}],
            }  # fmt: skip
        self._file.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")

    def give_past(self, began: float) -> None:
        """Give it a week in which all was as it is now; it is started anew for that."""
        history.write(self.url, self.data, until=began - 1, speed=self.speed)
        self.part.restart()

    def reload(self) -> None:
        """Have it read its configuration anew."""
        self.part.send(signal.SIGHUP)

    def query(self, expression: str) -> list[dict[str, str]]:
        """Return the labels of the series that the expression gives now, each with its value as `value`."""
        answer = asking.form(f"{self.url}/api/v1/query", query=expression, time=str(time.time()))
        return [{**series["metric"], "value": series["value"][1]} for series in answer["data"]["result"]]

    def alerts(self, state: str = "firing") -> list[dict[str, str]]:
        """Return the labels of the alerts that are in that state."""
        return self.query(f'ALERTS{{alertstate="{state}", alertname!="Watchdog"}}')


def scraped(name: str, port: int, job: str = "runbook-exporter") -> dict[str, Any]:
    """Return the scrape configuration of one address, whose instance has a name."""
    return {
        "job_name": f"{job}-{name}" if job == "runbook-exporter" else job,
        "static_configs": [{"targets": [f"{HERE}:{port}"], "labels": {"instance": name}}],
        "relabel_configs": [{"target_label": "job", "replacement": job}],
    }
