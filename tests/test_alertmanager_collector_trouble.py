"""An Alertmanager that is gone, hangs, asks who comes, or answers something else; and settings that cannot be right."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import bcrypt
import pytest
import trustme

from exporter import config
from tests.incidents import alertmanager
from tests.onetarget import One, one
from tests.process import free_port
from tests.support import until

START = 1_760_000_000.0
ALERT: dict[str, Any] = {
    "labels": {"alertname": "Down", "priority": "P0"}, "fingerprint": "1", "startsAt": "2026-11-25T05:00:00.123+01:00",
    "status": {"state": "active", "silencedBy": [], "inhibitedBy": []},
}  # fmt: skip
STATUS = {"versionInfo": {"version": "0.28.0"}, "uptime": "2026-11-25T04:00:00Z", "cluster": {"status": "disabled"}}
GOOD = {"/api/v2/alerts": [ALERT], "/api/v2/silences": [], "/api/v2/status": STATUS}


def changed(**more: Any) -> list[dict[str, Any]]:
    return [ALERT | more]


@contextmanager
def answering(answers: dict[str, Any], status: int = 200, token: str = "") -> Iterator[str]:
    """Run a web server that answers so by path: with bytes as they are, with anything else as JSON."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = not token or self.headers["Authorization"] == f"Bearer {token}"
            answer = answers.get(self.path, b"404 page not found") if known else b"who is it?"
            body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response((status if self.path in answers else 404) if known else 401)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=lambda: server.serve_forever(0.01), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def is_down(target: One) -> bool:
    page = target.page()
    assert not [series for series in page if series.startswith(("runbook_incident", "runbook_alertmanager"))]
    return page['runbook_target_up{collector="alertmanager"}'] == "0"


def test_one_that_is_not_there() -> None:
    with one("alertmanager", f"url: http://127.0.0.1:{free_port()}") as target:
        assert is_down(target)
        assert "cannot be reached (Connection refused)" in target.outcomes()["incidents"]


def test_one_that_hangs_and_comes_back(tmp_path: Path) -> None:
    with (
        alertmanager(tmp_path) as server,
        one("alertmanager", f"url: {server.url}\ntimeout: 1s\nmax_age: 500ms") as target,
    ):
        server.fire("Down", START, priority="P0")
        assert target.read().up
        server.hang()
        began = time.monotonic()
        snapshot = target.read()
        assert time.monotonic() - began < 1.5
        assert (snapshot.up, snapshot.series()) == (False, 0)
        assert is_down(target)
        server.go_on()
        until(lambda: target.read().up)


def test_a_user_and_a_password_over_tls(tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    certificate.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    certificate.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    known = bcrypt.hashpw(b"swordfish-8", bcrypt.gensalt(4)).decode()
    (tmp_path / "web.yml").write_text(
        f"tls_server_config: {{cert_file: cert.pem, key_file: key.pem}}\nbasic_auth_users: {{exporter: {known!r}}}\n"
    )
    options = {"scheme": "https", "auth": ("exporter", "swordfish-8"), "verify": str(tmp_path / "ca.pem")}
    with alertmanager(tmp_path, f"--web.config.file={tmp_path / 'web.yml'}", **options) as server:
        server.fire("Down", START, priority="P0")
        trusted = f"url: {server.url}\nca_file: {tmp_path / 'ca.pem'}\n"
        with one("alertmanager", f"{trusted}username: exporter\npassword: swordfish-8") as target:
            assert target.outcomes() == {"incidents": "ok", "cluster": "ok"}
        with one("alertmanager", trusted) as target:
            said = target.outcomes()["incidents"]
            assert is_down(target)
            assert "/api/v2/alerts answers with the status 401" in said
            assert "give `username` and `password`, or `bearer_token`" in said
        with one("alertmanager", f"url: {server.url}") as target:
            assert "is not trusted" in target.outcomes()["incidents"]


def test_a_token_that_is_shown_nowhere() -> None:
    with answering(GOOD, token="opensesame-9") as url:
        with one("alertmanager", f"url: {url}\nbearer_token: opensesame-9") as target:
            assert target.outcomes() == {"incidents": "ok", "cluster": "ok"}
            assert "opensesame" not in target.text()
        with one("alertmanager", f"url: {url}\nbearer_token: opensesame-10") as target:
            said = target.outcomes()["incidents"]
            assert "401: 'who is it?'" in said
            assert "opensesame" not in said


ODD: list[tuple[Any, str]] = [
    (b"<html><body>Welcome to the proxy</body></html>", "is HTML or XML, not JSON: '<html><body>Welcome to the proxy"),
    (b'[{"labels": {"alertname":', "is not JSON"),
    (b"", "/api/v2/alerts is empty"),
    (b"\xff\xfe[]", "is not UTF-8"),
    (b"[" * 100_000, "levels deep"),
    (b"[" + b" " * (17 << 20) + b"]", "more than 16777216 bytes"),
    ({"status": "success", "data": []}, "is not what Alertmanager's API v2 says"),
    (["text"], "what it answers about its alerts"),
    ([{"labels": {}}], "what it answers about its alerts"),
    (changed(labels=None), "what it answers about its alerts"),
    (changed(startsAt="yesterday"), "what it answers about its alerts"),
    (changed(startsAt="2026-11-25T05:00:00"), "what it answers about its alerts"),  # without a zone
    (changed(startsAt=5), "what it answers about its alerts"),
    (changed(status={"state": "active"}), "what it answers about its alerts"),
]


@pytest.mark.parametrize(("answer", "reason"), ODD, ids=range(len(ODD)))
def test_an_answer_that_is_none(answer: Any, reason: str) -> None:
    with answering(GOOD | {"/api/v2/alerts": answer}) as url, one("alertmanager", f"url: {url}") as target:
        assert is_down(target)
        said = target.outcomes()["incidents"]
        assert reason in said
        assert len(said) < 400


def test_200_megabytes_cost_neither_memory_nor_time() -> None:
    with answering({"/api/v2/alerts": bytes(200 << 20)}) as url, one("alertmanager", f"url: {url}") as target:
        began = time.monotonic()
        assert "more than 16777216 bytes" in target.outcomes()["incidents"]
        assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("status", "remedy"), [(404, "--web.route-prefix"), (403, "bearer_token"), (500, "its own log")]
)
def test_a_refusal_says_what_to_do(status: int, remedy: str) -> None:
    with answering(GOOD, status) as url, one("alertmanager", f"url: {url}") as target:
        said = target.outcomes()["incidents"]
        assert f"answers with the status {status}" in said
        assert remedy in said


