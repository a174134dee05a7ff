"""Certificates, users and web configurations for tests, and requests over TLS."""

import functools
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bcrypt
import requests
import trustme

from tests.process import Exporter, running

PASSWORD = "canary pass-word: é"
USER = {"alice": PASSWORD}


@functools.cache
def authority(name: str = "ours") -> trustme.CA:
    """Return an authority of this name, the same for all tests."""
    return trustme.CA(organization_name=name)


def hashed(password: str, cost: int = 4) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(cost)).decode()


def write_pair(folder: Path, *names: str, by: str = "ours", stem: str = "server") -> None:
    """Write a new certificate for these names and its key, as <stem>.crt and <stem>.key, and the authority's."""
    issued = authority(by).issue_cert(*(names or ("127.0.0.1", "localhost")))
    issued.private_key_pem.write_to_path(folder / f"{stem}.key")
    (folder / f"{stem}.key").chmod(0o600)
    (folder / f"{stem}.crt").write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    authority(by).cert_pem.write_to_path(folder / f"{by}.pem")


TLS = "tls_server_config: {cert_file: server.crt, key_file: server.key}\n"
MUTUAL = """\
tls_server_config:
  cert_file: server.crt
  key_file: server.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: ours.pem
"""


def users(**passwords: str) -> str:
    return "basic_auth_users:\n" + "".join(f"  {name}: {hashed(word)}\n" for name, word in passwords.items())


@contextmanager
def secured(
    folder: Path, web: str, *arguments: str, config: str = "targets: {alpha: {collector: fake}}", **more: Any
) -> Iterator[Exporter]:
    """Start the exporter with this web configuration, beside a certificate of `ours` and a client's."""
    write_pair(folder)
    write_pair(folder, "prometheus.example", stem="client")
    (folder / "web.yml").write_text(web, encoding="utf-8")
    (folder / "web.yml").chmod(0o600)
    with running(folder, config, f"--web.config.file={folder / 'web.yml'}", *arguments, **more) as exporter:
        yield exporter


def ask(
    folder: Path, exporter: Exporter, path: str = "/-/healthy", method: str = "GET", **more: Any
) -> requests.Response:
    """Ask over TLS, trusting `ours`; a fresh connection each time."""
    return requests.request(
        method, f"https://{exporter.address}{path}", verify=str(folder / "ours.pem"), timeout=15, **more
    )


def client_pair(folder: Path, stem: str = "client") -> tuple[str, str]:
    return str(folder / f"{stem}.crt"), str(folder / f"{stem}.key")


def context(folder: Path) -> ssl.SSLContext:
    """Return a client's context that trusts `ours`."""
    return ssl.create_default_context(cafile=str(folder / "ours.pem"))


@contextmanager
def tls_connection(exporter: Exporter, client: ssl.SSLContext) -> Iterator[ssl.SSLSocket]:
    with (
        socket.create_connection((exporter.host, exporter.port), timeout=10) as plain,
        client.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
    ):
        yield connection


def exchange(connection: ssl.SSLSocket, request: bytes) -> bytes:
    """Send a request that ends the connection, and return the answer."""
    connection.sendall(request)
    return b"".join(iter(lambda: connection.recv(65536), b""))
