"""The line of a probe: name look-up, connecting and TLS, each with its seconds, and what was seen on the way."""

import errno
import http.client
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final, Literal

from exporter.collector import Trouble, Unable
from exporter.deadline import Cancel, Deadline
from exporter.lookup import addresses

Family = Literal["any", "prefer_ipv4", "prefer_ipv6", "ipv4", "ipv6"]
"""Which addresses of a host are taken: all in the order of the name service, one kind first, or one kind alone."""

_FAMILIES: Final = {4: socket.AF_INET, 6: socket.AF_INET6}
_VERSIONS: Final = {"TLSv1": "TLS 1.0", "TLSv1.1": "TLS 1.1", "TLSv1.2": "TLS 1.2", "TLSv1.3": "TLS 1.3"}
_OURS: Final = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS)
_MORE: Final = "raise the limit of open files of its unit (LimitNOFILE=), or see what takes the machine's memory"
_NAMES: Final = "see whether it runs: `getent ahosts` with the host's name, and /etc/resolv.conf"
_DER: Final = 2  # what the ssl module calls ENCODING_DER, and keeps to itself before Python 3.13


@dataclass(frozen=True, slots=True)
class Shown:
    """What a server showed in a handshake: its chain as sent and the one that was found good, in DER, its own first.

    `verified` is None where nobody asked whether its certificate is good; `problem` says why it is not. Nothing else is
    known of one that could not be looked at again.
    """

    version: str = ""
    cipher: str = ""
    chain: tuple[bytes, ...] = ()
    trusted: tuple[bytes, ...] = ()
    verified: bool | None = None
    problem: str = ""


