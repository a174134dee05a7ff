"""A stand-in of Clippy's back end: it answers, keeps users' settings, saves them, and says how it is. app.py PORT

Its knobs (POST /simulate) are what the demo turns to bring faults about.
"""

import asyncio
import json
import logging
import logging.handlers
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import Body, FastAPI, HTTPException, Request, Response

HOME = Path(os.environ.get("CLIPPY_HOME", "/opt/clippy"))
LOGS = Path(os.environ.get("CLIPPY_LOGS", HOME / "backend" / "logs"))
BACKUPS = Path(os.environ.get("CLIPPY_BACKUPS", "/backup/clippy")) / "users"
BUILD = Path(os.environ.get("CLIPPY_BUILD", HOME / "build"))
SAVE_EVERY = 20.0  # seconds between two backups of what users have changed
KEPT = 5  # backups of users' data
QUIET = ("/simulate",)  # what stands in no access log

log = logging.getLogger("clippy")


@dataclass
class Knobs:
    """What the demo turns."""

    delay: float = 0.0
    """Seconds by which each answer comes later."""
    failing: bool = False
    """Whether messages cannot be answered."""
    storage: bool = True
    backend: bool = True
    """Whether the checks of these names are passed."""
    behind: float = 0.0
    """For how many seconds no report was made."""
    saving: bool = True
    version: str = "1.0.0"


class Clippy:
    """Users' data, what is counted, and the checks."""

    def __init__(self) -> None:
        self.knobs = Knobs()
        self.since = time.time()
        self.features: Counter[str] = Counter(chat=0, settings=0, themes=0)
        self.errors: Counter[str] = Counter(ChatComponent=0, Settings=0)
        self.settings: dict[str, Any] = {"theme": "classic", "voice": False}
        self.conversations: list[str] = []
        self.memory: list[bytes] = []
        self.over = threading.Event()

    def checks(self) -> list[dict[str, Any]]:
        """Return the three checks of the guide."""
        frontend = 'id="root"' in (BUILD / "index.html").read_text(encoding="utf-8")
        critical = {"frontend": frontend, "backend": self.knobs.backend}
        made = [_check(name, "healthy" if passed else "critical") for name, passed in critical.items()]
        return [*made, _check("storage", "healthy" if self.knobs.storage else "degraded")]

    def report(self) -> dict[str, Any]:
        checks = self.checks()
        statuses = [check["status"] for check in checks]
        worst = next((word for word in ("critical", "degraded") if word in statuses), "healthy")
        made = datetime.now(UTC) - timedelta(seconds=self.knobs.behind)
        return {
            "status": worst,
            "timestamp": made.isoformat().replace("+00:00", "Z"),
            "checks": checks,
            "summary": {
                "total": len(checks), "healthy": statuses.count("healthy"), "unhealthy": statuses.count("degraded"),
                "critical": statuses.count("critical"),
            },
        }  # fmt: skip

    def stats(self) -> dict[str, Any]:
        return {
            "version": self.knobs.version, "uptime": time.time() - self.since, "users": {"active": 42},
            "sessions": {"open": 47}, "features": dict(self.features), "errors": dict(self.errors),
        }  # fmt: skip

    def save_now_and_then(self) -> None:
        while not self.over.wait(SAVE_EVERY):
            if self.knobs.saving:
                self.save()

    def save(self) -> None:
        """Write what users have, in the form of the guide; the oldest backups go."""
        stamp = int(time.time() * 1000)
        kept = {name: json.dumps({"made": stamp}) for name in ("plugins", "themes")}
        data = {"settings": json.dumps(self.settings), "conversations": json.dumps(self.conversations[-20:]), **kept}
        made = BACKUPS / f".clippy-backup-{stamp}"
        made.write_text(json.dumps({"version": "1.0.0", "timestamp": stamp, "data": data}), encoding="utf-8")
        made.replace(BACKUPS / f"clippy-backup-{stamp}.json")
        for old in sorted(BACKUPS.glob("clippy-backup-*.json"))[:-KEPT]:
            old.unlink(missing_ok=True)


