"""What is counted of the access logs that a real nginx writes, in each of its formats."""

import re
from collections.abc import Iterator

import pytest

from exporter import config
from exporter.collectors.log.access import Access
from exporter.collectors.log.routes import AccessSettings
from exporter.metric import Histogram
from tests.accesslogs import DOCUMENTATION, Nginx, counted, nginx, requests_of

FORMATS = [("combined", "nginx"), ("timed", "nginx_timed"), ("json", "nginx_json"), ("combined", "gunicorn")]
ROUTES = AccessSettings(routes=("/api/videos/{id}/frames",), ignore=("/health",))
HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00\xff\x22\x5c" * 20 + b"\r\n\r\n"
EXPECTED = {
    ("GET", "/", "200"): 3,
    ("GET", "/orders/{id}", "200"): 2,
    ("POST", "/orders/{id}", "200"): 1,
    ("GET", "/search/{id}", "200"): 1,
    ("GET", "/broken", "500"): 1,
    ("GET", "/api/videos/{id}/frames", "504"): 2,
    ("POST", "other", "413"): 1,
    ("GET", "other", "301"): 1,
    ("GET", "other", "404"): 1,
    ("GET", "other", "414"): 1,
    ("GET", "other", "502"): 1,
    ("GET", "other", "400"): 1,
    ("other", "other", "400"): 2,
    ("other", "/orders/{id}", "200"): 1,
    ("other", "other", "other"): 0,
}


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    """Return an nginx that was asked for all kinds of things, so that its logs have 20 lines."""
    with nginx(tmp_path_factory.mktemp("nginx")) as running:
        assert [running.ask(path) for path in ("/", "/?a=1&b=/x", "/", "/health")] == [200, 200, 200, 200]
        assert [running.ask(path) for path in ("/orders/17?secret=1", "/orders/18")] == [200, 200]
        assert [running.ask("/orders/19", method) for method in ("POST", "BREW")] == [200, 200]
        assert [running.ask(path) for path in ("/search/a%20b%22", "/moved", "/missing", "/broken")] == [
            200,
            301,
            404,
            500,
        ]
        assert [running.ask(f"/api/videos/{number}/frames") for number in (1, 2)] == [504, 504]
        assert running.ask("/upload", "POST", b"x" * 2000) == 413
        assert running.ask("/down/1") == 502
        assert running.ask("/" + "x" * 9000) == 414
        assert running.send(HELLO).startswith(b"HTTP/1.1 400")
        assert b" 400 " in running.send(b'"; DROP TABLE \xff\x00\r\n\r\n')
        assert b" 400 " in running.send(b"GET /bad HTTP/1.1\r\nno header\r\n\r\n")
        running.lines("combined", 20)
        yield running


@pytest.mark.parametrize(("log", "format"), FORMATS, ids=lambda name: str(name))
def test_every_format_says_the_same(asked: Nginx, log: str, format: str) -> None:
    access = Access("web", format, ROUTES, {})
    assert access.feed(asked.lines(log, 20)) == 0
    assert requests_of(access) == EXPECTED


@pytest.mark.parametrize(("log", "format"), [("timed", "nginx_timed"), ("json", "nginx_json")])
def test_times_are_those_that_nginx_took(asked: Nginx, log: str, format: str) -> None:
    access = Access("web", format, ROUTES, {})
    access.feed(asked.lines(log, 20))
    value = counted(access)["http_request_duration_seconds", "GET", "/api/videos/{id}/frames"].value
    assert isinstance(value, Histogram)
    assert (value.count, dict(value.buckets)[0.1], dict(value.buckets)[2.5]) == (2, 0, 2)
    assert 0.4 <= value.sum < 5


@pytest.mark.parametrize(("log", "format"), [("json", "nginx"), ("combined", "nginx_timed"), ("timed", "nginx_json"),
                                             ("timed", "uvicorn")])  # fmt: skip
def test_another_format_is_noticed(asked: Nginx, log: str, format: str) -> None:
    access = Access("web", format, ROUTES, {})
    assert access.feed(asked.lines(log, 20)) == 20
    assert requests_of(access) == {("other", "other", "other"): 0}


def test_the_plain_format_reads_the_timed_one_without_its_times(asked: Nginx) -> None:
    access = Access("web", "nginx", ROUTES, {})
    assert access.feed(asked.lines("timed", 20)) == 0
    assert requests_of(access) == EXPECTED
    assert not [key for key in counted(access) if key[0] == "http_request_duration_seconds"]


def test_the_log_holds_what_the_tests_mean(asked: Nginx) -> None:
    text = b"\n".join(asked.lines("combined", 20))
    assert b"\\x16\\x03\\x01" in text  # a TLS hello, as nginx writes it
    assert b'"POST /upload HTTP/1.1" 413' in text


def test_the_example_of_the_documentation_is_a_configuration() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", DOCUMENTATION.read_text(encoding="utf-8"), re.DOTALL)
    (target,) = config.read(block.encode(), "config.yml", config.INSTALLED, {}).targets
    assert target.settings.logs["proxy"].access.ignore == ("/health",)
