"""OpenAI, by the real collector over a server that answers as it does: the key, and what is compatible."""

import re
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.collector import Unable
from exporter.collectors.api.found import Verdict
from exporter.setting import Secret, SecretURL
from tests import openaireplies as replies
from tests.apiserver import API, Said, api
from tests.onetarget import one
from tests.openaireplies import ADMIN, KEY, MODELS_PATH, PROJECT, look, provider, sent, settled, yaml
from tests.support import until

GOOD = Verdict(up=True, valid=True, allowed=True)


@pytest.fixture
def server(openai_api: API) -> API:
    return replies.anew(openai_api)


def looked(server: API, said: Said, **settings: object) -> Verdict:
    """Return the verdict of a look that is answered so."""
    server.routes[MODELS_PATH] = said
    return look(provider(server, **settings), "look").verdict


def test_the_page(server: API, tmp_path: Path, golden: Callable[[str, str], None]) -> None:
    more = ["budget: 150", f"project: {PROJECT}", "models: [gpt-4o-mini]", "prices: {gpt-4o: {input: 2.5, output: 10}}"]
    with one("api", yaml(server, *more), tmp_path) as it:
        outcomes = settled(it)
        until(lambda: "runbook_api_requests_total" in it.text())  # as soon as it is on disk
        assert set(outcomes.values()) == {"ok"}
        lines = [line for line in it.text().splitlines() if "runbook_api_" in line]
    masked = [re.sub(r"^(r\S+_seconds\S*) \S+$", r"\1 ~", line) for line in lines]
    blocks = re.split(r"^(?=# HELP)", "".join(f"{line}\n" for line in masked), flags=re.MULTILINE)
    golden("api_openai.prom", "".join("".join(sorted(block.splitlines(keepends=True))) for block in blocks))


def test_the_cheap_look_shows_the_key_in_a_header_alone(server: API) -> None:
    found = look(provider(server), "look")
    assert found.verdict == GOOD
    assert found.seconds is not None
    assert 0 < found.seconds < 5
    (asked,) = server.asked
    assert (asked.method, asked.path, asked.query, asked.body) == ("GET", MODELS_PATH, {}, b"")
    assert asked.headers["authorization"] == f"Bearer {KEY}"


def test_limits_are_read_from_its_headers_where_they_come(server: API) -> None:
    server.routes[MODELS_PATH] = Said({"object": "list", "data": []}, headers=replies.LIMITS)
    quotas = look(provider(server), "look").quotas
    assert [quota[:5] for quota in quotas] == [
        ("", "requests", "minute", 500, 499), ("", "tokens", "minute", 200_000, 199_984),
    ]  # fmt: skip


def test_an_admin_key_alone_is_tried_by_what_it_may_do(server: API) -> None:
    admin = provider(server, key=None)
    assert [(one.name, one.key) for one in admin.looks()] == [
        ("look", "admin"), ("usage", "admin"), ("cost", "admin"), ("limits", "admin"),
    ]  # fmt: skip
    assert look(admin, "look").verdict == GOOD
    (asked,) = server.asked
    assert asked.path == replies.COSTS_PATH
    assert asked.query["limit"] == ["1"]
    assert asked.headers["authorization"] == f"Bearer {ADMIN}"


def test_without_an_admin_key_nothing_of_the_organization_is_asked(server: API) -> None:
    assert [one.name for one in provider(server, admin_key=None, models=("gpt-4o-mini",)).looks()] == ["look", "calls"]
    assert [one.name for one in provider(server, admin_key=None).looks()] == ["look"]


@pytest.mark.parametrize(
    "body",
    [
        {"object": "list", "data": []},
        {"object": "list", "data": None},  # Ollama without a model
        {"data": [{"name": "a"}]},
        [{"id": "meta-llama/Llama-3-8b"}],  # Together
    ],
)
def test_lists_of_what_is_compatible_are_lists(server: API, body: object) -> None:
    assert looked(server, Said(body)) == GOOD


@pytest.mark.parametrize(
    "body", [{"status": "ok"}, {"data": None}, {"data": "none"}, {}, "yes", 1, None, {"models": []}]
)
def test_json_that_is_no_list_proves_no_key(server: API, body: object) -> None:
    verdict = looked(server, Said(body if not isinstance(body, str) else f'"{body}"'))
    assert (verdict.up, verdict.valid, verdict.allowed) == (True, None, None)
    assert verdict.reason == "the answer is no list, as is documented"


@pytest.mark.parametrize(
    "body", [b"<!DOCTYPE html><title>Sign in</title>", b"", b"\xff\xfe", b"ok", b'{"object":"list",']
)
def test_a_page_of_something_between_is_not_the_api(server: API, body: bytes) -> None:
    verdict = looked(server, Said(body, headers={"Content-Type": "text/html"}))
    assert (verdict.up, verdict.valid, verdict.allowed) == (False, None, None)
    assert "Sign in" not in verdict.reason


