"""Whether everything in the database can be read: every row, and every block in use."""

import math
from typing import Final

from exporter.collector import NotApplicable, read
from exporter.collectors.duckdb.session import Session
from exporter.metric import Remarking, gauge

_SOURCE: Final = (
    "a private copy, a backup or the file itself, read as a whole at `integrity_interval`, in the background"
)

OK = gauge(
    "duckdb_integrity_ok",
    "1 where every row and every block in use could be read when they were last; 0 where two copies in succession"
    " showed that the database is damaged. Absent while the file is gone, or is another.",
    source=_SOURCE,
)  # fmt: skip
CHECKED = gauge("duckdb_integrity_checked_timestamp_seconds", "When it was read as a whole.",
                source=_SOURCE, fact=True)  # fmt: skip
DURATION = gauge("duckdb_integrity_check_duration_seconds", "How long that took.", source=_SOURCE, fact=True)
ROWS = gauge("duckdb_integrity_checked_rows", "Rows that were read then.", source=_SOURCE, fact=True)


@read
def integrity(session: Session) -> Remarking:
    """Whether everything in the database can be read."""
    if not session.settings.integrity_interval:
        raise NotApplicable("it is not asked for: `integrity_interval` is 0s")
    look = session.looks.integrity
    began, found = look.found(math.inf)
    if look.is_of_another(found):
        raise NotApplicable("another file has taken the place of the one that was read", "wait until it is read")
    yield OK(int(found["ok"]))
    yield CHECKED(began)
    yield DURATION(found["seconds"])
    yield ROWS(found["rows"])
    return look.remark or found["reason"]
