"""Marking tasks done over HTTP: by programs, by the page's own form, and by nobody else's."""

import json
import re
import signal
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter import taskdoor, taskpage, taskwatch, taskwords
from exporter.state import State
from tests.engine import series_of
from tests.process import Exporter, running
from tests.support import until
from tests.tasking import CHECKLIST, config
from tests.test_web_users import basic
from tests.web import MUTUAL, PASSWORD, ask, client_pair, secured, users
from tests.webdriver import chromium

BOTH = users(alice=PASSWORD, mallory=PASSWORD)
LISTS = CHECKLIST + "users: [alice, prometheus.example]\n"
MORE = """\
  other:
    collector: task
    max_age: 0s
    tasks:
      kept: {title: Kept, interval: daily, done_when: {metric: runbook_nope}}
      lunch: {title: Lunch, interval: daily}
      disk: {title: Room on disk, interval: daily, watched_by: [DiskSpaceLow]}
"""
ALICE, MALLORY = basic("alice", PASSWORD), basic("mallory", PASSWORD)
PATH = "/tasks/access-review/done"


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    folder = tmp_path_factory.mktemp("tasks")
    with secured(folder, BOTH, config=config(folder, LISTS, more=MORE)) as exporter:
        yield exporter


def post(exporter: Exporter, path: str = PATH, body: Any = None, **headers: str) -> requests.Response:
    named = ALICE | {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.post(
        f"http://{exporter.address}{path}", data=body, headers=named, timeout=15, allow_redirects=False
    )


def say(exporter: Exporter, path: str = PATH, **body: Any) -> requests.Response:
    return post(exporter, path, json.dumps(body), Content_Type="application/json")


def times(exporter: Exporter, task: str = "access-review", name: str = "checklist") -> float:
    page = series_of(requests.get(f"http://{exporter.address}/probe?target={name}", headers=ALICE, timeout=15).text)
    found = [value for series, value in page.items() if series.startswith(f'runbook_task_done_total{{task="{task}",')]
    return sum(map(float, found))


def shown(exporter: Exporter, headers: dict[str, str] = ALICE) -> str:
    answer = requests.get(f"http://{exporter.address}/tasks", headers=headers, timeout=15)
    assert answer.status_code == 200
    return answer.text


def form(exporter: Exporter, task: str = "checklist/access-review", headers: dict[str, str] = ALICE) -> dict[str, str]:
    """Return the hidden fields of the page's form for a task."""
    found = re.search(rf'action="/tasks/{task}/done">(.*?)</form>', shown(exporter, headers))
    assert found
    return dict(re.findall(r'name="(\w+)" value="(\w+)"', found[1]))


def send(exporter: Exporter, fields: dict[str, str], path: str = "", **headers: str) -> requests.Response:
    own = {"Origin": f"http://{exporter.address}", "Sec-Fetch-Site": "same-origin"}
    named = ALICE | own | {name.replace("_", "-"): value for name, value in headers.items()}
    named = {name: value for name, value in named.items() if value}
    return requests.post(
        f"http://{exporter.address}{path or '/tasks/checklist/access-review/done'}", data=fields, headers=named,
        timeout=15, allow_redirects=False,
    )  # fmt: skip


# ---- programs


def test_a_user_marks_a_task(exporter: Exporter) -> None:
    before = times(exporter)
    answer = say(exporter, by="bob", note="two\naccounts <removed>", at="2026-01-01T12:00")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    said = answer.json()
    assert (said["task"], said["by"], said["user"]) == ("checklist/access-review", "bob", "alice")
    assert said["at"] == 1767265200  # noon in Berlin
    assert times(exporter) == before + 1
    assert "bob (sent by alice)</td><td>two accounts &lt;removed&gt;" in shown(exporter)


def test_without_a_body_it_is_whoever_asks_now(exporter: Exporter) -> None:
    said = post(exporter, "/tasks/checklist/access-review/done").json()
    assert (said["by"], said["state"]) == ("alice", "later")


def test_the_same_request_twice_is_one(exporter: Exporter) -> None:
    before = times(exporter)
    said = [post(exporter, Idempotency_Key=key).json()["at"] for key in ("one", "one", "two")]
    assert times(exporter) == before + 2
    assert said[0] == said[1] < said[2]  # what is kept, and not when it was sent again


def test_the_same_key_of_another_user_is_another_request(exporter: Exporter) -> None:
    before = times(exporter, "lunch", "other")
    for who in (ALICE, MALLORY, MALLORY):
        assert post(exporter, "/tasks/lunch/done", Idempotency_Key="same", **who).ok
    assert times(exporter, "lunch", "other") == before + 2


def test_many_at_once_are_each_kept(exporter: Exporter) -> None:
    before = times(exporter, "lunch", "other")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: post(exporter, "/tasks/lunch/done").status_code, range(40)))
    assert answers == [200] * 40
    assert times(exporter, "lunch", "other") == before + 40


