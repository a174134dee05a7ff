"""What the reads of one round over a PostgreSQL server share."""

import re
from collections.abc import Iterator
from typing import Any, Final

from exporter.collector import Trouble
from exporter.collectors.postgres.connection import Row, Rows, Server, ask

_DATABASES: Final = """
SELECT datname, has_database_privilege(oid, 'CONNECT') FROM pg_database
WHERE datallowconn AND NOT datistemplate ORDER BY datname
"""
# Queries that are asked in every database: all of them in one visit, since each visit costs a connection.
_EVERYWHERE: list["Everywhere"] = []


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
        self._answers: dict[Everywhere, list[tuple[str, Rows | Trouble]]] | None = None
        self.refused: dict[str, str] = {}
        self.version = server.version  # as server_version_num: 150004 is 15.4
        self.is_standby = server.is_standby
        self.server = server.name
        self.shelf = server.shelf

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
        if self._answers is None:
            self._answers = {query: [] for query in _EVERYWHERE}
            for database in self.databases():
                self._visit(database)
        for database, answer in self._answers[query]:
            if isinstance(answer, Trouble):
                raise type(answer)(f"in the database {database}: {answer}", answer.fix)
            for row in answer:
                yield database, row

    def databases(self) -> list[str]:
        """Return the databases that may be entered and that the settings want; `refused` has the others."""
        listed = [(name, allowed) for name, allowed in self.rows(_DATABASES) if self.wanted(name)]
        self.refused |= {name: "the role has no right to connect" for name, allowed in listed if not allowed}
        return [name for name, allowed in listed if allowed]

    def cancel(self) -> None:
        """Let go of what is waited for, from another thread."""
        self._server.cancel()

    def _visit(self, database: str) -> None:
        assert self._answers is not None  # noqa: S101  # everywhere() made it
        try:
            with self._server.visit(database) as connection:
                for query, answers in self._answers.items():
                    answers.append((database, _answer(connection, of_version(query.sql, self.version))))
        except Trouble as error:
            if not self._is_gone(database):
                self.refused[database] = str(error)

    def _is_gone(self, database: str) -> bool:
        return not self.rows("SELECT 1 FROM pg_database WHERE datname = %s", database)


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
