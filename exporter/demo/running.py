"""All that runs in a demo: stand-ins, what watches them, and the faults that are there now."""

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Final, Self

from exporter.demo import asking, found, history
from exporter.demo.application import HERE, Application, CannotError, Fault, Setting, program
from exporter.demo.machine import Machine
from exporter.demo.monitoring import SCRAPE, Prometheus, alertmanager, exporter, scraped
from exporter.demo.part import Part
from exporter.demo.sink import Sink, Told
from exporter.demo.waiting import until

Say = Callable[[str], None]
FAST: Final = 120.0
_SETTLED: Final = 7.0  # seconds, beside an hour of the rules' clock, which what looks an hour back needs
_LONGEST: Final = 30.0  # seconds that a person waits for that
_QUIET: Final = 90.0  # seconds for all to be well
_MISSING: Final = {
    "prometheus": "alerts are not seen: install Prometheus (apt install prometheus, or https://prometheus.io/download/)",
    "alertmanager": "nobody is notified: install Alertmanager (apt install prometheus-alertmanager, or https://prometheus.io/download/)",
    "promtool": "there is no yesterday to compare with: install promtool, which comes with Prometheus",
}


class Demo:
    """Stand-ins and what watches them, for as long as the context. Everything lies in the folder."""

    def __init__(
        self, applications: Sequence[str], folder: Path, *, speed: float = FAST, usual_ports: bool = True,
        past: bool = True, say: Say = print, told: Told = lambda _receiver, _alerts: None,
    ) -> None:  # fmt: skip
        self.folder = folder
        self.speed = speed
        self.say = say
        self.applications = {name: self._made(name, usual_ports) for name in applications}
        self.exporters: dict[str, int] = {}
        self.prometheus: Prometheus | None = None
        self.alertmanager = ""
        self.lacks: list[str] = []
        self.broken: dict[str, Fault] = {}
        self.past = past
        self._told = told
        self._parts: list[Part] = []
        self._open = ExitStack()
        self._said_ended: set[str] = set()

    def _made(self, name: str, usual_ports: bool) -> Application:
        kind = found.load(name)
        if lacking := kind.lacks():
            raise CannotError(f"{name} needs {lacking}")
        folder = self.folder / name
        setting = Setting(folder, Machine(folder / "proc"), usual_ports, self.speed)
        return kind(name, found.folder(name), setting)

    # ------------------------------------------------------------ from its begin to its end

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._open.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def _start(self) -> None:
        for application in self.applications.values():
            self._start_application(application)
        sink = Sink(self._told)
        self._open.callback(sink.close)
        self._start_alertmanager(sink.port)
        self._start_prometheus()

    def _start_application(self, application: Application) -> None:
        application.folder.mkdir(parents=True)
        application.machine.start()
        self._open.callback(application.machine.stop)
        self._open.callback(_remove, application.setting.leftovers)
        self._open.callback(application.stop)
        self._open.callback(self._stop_parts, application.setting.parts)
        self.say(f"starting {application.title}")
        application.start()
        port = application.port("exporter", 10420)
        self.exporters[application.name] = port
        self._run(exporter(application, port))

    def _run(self, part: Part) -> None:
        self._parts.append(part)
        self._open.callback(part.stop)
        part.start()

    def _stop_parts(self, parts: list[Part]) -> None:
        for part in reversed(parts):
            part.stop()

    def _start_alertmanager(self, sink: int) -> None:
        port = self._any().port("alertmanager", 9093)
        part = alertmanager(self.folder, port, sink, self.speed)
        if part is None:
            self._lack("alertmanager")
            return
        self._run(part)
        self.alertmanager = f"http://{HERE}:{port}"

    def _start_prometheus(self) -> None:
        if program("prometheus") is None:
            self._lack("prometheus")
            return
        port = self._any().port("prometheus", 9090)
        server = Prometheus(self.folder, port, self.speed, self._values())
        runbooks = f"http://{HERE}:{self.exporters[self._any().name]}/runbooks"
        scrapes = self._scrapes(port)
        server.write(scrapes, None, runbooks=runbooks)
        began = time.time()
        self._run(server.part)
        self.prometheus = server
        self.say("waiting until all is well")
        past = self.past and history.possible()
        self._settle(min(3600 / self.speed, _LONGEST) + _SETTLED if past else 2 * SCRAPE)
        if past:
            server.give_past(began)
            self._settle(2 * SCRAPE)
        elif self.past:
            self._lack("promtool")
        server.write(scrapes, self._alertmanager_port(), runbooks=runbooks, applications=list(self.applications))
        server.reload()  # only now, so that nobody is told of how all began

    def _values(self) -> Path | None:
        """Return the figures that the application's guide asks for; several applications have the pack's own."""
        file = self._any().here / "values.yml"
        return file if len(self.applications) == 1 and file.exists() else None

    def _settle(self, seconds: float) -> None:
        """Wait until rules have seen enough, and nothing is wrong; what stays wrong is this machine's, and is told."""
        until(self._evaluated, _QUIET)
        ready = time.monotonic() + seconds
        until(lambda: time.monotonic() > ready, 2 * seconds)
        try:
            until(lambda: not self.firing() and not self.pending(), _QUIET)
        except TimeoutError:
            names = ", ".join(sorted({alert["alertname"] for alert in [*self.firing(), *self.pending()]}))
            self.say(f"something is wrong before any fault: {names}")

    def _evaluated(self) -> bool:
        """Return whether rules have been evaluated over what the exporters tell."""
        answer = self.prometheus.query("count(runbook:scrape:up == 1)") if self.prometheus else []
        return bool(answer) and float(answer[0]["value"]) >= len(self.exporters)

    def _scrapes(self, own: int) -> list[dict[str, Any]]:
        scrapes = [scraped(name, port) for name, port in self.exporters.items()]
        scrapes += [more for application in self.applications.values() for more in application.scrapes()]
        scrapes.append(scraped("prometheus", own, "prometheus"))
        if self.alertmanager:
            scrapes.append(scraped("alertmanager", self._alertmanager_port() or 0, "alertmanager"))
        return scrapes

    def _alertmanager_port(self) -> int | None:
        return int(self.alertmanager.rpartition(":")[2]) if self.alertmanager else None

    def _any(self) -> Application:
        return next(iter(self.applications.values()))

    def _lack(self, what: str) -> None:
        self.lacks.append(what)
        self.say(_MISSING[what])

    # ------------------------------------------------------------ what is so now

    def firing(self) -> list[dict[str, str]]:
        """Return the labels of the alerts that fire, Watchdog left out."""
        return self.prometheus.alerts("firing") if self.prometheus else []

    def pending(self) -> list[dict[str, str]]:
        return self.prometheus.alerts("pending") if self.prometheus else []

    def told(self) -> list[Mapping[str, str]]:
        """Return the labels of the alerts that Alertmanager has and keeps quiet about for no reason."""
        if not self.alertmanager:
            return []
        alerts = asking.get(f"{self.alertmanager}/api/v2/alerts?silenced=false&inhibited=false&active=true")
        return [alert["labels"] for alert in alerts if alert["labels"]["alertname"] != "Watchdog"]

    def ended(self) -> list[Part]:
        """Return the parts that have ended and should not have; each once."""
        parts = [*self._parts, *(part for one in self.applications.values() for part in one.setting.parts)]
        gone = [part for part in parts if part.wanted and not part.running() and part.name not in self._said_ended]
        self._said_ended.update(part.name for part in gone)
        return gone

    # ------------------------------------------------------------ faults

    def do(self, name: str) -> Fault:
        """Bring a fault about; CannotError says why it cannot be."""
        application, fault = self._fault(name)
        if lacking := self._lacking(application, fault):
            raise CannotError(f"{name} cannot be shown here: {lacking}")
        key = f"{application.name}.{fault.name}"
        if key in self.broken:
            raise CannotError(f"{key} is broken already; `mend {key}` ends it")
        try:
            fault.do(application)
        except BaseException:
            with suppress(Exception):  # half of it was done, perhaps
                fault.undo(application)
            raise
        self.broken[key] = fault
        return fault

    def undo(self, name: str) -> Fault:
        """Mend a fault."""
        application, fault = self._fault(name)
        if self.broken.pop(f"{application.name}.{fault.name}", None) is None:
            raise CannotError(f"{application.name}.{fault.name} is not broken")
        fault.undo(application)
        return fault

    def found(self, name: str) -> Fault:
        """Return the fault of this name."""
        return self._fault(name)[1]

    def lacking(self, name: str) -> str:
        """Return what a fault needs that is not here; nothing if all is."""
        return self._lacking(*self._fault(name))

    def _fault(self, name: str) -> tuple[Application, Fault]:
        application = found.of_fault(name)
        if application not in self.applications:
            raise CannotError(f"{application} does not run here; these do: {', '.join(self.applications)}")
        return self.applications[application], self.applications[application].fault(name)

    def _lacking(self, application: Application, fault: Fault) -> str:
        for need in fault.needs:
            if need == "history":
                if self.prometheus is None or not self.past or not history.possible():
                    return "it is seen beside what was before, and there is no Prometheus with promtool to keep that"
            elif reason := application.wants(need):
                return reason
        return ""


def _remove(folders: list[Path]) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
