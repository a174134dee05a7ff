"""Restores a dump of PostgreSQL for a test, counts what must be there, and throws it away; in a throwaway process."""

import hashlib
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from exporter.collector import Trouble
from exporter.collectors._backup import kinds
from exporter.collectors._backup.dump import first_of, judge, program_of
from exporter.collectors._backup.found import Bad, shortened, unreadable
from exporter.collectors._backup.programs import quietly, run
from exporter.collectors._backup.scratchserver import served
from exporter.collectors._libpq import library, said

_PREFIX: Final = "runbook_exporter_restore_"
_COMMENT: Final = "A restore for a test by runbook-exporter, which drops it."
# A mark that is there from the first moment on: a comment would come a statement later.
_MARK: Final = 29
_FORMS: Final = ("pg_custom", "pg_directory", "pg_tar")
_CONNECT: Final = 10  # seconds
_MOST_ROLES: Final = 100
_ROLE: Final = re.compile(r'role "(.+)" does not exist')
# What says that it is the server which fails, or is not like the one that was dumped: no fault of the dump.
_OF_THE_SERVER: Final = (
    (r"connection to server|server closed the connection|terminating connection|too many connections",
     "see the server's log"),
    (r"could not extend file|No space left on device", "make room"),
    (r"is not available|has no installation script|could not access file|could not open extension control file",
     "install the extension, and where it is preloaded its library, on the server for the restore"),
    (r"unrecognized configuration parameter",
     "restore into a server as new as pg_restore (`programs` or `postgres`), or name that server's `pg_restore`"),
    (r"collation .* for encoding .* does not exist|could not (?:create|open) (?:locale|collator)",
     "install the locale on the machine of the server for the restore"),
    (r"permission denied|must be (?:superuser|owner|member|able)", "give its user the right, or take `server: true`"),
)  # fmt: skip
_FIND: Final = """
SELECT datconnlimit = %s AND pg_get_userbyid(datdba) = current_user FROM pg_database WHERE datname = %s
"""


