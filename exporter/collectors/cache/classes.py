"""The classes of a target in one round: what the walks have told of them, as far as it is current."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

from exporter.collector import Trouble
from exporter.collectors.cache.entries import Told, signature
from exporter.collectors.cache.settings import CacheSettings
from exporter.collectors.path.entries import longest_rest


class Classes:
    """What is known of each class now."""

    def __init__(self, settings: CacheSettings, entries: Mapping[str, Any]) -> None:
        self.settings = settings
        self.classes = settings.classes
        self._entries = entries

    def told(self, kind: str, name: str) -> Told | None:
        """Return what the walks told of a class, None where that is about other settings."""
        told: Told | None = self._entries.get(f"{kind} {name}")
        return told if told is not None and told.get("of") == signature(self.classes[name]) else None

    def surveyed(self, name: str) -> Told | None:
        """Return what the last walk gave, unless that is out of date, or the folder can no longer be walked."""
        told, trouble = self.told("surveyed", name), self.told("trouble", name)
        if told is None or (trouble is not None and not trouble.get("hangs")):
            return None
        return None if self._is_outdated(told) else told

    def checked(self, name: str) -> Told | None:
        """Return what the checks found last, unless that is out of date."""
        told, surveyed = self.told("checked", name), self.surveyed(name)
        if told is None or surveyed is None:
            return None
        lasted = told["lasted"] + surveyed["lasted"]  # checks come after a walk
        return None if time.time() - told["time"] > longest_rest(self.settings.walk_interval, lasted) else told

    def sees(self, name: str) -> bool:
        """Tell whether all of the class is seen now, by walks that come to their end."""
        told = self.surveyed(name)
        return told is not None and told["whole"] and self.told("trouble", name) is None

    def not_seen(self, name: str) -> Iterator[Trouble]:
        """Yield why not all of the class is seen now."""
        where, trouble, told = self.classes[name].path, self.told("trouble", name), self.told("surveyed", name)
        if trouble is not None:
            yield Trouble(f"{where}: {trouble['reason']}", trouble["fix"])
        elif told is not None and self._is_outdated(told):
            yield Trouble(f"{where}: not walked for {(time.time() - told['ended']) / 60:.0f} minutes")
        elif told is not None and told["cut"]:
            yield Trouble(f"{where}: the walk is cut short", "raise `max_entries`")
        elif told is not None and told["unreadable"]:
            fix = "let the exporter's user enter and read all folders below it"
            yield Trouble(f"{where}: {told['unreadable']} folders cannot be read", fix)

    def _is_outdated(self, told: Told) -> bool:
        return time.time() - float(told["ended"]) > longest_rest(self.settings.walk_interval, told["lasted"])
