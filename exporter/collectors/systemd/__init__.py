"""systemd's units: their states, and how often services were restarted, under node_exporter's names."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from exporter.collector import Collector, Context, NotApplicable, Trouble, read
from exporter.collectors.systemd.bus import Place, connected
from exporter.collectors.systemd.units import SERVICE, STATES, Manager, Unit, chosen, counted
from exporter.deadline import Cancel, Deadline, within
from exporter.metric import Remarking, Samples, counter, gauge, info
from exporter.models import Problems
from exporter.setting import FilePath, Pattern, setting

_SOURCE: Final = "systemd over D-Bus"
_VERSION: Final = re.compile(r"[0-9]{3,}(?:\.[0-9]+)?")
_SOCKET: Final = "/run/dbus/system_bus_socket"
_MICRO: Final = 1e6
_SEEN: Final = "seen once"  # the key on the shelf, where the engine keeps things by the names of the reads

STATE = gauge(
    "node_systemd_unit_state",
    "1 for the state that the unit is in, 0 for the others. One that is reloading is in none of them.",
    labels=("name", "state", "type"),
    source=_SOURCE,
)
RESTARTS = counter(
    "node_systemd_service_restart_total",
    "How often systemd has restarted the service by itself since it was started by hand.",
    labels=("name",),
    source=_SOURCE,
)
STARTED = gauge(
    "node_systemd_unit_start_time_seconds",
    "When the unit became active, in Unix time; 0 where it is not active.",
    labels=("name",),
    source=_SOURCE,
)
UNITS = gauge("node_systemd_units", "How many units are in each state.", labels=("state",), source=_SOURCE)
RUNNING = gauge(
    "node_systemd_system_running", "1 where the system is up and no unit has failed, 0 where not.", source=_SOURCE
)
VERSION = gauge(
    "node_systemd_version", "systemd's version, as value and as label.", labels=("version",), source=_SOURCE
)
VIRTUALIZATION = info(
    "node_systemd_virtualization_info",
    "In which kind of virtual machine or container systemd sees itself.",
    labels=("virtualization_type",),
    source=_SOURCE,
)
TIMER = gauge(
    "node_systemd_timer_last_trigger_seconds",
    "When the timer last elapsed, in Unix time; 0 where it has not yet.",
    labels=("name",),
    source=_SOURCE,
)
ACCEPTED = counter(
    "node_systemd_socket_accepted_connections_total",
    "Connections that the socket unit has accepted.",
    labels=("name",),
    source=_SOURCE,
)
CONNECTIONS = gauge(
    "node_systemd_socket_current_connections",
    "Connections of the socket unit that are open.",
    labels=("name",),
    source=_SOURCE,
)
REFUSED = gauge(
    "node_systemd_socket_refused_connections_total",
    "Connections that the socket unit has refused.",
    labels=("name",),
    source=_SOURCE,
)
_OF_SOCKETS: Final = ((ACCEPTED, "NAccepted"), (CONNECTIONS, "NConnections"), (REFUSED, "NRefused"))


@dataclass(frozen=True, slots=True)
class SystemdSettings:
    """Which units are shown, and where the bus is."""

    include: Pattern = setting(
        ".+",
        help="Regular expression of the units to show; it must match the whole name.",
        example=r"'(shop|nginx)\.service'",
    )
    exclude: Pattern = setting(
        r".+\.(automount|device|mount|scope|slice)",
        help="Regular expression of the units to leave out; it must match the whole name.",
    )
    bus: FilePath = setting(
        "", help=f"The socket of the system's bus; by default {_SOCKET}.", example="/host/run/dbus/system_bus_socket"
    )

    def check(self) -> Problems:
        """Find a bus that is no path of a file."""
        if self.bus and not os.path.isabs(self.bus):
            yield "bus", f"is no path; expected one such as {_SOCKET}"


class Session:
    """systemd in one round, its units read once; cancel() ends what is under way."""

    def __init__(self, manager: Manager, settings: SystemdSettings, cancel: Cancel) -> None:
        self.manager = manager
        self.cancel = cancel.cancel
        self.all = manager.units()
        self._include, self._exclude = re.compile(settings.include), re.compile(settings.exclude)

    @cached_property
    def units(self) -> list[Unit]:
        return chosen(self.all, lambda name: bool(self._include.fullmatch(name)) and not self._exclude.fullmatch(name))

    def of(self, kind: str) -> list[Unit]:
        return [unit for unit in self.units if unit.kind == kind]


class Systemd(Collector[Session]):
    """The units of this machine's systemd."""

    job = "node"
    Settings = SystemdSettings
    interval = 30.0
    timeout = 20.0

    def __init__(self, settings: SystemdSettings, context: Context) -> None:
        super().__init__(settings, context)
        self._cancel = Cancel()

    @contextmanager
    def connect(self) -> Iterator[Session]:
        self._cancel = Cancel()
        place = Place(self.settings.bus or _SOCKET, Deadline(within(self.context.timeout)), self._cancel)
        try:
            with connected(place, SERVICE) as bus:
                session = Session(Manager(bus), self.settings, self._cancel)
                self.context.shelf.put(_SEEN, value=True)
                yield session
        except NotApplicable as trouble:
            if self.context.shelf.get(_SEEN):
                raise Trouble(str(trouble), "see whether dbus.service and systemd run") from None
            raise

    def interrupt(self) -> None:
        self._cancel.cancel()

    @read
    def states(self, session: Session) -> Remarking:
        """The state of each unit."""
        types = session.manager.types(session.units)
        for unit in session.units:
            for state in STATES:
                yield STATE(unit.state == state, name=unit.name, state=state, type=types.get(unit.name, ""))
        return "" if session.units else "no unit is there that fits `include`, and not `exclude`"

    @read
    def restarts(self, session: Session) -> Samples:
        """How often services were restarted; from systemd 235 on."""
        for unit, value in session.manager.each(session.of("service"), "Service", "NRestarts"):
            yield RESTARTS(value, name=unit.name)

    @read
    def summary(self, session: Session) -> Samples:
        """How many units there are in each state, left out or not, and how the system is as a whole."""
        for state, number in counted(session.all).items():
            yield UNITS(number, state=state)
        own = session.manager.own("SystemState", "Version", "Virtualization")
        yield RUNNING(own["SystemState"] == "running" if "SystemState" in own else None)
        if found := _VERSION.search(str(own.get("Version", ""))):
            yield VERSION(float(found[0]), version=str(own["Version"]))
        if "Virtualization" in own:
            yield VIRTUALIZATION(1, virtualization_type=str(own["Virtualization"]) or "none")

    @read
    def start_times(self, session: Session) -> Samples:
        """When each unit became active."""
        active = {unit.name for unit in session.units if unit.state == "active"}
        for unit, value in session.manager.each(
            (u for u in session.units if u.name in active), "Unit", "ActiveEnterTimestamp"
        ):
            yield STARTED(value / _MICRO, name=unit.name)
        for unit in session.units:
            if unit.name not in active:
                yield STARTED(0, name=unit.name)

    @read
    def timers(self, session: Session) -> Samples:
        """When timers last elapsed."""
        for unit, value in session.manager.each(session.of("timer"), "Timer", "LastTriggerUSec"):
            yield TIMER(value / _MICRO, name=unit.name)

    @read
    def sockets(self, session: Session) -> Samples:
        """How many connections socket units took."""
        for metric, name in _OF_SOCKETS:
            for unit, value in session.manager.each(session.of("socket"), "Socket", name):
                yield metric(value, name=unit.name)