@dataclass(slots=True)
class Sight:
    """What was seen, as far as it came; seconds add up over all lines that were opened with it.

    `looked_up` is how long the first look-up of a name took.
    """

    resolve: float = 0.0
    connect: float = 0.0
    tls: float = 0.0
    looked_up: float | None = None
    address: str = ""
    shown: Shown | None = None

    @property
    def ip_protocol(self) -> int | None:
        """4 or 6, as the last address was; None where none was found."""
        return (6 if ":" in self.address else 4) if self.address else None

    @contextmanager
    def timing(self, phase: str) -> Iterator[None]:
        """Add what the block takes to a phase, also where it fails."""
        begun = time.monotonic()
        try:
            yield
        finally:
            setattr(self, phase, getattr(self, phase) + time.monotonic() - begun)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a probe goes."""

    host: str
    port: int
    family: Family = "any"


@contextmanager
def opened(place: Place, deadline: Deadline, cancel: Cancel, sight: Sight) -> Iterator[socket.socket]:
    """Be connected to the first address that answers while the block runs, or until cancelled.

    OSError where nobody answers, TimeoutError past the deadline; socket.gaierror where there is no such host.
    """
    found = located(place, deadline, sight)
    for number, address in enumerate(found, 1):
        with ExitStack() as stack:
            try:
                line = _connected(stack, address, share(deadline, len(found) - number), cancel, sight)
            except OSError:
                if number == len(found) or cancel.cancelled:
                    raise
                continue
            line.settimeout(deadline.left())
            yield line
            return


def _connected(stack: ExitStack, found: Any, seconds: float, cancel: Cancel, sight: Sight) -> socket.socket:
    """Return a line that is cut when cancelled, and closed with the stack."""
    family, kind, protocol, _, address = found
    sight.address = str(address[0])
    line = stack.enter_context(socket.socket(family, kind, protocol))  # fails where the system has no such family
    stack.enter_context(cancel.cutting(line))
    with sight.timing("connect"):
        line.settimeout(seconds)
        line.connect(address)
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return line


def share(deadline: Deadline, others: int) -> float:
    """Return the seconds for one address while others wait: one that swallows everything must leave them most."""
    return deadline.left() / (others + 2 if others else 1)


def located(place: Place, deadline: Deadline, sight: Sight) -> list[Any]:
    """Return the addresses of a place, as getaddrinfo tells them and of the family that is wanted; at least one."""
    try:
        with sight.timing("resolve"):
            found = addresses(place.host, place.port, deadline.left)
    except TimeoutError:
        raise Trouble("the name service has not answered in time", _NAMES) from None
    finally:
        sight.looked_up = sight.resolve if sight.looked_up is None else sight.looked_up
    if place.family == "any":
        return found
    wanted = _FAMILIES[int(place.family[-1])]
    if place.family.startswith("prefer"):
        return sorted(found, key=lambda one: one[0] != wanted)
    if chosen := [one for one in found if one[0] == wanted]:
        return chosen
    version = place.family[-1]
    raise Trouble(
        f"the host has no address of IPv{version}", "correct the name service, or take any family of addresses"
    )


def unable(error: Exception) -> Unable | None:
    """Return why nothing could be looked at, where an error tells that of this machine; None where it does not."""
    if isinstance(error, OSError) and error.errno in _OURS:
        return Unable(f"this machine lets the exporter open nothing more ({error.strerror})", _MORE)
    return None


@contextmanager
def secured(
    line: socket.socket, context: ssl.SSLContext, name: str, deadline: Deadline, sight: Sight
) -> Iterator[ssl.SSLSocket]:
    """Speak TLS on a line while the block runs, and note what was shown; ssl.SSLError where that fails.

    A certificate that does not verify is an ssl.SSLCertVerificationError; `unverified` shows it all the same.
    """
    with sight.timing("tls"):
        line.settimeout(deadline.left())
        spoken = context.wrap_socket(line, server_hostname=name)
    with spoken:
        sight.shown = shown_by(spoken, verified=True if context.verify_mode == ssl.CERT_REQUIRED else None)
        yield spoken


@contextmanager
def connected(
    place: Place, context: ssl.SSLContext, name: str, deadline: Deadline, cancel: Cancel, sight: Sight
) -> Iterator[ssl.SSLSocket]:
    """Be connected by TLS while the block runs; what does not verify fails, after a second look at its certificate."""
    with opened(place, deadline, cancel, sight) as line:
        try:
            with secured(line, context, name, deadline, sight) as spoken:
                yield spoken
        except ssl.SSLCertVerificationError as error:
            at = Place(sight.address, place.port)
            unverified(opened(at, deadline, cancel, Sight()), name, error, deadline, sight)
            raise


def unverified(
    again: AbstractContextManager[socket.socket],
    name: str,
    error: ssl.SSLCertVerificationError,
    deadline: Deadline,
    sight: Sight,
) -> None:
    """Note what a server shows whose certificate did not verify, in a handshake that trusts anyone, on another line.

    Nothing is sent on that line. Where it fails, it is noted all the same that the certificate is not good.
    """
    problem, look = error.verify_message.rstrip("."), Sight()
    sight.shown = Shown(verified=False, problem=problem)
    with (
        suppress(OSError, Trouble, http.client.HTTPException),  # the last is of a proxy on the way
        again as line,
        secured(line, trusting(), name, deadline, look),
    ):
        if (seen := look.shown) is not None:
            sight.shown = replace(seen, verified=False, problem=problem)


@lru_cache(maxsize=1)
def trusting() -> ssl.SSLContext:
    """Return a context that takes any certificate, to look at it; nothing may be sent over it that is not for all."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def shown_by(line: ssl.SSLSocket, *, verified: bool | None) -> Shown:
    """Return what the other side of a line showed in its handshake."""
    cipher = line.cipher()
    version = line.version() or ""
    return Shown(
        version=_VERSIONS.get(version, version),
        cipher=cipher[0] if cipher else "",
        chain=_chain(line, "get_unverified_chain"),
        trusted=_chain(line, "get_verified_chain") if verified else (),
        verified=verified,
    )


def _chain(line: ssl.SSLSocket, method: str) -> tuple[bytes, ...]:
    if hasattr(line, method):  # Python 3.13 and later
        return tuple(getattr(line, method)())
    found = getattr(line._sslobj, method)()  # type: ignore[attr-defined]
    return tuple(one.public_bytes(_DER) for one in found or ())