@pytest.mark.parametrize(("path", "status", "problem"), [
    ("/tasks/acces-review/done", 404, "did you mean access-review?"),
    ("/tasks/done", 404, "marked done at /tasks/TASK"), ("/tasks/", 404, "marked done at"),
    ("/tasks/access-review", 404, "marked done at /tasks/TASK/done"),
    ("/tasks/errors/done", 409, "watched by LogErrorsSurge"),
    ("/tasks/kept/done", 409, "done when runbook_nope says so"),
    ("/tasks/other/access-review/done", 404, "did you mean"), ("/tasks/%2e%2e/x/done", 404, "there is no task"),
])  # fmt: skip
def test_what_is_no_task_to_be_marked(exporter: Exporter, path: str, status: int, problem: str) -> None:
    answer = post(exporter, path)
    assert (answer.status_code, problem in answer.text) == (status, True), answer.text


@pytest.mark.parametrize(("body", "status", "problem"), [
    ("{", 400, "is no JSON"), ("[1]", 400, "no object of texts"), ('{"by": 1}', 400, "no object of texts"),
    ('{"who": "x"}', 400, "unknown key 'who'; expected some of by, note, at"), ("[" * 4000, 400, "is no JSON"),
    (json.dumps({"note": "x" * 501}), 400, "note has 501 characters"), (json.dumps({"by": "x" * 65}), 400, "by has 65"),
    ('{"at": "soon"}', 400, "at is 'soon'"), ('{"at": "2999-01-01"}', 400, "not in the past"),
    ('{"at": "0001-01-01"}', 400, "not in the past"), ('{"id": "mine"}', 400, "unknown key 'id'"),
    (json.dumps({"note": "x" * 5000}), 413, "larger than 4096 bytes"), ("x" * 60000, 413, "larger than 4096 bytes"),
    ("\xff", 400, "is no JSON"),
])  # fmt: skip
def test_bodies_that_are_not_taken(exporter: Exporter, body: str, status: int, problem: str) -> None:
    before = times(exporter)
    answer = post(exporter, body=body.encode("latin-1"), Content_Type="application/json")
    assert (answer.status_code, problem in answer.text) == (status, True), answer.text
    assert times(exporter) == before


