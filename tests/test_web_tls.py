"""TLS with real sockets: versions, clients' certificates, crowds that never finish a handshake."""

import contextlib
import socket
import ssl
import statistics
import subprocess
import time
from pathlib import Path

import pytest
import requests

from exporter import webconfig
from tests.process import Exporter, crowd
from tests.support import until
from tests.test_web_users import greeted
from tests.web import MUTUAL, TLS, ask, client_pair, context, exchange, secured, tls_connection, write_pair

CROWD = 500
ALIVE = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
SCRAPE = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
PATIENT = {"PLUG": "exporter.server:_HANDSHAKE_SECONDS=60"}


def client_hello() -> bytes:
    """Return what a client says first."""
    client = ssl.create_default_context()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        client.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1").do_handshake()
    return outgoing.read()


def median_scrape(folder: Path, exporter: Exporter, times: int = 15) -> float:
    client = context(folder)

    def scrape() -> float:
        begun = time.perf_counter()
        with tls_connection(exporter, client) as connection:
            assert exchange(connection, SCRAPE).startswith(b"HTTP/1.1 200 OK")
        return time.perf_counter() - begun

    return statistics.median(scrape() for _ in range(times))


def test_silent_peers_and_half_handshakes_delay_no_scrape(tmp_path: Path) -> None:
    hello = client_hello()
    with secured(tmp_path, TLS, environ=PATIENT) as exporter:
        alone = median_scrape(tmp_path, exporter)
        before, threads = exporter.descriptors(), exporter.threads()
        # connected and silent; the half of a ClientHello; a whole one, and no word after the answer to it
        with (
            crowd(exporter, CROWD),
            crowd(exporter, CROWD // 2, hello[: len(hello) // 2]),
            crowd(exporter, CROWD // 2, hello) as answered,
        ):
            until(lambda: exporter.descriptors() >= before + 2 * CROWD)
            assert answered[-1].recv(1) == b"\x16"
            among = median_scrape(tmp_path, exporter)
            assert exporter.threads() <= threads + 1
        print(f"a scrape takes {alone * 1000:.2f} ms alone, {among * 1000:.2f} ms among {2 * CROWD} peers")
        assert among < 3 * alone + 0.02
        until(lambda: exporter.descriptors() <= before + 1)
        assert " error " not in exporter.output()


def test_a_handshake_that_does_not_end_is_closed_in_time(tmp_path: Path) -> None:
    environ = {"PLUG": "exporter.server:_HANDSHAKE_SECONDS=0.3"}
    with secured(tmp_path, TLS, environ=environ) as exporter, crowd(exporter, 1) as [silent], crowd(
        exporter, 1, client_hello()[:50]
    ) as [half], tls_connection(exporter, context(tmp_path)) as kept:  # fmt: skip
        for peer in (silent, half):
            peer.settimeout(10)
            assert peer.recv(1) == b""
        assert exchange(kept, ALIVE).startswith(b"HTTP/1.1 200 OK")  # past its handshake it has the time of all others


def test_beyond_the_limit_handshakes_make_room(tmp_path: Path) -> None:
    with secured(tmp_path, TLS, environ=PATIENT, config="web: {max_connections: 10}") as exporter:
        with crowd(exporter, 30) as peers:
            peers[0].settimeout(10)
            assert peers[0].recv(1) == b""
            assert ask(tmp_path, exporter).ok
        assert exporter.stop() == 0
        assert "Traceback" not in exporter.output()


@pytest.mark.parametrize(
    "data",
    [ALIVE, b"\x16\x03\x01\x00\x05hello", b"\x00" * 100, client_hello()[:20]],
    ids=["plain", "hello", "zeros", "cut"],
)
def test_nonsense_in_place_of_a_handshake_is_closed_without_a_word(tmp_path: Path, data: bytes) -> None:
    with secured(tmp_path, TLS) as exporter:
        before = exporter.output()
        with exporter.connect() as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionResetError):
                while connection.recv(1000):
                    pass
        with exporter.connect() as connection:  # gone with data unread, so that the end is a reset
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.sendall(data)
        assert ask(tmp_path, exporter).ok
        assert exporter.output() == before


@pytest.mark.parametrize(("settings", "version", "spoken"), [
    ("", ssl.TLSVersion.TLSv1_2, "TLSv1.2"), ("", ssl.TLSVersion.TLSv1_3, "TLSv1.3"),
    (", max_version: TLS12", ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (", max_version: TLS12", ssl.TLSVersion.TLSv1_3, ""),
    (", min_version: TLS13", ssl.TLSVersion.TLSv1_2, ""), (", min_version: TLS13", ssl.TLSVersion.TLSv1_3, "TLSv1.3"),
    ("", ssl.TLSVersion.TLSv1_1, ""),
])  # fmt: skip
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1:DeprecationWarning")
def test_versions(tmp_path: Path, settings: str, version: ssl.TLSVersion, spoken: str) -> None:
    web = f"tls_server_config: {{cert_file: server.crt, key_file: server.key{settings}}}"
    with secured(tmp_path, web) as exporter:
        client = context(tmp_path)
        client.minimum_version = ssl.TLSVersion.TLSv1_1
        client.maximum_version = version
        client.minimum_version = version
        client.set_ciphers("DEFAULT:@SECLEVEL=0")  # so that it is not the client who refuses an old version
        if not spoken:
            with pytest.raises((ssl.SSLError, ConnectionError)), tls_connection(exporter, client) as connection:
                exchange(connection, ALIVE)
            return
        with tls_connection(exporter, client) as connection:
            assert connection.version() == spoken
            assert exchange(connection, ALIVE).endswith(b"ok\n")


def test_suites_curves_and_protocol_are_those_asked_for(tmp_path: Path) -> None:
    web = """tls_server_config: {cert_file: server.crt, key_file: server.key, max_version: TLS12, curve_preferences:
  [CurveP384], cipher_suites: [TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
  TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]}"""
    with secured(tmp_path, web) as exporter:
        client = context(tmp_path)
        client.set_alpn_protocols(["h2", "http/1.1"])
        client.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305")
        with tls_connection(exporter, client) as connection:
            cipher = connection.cipher()
            assert cipher is not None
            assert (cipher[0], connection.selected_alpn_protocol()) == ("ECDHE-ECDSA-CHACHA20-POLY1305", "http/1.1")
        client.set_ecdh_curve("prime256v1")
        with pytest.raises(ssl.SSLError), tls_connection(exporter, client):
            pass
        client.set_ecdh_curve("secp384r1")
        client.set_ciphers("ECDHE-ECDSA-AES256-GCM-SHA384")
        with pytest.raises(ssl.SSLError), tls_connection(exporter, client):
            pass


@pytest.mark.parametrize(("preferred", "chosen"), [
    ("true", "ECDHE-ECDSA-CHACHA20-POLY1305"), ("false", "ECDHE-ECDSA-AES128-GCM-SHA256")
])  # fmt: skip
def test_whose_order_of_suites_counts(tmp_path: Path, preferred: str, chosen: str) -> None:
    web = f"""tls_server_config: {{cert_file: server.crt, key_file: server.key, max_version: TLS12,
  prefer_server_cipher_suites: {preferred}, cipher_suites: [TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
  TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]}}"""
    with secured(tmp_path, web) as exporter:
        client = context(tmp_path)
        client.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305")
        with tls_connection(exporter, client) as connection:
            assert (connection.cipher() or ("",))[0] == chosen


def test_nothing_is_kept_for_sessions_of_13(tmp_path: Path) -> None:
    with secured(tmp_path, TLS) as exporter, tls_connection(exporter, context(tmp_path)) as connection:
        assert connection.version() == "TLSv1.3"
        assert exchange(connection, ALIVE).endswith(b"ok\n")  # a ticket would have come before that
        assert connection.session is None or not connection.session.has_ticket


def test_nobody_renegotiates(tmp_path: Path) -> None:
    with secured(tmp_path, TLS) as exporter:
        command = ["openssl", "s_client", "-tls1_2", "-connect", exporter.address]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as client:
            assert client.stdin is not None
            assert client.stdout is not None
            client.stdin.write(b"R\n")  # asks for a new handshake
            client.stdin.flush()
            said = client.stdout.read()  # it ends by itself, as the answer is an alert
        assert b"RENEGOTIATING" in said
        made = webconfig.load(str(tmp_path / "web.yml")).context
        assert made is not None
        assert made.options & ssl.OP_NO_RENEGOTIATION  # OpenSSL before 3.0 needs to be told
        assert b"no renegotiation" in said
        assert ask(tmp_path, exporter).ok


def is_refused(folder: Path, exporter: Exporter, cert: tuple[str, str] | None) -> bool:
    try:
        return not ask(folder, exporter, cert=cert).ok
    except requests.ConnectionError:  # SSLError among them
        return True


def test_a_client_needs_a_certificate_of_the_authority(tmp_path: Path) -> None:
    with secured(tmp_path, MUTUAL) as exporter:
        write_pair(tmp_path, "prometheus.example", by="theirs", stem="foreign")
        assert ask(tmp_path, exporter, cert=client_pair(tmp_path)).ok
        assert is_refused(tmp_path, exporter, None)
        assert is_refused(tmp_path, exporter, client_pair(tmp_path, "foreign"))
        assert "error" not in exporter.output()


def test_a_certificate_may_be_shown_and_is_verified_then(tmp_path: Path) -> None:
    with secured(tmp_path, MUTUAL.replace("RequireAndVerify", "Verify").replace("Cert\n", "CertIfGiven\n")) as exporter:
        write_pair(tmp_path, "prometheus.example", by="theirs", stem="foreign")
        assert ask(tmp_path, exporter, cert=client_pair(tmp_path)).ok
        assert ask(tmp_path, exporter).ok
        assert is_refused(tmp_path, exporter, client_pair(tmp_path, "foreign"))


def test_a_certificate_needs_one_of_the_allowed_names(tmp_path: Path) -> None:
    with secured(tmp_path, MUTUAL + "  client_allowed_sans: [prometheus.example, '2001:db8::7']\n") as exporter:
        write_pair(tmp_path, "grafana.example", stem="other")
        write_pair(tmp_path, "2001:db8::7", "other.example", stem="numbered")
        assert ask(tmp_path, exporter, cert=client_pair(tmp_path)).ok
        assert ask(tmp_path, exporter, cert=client_pair(tmp_path, "numbered")).ok
        assert is_refused(tmp_path, exporter, client_pair(tmp_path, "other"))


def test_service_discovery_says_https(tmp_path: Path) -> None:
    with secured(tmp_path, TLS) as exporter:
        labels = ask(tmp_path, exporter, "/sd").json()[0]["labels"]
        assert labels["__scheme__"] == "https"


def test_the_greeting_matches_tls_and_users(tmp_path: Path) -> None:
    with secured(tmp_path, MUTUAL) as exporter:
        job = greeted(exporter)
        assert f"runbook-exporter is at https://{exporter.address}/" in exporter.output()
        assert (job["scheme"], set(job["tls_config"])) == ("https", {"ca_file", "cert_file", "key_file"})
        assert "basic_auth" not in job
