"""A stand-in of Mem: videos come in, jobs take frames out of them, each picture is kept once in mem.duckdb.

It is started as `uvicorn app:app`, and is the one process that has the database open, as DuckDB wants it. Its knobs
(POST /simulate) are what the demo turns to bring faults about.
"""

import asyncio
import logging
import logging.handlers
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
from fastapi import Body, FastAPI, HTTPException, Query, Request, Response

HOME = Path(os.environ.get("MEM_HOME", "/opt/mem"))
LOGS = Path(os.environ.get("MEM_LOGS", "/var/log/mem"))
ACCESS_LOG = os.environ.get("MEM_ACCESS_LOG", "")
"""Written where no proxy stands before the application, in the form that nginx would have."""
SCHEMA = """
CREATE TABLE IF NOT EXISTS videos (id BIGINT, title VARCHAR, video_seconds DOUBLE, seen_at TIMESTAMPTZ);
CREATE TABLE IF NOT EXISTS unique_frames (id BIGINT, hash UBIGINT, first_seen TIMESTAMPTZ);
CREATE TABLE IF NOT EXISTS frames (id BIGINT, video_id BIGINT, hash UBIGINT, taken_at TIMESTAMPTZ);
CREATE TABLE IF NOT EXISTS transcripts (video_id BIGINT, text VARCHAR);
CREATE TABLE IF NOT EXISTS archive AS SELECT range AS id, hash(range) AS part FROM range(400000);
"""
WORDS = ["river", "bridge", "morning", "letter", "engine", "winter", "garden", "signal", "copper", "harbour"]
FRAMES = 40  # of a video
OPEN_AGAIN = 3.0  # seconds between two tries to open the database

api_log = logging.getLogger("mem.api")
capture_log = logging.getLogger("mem.capture")


@dataclass
class Knobs:
    """What the demo turns."""

    search_delay: float = 0.0
    upload_delay: float = 0.0
    status_delay: float = 0.0
    paused: bool = False
    failing: float = 0.0
    """The share of jobs that fail."""
    new_pictures: float = 0.02
    """The share of frames that show something new."""
    speed: float = 6.0
    """Seconds of video that a second of processing takes in."""
    oldest: float = 0.0
    """For how many seconds more than it has the oldest job has waited."""
    running: float = 0.0
    """For how many seconds more than it has the job that runs has run."""


@dataclass
class Job:
    video: int
    made: float = field(default_factory=time.time)


def told_time(seconds: float | None) -> str | None:
    return datetime.fromtimestamp(seconds, UTC).isoformat() if seconds else None


class Database:
    """The one connection to mem.duckdb; while somebody else holds the file it is tried again and again."""

    def __init__(self) -> None:
        self.path = HOME / "mem.duckdb"
        self.connection: duckdb.DuckDBPyConnection | None = None
        self.trouble = "not opened yet"
        self.not_before = 0.0
        self.lock = threading.RLock()

    def open(self) -> None:
        with self.lock:
            if self.connection is not None:
                return
            try:
                connection = duckdb.connect(str(self.path), config={"threads": 1, "memory_limit": "400MB"})
                connection.execute(SCHEMA)
            except duckdb.Error as error:
                self.trouble = str(error).splitlines()[0]
                self.not_before = time.monotonic() + OPEN_AGAIN
                api_log.error("the database cannot be opened: %s", self.trouble)
                return
            self.connection, self.trouble = connection, ""
            api_log.info("the database is open")

    def close(self, pause: float = 0.0) -> None:
        with self.lock:
            if self.connection is not None:
                self.connection.close()
            self.connection, self.trouble = None, "closed for maintenance"
            self.not_before = time.monotonic() + pause

    def run(self, sql: str, *parameters: Any) -> list[Any]:
        with self.lock:
            if self.connection is None:
                raise HTTPException(503, self.trouble)
            return self.connection.execute(sql, list(parameters)).fetchall()