def test_other_kinds_of_bodies_are_not_taken(exporter: Exporter) -> None:
    for kind in ("text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "image/png"):
        answer = post(exporter, body=b"note=x", Content_Type=kind)
        assert answer.status_code == 415
    assert "send JSON, as `curl" in answer.text


def test_who_may_not(exporter: Exporter) -> None:
    before = times(exporter)
    address = f"http://{exporter.address}{PATH}"
    assert requests.post(address, timeout=15).status_code == 401
    assert requests.post(address, headers=basic("alice", "wrong pass-word"), timeout=15).status_code == 401
    refused = requests.post(address, headers=MALLORY, timeout=15)
    assert (refused.status_code, "see its `users`" in refused.text) == (403, True)
    assert requests.post(address.replace("access-review", "lunch"), headers=MALLORY, timeout=15).status_code == 200
    assert times(exporter) == before


@pytest.mark.parametrize("headers", [
    {"Origin": "https://elsewhere.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
], ids=str)  # fmt: skip
def test_no_page_has_a_browser_send_json(exporter: Exporter, headers: dict[str, str]) -> None:
    before = times(exporter)
    named = {name.replace("-", "_"): value for name, value in headers.items()}
    assert post(exporter, body="{}", Content_Type="application/json", **named).status_code == 403
    assert times(exporter) == before


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "OPTIONS", "DELETE"])
def test_post_alone(exporter: Exporter, method: str) -> None:
    answer = requests.request(method, f"http://{exporter.address}{PATH}", headers=ALICE, timeout=15)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_names_of_tasks_do_not_become_label_values(exporter: Exporter) -> None:
    for number in range(3):
        post(exporter, f"/tasks/nope-{number}/done")
    metrics = requests.get(f"http://{exporter.address}/metrics", headers=ALICE, timeout=15).text
    assert 'http_requests_total{endpoint="/tasks/",code="404"' in metrics
    assert "nope-" not in metrics


def test_without_users_nobody_may(tmp_path: Path) -> None:
    with running(tmp_path, config(tmp_path), "--web.enable-lifecycle") as exporter:
        answer = requests.post(f"http://{exporter.address}{PATH}", headers=ALICE, timeout=15)
        assert (answer.status_code, "name users in --web.config.file" in answer.text) == (403, True)
        assert "runbook-exporter done TASK" in exporter.get("/tasks").text
        assert "<form" not in exporter.get("/tasks").text
        exporter.reconfigure("targets: {}")
        exporter.send(signal.SIGHUP)
        until(lambda: "No checklist is configured" in exporter.get("/tasks").text)
        assert "Checklist</h2>" not in exporter.get("/").text


def test_who_has_a_certificate_may(tmp_path: Path) -> None:
    given = MUTUAL.replace("RequireAndVerifyClientCert", "VerifyClientCertIfGiven")
    with secured(tmp_path, given, config=config(tmp_path, LISTS)) as exporter:
        assert ask(tmp_path, exporter, PATH, "POST").status_code == 403
        answer = ask(tmp_path, exporter, PATH, "POST", cert=client_pair(tmp_path))
        assert (answer.status_code, answer.json()["user"]) == (200, "prometheus.example")
        assert "<form" not in ask(tmp_path, exporter, "/tasks").text
        assert "<form" in ask(tmp_path, exporter, "/tasks", cert=client_pair(tmp_path)).text


