"""What the benchmark probes: servers on this machine, and what this exporter and its peer are told of them."""

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import requests
import trustme

from tests.nameserver import good, serving
from tests.process import free_port
from tests.socketservers import serving as serving_sockets
from tests.support import until

_NGINX: Final = """
daemon off; worker_processes 2; pid nginx.pid; error_log error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path t; proxy_temp_path t; fastcgi_temp_path t; uwsgi_temp_path t; scgi_temp_path t;
  server {{
    listen 127.0.0.1:{http} backlog=4096; listen 127.0.0.1:{https} ssl backlog=4096;
    ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem; ssl_session_tickets off;
    location / {{ default_type application/json; return 200 '{{"status": "healthy"}}'; }}
  }}
}}
"""
_NAME: Final = "shop.example.com"
_IPV4: Final = {"preferred_ip_protocol": "ip4"}


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of probe: the lines of our target; of the peer the module and its target, where it has such a probe.

    `paced` are those that are measured at a real interval as well.
    """

    name: str
    collector: str
    settings: str
    module: Mapping[str, Any] | None = None
    place: str = ""
    paced: bool = False


@contextmanager
def served(folder: Path) -> Iterator[list[Kind]]:
    """Run the servers; yield the kinds that can be probed here, those of HTTP first where nginx is installed."""
    with ExitStack() as stack:
        program = shutil.which("nginx")
        found = stack.enter_context(_by_nginx(folder, program)) if program is not None else []
        found += [_dns(stack.enter_context(serving(good)).place), _icmp()]
        found += _sockets(stack.enter_context(serving_sockets("asgi")).port)
        yield found


@contextmanager
def _by_nginx(folder: Path, program: str) -> Iterator[list[Kind]]:
    authority = trustme.CA()
    issued = authority.issue_cert("localhost", "127.0.0.1")
    issued.private_key_pem.write_to_path(str(folder / "key.pem"))
    issued.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    http, https = free_port(), free_port()
    (folder / "nginx.conf").write_text(_NGINX.format(folder=folder, http=http, https=https), encoding="utf-8")
    process = subprocess.Popen([program, "-p", f"{folder}/", "-c", "nginx.conf", "-e", "error.log"])
    try:
        until(lambda: _answers(f"http://127.0.0.1:{http}/"), 10)
        yield _of_http(f"127.0.0.1:{http}", f"127.0.0.1:{https}", str(folder / "ca.pem"))
    finally:
        process.terminate()
        process.wait(10)


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.ConnectionError:
        return False


def _of_http(plain: str, secure: str, ca: str) -> list[Kind]:
    tls = {"tls_config": {"ca_file": ca}}
    http = {**_IPV4, "enable_http2": False}  # which we do not speak
    return [
        Kind("http", "http", f"url: http://{plain}/", _module("http", **http), f"http://{plain}/", True),
        Kind("https", "http", f"url: https://{secure}/\nca_file: {ca}", _module("http", **http, **tls),
             f"https://{secure}/", True),
        Kind("tcp", "tcp", f"address: {plain}", _module("tcp", **_IPV4), plain),
        Kind("tcp with TLS", "tcp", f"address: {secure}\ntls: true\nca_file: {ca}",
             _module("tcp", tls=True, **_IPV4, **tls), secure),
    ]  # fmt: skip


def _dns(place: str) -> Kind:
    settings = f"server: {place}\nquery_name: {_NAME}"
    return Kind("dns", "dns", settings, _module("dns", query_name=_NAME, query_type="A", **_IPV4), place)


def _icmp() -> Kind:
    return Kind("icmp", "icmp", "host: 127.0.0.1", _module("icmp", **_IPV4), "127.0.0.1")


def _sockets(port: int) -> list[Kind]:
    return [
        Kind("websocket", "websocket", f"url: ws://127.0.0.1:{port}/"),
        Kind("Socket.IO", "websocket", f"url: http://127.0.0.1:{port}\nsocketio: {{event: {{name: status}}}}"),
    ]


def _module(prober: str, **settings: Any) -> dict[str, Any]:
    return {"prober": prober, "timeout": "5s", prober: settings}