def _check(name: str, status: str) -> dict[str, Any]:
    return {
        "name": name,
        "status": status,
        "message": f"{name.capitalize()} {'healthy' if status == 'healthy' else 'fails'}",
    }


clippy = Clippy()
app = FastAPI(openapi_url=None)


@app.middleware("http")
async def slowed(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
    if clippy.knobs.delay and request.url.path not in QUIET:
        await asyncio.sleep(clippy.knobs.delay)
    return await call(request)


@app.get("/health")
def health() -> dict[str, Any]:
    return clippy.report()


@app.get("/api/stats")
def stats() -> dict[str, Any]:
    return clippy.stats()


@app.post("/api/ai/message")
def message(text: str = Body(embed=True)) -> dict[str, str]:
    """Answer a user's message."""
    clippy.features["chat"] += 1
    try:
        return {"reply": answered(text)}
    except RuntimeError as error:
        log.exception("the message cannot be answered")
        raise HTTPException(500, "The message cannot be answered.") from error


def answered(text: str) -> str:
    if clippy.knobs.failing:
        raise RuntimeError("assistant.prompt() got an unexpected keyword argument 'tone'")
    clippy.conversations.append(text)
    del clippy.conversations[:-100]
    return f"It looks like you are writing {len(text)} letters. Would you like help?"


@app.get("/api/settings")
def settings() -> dict[str, Any]:
    clippy.features["settings"] += 1
    return clippy.settings


@app.get("/api/themes")
def themes(name: str = "") -> list[str]:
    """Find themes by a part of their name."""
    clippy.features["themes"] += 1
    return [theme for theme in ("classic", "dark", "paper") if name in theme]


@app.post("/api/login")
def login(user: str = Body(), password: str = Body()) -> dict[str, str]:
    if password != os.environ.get("CLIPPY_PASSWORD", ""):
        log.warning("login failed for %s", user)
        raise HTTPException(401, "User or password are wrong.")
    return {"token": "of no use"}


@app.post("/simulate")
def simulate(turned: dict[str, Any] = Body()) -> dict[str, str]:  # noqa: B008  # FastAPI's way
    """Turn knobs; `save` and `memory` are done at once."""
    for name, value in turned.items():
        if name == "save":
            clippy.save()
        elif name == "memory":
            clippy.memory = [b"x" * (1 << 20) for _ in range(value)]
        else:
            setattr(clippy.knobs, name, value)
    return {"turned": ", ".join(turned)}


class WithoutKnobs(logging.Filter):
    """Keeps the demo's own requests out of the access log."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not any(path in record.getMessage() for path in QUIET)


def logged() -> dict[str, Any]:
    """Return uvicorn's own way to log, with its access log in a file, and the application's beside it."""
    config: dict[str, Any] = json.loads(json.dumps(uvicorn.config.LOGGING_CONFIG))
    config["formatters"]["access"]["use_colors"] = False
    config["formatters"]["app"] = {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}
    config["filters"] = {"knobs": {"()": WithoutKnobs}}
    rotated = {"class": "logging.handlers.RotatingFileHandler", "maxBytes": 10_000_000, "backupCount": 5}
    config["handlers"]["access"] = {
        **rotated,
        "formatter": "access",
        "filename": LOGS / "access.log",
        "filters": ["knobs"],
    }
    config["handlers"]["app"] = {**rotated, "formatter": "app", "filename": LOGS / "app.log"}
    config["loggers"]["clippy"] = {"handlers": ["app"], "level": "INFO", "propagate": False}
    return config


if __name__ == "__main__":
    saver = threading.Thread(target=clippy.save_now_and_then, daemon=True)
    saver.start()
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_config=logged(), log_level="info")
