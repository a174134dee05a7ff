"""A stand-in of Nova Clip: Flask and Socket.IO, and three stages that make clips all the time. app.py PORT

Trends are scraped and verified, scripts are written, images are downloaded; what each stage does is written to the log,
with the guide's codes where it fails. Its knobs (POST /simulate) are what the demo turns to bring faults about.
"""

import http.client
import json
import logging
import logging.handlers
import os
import secrets
import sqlite3
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response, abort, jsonify, request
from flask_socketio import SocketIO  # type: ignore[import-untyped]

HOME = Path(os.environ.get("NOVA_HOME", "/srv/nova-clip"))
SERVICES = os.environ.get("NOVA_SERVICES", "http://127.0.0.1:8080")
PAUSE = 0.04  # seconds between two names
WAITS = 1.0  # seconds until OpenAI is asked again
PATIENCE = 0.3  # seconds that the driver waits for a page
KEPT = 40  # files of each stage
TRIES = 10  # logins that may fail in TRIES_WITHIN
TRIES_WITHIN = 2.0
STAGES = {1: "trends_data", 2: "scripts", 3: "images"}

log = logging.getLogger("nova-clip")


@dataclass
class Knobs:
    """What the demo turns."""

    health: str = "healthy"
    behind: float = 0.0
    """For how many seconds the report is old."""
    unwritten: int = 0
    """One in so many scripts and images cannot be written."""
    tells_all: bool = False
    """Whether error pages show the inside."""
    paused: bool = False
    complains: bool = False
    """Whether each clip has an error of no consequence."""
    refused: int = 0
    """One in so many new connections of Socket.IO is refused: 1 is each of them."""


class StageError(Exception):
    """A stage failed; the text begins with its code."""


class LaterError(Exception):
    """OpenAI refuses, or is down: what was begun goes on when it answers again."""


