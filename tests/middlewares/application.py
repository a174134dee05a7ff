"""One small application as libraries for Python count it: `application.py KIND PORT`, run by .middlewares/python.

It answers /orders/7, takes its time at /exports/7 and /search?q=x, refuses at /refused and breaks at /broken. /metrics
is the library's own, with nothing set that it does not ask for.
"""
# mypy: ignore-errors

import os
import re
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

ORDER = float(os.environ.get("ORDER_SECONDS", "0"))
EXPORT = float(os.environ.get("EXPORT_SECONDS", "0"))
SEARCH = float(os.environ.get("SEARCH_SECONDS", "0"))


def guide() -> Any:
    """The two metrics that an operations guide gives, as they stand there."""
    from fastapi import FastAPI, Request, Response
    from prometheus_client import CONTENT_TYPE_LATEST, Counter, Histogram, generate_latest

    labels = ["method", "endpoint"]
    count = Counter("http_requests_total", "Total HTTP Requests", [*labels, "status_code"])
    latency = Histogram("http_request_duration_seconds", "HTTP Request Latency", labels)
    app = FastAPI()

    @app.middleware("http")
    async def measured(request: Request, call_next: Any) -> Any:
        start = time.time()
        response = await call_next(request)
        latency.labels(method=request.method, endpoint=request.url.path).observe(time.time() - start)
        count.labels(method=request.method, endpoint=request.url.path, status_code=response.status_code).inc()
        return response

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return with_routes(app)


def mended() -> Any:
    """The same two metrics, counted as docs/application.md has it."""
    from fastapi import FastAPI
    from prometheus_client import Counter, Histogram, make_asgi_app

    page = (Path(__file__).parents[2] / "docs" / "application.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^ *```python\n(.*?)^ *```$", page, re.MULTILINE | re.DOTALL)
    labels = ["method", "endpoint"]
    given = {
        "app": FastAPI(),
        "time": time,
        "REQUEST_COUNT": Counter("http_requests_total", "Requests.", [*labels, "status_code"]),
        "REQUEST_LATENCY": Histogram("http_request_duration_seconds", "Times.", labels),
    }
    exec(textwrap.dedent(code), given)
    app = with_routes(given["app"])
    app.mount("/metrics", make_asgi_app())
    return app


def instrumentator() -> Any:
    from fastapi import FastAPI
    from prometheus_fastapi_instrumentator import Instrumentator

    app = with_routes(FastAPI())
    Instrumentator().instrument(app).expose(app)
    return app


def starlette() -> Any:
    from fastapi import FastAPI
    from starlette_exporter import PrometheusMiddleware, handle_metrics

    app = with_routes(FastAPI())
    app.add_middleware(PrometheusMiddleware)
    app.add_route("/metrics", handle_metrics)
    return app


def with_routes(app: Any) -> Any:
    from fastapi import Response

    @app.get("/orders/{number}")
    def order(number: int) -> dict[str, int]:
        time.sleep(ORDER)
        return {"number": number}

    @app.get("/exports/{number}")
    def export(number: int) -> dict[str, int]:
        time.sleep(EXPORT)
        return {"number": number}

    @app.get("/search")
    def search(q: str) -> list[str]:
        time.sleep(SEARCH)
        return [q]

    @app.get("/refused")
    def refused() -> Response:
        return Response(status_code=503)

    @app.get("/broken")
    def broken() -> None:
        raise RuntimeError("broken")

    return app


def flask() -> Any:
    from flask import Flask
    from prometheus_flask_exporter import PrometheusMetrics

    app = Flask("application")
    PrometheusMetrics(app, **({"group_by": grouped} if (grouped := os.environ.get("GROUP_BY")) else {}))

    @app.get("/orders/<int:number>")
    def order(number: int) -> str:
        time.sleep(ORDER)
        return str(number)

    @app.get("/exports/<int:number>")
    def export(number: int) -> str:
        time.sleep(EXPORT)
        return str(number)

    @app.get("/search")
    def search() -> str:
        time.sleep(SEARCH)
        return "found"

    @app.get("/refused")
    def refused() -> tuple[str, int]:
        return "", 503

    @app.get("/broken")
    def broken() -> str:
        raise RuntimeError("broken")

    return app


def django() -> Any:
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application
    from django.http import HttpResponse
    from django.urls import include, path

    prefix = "django_prometheus.middleware.Prometheus"
    settings.configure(
        SECRET_KEY="none", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, INSTALLED_APPS=["django_prometheus"],
        MIDDLEWARE=[f"{prefix}BeforeMiddleware", f"{prefix}AfterMiddleware"], LOGGING_CONFIG=None,
    )  # fmt: skip

    def answer(seconds: float = 0, status: int = 200) -> Any:
        def view(request: Any, number: int = 0) -> HttpResponse:
            time.sleep(seconds)
            return HttpResponse(str(number), status=status)

        return view

    def broken(request: Any) -> HttpResponse:
        raise RuntimeError("broken")

    urls = [
        path("orders/<int:number>", answer(ORDER), name="order"),
        path("exports/<int:number>", answer(EXPORT), name="export"),
        path("search", answer(SEARCH), name="search"),
        path("refused", answer(status=503), name="refused"),
        path("broken", broken, name="broken"),
        path("", include("django_prometheus.urls")),
    ]
    globals()["urlpatterns"] = urls
    return get_wsgi_application()


def serve_wsgi(app: Any, port: int) -> None:
    from werkzeug.serving import run_simple

    run_simple("127.0.0.1", port, app, threaded=True)


def serve_asgi(app: Any, port: int) -> None:
    import uvicorn

    uvicorn.run(app, port=port, log_level="critical")


KINDS = {
    "guide": guide,
    "mended": mended,
    "instrumentator": instrumentator,
    "starlette": starlette,
    "flask": flask,
    "django": django,
}

if __name__ == "__main__":
    kind, port = sys.argv[1], int(sys.argv[2])
    (serve_wsgi if kind in ("flask", "django") else serve_asgi)(KINDS[kind](), port)