@pytest.mark.parametrize("status", [[], {}, STATUS | {"uptime": "x"}, STATUS | {"cluster": None}])
def test_a_status_that_is_none_takes_no_incident_with_it(status: Any) -> None:
    with answering(GOOD | {"/api/v2/status": status}) as url, one("alertmanager", f"url: {url}") as target:
        outcomes = target.outcomes()
        assert outcomes["incidents"] == "ok"
        assert "what it answers about its status" in outcomes["cluster"]


@pytest.mark.parametrize("silences", [{}, ["x"], [{"id": "a"}], [{"id": "a", "startsAt": "soon"}]])
def test_silences_that_are_none_leave_nothing_half_told(silences: Any) -> None:
    quiet = changed(status={"state": "suppressed", "silencedBy": ["a"], "inhibitedBy": []})
    answers = GOOD | {"/api/v2/alerts": quiet, "/api/v2/silences": silences}
    with answering(answers) as url, one("alertmanager", f"url: {url}") as target:
        assert "what it answers about its silences" in target.outcomes()["incidents"]
        assert not [series for series in target.page() if series.startswith("runbook_incident")]


def test_what_a_newer_one_mutes(tmp_path: Path) -> None:
    """From 0.28 on it says so; Debian's does not, so that a web server says it here."""
    muted = changed(status={"state": "suppressed", "silencedBy": [], "inhibitedBy": [], "mutedBy": ["nights"]})
    with answering(GOOD | {"/api/v2/alerts": muted}) as url, one("alertmanager", f"url: {url}") as target:
        page = target.page()
        assert page['runbook_incident_alerts{alertname="Down",priority="P0",state="muted"}'] == "1"
        assert not [series for series in page if "unanswered" in series]


MISTAKES = [
    ("url: localhost:9093", "targets.it.url: is no address"),
    ("url: http://localhost:99999", "targets.it.url: is no address"),
    ("url: http://localhost:9093/api/v2", "targets.it.url: leads into the API"),
    ("url: http://localhost:9093/?x=1", "targets.it.url: has more than a place"),
    ("url: http://h\npassword: abcdefgh", "targets.it.password: stands alone"),
    ("url: http://me:abcdefgh@h\nbearer_token: ijklmnop", "targets.it.bearer_token: is not the only way"),
    ("url: http://h\nclient_key: key.pem", "targets.it.client_key: stands alone"),
    ("url: http://h\nheaders: {'X Y': abcdefgh}", "headers.X Y': is no header"),
    ("url: http://h\nmax_bytes: 0", "targets.it.max_bytes: is more than can be held, or nothing"),
    ("url: http://h\nignore: '['", "targets.it.ignore: is '[', which is not a regular expression"),
]


@pytest.mark.parametrize(("settings", "problem"), MISTAKES)
def test_a_mistake_is_found_before_it_runs(settings: str, problem: str) -> None:
    with pytest.raises(config.ConfigError) as caught, one("alertmanager", settings):
        raise AssertionError("it was taken")
    assert problem in str(caught.value)
