"""A stand-in of TrailBlaze: events of trail rides, kept in PostgreSQL, and an assistant that asks Gemini.

It is started as `uvicorn app:app`. Requests are counted as its guide has it, with the two metrics of prometheus-client.
Its knobs (POST /simulate) are what the demo turns to bring faults about.
"""

import asyncio
import json
import logging
import os
import queue
import random
import threading
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from fastapi import Body, FastAPI, HTTPException, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Histogram, generate_latest

DATABASE = os.environ.get("DATABASE_URL", "postgresql://trailblaze@127.0.0.1/trailblaze")
GEMINI = os.environ.get("GEMINI_URL", "https://generativelanguage.googleapis.com/v1beta")
LOGS = Path(os.environ.get("TRAILBLAZE_LOGS", "/var/log/trailblaze"))
CONNECTIONS = 5
CACHED = 300.0  # seconds for which a response is kept
PAGE = 20  # events
SELDOM = 10.0  # seconds between two lines about the same error

REQUESTS = Counter("http_requests_total", "Total HTTP Requests", ["method", "endpoint", "status_code"])
LATENCY = Histogram("http_request_duration_seconds", "HTTP Request Latency", ["method", "endpoint"])

log = logging.getLogger("trailblaze.api")


@dataclass
class Knobs:
    """What the demo turns."""

    failing: float = 0.0
    """The share of requests for one event that fail."""
    delay: float = 0.0
    assistant_delay: float = 0.0
    cold: float = 0.0
    """The share of what is looked up in the cache that is not there any more."""
    switching: bool = False
    """Whether PostgreSQL is told to begin a new file of its transaction log each second, as under much writing."""
    complaints: int = 0
    """How many lines with an error are written each second."""


class Pool:
    """Some connections to PostgreSQL, made when they are needed, and thrown away when they fail."""

    def __init__(self) -> None:
        self._free: queue.SimpleQueue[psycopg.Connection[Any] | None] = queue.SimpleQueue()
        for _ in range(CONNECTIONS):
            self._free.put(None)

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection[Any]]:
        connection = self._free.get(timeout=5)
        try:
            if connection is None or connection.closed:
                connection = psycopg.connect(DATABASE, autocommit=True, connect_timeout=2)
            yield connection
        except BaseException:
            if connection is not None:
                connection.close()
            connection = None
            raise
        finally:
            self._free.put(connection)

    def rows(self, sql: str, *parameters: Any) -> list[Any]:
        with self.connection() as connection:
            return connection.execute(sql, parameters).fetchall()


class Cache:
    """Responses, kept for 300 seconds."""

    def __init__(self) -> None:
        self.hits = self.misses = 0
        self._kept: dict[str, tuple[float, Any]] = {}

    def get(self, key: str, make: Callable[[], Any]) -> Any:
        until, value = self._kept.get(key, (0.0, None))
        if until > time.monotonic() and random.random() >= knobs.cold:
            self.hits += 1
            return value
        self.misses += 1
        value = make()
        self._kept[key] = (time.monotonic() + CACHED, value)
        return value


knobs = Knobs()
pool = Pool()
cache = Cache()
over = threading.Event()
kept_open: list[psycopg.Connection[Any]] = []
seen: dict[str, float] = {}


class Lines(logging.Formatter):
    """Lines of JSON, as the guide wants them."""

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps({
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(), "level": record.levelname,
            "service": record.name, "message": record.getMessage(), "request_id": getattr(record, "request_id", None),
        })  # fmt: skip


def told(error: BaseException, request_id: str) -> None:
    """Write an error down, the same one no more than once in a while."""
    text = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    if time.monotonic() > seen.get(text, 0.0):
        seen[text] = time.monotonic() + SELDOM
        log.error("request failed: %s", text, extra={"request_id": request_id})


def work() -> None:
    """Do what is asked for once a second."""
    while not over.wait(1.0):
        for number in range(knobs.complaints):
            log.error("record %d of the import cannot be read: date out of range", number)
        if knobs.switching:
            with suppress(psycopg.Error, queue.Empty):
                pool.rows("SELECT pg_switch_wal()")


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    LOGS.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(LOGS / "api.log")
    handler.setFormatter(Lines())
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    threading.Thread(target=work, daemon=True).start()
    log.info("started")
    yield
    over.set()


app = FastAPI(title="TrailBlaze", version="1.2.0", lifespan=lifespan)


