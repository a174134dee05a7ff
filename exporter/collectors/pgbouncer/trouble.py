"""What the console refuses, in words, with what to do about it."""

from typing import Any, Final

from exporter.collector import NotApplicable, Trouble
from exporter.collectors._libpq import said

_LOGIN: Final = "correct user and password; the user stands in the auth_file of PgBouncer"
_CONSOLE: Final = (
    "name the console: postgresql://USER:PASSWORD@HOST:6432/pgbouncer, the port being PgBouncer's listen_port"
)
# PgBouncer gives its own refusals no SQLSTATE, only words; these stand in what it, or libpq, says.
_FIXES: Final = {
    "authentication failed": _LOGIN,
    "auth failed": _LOGIN,
    "no such user": _LOGIN,
    "login rejected": _LOGIN,
    "no password supplied": "give the password in `url`; the user stands in the auth_file of PgBouncer",
    "not allowed": "name the user in stats_users of pgbouncer.ini, and let PgBouncer reload it",
    "no such database": _CONSOLE,
    'database "': _CONSOLE,
    "unrecognized configuration parameter": _CONSOLE,
    "server does not support SSL": "set client_tls_sslmode in pgbouncer.ini, or leave sslmode out of `url`",
    "SSL required": "add ?sslmode=require to `url`, or verify-full with sslrootcert",
    "certificate verify failed": "name the authority's certificate in `url`: ?sslmode=verify-full&sslrootcert=FILE",
    "Connection refused": "start PgBouncer, or correct host and port; it listens on listen_addr and listen_port",
    "timeout expired": "it hangs, or a firewall drops what is sent: correct host and port, or look at PgBouncer",
    "is not looked up in time": "correct the host, or see to DNS",
    "is not known (": "correct the host, or see to DNS",
    "expected authentication request": "correct host and port: what listens there is no PgBouncer",
    "invalid response to SSL": "correct host and port: what listens there is no PgBouncer",
}
_UNKNOWN: Final = "invalid command"


def explained(error: Any) -> Trouble:
    """Return a psycopg.Error as a Trouble: the console's own words, and the remedy where one is known."""
    reason = said(error)
    if _UNKNOWN in reason:
        return NotApplicable(f"this version does not know the command ({reason})")
    return Trouble(reason, next((fix for part, fix in _FIXES.items() if part in reason), ""))
