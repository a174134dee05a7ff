"""What the server refuses, in words, with what to do about it."""

import re
from typing import Any, Final

from exporter.collector import NotApplicable, Trouble
from exporter.collectors._libpq import said

# by SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html
_FIXES: Final = {
    "28P01": "correct the password, or the role's: ALTER ROLE ... PASSWORD ...",
    "28000": "let the role in: a line in pg_hba.conf, and ALTER ROLE ... LOGIN",
    "3D000": "create the database, or correct its name",
    "42501": "grant what monitoring needs: GRANT pg_monitor TO {role}",
    "53300": "raise max_connections, close clients, or keep slots for monitoring: on PostgreSQL 16 and newer "
    "reserved_connections with GRANT pg_use_reserved_connections TO {role}",
    "55P03": "end the transaction that holds the lock; it is in pg_locks",
    "57014": "the server is busy; raise the target's `timeout`, or look at what it waits for in pg_stat_activity",
    "57P03": "it starts up, or recovers; its log says how far it is",
}
_ABSENT: Final = frozenset({"0A000"})


def explained(error: Any, role: str = "") -> Trouble:
    """Return a psycopg.Error as a Trouble: the server's own words, and the remedy where one is known."""
    state = error.sqlstate or _state_in(str(error))
    fix = _FIXES.get(state, "").format(role=_quoted(role or _role(error)))
    kind = NotApplicable if state in _ABSENT else Trouble
    return kind(said(error), fix)


def _role(error: Any) -> str:
    try:
        return error.pgconn.user.decode() if error.pgconn is not None else "the role"
    except Exception:  # noqa: BLE001  # a connection that is gone has no user to name
        return "the role"


def _quoted(role: str) -> str:
    """Return the role as SQL writes it."""
    return role if re.fullmatch(r"[a-z_][a-z0-9_]*|the role", role) else '"' + role.replace('"', '""') + '"'


# Failures to connect carry no SQLSTATE in libpq, only the server's text.
_TEXTS: Final = {
    "password authentication failed": "28P01",
    "no pg_hba.conf entry": "28000",
    "is not permitted to log in": "28000",
    'role "': "28000",
    'database "': "3D000",
    "too many clients": "53300",
    "remaining connection slots": "53300",
    "too many connections": "53300",
    "permission denied for database": "42501",
    "the database system is": "57P03",
    "unsupported startup parameter": "pool",
    "Connection refused": "refused",
    "timeout expired": "silent",
    "is not looked up in time": "nameless",
    "is not known (": "nameless",
}
_FIXES_OF_TEXTS: Final = {
    "pool": "connect to PostgreSQL itself, not through a connection pool such as PgBouncer",
    "refused": "start the server, or correct host and port; it listens where listen_addresses says",
    "silent": "it hangs, or a firewall drops what is sent: correct host and port, or look at the server",
    "nameless": "correct the host, or see to DNS",
}
_FIXES.update(_FIXES_OF_TEXTS)


def _state_in(text: str) -> str:
    return next((state for part, state in _TEXTS.items() if part in text), "")
