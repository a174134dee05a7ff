"""A follower of logs that a test drives turn by turn, or lets run, and kills."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from exporter import config
from exporter.collectors.log.follow import Follow
from exporter.collectors.log.settings import LogsSettings
from tests.support import until


def settings_of(text: str) -> LogsSettings:
    """Return the settings that these lines of YAML are, as the configuration binds them."""
    target = {"targets": {"it": {"collector": "log", **yaml.safe_load(text)}}}
    bound = config.read(yaml.safe_dump(target).encode(), "config.yml", config.INSTALLED, {})
    assert isinstance(bound.targets[0].settings, LogsSettings)
    return bound.targets[0].settings


def of_files(*paths: Path | str, **more: Any) -> LogsSettings:
    """Return the settings of one log `it`."""
    return settings_of(json.dumps({"logs": {"it": {"files": [str(path) for path in paths], **more}}}))


def write(path: Path, *numbers: int, mode: str = "ab") -> None:
    """Write a line for each number."""
    with path.open(mode) as file:
        file.write("".join(f"2026-11-25 08:00:00 INFO number {number}\n" for number in numbers).encode())


class Followed:
    """A follower whose entries are kept as the ledger keeps them; `kill()` forgets all that was not told."""

    def __init__(self, settings: LogsSettings) -> None:
        self.settings = settings
        self.kept: dict[str, Any] = {}
        self._follow: Follow | None = None

    def tell(self, changes: Mapping[str, Any]) -> None:
        for key, value in json.loads(json.dumps(changes)).items():
            if value is None:
                self.kept.pop(key, None)
            else:
                self.kept[key] = value

    @property
    def follow(self) -> Follow:
        if self._follow is None:
            self._follow = Follow(self.settings, json.loads(json.dumps(self.kept)))
            self._follow.tell(self.tell)
        return self._follow

    def turn(self) -> bool:
        """Read and tell once; return whether there is more to read."""
        more = self.follow.read()
        self.follow.tell(self.tell)
        return more

    def settle(self) -> "Followed":
        """Read until there is nothing more."""
        self.turn()
        while self.turn():
            pass
        return self

    def kill(self, settings: LogsSettings | None = None) -> None:
        if self._follow is not None:
            self._follow.close()
        self._follow = None
        self.settings = settings or self.settings

    def __getitem__(self, name: str) -> Any:
        return self.kept["log it"][name]

    def of(self, log: str) -> Any:
        return self.kept[f"log {log}"]


@contextmanager
def followed(settings: LogsSettings) -> Iterator[Followed]:
    """Look at the files once, and let the test drive what follows."""
    it = Followed(settings)
    try:
        it.settle()
        yield it
    finally:
        it.kill()


class Running(Followed):
    """A follower that runs in a thread."""

    def start(self) -> None:
        toil = Follow(self.settings, json.loads(json.dumps(self.kept)))
        self._stop, self._dead, ready = threading.Event(), threading.Event(), threading.Event()
        dead = self._dead

        def tell(changes: Mapping[str, Any]) -> None:
            if not dead.is_set():
                self.tell(changes)

        self._thread = threading.Thread(target=toil.run, args=(self._stop, tell, ready.set))
        self._thread.start()
        until(ready.is_set)

    def stop(self, kill: bool = False) -> None:
        """End it; where it is killed nothing more is told from now on."""
        if kill:
            self._dead.set()
        self._stop.set()
        self._thread.join(20)
        assert not self._thread.is_alive()
