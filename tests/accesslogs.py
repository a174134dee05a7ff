"""nginx over a temporary folder; its access logs are in the formats that docs/access_logs.md tells to use."""

import os
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from exporter.collectors.log.access import Access, samples
from exporter.metric import Sample
from tests.process import ROOT, free_port
from tests.support import until

DOCUMENTATION: Final = ROOT / "docs" / "access_logs.md"
_CONFIG: Final = """
daemon off; user root; worker_processes 1; pid nginx.pid; error_log error.log;
events {{ }}
http {{
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi;
    scgi_temp_path scgi; client_max_body_size 1k; large_client_header_buffers 4 2k;
    {formats}
    access_log combined.log combined; access_log timed.log timed; access_log json.log json;
    server {{
        listen 127.0.0.1:{port};
        location / {{ return 200 ok; }}
        location /moved {{ return 301 /; }}
        location /missing {{ return 404; }}
        location /broken {{ return 500; }}
        proxy_connect_timeout 200ms;  # the silent one takes no connection once its backlog is full
        location /api/ {{ proxy_pass http://127.0.0.1:{silent}; proxy_read_timeout 200ms; }}
        location /down/ {{ proxy_pass http://127.0.0.1:{closed}; }}
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class Nginx:
    """A running nginx; its logs are combined.log, timed.log and json.log in the folder."""

    folder: Path
    port: int

    def send(self, raw: bytes) -> bytes:
        """Send these bytes, and return all that comes back until the connection ends."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(raw)
            with connection.makefile("rb") as answer:
                return answer.read()

    def ask(self, path: str, method: str = "GET", body: bytes = b"") -> int:
        """Make a request; return the status."""
        head = f"{method} {path} HTTP/1.1\r\nHost: mem\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        return int(self.send(head.encode() + body).split(b" ", 2)[1])

    def lines(self, log: str, count: int) -> list[bytes]:
        """Return the lines of a log, once there are so many."""
        file = self.folder / f"{log}.log"
        until(lambda: file.read_bytes().count(b"\n") >= count)
        return file.read_bytes().splitlines()


def log_formats() -> str:
    """Return the log_format lines of the documentation."""
    blocks = re.findall(r"```nginx\n(.*?)```", DOCUMENTATION.read_text(encoding="utf-8"), re.DOTALL)
    return "\n".join(re.sub(r"access_log .*", "", block) for block in blocks)


@contextmanager
def nginx(folder: Path) -> Iterator[Nginx]:
    """Run nginx, or skip the test: /api/ is an application that never answers, /down/ one that is not there."""
    if shutil.which("nginx") is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(
            "nginx is not installed (Debian's package nginx)"
        )
    port, closed = free_port(), free_port()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        config = _CONFIG.format(
            formats=log_formats(), port=port, silent=silent.getsockname()[1], closed=closed
        )  # fmt: skip
        (folder / "nginx.conf").write_text(config, encoding="utf-8")
        process = subprocess.Popen(["nginx", "-p", f"{folder}/", "-c", "nginx.conf", "-e", "error.log"])
        try:
            running = Nginx(folder, port)
            until(lambda: _answers(running))
            yield running
        finally:
            process.terminate()
            process.wait(10)


def _answers(running: Nginx) -> bool:
    try:
        socket.create_connection(("127.0.0.1", running.port), timeout=1).close()
    except OSError:
        return False
    return True


def counted(access: Access) -> dict[tuple[str, ...], Sample]:
    """Return the samples of what has changed, by metric and labels."""
    found = [sample for sample in samples(access.changed()) if sample is not None]
    return {(sample.metric.name, *sample.labels): sample for sample in found}


def requests_of(access: Access) -> dict[tuple[str, ...], object]:
    """Return how many requests were counted, by method, endpoint and status."""
    found = counted(access)
    return {key[1:]: sample.value for key, sample in found.items() if key[0] == "http_requests_total"}


@contextmanager
def busy(server: Nginx) -> Iterator[None]:
    """Have people ask for all kinds of things, until the end."""
    stop = threading.Event()
    thread = threading.Thread(target=_ask_on, args=(server, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _ask_on(server: Nginx, stop: threading.Event) -> None:
    while not stop.wait(0.05):
        for path in ("/", "/orders/1", "/missing", "/broken", "/api/videos/7", "/api/search"):
            server.ask(path)
        server.ask("/upload", "POST", b"x" * 2000)
