"""What is counted of the lines that a real uvicorn writes, and of gunicorn's."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from exporter.collectors.log.access import Access
from exporter.collectors.log.routes import AccessSettings
from tests.accesslogs import requests_of
from tests.process import environment, free_port
from tests.support import until

pytest.importorskip("uvicorn")

APPLICATION = """
async def app(scope, receive, send):
    if scope["type"] == "http":
        if scope["path"] == "/raises":
            raise RuntimeError("no such thing")
        status = {"/missing": 404, "/broken": 503}.get(scope["path"], 200)
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})
"""
ROUTES = AccessSettings(routes=("/api/videos/{id}",), ignore=("/health",))
WEBSOCKET = b'INFO:     127.0.0.1:34760 - "WebSocket /ws?token=x" '
GUNICORN = b'127.0.0.1 - - [25/Nov/2026:08:10:33 +0000] "GET /x?y=1 HTTP/1.1" 200 2 "-" "ua \\"q\\""'


@contextmanager
def uvicorn(folder: Path, *arguments: str) -> Iterator[str]:
    """Run uvicorn with its output in the file `log` of the folder."""
    (folder / "application.py").write_text(APPLICATION, encoding="utf-8")
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with (folder / "log").open("wb") as log:
        command = [sys.executable, "-m", "uvicorn", "application:app", "--port", str(port), "--lifespan", "off"]
        process = subprocess.Popen([*command, *arguments], cwd=folder, env=environment({}), stdout=log, stderr=log)
        try:
            until(lambda: b"Uvicorn running on" in (folder / "log").read_bytes())
            yield address
        finally:
            process.terminate()
            process.wait(10)


def ask_all(address: str) -> None:
    for path in (
        "/",
        "/?token=x",
        "/api/videos/1",
        "/api/videos/2?a=%22",
        "/a%20b%22",
        "/health",
        "/missing",
        "/broken",
    ):
        requests.get(address + path, timeout=10)
    assert requests.get(f"{address}/raises", timeout=10).status_code == 500
    requests.post(f"{address}/api/videos/3", timeout=10)
    requests.request("BREW", f"{address}/", timeout=10)


@pytest.mark.parametrize("colours", ["--no-use-colors", "--use-colors"])
def test_uvicorn(tmp_path: Path, colours: str) -> None:
    with uvicorn(tmp_path, colours) as address:
        ask_all(address)
    lines = (tmp_path / "log").read_bytes().splitlines()
    assert (b"\x1b[" in b"".join(lines)) == (colours == "--use-colors")
    access = Access("app", "uvicorn", ROUTES, {})
    unread = access.feed(lines)
    assert unread == sum(b' - "' not in line for line in lines) > 5
    assert requests_of(access) == {
        ("GET", "/", "200"): 2,
        ("GET", "/api/videos/{id}", "200"): 2,
        ("POST", "/api/videos/{id}", "200"): 1,
        ("GET", "/{id}", "200"): 1,
        ("GET", "/raises", "500"): 1,
        ("GET", "other", "404"): 1,
        ("GET", "other", "503"): 1,
        ("other", "/", "200"): 1,
        ("other", "other", "other"): 0,
    }


def test_websockets_as_uvicorn_writes_them() -> None:
    access = Access("app", "uvicorn", ROUTES, {})
    assert access.feed([WEBSOCKET + b"[accepted]", WEBSOCKET + b"403", WEBSOCKET + b"closed"]) == 1
    assert requests_of(access) == {
        ("GET", "/ws", "101"): 1,
        ("GET", "/ws", "403"): 1,
        ("other", "other", "other"): 0,
    }


def test_gunicorn_with_and_without_the_time() -> None:
    plain, timed = Access("app", "gunicorn", ROUTES, {}), Access("app", "nginx_timed", ROUTES, {})
    assert plain.feed([GUNICORN, GUNICORN + b" 0.001467"]) == 0
    assert timed.feed([GUNICORN, GUNICORN + b" 0.001467"]) == 1
    assert requests_of(plain) == {("GET", "/x", "200"): 2, ("other", "other", "other"): 0}
    assert timed.changed()["access app GET /x"]["seconds"] == 0.001467
