"""Users and their passwords: bcrypt hashes, checked apart from the event loop, and remembered."""

import asyncio
import binascii
import hmac
import logging
import math
import secrets
import time
from asyncio import Future
from base64 import b64decode
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from exporter.answer import Answer, text
from exporter.ratelimit import Buckets
from exporter.secret import Secret

log = logging.getLogger(__name__)

_FAILURES: Final = 10  # of one peer with one name, before it has to wait
_FAILURE_SECONDS: Final = 10.0  # and so often from then on
_AT_ONCE: Final = 4  # passwords of one peer that wait for their check
_AT_ONCE_IN_ALL: Final = 64  # where so many wait, a peer has one
_AT_MOST: Final = 256  # who waits holds a connection, and known ones need some
_REMEMBERED: Final = 1024
_BCRYPT_READS: Final = 72  # bytes of a password; the library refuses more, others leave the rest unread
_WARN_SECONDS: Final = 60.0

Login = tuple[bytes, bytes]
"""A name and a password, as they were sent."""


def login_of(header: str) -> Login | None:
    """Return the name and the password in an Authorization header, or None where there are none."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, colon, password = b64decode(encoded.strip(), validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return None
    return (name, password) if colon else None


class Users:
    """Those who may come in. A name that nobody has costs what a wrong password costs."""

    def __init__(self, hashes: Mapping[str, Secret]) -> None:
        import bcrypt  # only where there are users

        self._check = bcrypt.checkpw
        self._hashes = {name.encode(): secret.reveal().encode() for name, secret in hashes.items()}
        costs = [int(hashed.split(b"$")[2]) for hashed in self._hashes.values()]
        # what no password gives, at the price of the dearest
        self._nobody = bcrypt.gensalt(max(costs, default=10)) + b"." * 31

    def verify(self, login: Login) -> bool:
        """Whether the password is the user's own; this takes its time, whoever asks."""
        name, password = login
        hashed = self._hashes.get(name, self._nobody)
        return self._check(password[:_BCRYPT_READS], hashed) and name in self._hashes


@dataclass(slots=True)
class _Check:
    """A login that is being checked, or waits for it, and how many requests came with it."""

    right: Future[bool]
    requests: int = 0


class Logins:
    """Lets users in: a login is checked once, then remembered; wrong ones have to wait after a while.

    A login that was right once is let in at once, whatever others do. What has yet to be checked waits in one line, in
    which no peer has more than a few places, and in a long one no more than one. Requests with the same login wait for
    the same check.
    """

    def __init__(
        self, hashes: Mapping[str, Secret], checker: Executor, rest: Callable[[float], None] = time.sleep
    ) -> None:
        self._users = Users(hashes)
        self._key = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, None] = OrderedDict()
        self._wrong: OrderedDict[bytes, None] = OrderedDict()
        self._failures = Buckets(_FAILURES, _FAILURE_SECONDS)
        self._waiting: Counter[str] = Counter()
        self._checks: dict[bytes, _Check] = {}
        self._checker = checker
        self._rest = rest
        self._silent_until = 0.0
        self._has_raised = False

    async def refusal(self, peer: str, header: str) -> Answer | None:
        """Return why the peer may not come in, or None where it may."""
        login = login_of(header)
        if login is None:
            return _unknown()
        mark = self._mark(*login)
        if _has(self._right, mark):
            return None
        if mark not in self._checks:
            account = (peer, self._mark(login[0]))
            wrong = _has(self._wrong, mark)
            refused = self._has_to_wait(peer, account, wrong)
            if refused or wrong:
                return refused or _unknown()
            self._begin(peer, account, login, mark)
        return None if await self._checked(mark) else _unknown()

    def user(self, header: str) -> str:
        """Return the user whose login an Authorization header has, if it has been found right; else nothing."""
        login = login_of(header)
        return login[0].decode() if login is not None and _has(self._right, self._mark(*login)) else ""

    def _has_to_wait(self, peer: str, account: tuple[str, bytes], wrong: bool) -> Answer | None:
        """Take what a try costs, or return why there can be none now."""
        if not wrong and self._waiting[peer] >= _places(self._waiting.total()):
            return too_many("too many logins wait to be checked", 1.0)
        wait = self._failures.take(account)
        if not wait:
            return None
        self._complain(peer)
        return too_many("too many logins failed", wait)

    def _begin(self, peer: str, account: tuple[str, bytes], login: Login, mark: bytes) -> None:
        right = asyncio.get_running_loop().run_in_executor(self._checker, self._verify, login)
        self._waiting[peer] += 1
        self._checks[mark] = _Check(right)

        def end(right: Future[bool]) -> None:
            self._waiting -= Counter([peer])  # which forgets who has none left
            if right.cancelled():
                return
            self._checks.pop(mark, None)
            _remember(self._right if right.result() else self._wrong, mark)
            if right.result():
                self._failures.give_back(account)

        right.add_done_callback(end)

    async def _checked(self, mark: bytes) -> bool:
        """Wait for the login's check; when the last that waits for it goes, its place in the line is free again."""
        check = self._checks[mark]
        check.requests += 1
        try:
            return await asyncio.shield(check.right)
        finally:
            check.requests -= 1
            if not check.requests and check.right.cancel():
                del self._checks[mark]

    def _verify(self, login: Login) -> bool:
        begun = time.monotonic()
        try:
            right = self._users.verify(login)
        except Exception:  # of a hash that the library cannot read
            right = False
            if not self._has_raised:
                log.exception("a login is refused, since it cannot be checked; is its user's hash whole?")
            self._has_raised = True
        if not right:
            self._rest(time.monotonic() - begun)  # so that guesses cost half a processor at most
        return right

    def _mark(self, *parts: bytes) -> bytes:
        """Return what stands for a login in memory: nobody can find the password from it, nor its length."""
        digest = hmac.new(self._key, digestmod="sha256")
        for part in parts:
            digest.update(len(part).to_bytes(8, "big") + part)
        return digest.digest()

    def _complain(self, peer: str) -> None:
        now = time.monotonic()
        if now >= self._silent_until:
            self._silent_until = now + _WARN_SECONDS
            log.warning("logins from %s failed too often; it has to wait", peer)


def checker() -> Executor:
    """Return the one thread in which passwords are checked, begun with the first of them."""
    return ThreadPoolExecutor(1, thread_name_prefix="passwords")


def _places(waiting: int) -> int:
    """Return how many places a peer may have in a line of that length."""
    if waiting < _AT_ONCE_IN_ALL:
        return _AT_ONCE
    return 1 if waiting < _AT_MOST else 0


def _has(marks: OrderedDict[bytes, None], mark: bytes) -> bool:
    if mark not in marks:
        return False
    marks.move_to_end(mark)
    return True


def _remember(marks: OrderedDict[bytes, None], mark: bytes) -> None:
    marks[mark] = None
    if len(marks) > _REMEMBERED:
        marks.popitem(last=False)


def _unknown() -> Answer:
    return text(
        "a user and a password are needed", 401, WWW_Authenticate='Basic realm="runbook-exporter", charset="UTF-8"'
    )


def too_many(problem: str, wait: float) -> Answer:
    """Return the answer to a peer that has to wait."""
    return text(f"{problem}; try again later", 429, Retry_After=str(math.ceil(wait)))