def restore(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return whether the dump could be restored, and how long that took; as a process that harms nobody."""
    quietly()
    return restored(request)


def restored(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return whether the dump could be restored, and how long that took."""
    path = request["path"]
    try:
        kind = kinds.found(path) if request["format"] == "auto" else request["format"]
        if kind not in _FORMS:
            raise Trouble(f"a restore of {kind} is not tried", "leave `restore` out, or dump it with pg_dump -Fc")
        psycopg = library("backup")
        began = time.monotonic()
        with _server(request) as address:
            wasted = _restore_into(psycopg, address, request)
            seconds = time.monotonic() - began - wasted
    except Bad as bad:
        return {"good": False, "reason": str(bad), "seconds": 0.0}
    except OSError as error:
        raise unreadable(error) from None
    return {"good": True, "reason": "", "seconds": seconds}


@contextmanager
def _server(request: Mapping[str, Any]) -> Iterator[str]:
    if request["server"]:
        with served(request) as address:
            yield address
    else:
        yield request["postgres"]


def _restore_into(psycopg: Any, address: str, request: Mapping[str, Any]) -> float:
    """Make a database, fill it, look at it, drop it; return the seconds that an attempt without its roles took."""
    mark = hashlib.sha256(request["mark"].encode()).digest()
    name = f"{_PREFIX}{mark.hex()[:16]}"
    try:
        with psycopg.connect(address, autocommit=True, connect_timeout=_CONNECT) as connection:
            _be_alone(connection, int.from_bytes(mark[:8], signed=True))
            _make(connection, name)
            try:
                wasted = _filled(connection, address, name, request)
                _count(psycopg, address, name, request["least_rows"])
            finally:
                _drop(connection, name)
    except psycopg.Error as error:
        raise Trouble(f"the server for the restore did not do it ({said(error)})",
                      "its user needs CREATEDB, and room for the database") from None  # fmt: skip
    return wasted


def _be_alone(connection: Any, key: int) -> None:
    """Have the server tell all who restore the same that it is being done, until this connection ends."""
    if not connection.execute("SELECT pg_try_advisory_lock(%s)", (key,)).fetchone()[0]:
        fix = "wait until it has ended: `test` beside the exporter restores as well"
        raise Trouble("another restore of it is under way on that server", fix)


def _make(connection: Any, name: str) -> None:
    _drop(connection, name)  # what one that was killed has left, or an attempt before
    connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template0 CONNECTION LIMIT {_MARK}')
    connection.execute(f"COMMENT ON DATABASE \"{name}\" IS '{_COMMENT}'")


def _filled(connection: Any, address: str, name: str, request: Mapping[str, Any]) -> float:
    """Fill the database; on a server of our own after making the roles that policies name, which are in no dump."""
    began = time.monotonic()
    if not (role := _fill(address, name, request)):
        return 0.0
    for _ in range(_MOST_ROLES):
        if not request["server"]:
            break
        connection.execute('CREATE ROLE "{}" NOLOGIN'.format(role.replace('"', '""')))
        _make(connection, name)
        if not (role := _fill(address, name, request, "--schema-only")):
            wasted = time.monotonic() - began
            _make(connection, name)
            if not (role := _fill(address, name, request)):
                return wasted
    raise Trouble(f"the server for the restore has no role {shortened(role)}, which the dump names",
                  "create it there, with NOLOGIN; or take `server: true`, where it is made for the moment")  # fmt: skip


def _drop(connection: Any, name: str) -> None:
    """Drop the database of that name, if we have made it."""
    row = connection.execute(_FIND, (_MARK, name)).fetchone()
    if row is None:
        return
    if not row[0]:
        raise Trouble(f"there is a database {name} that the exporter has not made", "see whose it is, and rename it")
    connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def _fill(address: str, name: str, request: Mapping[str, Any], *options: str) -> str:
    """Have pg_restore fill the database; return the role that it lacks for that, nothing where it is filled."""
    from psycopg import conninfo

    parameters: dict[str, Any] = dict(conninfo.conninfo_to_dict(address))
    # what everybody can see among a process's arguments has no password
    password = parameters.pop("password", None)
    variables = {"PGPASSWORD": str(password)} if password else {}
    parameters["dbname"] = name
    command = [
        program_of(request), "--exit-on-error", "--no-owner", "--no-privileges", "--no-tablespaces", "--no-password",
        *options, "-d", conninfo.make_conninfo(**parameters), request["path"],
    ]  # fmt: skip
    ended = run(command, variables=variables)
    if ended.status and (missing := _ROLE.search(first_of(ended.errors))):
        return missing[1]
    if ended.status and (fix := _of_the_server(ended.errors)):
        raise Trouble(f"pg_restore could not fill the database: {first_of(ended.errors)}", fix)
    judge(ended)
    return ""


def _of_the_server(told: str) -> str:
    """Return what to do where it is the server that fails, not the dump; else nothing."""
    return next((fix for pattern, fix in _OF_THE_SERVER if re.search(pattern, told)), "")


def _count(psycopg: Any, address: str, name: str, least: Mapping[str, int]) -> None:
    """Compare the rows of tables with those that must be there: some damage restores without an error."""
    from psycopg import sql

    with psycopg.connect(address, dbname=name, autocommit=True, connect_timeout=_CONNECT) as connection:
        for table, rows in least.items():
            schema, _, bare = table.rpartition(".")
            place = sql.Identifier(schema or "public", bare)
            if connection.execute("SELECT to_regclass(%s)", (place.as_string(connection),)).fetchone()[0] is None:
                raise Bad(f"after a restore there is no table {table}")
            found = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(place)).fetchone()[0]
            if found < rows:
                raise Bad(f"after a restore {table} has {found:,} rows, and at least {rows:,} are expected")
