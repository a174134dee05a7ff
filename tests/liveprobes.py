"""Ports, name servers, pings and certificates for dashboards and alerts: well, soon over, ended, broken and gone."""

import os
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme

from tests.nameserver import good, serving
from tests.process import free_port
from tests.speaking import Speaker, speaking


def _greet(speaker: Speaker) -> None:
    speaker.say(b"220 ready\r\n")
    speaker.stop.wait(10)


def _write(path: Path, *pems: trustme.Blob) -> None:
    path.write_bytes(b"".join(pem.bytes() for pem in pems))


@contextmanager
def probes(folder: Path) -> Iterator[str]:
    """Run the servers, and yield lines of targets that look at them, and at files of certificates."""
    authority, now = trustme.CA(), datetime.now(UTC)
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    soon = authority.issue_cert("127.0.0.1", not_after=now + timedelta(days=2))
    ended = authority.issue_cert("127.0.0.1", not_after=now - timedelta(days=2))
    old = authority.issue_cert(
        "old.example.com", not_before=now - timedelta(days=60), not_after=now + timedelta(days=30)
    )
    _write(folder / "old.pem", *old.cert_chain_pems, authority.cert_pem)
    _write(folder / "ended.pem", *ended.cert_chain_pems)
    (folder / "half.pem").write_bytes(ended.cert_chain_pems[0].bytes()[:200])
    with ExitStack() as stack:
        contexts = [ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) for _ in (soon, ended)]
        for context, pair in zip(contexts, (soon, ended), strict=True):
            pair.configure_cert(context)
        secure = [stack.enter_context(speaking(_greet, context, secure=True)) for context in contexts]
        plain = stack.enter_context(speaking(_greet))
        names = stack.enter_context(serving(good))
        yield f"""
  mail-port: {{collector: tcp, address: {plain.place}, interval: 2s, steps: [{{expect: ^220}}]}}
  mail-soon: {{collector: tcp, address: {secure[0].place}, tls: true, ca_file: {folder}/ca.pem, interval: 2s}}
  mail-ended: {{collector: tcp, address: {secure[1].place}, tls: true, ca_file: {folder}/ca.pem, interval: 2s}}
  mail-gone: {{collector: tcp, address: "127.0.0.1:{free_port()}", interval: 2s}}
  names: {{collector: dns, server: {names.place}, query_name: shop.example.com, interval: 2s}}
  names-gone: {{collector: dns, server: "127.0.0.1:{free_port()}", query_name: shop.example.com, interval: 2s}}
  gateway: {{collector: icmp, host: 127.0.0.1, interval: 2s}}
  certificates: {{collector: tls, paths: ["{os.fspath(folder)}/*.pem"], max_age: 500ms}}
"""
