"""Alertmanager: which incidents there are, since when, and which of them nobody has answered."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import ClassVar, Final

from exporter.collector import Collector, Context
from exporter.collectors.alertmanager import cluster, incidents
from exporter.collectors.alertmanager.alert import Alert, alert_in
from exporter.collectors.alertmanager.api import Api, entries
from exporter.collectors.alertmanager.memory import Memory
from exporter.collectors.alertmanager.session import Session
from exporter.collectors.alertmanager.settings import AlertmanagerSettings

OWN: Final = frozenset({"IncidentResponseOverdue", "IncidentResolutionOverdue"})
"""The alerts made of what this tells: counted as incidents, they would call people about themselves for ever."""


class Alertmanager(Collector[Session]):
    """An Alertmanager, from version 0.16 on, by its API v2."""

    Settings = AlertmanagerSettings
    groups: ClassVar[tuple[ModuleType, ...]] = (incidents, cluster)

    def __init__(self, settings: AlertmanagerSettings, context: Context) -> None:
        super().__init__(settings, context)
        self._memory = Memory(context.shelf)

    @contextmanager
    def connect(self) -> Iterator[Session]:
        api = Api(self.settings, self.context.timeout)
        now = time.time()
        alerts = [alert_in(entry) for entry in entries(api.get("/api/v2/alerts"), "alerts")]
        yield Session(api, [alert for alert in alerts if not self._is_ignored(alert)], self._memory, now)

    def _is_ignored(self, alert: Alert) -> bool:
        return alert.name in OWN or self.settings.is_ignored(alert.name)
