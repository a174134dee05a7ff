"""One echo request over ICMP, and the reply to it, whatever else comes."""

import errno
import os
import socket
import struct
import time
from dataclasses import dataclass
from typing import Any, Final

from exporter.collector import Unable
from exporter.deadline import Deadline
from exporter.packets import Arrivals

_REQUEST: Final = {socket.AF_INET: 8, socket.AF_INET6: 128}
_REPLY: Final = {socket.AF_INET: 0, socket.AF_INET6: 129}
_PROTOCOL: Final = {socket.AF_INET: socket.IPPROTO_ICMP, socket.AF_INET6: socket.IPPROTO_ICMPV6}
_HEAD: Final = struct.Struct("!BBHHH")
_NOT_THIS_WAY: Final = (errno.EACCES, errno.EPERM, errno.EPROTONOSUPPORT)
_LARGEST: Final = 66_000
_ANCILLARY: Final = 256
# Linux' numbers, which the socket module lacks for IPv4
_IP_RECVTTL: Final = getattr(socket, "IP_RECVTTL", 12)
_FIX: Final = (
    "give the exporter's group to net.ipv4.ping_group_range (sysctl), or the capability CAP_NET_RAW to its unit"
)


@dataclass(frozen=True, slots=True)
class Reply:
    """How long the reply took, and how many hops it had left."""

    seconds: float
    hop_limit: int | None


def opened(family: int, hop_limit: int | None) -> tuple[socket.socket, bool]:
    """Return a socket for ICMP, and whether it is a raw one; Unable where neither kind is permitted."""
    for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):  # the first needs no rights but the group's
        try:
            line = socket.socket(family, kind, _PROTOCOL[socket.AddressFamily(family)])
        except OSError as error:
            if error.errno not in _NOT_THIS_WAY:
                raise
            continue
        try:
            _configure(line, family, hop_limit)
        except OSError:
            line.close()
            raise
        return line, kind == socket.SOCK_RAW
    raise Unable("the exporter may not send ICMP", _FIX)


def _configure(line: socket.socket, family: int, hop_limit: int | None) -> None:
    if family == socket.AF_INET6:
        line.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
        if hop_limit is not None:
            line.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, hop_limit)
        return
    line.setsockopt(socket.IPPROTO_IP, _IP_RECVTTL, 1)
    if hop_limit is not None:
        line.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, hop_limit)


class Echo:
    """A request, told from all others by the random bytes in it."""

    def __init__(self, family: int, size: int) -> None:
        self._family = socket.AddressFamily(family)
        self._identifier, self._number = struct.unpack("!HH", os.urandom(4))
        self._payload = os.urandom(min(size, 16)).ljust(size, b"\0")

    def message(self) -> bytes:
        """Return the request as it is sent; of IPv6 the system makes the checksum."""
        head = _HEAD.pack(_REQUEST[self._family], 0, 0, self._identifier, self._number)
        whole = head + self._payload
        if self._family == socket.AF_INET6:
            return whole
        return whole[:2] + checksum(whole).to_bytes(2, "big") + whole[4:]

    def is_answered_by(self, data: bytes) -> bool:
        """Tell whether a message is the reply; of unprivileged sockets the system sets the identifier."""
        if len(data) != _HEAD.size + len(self._payload):
            return False
        kind, code, _, _, number = _HEAD.unpack_from(data)
        right = (kind, code, number) == (_REPLY[self._family], 0, self._number)
        return right and data[_HEAD.size :] == self._payload


def exchange(packets: socket.socket, arrivals: Arrivals, echo: Echo, deadline: Deadline, *, raw: bool) -> Reply:
    """Send the request over a connected socket, and wait for its reply; TimeoutError where none comes."""
    begun = time.monotonic()
    packets.send(echo.message())
    while True:
        arrivals.wait(deadline)
        try:
            data, ancillary, _, _ = packets.recvmsg(_LARGEST, _ANCILLARY)
        except BlockingIOError:  # it was broken on the way, and the system has dropped it
            continue
        taken = time.monotonic() - begun
        if raw and packets.family == socket.AF_INET:  # its header comes along
            data = data[(data[0] & 0x0F) * 4 :] if data else data
        if echo.is_answered_by(data):
            return Reply(taken, _hop_limit(ancillary))


def _hop_limit(ancillary: list[Any]) -> int | None:
    wanted = ((socket.IPPROTO_IP, socket.IP_TTL), (socket.IPPROTO_IPV6, socket.IPV6_HOPLIMIT))
    for level, kind, data in ancillary:
        if (level, kind) in wanted and len(data) >= 4:
            found: int = struct.unpack_from("@i", data)[0]
            return found
    return None


def checksum(data: bytes) -> int:
    """Return the checksum of the Internet's protocols."""
    total: int = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
