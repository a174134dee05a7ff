"""Whom a request trusts, and what it gives away: certificates, redirects, credentials."""

import os
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from exporter.collector import Trouble, Unable
from exporter.fetch import Cancel, fetch
from tests.answering import Served, answering, cancelling, greeting, page, silent, trickling

AUTHORITY = trustme.CA()


def context_of(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


@pytest.fixture
def secure() -> Iterator[Served]:
    with answering(page(b"secret"), context_of(AUTHORITY.issue_cert("127.0.0.1"))) as served:
        yield served


@pytest.fixture
def ca(tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    AUTHORITY.cert_pem.write_to_path(str(path))
    return str(path)


def ask(url: str, **more: object) -> bytes:
    return fetch(url, timeout=5, most=1000, **more).body  # type: ignore[arg-type]


def trouble(url: str, **more: object) -> Trouble:
    with pytest.raises(Trouble) as caught:
        ask(url, **more)
    return caught.value


def test_a_certificate_is_trusted_when_its_authority_is(secure: Served, ca: str) -> None:
    said = trouble(secure.url)
    assert "the certificate of" in str(said)
    assert "is not trusted" in str(said)
    assert "`ca_file`" in said.fix
    assert ask(secure.url, verify=ca) == b"secret"
    assert ask(secure.url, verify=False) == b"secret"


def test_a_certificate_of_another_name_is_not_trusted(ca: str) -> None:
    with answering(page(b"secret"), context_of(AUTHORITY.issue_cert("elsewhere.example"))) as served:
        assert "is not trusted" in str(trouble(served.url, verify=ca))


def test_a_server_that_speaks_no_tls(ca: str) -> None:
    with answering(greeting) as served:
        assert "speaks no TLS" in str(trouble(served.url.replace("http:", "https:"), verify=ca))
    stop = threading.Event()
    with answering(silent(stop)) as served:
        with pytest.raises(Trouble, match=r"within 0.3 s"):
            fetch(served.url.replace("http:", "https:"), timeout=0.3, most=10, verify=ca)
        stop.set()


def test_a_client_certificate_is_shown(tmp_path: Path, ca: str) -> None:
    context = context_of(AUTHORITY.issue_cert("127.0.0.1"))
    context.verify_mode = ssl.CERT_REQUIRED
    AUTHORITY.configure_trust(context)
    client = AUTHORITY.issue_cert("monitor@example.com")
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    client.private_key_pem.write_to_path(str(key))
    client.cert_chain_pems[0].write_to_path(str(cert))
    with answering(page(b"known"), context) as served:
        assert ask(served.url, verify=ca, cert=(str(cert), str(key))) == b"known"
        assert served.url in str(trouble(served.url, verify=ca))
        said = trouble(served.url, verify=ca, cert=(str(cert), str(tmp_path / "none.pem")))
        assert "none.pem" in str(said)
        key.write_text("broken")
        assert "cannot be used" in str(trouble(served.url, verify=ca, cert=(str(cert), str(key))))


def test_a_key_with_a_passphrase_is_refused_and_nobody_is_asked_for_it(tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    subprocess.run(["openssl", "genrsa", "-aes128", "-passout", "pass:word", "-out", str(key), "2048"],
                   check=True, capture_output=True, timeout=60)  # fmt: skip
    cert = tmp_path / "cert.pem"
    AUTHORITY.issue_cert("monitor@example.com").cert_chain_pems[0].write_to_path(str(cert))
    said = trouble("https://127.0.0.1:1/", cert=(str(cert), str(key)))
    assert "the key has a passphrase" in str(said)
    assert "without a passphrase" in said.fix


def test_an_authority_that_is_renewed_is_read_again(secure: Served, tmp_path: Path) -> None:
    file = tmp_path / "renewed.pem"
    trustme.CA().cert_pem.write_to_path(str(file))
    assert "is not trusted" in str(trouble(secure.url, verify=str(file)))
    AUTHORITY.cert_pem.write_to_path(str(file))
    assert ask(secure.url, verify=str(file)) == b"secret"


def test_authorities_of_the_system_are_read_again_as_well(
    secure: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "system.pem"
    trustme.CA().cert_pem.write_to_path(str(file))
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    assert "is not trusted" in str(trouble(secure.url))
    AUTHORITY.cert_pem.write_to_path(str(file))
    assert ask(secure.url) == b"secret"


def test_whom_to_trust_was_said_of_one_host(ca: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another one must be known to the system, and back at the first place it is as it was."""
    others, answers = trustme.CA(), [b"", page(b"back")]
    with (
        answering(lambda line: line.sendall(answers.pop(0)), context_of(AUTHORITY.issue_cert("127.0.0.1"))) as served,
        answering(to(served.url), context_of(others.issue_cert("localhost"))) as other,
    ):
        elsewhere = to(other.url.replace("127.0.0.1", "localhost"))
        for verify in (False, ca):
            answers[:] = [elsewhere]
            assert "the certificate of https://localhost" in str(trouble(served.url, verify=verify))
        assert not b"".join(other.asked).strip()
        others.cert_pem.write_to_path(str(tmp_path / "system.pem"))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "system.pem"))
        answers[:] = [elsewhere, page(b"back")]
        assert ask(served.url, verify=ca) == b"back"


def test_files_that_take_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "pipe is no file" in str(trouble("https://127.0.0.1:1/", verify=str(tmp_path / "pipe")))
    stop, real = threading.Event(), os.stat
    hangs = str(tmp_path / "hangs.pem")

    def hang(path: str, **more: bool) -> os.stat_result:
        if path == hangs:
            stop.wait(30)
        return real(path, **more)

    monkeypatch.setattr(os, "stat", hang)
    with pytest.raises(Unable, match=r"the files for TLS are not read in time: .*hangs"):
        fetch("https://127.0.0.1:1/", timeout=0.3, most=1, verify=hangs)
    stop.set()


def test_tls_is_bounded_and_cut_as_well(ca: str) -> None:
    context, stop = context_of(AUTHORITY.issue_cert("127.0.0.1")), threading.Event()
    with answering(trickling(stop), context) as served:
        with pytest.raises(Trouble, match=r"within 0.4 s"):
            fetch(served.url, timeout=0.4, most=1000, verify=ca)
        cancel = Cancel()
        cancelling(cancel, served, asked=2)
        with pytest.raises(Trouble, match="given up"):
            fetch(served.url, timeout=30, most=1000, verify=ca, cancel=cancel)
        stop.set()


# ---- redirects


def to(location: str, status: str = "302 Found") -> bytes:
    return page(b"", status, Location=location)


def test_a_redirect_within_the_host_is_followed_with_everything() -> None:
    answers = [to("/there"), page(b"arrived")]
    with answering(lambda line: line.sendall(answers.pop(0))) as served:
        assert ask(served.url.replace("//", "//user:word@"), headers={"X-Key": "k"}) == b"arrived"
    assert served.asked[1].startswith(b"GET /there ")
    assert (served.header("X-Key"), served.header("Authorization")) == ("k", "Basic dXNlcjp3b3Jk")
    answers = [to(f"{served.url}/whole"), page(b"arrived")]
    with answering(lambda line: line.sendall(answers.pop(0)), port=served.port) as again:
        assert ask(again.url.replace("//", "//user:word@")) == b"arrived"
    assert again.asked[1].startswith(b"GET /whole ")
    assert again.header("Authorization") == "Basic dXNlcjp3b3Jk"


def test_a_redirect_in_letters_that_are_not_english() -> None:
    answers = [to("/über"), page(b"arrived")]
    with answering(lambda line: line.sendall(answers.pop(0))) as served:
        assert ask(served.url) == b"arrived"
    assert served.asked[1].startswith(b"GET /%C3%BCber ")


@pytest.mark.parametrize(
    "more", [{"headers": {"Authorization": "Bearer x"}}, {"headers": {"X-Key": "k"}}, {"body": b"b"}]
)
def test_a_redirect_elsewhere_is_refused_where_something_secret_would_go_along(more: dict[str, object]) -> None:
    with answering(page(b"login")) as other, answering(to(f"{other.url}/login?next=secret")) as served:
        said = trouble(served.url, **more)
        assert f"redirects to another place, {other.url}" in str(said)
        assert "secret" not in str(said)
        assert other.asked == []


def test_a_user_in_the_address_does_not_go_elsewhere() -> None:
    with answering(page(b"login")) as other, answering(to(other.url)) as served:
        assert "redirects to another place" in str(trouble(served.url.replace("//", "//user:word@")))
        assert other.asked == []


def test_a_redirect_elsewhere_is_followed_where_nothing_is_given_away() -> None:
    with answering(page(b"arrived")) as other, answering(to(other.url)) as served:
        assert ask(served.url, headers={"Accept": "application/json"}) == b"arrived"
        assert other.header("Accept") is None or other.header("Accept") == "application/json"


def test_a_redirect_to_plain_http_a_post_s_and_an_endless_one_are_refused(secure: Served, ca: str) -> None:
    with answering(to("http://127.0.0.1/"), context_of(AUTHORITY.issue_cert("127.0.0.1"))) as served:
        assert "redirects to plain http" in str(trouble(served.url, verify=ca))
    with answering(to("/there", "307 Temporary Redirect")) as served:
        assert "redirects a POST" in str(trouble(served.url, method="POST"))
    with answering(to("/again")) as served:
        assert "redirects without end" in str(trouble(served.url))
        assert len(served.asked) == 6
    for nowhere in ("ftp://elsewhere/", "http://[x/", "http://a:b/", "//[::1"):
        with answering(to(nowhere)) as served:
            assert str(trouble(served.url)) == f"{served.url} redirects to what is no address of HTTP"
