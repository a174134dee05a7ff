"""What statements cost, where the extension pg_stat_statements counts it; their text is not read."""

from typing import Final

from exporter.collector import Members, NotApplicable, Trouble, read
from exporter.collectors.postgres.connection import Rows
from exporter.collectors.postgres.session import Everywhere, Session, require_sight
from exporter.metric import Samples, counter

_STATEMENT: Final = ("datname", "queryid", "user")
_SOURCE: Final = "pg_stat_statements"
SECONDS = counter("pg_stat_statements_seconds_total", "Time spent executing.", labels=_STATEMENT, source=_SOURCE)
# in the order of the columns of _STATEMENTS
_FIGURES: Final = (
    SECONDS,
    counter("pg_stat_statements_calls_total", "Executions.", labels=_STATEMENT, source=_SOURCE),
    counter("pg_stat_statements_rows_total", "Rows returned or changed.", labels=_STATEMENT, source=_SOURCE),
    counter("pg_stat_statements_block_read_seconds_total",
            "Time spent reading blocks; 0 where track_io_timing is off.", labels=_STATEMENT, source=_SOURCE),
    counter("pg_stat_statements_block_write_seconds_total",
            "Time spent writing blocks; 0 where track_io_timing is off.", labels=_STATEMENT, source=_SOURCE),
)  # fmt: skip

_INSTALLED = Everywhere("""
SELECT quote_ident(nspname), extversion FROM pg_extension JOIN pg_namespace AS n ON n.oid = extnamespace
WHERE extname = 'pg_stat_statements'
""")
# One statement has a row for each level that it ran on; without its text, the server need not read the file of texts.
_STATEMENTS: Final = """
SELECT datname, queryid::text, pg_get_userbyid(userid)::text,
       sum(total_exec_time) / 1000, sum(calls)::bigint, sum(rows)::bigint,
       sum({blocks}_read_time) / 1000, sum({blocks}_write_time) / 1000
FROM {schema}.pg_stat_statements(false) JOIN pg_database ON pg_database.oid = dbid
WHERE queryid IS NOT NULL
GROUP BY datname, queryid, userid
"""


@read(interval=60, members=Members(_STATEMENT, 100, SECONDS))
def statements(session: Session) -> Samples:
    """What statements cost, by database, user and the hash of their text."""
    require_sight(session)  # else the statements of other roles would be missing, unsaid
    for datname, queryid, user, *figures in _counted(session):
        if session.wanted(datname):
            for metric, figure in zip(_FIGURES, figures, strict=True):
                yield metric(figure, datname=datname, queryid=queryid, user=user)


def _counted(session: Session) -> Rows:
    """Return what the extension counted; it counts in all databases, and shows it in those where it is installed."""
    database, (schema, version) = next(session.everywhere(_INSTALLED), ("", ("", "")))
    if not database:
        raise NotApplicable(
            "the extension pg_stat_statements is installed in no database",
            "to have it: shared_preload_libraries = 'pg_stat_statements', a restart, and "
            "CREATE EXTENSION pg_stat_statements",
        )
    numbers = tuple(map(int, version.split(".")))
    if numbers < (1, 8):
        raise Trouble(
            f"the extension pg_stat_statements is of version {version} in the database {database}",
            "ALTER EXTENSION pg_stat_statements UPDATE",
        )
    query = _STATEMENTS.format(schema=schema, blocks="shared_blk" if numbers >= (1, 11) else "blk")
    try:
        return session.rows_in(database, query)
    except Trouble as error:
        if "shared_preload_libraries" not in str(error):
            raise
        raise NotApplicable(
            "the library pg_stat_statements is not loaded",
            "shared_preload_libraries = 'pg_stat_statements', and restart the server",
        ) from None
