"""What the reads of one round over a PostgreSQL server share."""

import re
import time
from collections.abc import Iterator
from typing import Any, Final

from exporter.collector import Trouble
from exporter.collectors.postgres.connection import Row, Rows, Server, Visited, ask
from exporter.deadline import GIVEN_UP

_DATABASES: Final = """
SELECT datname, has_database_privilege(oid, 'CONNECT') FROM pg_database
WHERE datallowconn AND NOT datistemplate ORDER BY datname
"""
# Queries that are asked in every database: all of them in one visit, since each visit costs a connection.
_EVERYWHERE: list["Everywhere"] = []
# Reads that are made once a minute drift apart by a scrape; what one visit gave serves them all.
_STANDS: Final = 45.0
_LOCKED: Final = "55P03"
# `-- from 16` ends lines that older servers do not understand, `-- before 16` those that stand in for them.
_VERSIONED: Final = re.compile(r"-- (from|before) (\d+)\s*$")


class Everywhere:
    """A query that is asked in each database; `sql` may hold lines for some versions only, see of_version()."""

    def __init__(self, sql: str) -> None:
        self.sql = sql
        _EVERYWHERE.append(self)


class Session:
    """One round: queries over the kept connection, and visits to the other databases."""

    def __init__(self, server: Server, settings: Any) -> None:
        self._server = server
        self._include = re.compile(settings.databases_include)
        self._exclude = re.compile(settings.databases_exclude) if settings.databases_exclude else None
        self._round = server.round
        self.version = server.version  # as server_version_num: 150004 is 15.4
        self.is_standby = server.is_standby
        self.server = server.name
        self.shelf = server.shelf
        self.role = server.role  # as SQL writes it
        self.sees_all = server.sees_all

    def rows(self, query: str, *parameters: object) -> Rows:
        """Return the rows of a query in the database that the target names."""
        return self._server.rows(query, parameters)

    def row(self, query: str, *parameters: object) -> Row:
        """Return the one row of a query."""
        (row,) = self.rows(query, *parameters)
        return row

    def rows_in(self, database: str, query: str) -> Rows:
        """Return the rows of a query in another database; costs a connection."""
        with self._server.visit(database) as connection:
            return ask(connection, query)

    def wanted(self, database: str) -> bool:
        """Tell whether the settings want this database looked into."""
        return bool(self._include.search(database)) and not (self._exclude and self._exclude.search(database))

    def everywhere(self, query: Everywhere) -> Iterator[tuple[str, Row]]:
        """Yield each row that the query gives in each database, with the database's name."""
        visited = self._server.visited
        if visited is None or query not in visited.answers or not 0 <= time.monotonic() - visited.time < _STANDS:
            visited = self._server.visited = self._visit_all()
        for database, answer in visited.answers.pop(query):
            if isinstance(answer, Trouble):
                raise type(answer)(f"in the database {database}: {answer}", answer.fix)
            for row in answer:
                yield database, row

    @property
    def refused(self) -> dict[str, Trouble]:
        """The databases that the settings want and that could not be entered in the last visit, and why."""
        return self._server.visited.refused if self._server.visited is not None else {}

    def cancel(self) -> None:
        """Let go of what is waited for, from another thread."""
        self._server.cancel(self._round)

    def _visit_all(self) -> Visited:
        visited = Visited(time.monotonic(), {query: [] for query in _EVERYWHERE}, {})
        for database, allowed in self.rows(_DATABASES):
            if not self.wanted(database):
                continue
            if allowed:
                self._visit(database, visited)
            else:
                visited.refused[database] = Trouble("the role has no right to connect")
        return visited

    def _visit(self, database: str, visited: Visited) -> None:
        try:
            with self._server.visit(database) as connection:
                for query, answers in visited.answers.items():
                    answers.append((database, _answer(connection, of_version(query.sql, self.version))))
        except Trouble as error:
            if self._server.cancelled:
                raise
            if not self._is_gone(database):
                visited.refused[database] = error
        if self._server.cancelled:
            raise Trouble(GIVEN_UP)

    def _is_gone(self, database: str) -> bool:
        return not self.rows("SELECT 1 FROM pg_database WHERE datname = %s", database)


def require_sight(session: Session) -> None:
    """Raise where the role sees nothing of other roles' sessions: what it counted would be wrong."""
    if not session.sees_all:
        reason = "the role cannot see what the sessions of other roles do"
        raise Trouble(reason, f"grant what monitoring needs: GRANT pg_monitor TO {session.role}")


def of_version(sql: str, version: int) -> str:
    """Return the query without the lines that are not for this version."""

    def fits(line: str) -> bool:
        mark = _VERSIONED.search(line)
        return mark is None or (version // 10000 >= int(mark[2])) is (mark[1] == "from")

    return "\n".join(filter(fits, sql.splitlines()))


def _answer(connection: Any, sql: str) -> Rows | Trouble:
    try:
        return ask(connection, sql)
    except Trouble as error:
        if getattr(error.__cause__, "sqlstate", "") != _LOCKED:
            return error
    # queries leave out what is locked; what was locked just after they looked is left out by the second
    try:
        return ask(connection, sql)
    except Trouble as error:
        return error
