"""Real servers of Socket.IO for tests, each a process: python-socketio by ASGI and by threads, and Flask-SocketIO.

Each knows the events `status`, `ask`, `blob` and `slow`; the namespace /admin asks for a token, and the page /counts
tells of the sessions that there are.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import requests

from tests.process import ROOT, environment, free_port
from tests.support import until

KINDS: Final = ("asgi", "threads", "flask")
TOKEN: Final = "token-of-socket-io"


@dataclass(slots=True)
class Server:
    """Where a server of Socket.IO is, and what it counted."""

    kind: str
    port: int
    process: "subprocess.Popen[bytes]"

    def counts(self) -> dict[str, int]:
        """Return what the server counted: sessions that are open, and events, connects and disconnects so far."""
        found = requests.get(f"http://127.0.0.1:{self.port}/counts", timeout=10).json()
        assert isinstance(found, dict)
        return found

    def idle(self) -> None:
        """Wait until the server has no session."""
        until(lambda: self.counts()["open"] == 0)


@contextmanager
def serving(kind: str, **options: float | bool) -> Iterator[Server]:
    """Have a server of this kind while the block runs; options are those of its library."""
    port = free_port()
    told = [f"{name}={float(value)}" for name, value in options.items()]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.socketservers", kind, str(port), *told],
            cwd=ROOT, env=environment({"PYTHONWARNINGS": "default"}), stdout=log, stderr=log,
        )  # fmt: skip
        try:
            until(lambda: _listens(port) or process.poll() is not None, 20)
            if process.poll() is not None:
                log.seek(0)
                raise AssertionError(log.read().decode())
            yield Server(kind, port, process)
        finally:
            process.kill()
            process.wait(10)


def _listens(port: int) -> bool:
    with socket.socket() as line:
        return line.connect_ex(("127.0.0.1", port)) == 0


_NGINX: Final = """
daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1; {user}
events {{ worker_connections 200; }}
http {{
  access_log {folder}/access.log;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  upstream behind {{ {behind} }}
  server {{
    listen 127.0.0.1:{port}{tls};
    location / {{
      proxy_pass http://behind;
      proxy_set_header Host $host;
      {passed}
    }}
  }}
}}
"""
_UPGRADES: Final = (
    'proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";'
)


@contextmanager
def nginx(program: str, *behind: int, upgrades: bool, tls: Path | None = None, sticky: bool = True) -> Iterator[int]:
    """Have nginx before ports while the block runs, that passes WebSockets on or does not; yield its own port.

    Where it is not sticky, each request goes to the next port.
    """
    port = free_port()
    with tempfile.TemporaryDirectory() as name:
        ports = " ".join(["ip_hash;"[: 8 * sticky], *(f"server 127.0.0.1:{one};" for one in behind)])
        secure = f" ssl; ssl_certificate {tls}; ssl_certificate_key {tls}" if tls else ""
        text = _NGINX.format(
            folder=name, port=port, behind=ports, tls=secure, passed=_UPGRADES if upgrades else "", user="user root;"
        )
        config = Path(name, "nginx.conf")
        config.write_text(text, encoding="utf-8")
        process = subprocess.Popen([program, "-c", str(config), "-p", name, "-e", f"{name}/error.log"])
        try:
            until(lambda: _listens(port) or process.poll() is not None, 10)
            assert process.poll() is None, Path(name, "error.log").read_text(encoding="utf-8")
            yield port
        finally:
            process.terminate()
            process.wait(10)


# ---- what runs in the other process


class _Counts:
    """What a server counted, of whichever kind it is."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self._seen: Counter[str] = Counter()

    def note(self, what: str) -> None:
        self._seen[what] += 1

    def told(self) -> dict[str, int]:
        still = [one for one in self._engine.sockets.values() if not one.closed]
        return {"open": len(still), **{name: self._seen[name] for name in ("connect", "disconnect", "status")}}


def _refused(auth: Any) -> bool:
    return not isinstance(auth, dict) or auth.get("token") != TOKEN


def _asgi(port: int, options: dict[str, Any]) -> None:
    import socketio  # type: ignore[import-untyped]
    import uvicorn

    sio = socketio.AsyncServer(async_mode="asgi", **options)
    counts = _Counts(sio.eio)

    async def connect(sid: str, environ: Any, auth: Any = None) -> None:
        counts.note("connect")

    async def admin(sid: str, environ: Any, auth: Any = None) -> bool | None:
        return False if _refused(auth) else None

    async def disconnect(sid: str, reason: str = "") -> None:
        counts.note("disconnect")

    async def status(sid: str, *told: Any) -> Any:
        counts.note("status")
        return {"status": "ok", "told": list(told)}

    async def ask(sid: str, *told: Any) -> None:
        await sio.emit("other", {"x": 0}, to=sid)
        await sio.emit("told", ({"x": 1}, "two"), to=sid)

    async def slow(sid: str) -> None:
        await sio.sleep(30)

    for event, handler in (("connect", connect), ("disconnect", disconnect), ("status", status), ("ask", ask)):
        sio.on(event, handler)
    sio.on("slow", slow)
    sio.on("blob", lambda sid: {"data": b"\x00\x01", "status": "ok"})
    sio.on("connect", admin, namespace="/admin")
    sio.on("status", lambda sid: {"status": "admin"}, namespace="/admin")
    uvicorn.run(socketio.ASGIApp(sio, partial(_echo, counts)), host="127.0.0.1", port=port, log_level="warning")


