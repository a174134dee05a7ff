"""A stand-in of NDISuite's back end: Django with logins, reports in PostgreSQL, and transcriptions handed to Celery.

`gunicorn suite:application` serves it. Its knobs (POST /simulate) are what the demo turns to bring faults about.
"""

# mypy: disable-error-code="import-untyped"

import json
import os
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import django
from django.conf import settings
from django.core.signing import BadSignature, dumps, loads
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

DATABASE = urlsplit(os.environ.get("DATABASE_URL", "postgresql://ndisuite@127.0.0.1:5432/ndisuite"))
FRONT = os.environ.get("FRONT_URL", "http://127.0.0.1:3000")
LOGS = Path(os.environ.get("NDISUITE_LOGS", "/var/log/ndisuite"))
DAY = 86400

if not settings.configured:
    LOGS.mkdir(parents=True, exist_ok=True)
    settings.configure(
        SECRET_KEY=os.environ.get("SECRET_KEY", "only for management commands"),
        ALLOWED_HOSTS=["127.0.0.1", "localhost"],
        ROOT_URLCONF="suite",
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"],
        MIDDLEWARE=["suite.measured"],
        USE_TZ=True,
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],  # quick: the demo logs in every second
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql", "NAME": DATABASE.path.lstrip("/"), "USER": DATABASE.username,
                "PASSWORD": DATABASE.password or "", "HOST": DATABASE.hostname, "PORT": DATABASE.port or 5432,
                "CONN_MAX_AGE": 30, "CONN_HEALTH_CHECKS": True, "OPTIONS": {"connect_timeout": 2},
            }
        },
        LOGGING={
            "version": 1, "disable_existing_loggers": False,
            "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
            "handlers": {
                "file": {"class": "logging.FileHandler", "filename": LOGS / "django.log", "formatter": "line"},
            },
            "loggers": {
                "ndisuite": {"handlers": ["file"], "level": "INFO"}, "django": {"handlers": [], "level": "CRITICAL"},
            },
        },
    )  # fmt: skip
    django.setup()

# Only now, with settings that stand.
import logging  # noqa: E402

from django.contrib.auth import authenticate  # noqa: E402
from django.db import DatabaseError, connection  # noqa: E402
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Histogram, generate_latest  # noqa: E402
from tasks import transcribe  # noqa: E402

REQUESTS = Counter("http_requests_total", "Requests by route and status.", ["method", "route", "status"])
LATENCY = Histogram("http_request_duration_seconds", "How long requests take.", ["method", "route"])
log = logging.getLogger("ndisuite.api")


@dataclass
class Knobs:
    """What the demo turns."""

    reports_delay: float = 0.0
    failing: float = 0.0
    """The share of requests for reports that fail."""
    logins_broken: bool = False
    cors_broken: bool = False
    unindexed: bool = False
    """Whether reports are looked for by a column without an index."""
    complaints: int = 0
    """How many lines with an error are written each second."""


knobs = Knobs()
said: dict[str, float] = {}


def told(error: BaseException) -> None:
    """Write an error down, the same one no more than once in ten seconds."""
    text = type(error).__name__
    if time.monotonic() > said.get(text, 0.0):
        said[text] = time.monotonic() + 10
        log.error("request failed: %s: %s", text, str(error).splitlines()[0] if str(error) else "")


def measured(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Count each request of the API under its route, and let browsers of the front end ask."""

    def middleware(request: HttpRequest) -> HttpResponse:
        start = time.perf_counter()
        response = get_response(request)
        if request.path.startswith("/api/"):
            route = request.resolver_match.route if request.resolver_match else "none"
            LATENCY.labels(request.method, f"/{route}").observe(time.perf_counter() - start)
            REQUESTS.labels(request.method, f"/{route}", response.status_code).inc()
            if not knobs.cors_broken:
                response["Access-Control-Allow-Origin"] = FRONT
                response["Access-Control-Allow-Headers"] = "authorization, content-type"
                response["Access-Control-Allow-Methods"] = "GET, POST, OPTIONS"
        return response

    return middleware


# ---------------------------------------------------------------- what it answers


def health(_: HttpRequest) -> HttpResponse:
    return JsonResponse({"status": "ok"})


def metrics(_: HttpRequest) -> HttpResponse:
    return HttpResponse(generate_latest(), content_type=CONTENT_TYPE_LATEST)


def login(request: HttpRequest) -> HttpResponse:
    """Give a token for a user and a password."""
    if request.method == "OPTIONS":
        return HttpResponse(status=204)
    asked = json.loads(request.body or b"{}")
    try:
        user = None if knobs.logins_broken else authenticate(username=asked.get("user"), password=asked.get("password"))
    except DatabaseError as error:
        told(error)
        return JsonResponse({"detail": "try again later"}, status=500)
    if user is None:
        who = str(asked.get("user"))[:30]
        if time.monotonic() > said.get(who, 0.0):
            said[who] = time.monotonic() + 10
            log.warning("login failed for %s", who)
        return JsonResponse({"detail": "wrong user or password"}, status=401)
    return JsonResponse({"access": dumps({"user": user.get_username()}, salt="access")})


def me(request: HttpRequest) -> HttpResponse:
    """Say who asks, by the token."""
    try:
        found = loads(request.headers.get("Authorization", "").removeprefix("Bearer "), salt="access", max_age=DAY)
    except BadSignature:
        return JsonResponse({"detail": "log in"}, status=401)
    return JsonResponse({"user": found["user"]})


def reports(_: HttpRequest) -> HttpResponse:
    """List the newest reports of a participant."""
    if knobs.reports_delay:
        time.sleep(knobs.reports_delay)
    if random.random() < knobs.failing:
        told(KeyError("participant"))
        return JsonResponse({"detail": "Internal Server Error"}, status=500)
    column = "reference" if knobs.unindexed else "participant"
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT id, title FROM reports WHERE {column} = %s LIMIT 20", [random.randint(1, 2000)])
            rows = cursor.fetchall()
    except DatabaseError as error:
        told(error)
        return JsonResponse({"detail": "Internal Server Error"}, status=500)
    return JsonResponse({"reports": [{"id": number, "title": title} for number, title in rows]})


def transcriptions(request: HttpRequest) -> HttpResponse:
    """Take a recording in, and hand each of its parts to Celery."""
    try:
        for part in range(int(json.loads(request.body or b"{}").get("parts", 3))):
            transcribe.apply_async((part,), retry=False)
    except transcribe.OperationalError as error:
        told(error)
        return JsonResponse({"detail": "no worker can be reached"}, status=503)
    return JsonResponse({"accepted": True}, status=202)


def simulate(request: HttpRequest) -> HttpResponse:
    for name, value in json.loads(request.body).items():
        setattr(knobs, name, value)
    return JsonResponse({"turned": True})


urlpatterns = [
    path("health", health),
    path("metrics", metrics),
    path("api/login", login),
    path("api/me", me),
    path("api/reports", reports),
    path("api/transcriptions", transcriptions),
    path("simulate", simulate),
]


def complain() -> None:
    while True:
        time.sleep(1)
        for number in range(knobs.complaints):
            log.error("report %d cannot be rendered: font not found", number)


application = get_wsgi_application()
threading.Thread(target=complain, daemon=True).start()
