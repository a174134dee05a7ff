"""What must outlive a restart: one SQLite file, one writer."""

import json
import logging
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

log = logging.getLogger(__name__)

VERSION: Final = 1
_FILE: Final = "state.sqlite"
_SCHEMA: Final = "CREATE TABLE entry (shelf TEXT, key TEXT, value TEXT, PRIMARY KEY (shelf, key)) WITHOUT ROWID"

Entry = tuple[str, str, str | None]


class Shelf:
    """The part of the state that belongs to one owner; values are what JSON can hold."""

    def __init__(self, state: "State", name: str) -> None:
        self._state = state
        self._name = name

    def get(self, key: str) -> Any:
        """Return what was put under the key, None where nothing was."""
        text = self._state.entries.get((self._name, key))
        return None if text is None else json.loads(text)

    def put(self, key: str, value: Any) -> None:
        """Keep the value under the key; None forgets it. It is on disk within a moment."""
        self._state.put(self._name, key, None if value is None else json.dumps(value, separators=(",", ":")))

    def keys(self) -> list[str]:
        return sorted(key for shelf, key in self._state.entries if shelf == self._name)


class State:
    """Everything kept, in memory; and on disk in `directory`, written by one thread.

    Where the file cannot be had (`problem` says why), the process runs on, and forgets when it ends.
    """

    def __init__(self, directory: Path | None) -> None:
        self.entries: dict[tuple[str, str], str] = {}
        self.problem = "" if directory else "no storage path is set"
        self._queue: queue.SimpleQueue[Entry | threading.Event | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        if directory is not None:
            self._open(directory)

    def shelf(self, name: str) -> Shelf:
        return Shelf(self, name)

    def put(self, shelf: str, key: str, text: str | None) -> None:
        if self.entries.get((shelf, key)) == text:
            return
        if text is None:
            self.entries.pop((shelf, key), None)
        else:
            self.entries[(shelf, key)] = text
        if self._thread is not None:
            self._queue.put((shelf, key, text))

    def flush(self, seconds: float = 5.0) -> bool:
        """Wait until what was put is on disk; return whether it is."""
        if self._thread is None:
            return False
        written = threading.Event()
        self._queue.put(written)
        return written.wait(seconds) and not self.problem

    def close(self) -> None:
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(5.0)
            self._thread = None

    def _open(self, directory: Path) -> None:
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            path = directory / _FILE
            try:
                connection = _connect(path)
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise
                connection = _start_anew(path)
            for shelf, key, value in connection.execute("SELECT shelf, key, value FROM entry"):
                self.entries[(shelf, key)] = value
        except (OSError, sqlite3.Error, StateError) as error:
            self.problem = f"{directory}: {error}"
            log.warning("the state is not kept: %s", self.problem)
            return
        self._thread = threading.Thread(target=self._write, args=(connection,), name="state", daemon=True)
        self._thread.start()

    def _write(self, connection: sqlite3.Connection) -> None:
        while True:
            batch = [self._queue.get()]
            while not self._queue.empty():
                batch.append(self._queue.get())
            self._commit(connection, [item for item in batch if isinstance(item, tuple)])
            for item in batch:
                if isinstance(item, threading.Event):
                    item.set()
            if None in batch:
                connection.close()
                return

    def _commit(self, connection: sqlite3.Connection, batch: Iterable[Entry]) -> None:
        try:
            with connection:
                for shelf, key, value in batch:
                    if value is None:
                        connection.execute("DELETE FROM entry WHERE shelf = ? AND key = ?", (shelf, key))
                    else:
                        connection.execute("INSERT OR REPLACE INTO entry VALUES (?, ?, ?)", (shelf, key, value))
        except sqlite3.Error as error:
            if not self.problem:
                log.warning("the state cannot be written: %s", error)
            self.problem = str(error)
        else:
            if self.problem:
                log.info("the state can be written again")
            self.problem = ""


class StateError(Exception):
    """The file is there and is not ours to write."""


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=1.0, check_same_thread=False, isolation_level="IMMEDIATE")
    # one process at a time: a second one sees the lock, runs without a state and says so
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        connection.close()
        raise StateError(f"written by a newer version of this program (format {version}, this one knows {VERSION})")
    if version == 0:
        with connection:
            connection.execute(_SCHEMA)
            connection.execute(f"PRAGMA user_version = {VERSION}")
    os.chmod(path, 0o600)
    return connection


def _start_anew(path: Path) -> sqlite3.Connection:
    aside = path.with_name(f"{_FILE}.damaged-{int(time.time())}")
    path.rename(aside)
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    log.warning("the state was damaged; it is kept as %s, and begun anew", aside.name)
    return _connect(path)
