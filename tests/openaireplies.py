"""OpenAI on this machine: the replies that its documentation has, and those that were seen, for a server of tests."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from exporter.collectors.api.found import Found
from exporter.collectors.api.openai import OpenAI
from exporter.collectors.api.settings import APISettings
from exporter.deadline import Cancel
from exporter.setting import Secret, SecretURL
from tests.apiserver import API, Asked, Route, Said, api
from tests.onetarget import One
from tests.support import until

KEY: Final = "sk-proj-canary-harrow-7Jd2mQxVb9TzLw4K"
ADMIN: Final = "sk-admin-canary-teasel-5Rw8nYcHf3PgXe6U"
PROJECT: Final = "proj_canary9QhTgMv2"
HOUR: Final = 3600
DAY: Final = 86400
LIMITS: Final = {
    "x-ratelimit-limit-requests": "500", "x-ratelimit-limit-tokens": "200000",
    "x-ratelimit-remaining-requests": "499", "x-ratelimit-remaining-tokens": "199984",
    "x-ratelimit-reset-requests": "120ms", "x-ratelimit-reset-tokens": "4ms",
    "openai-organization": "org-canary-Xk20", "openai-version": "2020-10-01", "x-request-id": "req_canary_1f",
}  # fmt: skip
MODELS: Final = Said(
    {"object": "list", "data": [{"id": "gpt-4o-mini", "object": "model", "created": 1686935002, "owned_by": "openai"}]},
    headers={"openai-version": "2020-10-01", "x-request-id": "req_canary_1f"},
)
CHAT: Final = Said(
    {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini-2024-07-18",
     "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "length"}],
     "usage": {"prompt_tokens": 8, "completion_tokens": 1, "total_tokens": 9}},
    headers=LIMITS,
)  # fmt: skip
BASE: Final = "/v1"
MODELS_PATH: Final = f"{BASE}/models"
CHAT_PATH: Final = f"{BASE}/chat/completions"
COSTS_PATH: Final = f"{BASE}/organization/costs"
REPORTS: Final = ("completions", "embeddings", "moderations", "images", "audio_speeches", "audio_transcriptions")


def usage_path(report: str) -> str:
    return f"{BASE}/organization/usage/{report}"


def project_path(what: str, project: str = PROJECT) -> str:
    return f"{BASE}/organization/projects/{project}/{what}"


def refusal(
    status: int, message: str, code: str | None = None, kind: str = "invalid_request_error",
    headers: Mapping[str, str] = {},
) -> Said:  # fmt: skip
    """Return an error as OpenAI has it."""
    return Said({"error": {"message": message, "type": kind, "param": None, "code": code}}, status, headers)


BAD_KEY: Final = refusal(
    401,
    f"Incorrect API key provided: {KEY[:8]}****{KEY[-6:]}. You can find your API key at https://platform.openai.com.",
    "invalid_api_key",
)
"""It holds pieces of the key."""


def no_scope(scope: str, status: int = 403) -> Said:
    return refusal(
        status, f"You have insufficient permissions for this operation. Missing scopes: {scope}. Check that you have "
        "the correct role in your organization.",
    )  # fmt: skip


def too_many(headers: Mapping[str, str] = {}, unit: str = "min") -> Said:
    what = {"min": "requests per min (RPM): Limit 3, Used 3", "day": "requests per day (RPD): Limit 200, Used 200"}
    message = f"Rate limit reached for gpt-4o-mini in organization org-canary-Xk20 on {what[unit]}, Requested 1."
    return refusal(429, message, "rate_limit_exceeded", "requests", headers)


def no_money(code: str = "insufficient_quota") -> Said:
    message = "You exceeded your current quota, please check your plan and billing details."
    return refusal(429, message, code, "insufficient_quota", {"Retry-After": "3600"})


def page(buckets: Sequence[Mapping[str, Any]], following: str | None = None) -> Said:
    """Return a page of a report."""
    return Said({"object": "page", "data": list(buckets), "has_more": following is not None, "next_page": following})


def bucket(start: int, results: Sequence[Mapping[str, Any]], width: int = HOUR) -> dict[str, Any]:
    return {"object": "bucket", "start_time": start, "end_time": start + width, "results": list(results)}


def used(
    report: str, model: str | None, requests: int, input: int = 0, output: int = 0, cached: int | None = 0
) -> dict[str, Any]:
    """Return one result of a report of use, grouped by model."""
    nobody = {"project_id": None, "user_id": None, "api_key_id": None, "model": model}
    of: dict[str, dict[str, Any]] = {
        "completions": {"input_tokens": input, "output_tokens": output, "input_cached_tokens": cached,
                        "input_audio_tokens": 0, "output_audio_tokens": 0, "batch": None},
        "embeddings": {"input_tokens": input}, "moderations": {"input_tokens": input}, "images": {"images": requests},
        "audio_speeches": {"characters": 100}, "audio_transcriptions": {"seconds": 60},
    }  # fmt: skip
    return {"object": f"organization.usage.{report}.result", "num_model_requests": requests, **of[report], **nobody}


def usage(results: Sequence[Mapping[str, Any]] = ()) -> Callable[[Asked], Said]:
    """Return the route of a report: all was used in the newest bucket that is over, or in each of three minutes."""

    def answer(asked: Asked) -> Said:
        width = {"1m": 60, "1h": HOUR, "1d": DAY}[asked.query["bucket_width"][0]]
        start, now = int(asked.query["start_time"][0]), int(time.time())
        assert start % width == 0, "a report of half a bucket is no report of it"
        starts = range(start, now, width)
        last = [one for one in starts if one + width <= now][-3 if width == 60 else -1 :] or [start]
        return page([bucket(one, results if one in last else (), width) for one in starts])

    return answer


def billed(value: object, item: str | None, currency: str | None = "usd") -> dict[str, Any]:
    amount = {"value": value, "currency": currency}
    return {"object": "organization.costs.result", "amount": amount, "line_item": item, "project_id": None}


def costs(results: Sequence[Mapping[str, Any]] = ()) -> Callable[[Asked], Said]:
    """Return the route of the costs: all of it was on the first of the days that are asked for."""

    def answer(asked: Asked) -> Said:
        start = int(asked.query["start_time"][0])
        assert start % DAY == 0, "the provider's days are those of UTC"
        days = range(start, int(time.time()), DAY)
        return page([bucket(day, results if day == start else (), DAY) for day in days])

    return answer


def rate_limit(model: str, requests: int, tokens: int, **more: int) -> dict[str, Any]:
    limits = {"max_requests_per_1_minute": requests, "max_tokens_per_1_minute": tokens, **more}
    return {"object": "project.rate_limit", "id": f"rl-{model}", "model": model, **limits}


def rate_limits(limits: Sequence[Mapping[str, Any]], more: bool = False) -> Said:
    ends = {"first_id": limits[0]["id"], "last_id": limits[-1]["id"]} if limits else {}
    return Said({"object": "list", "data": list(limits), **ends, "has_more": more})


def spend_limit(cents: object, status: str = "inactive", currency: str = "USD", interval: str = "month") -> Said:
    return Said({
        "object": "organization.spend_limit", "threshold_amount": cents, "currency": currency, "interval": interval,
        "enforcement": {"status": status},
    })  # fmt: skip


def good(project: str = PROJECT) -> dict[str, Route]:
    """Return the routes of an organization that has used a little of everything."""
    routes: dict[str, Route] = {usage_path(report): usage() for report in REPORTS}
    return routes | {
        MODELS_PATH: MODELS,
        CHAT_PATH: CHAT,
        COSTS_PATH: costs([billed(12.5, "gpt-4o-mini-2024-07-18, input"), billed("0.75", "text-embedding-3-small")]),
        usage_path("completions"): usage([used("completions", "gpt-4o-mini-2024-07-18", 40, 9000, 700, 2000)]),
        usage_path("embeddings"): usage([used("embeddings", "text-embedding-3-small", 5, 400)]),
        usage_path("images"): usage([used("images", "gpt-image-1", 2)]),
        f"{BASE}/organization/spend_limit": spend_limit(900_000),
        project_path("spend_limit", project): spend_limit(10_000),
        project_path("rate_limits", project): rate_limits([
            rate_limit("gpt-4o-mini", 500, 200_000, max_requests_per_1_day=10_000,
                       batch_1_day_max_input_tokens=2_000_000),
            rate_limit("gpt-image-1", 50, 100_000, max_images_per_1_minute=5),
            rate_limit("o3", 500, 30_000),
            rate_limit("text-embedding-3-small", 3000, 1_000_000),
        ]),
    }  # fmt: skip


@contextmanager
def openai() -> Iterator[API]:
    """Serve OpenAI while the block runs."""
    with api() as server:
        yield anew(server)


def anew(server: API) -> API:
    """Return the server as if it had just begun: nothing was asked, and all is well."""
    server.routes = good()
    server.asked = []
    return server


def yaml(server: API, *more: str) -> str:
    """Return a target's configuration with both keys of an organization."""
    keys = [f"url: {server.url}{BASE}", f"key: {KEY}", f"admin_key: {ADMIN}"]
    return "\n".join(["provider: openai", *keys, *more])


def provider(server: API, **settings: Any) -> OpenAI:
    """Return the provider alone, with both keys unless told otherwise."""
    given: dict[str, Any] = {"key": Secret(KEY), "admin_key": Secret(ADMIN), "url": SecretURL(server.url + BASE)}
    return OpenAI(APISettings(provider="openai", **given | settings))


def look(openai: OpenAI, name: str, cancel: Cancel | None = None) -> Found:
    """Make one look."""
    (work,) = [look.work for look in openai.looks() if look.name == name]
    return work(cancel or Cancel())


def settled(target: One) -> dict[str, str]:
    """Return the outcomes of a target once each of its looks was made."""
    until(lambda: not any("has not ended yet" in said for said in target.outcomes().values()))
    return target.outcomes()


def sent(asked: Asked) -> dict[str, Any]:
    """Return what a call sent."""
    said: dict[str, Any] = json.loads(asked.body)
    return said
