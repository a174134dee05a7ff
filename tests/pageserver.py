"""A web server with pages that are well, and with pages that misbehave in all the ways that browsers meet."""

import gzip
import select
import shutil
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import psutil

from exporter.snapshot import Snapshot
from tests.onetarget import One, one
from tests.soak import Held, held

SCRIPT = "const words = " + repr("word " * 20_000) + ";\n"
STYLE = "h1 { color: #333 }\n" * 500
MOUNT = """setTimeout(() => { document.getElementById('root').innerHTML =
  '<main class="list css-1q2w3e"><h1 id="top">Orders</h1><ul><li class="row">1</li><li class="row">2</li></ul></main>'
}, 300);"""


def page(body: str, head: str = "") -> str:
    return f'<!doctype html><html><head><title>Shop</title>{head}</head><body><div id="root"></div>{body}</body></html>'


def scripted(script: str, mounted: bool = True) -> str:
    return page(f"<script>{MOUNT if mounted else ''}\n{script}</script>")


PAGES: dict[str, str] = {
    "/good": page(f"<script>{MOUNT}</script>", '<link rel="stylesheet" href="/a.css"><script src="/a.js"></script>'),
    "/empty": page(""),
    "/errors": scripted("""
        console.error('wrong'); console.assert(false, 'wrong'); console.warn('fine');
        alert('one'); confirm('two'); prompt('three'); for (let i = 0; i < 20; i++) window.open('/good');
        navigator.serviceWorker.register('/worker.js'); Notification.requestPermission(); new Worker('/worker.js');
        localStorage.setItem('drafts', 'x'.repeat((5 << 20) - 106));
        try { localStorage.setItem('more', 'x'.repeat(97)) } catch { }  // which is one letter too many
        fetch('/404'); setTimeout(() => { throw new Error('nobody catches this'); }, 10);
        Promise.reject(new Error('nor this'));
    """),
    "/stays": scripted(
        """
        addEventListener('beforeunload', event => { event.preventDefault(); event.returnValue = 'stay'; });
        setTimeout(() => location.href = '/good', 500); setTimeout(() => print(), 50);
    """,
        mounted=False,
    ),
    "/alerts": scripted("for (;;) alert('again');"),
    "/loop": scripted("setTimeout(() => { for (;;); }, 0);"),
    "/loop-later": scripted("addEventListener('load', () => setTimeout(() => { for (;;); }, 400));"),
    "/hangs": page('<img src="/never"><p>text</p>'),
    "/refresh": page("<p>text</p>", '<meta http-equiv="refresh" content="0">'),
    "/moves": scripted("location.href = '/good';", mounted=False),
    "/many": scripted("for (let i = 0; i < 3000; i++) fetch('/404?' + i).catch(() => 0);"),
    "/frames": page("<p>text</p>" + '<iframe src="/good"></iframe>' * 30),
    "/workers": scripted("for (let i = 0; i < 20; i++) new Worker('/worker.js');"),
    "/eats": scripted("const kept = []; for (;;) kept.push(new Uint8Array(16 << 20).fill(1));"),
    "/eats-heap": scripted("const kept = []; for (;;) kept.push(new Array(1e6).fill().map(() => ({})));"),
    "/stores": scripted("""
        (async () => { const cache = await caches.open('all');
          for (let i = 0; ; i++) await cache.put('/' + i, new Response(new Uint8Array(8 << 20).map((_, n) => n * n)));
        })();
    """),
    "/long": page("<p>text</p>" + "<p>more text</p>" * 50_000),
    "/talks": scripted("const long = 'x'.repeat(1 << 20); for (let i = 0; i < 30; i++) console.error(long + i);"),
    "/slow-task": scripted("setTimeout(() => { const until = Date.now() + 600; while (Date.now() < until); }, 100);"),
    "/no-storage": page(f"<script>{MOUNT}</script>"),
    "/policy": page(
        f"<script>{MOUNT}</script><img src='/404'>",
        """
        <meta http-equiv="Content-Security-Policy" content="script-src 'self'; object-src 'none'">
    """,
    ),
    "/login": page('<form class="login"><input name="user"></form><p>text</p>'),
}
TYPES = {".js": "text/javascript", ".css": "text/css"}