def test_what_cannot_be_on_disk_is_not_acknowledged(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("no folder", encoding="utf-8")
    with secured(tmp_path, BOTH, config=config(tmp_path)) as exporter:
        answer = post(exporter)
        assert (answer.status_code, "it cannot be said to be on disk" in answer.text) == (503, True)


def test_a_record_of_another_version_takes_no_other_page_with_it(tmp_path: Path) -> None:
    state = State(tmp_path / "state")
    state.shelf("history checklist task").put("access-review", {"of": "another version"})
    state.close()
    with secured(tmp_path, BOTH, config=config(tmp_path)) as exporter:
        for path in ("/", "/tasks"):
            answer = requests.get(f"http://{exporter.address}{path}", headers=ALICE, timeout=15)
            assert (answer.status_code, "access-review is not understood" in answer.text) == (200, True)
        answer = post(exporter)
        assert (answer.status_code, "is not understood; it may be of a newer" in answer.text) == (503, True)
        targets = requests.get(f"http://{exporter.address}/targets", headers=ALICE, timeout=15).text
        assert "what was kept of the task access-review is not understood" in targets


def test_the_overview_counts(exporter: Exporter) -> None:
    overview = requests.get(f"http://{exporter.address}/", headers=ALICE, timeout=15).text
    assert re.search(r'<h2>Checklist</h2><p><a href="/tasks">\d+ due', overview)


# ---- the form of the page


def test_the_button_marks_the_task(exporter: Exporter) -> None:
    before = times(exporter)
    answer = send(exporter, {**form(exporter), "note": "by button & <i>"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/tasks#checklist/access-review")
    assert times(exporter) == before + 1
    assert "<td>alice</td><td>by button &amp; &lt;i&gt;</td>" in shown(exporter)


def test_the_same_page_sent_twice_is_one(exporter: Exporter) -> None:
    before, fields = times(exporter), form(exporter)
    assert [send(exporter, fields).status_code for _ in range(3)] == [303] * 3
    assert times(exporter) == before + 1


@pytest.mark.parametrize("headers", [
    {"Origin": "https://elsewhere.example"}, {"Origin": "null"}, {"Origin": ""}, {"Sec_Fetch_Site": "cross-site"},
    {"Sec_Fetch_Site": "same-site"}, {"Sec_Fetch_Site": "none"}, {"Host": "evil.example"},
], ids=str)  # fmt: skip
def test_another_page_s_form_is_refused_even_with_the_token(exporter: Exporter, headers: dict[str, str]) -> None:
    before = times(exporter)
    answer = send(exporter, form(exporter), **headers)
    assert (answer.status_code, "another page may not do this" in answer.text) == (403, True)
    assert times(exporter) == before


def test_a_browser_that_tells_no_site_is_let_in_by_its_origin(exporter: Exporter) -> None:
    assert send(exporter, form(exporter), Sec_Fetch_Site="").status_code == 303


def test_a_token_is_for_one_user_one_task_and_one_page(exporter: Exporter) -> None:
    before = times(exporter)
    fields = form(exporter)
    lunch = form(exporter, "other/lunch")
    hers = form(exporter, "other/lunch", MALLORY)
    for wrong in ({**fields, "id": lunch["id"]}, {**fields, "token": "0" * 64}, {**fields, "token": "é"}, lunch,
                  {"token": fields["token"]}):  # fmt: skip
        answer = send(exporter, wrong)
        assert (answer.status_code, "load it again" in answer.text) == (403, True)
    assert send(exporter, hers, "/tasks/other/lunch/done").status_code == 403
    assert send(exporter, {"note": "x"}).status_code == 415
    assert times(exporter) == before


def test_what_a_line_is_watched_by_is_told_where_nothing_gives_it(exporter: Exporter) -> None:
    requests.get(f"http://{exporter.address}/probe?target=host", headers=ALICE, timeout=15)
    page = shown(exporter)
    assert page.count("by nothing that this exporter sees") == 1
    assert "What is watched, so that nobody has to look (1 of 1 lines by nothing that this exporter sees)" in page
    titles = ("Room on disk", "Errors in the log")
    seen, unseen = (page.partition(f">{title}<")[2].partition("</tr>")[0] for title in titles)
    assert "/runbooks/DiskSpaceLow" in seen
    assert ("not seen here" in seen, "not seen here" in unseen) == (False, True)


def test_what_alerts_look_at() -> None:
    given = {"http_request_duration_seconds", "node_load1"}
    asked: set[str] = set()

    def known(names: Collection[str]) -> dict[str, list[int]]:
        asked.update(names)
        return {name: [1] if name in given else [] for name in names}

    names = ["APIHighLatency", "BackupOverdue", "TargetDown", "Watchdog", "AlertOfOurs", "node_load1", "no_such_total"]
    assert taskwatch.unseen(names, known) == {"BackupOverdue", "no_such_total"}
    assert "runbook_backup_last_success_timestamp_seconds" in asked
    assert taskwatch.unseen([], known) == frozenset()


def test_long_words_of_notes_break() -> None:
    assert taskpage._breakable("x" * 45 + " a<b") == f"{'x' * 20}<wbr>{'x' * 20}<wbr>xxxxx a&lt;b"


def test_who_may_not_has_no_button(exporter: Exporter) -> None:
    page = shown(exporter, MALLORY)
    assert 'action="/tasks/checklist/' not in page
    assert 'action="/tasks/other/lunch/done"' in page
    fields = form(exporter)
    assert send(exporter, fields, Authorization=MALLORY["Authorization"]).status_code == 403


def test_a_page_gets_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    door = taskdoor.Door()
    now = taskdoor._hour()
    fields = door.form("alice", "a/b")
    rights = []
    for hours in (0, 1, 2):
        monkeypatch.setattr(taskdoor, "_hour", lambda hours=hours: now + hours)
        rights.append(fields["token"] in (door._token("alice", "a/b", fields["id"], taskdoor._hour() - back)
                                          for back in (0, 1)))  # fmt: skip
    assert rights == [True, True, False]
    assert taskdoor.Door()._token("alice", "a/b", fields["id"], now) != fields["token"]  # another process


def test_the_page_is_not_kept_and_loads_nothing(exporter: Exporter) -> None:
    answer = requests.get(f"http://{exporter.address}/tasks", headers=ALICE, timeout=15)
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "<script" not in answer.text


ATTACK = """<body><form id=f method=post action="http://{address}/tasks/checklist/access-review/done">
<input name=token value={token}><input name=id value={id}></form>"""


IN_VIEW = """const button = document.querySelector("form button").getBoundingClientRect();
const tables = [...document.querySelectorAll(".wide")];
arguments[0]([button.right < innerWidth, tables.every(one => one.scrollWidth <= one.clientWidth)])"""


def test_in_a_real_browser(exporter: Exporter, tmp_path: Path) -> None:
    """A person's click does it; pages of others, while that person is logged in, change nothing."""
    before = times(exporter)
    with chromium("--window-size=500,900") as browser:
        browser.go(f"http://alice:{quote(PASSWORD)}@{exporter.address}/tasks")
        assert browser.run(IN_VIEW) == [True, True]  # on a narrow screen too
        browser.type('form[action="/tasks/checklist/access-review/done"] input[name=note]', "typed")
        browser.click('form[action="/tasks/checklist/access-review/done"] button')
        until(lambda: browser.url.endswith("/tasks#checklist/access-review"), 20)
        assert times(exporter) == before + 1
        assert "typed" in browser.text
        fields = form(exporter)
        page = tmp_path / "attack.html"
        page.write_text(ATTACK.format(address=exporter.address, **fields), encoding="utf-8")
        browser.go(page.as_uri())
        browser.run("f.submit(); arguments[0]()")
        until(lambda: "another page may not do this" in browser.text, 20)  # though the browser sent the password
        browser.go(f"http://localhost:{exporter.port}/-/healthy")  # another origin, of the same machine
        for kind in ("text/plain", "application/x-www-form-urlencoded", "application/json"):
            browser.run(
                f"fetch('http://{exporter.address}{PATH}', {{method: 'POST', mode: 'no-cors', credentials: 'include', "
                f"headers: {{'Content-Type': '{kind}'}}, body: 'token={fields['token']}&id={fields['id']}'}})"
                ".then(() => 1, () => 0).then(arguments[0])"
            )
        form_there = json.dumps(ATTACK.format(address=exporter.address, **fields))
        browser.run(f"document.body.innerHTML = {form_there}; f.submit(); arguments[0]()")
        until(lambda: "another page may not do this" in browser.text, 20)
        assert times(exporter) == before + 1


# ---- words


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=600))
def test_what_is_written_is_one_short_line(text: str) -> None:
    try:
        kept = taskwords.note(text)
    except taskwords.WordsError:
        assert len(text) > taskwords.LONGEST_NOTE
        return
    assert len(kept.splitlines()) <= 1
    assert kept == " ".join(kept.split())
    assert not any(taskwords._is_control(one) for one in kept)


def test_secrets_are_not_kept() -> None:
    assert taskwords.note("moved to postgres://app:canary-pass-word-77@db/x") == "moved to postgres://app:<secret>@db/x"


@pytest.mark.parametrize(("seconds", "said"), [
    (0.0, "a moment"), (59.0, "a moment"), (60.0, "1 minute"), (7200.0, "2 hours"), (86400.0, "1 day"),
    (1e7, "116 days"),
])  # fmt: skip
def test_lengths(seconds: float, said: str) -> None:
    assert taskwords.length(seconds) == said
