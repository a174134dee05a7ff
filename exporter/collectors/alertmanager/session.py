"""What the reads of one round share."""

from collections.abc import Sequence
from dataclasses import dataclass

from exporter.collectors.alertmanager.alert import Alert
from exporter.collectors.alertmanager.api import Api
from exporter.collectors.alertmanager.memory import Memory


@dataclass(frozen=True, slots=True)
class Session:
    """One round: the incidents as they were at `time`, in Unix seconds, and the way to ask for more."""

    api: Api
    alerts: Sequence[Alert]
    memory: Memory
    time: float

    def cancel(self) -> None:
        self.api.cancel()
