"""Connections over TLS in their later life: resumed, large, unread, drained."""

import contextlib
import os
import signal
import socket
import ssl
from pathlib import Path

import pytest

from tests.process import crowd
from tests.support import until
from tests.test_web_tls import ALIVE, client_hello
from tests.web import MUTUAL, TLS, ask, authority, client_pair, context, exchange, secured, tls_connection, write_pair

QUICK = {"PLUG": "exporter.gate:_LOOK_SECONDS=0.05"}
LARGE = "targets: {large: {collector: fake, many: 19000}}"
FAILED = "runbook_exporter_http_handshakes_failed_total"


def of_12(folder: Path) -> ssl.SSLContext:
    """Return a client with its certificate, for the version in which a session is there right after the handshake."""
    client = context(folder)
    client.load_cert_chain(*client_pair(folder))
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    return client


def resumed(client: ssl.SSLContext, address: tuple[str, int], session: ssl.SSLSession) -> tuple[bool, bytes]:
    """Return whether the session was taken up again, and the answer to a request on it."""
    with (
        socket.create_connection(address, timeout=10) as plain,
        client.wrap_socket(plain, server_hostname="127.0.0.1", session=session) as connection,
    ):
        return bool(connection.session_reused), exchange(connection, ALIVE)


def test_a_resumed_session_has_the_certificate_that_it_began_with(tmp_path: Path) -> None:
    web = MUTUAL + "  client_allowed_sans: [prometheus.example]\n"
    with secured(tmp_path, web, environ=QUICK) as exporter:
        client, address = of_12(tmp_path), (exporter.host, exporter.port)
        with tls_connection(exporter, client) as connection:
            session = connection.session
            assert session is not None
        reused, answer = resumed(client, address, session)
        assert reused
        assert answer.endswith(b"ok\n")
        (tmp_path / "web.yml").write_text(web.replace("prometheus.example", "other.example"), encoding="utf-8")
        until(lambda: exporter.output().count("the web configuration in force") == 2)
        with contextlib.suppress(ssl.SSLError, ConnectionError):
            assert resumed(client, address, session)[1] == b""


def test_a_session_ends_with_the_authority_that_it_was_verified_by(tmp_path: Path) -> None:
    with secured(tmp_path, MUTUAL, environ=QUICK) as exporter:
        client, address = of_12(tmp_path), (exporter.host, exporter.port)
        with tls_connection(exporter, client) as connection:
            session = connection.session
            assert session is not None
        trusting = context(tmp_path)  # the file is about to hold another authority
        authority("theirs").cert_pem.write_to_path(tmp_path / "ours.pem")
        until(lambda: exporter.output().count("the web configuration in force") == 2)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            resumed(client, address, session)
        write_pair(tmp_path, "prometheus.example", by="theirs", stem="client")
        trusting.load_cert_chain(*client_pair(tmp_path))
        with tls_connection(exporter, trusting) as connection:
            assert exchange(connection, ALIVE).endswith(b"ok\n")


def test_large_pages_come_whole(tmp_path: Path) -> None:
    with secured(tmp_path, TLS, config=LARGE) as exporter:
        page = ask(tmp_path, exporter, "/probe?target=large", headers={"Accept-Encoding": "identity"})
        assert len(page.text.splitlines()) > 19_000
        assert int(page.headers["Content-Length"]) == len(page.content)


def test_a_peer_that_never_reads_is_closed_in_time(tmp_path: Path) -> None:
    with secured(tmp_path, TLS, config=LARGE, environ={"PLUG": "exporter.server:_WRITE_SECONDS=0.3"}) as exporter:
        before = exporter.descriptors()
        with tls_connection(exporter, context(tmp_path)) as peer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            peer.sendall(b"GET /probe?target=large HTTP/1.1\r\nHost: x\r\n\r\n" * 10)
            until(lambda: exporter.descriptors() > before)
            until(lambda: exporter.descriptors() == before)
        assert ask(tmp_path, exporter).ok


def test_it_ends_in_time_with_handshakes_under_way(tmp_path: Path) -> None:
    slow = "targets: {slow: {collector: fake, seconds: 1}}"
    with secured(tmp_path, TLS, config=slow) as exporter, crowd(exporter, 20, client_hello()), tls_connection(
        exporter, context(tmp_path)
    ) as waiting:  # fmt: skip
        threads = exporter.threads()
        waiting.sendall(b"GET /probe?target=slow HTTP/1.1\r\nHost: x\r\n\r\n")
        until(lambda: exporter.threads() > threads)
        assert exporter.stop(signal.SIGTERM) == 0
        assert waiting.recv(100).startswith(b"HTTP/1.1 200 OK")
        assert "Traceback" not in exporter.output()
        assert "Warning" not in exporter.output()


def test_handshakes_that_fail_are_counted(tmp_path: Path) -> None:
    with secured(tmp_path, TLS, "--log.level=debug") as exporter:
        assert f"\n{FAILED} 0\n" in ask(tmp_path, exporter, "/probe?target=exporter").text
        for _ in range(3):
            with exporter.connect() as peer:
                peer.sendall(b"nonsense\r\n\r\n")
                peer.settimeout(10)
                with contextlib.suppress(ConnectionResetError):
                    while peer.recv(100):
                        pass
        until(lambda: f"\n{FAILED} 3\n" in ask(tmp_path, exporter, "/probe?target=exporter").text)
        assert exporter.output().count("no connection with 127.0.0.1: ") == 3
        assert " error " not in exporter.output()


def test_files_that_hang_hurt_nobody(tmp_path: Path) -> None:
    with secured(tmp_path, TLS, environ=QUICK) as exporter:
        (tmp_path / "web.yml").unlink()
        os.mkfifo(tmp_path / "web.yml")  # reading it never ends, as on a mount whose server is gone
        exporter.send(signal.SIGHUP)
        for _ in range(20):
            assert ask(tmp_path, exporter).ok
        assert exporter.stop() == 0
