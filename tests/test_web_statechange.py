"""What changes something: who may ask for it, and that no page in a browser can."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from exporter.statechange import names_us
from tests.process import Exporter, running
from tests.test_web_users import basic
from tests.web import MUTUAL, PASSWORD, ask, client_pair, secured, users

FORMS = (
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "text/plain;charset=UTF-8",
    "TEXT/PLAIN",
)
REFUSED = (400, 403, 415)  # 400 as an empty body is no form of parts
FROM_PAGES = (
    {"Origin": "https://elsewhere.example"}, {"Origin": "null"}, {"Origin": "http://127.0.0.1:10420"},
    {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"},
    *({"Content-Type": form} for form in FORMS),
)  # fmt: skip


def reload(exporter: Exporter, **headers: str) -> requests.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.post(f"http://{exporter.address}/-/reload", headers=named, timeout=15)


@pytest.fixture(scope="module")
def with_users(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    with secured(tmp_path_factory.mktemp("users"), users(alice=PASSWORD)) as exporter:
        yield exporter


@pytest.fixture(scope="module")
def open_to_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    with running(tmp_path_factory.mktemp("open"), "targets: {}", "--web.enable-lifecycle") as exporter:
        yield exporter


def test_a_user_may_reload_without_the_flag(with_users: Exporter) -> None:
    assert reload(with_users).status_code == 401
    assert reload(with_users, **basic("alice", PASSWORD)).text == "reloaded\n"
    assert reload(
        with_users, **basic("alice", PASSWORD), Host="evil.example"
    ).ok  # whose pages have no password of ours


@pytest.mark.parametrize("headers", FROM_PAGES, ids=str)
def test_a_user_s_browser_cannot_be_made_to(with_users: Exporter, headers: dict[str, str]) -> None:
    assert reload(with_users, **basic("alice", PASSWORD), **headers).status_code in REFUSED


def test_without_users_the_flag_is_needed(tmp_path: Path) -> None:
    with running(tmp_path) as exporter:
        answer = reload(exporter)
        assert (answer.status_code, "--web.enable-lifecycle" in answer.text) == (403, True)


def test_the_flag_does_not_let_in_who_is_no_user(tmp_path: Path) -> None:
    with secured(tmp_path, users(alice=PASSWORD), "--web.enable-lifecycle") as exporter:
        assert reload(exporter).status_code == 401


def test_who_has_a_certificate_may_reload(tmp_path: Path) -> None:
    given = MUTUAL.replace("RequireAndVerifyClientCert", "VerifyClientCertIfGiven")
    with secured(tmp_path, given) as exporter:
        assert ask(tmp_path, exporter, "/-/reload", "POST", cert=client_pair(tmp_path)).text == "reloaded\n"
        assert ask(tmp_path, exporter, "/-/reload", "POST").status_code == 403


@pytest.mark.parametrize("headers", FROM_PAGES, ids=str)
def test_no_page_may_where_all_may(open_to_all: Exporter, headers: dict[str, str]) -> None:
    assert reload(open_to_all, **headers).status_code in REFUSED


def test_a_name_that_leads_here_is_not_ours(open_to_all: Exporter) -> None:
    port = open_to_all.port
    assert reload(open_to_all).ok
    assert reload(open_to_all, Host=f"localhost:{port}").ok
    for host in (f"evil.example:{port}", "127.0.0.1.evil.example", "localhost.evil.example"):
        answer = reload(open_to_all, Host=host)
        assert (answer.status_code, "the header Host" in answer.text) == (403, True)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "OPTIONS", "DELETE"])
def test_post_alone(open_to_all: Exporter, method: str) -> None:
    answer = requests.request(method, f"http://{open_to_all.address}/-/reload", timeout=15)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize(("host", "ours"), [
    ("127.0.0.1:10420", True), ("[::1]:10420", True), ("192.0.2.7", True), ("LOCALHOST.", True),
    ("exporter.example:1", True), ("Exporter.Example", True), ("", False), ("evil.example", False),
    ("127.1.evil", False), ("localhost@evil.example", False), ("2130706433", False),
])  # fmt: skip
def test_which_names_are_ours(host: str, ours: bool) -> None:
    assert names_us(host, ["exporter.example", ""]) is ours
