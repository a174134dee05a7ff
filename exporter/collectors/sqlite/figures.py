"""What each round reads: sizes, pages, locks, objects."""

from typing import Final

from exporter.collector import read
from exporter.collectors.sqlite.session import Session
from exporter.metric import Remarking, Samples, gauge, info

_FILES: Final = "the files' sizes, each 30 s by default"
_HEADER: Final = "the file's header, in WAL mode SQLite's PRAGMAs, each 30 s by default"
_LOCKS: Final = "the locks on the files (F_GETLK), each 30 s by default"
_SCHEMA: Final = "sqlite_schema, whenever it is another"

SIZE = gauge("sqlite_database_size_bytes", "Size of the database's file.", source=_FILES)
WAL_SIZE = gauge("sqlite_wal_size_bytes", "Size of the write-ahead log (-wal), 0 where there is none.", source=_FILES)
SHM_SIZE = gauge("sqlite_shm_size_bytes", "Size of the log's index (-shm), 0 where there is none.", source=_FILES)
JOURNAL_SIZE = gauge(
    "sqlite_journal_size_bytes",
    "Size of the rollback journal (-journal), 0 where there is none: it grows with a transaction.",
    source=_FILES,
)

PAGES = gauge("sqlite_pages", "Pages of the database as a reader sees it, with what stands in the log.", source=_HEADER)
FREE_PAGES = gauge(
    "sqlite_freelist_pages",
    "Pages that hold nothing; they are used again, and given back to the disk by a vacuum only.",
    source=_HEADER,
)
PAGE_SIZE = gauge("sqlite_page_size_bytes", "Size of a page.", source=_HEADER)
MODE = info(
    "sqlite_journal_mode_info",
    "How transactions are kept: `wal`, or `rollback` for all other modes, which are each connection's own.",
    labels=("mode",),
    source=_HEADER,
)
INFO = info(
    "sqlite_database_info",
    "Whether a vacuum comes by itself, the text's encoding, the application's own id, and who wrote last.",
    labels=("auto_vacuum", "encoding", "application_id", "written_by"),
    source=_HEADER,
)
LIBRARY = info("sqlite_library_info", "The SQLite library that the exporter reads with.", labels=("version",),
               source="the library")  # fmt: skip
SCHEMA_VERSION = gauge(
    "sqlite_schema_version", "SQLite's own counter of changes of the schema; a vacuum is one as well.", source=_HEADER
)
USER_VERSION = gauge("sqlite_user_version", "The application's own number, often of its migrations.", source=_HEADER)

WRITE_LOCKED = gauge(
    "sqlite_write_locked", "1 where somebody held the lock of writers when it was looked at, else 0.", source=_LOCKS
)
READ_LOCKED = gauge(
    "sqlite_read_locked",
    "1 where somebody kept all readers out when it was looked at, as while a transaction is committed in rollback "
    "mode, or with locking_mode = EXCLUSIVE; else 0.",
    source=_LOCKS,
)
LOCKED_SINCE = gauge(
    "sqlite_write_locked_since_timestamp_seconds",
    "Since when one process held the lock of writers at each look while nothing was committed; there while it lasts.",
    source=_LOCKS,
)

OBJECTS = gauge("sqlite_objects", "Tables, indexes, views and triggers.", labels=("type",), source=_SCHEMA)
_TYPES: Final = ("table", "index", "view", "trigger")


@read
def files(session: Session) -> Samples:
    """How large the database and the files beside it are."""
    sizes = session.part("sizes")
    yield SIZE(sizes["database"])
    yield WAL_SIZE(sizes["wal"])
    yield SHM_SIZE(sizes["shm"])
    yield JOURNAL_SIZE(sizes["journal"])
    yield LIBRARY(1, version=session.answer["library"])


@read
def content(session: Session) -> Remarking:
    """What the database holds: pages, free pages, objects, versions."""
    found = session.part("content")
    yield PAGES(found["pages"])
    yield FREE_PAGES(found["free_pages"])
    for kind in _TYPES:
        yield OBJECTS(session.count(kind), type=kind)
    if "mode" not in found:
        return "the file is empty: there is no database in it yet"
    yield PAGE_SIZE(found["page_size"])
    yield SCHEMA_VERSION(found["schema_version"])
    yield USER_VERSION(found["user_version"])
    yield MODE(1, mode=found["mode"])
    names = ("auto_vacuum", "encoding", "application_id", "written_by")
    yield INFO(1, **{name: found[name] for name in names})
    return "" if session.objects is not None else "objects were not counted: it is written to without pause"


@read
def locks(session: Session) -> Remarking:
    """Whether somebody writes now, and whether one transaction has done so for long."""
    found = session.part("locks")
    yield WRITE_LOCKED(found["write"])
    yield READ_LOCKED(found["read"])
    locked = session.locked
    if locked is None:
        return ""
    yield LOCKED_SINCE(locked.since)
    return f"the process {locked.by} has not committed since" if locked.since < session.time else ""
