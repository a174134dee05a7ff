"""TCP and UDP sockets: how many are in each state, and what waits in their queues."""

import os
import socket
import struct
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from exporter.collector import Trouble, read
from exporter.collectors.system.host import Host
from exporter.collectors.system.network import has_net_file, net_file, reading
from exporter.metric import Samples, gauge

TCP_CONNECTION_STATES = gauge(
    "node_tcp_connection_states",
    "TCP sockets by state, and the bytes that wait in the queues of those that do not listen.",
    labels=("state",),
    source="netlink sock_diag, or /proc/net/tcp and tcp6",
)
# In the order of the kernel's numbers, which begin at 1.
_TCP_STATES: Final = (
    "established", "syn_sent", "syn_recv", "fin_wait1", "fin_wait2", "time_wait", "close", "close_wait", "last_ack",
    "listen", "closing",
)  # fmt: skip
_LISTEN: Final = 10
_MOST_SOCKETS: Final = 500_000  # a second or so of work

UDP_QUEUES = gauge(
    "node_udp_queues",
    "Bytes that wait in the queues of UDP sockets.",
    labels=("ip", "queue"),
    source="/proc/net/udp and udp6",
)


@read
def tcp_states(host: Host) -> Samples:
    """TCP sockets by state, over netlink, or from /proc/net/tcp and tcp6 where it is not permitted."""
    tally = _tcp(host)
    for state, name in enumerate(_TCP_STATES, 1):
        yield TCP_CONNECTION_STATES(tally.by_state[state], state=name)
    yield TCP_CONNECTION_STATES(tally.received, state="rx_queued_bytes")
    yield TCP_CONNECTION_STATES(tally.sent, state="tx_queued_bytes")


def _tcp(host: Host) -> "_Tally":
    if host.procfs == "/proc":  # netlink speaks of our own network, which elsewhere may not be the host's
        with suppress(OSError):
            return _tcp_by_netlink()
    return _count(line for name in ("tcp", "tcp6") for line in _socket_lines(host, name))


@dataclass(slots=True)
class _Tally:
    """How many sockets are in each state, and the bytes that wait in their queues."""

    by_state: list[int] = field(default_factory=lambda: [0] * 256)
    sent: int = 0
    received: int = 0

    def add(self, states: bytes, sent: list[int], received: list[int]) -> None:
        for state in set(states):
            self.by_state[state] += states.count(state)
        if _LISTEN in states:  # whose figures are connections, not bytes
            sent, received = ([size for state, size in zip(states, sizes, strict=True) if state != _LISTEN]
                              for sizes in (sent, received))  # fmt: skip
        self.sent += sum(sent)
        self.received += sum(received)


def _count(sockets: Iterable[tuple[int, int, int]]) -> _Tally:
    tally, columns = _Tally(), list(zip(*sockets, strict=True))
    if columns:
        states, sent, received = columns
        tally.add(bytes(states), list(sent), list(received))
    return tally


# struct inet_diag_req behind a struct nlmsghdr, from linux/inet_diag.h. The older request, TCPDIAG_GETSOCK, as it
# answers for IPv4 and IPv6 in one walk over the kernel's table, which is most of the work.
_TCPDIAG_GETSOCK, _REQUEST_DUMP, _SOCK_DIAG = 18, 0x301, 4
_TCP_REQUEST = struct.pack(
    "=IHHII4B48xII", 76, _TCPDIAG_GETSOCK, _REQUEST_DUMP, 1, 0, socket.AF_INET, 0, 0, 0, 0xFFE, 0
)
_HEADER = struct.Struct(
    "=IH10xi"
)  # of a struct nlmsghdr length and type; behind it netlink's own messages say an error
_FIRST_ANSWER: Final = 16  # types below are netlink's own
# Behind the header of an answer stands a struct inet_diag_msg: its state is a byte, its queues are words.
_STATE: Final = 17
_RECEIVED, _SENT = 72 // 4, 76 // 4


def _tcp_by_netlink() -> _Tally:
    tally = _Tally()
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG) as link:
        link.send(_TCP_REQUEST)
        while sum(tally.by_state) <= _MOST_SOCKETS:
            part = memoryview(link.recv(1 << 17))
            while part:
                length, kind, error = _HEADER.unpack_from(part)
                if kind < _FIRST_ANSWER:  # the end, or an error
                    if error:
                        raise OSError(-error, os.strerror(-error))
                    return tally
                part = _take_run(tally, part, (length + 3) & ~3)
    raise Trouble(f"there are more than {_MOST_SOCKETS:,} TCP sockets")


def _take_run(tally: _Tally, part: memoryview, length: int) -> memoryview:
    """Count the answers of one length that stand at the beginning, and return what is behind them.

    Taken together they cost a sixth of what they cost one by one, and a busy server has thousands in TIME_WAIT.
    """
    stride, most = length // 4, len(part) // length
    words = part[: most * length].cast("I")
    lengths = words[::stride].tolist()
    count = most if lengths.count(length) == most else next(i for i, other in enumerate(lengths) if other != length)
    run = words[: count * stride]
    tally.add(
        bytes(part[: count * length][_STATE::length]), run[_SENT::stride].tolist(), run[_RECEIVED::stride].tolist()
    )
    return part[count * length :]


def _socket_lines(host: Host, name: str) -> Iterator[tuple[int, int, int]]:
    if name.endswith("6") and not has_net_file(host, name):
        return
    with reading(name):
        _, *lines = net_file(host, name).splitlines()
        for line in lines:
            _, _, _, state, queues, _ = line.split(None, 5)
            sent, received = queues.split(":")
            yield int(state, 16), int(sent, 16), int(received, 16)


@read
def udp_queues(host: Host) -> Samples:
    """Bytes that wait in the queues of UDP sockets, from /proc/net/udp and udp6."""
    for name, ip in (("udp", "v4"), ("udp6", "v6")):
        if name == "udp" or has_net_file(host, name):
            waiting = _count(_socket_lines(host, name))
            yield UDP_QUEUES(waiting.sent, ip=ip, queue="tx")
            yield UDP_QUEUES(waiting.received, ip=ip, queue="rx")
