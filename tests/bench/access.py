"""Access logs: how many lines a second one core counts, by format, and where every path is another."""

import random
import statistics
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from exporter.collectors.log.access import Access
from exporter.collectors.log.routes import AccessSettings

_CHUNK: Final = 2500  # lines at once, about what a read of 512 KiB brings
_AGENT: Final = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"
_PATHS: Final = ("/", "/api/videos/%d", "/api/videos/%d/frames", "/static/app.js", "/api/search?q=%d", "/logo.png")
_SETTINGS: Final = AccessSettings(routes=("/api/videos/{id}", "/api/videos/{id}/frames"))


@dataclass(frozen=True, slots=True)
class Counted:
    """What one core counts of one kind of log."""

    name: str
    lines_per_second: float
    bytes_per_second: float


def measure(lines: int) -> list[Counted]:
    """Count so many lines of each kind, and return medians of three times."""
    some = [_line(number, _PATHS[number % len(_PATHS)].replace("%d", str(number % 5000))) for number in range(lines)]
    timed = [line + b' request_time="%.3f"' % random.expovariate(10) for line in some]
    objects = [
        b'{"time": "2026-11-25T07:59:31+00:00", "remote_addr": "10.0.0.1", "host": "mem", "request": "%s", '
        b'"status": "200", "request_time": "0.005"}' % line.split(b'"')[1] for line in some
    ]  # fmt: skip
    written = [b'INFO:     127.0.0.1:40404 - "%s" 200 OK' % line.split(b'"')[1] for line in some]
    unlike = [_line(number, f"/{number:x}/{number * 7919:x}", 404) for number in range(lines)]
    kinds = {"nginx": some, "nginx_timed": timed, "nginx_json": objects, "uvicorn": written}
    return [_counted(name, name, kind) for name, kind in kinds.items()] + [
        _counted("nginx, a scanner", "nginx", unlike)
    ]


def _line(number: int, path: str, status: int = 200) -> bytes:
    request = f'"GET {path} HTTP/1.1" {status} {number % 20_000} "https://mem.example.com/" "{_AGENT}"'
    return f"10.0.{number % 256}.7 - - [25/Nov/2026:07:59:31 +0000] {request}".encode()


def _counted(name: str, format: str, lines: list[bytes]) -> Counted:
    seconds = statistics.median(_seconds(format, lines) for _ in range(3))
    return Counted(name, len(lines) / seconds, sum(map(len, lines)) / seconds)


def _seconds(format: str, lines: list[bytes]) -> float:
    access = Access("web", format, _SETTINGS, {})
    chunks: Iterable[list[bytes]] = [lines[first : first + _CHUNK] for first in range(0, len(lines), _CHUNK)]
    begin = time.process_time()
    for chunk in chunks:
        assert access.feed(chunk) == 0
        access.changed()
    return time.process_time() - begin
