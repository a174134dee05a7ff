"""What the tables hold, for those who ask for it: rows and sizes, counted in the background."""

from typing import Any, Final

from exporter.collector import Members, NotApplicable, read
from exporter.collectors.sqlite.looks import FileLook
from exporter.collectors.sqlite.session import Session
from exporter.collectors.sqlite.settings import SQLiteSettings
from exporter.deadline import Cancel
from exporter.metric import Remarking, gauge
from exporter.state import Shelf
from exporter.throwaway import ask

_SOURCE: Final = "count(*) and dbstat in the background, where `tables_interval` asks for it"
_SECONDS: Final = 60.0
_FORMAT: Final = 2  # of what is found: what an older exporter has kept is forgotten

ROWS = gauge("sqlite_table_rows", "Rows of a table.", labels=("table",), source=_SOURCE)
TABLE_SIZE = gauge("sqlite_table_size_bytes", "Size of a table without its indexes.", labels=("table",), source=_SOURCE)
INDEX_SIZE = gauge("sqlite_table_index_size_bytes", "Size of a table's indexes.", labels=("table",), source=_SOURCE)
COUNTED = gauge("sqlite_tables_counted_timestamp_seconds", "When counting rows and sizes began.", source=_SOURCE)


def look_of(settings: SQLiteSettings, shelf: Shelf) -> FileLook:
    """Return the look that counts."""

    def work(cancel: Cancel) -> Any:
        request = {"path": settings.path, "seconds": _SECONDS}
        return ask("exporter.collectors._sqlite.check:tables", request, timeout=2 * _SECONDS, cancel=cancel)

    return FileLook("tables", work, settings.tables_interval, shelf, of=f"{_FORMAT} {settings.path}", heavy=True)


@read(members=Members(labels=("table",), top=50, rank=TABLE_SIZE))
def tables(session: Session) -> Remarking:
    """How many rows each table has, and how large it and its indexes are."""
    look = session.tables
    if look is None:
        raise NotApplicable("tables are not counted", "set `tables_interval`, such as 1h")
    found = look.found_of(session.part("identity"), stands=2 * look.interval + 2 * _SECONDS)
    if not session.readable:
        raise NotApplicable("it cannot be read now, so what was counted does not stand", "see the read `content`")
    yield COUNTED(found.time)
    unknown = 0
    for table, rows, size, index_size in found.value["tables"]:
        unknown += rows is None
        yield ROWS(rows, table=table)
        yield TABLE_SIZE(size, table=table)
        yield INDEX_SIZE(index_size, table=table)
    return f"tables that only the application can count: {unknown}" if unknown else look.remark
