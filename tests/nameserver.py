"""A name server that answers as a test wants it: well, falsely, late, cut off, or not at all."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

Told = Callable[[dns.message.Message, str], Iterable[bytes]]
"""Returns the messages that are sent for a question that came by `udp` or `tcp`."""


@dataclass(slots=True)
class NameServer:
    """Where it is, and what it was asked."""

    port: int
    asked: list[tuple[str, dns.message.Message]] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.port}"


def reply(question: dns.message.Message, *records: str, code: str = "NOERROR", flags: int = 0,
          authority: tuple[str, ...] = (), additional: tuple[str, ...] = ()) -> bytes:  # fmt: skip
    """Return an answer; each record is `NAME TTL CLASS TYPE DATA`."""
    answer = dns.message.make_response(question)
    answer.flags |= flags
    answer.set_rcode(dns.rcode.from_text(code))
    for section, lines in ((answer.answer, records), (answer.authority, authority), (answer.additional, additional)):
        for line in lines:
            name, ttl, klass, kind, data = line.split(maxsplit=4)
            section.append(dns.rrset.from_text(name, int(ttl), klass, kind, data))
    return answer.to_wire()


def good(question: dns.message.Message, way: str) -> Iterable[bytes]:  # the same by either
    """Answer with an address."""
    yield reply(question, f"{question.question[0].name} 300 IN A 192.0.2.7")


@contextmanager
def serving(told: Told, tls: ssl.SSLContext | None = None) -> Iterator[NameServer]:
    """Serve by UDP and TCP, or by TLS, while the block runs."""
    with socket.create_server(("127.0.0.1", 0)) as lines, socket.socket(type=socket.SOCK_DGRAM) as packets:
        port = lines.getsockname()[1]
        packets.bind(("127.0.0.1", port))
        server = NameServer(port)
        threads = [
            threading.Thread(target=_by_udp, args=(packets, told, server), daemon=True),
            threading.Thread(target=_by_tcp, args=(lines, told, server, tls), daemon=True),
        ]
        for thread in threads:
            thread.start()
        try:
            yield server
        finally:
            server.stop.set()
            for one in (lines, packets):
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join(10)


def _by_udp(packets: socket.socket, told: Told, server: NameServer) -> None:
    with suppress(OSError):
        while not server.stop.is_set():
            data, whom = packets.recvfrom(4096)
            if not data:
                continue
            question = dns.message.from_wire(data)
            server.asked.append(("udp", question))
            for answer in told(question, "udp"):
                packets.sendto(answer, whom)


def _by_tcp(lines: socket.socket, told: Told, server: NameServer, tls: ssl.SSLContext | None) -> None:
    with suppress(OSError):
        while True:
            line, _ = lines.accept()
            threading.Thread(target=_on_line, args=(line, told, server, tls), daemon=True).start()


def _on_line(plain: socket.socket, told: Told, server: NameServer, tls: ssl.SSLContext | None) -> None:
    with suppress(OSError), plain if tls is None else tls.wrap_socket(plain, server_side=True) as line:
        head = line.recv(2)
        if not head:  # one that only looks at the certificate
            return
        question = dns.message.from_wire(line.recv(int.from_bytes(head, "big")))
        server.asked.append(("tcp", question))
        for answer in told(question, "tcp"):
            line.sendall(len(answer).to_bytes(2, "big") + answer)
