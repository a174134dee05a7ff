"""The endpoints: which address answers what."""

import asyncio
import difflib
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Final

from tornado.httputil import HTTPServerRequest

from exporter import discovery, exposition, health, pack, runbookpage, statechange, statuspage, taskdoor, taskpage
from exporter.answer import Answer, accepts_gzip, as_json, html, seconds_for_page, text
from exporter.aside import aside
from exporter.board import Board
from exporter.collector import kinds
from exporter.config import WebSettings
from exporter.listening import host_of
from exporter.models import UNIX
from exporter.pages import Pages
from exporter.selfmetrics import Exporter
from exporter.snapshot import Snapshot
from exporter.target import Target

if TYPE_CHECKING:
    from exporter.collectors.task.checklist import Checklist

Handler = Callable[[HTTPServerRequest], Awaitable[Answer]]
_TIMEOUT_HEADER: Final = "X-Prometheus-Scrape-Timeout-Seconds"
_HOST: Final = re.compile(r"[A-Za-z0-9._-]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?")
# Such a page takes some 2 ms; handing it to another thread and back would add a tenth to what a page of the host costs.
_RENDERED_AT_ONCE: Final = 2000
_ORIGIN: Final = re.compile(r"https?://[^/]*", re.IGNORECASE)


class Endpoints:
    """Answers requests from the board; `reload` loads the configuration anew and returns what was refused of it.

    `knows` says whether it is known who sends a request, `user` who that is.
    """

    def __init__(
        self, web: WebSettings, board: Board, pages: Pages, reload: Callable[[], str],
        knows: Callable[[HTTPServerRequest], bool], user: Callable[[HTTPServerRequest], str],
    ) -> None:  # fmt: skip
        self.web = web
        self._knows = knows
        self._user = user
        self._door = taskdoor.Door()
        self._board = board
        self._pages = pages
        self._reload = reload
        # one thread renders large pages: asked for at the same moment they are made once, and the event loop stays free
        self._renderer = ThreadPoolExecutor(1, thread_name_prefix="render")
        # one thread waits for the disk, however many mark tasks
        self._noter = ThreadPoolExecutor(1, thread_name_prefix="tasks")
        self.routes: dict[str, tuple[tuple[str, ...], Handler]] = {
            "/": (("GET", "HEAD"), self._landing),
            "/metrics": (("GET", "HEAD"), self._metrics),
            "/probe": (("GET", "HEAD"), self._probe),
            "/sd": (("GET", "HEAD"), self._discovery),
            "/health": (("GET", "HEAD"), self._health),
            "/targets": (("GET", "HEAD"), self._targets),
            runbookpage.ADDRESS: (("GET", "HEAD"), self._runbooks),
            taskdoor.PAGE: (("GET", "HEAD"), self._checklist),
            taskdoor.ADDRESS: (("POST",), self._task_done),
            "/-/healthy": (("GET", "HEAD"), self._alive),
            "/-/ready": (("GET", "HEAD"), self._alive),
            "/-/reload": (("POST",), self._reload_now),
        }

    async def answer(self, request: HTTPServerRequest) -> Answer:
        """Return the answer to a request; what is not an endpoint is 404."""
        if not request.path.startswith("/"):
            request.path = _ORIGIN.sub("", request.path, count=1) or "/"  # a proxy's form: http://host/path
        route = self.routes.get(endpoint(request.path))
        if route is None:
            return text(f"there is nothing at this address; the endpoints are {' '.join(self.routes)}", 404)
        methods, handler = route
        if request.method not in methods:
            return text(f"{request.path} answers to {' and '.join(methods)}", 405, Allow=", ".join(methods))
        return await handler(request)

    # ---- for Prometheus

    async def _metrics(self, request: HTTPServerRequest) -> Answer:
        collect, exclude = arguments(request, "collect[]"), arguments(request, "exclude[]")
        if collect or exclude:
            known = {*kinds(), Exporter.kind}
            unknown = sorted({*collect, *exclude} - known)
            if unknown:
                return text(f"no such collector: {', '.join(unknown)}; there are {', '.join(sorted(known))}", 400)
            if set(collect) <= set(exclude) and collect:
                return text("collect[] and exclude[] name the same collectors, which leaves nothing", 400)
        return await self._page(self._board.select(collect, exclude), request, labelled=True)

    async def _probe(self, request: HTTPServerRequest) -> Answer:
        names = arguments(request, "target")
        if len(names) != 1:
            return text("say which target: /probe?target=NAME, with one of the names at /targets", 400)
        target = self._board.target(names[0])
        if target is None:
            return text("the configuration has no target of this name; see /targets", 404)
        return await self._page([target], request, labelled=False)

    async def _discovery(self, request: HTTPServerRequest) -> Answer:
        host = request.headers.get("Host", "")
        if not _HOST.fullmatch(host):
            return text("the header Host must name this exporter: it is what Prometheus is told to scrape", 400)
        return as_json(discovery.groups(self._board.targets(), host, request.protocol))

    async def _page(self, targets: Sequence[Target], request: HTTPServerRequest, *, labelled: bool) -> Answer:
        snapshots = await self._snapshots(targets, request)
        zipped = accepts_gzip(request.headers.get("Accept-Encoding", ""))
        body = self._pages.kept(snapshots, labelled=labelled, zipped=zipped)
        if body is None:
            body = await self._rendered(partial(self._pages.page, targets, snapshots, labelled=labelled, zipped=zipped),
                                        sum(snapshot.series() for snapshot in snapshots))  # fmt: skip
        headers = {"Vary": "Accept-Encoding"} | ({"Content-Encoding": "gzip"} if zipped else {})
        return Answer(body, exposition.CONTENT_TYPE, 200, headers)

    async def _rendered(self, page: Callable[[], bytes], series: int) -> bytes:
        """Render here what takes a moment, and elsewhere what would keep others waiting."""
        if series <= _RENDERED_AT_ONCE and not self._pages.busy():
            return page()
        return await asyncio.get_running_loop().run_in_executor(self._renderer, page)

    async def _snapshots(self, targets: Sequence[Target], request: HTTPServerRequest) -> list[Snapshot]:
        """Ask for what is too old, wait no longer than the request allows, and return what is known then."""
        begun = time.monotonic()
        seconds = seconds_for_page(request.headers.get(_TIMEOUT_HEADER, ""), self.web.timeout_offset)
        for futures, wait in self._board.ask(targets).groups(seconds):
            left = begun + wait - time.monotonic()
            if left > 0:
                await asyncio.wait([asyncio.wrap_future(future) for future in futures], timeout=left)
        return [target.view(begun) for target in targets]

    # ---- for load balancers and people

    async def _health(self, request: HTTPServerRequest) -> Answer:
        targets = self._board.targets()
        report = health.report(targets, await self._snapshots(targets, request), time.time())
        return as_json(report, 503 if report["status"] == "critical" else 200)

    async def _landing(self, request: HTTPServerRequest) -> Answer:
        targets = self._board.targets()
        snapshots = await self._snapshots(targets, request)
        summary = partial(taskpage.summary, self._checklists(), time.time())
        tasks = await asyncio.get_running_loop().run_in_executor(self._renderer, summary)
        return html(statuspage.landing(targets, snapshots, time.time(), tasks))

    async def _targets(self, request: HTTPServerRequest) -> Answer:
        targets = self._board.targets()
        return html(statuspage.targets(targets, await self._snapshots(targets, request), time.time()))

    async def _runbooks(self, request: HTTPServerRequest) -> Answer:
        # reading rules and Markdown for the first time takes a tenth of a second: scrapes do not wait for it
        return await asyncio.get_running_loop().run_in_executor(self._renderer, _runbook, request.path)

    # ---- the checklist

    def _checklists(self) -> "list[Checklist]":
        return list(taskpage.of(self._board.select([taskdoor.KIND])))

    async def _checklist(self, request: HTTPServerRequest) -> Answer:
        user = self._user(request)
        page = partial(taskpage.answer, self._checklists(), user, partial(self._door.form, user))
        return await asyncio.get_running_loop().run_in_executor(self._renderer, page)

    async def _task_done(self, request: HTTPServerRequest) -> Answer:
        try:
            asked = self._door.asked(request, self._user(request), self._checklists())
        except taskdoor.RefusedError as refused:
            return refused.answer
        return await asyncio.get_running_loop().run_in_executor(self._noter, asked.note_it)

    # ---- for whoever runs it

    async def _alive(self, _: HTTPServerRequest) -> Answer:
        return text("ok")

    async def _reload_now(self, request: HTTPServerRequest) -> Answer:
        refused = statechange.refusal(
            request, known=self._knows(request), open_to_all=self.web.enable_lifecycle,
            hosts=[host_of(address) for address in self.web.addresses if not address.startswith(UNIX)],
        )  # fmt: skip
        if refused is not None:
            return refused
        problem = await asyncio.wrap_future(aside(self._reload))
        if problem:
            return text(problem, 500)
        return text("reloaded")


def endpoint(path: str) -> str:
    """Return the endpoint that answers for a path: all runbook pages are one, and all tasks."""
    if f"{path}/".startswith(runbookpage.ADDRESS):
        return runbookpage.ADDRESS
    return taskdoor.ADDRESS if path.startswith(taskdoor.ADDRESS) else path


def _runbook(path: str) -> Answer:
    name = path[len(runbookpage.ADDRESS) :]
    if not name:
        return html(runbookpage.index())
    if name not in pack.rules().alerts:
        near = difflib.get_close_matches(name[:100], pack.rules().alerts, 3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"{runbookpage.ADDRESS} lists those that there are"
        return text(f"there is no such alert; {hint}", 404)
    return html(runbookpage.page(name))


def arguments(request: HTTPServerRequest, name: str) -> list[str]:
    """Return the values of a query parameter."""
    return [value.decode("utf-8", "replace") for value in request.query_arguments.get(name, [])]
