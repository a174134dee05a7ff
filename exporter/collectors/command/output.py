"""What the output of a command's last run is mapped to; it outlives a restart, so that none has to run again for it."""

import json
from collections.abc import Iterator
from typing import Any, Final

from exporter.collector import Trouble
from exporter.collectors.command.settings import CommandSettings
from exporter.jsontext import parse
from exporter.mappingpick import MISSING, Picker
from exporter.metric import Sample

_SOURCE: Final = "a command's output, by the configuration's mapping"
_MOST_KEPT: Final = 64 << 10  # bytes over a restart; with more the command runs again after one


class Output:
    """The samples of the last run, or why its output does not fit the mapping."""

    def __init__(self, settings: CommandSettings, kept: Any) -> None:
        self._picker = Picker(settings.metrics, _SOURCE)
        self._metrics = {one.name: one.declaration.metric(_SOURCE) for one in settings.metrics} | {
            MISSING.name: MISSING
        }
        self._last: Any = kept  # of the same settings, as a shelf belongs to them
        self.is_known = not settings.metrics or kept is not None

    def take(self, output: bytes | None) -> Any:
        """Map what a run wrote, None where it failed; return what is to be kept over a restart."""
        self._last, self.is_known = self._mapped(output), True
        return self._last if len(json.dumps(self._last)) <= _MOST_KEPT else None

    def samples(self) -> Iterator[Sample]:
        """Yield what the last run told; Trouble where that does not fit."""
        last = self._last or {}
        if "trouble" in last:
            raise Trouble(*last["trouble"])
        for name, labels, value in last.get("samples", ()):
            yield Sample(self._metrics[name], tuple(labels), value)

    def _mapped(self, output: bytes | None) -> dict[str, Any]:
        if output is None:
            return {"samples": []}
        try:
            found = list(self._picker.samples(parse(output, "its output", shown=False)))
        except Trouble as trouble:
            return {"trouble": [str(trouble), trouble.fix]}
        return {"samples": [[one.metric.name, list(one.labels), one.value] for one in found if one is not None]}
