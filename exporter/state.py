"""What must outlive a restart: one SQLite file, one writer."""

import json
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

log = logging.getLogger(__name__)

VERSION: Final = 1
_FILE: Final = "state.sqlite"
# IF NOT EXISTS: the process may be killed between this and the noting of the version
_SCHEMA: Final = (
    "CREATE TABLE IF NOT EXISTS entry (shelf TEXT, key TEXT, value TEXT, PRIMARY KEY (shelf, key)) WITHOUT ROWID"
)
# keys are kept as JSON: a file name may hold what is no UTF-8, and SQLite's text may not
_INSERT: Final = "INSERT OR REPLACE INTO entry VALUES (?, ?, ?)"
_OF_TARGETS: Final = "target "  # begins the names of their shelves

Changes = dict[tuple[str, str], str | None]


class Shelf:
    """The part of the state that belongs to one owner; values are what JSON can hold."""

    def __init__(self, state: "State", name: str) -> None:
        self._state = state
        self._name = name

    def get(self, key: str) -> Any:
        """Return what was put under the key, None where nothing was."""
        text = self._state.entries.get((self._name, key))
        return None if text is None else json.loads(text)

    def text(self, key: str) -> str | None:
        """Return as JSON what was put under the key: the same text for as long as nothing has changed."""
        return self._state.entries.get((self._name, key))

    def put(self, key: str, value: Any) -> None:
        """Keep the value under the key; None forgets it. It is on disk within a moment."""
        self.put_all({key: value})

    def put_all(self, values: Mapping[str, Any], then: Callable[[], None] | None = None) -> None:
        """Keep all of these or none; `then` is called when they are on disk, at once where nothing is kept there.

        Of several calls of one shelf that wait for the disk only the last is made.
        """
        self._state.put(self._name, {key: None if value is None else json.dumps(value, separators=(",", ":"))
                                     for key, value in values.items()}, then)  # fmt: skip

    def flush(self, seconds: float) -> bool:
        """Wait so many seconds at most until what was put is on disk; return whether it is."""
        return self._state.flush(seconds)

    def get_all(self) -> dict[str, Any]:
        """Return everything that was put, by key."""
        return {key: value for key in self.keys() if (value := self.get(key)) is not None}

    @property
    def problem(self) -> str:
        """Why what is put is not on disk within a moment, or nothing."""
        return self._state.problem

    @property
    def is_read(self) -> bool:
        """Whether what was kept before is known: what is put until then takes its place."""
        return self._state.is_read

    def keys(self) -> list[str]:
        # a copy at one stroke, as other threads put at any time
        return sorted(key for shelf, key in list(self._state.entries) if shelf == self._name)


