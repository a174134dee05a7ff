"""WebSockets and Socket.IO for dashboards and alerts: well, behind a proxy that breaks them, refused, silent, gone."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.badsockets import bad
from tests.process import free_port
from tests.socketservers import nginx, serving


@contextmanager
def sockets(folder: Path) -> Iterator[str]:  # as the other sets have it
    """Run the servers, and yield lines of targets that look at them."""
    with ExitStack() as stack:
        served = stack.enter_context(serving("flask")).port
        echo = stack.enter_context(serving("asgi")).port
        silent = stack.enter_context(bad({"hello": None})).port
        program = shutil.which("nginx")
        broken = served if program is None else stack.enter_context(nginx(program, served, upgrades=False))
        event = "event: {name: status, json: [{path: '[0].status', equals: ok}]}"
        yield f"""
  nova-clip-socket: {{collector: websocket, url: "http://127.0.0.1:{served}", interval: 2s, socketio: {{{event}}}}}
  nova-clip-polling: {{collector: websocket, url: "http://127.0.0.1:{broken}", interval: 2s,
    socketio: {{transport: polling}}}}
  nova-clip-proxied: {{collector: websocket, url: "http://127.0.0.1:{broken}", interval: 2s, socketio: {{}}}}
  nova-clip-admin: {{collector: websocket, url: "http://127.0.0.1:{served}", interval: 2s,
    socketio: {{namespace: /admin}}}}
  audio: {{collector: websocket, url: "ws://127.0.0.1:{echo}/audio", interval: 2s,
    steps: [{{send: hello, expect: hello}}]}}
  audio-silent: {{collector: websocket, url: "ws://127.0.0.1:{silent}", interval: 2s, timeout: 2s,
    steps: [{{send: hello, expect: hello}}]}}
  audio-gone: {{collector: websocket, url: "ws://127.0.0.1:{free_port()}", interval: 2s}}
"""