class Services:
    """What is asked of others, over one line that is kept."""

    def __init__(self) -> None:
        self.host = urlsplit(SERVICES).netloc
        self.line = http.client.HTTPConnection(self.host, timeout=PATIENCE)

    def get(self, path: str) -> tuple[int, bytes]:
        return self._asked("GET", path, None)

    def ask(self, text: str) -> str:
        """Return what the model says; an error of OSError's kind where it does not."""
        said = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}]}
        status, body = self._asked("POST", "/v1/chat/completions", json.dumps(said).encode())
        if status in (401, 429, 503):
            raise LaterError
        if status != 200:
            raise ConnectionError(f"status {status}")
        return str(json.loads(body)["choices"][0]["message"]["content"])

    def _asked(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        try:
            self.line.request(method, path, body, {"Content-Type": "application/json"} if body else {})
            answer = self.line.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            self.line.close()
            raise


class Pipeline:
    """The three stages, for one name after the other."""

    def __init__(self) -> None:
        self.knobs = Knobs()
        self.services = Services()
        self.names: list[str] = []
        self.made = self.connections = 0
        self.over = threading.Event()
        self.memory: list[bytes] = []

    def run(self) -> None:
        database = sqlite3.connect(HOME / "database.db", isolation_level=None)
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE IF NOT EXISTS clips (id INTEGER PRIMARY KEY, name TEXT, made TEXT)")
        while not self.over.wait(PAUSE):
            if not self.knobs.paused:
                try:
                    self.clip(database)
                except LaterError:
                    self.over.wait(WAITS)
        database.close()

    def clip(self, database: sqlite3.Connection) -> None:
        self.made += 1
        if self.knobs.complains:
            log.error("the preview of clip %d cannot be drawn", self.made)
        name = self.stage(1, "trending names", self.trend) or "Ada Lovelace"
        self.stage(2, f"a script about {name}", lambda: self.script(name))
        self.stage(3, f"images of {name}", lambda: self.image(name))
        database.execute("INSERT INTO clips (name, made) VALUES (?, ?)", (name, datetime.now(UTC).isoformat()))
        database.execute("DELETE FROM clips WHERE id < ?", (self.made - 1000,))

    def stage(self, number: int, what: str, work: Any) -> str | None:
        """Do one stage, and write down how it went."""
        log.info("Stage %d started: %s", number, what)
        try:
            found: str = work()
        except StageError as error:
            log.warning("Stage %d failed: %s", number, error)
            return None
        log.info("Stage %d completed: %s", number, what)
        return found

    def trend(self) -> str:
        """Stage 1: a name that is looked for now, and is a person's."""
        if not self.names:
            self.names = self.scraped()
        name = self.names.pop()
        try:
            answer = self.services.ask(f"Is {name} a person? Say yes or no.")
        except (OSError, http.client.HTTPException) as error:
            raise StageError(f"SCRAPE_003: OpenAI verification failed ({error})") from error
        self.is_person = answer == "yes"
        self.write(1, json.dumps({"name": name, "person": self.is_person}))
        return name

    def scraped(self) -> list[str]:
        try:
            _, page = self.services.get("/trends")
        except (OSError, http.client.HTTPException) as error:
            raise StageError("SCRAPE_002: WebDriver timeout") from error
        names = [part.split("<")[0] for part in page.decode().split("<li class=trend>")[1:]]
        if not names:
            raise StageError("SCRAPE_001: No trending names found")
        return names[:1]  # the page is looked at anew for each

    def script(self, name: str) -> str:
        """Stage 2: a script about a person."""
        if not getattr(self, "is_person", True):
            raise StageError("SCRIPT_001: No valid persons found")
        try:
            text = self.services.ask(f"Write a script about {name}.")
        except (OSError, http.client.HTTPException) as error:
            raise StageError(f"SCRIPT_002: OpenAI script generation failed ({error})") from error
        if self.unwritten():
            raise StageError("SCRIPT_003: File save error (permission denied)")
        self.write(2, text)
        return text

    def image(self, name: str) -> str:
        """Stage 3: an image of that person."""
        with suppress(OSError, http.client.HTTPException):
            status, body = self.services.get(f"/customsearch/v1?q={name.replace(' ', '+')}&searchType=image")
            if status == 200:
                return self.downloaded(json.loads(body)["items"][0]["link"])
        raise StageError("IMAGE_001: Google Custom Search failed")

    def downloaded(self, link: str) -> str:
        status, body = self.services.get(link)
        if status != 200:
            raise StageError(f"IMAGE_002: Image download failed (status {status})")
        if self.unwritten():
            raise StageError("IMAGE_003: Storage error (permission denied)")
        self.write(3, body.decode("latin-1"))
        return link

    def unwritten(self) -> bool:
        return bool(self.knobs.unwritten) and self.made % self.knobs.unwritten == 0

    def write(self, number: int, text: str) -> None:
        (HOME / "outputs" / STAGES[number] / f"{self.made % KEPT:03}.out").write_text(
            text, encoding="latin-1", errors="replace"
        )


pipeline = Pipeline()
app = Flask(__name__)
app.config.update(SESSION_COOKIE_SECURE=True, SESSION_COOKIE_HTTPONLY=True)
socketio = SocketIO(app, async_mode="threading", cors_allowed_origins="*")
failed_logins: list[float] = []


@app.before_request
def refuse() -> Response | None:
    """Refuse new connections of Socket.IO where the demo wants that."""
    if pipeline.knobs.refused and request.path.startswith("/socket.io") and "sid" not in request.args:
        pipeline.connections += 1
        if pipeline.connections % pipeline.knobs.refused == 0:
            abort(503)
    return None


@app.get("/health")
def health() -> Response:
    made = datetime.now(UTC) - timedelta(seconds=pipeline.knobs.behind)
    return jsonify(status=pipeline.knobs.health, timestamp=made.isoformat())


@app.get("/api/results")
def results() -> Response:
    abort(401)


@app.get("/login")
def login_page() -> Response:
    answer = Response("<form method=post><input name=user><input name=password type=password></form>")
    answer.set_cookie("session", secrets.token_urlsafe(12), secure=True, httponly=True, samesite="Lax")
    return answer


@app.post("/login")
def login() -> Response:
    """Refuse who tries too often, and who does not know the password."""
    now = time.monotonic()
    failed_logins[:] = [at for at in failed_logins if now - at < TRIES_WITHIN]
    if len(failed_logins) >= TRIES:
        abort(429)
    failed_logins.append(now)
    if request.form.get("user") != "probe":
        log.warning("login failed for %s", request.form.get("user", "")[:20])
    abort(401)


@app.errorhandler(404)
def missing(error: Exception) -> tuple[str, int]:
    if pipeline.knobs.tells_all:
        return f'Traceback (most recent call last):\n  File "app.py"\nwerkzeug.exceptions.NotFound: {error}', 404
    return "There is no such page.", 404


def status(_: object = None) -> dict[str, Any]:
    return {"status": "ok", "made": pipeline.made}


socketio.on_event("status", status)


@app.post("/simulate")
def simulate() -> Response:
    """Turn knobs; `memory` and `log` are done at once."""
    for name, value in request.get_json().items():
        if name == "memory":
            pipeline.memory = [b"x" * (1 << 20) for _ in range(value)]
        elif name == "log":
            for line in value:
                logging.getLogger("nova-clip").error("%s", line)
        else:
            setattr(pipeline.knobs, name, value)
    return jsonify({})


def set_up_log() -> None:
    (HOME / "logs").mkdir(parents=True, exist_ok=True)
    handler = logging.handlers.RotatingFileHandler(HOME / "logs" / "app.log", maxBytes=10_000_000, backupCount=5)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    logging.getLogger("werkzeug").setLevel(logging.ERROR)


if __name__ == "__main__":
    set_up_log()
    threading.Thread(target=pipeline.run, daemon=True).start()
    socketio.run(app, host="127.0.0.1", port=int(sys.argv[1]), allow_unsafe_werkzeug=True)