async def _echo(counts: _Counts, scope: Any, receive: Any, send: Any) -> None:
    """Answer plain requests with what was counted, and WebSockets with a greeting and an echo."""
    if scope["type"] == "http":
        body = json.dumps(counts.told()).encode()
        head = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": body})
    while scope["type"] == "websocket":
        came = await receive()
        if came["type"] == "websocket.connect":
            offered = scope["subprotocols"]
            await send({"type": "websocket.accept", "subprotocol": offered[-1] if offered else None})
            await send({"type": "websocket.send", "text": '{"type": "welcome"}'})
        elif came["type"] == "websocket.receive":
            await send({"type": "websocket.send", **{key: came[key] for key in ("text", "bytes") if came.get(key)}})
        else:
            return


def _handlers(sio: Any, counts: _Counts) -> None:
    def connect(sid: str, environ: Any, auth: Any = None) -> None:
        counts.note("connect")

    def status(sid: str, *told: Any) -> Any:
        counts.note("status")
        return {"status": "ok", "told": list(told)}

    def ask(sid: str, *told: Any) -> None:
        sio.emit("other", {"x": 0}, to=sid)
        sio.emit("told", ({"x": 1}, "two"), to=sid)

    sio.on("connect", connect)
    sio.on("disconnect", lambda sid, reason="": counts.note("disconnect"))
    sio.on("status", status)
    sio.on("ask", ask)
    sio.on("slow", lambda sid: time.sleep(30))
    sio.on("blob", lambda sid: {"data": b"\x00\x01", "status": "ok"})
    sio.on("connect", lambda sid, environ, auth=None: not _refused(auth), namespace="/admin")
    sio.on("status", lambda sid: {"status": "admin"}, namespace="/admin")


def _threads(port: int, options: dict[str, Any]) -> None:
    import socketio
    from werkzeug.serving import make_server

    sio = socketio.Server(async_mode="threading", **options)
    counts = _Counts(sio.eio)

    def told(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(counts.told()).encode()]

    _handlers(sio, counts)
    make_server("127.0.0.1", port, socketio.WSGIApp(sio, told), threaded=True).serve_forever()


def _flask(port: int, options: dict[str, Any]) -> None:
    from flask import Flask
    from flask_socketio import SocketIO, emit  # type: ignore[import-untyped]
    from werkzeug.serving import make_server

    app = Flask("tests")
    served = SocketIO(app, async_mode="threading", **options)
    counts = _Counts(served.server.eio)

    def status(*told: Any) -> Any:
        counts.note("status")
        return {"status": "ok", "told": list(told)}

    def ask(*told: Any) -> None:
        emit("other", {"x": 0})
        emit("told", ({"x": 1}, "two"))

    served.on_event("connect", lambda auth=None: counts.note("connect"))
    served.on_event("disconnect", lambda reason="": counts.note("disconnect"))
    served.on_event("status", status)
    served.on_event("ask", ask)
    served.on_event("slow", lambda: time.sleep(30))
    served.on_event("blob", lambda: {"data": b"\x00\x01", "status": "ok"})
    app.add_url_rule("/counts", view_func=counts.told)
    served.on_event("connect", lambda auth=None: not _refused(auth), namespace="/admin")
    served.on_event("status", lambda: {"status": "admin"}, namespace="/admin")
    make_server("127.0.0.1", port, app, threaded=True).serve_forever()


def _main(kind: str, port: str, *told: str) -> None:
    options: dict[str, Any] = {name: float(value) for name, _, value in (one.partition("=") for one in told)}
    if "allow_upgrades" in options:
        options["allow_upgrades"] = bool(options["allow_upgrades"])
    threading.Thread(target=_until_orphaned, daemon=True).start()
    {"asgi": _asgi, "threads": _threads, "flask": _flask}[kind](int(port), options)


def _until_orphaned() -> None:
    """End with the tests, also where they are killed."""
    begun = os.getppid()
    while os.getppid() == begun:
        time.sleep(1)
    os._exit(1)


if __name__ == "__main__":
    _main(*sys.argv[1:])
