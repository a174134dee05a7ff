"""What a MongoDB server refuses, in words, with what to do about it."""

import re
import socket
import ssl
from typing import Any, Final

from exporter.collector import NotApplicable, Trouble

# https://www.mongodb.com/docs/manual/reference/error-codes/
LOGIN: Final = "the login"
UNAUTHORIZED: Final = 13
NAMESPACE_NOT_FOUND: Final = 26
NOT_ON_VIEW: Final = 166
_GRANT: Final = (
    'grant what monitoring needs: db.getSiblingDB("{source}").grantRolesToUser("{user}", '
    '[{{role: "clusterMonitor", db: "admin"}}, {{role: "read", db: "local"}}])'
)
_FIXES: Final = {
    UNAUTHORIZED: _GRANT,
    18: "correct user, password and authSource: the database where the user was made",
    8000: "correct user and password: Atlas does not know them",
    11: "correct user and authSource: the database where the user was made",
    50: "the server is busy; raise the target's `timeout`, or look at db.currentOp()",
    91: "it is being stopped",
    11600: "it is being stopped",
    11602: "the replica set elects a primary; the next round asks again",
}
# No such command, option, stage or field; no replica set; not on a view; nobody here has such a thing.
_ABSENT: Final = frozenset({59, 76, 115, NOT_ON_VIEW, 40324})
NOT_MONGODB: Final = "correct host and port: what listens there is no MongoDB server, or speaks TLS where this does not"
_NOT_YET: Final = 94  # a replica set without a configuration
_NOT_ALLOWED: Final = re.compile("not authorized|command [a-zA-Z]+ requires authentication")


class Refused(Trouble):
    """The server refuses a command, and says so by a code."""

    def __init__(self, code: int, reason: str, fix: str) -> None:
        super().__init__(reason, fix)
        self.code = code


class Late(Trouble):
    """The time is over, or was before something could be asked."""


class Absent(NotApplicable, Refused):
    """What was asked for does not exist on this server."""


def refusal(answer: dict[str, Any], user: str, source: str, what: str) -> Refused:
    """Return the server's refusal of a command as a Trouble: its own words, and the remedy where one is known."""
    code = answer.get("code")
    number = code if isinstance(code, int) else 0
    text = str(answer.get("errmsg") or answer.get("codeName") or "no reason given")
    if not number and _NOT_ALLOWED.match(text):
        number = UNAUTHORIZED
    if number == UNAUTHORIZED:
        return Refused(number, f"the user may not ask for {what}", _grant(user, source))
    kind = Absent if what != LOGIN and (number in _ABSENT or number == _NOT_YET) else Refused
    return kind(number, f"{what}: {_plain(text)}", _FIXES.get(number, ""))


def _grant(user: str, source: str) -> str:
    if not user:
        return "give user and password in `url`: the server asks for a login"
    return _GRANT.format(user=user, source=source)


def _plain(text: str) -> str:
    """Return the first line, not endlessly long."""
    line = (text.strip().splitlines() or [""])[0]
    return line if len(line) <= 200 else f"{line[:200]}..."


def unreachable(error: OSError, name: str) -> Trouble:
    """Return what keeps the line from being opened, or used, as a Trouble."""
    if isinstance(error, TimeoutError):
        fix = "it hangs, or a firewall drops what is sent: correct host and port, or look at the server"
        return Late(f"{name} does not answer in time", fix)
    if isinstance(error, ssl.SSLCertVerificationError):
        fix = "trust its authority by tlsCAFile=... in `url`, or correct the host's name"
        return Trouble(f"the certificate of {name} is not trusted ({error.verify_message})", fix)
    if isinstance(error, ssl.SSLError):
        return Trouble(f"TLS with {name} fails ({error.reason or error})", "add or remove tls=true in `url`")
    if isinstance(error, socket.gaierror):
        return Trouble(f"the name {name} is not known ({error.strerror})", "correct the host, or see to DNS")
    if isinstance(error, ConnectionRefusedError):
        fix = "start the server, or correct host and port; it listens where net.bindIp and net.port say"
        return Trouble(f"{name} cannot be reached (Connection refused)", fix)
    fix = "the server ended it, or does not speak plain text there: its log says why; tls=true in `url` speaks TLS"
    return Trouble(f"the connection to {name} broke ({error.strerror or error})", fix)
