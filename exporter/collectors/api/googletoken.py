"""The access token of a Google service account, got by what is signed with the private key in its file.

The exchange: https://developers.google.com/identity/protocols/oauth2/service-account (RFC 7523).
"""

import json
import os
import time
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final
from urllib.parse import urlencode

from exporter.collector import Trouble, Unable
from exporter.collectors.api.asking import ask, document, document_or_none, json_body
from exporter.collectors.api.found import Refused, Verdict
from exporter.collectors.api.googlerefusal import verdict_of
from exporter.collectors.api.settings import APISettings
from exporter.deadline import Cancel
from exporter.fetch import Reply
from exporter.secret import forget, hide

_SCOPE: Final = "https://www.googleapis.com/auth/monitoring.read"
_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_FORM: Final = "application/x-www-form-urlencoded"
_LONGEST_FILE: Final = 64 << 10
_BEFORE: Final = 300.0  # seconds that a token is renewed before its end
_LASTS: Final = 3600  # seconds that Google's tokens last
_AT_LEAST: Final = 60.0  # seconds that one is used, else each request would ask for another; where it ends, a 401 tells
_INSTALL: Final = "install it with: pip install 'runbook-exporter[api]'"
_NEW_FILE: Final = "make a new key of the service account in Google's console, as JSON, and give its file"
_CLOCK: Final = ("short-lived", "reasonable timeframe", "check your iat and exp")
_OF_THE_KEY: Final = ("invalid_grant", "invalid_client", "unauthorized_client", "deleted_client", "disabled_client")


@dataclass(frozen=True, slots=True)
class _Account:
    """What a key file holds."""

    email: str
    key_id: str
    token_uri: str
    key: Any

    def signed(self, now: float) -> str:
        """Return the request for a token, signed."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding

        began = int(now)
        header = {"alg": "RS256", "typ": "JWT", "kid": self.key_id}
        claims = {"iss": self.email, "scope": _SCOPE, "aud": self.token_uri, "iat": began, "exp": began + 3600}
        said = f"{_base64(json_body(header))}.{_base64(json_body(claims))}"
        signature = self.key.sign(said.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{said}.{_base64(signature)}"


class ServiceAccount:
    """A service account: its file is read again when it changes, its token is kept in memory alone."""

    def __init__(self, settings: APISettings) -> None:
        self._settings = settings
        self._lock = Lock()  # two looks may want a token at once
        self._read: tuple[object, _Account] | None = None
        self._token = self._hidden = ""
        self._until = 0.0

    def token(self, cancel: Cancel) -> str:
        """Return a token that is good; Unable where the file gives none, Refused where Google does not."""
        with self._lock:
            account = self._account()
            if not self._token or time.monotonic() >= self._until:
                self._renew(account, cancel)
            return self._token

    def drop(self, token: str) -> None:
        """Use this token no longer."""
        with self._lock:
            if self._token == token:
                self._token = ""

    def _account(self) -> _Account:
        path = self._settings.service_account_file
        try:
            status = os.stat(path)
            version = (status.st_mtime_ns, status.st_size, status.st_ino)
            if self._read is None or self._read[0] != version:
                self._token = ""
                self._read = version, _account(_text_of(path), path)
        except OSError as error:
            reason = f"{path} cannot be read ({error.strerror})"
            raise Unable(reason, "let the user of the exporter read it, or correct `service_account_file`") from None
        return self._read[1]

    def _renew(self, account: _Account, cancel: Cancel) -> None:
        given = self._settings.token_url
        url = account.token_uri if given is None else given.reveal()
        body = urlencode({"grant_type": _GRANT, "assertion": account.signed(time.time())}).encode()
        reply = ask(self._settings, url, cancel, body=body, kind=_FORM, elsewhere=True)
        if not 200 <= reply.status < 300:
            raise Refused(_refused(reply))
        answer = document(reply)
        token = answer.get("access_token") if isinstance(answer, dict) else None
        if not isinstance(token, str) or not token.isascii() or not token.isprintable() or not token:
            raise Trouble("the answer to the service account has no `access_token`", "see what `token_url` leads to")
        self._replace(token)
        self._until = time.monotonic() + _good_for(answer.get("expires_in"))

    def _replace(self, token: str) -> None:
        """Keep a token, masked wherever it is printed; the one before is soon no secret, and must not crowd others."""
        forget(self._hidden)
        hide(token)
        self._token = self._hidden = token


def _good_for(told: Any) -> float:
    """Return the seconds for which a token is used, by those that it is said to last."""
    known = isinstance(told, int | float) and 0 < told <= _LASTS
    return max(_AT_LEAST, (told if known else _LASTS) - _BEFORE)


def _text_of(path: str) -> str:
    with open(path, "rb") as file:
        return file.read(_LONGEST_FILE + 1).decode("utf-8", "replace")


def _account(text: str, path: str) -> _Account:
    try:
        told = json.loads(text) if len(text) <= _LONGEST_FILE else None
    except ValueError:
        told = None
    told = told if isinstance(told, dict) and told.get("type") == "service_account" else {}
    email, pem = told.get("client_email"), told.get("private_key")
    uri = told.get("token_uri")
    if not (isinstance(email, str) and isinstance(pem, str) and _is_address(uri)):
        raise Unable(f"{path} is no key file of a Google service account", _NEW_FILE)
    hide(pem)
    return _Account(email, str(told.get("private_key_id", "")), str(uri), _private_key(pem, path))


def _private_key(pem: str, path: str) -> Any:
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    except ImportError:
        raise Unable("a service account needs the library cryptography", _INSTALL) from None
    try:
        key = load_pem_private_key(pem.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, RSAPrivateKey):
        raise Unable(f"the private key in {path} is none that can be read", _NEW_FILE)
    return key


def _is_address(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(("https://", "http://"))


def _refused(reply: Reply) -> Verdict:
    """Return what a refusal of a token says: {"error": "invalid_grant", "error_description": ...}, RFC 6749, 5.2."""
    body = document_or_none(reply)
    told = body if isinstance(body, dict) else {}
    error, description = str(told.get("error", "")), str(told.get("error_description", "")).lower()
    if error == "invalid_grant" and any(text in description for text in _CLOCK):
        reason = "Google gives the service account no token, as the clock of this machine is off"
        return Verdict(up=True, reason=reason, fix="have it set by the network, as `timedatectl` shows")
    if error in _OF_THE_KEY and reply.status < 500:
        reason = "Google rejects the key of the service account"
        return Verdict(up=True, valid=False, reason=reason, fix=_NEW_FILE)
    if error in ("invalid_scope", "access_denied"):
        reason = "Google does not let the service account read figures"
        return Verdict(up=True, valid=True, allowed=False, reason=reason, fix="grant it the role Monitoring Viewer")
    return verdict_of(reply, time.time())


def _base64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
