"""The collector `http` beside prometheus-blackbox-exporter: the same servers, name by name."""

import gzip
import re
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
import trustme

from tests.answering import Served, answering, page, silent
from tests.beside import Comparison, compare
from tests.blackbox import Blackbox, blackbox, needs_blackbox
from tests.onetarget import one
from tests.process import free_port

_NOT_SEEN: Final = "no answer came: they say 0, here is no sample"
EXPLAINED: Final = {
    ("probe_http_redirects", "values"): "they count one that is not followed",
    ("probe_http_duration_seconds", "only ours"): "there is no such host: they have the phase resolve alone",
}
"""Differences that are meant, by family and aspect."""
LACKING: Final = {
    "probe_http_content_length": _NOT_SEEN,
    "probe_http_redirects": _NOT_SEEN,
    "probe_http_ssl": _NOT_SEEN,
    "probe_http_uncompressed_body_length": _NOT_SEEN,
    "probe_http_version": _NOT_SEEN,
    "probe_ip_addr_hash": "there is no such host: they say 0",
    "probe_ip_protocol": "there is no such host: they say 0",
}
"""What they give and we do not, where no answer came."""
ADDED: Final = {
    "probe_tls_cipher_info": "Debian's release does not have it",
    "probe_ssl_earliest_cert_expiry": "of a certificate that does not verify",
    "probe_ssl_last_chain_info": "of a certificate that does not verify",
    "probe_tls_version_info": "of a certificate that does not verify",
}
"""What we give and they do not."""

_SERIAL: Final = {"probe_ssl_last_chain_info": "serialnumber"}
"""A label that older releases do not have."""
_TIME: Final = re.compile(r"(?m)^(probe_(?:http_)?duration_seconds|probe_dns_lookup_time_seconds)(\{.*\})? .*")

AUTHORITY: Final = trustme.CA()
STRANGER: Final = trustme.CA()
GOOD: Final = page(b"<h1>Welcome</h1>", Last_Modified="Sun, 29 Nov 2026 10:00:00 GMT")


@pytest.fixture(scope="module", autouse=True)
def _peer() -> None:
    needs_blackbox()


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    AUTHORITY.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory, ca: str) -> Iterator[Blackbox]:
    def module(**more: Any) -> dict[str, Any]:
        tls = {"tls_config": {"ca_file": ca}, "preferred_ip_protocol": "ip4"}
        return {"prober": "http", "timeout": "1s", "http": tls | more}

    modules = {
        "plain": module(),
        "still": module(follow_redirects=False, valid_status_codes=[302]),
        "pattern": module(fail_if_body_not_matches_regexp=["Goodbye"]),
        "header": module(fail_if_header_matches=[{"header": "Server", "regexp": "[0-9]"}]),
        "post": module(method="POST", body="a=1"),
        "unzipped": module(compression="gzip", headers={"Accept-Encoding": "gzip"}),
    }
    with blackbox(tmp_path_factory.mktemp("blackbox"), modules) as running:
        yield running


OURS: Final[Mapping[str, str]] = {
    "plain": "",
    "still": "max_redirects: 0\nexpect: {statuses: [302]}",
    "pattern": "expect: {body: [Goodbye]}",
    "header": "expect: {headers_absent: {Server: '[0-9]'}}",
    "post": "method: POST\nbody: a=1",
    "unzipped": "compression: true",
}


def context_of(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


@contextmanager
def served(kind: str) -> Iterator[str]:
    """Run the server that a case asks for, and yield its address."""
    ended = datetime.now(UTC) - timedelta(days=3)
    certificates = {
        "good": lambda: AUTHORITY.issue_cert("localhost"),
        "expired": lambda: AUTHORITY.issue_cert("localhost", not_after=ended),
        "untrusted": lambda: STRANGER.issue_cert("localhost"),
        "wrong name": lambda: AUTHORITY.issue_cert("elsewhere.example"),
    }
    stop, stack = threading.Event(), ExitStack()

    def run(answer: Any, context: ssl.SSLContext | None = None) -> Served:
        return stack.enter_context(answering(answer, context))

    with stack:
        stack.callback(stop.set)
        if kind in certificates:
            server = run(GOOD, context_of(certificates[kind]()))
            yield f"https://localhost:{server.port}/"
        elif kind == "redirect":
            yield f"http://localhost:{run(page(b'', '302 Found', Location=run(GOOD).url)).port}/"
        elif kind == "refused":
            yield f"http://localhost:{free_port()}/"
        elif kind == "unknown":
            yield "http://nowhere.invalid/"
        elif kind == "slow":
            yield f"http://localhost:{run(silent(stop)).port}/"
        elif kind == "zipped":
            yield f"http://localhost:{run(page(gzip.compress(b'x' * 5000, mtime=0), Content_Encoding='gzip')).port}/"
        else:
            status = {"404": "404 Not Found", "503": "503 Sorry"}.get(kind, "200 OK")
            yield f"http://localhost:{run(page(b'<h1>Welcome</h1>', status, Server='x/1.2')).port}/"


def timeless(page: str) -> str:
    """Return a page with 0 for the times, which each measures anew; test_http* judge them."""
    return _TIME.sub(r"\1\2 0", page)


def compared(peer: Blackbox, ca: str, kind: str, module: str) -> Comparison:
    with served(kind) as url:
        settings = f"url: {url}\nca_file: {ca}\nip_family: prefer_ipv4\nmax_age: 0s\ntimeout: 1250ms\n{OURS[module]}"
        with one("http", settings) as target:
            return compare(
                lambda: timeless(peer.probe(module, url)), lambda: timeless(target.text()), "probe_", _SERIAL
            )


@pytest.mark.parametrize(
    ("kind", "module", "least"),
    [
        ("ok", "plain", 13), ("ok", "pattern", 13), ("ok", "header", 13), ("ok", "post", 13),
        ("zipped", "unzipped", 12), ("404", "plain", 13),
        ("503", "plain", 13), ("redirect", "plain", 14), ("redirect", "still", 13), ("good", "plain", 17),
        ("expired", "plain", 7), ("untrusted", "plain", 7), ("wrong name", "plain", 7), ("slow", "plain", 7),
        ("refused", "plain", 7), ("unknown", "plain", 6),
    ],
)  # fmt: skip
def test_name_by_name(peer: Blackbox, ca: str, kind: str, module: str, least: int) -> None:
    found = compared(peer, ca, kind, module)
    print("\n" + found.table(EXPLAINED))
    assert found.unexplained(EXPLAINED) == []
    answered = least > 10
    assert set(found.lacking) <= (set() if answered else LACKING.keys())
    assert set(found.added) <= ADDED.keys()
    assert len(found.verdicts) >= least
