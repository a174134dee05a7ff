"""What went wrong with the broker, in words, and what can be done about it."""

import socket
import ssl

from exporter.collector import Trouble
from exporter.collectors.celery.settings import CelerySettings

_INSTALL = "install it with: pip install 'runbook-exporter[celery]'"


def explained(error: BaseException, settings: CelerySettings) -> Trouble:
    """Return what a library raised as Trouble that names the broker and the remedy."""
    if isinstance(error, Trouble):
        return error
    where = f"the broker {settings.url!r}"
    text = " ".join(str(error).split())[:300]
    said = f"{type(error).__name__}: {text}".rstrip(": ")
    if isinstance(error, ImportError):
        return Trouble(f"a library is missing ({error})", _INSTALL)
    if _is_refused(error, text):
        return Trouble(f"{where} refuses us ({said})", "correct user, password, database or vhost in `url`, or rights")
    if isinstance(error, ssl.SSLError):
        return Trouble(f"{where} cannot be trusted ({said})", "give the authority in `ca_file`, or correct `url`")
    if isinstance(error, TimeoutError | socket.timeout) or "Timeout" in type(error).__name__:
        return Trouble(f"{where} does not answer ({said})", "see whether it hangs, or is busy")
    if isinstance(error, OSError) or type(error).__module__.partition(".")[0] in ("redis", "amqp", "kombu"):
        return Trouble(f"{where} cannot be reached, or is lost ({said})", "see whether it runs, and correct `url`")
    return Trouble(said)


def _is_refused(error: BaseException, text: str) -> bool:
    name = type(error).__name__
    signs = ("NOAUTH", "WRONGPASS", "NOPERM", "invalid username", "ACCESS_REFUSED", "DB index is out of range")
    names = ("AuthenticationError", "NoPermissionError", "AuthorizationError", "AccessRefused", "NotAllowed")
    return name in names or any(sign in text for sign in signs)
