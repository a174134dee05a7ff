"""Bodies of requests, which no endpoint needs: read past, bounded in size and time, never parsed. And the very end."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.service import Overrides, Service, load
from tests.process import Exporter, running
from tests.web import TLS, users, write_pair

ALIVE = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n"
CLOSE = b"Connection: close\r\n\r\n"
LARGEST = 64 * 1024
# a header of a part that takes time to understand, as tornado 6.5.2 does in two seconds and newer ones refuse
PART = b'--b\r\nContent-Disposition: form-data; name="a"; x="' + b";" * 60_000 + b'"\r\n\r\nx\r\n--b--\r\n'
FORM = b"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: %d\r\n" % len(PART)


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    with running(tmp_path_factory.mktemp("bodies")) as exporter:
        yield exporter


def test_a_body_is_never_parsed(exporter: Exporter) -> None:
    answer = exporter.exchange(ALIVE + FORM + CLOSE + PART)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"\r\n\r\nok\n")


def test_a_body_is_not_parsed_before_a_login_either(tmp_path: Path) -> None:
    (tmp_path / "web.yml").write_text(users(alice="wonderland"), encoding="utf-8")
    with running(tmp_path, "web: {config_file: web.yml}") as exporter:
        post = b"POST /-/reload HTTP/1.1\r\nHost: x\r\n"
        assert exporter.exchange(post + FORM + CLOSE + PART).startswith(b"HTTP/1.1 401 ")


def test_what_a_body_says_is_no_parameter(exporter: Exporter) -> None:
    form = b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 15\r\n"
    page = b"GET /probe HTTP/1.1\r\nHost: x\r\n" + form + CLOSE + b"target=exporter"
    assert exporter.exchange(page).startswith(b"HTTP/1.1 400 ")


def test_the_largest_body_is_read_past_and_a_larger_one_is_not(exporter: Exporter) -> None:
    def exchange(length: int) -> bytes:
        head = ALIVE + b"Content-Length: %d\r\n" % length + CLOSE
        return exporter.exchange(head + b"x" * min(length, LARGEST))

    assert exchange(LARGEST).startswith(b"HTTP/1.1 200 OK\r\n")
    assert exporter.exchange(ALIVE + b"Content-Length: %d\r\n" % (LARGEST + 1) + CLOSE).startswith(b"HTTP/1.1 400 ")


def test_a_body_that_does_not_end_is_closed_in_time(tmp_path: Path) -> None:
    with running(tmp_path, environ={"PLUG": "exporter.server:_BODY_SECONDS=0.3"}) as exporter:
        assert exporter.exchange(ALIVE + b"Content-Length: 5\r\n\r\nhell") == b""
        assert exporter.get("/-/healthy").ok


def test_the_end_closes_handshakes_under_way(tmp_path: Path) -> None:
    write_pair(tmp_path)
    (tmp_path / "web.yml").write_text(TLS, encoding="utf-8")

    async def end(service: Service) -> bytes:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            listening.setblocking(False)
            service.server.serve([listening])
            reader, writer = await asyncio.open_connection(*listening.getsockname())
            while not service.server._listener._idle:
                await asyncio.sleep(0)  # until it has been accepted
            await service.server.drain(1.0)
            try:
                return await asyncio.wait_for(reader.read(), 10)
            finally:
                writer.close()

    overrides = Overrides(storage_path=str(tmp_path / "state"))
    service = Service(None, overrides, load(None, overrides))
    try:
        service.gate.use(str(tmp_path / "web.yml"))
        assert asyncio.run(end(service)) == b""
    finally:
        service.close()
