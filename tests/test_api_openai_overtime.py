"""A target of OpenAI over many scrapes, restarts and failures: what it asks, what it remembers, what it never shows."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from exporter import config
from exporter.deadline import Cancel
from tests import openaireplies as replies
from tests.apiserver import API, Asked, Said
from tests.onetarget import One, one
from tests.openaireplies import ADMIN, HOUR, KEY, MODELS_PATH, PROJECT, bucket, page, settled, usage_path, used, yaml
from tests.process import running
from tests.soak import leaves_nothing
from tests.support import until

COMPLETIONS = usage_path("completions")
REQUESTS = 'runbook_api_requests_total{model="a",operation="completions"}'


@pytest.fixture
def server(openai_api: API) -> API:
    return replies.anew(openai_api)


def again(target: One, name: str) -> None:
    """Make a look once more, as its own thread does when it is due."""
    collector: Any = target.target.collector
    (look,) = [look for look in collector.looks.all() if look.name == name]
    look.make(Cancel())


def figure(target: One, series: str) -> float:
    """Return the value of a series."""
    return float(target.page()[series])


def test_scrapes_ask_nothing(server: API) -> None:
    with one("api", yaml(server, f"project: {PROJECT}", "models: [gpt-4o-mini]")) as it:
        settled(it)
        asked = len(server.asked)
        for _ in range(50):
            assert it.page()["runbook_api_up"] == "1"
        assert len(server.asked) == asked
    assert asked <= 24  # look 1, call 1, use 7, cost 1, limits 1 + 3 and money 2; the limits once more for the use


def test_restarts_ask_nothing_again(server: API, tmp_path: Path) -> None:
    text = yaml(server, f"project: {PROJECT}", "models: [gpt-4o-mini]")
    with one("api", text, tmp_path) as it:
        settled(it)
        before = it.page()
    asked = len(server.asked)
    for _ in range(20):
        with one("api", text, tmp_path) as it:
            after = it.page()
    assert len(server.asked) == asked
    own = {series for series in before if series.startswith("runbook_api_")}
    assert {series: after.get(series) for series in own} == {series: before[series] for series in own}


@pytest.mark.parametrize("path", [MODELS_PATH, COMPLETIONS])
def test_a_wait_that_was_asked_for_outlives_a_restart(server: API, tmp_path: Path, path: str) -> None:
    server.routes[path] = replies.too_many({"Retry-After": "600"})
    read = "look" if path == MODELS_PATH else "usage"
    for _ in range(3):
        with one("api", yaml(server), tmp_path) as it:
            until(lambda: it.page().get('runbook_api_key_valid{key="main"}') == "1")
            until(lambda: figure(it, 'runbook_api_rate_limited_total{source="exporter"}') == 1)
            until_then = float(it.page()[f'runbook_api_retry_timestamp_seconds{{read="{read}"}}'])
            assert 0 < until_then - time.time() <= 601
    assert server.count(path) == 1


def test_another_key_is_looked_at_at_once(server: API, tmp_path: Path) -> None:
    server.routes[MODELS_PATH] = replies.BAD_KEY
    with one("api", yaml(server), tmp_path) as it:
        settled(it)
        assert it.page()['runbook_api_key_valid{key="main"}'] == "0"
    server.routes[MODELS_PATH] = replies.MODELS
    with one("api", yaml(server).replace(KEY, f"{KEY}-rotated"), tmp_path) as it:
        settled(it)
        assert it.page()['runbook_api_key_valid{key="main"}'] == "1"


def test_a_bucket_that_grows_is_counted_by_its_growth_over_restarts(server: API, tmp_path: Path) -> None:
    start = int(time.time()) // HOUR * HOUR - HOUR
    requests = [10]

    def answer(asked: Asked) -> Said:
        of_hours = asked.query["bucket_width"] == ["1h"]
        return page([bucket(start, [used("completions", "a", requests[0], 5 * requests[0])])] if of_hours else [])

    server.routes[COMPLETIONS] = answer
    with one("api", yaml(server), tmp_path) as it:
        until(lambda: REQUESTS in it.page())  # as soon as it is on disk
        assert figure(it, REQUESTS) == 0
        for requests[0] in (12, 12, 11, 15):
            again(it, "usage")
        until(lambda: figure(it, REQUESTS) == 5)
    with one("api", yaml(server), tmp_path) as it:
        assert figure(it, REQUESTS) == 5
        requests[0] = 16
        again(it, "usage")
        until(lambda: figure(it, REQUESTS) == 6)
        assert figure(it, 'runbook_api_tokens_total{model="a",type="input"}') == 30


def test_a_report_that_fails_once_leaves_what_was_known_and_says_why(server: API) -> None:
    with one("api", yaml(server)) as it:
        settled(it)
        server.routes[replies.COSTS_PATH] = Said({"data": [{}], "has_more": False})
        again(it, "cost")
        assert figure(it, 'runbook_api_cost_usd{source="billed"}') == 13.25
        assert "`start_time` is not as documented" in it.outcomes()["cost"]
        server.routes[replies.COSTS_PATH] = replies.costs([replies.billed(20, "a")])
        again(it, "cost")
        assert figure(it, 'runbook_api_cost_usd{source="billed"}') == 20
        assert it.outcomes()["cost"] == "ok"


def test_a_key_that_is_revoked_and_a_provider_that_goes_and_comes_back(server: API) -> None:
    with one("api", yaml(server).replace(f"admin_key: {ADMIN}", "")) as it:
        settled(it)
        shown = []
        for said in (replies.BAD_KEY, Said(b"", 503), replies.MODELS):
            server.routes[MODELS_PATH] = said
            again(it, "look")
            page = it.page()
            shown.append((page["runbook_api_up"], page.get('runbook_api_key_valid{key="main"}')))
    assert shown == [("1", "0"), ("0", None), ("1", "1")]


def test_the_organizations_money_is_told_without_a_key_of_the_application(server: API) -> None:
    server.routes["/v1/organization/spend_limit"] = replies.spend_limit(500, "enforcing")
    with one("api", yaml(server).replace(f"key: {KEY}\n", "")) as it:
        settled(it)
        shown = it.page()
    assert {series for series in shown if "exhausted" in series} == {'runbook_api_exhausted{reason="money"}'}
    assert shown['runbook_api_exhausted{reason="money"}'] == "1"


def test_a_thousand_models_make_twenty_series_and_one_of_the_others(server: API) -> None:
    many = [used("completions", f"model-{number}", 1 + number, 100, 10) for number in range(1000)]
    server.routes[COMPLETIONS] = replies.usage(many)
    with one("api", yaml(server)) as it:
        assert settled(it)["usage"] == "ok"
        shown = it.page()
    counted = [series for series in shown if series.startswith("runbook_api_requests_total{")]
    assert len(counted) <= 23  # other by operation
    assert any('model="other"' in series for series in counted)


def test_a_server_that_hangs_holds_up_nobody_and_what_is_cut_off_at_the_end_says_nothing(
    server: API, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.longlook._AWAITED", 0.2)
    hung = threading.Event()
    server.routes |= {path: Said({}, after=hung) for path in list(server.routes)}
    text = yaml(server, "models: [gpt-4o-mini]", "request_timeout: 30s")
    try:
        with one("api", text, tmp_path) as it:
            until(lambda: len(server.asked) == 5)  # one of each look
            began = time.monotonic()
            assert it.page()['runbook_target_up{collector="api"}'] == "1"
            assert time.monotonic() - began < 3
            began = time.monotonic()
        assert time.monotonic() - began < 5
    finally:
        hung.set()
    replies.anew(server)
    with one("api", text, tmp_path) as it:
        settled(it)
        shown = it.page()
    assert (shown["runbook_api_up"], shown['runbook_api_model_up{model="gpt-4o-mini"}']) == ("1", "1")
    assert server.count(MODELS_PATH) == 1


@pytest.mark.long
@pytest.mark.parametrize("well", [True, False], ids=["well", "failing"])
def test_rounds_leave_nothing_behind(server: API, well: bool) -> None:
    if not well:
        server.routes.clear()
    with one("api", yaml(server, f"project: {PROJECT}")) as it:
        settled(it)
        leaves_nothing(it, 500)


def test_looks_leave_nothing_behind(server: API) -> None:
    with one("api", yaml(server, f"project: {PROJECT}", "models: [gpt-4o-mini]")) as it:
        settled(it)
        threads = threading.active_count()
        for _ in range(20):
            for name in ("look", "calls", "usage", "cost", "limits"):
                again(it, name)
        until(lambda: threading.active_count() <= threads)


# What is never shown

SECRETS = (KEY, ADMIN, "canary-harrow", "canary-teasel", KEY[-6:], ADMIN[-6:], "org-canary", "req_canary")


def leaked(text: str) -> list[str]:
    return [secret for secret in SECRETS if secret in text]


@pytest.mark.parametrize("state", ["good", "refused"])
def test_no_page_log_state_or_address_shows_a_key(server: API, tmp_path: Path, state: str) -> None:
    if state == "refused":
        server.routes |= dict.fromkeys(list(server.routes), replies.BAD_KEY)
    (tmp_path / "key").write_text(f"{KEY}\n", encoding="utf-8")
    (tmp_path / "key").chmod(0o600)
    lines = yaml(server, f"project: {PROJECT}", "models: [gpt-4o-mini]")
    lines = lines.replace(f"key: {KEY}", "key_file: key").replace(ADMIN, '"${ADMIN_KEY}"')
    text = "targets:\n  paid:\n    collector: api\n" + "".join(f"    {line}\n" for line in lines.splitlines())
    arguments = [f"--storage.path={tmp_path / 'state'}", "--log.level=debug"]
    with running(tmp_path, text, *arguments, environ={"ADMIN_KEY": ADMIN}) as exporter:
        ready = ["runbook_api_key_valid{", "runbook_api_cost_usd{" if state == "good" else 'key="admin"']
        until(lambda: all(series in exporter.get("/probe?target=paid").text for series in ready), 20)
        pages = [exporter.get(path).text for path in ("/", "/targets", "/metrics", "/probe?target=paid", "/health")]
        assert "runbook_api_key_valid" in pages[3]
        for shown in [*pages, exporter.output()]:
            assert leaked(shown) == []
    kept = b"".join(path.read_bytes() for path in (tmp_path / "state").iterdir())
    assert b"look" in kept
    assert [secret for secret in SECRETS if secret.encode() in kept] == []
    assert {one.headers["authorization"] for one in server.asked} <= {f"Bearer {KEY}", f"Bearer {ADMIN}"}
    assert [one.line for one in server.asked if leaked(one.line)] == []


# What is no configuration


@pytest.mark.parametrize(
    ("lines", "key", "said"),
    [
        ("key: \"sk-canary-nettle\\nX-Other: 1\"", "key", "a character that a header cannot"),
        ("key: sk-canary-nettle\nadmin_key: sk-canary-bräu", "admin_key", "a character that a header cannot"),
        ("admin_key: sk-canary-nettle\nmodels: [gpt-4o]", "models", "`key`, which is missing"),
        ("key: sk-canary-nettle\napi_version: '2024-10-21'", "url", "endpoint of Azure's resource"),
        ("key: sk-canary-nettle\nadmin_key: sk-canary-dock\napi_version: '1'\nurl: https://a.b", "admin_key", "Azure"),
        ("budget: 5", "key", "is missing"),
        ("key: sk-canary-nettle\nlook_interval: 5s", "look_interval", "use up what it watches"),
        ("key: sk-canary-nettle\nusage_interval: 5s", "usage_interval", "use up what it watches"),
        ("key: sk-canary-nettle\ncost_interval: 60s", "cost_interval", "use up what it watches"),
    ],
)  # fmt: skip
def test_what_is_no_configuration(lines: str, key: str, said: str) -> None:
    text = "targets:\n  it:\n    collector: api\n    provider: openai\n"
    text += "".join(f"    {line}\n" for line in lines.splitlines())
    with pytest.raises(config.ConfigError) as error:
        config.read(text.encode(), "config.yml", config.INSTALLED, {})
    assert f"targets.it.{key}: " in str(error.value)
    assert said in str(error.value)
    assert "canary" not in str(error.value)