def test_half_a_body_is_no_answer(server: API) -> None:
    verdict = looked(server, Said({"object": "list", "data": []}, half=True))
    assert (verdict.up, verdict.valid) == (False, None)


@pytest.mark.parametrize("name", ["look", "calls"])
def test_what_could_not_be_asked_for_our_own_reason_says_nothing_of_the_api(server: API, name: str) -> None:
    url = SecretURL(server.url.replace("http:", "https:") + "/v1")
    ours = provider(server, url=url, ca_file="/nowhere/authorities.pem", models=("gpt-4o-mini",))
    with pytest.raises(Unable, match="files for TLS"):
        look(ours, name)


def test_a_slow_answer_is_none_after_the_timeout(server: API) -> None:
    late = threading.Event()
    try:
        verdict = looked(server, Said({"object": "list", "data": []}, after=late), request_timeout=1.0)
    finally:
        late.set()
    assert (verdict.up, verdict.valid) == (False, None)


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as line:
        gone = API(line.getsockname()[1])
    verdict = look(provider(gone), "look").verdict
    assert (verdict.up, verdict.valid) == (False, None)


def test_down_shows_on_the_page_and_the_key_is_not_judged(server: API) -> None:
    server.routes[MODELS_PATH] = Said({"error": {"message": "The server had an error"}}, 500)
    with one("api", yaml(server).replace(f"admin_key: {ADMIN}", "")) as it:
        page = it.page()
        assert page["runbook_api_up"] == "0"
        assert not any("key_valid" in series or "exhausted" in series for series in page)
        assert "the provider fails (status 500)" in it.outcomes()["service"]


# Azure, and servers of one's own


def test_azure_is_asked_as_it_wants(server: API) -> None:
    server.routes["/openai/models"] = replies.MODELS
    server.routes["/openai/deployments/our%20gpt/chat/completions"] = replies.CHAT
    azure = provider(server, url=SecretURL(server.url), api_version="2024-10-21", admin_key=None, models=("our gpt",))
    assert look(azure, "look").verdict == GOOD
    assert look(azure, "calls").models == {"our gpt": True}
    for asked in server.asked:
        assert (asked.headers["api-key"], asked.query) == (KEY, {"api-version": ["2024-10-21"]})
        assert "authorization" not in asked.headers
    assert sent(server.asked[1])["max_completion_tokens"] == 1


def test_azure_says_the_same_of_a_bad_key_and_another_resource(server: API) -> None:
    message = "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key."
    server.routes["/openai/models"] = Said({"error": {"code": "401", "message": message}}, 401)
    azure = provider(server, url=SecretURL(server.url), api_version="2024-10-21", admin_key=None)
    verdict = look(azure, "look").verdict
    assert (verdict.up, verdict.valid) == (True, False)
    assert "another resource's" in verdict.reason
    assert "endpoint" in verdict.fix


@pytest.mark.parametrize(
    ("host", "takes"),
    [
        ("api.openai.com", "max_completion_tokens"), ("eu.api.openai.com", "max_completion_tokens"),
        ("our.openai.azure.com", "max_completion_tokens"), ("openai.com.example.org", "max_tokens"),
        ("ollama.local:11434", "max_tokens"),
    ],
)  # fmt: skip
def test_which_parameter_is_tried_first_and_by_which_proxy(server: API, host: str, takes: str) -> None:
    there = provider(
        server, url=SecretURL(f"http://{host}/v1"), proxy=SecretURL(server.url), models=("gpt-5",), admin_key=None
    )
    assert look(there, "calls").models == {"gpt-5": True}
    (asked,) = server.asked
    assert asked.line == f"POST http://{host}/v1/chat/completions HTTP/1.1"
    assert takes in sent(asked)


def test_a_server_of_ones_own_that_takes_any_key() -> None:
    with api() as server:
        server.routes["/v1/models"] = Said({"object": "list", "data": [{"object": "model"}]})
        with one("api", f"provider: openai\nurl: {server.url}/v1/\nkey: none-is-needed-here") as it:
            page = it.page()
    assert (page["runbook_api_up"], page['runbook_api_key_valid{key="main"}']) == ("1", "1")
    assert not any("cost" in series or "budget" in series for series in page)


def test_configured_headers_are_sent(server: API) -> None:
    headers = {"OpenAI-Organization": Secret("org-canary-Xk20")}
    assert look(provider(server, headers=headers), "look").verdict == GOOD
    assert server.asked[0].headers["openai-organization"] == "org-canary-Xk20"