class State:
    """Everything kept, in memory; and on disk in `directory`, written by one thread.

    Where the file cannot be had (`problem` says why), the process runs on, and forgets when it ends.
    """

    LONGEST_WRITE: ClassVar[float] = 30.0  # seconds after which a disk counts as hanging
    LONGEST_OPEN: ClassVar[float] = 2.0  # seconds that the start waits for the disk
    RETRY: ClassVar[float] = 30.0  # seconds until what failed is tried again

    def __init__(self, directory: Path | None) -> None:
        self.directory = directory
        self.entries: dict[tuple[str, str], str] = {}
        self._error = "" if directory else "no storage path is set"
        self._changed = threading.Condition()  # guards all that follows, and what is put into the entries
        self._unwritten: Changes = {}  # one value for each key, so that it stays small however long the disk hangs
        self._to_call: dict[str, Callable[[], None]] = {}  # by shelf, when what is unwritten is on disk
        self._asked = self._tried = 0  # how many puts and flushes there were, and how many the last write covered
        self._began: float | None = None  # when the write that is under way began
        self._closing = False
        self._connection: sqlite3.Connection | None = None
        self._only: Collection[str] | None = None
        self._thread: threading.Thread | None = None
        if directory is not None:
            self._begin(directory)

    @property
    def problem(self) -> str:
        """Why what is put is not on disk within a moment, or nothing."""
        began = self._began
        if began is not None and (seconds := time.monotonic() - began) > self.LONGEST_WRITE:
            return f"the disk hangs: writing has taken {seconds:.0f} s so far"
        return self._error

    @property
    def is_read(self) -> bool:
        """Whether what was kept before is known."""
        return self.directory is None or self._connection is not None

    def shelf(self, name: str) -> Shelf:
        return Shelf(self, name)

    def put(self, shelf: str, texts: Mapping[str, str | None], then: Callable[[], None] | None = None) -> None:
        with self._changed:
            changes = {(shelf, key): text for key, text in texts.items() if self.entries.get((shelf, key)) != text}
            for key, text in changes.items():
                if text is None:
                    self.entries.pop(key, None)
                else:
                    self.entries[key] = text
            on_disk = self._thread is not None
            if on_disk and (changes or then):
                self._unwritten.update(changes)
                if then:
                    self._to_call[shelf] = then
                self._ask()
        if then and not on_disk:
            then()

    def keep_only(self, names: Collection[str]) -> None:
        """Forget, on disk too, the shelves of targets that are not among these names."""
        self._only = names
        for shelf, key in list(self.entries):
            if shelf.startswith(_OF_TARGETS) and shelf not in names:
                self.put(shelf, {key: None})

    def flush(self, seconds: float = 5.0) -> bool:
        """Wait until what was put is on disk; return whether it is."""
        if self._thread is None or self._connection is None:
            return False
        with self._changed:
            mine = self._ask()
            return self._changed.wait_for(lambda: self._tried >= mine, seconds) and not self.problem

    def close(self, seconds: float = 1.0) -> None:
        """Write what was put, and end; a disk that hangs is left behind after so many seconds."""
        if self._thread is None:
            return
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(seconds)
        if self._thread.is_alive():
            log.warning("the state is not written to its end: the disk takes more than %g s", seconds)
        self._thread = None

    def _ask(self) -> int:
        self._asked += 1
        self._changed.notify_all()
        return self._asked

    def _begin(self, directory: Path) -> None:
        tried = threading.Event()
        self._thread = threading.Thread(target=self._keep, args=(directory, tried), name="state", daemon=True)
        self._thread.start()
        if not tried.wait(self.LONGEST_OPEN):
            self._note(f"{directory}: the disk does not answer", "is not kept")

    def _keep(self, directory: Path, tried: threading.Event) -> None:
        """Open the file, again and again until that works, and write into it from then on."""
        while (connection := self._opened(directory)) is None:
            tried.set()
            with self._changed:
                if self._changed.wait_for(lambda: self._closing, self.RETRY):
                    return
        tried.set()
        self._write(connection)

    def _opened(self, directory: Path) -> sqlite3.Connection | None:
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            connection, kept = _opened(directory / _FILE)
        except Exception as error:  # noqa: BLE001  # whatever it is, the process runs on and says so
            with self._changed:
                self._note(f"{directory}: {_reason(error)}", "is not kept")
            return None
        with self._changed:
            self._connection = connection
            self.entries = kept | self.entries
            for (shelf, key), value in self._unwritten.items():
                if value is None:
                    self.entries.pop((shelf, key), None)
            self._note("", "")
        if self._only is not None:
            self.keep_only(self._only)
        return connection

    def _write(self, connection: sqlite3.Connection) -> None:
        closing = False
        while not closing:
            with self._changed:
                wait = self.RETRY if self._error else None
                self._changed.wait_for(lambda: self._asked > self._tried or self._closing, wait)
                closing, asked = self._closing, self._asked
                changes, self._unwritten = self._unwritten, {}
                calls, self._to_call = self._to_call, {}
                self._began = time.monotonic()
            error = _commit(connection, changes)
            with self._changed:
                if error:  # tried again with what comes next, or after a while
                    self._unwritten, self._to_call = changes | self._unwritten, calls | self._to_call
                self._note(error, "cannot be written")
                self._began, self._tried = None, asked
                self._changed.notify_all()
            for call in () if error else calls.values():
                call()
        connection.close()

    def _note(self, error: str, what: str) -> None:
        if error and error != self._error:
            log.warning("the state %s: %s", what, error)
        elif self._error and not error:
            log.info("the state is kept again")
        self._error = error


def _commit(connection: sqlite3.Connection, changes: Changes) -> str:
    """Write all changes or none; return why not."""
    try:
        with connection:
            for (shelf, key), value in changes.items():
                if value is None:
                    connection.execute("DELETE FROM entry WHERE shelf = ? AND key = ?", (shelf, json.dumps(key)))
                else:
                    connection.execute(_INSERT, (shelf, json.dumps(key), value))
    except Exception as error:  # noqa: BLE001  # a writer that ended would look healthy, and write nothing
        return str(error) or type(error).__name__
    return ""


def _reason(error: Exception) -> str:
    """Return why the file cannot be had, and what to do about it."""
    if isinstance(error, OSError):
        return f"{error.strerror or error}; let the exporter's user write there, or choose another --storage.path"
    if "locked" in str(error):
        return "another runbook-exporter uses it; give each its own --storage.path"
    return str(error) or type(error).__name__


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
    connection.execute("PRAGMA synchronous = FULL")  # a counter once shown must not go back when power fails either
    if version == 0:
        connection.execute(_SCHEMA)
        connection.execute(f"PRAGMA user_version = {VERSION}")


def _put_aside(path: Path, error: Exception) -> None:
    aside = path.with_name(f"{_FILE}.damaged-{int(time.time())}")
    path.rename(aside)
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    log.warning("the state was damaged (%s); it is kept as %s, and begun anew", error, aside.name)
