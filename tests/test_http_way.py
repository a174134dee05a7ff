"""The way of a probe: certificates that are good and others, redirects, proxies, and plain HTTP where TLS was meant."""

import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from exporter.collectors.http.walk import redirected
from exporter.httprequest import Request, split
from tests.answering import Answer, Served, answering, page, silent
from tests.onetarget import one
from tests.process import free_port
from tests.soak import leaves_nothing
from tests.swallowing import names

AUTHORITY = trustme.CA()
GOOD = page(b"arrived")


def context_of(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


@pytest.fixture
def ca(tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    AUTHORITY.cert_pem.write_to_path(str(path))
    return str(path)


@contextmanager
def secure(answer: Answer | bytes = GOOD, *of: str, by: trustme.CA = AUTHORITY, ends: datetime | None = None,
           ) -> Iterator[Served]:  # fmt: skip
    with answering(answer, context_of(by.issue_cert(*(of or ("127.0.0.1",)), not_after=ends))) as served:
        yield served


def seen(url: str, settings: str = "") -> tuple[dict[str, str], str]:
    with one("http", f"url: {url}\n{settings}") as target:
        page = target.page()
        snapshot = target.target.view()
        return page, f"{snapshot.reason} {snapshot.fix}".strip()


def to(location: str, status: str = "302 Found", **headers: str) -> bytes:
    return page(b"", status, Location=location, **headers)


# ---- certificates


def test_a_good_certificate(ca: str) -> None:
    with secure() as served:
        page_of, reason = seen(served.url, f"ca_file: {ca}")
    assert (page_of["probe_success"], page_of["probe_http_ssl"], reason) == ("1", "1", "")
    assert float(page_of['probe_http_duration_seconds{phase="tls"}']) > 0
    assert page_of["runbook_probe_tls_verified"] == "1"
    assert page_of['probe_tls_version_info{version="TLS 1.3"}'] == "1"
    assert page_of["runbook_http_plain_served"] == "0"
    assert "probe_ssl_last_chain_expiry_timestamp_seconds" in page_of


def test_one_that_does_not_verify_shows_its_dates_all_the_same(ca: str) -> None:
    ended = datetime.now(UTC).replace(microsecond=0) - timedelta(days=3)
    for of, by, ends, why in (
        ("127.0.0.1", AUTHORITY, ended, "certificate has expired"),
        ("elsewhere.example", AUTHORITY, None, "IP address mismatch"),
        ("127.0.0.1", trustme.CA(), None, "unable to get local issuer certificate"),
    ):
        with secure(GOOD, of, by=by, ends=ends) as served:
            page_of, reason = seen(served.url, f"ca_file: {ca}")
            assert not b"".join(served.asked).strip()  # nothing is sent to whom is not trusted
        assert f"the certificate of {served.url} is not trusted ({why}" in reason
        assert page_of["probe_success"] == page_of["runbook_probe_tls_verified"] == "0"
        assert "runbook_http_plain_served" not in page_of  # nothing was served at all
        assert "probe_ssl_last_chain_expiry_timestamp_seconds" not in page_of
        if ends:
            assert float(page_of["probe_ssl_earliest_cert_expiry"]) == ended.timestamp()
        else:
            assert float(page_of["probe_ssl_earliest_cert_expiry"]) > datetime.now(UTC).timestamp()


def test_one_that_nobody_asks_to_verify() -> None:
    with secure(GOOD, "elsewhere.example") as served:
        page_of, _ = seen(served.url, "insecure_skip_verify: true")
    assert page_of["probe_success"] == "1"
    assert "runbook_probe_tls_verified" not in page_of
    assert "probe_ssl_earliest_cert_expiry" in page_of


def test_without_the_library_that_reads_certificates(ca: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with secure() as served, one("http", f"url: {served.url}\nca_file: {ca}") as target:
        monkeypatch.setitem(sys.modules, "cryptography", None)
        page_of, said = target.page(), target.outcomes()["found"]
    assert page_of["probe_success"] == page_of["runbook_probe_tls_verified"] == "1"
    assert page_of['probe_tls_version_info{version="TLS 1.3"}'] == "1"
    assert not [name for name in page_of if name.startswith("probe_ssl")]
    assert "when the certificates end is not known" in said
    assert "pip install 'runbook-exporter[tls]'" in said


def test_another_name_is_asked_for(ca: str) -> None:
    with secure(GOOD, "shop.example.com") as served:
        page_of, _ = seen(served.url, f"ca_file: {ca}\nserver_name: shop.example.com\nhost_header: shop.example.com")
    assert page_of["probe_success"] == "1"
    assert served.header("Host") == "shop.example.com"


def test_a_client_certificate(tmp_path: Path, ca: str) -> None:
    context = context_of(AUTHORITY.issue_cert("127.0.0.1"))
    context.verify_mode = ssl.CERT_REQUIRED
    AUTHORITY.configure_trust(context)
    client = AUTHORITY.issue_cert("monitor@example.com")
    client.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    client.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    shown = f"ca_file: {ca}\nclient_cert: {tmp_path}/cert.pem\nclient_key: {tmp_path}/key.pem"
    with answering(GOOD, context) as served:
        assert seen(served.url, shown)[0]["probe_success"] == "1"
        page_of, reason = seen(served.url, f"ca_file: {ca}")
        assert page_of["probe_success"] == "0"
        assert page_of["runbook_probe_tls_verified"] == "1"  # the server's own is good
        assert f"{served.url} refuses TLS with us" in reason or f"{served.url} cannot be reached" in reason
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        page_of, reason = seen(served.url, f"ca_file: {ca}")
        assert f"{served.url} refuses TLS with us" in reason
        assert "`client_cert`" in reason
        page_of, reason = seen(served.url, f"client_cert: {tmp_path}/gone.pem\nclient_key: {tmp_path}/key.pem")
        assert "gone.pem" in reason


# ---- plain HTTP where TLS was meant


def test_a_server_that_speaks_no_tls() -> None:
    stop = threading.Event()
    for said, plain in ((page(b"", "400 Bad Request"), "1"), (b"220 mail.example ESMTP\r\n", None)):
        with at_once(said) as (port, heard):
            page_of, reason = seen(f"https://127.0.0.1:{port}/", "bearer_token: a-token-of-no-tls")
        assert "speaks no TLS that is understood" in reason
        assert page_of["probe_success"] == "0"
        assert page_of.get("runbook_http_plain_served") == plain
        assert heard[1] == b"HEAD / HTTP/1.0\r\n\r\n"  # nothing of what the target is told
    with answering(silent(stop)) as served:
        page_of, reason = seen(served.url.replace("http:", "https:"), "timeout: 1s")
        assert "has not answered in full within 0.8 s" in reason
        assert "runbook_http_plain_served" not in page_of
        stop.set()


@contextmanager
def at_once(said: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """Say this to whatever comes, as web servers do to what is no HTTP; yield the port, and what came."""
    heard: list[bytes] = []

    def serve() -> None:
        with suppress(OSError):
            while True:
                with listener.accept()[0] as line:
                    heard.append(line.recv(65536))
                    line.sendall(said)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1], heard
        listener.shutdown(socket.SHUT_RDWR)


def test_an_address_that_ends_without_tls(ca: str) -> None:
    with answering(GOOD) as plain, secure(to(plain.url)) as served:
        page_of, _ = seen(served.url, f"ca_file: {ca}")
    assert (page_of["probe_success"], page_of["probe_http_ssl"]) == ("1", "0")
    assert page_of["runbook_http_plain_served"] == "1"


def test_a_plain_address_that_should_lead_to_tls(ca: str) -> None:
    with answering(GOOD) as served:
        page_of, _ = seen(served.url, "tls_required: true")
        assert (page_of["probe_success"], page_of["runbook_http_plain_served"]) == ("1", "1")
    with secure() as safe, answering(to(safe.url)) as served:
        page_of, _ = seen(served.url, f"tls_required: true\nca_file: {ca}")
        assert (page_of["probe_success"], page_of["runbook_http_plain_served"]) == ("1", "0")
    page_of, _ = seen(f"http://127.0.0.1:{free_port()}", "tls_required: true")
    assert "runbook_http_plain_served" not in page_of


# ---- redirects


def test_redirects_are_followed_and_counted() -> None:
    answers = [to("/two"), to("three?x=1", "301 Moved"), page(b"here", Content_Type="text/plain")]
    with answering(lambda line: line.sendall(answers.pop(0))) as served:
        page_of, _ = seen(f"{served.url}/one", "headers: {X-Key: a-key-of-redirects}\nexpect: {body: [here]}")
    assert [asked.split(b" HTTP")[0] for asked in served.asked] == [b"GET /one", b"GET /two", b"GET /three?x=1"]
    assert served.header("X-Key") == "a-key-of-redirects"
    assert (page_of["probe_http_redirects"], page_of["probe_http_status_code"]) == ("2", "200")


def test_a_redirect_that_is_not_followed_is_the_answer() -> None:
    with answering(to("/there")) as served:
        expected = "max_redirects: 0\nexpect: {statuses: [302], headers: {Location: '^/there$'}}"
        page_of, _ = seen(served.url, expected)
        assert (page_of["probe_success"], page_of["probe_http_redirects"], len(served.asked)) == ("1", "0", 1)
        assert "the answer has the status 302" in seen(served.url, "max_redirects: 0")[1]


def test_redirects_without_end_or_to_nowhere() -> None:
    with answering(to("/again")) as served:
        page_of, reason = seen(served.url, "max_redirects: 3")
        assert f"{served.url} redirects without end" in reason
        assert (len(served.asked), page_of["probe_http_redirects"]) == (4, "3")
        assert page_of["probe_http_status_code"] == "302"
    for nowhere in ("ftp://elsewhere/", "http://[x/", "//[::1", "http://a\x1bc.invalid/"):
        with answering(to(nowhere)) as served:
            assert f"{served.url} redirects to what is no address of HTTP" in seen(served.url)[1]
    with answering(to(f"http://127.0.0.1:{free_port()}/")) as served:
        page_of, reason = seen(served.url)
        assert "Connection refused" in reason
        assert page_of["probe_http_status_code"] == "0"  # no answer came in the end


def test_what_is_secret_stays_with_the_first_place(tmp_path: Path) -> None:
    settings = (
        "bearer_token: a-token-of-redirects\nheaders: {X-Key: a-key-of-redirects, Accept: text/html}\n"
        "host_header: shop.example"
    )
    with answering(GOOD) as other, answering(to(other.url, Set_Cookie="session=cookie-of-redirects")) as served:
        page_of, _ = seen(served.url, settings)
        assert page_of["probe_success"] == "1"
        asked = {name: other.header(name) for name in ("Authorization", "X-Key", "Accept", "Host")}
        assert asked == {"Authorization": None, "X-Key": None, "Accept": "text/html", "Host": other.url[7:]}
        assert served.header("X-Key") == "a-key-of-redirects"
    with answering(GOOD) as other, answering(to(other.url)) as served:
        seen(served.url.replace("//", "//user:word-of-redirects@"))
        assert other.header("Authorization") is None
        assert served.header("Authorization") is not None


@contextmanager
def asking_for_certificates(to_say: Answer | bytes, *of: str) -> Iterator[tuple[Served, list[bytes | None]]]:
    """Ask for the client's certificate; yield the server, and each that was shown, None where none was."""
    context, shown = context_of(AUTHORITY.issue_cert(*of)), []
    context.verify_mode = ssl.CERT_OPTIONAL
    AUTHORITY.configure_trust(context)

    def say(line: socket.socket) -> None:
        shown.append(line.getpeercert(binary_form=True))  # type: ignore[attr-defined]
        to_say(line) if callable(to_say) else line.sendall(to_say)

    with answering(say, context) as served:
        yield served, shown


def test_a_client_certificate_stays_with_the_first_place(
    tmp_path: Path, ca: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", ca)
    client = AUTHORITY.issue_cert("monitor@example.com")
    client.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "client.pem"))
    settings = f"client_cert: {tmp_path}/client.pem\nclient_key: {tmp_path}/client.pem\n"
    with asking_for_certificates(GOOD, "127.0.0.1") as (other, shown_there):
        with asking_for_certificates(to(other.url), "127.0.0.1") as (served, shown):
            assert seen(served.url, settings)[0]["probe_success"] == "1"
        with asking_for_certificates(GOOD, "127.0.0.1") as (home, shown_at_home):
            page_of, reason = seen(home.url, f"{settings}steps: [{{name: a}}, {{name: b, url: '{other.url}/x'}}]")
            assert (page_of["probe_success"], reason) == ("1", "")
    assert [one is not None for one in (*shown, *shown_at_home)] == [True, True]
    assert shown_there == [None, None]


@pytest.mark.parametrize(
    ("old", "new", "kept"),
    [
        ("http://a.example/", "https://a.example/", True),
        ("http://a.example:8080/", "https://a.example:8443/", False),
        ("http://a.example/", "https://a.example:8443/", False),
        ("http://a.example/", "https://b.example/", False),
        ("https://a.example/", "http://a.example/", False),
        ("http://a.example/", "http://a.example:80/x", True),
    ],
)
def test_where_what_is_secret_may_go(old: str, new: str, kept: bool) -> None:
    moved = redirected(Request(split(old), headers={"Authorization": "a", "Accept": "b"}, cert=("c", "k")), 302, new)
    assert (moved.headers.get("Authorization"), moved.cert) == (("a", ("c", "k")) if kept else (None, None))
    assert moved.headers["Accept"] == "b"


def test_whom_to_trust_was_said_of_one_host(ca: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps and redirects elsewhere meet what the system knows; back at home all is as it was."""
    others, answers = trustme.CA(), [GOOD]
    with (
        secure(lambda line: line.sendall(answers.pop(0))) as home,
        secure(to(home.url), "localhost", by=others) as other,
    ):
        elsewhere = other.url.replace("127.0.0.1", "localhost")
        steps = f"steps: [{{name: a}}, {{name: b, url: '{elsewhere}/', method: POST, body: 'a={{{{word}}}}'}}]"
        steps = f"values: {{word: word-of-elsewhere}}\n{steps}"
        for trust in ("insecure_skip_verify: true", f"ca_file: {ca}"):
            answers[:] = [GOOD]
            assert f"step b: the certificate of {elsewhere} is not trusted" in seen(home.url, f"{trust}\n{steps}")[1]
            answers[:] = [to(elsewhere)]
            page_of, reason = seen(home.url, trust)
            assert f"the certificate of {elsewhere} is not trusted" in reason
            assert page_of["runbook_probe_tls_verified"] == "0"
        assert not b"".join(other.asked).strip()
        others.cert_pem.write_to_path(str(tmp_path / "system.pem"))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "system.pem"))
        answers[:] = [to(elsewhere), GOOD]
        page_of, reason = seen(home.url, f"ca_file: {ca}")
        assert (page_of["probe_success"], page_of["probe_http_redirects"], reason) == ("1", "2", "")


def test_a_post_becomes_a_get_or_keeps_its_body() -> None:
    post = "method: POST\nbody: a=1"
    answers = [to("/there"), GOOD, to("/there", "303 See Other"), GOOD, to("/there", "307 Temporary Redirect"), GOOD]
    with answering(lambda line: line.sendall(answers.pop(0))) as served:
        for kept in (b"GET", b"GET", b"POST"):
            assert seen(served.url, post)[0]["probe_success"] == "1"
            assert served.asked[-1].startswith(kept + b" /there ")
            assert served.asked[-1].endswith(b"a=1") is (kept == b"POST")
            assert (served.header("Content-Type") is None) is (kept == b"GET")
    with answering(GOOD) as other, answering(to(other.url, "307 Temporary Redirect")) as served:
        assert f"redirects a POST to another place, {other.url}" in seen(served.url, post)[1]
        assert other.asked == []


def test_a_redirect_in_letters_that_are_not_english() -> None:
    answers = ["HTTP/1.1 302 Found\r\nLocation: /über\r\nContent-Length: 0\r\n\r\n".encode(), GOOD]
    with answering(lambda line: line.sendall(answers.pop(0))) as served:
        assert seen(served.url)[0]["probe_success"] == "1"
    assert served.asked[1].startswith(b"GET /%C3%BCber ")


# ---- proxies


@contextmanager
def proxy(status: str = "200 Connection established") -> Iterator[Served]:
    """Run a proxy that connects whoever asks by CONNECT to that port of this machine."""
    ports: list[int] = []

    def connect(line: socket.socket) -> None:
        line.sendall(f"HTTP/1.1 {status}\r\nX-By: proxy\r\n\r\n".encode())
        if status.startswith("2"):
            ports.append(int(served.asked[-1].split(b" ")[1].rpartition(b":")[2]))
            with socket.create_connection(("127.0.0.1", ports[-1])) as there:
                back = threading.Thread(target=_pump, args=(there, line), daemon=True)
                back.start()
                _pump(line, there)
                back.join(5)

    with answering(connect) as served:
        yield served


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


def test_a_proxy_for_plain_http() -> None:
    with answering(GOOD) as through:
        user = through.url.replace("//", "//probe:word-of-proxy@")
        page_of, _ = seen("http://shop.example/a?b=1", f"proxy: {user}\nbearer_token: a-token-of-proxies")
    assert page_of["probe_success"] == "1"
    assert through.asked[0].startswith(b"GET http://shop.example/a?b=1 HTTP/1.1\r\n")
    assert through.header("Host") == "shop.example"
    assert through.header("Proxy-Authorization") == "Basic cHJvYmU6d29yZC1vZi1wcm94eQ=="
    assert through.header("Authorization") == "Bearer a-token-of-proxies"


def test_a_proxy_for_https(ca: str) -> None:
    with secure(GOOD, "shop.example") as served, proxy() as through:
        user = through.url.replace("//", "//probe:word-of-proxy@")
        page_of, _ = seen(f"https://shop.example:{served.port}/x", f"proxy: {user}\nca_file: {ca}")
        assert page_of["probe_success"] == page_of["runbook_probe_tls_verified"] == "1"
        assert through.asked[0].startswith(f"CONNECT shop.example:{served.port} HTTP/1.1\r\n".encode())
        assert through.header("Proxy-Authorization") == "Basic cHJvYmU6d29yZC1vZi1wcm94eQ=="
        assert served.asked[0].startswith(b"GET /x HTTP/1.1\r\n")
        assert b"roxy" not in served.asked[0]
        page_of, reason = seen(f"https://other.example:{served.port}/x", f"proxy: {user}\nca_file: {ca}")
        assert "is not trusted (Hostname mismatch" in reason
        assert page_of["runbook_probe_tls_verified"] == "0"
        assert "probe_ssl_earliest_cert_expiry" in page_of


def test_a_proxy_that_refuses_or_is_gone() -> None:
    with proxy("407 Proxy Authentication Required") as through:
        page_of, reason = seen("https://shop.example/", f"proxy: {through.url}")
        assert "the proxy answers with the status 407" in reason
        assert page_of["probe_http_status_code"] == "0"
    for scheme in ("http", "https"):
        for gone in (f"http://127.0.0.1:{free_port()}", "http://nowhere.invalid:1"):
            page_of, reason = seen(f"{scheme}://shop.example/", f"proxy: {gone}")
            assert f"the proxy {gone}" in reason
            assert page_of["probe_success"] == "0"
    with answering(b"SSH-2.0-OpenSSH_9.6\r\n") as through:
        said = seen("https://shop.example/", f"proxy: {through.url.replace('//', '//probe:word-of-proxy@')}")[1]
        assert f"the proxy {through.url} gave no whole HTTP answer" in said


def test_a_proxy_for_names_of_other_letters() -> None:
    with answering(GOOD) as through:
        assert seen("http://bücher.example:81/ü", f"proxy: {through.url}")[1] == ""
    assert through.asked[0].startswith(b"GET http://xn--bcher-kva.example:81/%C3%BC HTTP/1.1\r\n")
    assert through.header("Host") == "xn--bcher-kva.example:81"


def test_nothing_is_asked_past_a_proxy() -> None:
    """What speaks no TLS behind it is not asked whether it speaks plain HTTP: only the proxy knows the way."""
    with at_once(page(b"", "400 Bad Request")) as (port, heard), proxy() as through:
        page_of, reason = seen(f"https://127.0.0.1:{port}/", f"proxy: {through.url}")
    assert "speaks no TLS that is understood" in reason
    assert len(heard) == 1
    assert "runbook_http_plain_served" not in page_of


# ---- many rounds


def test_many_rounds_leave_nothing(ca: str) -> None:
    with secure() as served:
        with one("http", f"url: {served.url}\nca_file: {ca}") as target:
            leaves_nothing(target, 250)
        with one("http", f"url: {served.url}") as target:
            leaves_nothing(target, 100, warm=20)


def test_an_ipv6_only_host(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listener:

        def answer() -> None:
            with listener.accept()[0] as line:
                line.recv(4096)
                line.sendall(GOOD)

        threading.Thread(target=answer, daemon=True).start()
        port = listener.getsockname()[1]
        with names(monkeypatch, {"six.example": ["::1"]}):
            page_of, _ = seen(f"http://six.example:{port}/")
    assert (page_of["probe_success"], page_of["probe_ip_protocol"]) == ("1", "6")
