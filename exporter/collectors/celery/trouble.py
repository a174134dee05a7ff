"""What went wrong with the broker, in words, and what can be done about it."""

import re
import socket
import ssl
from typing import Final

from exporter.collector import Trouble
from exporter.collectors.celery.address import scheme_of
from exporter.collectors.celery.settings import CelerySettings
from exporter.collectors.redis.dial import SilentError
from exporter.collectors.redis.trouble import Denied
from exporter.secret import redact

_INSTALL: Final = "install it with: pip install 'runbook-exporter[celery]'"
_LOGIN: Final = "correct user, password, database or vhost in `url`, or rights"
_ACL: Final = "let the user do that: docs/celery.md has the lines of ACL SETUSER"
_AUTHORITY: Final = "name the authority that signed it with `ca_file`, or renew the certificate"
_CERTIFICATE: Final = "give `client_cert` and `client_key`, and see the broker's log"
_NO_TLS: Final = "`redis://` and `amqp://` are without TLS; or correct the port"

# what RabbitMQ says, as "Queue.bind: (403) ACCESS_REFUSED - access to exchange 'celeryev' in vhost '/' refused ..."
_DENIED: Final = re.compile(r"(\w+\.\w+): \(403\) ACCESS_REFUSED - access to (queue|exchange) '([^']+)'")
_RIGHTS: Final = {
    "Queue.declare": "configure", "Exchange.declare": "configure", "Queue.bind": "write", "Basic.publish": "write",
    "Basic.consume": "read", "Queue.bind exchange": "read",
}  # fmt: skip


def explained(error: BaseException, settings: CelerySettings) -> Trouble:
    """Return what a library raised as Trouble that names the broker and the remedy."""
    if isinstance(error, Trouble):
        return error
    where = f"the broker {settings.url!r}"
    text = " ".join(redact(str(error)).split())[:300]  # a secret that is cut would be known to nobody
    said = f"{type(error).__name__}: {text}".rstrip(": ")
    if isinstance(error, ImportError):
        return Trouble(f"a library is missing ({error})", _INSTALL)
    if _is_refused(error, text):
        return _of_rights(text, where) or Denied(f"{where} refuses us ({said})", _ACL if "NOPERM" in text else _LOGIN)
    if isinstance(error, ssl.SSLError):
        return _of_tls(error, where)
    if isinstance(error, SilentError):
        return Trouble(f"{where} says nothing when TLS is to begin", "it hangs, or speaks no TLS: redis:// is without")
    if isinstance(error, TimeoutError | socket.timeout) or "Timeout" in type(error).__name__:
        return Trouble(f"{where} does not answer ({said})", "see whether it hangs, or is busy")
    if isinstance(error, OSError) or type(error).__module__.partition(".")[0] in ("redis", "amqp", "kombu"):
        return Trouble(f"{where} cannot be reached, or is lost ({said})", _lost_fix(error, settings))
    return Trouble(said)


def _lost_fix(error: BaseException, settings: CelerySettings) -> str:
    hung_up = isinstance(error, ConnectionResetError) or "unexpectedly closed" in str(error)
    if hung_up and scheme_of(settings.url.reveal()) not in ("rediss", "amqps"):
        return "see its log: it may have ended, or may speak TLS there (`rediss://`, `amqps://`)"
    return "see whether it runs, and correct `url`"


def _of_tls(error: ssl.SSLError, where: str) -> Trouble:
    """Return why TLS does not come about."""
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = error.verify_message.rstrip(".")
        is_name = "mismatch" in reason
        fix = "correct the host in `url` to a name that it is for" if is_name else _AUTHORITY
        return Trouble(f"the certificate of {where} is not trusted ({reason})", fix)
    reason = error.reason or str(error)
    if any(sign in reason for sign in ("CERTIFICATE_REQUIRED", "HANDSHAKE_FAILURE", "EOF")):
        return Trouble(f"{where} wants a client certificate, or hung up ({reason})", _CERTIFICATE)
    if any(sign in reason for sign in ("UNKNOWN_CA", "BAD_CERTIFICATE", "UNSUPPORTED_CERTIFICATE")):
        return Trouble(f"{where} does not take the client certificate ({reason})", "see which authorities it trusts")
    return Trouble(f"{where} speaks no TLS that is understood ({reason})", _NO_TLS)


def _of_rights(text: str, where: str) -> Trouble | None:
    """Return which right is lacking in RabbitMQ, if it is that; the name of a queue of our own is another each time."""
    found = _DENIED.search(text)
    if found is None:
        return None
    method, kind, name = found.groups()
    name = "amq.gen-.*" if name.startswith("amq.gen-") else name
    right = _RIGHTS.get(f"{method} {kind}") or _RIGHTS.get(method) or "configure, write or read"
    reason = f"{where} refuses us: {method} on the {kind} {name} is not allowed"
    return Denied(reason, f"let the user {right} `{name}`: `rabbitmqctl set_permissions`, as docs/celery.md has it")


def _is_refused(error: BaseException, text: str) -> bool:
    name = type(error).__name__
    signs = ("NOAUTH", "WRONGPASS", "NOPERM", "invalid username", "ACCESS_REFUSED", "DB index is out of range")
    names = ("AuthenticationError", "NoPermissionError", "AuthorizationError", "AccessRefused", "NotAllowed")
    return name in names or any(sign in text for sign in signs)