@app.middleware("http")
async def measured(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
    """Count each request under its route: exceptions too, and no endpoint of its own for each id."""
    if not request.url.path.startswith("/v1/"):
        return await call(request)
    start, status = time.perf_counter(), 500
    try:
        if knobs.delay:
            await asyncio.sleep(knobs.delay)
        response = await call(request)
        status = response.status_code
        return response
    except (psycopg.Error, queue.Empty, RuntimeError) as error:
        told(error, request.headers.get("x-request-id", ""))
        return Response('{"detail": "Internal Server Error"}', 500, media_type="application/json")
    finally:
        route = request.scope.get("route")
        endpoint = route.path if route else "none"
        LATENCY.labels(request.method, endpoint).observe(time.perf_counter() - start)
        REQUESTS.labels(request.method, endpoint, status).inc()


@app.get("/health")
async def health() -> dict[str, str]:
    return {"status": "ok"}


@app.get("/metrics", include_in_schema=False)
async def metrics() -> Response:
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


@app.get("/status")
async def status() -> dict[str, Any]:
    return {"cache": {"hits": cache.hits, "misses": cache.misses}}


@app.get("/v1/events")
def events(page: int = 0) -> dict[str, Any]:
    """List events, a page of them; pages and places are kept for a while."""
    rows = cache.get(
        f"page {page}",
        lambda: pool.rows("SELECT id, name, date_start FROM events ORDER BY id LIMIT %s OFFSET %s", PAGE, page * PAGE),
    )
    places = [cache.get(f"place {row[0]}", lambda row=row: row[0] % 50) for row in rows[:10]]  # type: ignore[misc]
    return {"events": [{"id": one, "name": name, "date": str(date)} for one, name, date in rows], "places": places}


@app.get("/v1/events/{number}")
def event(number: int) -> dict[str, Any]:
    """Return one event, as it is in the database now."""
    if random.random() < knobs.failing:
        raise RuntimeError("'NoneType' object has no attribute 'distance'")
    found = pool.rows(
        "UPDATE events SET views = views + 1 WHERE id = %s RETURNING name, date_start, date_end, location", number
    )
    if not found:
        raise HTTPException(404, "no such event")
    name, start, end, place = found[0]
    return {"id": number, "name": name, "date_start": str(start), "date_end": str(end), "location": place}


@app.get("/v1/calendar", deprecated=True)
def calendar() -> dict[str, Any]:
    """List the events of this month, for old clients."""
    return {"events": cache.get("calendar", lambda: [row[0] for row in pool.rows("SELECT name FROM events LIMIT 30")])}


@app.post("/v1/assistant")
async def assistant(question: dict[str, str] = Body()) -> dict[str, str]:  # noqa: B008  # FastAPI's way
    """Answer a question by Gemini; while that does not answer, say so instead of failing."""
    if knobs.assistant_delay:
        await asyncio.sleep(knobs.assistant_delay)
    try:
        return {"answer": await asyncio.to_thread(asked, question.get("question", ""))}
    except (urllib.error.URLError, OSError) as error:
        told(error, "")
        return {"answer": "The assistant is not available at the moment."}


def asked(question: str) -> str:
    body = json.dumps({"contents": [{"role": "user", "parts": [{"text": question}]}]}).encode()
    request = urllib.request.Request(
        f"{GEMINI}/models/gemini-2.5-flash:generateContent", body,
        {"Content-Type": "application/json", "X-Goog-Api-Key": os.environ.get("GEMINI_API_KEY", "")},
    )  # fmt: skip
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=5) as answer:
        text: str = json.load(answer)["candidates"][0]["content"]["parts"][0]["text"]
    return text


# ---------------------------------------------------------------- what the demo asks for


def leak(count: int) -> None:
    """Have so many connections open that nobody closes, and close those from before."""
    while kept_open:
        kept_open.pop().close()
    kept_open.extend(psycopg.connect(DATABASE, application_name="trailblaze-leak") for _ in range(count))


def run_long(seconds: float) -> None:
    """Run a query that takes long; end those that run."""
    pool.rows(
        "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE usename = current_user AND query LIKE %s"
        " AND pid <> pg_backend_pid()",
        "SELECT count(*) FROM events a%",
    )
    if seconds:
        threading.Thread(target=_run_long, args=(seconds,), daemon=True).start()


def _run_long(seconds: float) -> None:
    with suppress(psycopg.Error), psycopg.connect(DATABASE, autocommit=True) as connection:
        connection.execute("SELECT count(*) FROM events a, pg_sleep(%s) WHERE a.id = 1", [seconds])


@app.post("/simulate", include_in_schema=False)
def simulate(turned: dict[str, Any] = Body()) -> dict[str, str]:  # noqa: B008  # FastAPI's way
    """Turn knobs; `leak` and `query` are done at once."""
    for name, value in turned.items():
        if name == "leak":
            leak(value)
        elif name == "query":
            run_long(value)
        else:
            setattr(knobs, name, value)
    return {"turned": ", ".join(turned)}
