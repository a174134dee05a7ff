"""Load: scrapes one after the other, many clients at once, and a crowd that never finishes its requests."""

import asyncio
import http.client
import re
import resource
import shutil
import socket
import statistics
import struct
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from tests.bench.processes import Running

WRK: Final = shutil.which("wrk")
# As Prometheus 2.42 asks.
HEADERS: Final = {
    "Accept": "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
    "Accept-Encoding": "gzip",
    "User-Agent": "Prometheus/2.42.0",
    "X-Prometheus-Scrape-Timeout-Seconds": "10",
}
_DESCRIPTORS: Final = 4096


@dataclass(slots=True)
class Scrapes:
    """What scrapes of one server took: seconds for each scrape, seconds of CPU per scrape for each batch."""

    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def percentile(self, percent: int) -> float:
        return statistics.quantiles(self.seconds, n=100, method="inclusive")[percent - 1]

    def cpu_each(self) -> float:
        return statistics.median(self.cpu)


@dataclass(frozen=True, slots=True)
class Pages:
    """What many clients at once got."""

    per_second: float
    refused: int
    client: str


class Scraper:
    """One connection, kept, over which a server is scraped as Prometheus does."""

    def __init__(self, server: Running) -> None:
        self.server = server
        self.result = Scrapes()
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)

    def once(self, path: str | None = None) -> bytes:
        """Return the page as it came, compressed; another than the server's where its path is given."""
        self._connection.request("GET", path or self.server.path, headers=HEADERS)
        answer = self._connection.getresponse()
        body = answer.read()
        assert answer.status == 200, f"{self.server.name} answered {answer.status}"
        return body

    def batch(self, count: int) -> None:
        """Scrape so many times, and note down what that took."""
        before = self.server.cpu()
        for _ in range(count):
            begun = time.perf_counter()
            self.once()
            self.result.seconds.append(time.perf_counter() - begun)
        self.result.cpu.append((self.server.cpu() - before) / count)

    def close(self) -> None:
        self._connection.close()


def by_turns(servers: Sequence[Running], batches: int, count: int) -> list[Scrapes]:
    """Scrape the servers by turns, so that what else the machine does hits them all."""
    scrapers = [Scraper(server) for server in servers]
    for scraper in scrapers:
        scraper.once()
    for number in range(batches):
        for scraper in scrapers if number % 2 else reversed(scrapers):
            scraper.batch(count)
    for scraper in scrapers:
        scraper.close()
    return [scraper.result for scraper in scrapers]


@contextmanager
def crowd(server: Running, silent: int, half: int) -> Iterator[None]:
    """Keep connections open that say nothing, and others that stop within a header."""
    _raise_descriptor_limit()
    peers = []
    try:
        for number in range(silent + half):
            peer = socket.create_connection(("127.0.0.1", server.port), timeout=10)
            peers.append(peer)
            # closed at once, else it stays in TIME_WAIT and the servers count it in every later scrape
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if number < half:
                peer.sendall(f"GET {server.path} HTTP/1.1\r\nHost: localhost\r\nX-Half: ".encode())
        yield
    finally:
        for peer in peers:
            peer.close()


def many_clients(server: Running, clients: int, seconds: float) -> Pages:
    """Ask for pages over so many kept connections at once."""
    return _by_wrk(server, clients, seconds) if WRK else asyncio.run(_by_asyncio(server, clients, seconds))


def _by_wrk(server: Running, clients: int, seconds: float) -> Pages:
    headers = [part for name, value in HEADERS.items() for part in ("-H", f"{name}: {value}")]
    command = [WRK or "wrk", "-t1", f"-c{clients}", f"-d{max(1, round(seconds))}s", "--timeout=10s", *headers,
               f"http://127.0.0.1:{server.port}{server.path}"]  # fmt: skip
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    requests, took, unit = re.findall(r"(\d+) requests in ([\d.]+)(s|m)", text)[0]
    refused = sum(map(int, re.findall(r"Non-2xx or 3xx responses: (\d+)", text)))
    broken = sum(map(int, re.findall(r"(?:connect|read|write|timeout) (\d+)", text)))
    elapsed = float(took) * (60 if unit == "m" else 1)
    return Pages((int(requests) - refused) / elapsed, refused + broken, "wrk")


async def _by_asyncio(server: Running, clients: int, seconds: float) -> Pages:
    deadline = time.monotonic() + seconds
    counts = await asyncio.gather(*(_client(server, deadline) for _ in range(clients)))
    good, refused = (sum(column) for column in zip(*counts, strict=True))
    return Pages(good / seconds, refused, "asyncio, which is itself the bottleneck: install wrk")


async def _client(server: Running, deadline: float) -> tuple[int, int]:
    """Return how many pages one client got, and how many it did not."""
    lines = [f"GET {server.path} HTTP/1.1", "Host: localhost", *(f"{name}: {value}" for name, value in HEADERS.items())]
    request = "\r\n".join([*lines, "", ""]).encode()
    good = refused = 0
    while time.monotonic() < deadline:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            while time.monotonic() < deadline:
                writer.write(request)
                if await _status(reader) == 200:
                    good += 1
                else:
                    refused += 1
            writer.close()
        except (OSError, asyncio.IncompleteReadError):
            refused += 1
    return good, refused


async def _status(reader: asyncio.StreamReader) -> int:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = re.search(r"content-length: (\d+)", head)
    if length:
        await reader.readexactly(int(length[1]))
    else:
        while size := int(await reader.readline(), 16):
            await reader.readexactly(size + 2)
        await reader.readline()
    return int(head.split()[1])


def _raise_descriptor_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < _DESCRIPTORS:
        wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