class Pages(BaseHTTPRequestHandler):
    """Answers with these pages; a few paths are special."""

    protocol_version = "HTTP/1.1"
    over: ClassVar[threading.Event]
    asked: ClassVar[list[str]]
    pages: ClassVar[dict[str, str]]

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.asked.append(path)
        special: dict[str, Callable[[], None]] = {
            "/never": self._never, "/huge": self._huge, "/redirects": self._redirects, "/download": self._download,
            "/a.js": lambda: self._answer(SCRIPT, "text/javascript"), "/a.css": lambda: self._answer(STYLE, "text/css"),
            "/worker.js": lambda: self._answer("self.onmessage = () => 0;", "text/javascript"),
            "/500": lambda: self._answer(page("<p>Server error</p>"), status=500),
            "/no-storage": lambda: self._answer(
                PAGES["/no-storage"], more={"Content-Security-Policy": "sandbox allow-scripts"}
            ),
            "/turns": self._turns,
            "/garbage": self._garbage, "/private": self._private,
        }  # fmt: skip
        with suppress(OSError):  # the browser has gone on
            if path in special:
                special[path]()
            elif path in self.pages:
                self._answer(self.pages[path])
            else:
                self._answer(page("<p>Not found</p>"), status=404)

    def _answer(
        self, text: str, kind: str = "text/html", status: int = 200, more: dict[str, str] | None = None
    ) -> None:
        body = gzip.compress(text.encode(), 1)
        self.send_response(status)
        given = {"Content-Type": f"{kind}; charset=utf-8", "Content-Encoding": "gzip", "Content-Length": str(len(body))}
        for name, value in {**given, **(more or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _turns(self) -> None:
        kind = ("section", "aside")[self.asked.count("/turns") % 2]
        self._answer(page(f"<{kind}>built anew at each visit</{kind}>"))

    def _never(self) -> None:
        while not self.over.is_set():
            if select.select([self.connection], [], [], 0.05)[0]:  # the browser has hung up
                return

    def _huge(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<p>text</p>")
        while not self.over.is_set():
            self.wfile.write(b"<!-- more -->" * 10_000)

    def _redirects(self) -> None:
        self.send_response(302)
        self.send_header("Location", f"/redirects?{time.monotonic_ns()}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _download(self) -> None:
        self._answer("a,b\n", "text/csv", more={"Content-Disposition": "attachment; filename=a.csv"})

    def _garbage(self) -> None:
        self.wfile.write(b"\0\1\2 no HTTP at all")
        self.close_connection = True

    def _private(self) -> None:
        if self.headers["Authorization"] == "Basic c2hvcDpwbGVudGlmdWwtb3JjaGlk":  # shop:plentiful-orchid
            self._answer(scripted(""))
        else:
            self._answer("", status=401, more={"WWW-Authenticate": 'Basic realm="shop"'})

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        """Say nothing: browsers hang up as they like."""


class Site:
    """The server at work, and a folder for the browsers' files, which any user may enter."""

    def __init__(self, address: str, scratch: Path, asked: list[str], pages: dict[str, str]) -> None:
        self.address, self.scratch, self.asked, self.pages = address, scratch, asked, pages

    def settings(self, path: str, more: str = "") -> str:
        url = path if "://" in path else f"{self.address}{path}"
        return f"url: '{url}'\nscratch: {self.scratch}\nquiet: 200ms\n{more}"

    @contextmanager
    def page(self, path: str, more: str = "", state: Path | None = None) -> Iterator[One]:
        with one("page", self.settings(path, more), state) as target:
            yield target

    def visit(self, path: str, more: str = "") -> Snapshot:
        """Return what one visit to the page gave."""
        with self.page(path, more) as target:
            return target.read(180)

    def browsers(self) -> list[psutil.Process]:
        """Return the processes of browsers that have their files in our folder."""
        return [one for one in psutil.process_iter() if str(self.scratch) in " ".join(_words(one))]

    def chief(self) -> psutil.Process:
        """Return the first process of the browser that runs."""
        return next(one for one in self.browsers() if "--remote-debugging-pipe" in _words(one))

    def left(self) -> list[str]:
        """Return what browsers have left behind: processes and files."""
        return [str(one) for one in self.browsers()] + [str(path) for path in self.scratch.iterdir()]


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


@contextmanager
def serving(context: ssl.SSLContext | None = None) -> Iterator[Site]:
    """Serve these pages while the block runs."""
    over = threading.Event()
    asked: list[str] = []
    pages = dict(PAGES)
    server = _Server(("127.0.0.1", 0), type("_Pages", (Pages,), {"over": over, "asked": asked, "pages": pages}))
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    scratch = Path(tempfile.mkdtemp(prefix="page-tests-"))
    scratch.chmod(0o711)
    try:
        yield Site(f"{'https' if context else 'http'}://127.0.0.1:{server.server_address[1]}", scratch, asked, pages)
    finally:
        over.set()
        server.shutdown()
        thread.join()
        server.server_close()
        shutil.rmtree(scratch, ignore_errors=True)


def values(snapshot: Snapshot) -> dict[str, float]:
    """Return what a visit gave, by series."""
    return {
        f"{sample.metric.name.removeprefix('runbook_page_')}{list(sample.labels) or ''}": float(sample.value)  # type: ignore[arg-type]
        for sample in snapshot.samples()
    }


def down(snapshot: Snapshot, *said: str) -> None:
    """See that the target is down, and why."""
    assert snapshot.up is False
    for words in said:
        assert words in f"{snapshot.reason} {snapshot.fix}"


def is_no_more_than(before: Held) -> bool:
    """Tell whether this process holds no more descriptors, threads and children than before."""
    return all(now <= then for now, then in zip(held()[:3], before[:3], strict=True))
