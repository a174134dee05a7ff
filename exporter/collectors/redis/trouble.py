"""What a Redis server refuses, in words, with what to do about it."""

import socket
import ssl
from typing import Any, Final

from exporter.collector import NotApplicable, Trouble
from exporter.collectors.redis.address import Address
from exporter.collectors.redis.dial import SilentError
from exporter.collectors.redis.reply import Refusal, StrangeError

# by the code that begins an error, else by words in it
_FIXES: Final = {
    "NOAUTH": "it asks for a password: give it in `url`, or as `password_file`",
    "WRONGPASS": "correct user and password; ACL LIST shows the users, and whether they are on",
    "NOPERM": "let the user do that: ACL SETUSER <user> +{command}",
    "NOPERM of a key": "let the user read it: ACL SETUSER <user> %R~KEY, before 7.0 ~KEY",
    "DENIED": "it is in protected mode: set a password (requirepass) or `bind` it to the address that is asked",
    "LOADING": "it reads its dataset into memory; redis_loading_dump_file is 1 until it is done",
    "MASTERDOWN": "the replica has lost its primary and must not answer (replica-serve-stale-data no)",
    "BUSY": "a script runs for too long: SCRIPT KILL, or FUNCTION KILL, ends one that has written nothing",
    "MOVED": "the key lies on another node of the cluster: make that a target, and list the key there",
    "ASK": "the key is on its way to another node of the cluster",
    "CLUSTERDOWN": "the cluster has slots that no node serves: see CLUSTER INFO",
    "max number of clients": "raise maxclients, or close clients: CLIENT LIST shows them",
    "invalid password": "correct the password",
    "unknown command 'AUTH'": "leave user and password out: the server knows no AUTH, or it was renamed",
    "without any password configured": "leave the password out: the server has none, or set it there with requirepass",
    "wrong number of arguments for 'auth'": "leave the user out: before version 6 there are only passwords",
    "invalid DB index": "correct the number of the database; `databases` in redis.conf says how many there are",
    "DB index is out of range": "correct the number of the database; `databases` in redis.conf says how many there are",
    "SELECT is not allowed in cluster mode": "leave the database out: a cluster has only 0",
}
_DENIALS: Final = ("NOPERM", "NOAUTH", "WRONGPASS")
_NO_CERTIFICATE: Final = (
    "see its log: it may want a client certificate (`client_cert`, `client_key`), or not trust the one it got"
)
_REFUSED: Final = "start the server, or correct host and port; it listens where `bind` and `port` say"
_SILENT: Final = "it hangs, or does one slow command: see SLOWLOG GET, and whether its process runs or swaps"


class Denied(Trouble):
    """The server lets us not in, or not do that, and will not soon: one may log each time that we ask."""


def refused(answer: Refusal, command: str = "") -> Trouble:
    """Return why the server did not do a command, and the remedy where one is known."""
    # what follows is what was asked, cut anywhere: of a password that is a piece, which nobody would know to hide
    said = answer.partition(", with args beginning with")[0].replace("`", "'")
    key = answer.code if answer.code in _FIXES else next((words for words in _FIXES if words in said), "")
    fix = _FIXES.get(f"{key} of a key" if answer.is_of_key else key, "")
    kind = Denied if any(code in said for code in _DENIALS) else Trouble
    return kind(said.removeprefix("ERR "), fix.format(command=command))


def withheld(answer: Refusal, command: str) -> Trouble:
    """Return why a read has nothing to tell: the user may not, or the server does not know the command."""
    if answer.code == "NOPERM" and not answer.is_of_key:
        return NotApplicable(f"the user may not do {command.replace('|', ' ').upper()}", refused(answer, command).fix)
    if answer.is_unknown:
        return NotApplicable(f"the server does not know {command.replace('|', ' ').upper()}, or it was renamed")
    return refused(answer, command)


def strange(command: str) -> Trouble:
    """Return the trouble with an answer of another shape than the command's."""
    return Trouble(f"{command} answers what is not Redis' to answer", "see what listens there, as a proxy may")


def listed(answer: Any, command: str) -> list[Any]:
    """Return an answer that has to be a list."""
    if not isinstance(answer, list):
        raise strange(command)
    return answer


def broken(error: Exception, address: Address, seconds: float) -> Trouble:
    """Return why there is no talking with the server at all."""
    place = address.place
    if isinstance(error, SilentError):
        fix = "it hangs, or speaks no TLS: redis:// is without TLS"
        return Trouble(f"{place} has not answered within {seconds:g} s when TLS was to begin", fix)
    if isinstance(error, TimeoutError):
        return Trouble(f"{place} has not answered in full within {seconds:g} s", _SILENT)
    if isinstance(error, ssl.SSLCertVerificationError):
        fix = "name the authority that signed it with `ca_file`, or renew the certificate"
        return Trouble(f"the certificate of {place} is not trusted ({error.verify_message.rstrip('.')})", fix)
    if isinstance(error, ssl.SSLError):
        return _no_tls(error, place)
    if isinstance(error, socket.gaierror):
        return Trouble(f"the host of {place} is not known ({error.strerror})", "correct the address, or name service")
    if isinstance(error, StrangeError):
        said = f": {error}" if str(error) else ""
        return Trouble(f"{place} does not answer as Redis does{said}", _strange_fix(str(error)))
    return _unreachable(error, address)


def _strange_fix(said: str) -> str:
    if said.startswith(".."):  # an alert of TLS, as a server of TLS answers plain text
        return "it may speak TLS: try rediss:// in `url`"
    return "see what listens there, and correct host and port"


def _no_tls(error: ssl.SSLError, place: str) -> Trouble:
    reason = error.reason or str(error)
    if isinstance(error, ssl.SSLEOFError):
        return Trouble(f"{place} hung up ({reason})", _NO_CERTIFICATE)
    if "CERTIFICATE_REQUIRED" in reason or "HANDSHAKE_FAILURE" in reason:
        return Trouble(f"{place} wants a client certificate ({reason})", "give `client_cert` and `client_key`")
    if "UNKNOWN_CA" in reason or "BAD_CERTIFICATE" in reason:
        return Trouble(f"{place} does not take the client certificate ({reason})", "see its tls-ca-cert-file")
    return Trouble(f"{place} speaks no TLS that is understood ({reason})", "redis:// is without TLS; correct the port")


def _unreachable(error: Exception, address: Address) -> Trouble:
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    fix = _REFUSED
    if address.path:
        fix = "start the server, or correct the path (`unixsocket`), and let the exporter's user in (`unixsocketperm`)"
    elif isinstance(error, ConnectionResetError | BrokenPipeError):
        fix = _NO_CERTIFICATE if address.tls else "see its log: it may speak TLS (rediss://), or have ended"
    return Trouble(f"{address.place} cannot be reached ({reason})", fix)