class Mem:
    """The queue, the worker, and what they have done."""

    def __init__(self) -> None:
        self.knobs = Knobs()
        self.database = Database()
        self.jobs: deque[Job] = deque()
        self.job: Job | None = None
        self.started = 0.0
        self.since = time.time()
        self.done = self.failed = self.videos = 0
        self.recent: deque[bool] = deque([index % 50 > 0 for index in range(400)], maxlen=400)
        """Whether each of the last frames was known already."""
        self.titles: deque[str] = deque(maxlen=500)
        """The newest titles: what is searched in, so that no search waits for the database."""
        self.over = threading.Event()
        self.open_files: list[Any] = []
        self.memory: list[bytes] = []

    def run(self) -> None:
        """Do jobs until the application ends; the database is opened anew where it is not open."""
        while not self.over.wait(0.05):
            if self.database.trouble and time.monotonic() > self.database.not_before:
                self.database.open()
            if self.jobs and not self.knobs.paused and not self.database.trouble:
                self.do(self.jobs.popleft())
        self.database.close()

    def do(self, job: Job) -> None:
        self.job, self.started = job, time.time()
        self.over.wait(0.15)
        try:
            if random.random() < self.knobs.failing:
                raise RuntimeError("no audio stream in the container")
            self.capture(job.video)
            self.done += 1
        except (RuntimeError, HTTPException, duckdb.Error) as error:
            self.failed += 1
            capture_log.warning("job %d failed: %s", job.video, error)
        self.job = None

    def capture(self, video: int) -> None:
        new = [random.random() < self.knobs.new_pictures for _ in range(FRAMES)]
        self.recent.extend(not one for one in new)
        at = datetime.now(UTC)
        rows = [(video * FRAMES + index, video, random.getrandbits(63), at) for index in range(FRAMES)]
        with self.database.lock:
            title = " ".join(random.sample(WORDS, 3))
            self.database.run("INSERT INTO videos VALUES (?, ?, 60, ?)", video, title, at)
            self.database.run("DELETE FROM videos WHERE id < ?", video - 500)
            self.database.run("DELETE FROM frames WHERE video_id < ?", video - 100)
            for row, is_new in zip(rows, new, strict=True):
                if is_new:
                    self.database.run("INSERT INTO unique_frames VALUES (?, ?, ?)", row[0], row[2], at)
            self.database.run("INSERT INTO frames SELECT unnest(?), ?, 7, ?", [row[0] for row in rows], video, at)
        self.titles.append(title)
        capture_log.info("job %d done: %d frames, %d of them new", video, FRAMES, sum(new))

    def upload(self) -> int:
        self.videos += 1
        self.jobs.append(Job(self.videos))
        return self.videos

    def status(self) -> dict[str, Any]:
        """Return what /api/status tells."""
        trouble = self.database.trouble
        oldest = self.jobs[0].made - self.knobs.oldest if self.jobs else None
        running = self.started - self.knobs.running if self.job or self.knobs.running else None
        healthy = "unhealthy" if trouble else "healthy"
        waiting = {
            "name": "capture",
            "waiting": len(self.jobs),
            "running": int(self.job is not None),
            "oldest": told_time(oldest),
        }
        runs = {
            "name": "capture",
            "done": self.done,
            "failed": self.failed,
            "since": told_time(self.since),
            "started": told_time(running),
        }
        return {
            "status": "degraded" if trouble else "healthy",
            "timestamp": datetime.now(UTC).isoformat(),
            "version": "1.4.0",
            "checks": [{"name": "database", "status": healthy, "message": trouble or "open"}],
            "queues": [waiting],
            "jobs": [{**runs, "limit": 4 * 3600}],
            "frames": {"deduplication": sum(self.recent) / len(self.recent)},
            "processing": {"speed": self.knobs.speed},
            "sessions": {"users": 3, "open": 5},
        }

    # ------------------------------------------------------------ what the demo asks for

    def transcribe(self) -> None:
        """Start a transcription that the kernel kills."""
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)  # whisper"])
        os.kill(child.pid, signal.SIGKILL)
        code = child.wait()
        self.failed += 1
        capture_log.error("job %d failed: whisper was killed by signal %d", self.videos, -code)

    def use(self, *, megabytes: int, files: int) -> None:
        """Take memory and descriptors, and give back those from before."""
        self.memory = [b"w" * (1 << 20) for _ in range(megabytes)]
        for file in self.open_files:
            file.close()
        self.open_files = [open(os.devnull, "rb") for _ in range(files)]  # noqa: SIM115


mem = Mem()


def set_up_logs() -> None:
    LOGS.mkdir(parents=True, exist_ok=True)
    for logger, name in ((api_log, "api.log"), (capture_log, "capture.log")):
        handler = logging.handlers.WatchedFileHandler(LOGS / name)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    set_up_logs()
    _soft, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(1024, most), most))
    worker = threading.Thread(target=mem.run, daemon=True)
    worker.start()
    api_log.info("started")
    yield
    mem.over.set()
    worker.join(5)
    api_log.info("ended")


app = FastAPI(lifespan=lifespan)


async def told(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
    """Write an access log where no proxy does."""
    began = time.perf_counter()
    response = await call(request)
    if request.url.path != "/simulate":
        with open(ACCESS_LOG, "a", encoding="utf-8") as file:
            stamp = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime())
            asked = f"{request.method} {request.url.path} HTTP/1.1"
            took = f'request_time="{time.perf_counter() - began:.3f}"'
            file.write(f'127.0.0.1 - - [{stamp}] "{asked}" {response.status_code} 1 "-" "-" {took}\n')
    return response


if ACCESS_LOG:
    app.middleware("http")(told)


@app.get("/api/status")
async def status() -> dict[str, Any]:
    if mem.knobs.status_delay:
        await asyncio.sleep(mem.knobs.status_delay)
    return mem.status()


@app.get("/api/search")
async def search(q: str = Query("")) -> list[str]:
    """Find videos by a word of their title."""
    if mem.knobs.search_delay:
        await asyncio.sleep(mem.knobs.search_delay)
    return [title for title in tuple(mem.titles) if q in title][-10:]


@app.post("/api/videos", status_code=202)
async def upload(request: Request) -> dict[str, int]:
    """Take a video in; a job will look at it."""
    async for _ in request.stream():
        pass
    if mem.knobs.upload_delay and int(request.headers.get("content-length", "0")) > 1_000_000:
        await asyncio.sleep(mem.knobs.upload_delay)
    return {"video": mem.upload()}


def write_errors(count: int) -> None:
    for _ in range(count):
        api_log.error("frame cannot be decoded: end of stream")


AT_ONCE: dict[str, Callable[[Any], object]] = {
    "reconnect": mem.database.close,  # let go of it for so many seconds, as maintenance does
    "open": lambda _: mem.database.open(),
    "transcribe": lambda _: mem.transcribe(),
    "use": lambda amounts: mem.use(**amounts),
    "sql": lambda statements: [mem.database.run(statement) for statement in statements],
    "log": write_errors,
    "recent": lambda count: mem.recent.extend([True] * count),
}
"""What is done when it is asked for; all else are knobs."""


@app.post("/simulate", include_in_schema=False)
def simulate(turned: dict[str, Any] = Body()) -> dict[str, str]:  # noqa: B008  # FastAPI's way
    """Turn knobs, or do things."""
    for name, value in turned.items():
        if name in AT_ONCE:
            AT_ONCE[name](value)
        else:
            setattr(mem.knobs, name, value)
    return {"turned": ", ".join(turned)}
