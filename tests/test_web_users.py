"""Users: who comes in, what a wrong password costs, and that none of it is seen anywhere."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from tests.process import Exporter
from tests.support import until
from tests.test_canaries import forms
from tests.web import PASSWORD, hashed, secured, users

WEB = users(alice=PASSWORD, bob="bob's own")
SLOW = f"basic_auth_users: {{alice: '{hashed(PASSWORD, 12)}'}}"  # a quarter of a second a check
PATHS = (
    "/",
    "/metrics",
    "/probe?target=alpha",
    "/sd",
    "/health",
    "/targets",
    "/runbooks/",
    "/-/healthy",
    "/-/ready",
    "/x",
)


def basic(name: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def greeted(exporter: Exporter) -> dict[str, Any]:
    """Return the scrape_config that the exporter printed."""
    until(lambda: "- targets:" in exporter.output())
    job: dict[str, Any] = yaml.safe_load(exporter.output().partition("prometheus.yml:\n")[2])[0]
    return job


def get(exporter: Exporter, path: str = "/-/healthy", **headers: str) -> requests.Response:
    return requests.get(f"http://{exporter.address}{path}", headers=headers, timeout=15)


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    with secured(tmp_path_factory.mktemp("users"), WEB, "--log.level=debug") as exporter:
        yield exporter


def test_every_address_needs_a_user(exporter: Exporter) -> None:
    for path in PATHS:
        answer = get(exporter, path)
        assert (answer.status_code, answer.text) == (401, "a user and a password are needed\n")
        assert answer.headers["WWW-Authenticate"] == 'Basic realm="runbook-exporter", charset="UTF-8"'
        assert get(exporter, path, **basic("alice", PASSWORD)).status_code == (404 if path == "/x" else 200)


@pytest.mark.parametrize("header", [
    "Basic", "Basic ", "Basic !!!", "Basic YWxpY2U=", "Bearer x", "Basic " + "A" * 9000, "basic\t",
    "Digest username=alice", basic("", "")["Authorization"], basic("alice", "")["Authorization"],
    basic("bob", PASSWORD)["Authorization"], basic("ALICE", PASSWORD)["Authorization"],
    basic("alice", f"{PASSWORD} ")["Authorization"], basic("alice", PASSWORD[:-1] + "\0")["Authorization"],
])  # fmt: skip
def test_whatever_is_not_a_user_s_password_is_refused(exporter: Exporter, header: str) -> None:
    assert get(exporter, Authorization=header).status_code == 401


def test_the_scheme_s_letters_do_not_matter(exporter: Exporter) -> None:
    header = basic("bob", "bob's own")["Authorization"]
    assert get(exporter, Authorization=header.replace("Basic", "bASIC")).ok


def test_of_long_passwords_the_first_72_bytes_count_as_everywhere(tmp_path: Path) -> None:
    with secured(tmp_path, users(alice="x" * 72)) as exporter:
        assert get(exporter, **basic("alice", "x" * 100)).ok
        assert get(exporter, **basic("alice", "x" * 71)).status_code == 401


def test_scrapes_go_on_while_passwords_are_checked(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with secured(tmp_path, SLOW) as exporter, ThreadPoolExecutor(4) as others:
        assert get(exporter, **basic("alice", PASSWORD)).ok
        guesses = [others.submit(get, exporter, **basic("alice", f"guess {number}")) for number in range(4)]
        scrapes = 0
        while not all(guess.done() for guess in guesses):
            assert get(exporter, "/probe?target=alpha", **basic("alice", PASSWORD)).ok
            scrapes += 1
        assert {guess.result().status_code for guess in guesses} == {401}
        assert scrapes > 2 * len(guesses)  # were each to wait for a check, there would be one between two


def test_who_guesses_has_to_wait_and_a_known_scraper_does_not(tmp_path: Path) -> None:
    with secured(tmp_path, WEB) as exporter:
        assert get(exporter, **basic("alice", PASSWORD)).ok
        codes = [get(exporter, **basic("alice", f"guess {number}")).status_code for number in range(12)]
        assert codes == [401] * 10 + [429] * 2
        limited = get(exporter, **basic("alice", "guess again"))
        assert 0 < int(limited.headers["Retry-After"]) <= 10
        assert get(exporter, **basic("alice", PASSWORD)).ok  # known from before, whatever others do from its address
        assert get(exporter, **basic("bob", "bob's own")).ok  # of another name, and not known yet
        assert exporter.output().count("logins from the loopback failed too often; it has to wait") == 1
        assert "guess" not in exporter.output()
        page = get(exporter, "/probe?target=exporter", **basic("bob", "bob's own")).text
        assert 'runbook_exporter_http_requests_total{endpoint="/-/healthy",code="401"} 10' in page
        assert 'runbook_exporter_http_requests_total{endpoint="/-/healthy",code="429"} 3' in page


def test_a_wrong_password_asked_again_and_again_is_limited_too(tmp_path: Path) -> None:
    with secured(tmp_path, WEB) as exporter:
        codes = [get(exporter, **basic("alice", "wrong")).status_code for _ in range(12)]
        assert codes == [401] * 10 + [429] * 2


def test_the_greeting_names_the_user(tmp_path: Path) -> None:
    with secured(tmp_path, users(**{"it''s": "me"}).replace("it''s", "'it''s'")) as exporter:
        job = greeted(exporter)
        assert job["basic_auth"] == {"username": "it's", "password_file": "PASSWORD"}
        assert "scheme" not in job


def test_headers_are_on_every_answer_and_replace_ours(tmp_path: Path) -> None:
    web = """
http_server_config:
  headers:
    Content-Security-Policy: default-src 'self'
    Strict-Transport-Security: max-age=5
    X-Frame-Options: deny
"""
    with secured(tmp_path, web + WEB) as exporter:
        for answer in (get(exporter, "/", **basic("alice", PASSWORD)), get(exporter, "/nope"), get(exporter, "/sd")):
            assert answer.headers["Content-Security-Policy"] == "default-src 'self'"
            assert answer.headers["Strict-Transport-Security"] == "max-age=5"
            assert answer.headers["X-Frame-Options"] == "deny"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert "Access-Control-Allow-Origin" not in answer.headers


def test_pages_for_eyes_cannot_be_framed_or_run_anything(exporter: Exporter) -> None:
    for path in ("/", "/targets", "/runbooks/", "/runbooks/Watchdog"):
        headers = get(exporter, path, **basic("alice", PASSWORD)).headers
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"


def test_neither_passwords_nor_hashes_are_seen_anywhere(exporter: Exporter) -> None:
    hashes = [line.partition(": ")[2] for line in WEB.splitlines()[1:]]
    canaries = {form for secret in (PASSWORD, *hashes) for form in forms(secret)} | {hash[7:29] for hash in hashes}
    seen = [get(exporter, path, **login).text for path in PATHS
            for login in (basic("alice", PASSWORD), basic("alice", PASSWORD + "x"), {})]  # fmt: skip
    seen.append(exporter.output())
    assert [form for form in canaries for text in seen if form in text] == []


def test_a_peer_s_requests_are_limited_as_asked(tmp_path: Path) -> None:
    with secured(tmp_path, "rate_limit: {interval: 1h, burst: 3}") as exporter:
        codes = [get(exporter, **{"X-Forwarded-For": f"192.0.2.{number}"}).status_code for number in range(5)]
        assert codes == [200, 200, 200, 429, 429]  # whoever it says that it asks for
        assert int(get(exporter).headers["Retry-After"]) > 3000
