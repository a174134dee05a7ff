"""Calls of models at OpenAI: what is sent, what a refusal says of one and of the others, what headers leave."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from exporter.collectors import api
from exporter.collectors.api.found import Quota, Verdict
from tests import openaireplies as replies
from tests.apiserver import API, Asked, Said
from tests.onetarget import one
from tests.openaireplies import CHAT_PATH, KEY, PROJECT, look, provider, sent, settled, yaml
from tests.support import until

GOOD = Verdict(up=True, valid=True, allowed=True)


@pytest.fixture
def server(openai_api: API) -> API:
    return replies.anew(openai_api)


# Calls of models


def test_a_call_is_as_small_as_can_be(server: API) -> None:
    found = look(provider(server, models=("gpt-4o-mini",)), "calls")
    assert (found.verdict, found.models) == (GOOD, {"gpt-4o-mini": True})
    assert [quota[:5] for quota in found.quotas] == [
        ("gpt-4o-mini", "requests", "minute", 500, 499), ("gpt-4o-mini", "tokens", "minute", 200_000, 199_984),
    ]  # fmt: skip
    (asked,) = server.asked
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert sent(asked) == {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}


UNSUPPORTED = "Unsupported parameter: '{}' is not supported with this model. Use 'max_completion_tokens' instead."


def only(parameter: str, refusal: Callable[[str], Said]) -> Callable[[Asked], Said]:
    """Return the route of a server that knows one parameter."""

    def answer(asked: Asked) -> Said:
        others = {"max_tokens", "max_completion_tokens"} & sent(asked).keys() - {parameter}
        return refusal(others.pop()) if others else replies.CHAT

    return answer


@pytest.mark.parametrize(
    "refusal",
    [
        lambda name: Said({"error": {"message": UNSUPPORTED.format(name), "type": "invalid_request_error",
                                     "param": name, "code": "unsupported_parameter"}}, 400),
        lambda name: Said({"error": {"message": UNSUPPORTED.format(name), "code": "invalid_request_body"}}, 400),
        lambda name: Said({"object": "error", "message": f"[{{'type': 'extra_forbidden', 'loc': ('body', '{name}')}}]",
                           "type": "BadRequestError", "param": None, "code": 400}, 400),
        lambda name: Said({"detail": [{"type": "extra_forbidden", "loc": ["body", name]}]}, 422),
    ],
    ids=["openai", "copilot", "vllm", "mistral"],
)  # fmt: skip
@pytest.mark.parametrize("takes", ["max_completion_tokens", "max_tokens"])
def test_the_other_parameter_is_tried_once_and_remembered(
    server: API, takes: str, refusal: Callable[[str], Said]
) -> None:
    server.routes[CHAT_PATH] = only(takes, refusal)
    models = provider(server, models=("o3",))
    assert look(models, "calls").models == {"o3": True}
    assert look(models, "calls").models == {"o3": True}
    tried = [next(iter(sent(asked).keys() - {"model", "messages"})) for asked in server.asked]
    assert tried == (["max_tokens"] * 2 if takes == "max_tokens" else ["max_tokens", takes, takes])


def test_a_server_that_takes_neither_is_asked_twice_and_no_more(server: API) -> None:
    server.routes[CHAT_PATH] = only("", lambda name: replies.refusal(400, UNSUPPORTED.format(name)))
    found = look(provider(server, models=("o3",)), "calls")
    assert found.models == {"o3": False}
    assert len(server.asked) == 2


def test_a_model_that_thinks_longer_than_one_token_has_answered(server: API) -> None:
    message = "Could not finish the message because max_tokens or model output limit was reached. Please try again."
    server.routes[CHAT_PATH] = replies.refusal(400, message, headers=replies.LIMITS)
    found = look(provider(server, models=("gpt-5",)), "calls")
    assert (found.models, found.verdict) == ({"gpt-5": True}, GOOD)
    assert found.quotas[0][:5] == ("gpt-5", "requests", "minute", 500, 499)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (404, "This model is only supported in v1/responses and not in v1/chat/completions."),
        (404, "This is not a chat model and thus not supported in the v1/chat/completions endpoint."),
        (400, "The model is only available in v1/responses"),
    ],
)
def test_a_model_that_does_not_chat_is_not_judged(server: API, status: int, message: str) -> None:
    server.routes[CHAT_PATH] = replies.refusal(status, message)
    found = look(provider(server, models=("o1-pro",)), "calls")
    assert found.models == {}
    assert found.verdict.reason == "o1-pro: it does not chat, which is all that is tried"


def test_models_of_embeddings_are_called_where_they_are(server: API) -> None:
    embedding = {"object": "list", "data": [{"object": "embedding", "embedding": [0.1], "index": 0}]}
    server.routes["/v1/embeddings"] = Said(embedding)
    assert look(provider(server, models=("text-embedding-3-small",)), "calls").models == {
        "text-embedding-3-small": True
    }
    assert sent(server.asked[0]) == {"model": "text-embedding-3-small", "input": "Hi"}


def by_model(**said: Said) -> Callable[[Asked], Said]:
    return lambda asked: said[sent(asked)["model"]]


def test_a_model_that_is_refused_hides_none_of_the_others(server: API) -> None:
    full = {"Retry-After": "20", **replies.LIMITS, "x-ratelimit-remaining-requests": "0"}
    server.routes[CHAT_PATH] = by_model(
        a=replies.CHAT, b=replies.too_many(full), c=replies.refusal(404, "No such model", "model_not_found"),
        d=Said(b"<html>", 502), e=replies.CHAT,
    )  # fmt: skip
    found = look(provider(server, models=("a", "b", "c", "d", "e")), "calls")
    assert found.models == {"a": True, "b": False, "c": False, "d": False, "e": True}
    verdict = found.verdict
    assert (verdict.up, verdict.valid, verdict.allowed) == (True, True, True)
    assert (verdict.limit, verdict.limited, verdict.wait) == ("rate", True, 20)
    assert "b: refused, as a limit of calls or tokens" in verdict.reason
    assert "c: there is no such model" in verdict.reason
    assert "d: the provider fails (status 502)" in verdict.reason
    assert Quota("b", "requests", "minute", 500, 0, None) in [quota._replace(reset=None) for quota in found.quotas]


@pytest.mark.parametrize(
    "said",
    [
        replies.refusal(404, "The model `a` does not exist or you do not have access to it.", "model_not_found"),
        Said({"error": {"message": "model 'a' not found", "type": "not_found_error", "code": None}}, 404),
        Said(
            {"object": "error", "message": "The model `a` does not exist.", "type": "NotFoundError", "code": 404}, 404
        ),
        Said({"error": {"message": "/chat/completions: Invalid model name passed in model=a.", "code": "400"}}, 400),
        Said({"error": {"code": "DeploymentNotFound", "message": "The API deployment does not exist."}}, 404),
    ],
    ids=["openai", "ollama", "vllm", "litellm", "azure"],
)
def test_a_model_that_is_none(server: API, said: Said) -> None:
    server.routes[CHAT_PATH] = said
    found = look(provider(server, models=("a",)), "calls")
    assert found.models == {"a": False}
    assert found.verdict.reason.startswith("a: there is no such model, or the key may not use it")


def test_a_call_at_a_wrong_address_is_no_model_that_is_not_there(server: API) -> None:
    server.routes[CHAT_PATH] = replies.refusal(404, "Invalid URL (POST /v1/v1/chat/completions) for model a")
    found = look(provider(server, models=("a",)), "calls")
    assert found.verdict.reason == "a: there is nothing at this address (404)"


def test_a_model_that_the_key_may_not_use_says_nothing_of_the_others(server: API) -> None:
    closed = replies.refusal(403, f"Project `{PROJECT}` does not have access to model `a`", "model_not_found")
    server.routes[CHAT_PATH] = by_model(a=closed, b=replies.CHAT)
    found = look(provider(server, models=("a", "b")), "calls")
    assert (found.models, found.verdict.valid, found.verdict.allowed) == ({"a": False, "b": True}, True, True)
    found = look(provider(server, models=("a",)), "calls")
    assert (found.models, found.verdict.valid, found.verdict.allowed) == ({"a": False}, True, False)


def test_a_key_that_is_none_is_tried_once(server: API) -> None:
    server.routes[CHAT_PATH] = replies.BAD_KEY
    found = look(provider(server, models=("a", "b", "c")), "calls")
    assert (found.verdict.valid, found.models, len(server.asked)) == (False, {"a": False}, 1)


def test_calls_nobody_answers_fail_and_judge_nothing(server: API) -> None:
    server.routes[CHAT_PATH] = Said(b"{", half=True)
    found = look(provider(server, models=("a", "b")), "calls")
    assert (found.models, found.verdict.up, found.verdict.valid) == ({"a": False, "b": False}, False, None)


@pytest.mark.parametrize("body", [b"<html>", b'{"ok": true}', b"[]"])
def test_an_answer_that_is_none_of_a_model(server: API, body: bytes) -> None:
    server.routes[CHAT_PATH] = Said(body)
    found = look(provider(server, models=("a",)), "calls")
    assert (found.models, found.verdict.valid) == ({"a": False}, None)


def told_at(after: float) -> Said:
    """Return the answer of a call whose limits are whole again so many seconds from now."""
    reset = f"{time.time() + after:.0f}"
    limits = {**replies.LIMITS, "x-ratelimit-reset-requests": reset, "x-ratelimit-reset-tokens": reset}
    return Said(replies.CHAT.body, headers=limits)


def quotas(page: Mapping[str, str], what: str, window: str = "minute") -> dict[str, float]:
    """Return the values of a metric of quotas by what is counted."""
    begin, end = f'runbook_api_quota_{what}{{model="gpt-4o-mini",quota="', f'",window="{window}"}}'
    named = [name for name in page if name.startswith(begin) and name.endswith(end)]
    return {name[len(begin) : -len(end)]: float(page[name]) for name in named}


@pytest.mark.parametrize("after", [60, -60])
def test_what_headers_told_of_stands_until_the_limit_is_whole_again(server: API, after: float, tmp_path: Path) -> None:
    server.routes[CHAT_PATH] = told_at(after)
    with one("api", yaml(server, "models: [gpt-4o-mini]"), tmp_path) as it:
        settled(it)
        page = it.page()
    assert quotas(page, "limit") == {"requests": 500, "tokens": 200_000}
    assert quotas(page, "remaining") == {"requests": 499, "tokens": 199_984}
    assert quotas(page, "reset_timestamp_seconds")["requests"] == pytest.approx(time.time() + after, abs=30)


def test_then_only_the_limit_is_known(server: API, tmp_path: Path) -> None:
    server.routes[CHAT_PATH] = told_at(-600)
    with one("api", yaml(server, "models: [gpt-4o-mini]"), tmp_path) as it:
        settled(it)
        page = it.page()
    assert quotas(page, "limit") == {"requests": 500, "tokens": 200_000}
    assert quotas(page, "remaining") == quotas(page, "reset_timestamp_seconds") == {}


def test_or_what_the_report_of_use_left_of_it(server: API, tmp_path: Path) -> None:
    server.routes[CHAT_PATH] = told_at(-600)
    with one("api", yaml(server, "models: [gpt-4o-mini]", f"project: {PROJECT}"), tmp_path) as it:
        settled(it)
        page = it.page()
    assert quotas(page, "remaining") == {"requests": 460, "tokens": 190_300}


def test_a_minute_is_over_after_a_minute_where_none_says_when(server: API) -> None:
    azure = {"x-ratelimit-limit-requests": "8", "x-ratelimit-remaining-requests": "7", "x-ratelimit-limit-day": "9"}
    server.routes[CHAT_PATH] = Said(replies.CHAT.body, headers=azure)
    minute, day = look(provider(server, models=("a",)), "calls").quotas
    assert minute[:5] == ("a", "requests", "minute", 8, 7)
    assert minute.reset == pytest.approx(time.time() + 60, abs=10)
    assert day == Quota("a", "requests", "day", 9, None, None)


def rest_of_calls(server: API, tmp_path: Path) -> float:
    """Return the seconds until models are called again, after one call of each."""
    with one("api", yaml(server, "models: [gpt-4o-mini]"), tmp_path) as it:
        settled(it)
        collector = it.target.collector
        assert isinstance(collector, api.API)
        calls = next(look for look in collector.looks.all() if look.name == "calls")
        until(lambda: calls.rest() > 0)
        return calls.rest()


def test_a_model_that_failed_once_is_called_again_soon(server: API, tmp_path: Path) -> None:
    server.routes[CHAT_PATH] = Said(b"", 503)
    assert rest_of_calls(server, tmp_path / "failed") <= 30
    server.routes[CHAT_PATH] = replies.CHAT
    assert rest_of_calls(server, tmp_path / "well") > 3500


def test_a_model_whose_limit_is_used_up_is_left_alone(server: API, tmp_path: Path) -> None:
    server.routes[CHAT_PATH] = Said({"error": {"code": "rate_limit_exceeded", "message": "Rate limit reached"}}, 429)
    assert rest_of_calls(server, tmp_path) > 3500
