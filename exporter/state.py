"""What must outlive a restart: one SQLite file, one writer."""

import json
import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

log = logging.getLogger(__name__)

VERSION: Final = 1
_FILE: Final = "state.sqlite"
# IF NOT EXISTS: the process may be killed between this and the noting of the version
_SCHEMA: Final = (
    "CREATE TABLE IF NOT EXISTS entry (shelf TEXT, key TEXT, value TEXT, PRIMARY KEY (shelf, key)) WITHOUT ROWID"
)
# keys are kept as JSON: a file name may hold what is no UTF-8, and SQLite's text may not
_INSERT: Final = "INSERT OR REPLACE INTO entry VALUES (?, ?, ?)"

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
        # a copy at one stroke, as other threads put at any time
        return sorted(key for shelf, key in list(self._state.entries) if shelf == self._name)


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
            connection, self.entries = _opened(directory / _FILE)
        except (OSError, sqlite3.Error, StateError) as error:
            self.problem = f"{directory}: {error}"
            log.warning("the state is not kept: %s", self.problem)
            return
        self._thread = threading.Thread(target=self._write, args=(connection,), name="state", daemon=True)
        self._thread.start()

    def _write(self, connection: sqlite3.Connection) -> None:
        left: dict[tuple[str, str], str | None] = {}  # what could not be written is tried again with what comes next
        while True:
            batch = [self._queue.get()]
            while not self._queue.empty():
                batch.append(self._queue.get())
            left.update({item[:2]: item[2] for item in batch if isinstance(item, tuple)})
            if self._commit(connection, left):
                left.clear()
            for item in batch:
                if isinstance(item, threading.Event):
                    item.set()
            if None in batch:
                connection.close()
                return

    def _commit(self, connection: sqlite3.Connection, changes: Mapping[tuple[str, str], str | None]) -> bool:
        try:
            with connection:
                for (shelf, key), value in changes.items():
                    if value is None:
                        connection.execute("DELETE FROM entry WHERE shelf = ? AND key = ?", (shelf, json.dumps(key)))
                    else:
                        connection.execute(_INSERT, (shelf, json.dumps(key), value))
        except sqlite3.Error as error:
            if not self.problem:
                log.warning("the state cannot be written: %s", error)
            self.problem = str(error)
            return False
        if self.problem:
            log.info("the state can be written again")
        self.problem = ""
        return True


class StateError(Exception):
    """The file is there and is not ours to write."""


Opened = tuple[sqlite3.Connection, dict[tuple[str, str], str]]


def _opened(path: Path) -> Opened:
    """Return the file's connection and all that is in it; a damaged file is put aside."""
    try:
        return _connect(path)
    except sqlite3.OperationalError:  # locked, or out of reach
        raise
    except sqlite3.DatabaseError as error:
        _put_aside(path, error)
        return _connect(path)


def _connect(path: Path) -> Opened:
    path.touch(mode=0o600)
    connection = sqlite3.connect(path, timeout=1.0, check_same_thread=False, isolation_level="IMMEDIATE")
    try:
        _prepare(connection)
        rows = connection.execute("SELECT shelf, key, value FROM entry")
        return connection, {(shelf, json.loads(key)): value for shelf, key, value in rows}
    except BaseException:
        connection.close()
        raise


def _prepare(connection: sqlite3.Connection) -> None:
    # one process at a time: a second one sees the lock, runs without a state and says so
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        raise StateError(f"written by a newer version of this program (format {version}, this one knows {VERSION})")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    if version == 0:
        connection.execute(_SCHEMA)
        connection.execute(f"PRAGMA user_version = {VERSION}")


def _put_aside(path: Path, error: Exception) -> None:
    aside = path.with_name(f"{_FILE}.damaged-{int(time.time())}")
    path.rename(aside)
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    log.warning("the state was damaged (%s); it is kept as %s, and begun anew", error, aside.name)
