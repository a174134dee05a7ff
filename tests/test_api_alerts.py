"""The alerts of APIs on what a real exporter tells of local servers: they fire, reach people, and end."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests import googlereplies, openaireplies
from tests.alerting import Way, whole_way
from tests.apiserver import API, Route, Said
from tests.googlereplies import Google
from tests.support import until

pytestmark = [pytest.mark.long, pytest.mark.timeout(500)]

Alert = tuple[str, str, str]
"""An alert's name, its target, and its priority."""
BRIEFLY: Final = {
    ("ExternalAPIDown", "down", "P2"),
    ("ExternalAPIDown", "down-blog", "P3"),
    ("APIKeyInvalid", "rejected", "P1"),
    ("APIPermissionMissing", "no-calls", "P2"),
    ("APIQuotaExhausted", "broke", "P1"),
    ("APIQuotaExhausted", "rate", "P1"),
    ("APIQuotaLow", "busy", "P2"),
    ("APIQuotaExhausted", "gemini", "P1"),
    ("APIQuotaExhausted", "journal", "P2"),
}
"""What ends when the provider answers as it should: within a minute or two."""
LASTING: Final = {
    ("APIBudgetExceeded", "spent", "P2"),
    ("APIPermissionMissing", "no-cost", "P3"),
    ("APIQuotaExhausted", "search", "P1"),
}
"""What ends with the month or the day, or when reports are read again."""
OFTEN: Final = "look_interval: 60s, usage_interval: 60s"


@dataclass(frozen=True, slots=True)
class Seen:
    """All that runs."""

    way: Way
    servers: dict[str, API]
    google: Google
    log: Path

    def firing(self) -> set[Alert]:
        found = self.way.prometheus.query(
            'ALERTS{alertstate="firing", alertname=~"API(Key|Perm|Quota|Budget|Us).+|Ext.+"}'
        )
        return {(one["alertname"], one["target"], one["priority"]) for one in found}


def answered(server: API, target: str) -> None:
    """Have a server answer wrongly, in the way of its target."""
    wrong: dict[str, dict[str, Route]] = {
        "down": {openaireplies.MODELS_PATH: Said(b"", 503)},
        "down-blog": {openaireplies.MODELS_PATH: Said(b"", 503)},
        "rejected": {openaireplies.MODELS_PATH: openaireplies.BAD_KEY},
        "no-calls": {openaireplies.CHAT_PATH: openaireplies.no_scope("model.request")},
        "broke": {openaireplies.CHAT_PATH: openaireplies.no_money()},
        "rate": {openaireplies.MODELS_PATH: openaireplies.too_many()},
        "no-cost": {openaireplies.COSTS_PATH: openaireplies.no_scope("api.usage.read")},
        "busy": {openaireplies.usage_path("completions"): openaireplies.usage(
            [openaireplies.used("completions", "gpt-4o-mini", 450, 900, 70)])},
        "spent": {},
    }  # fmt: skip
    server.routes |= wrong[target]


MORE: Final = {
    "down-blog": "critical: false",
    "no-calls": "models: [gpt-4o-mini], call_interval: 60s",
    "broke": "models: [gpt-4o-mini], call_interval: 60s",
    "spent": "budget: 10",
}
TARGETS: Final = ("down", "down-blog", "rejected", "no-calls", "broke", "rate", "no-cost", "busy", "spent")


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    log = tmp_path_factory.mktemp("journal") / "app.log"
    log.write_text("2026-01-01T00:00:00Z INFO begins\n", encoding="utf-8")
    with ExitStack() as stack:
        servers = {target: stack.enter_context(openaireplies.openai()) for target in TARGETS}
        google = stack.enter_context(googlereplies.google(tmp_path_factory.mktemp("google")))
        lines = "".join(_line(target, server) for target, server in servers.items())
        for target, server in servers.items():
            answered(server, target)
        google.server.routes["/customsearch/v1"] = googlereplies.SEARCHED_OUT
        _asked(google, "200", 10)
        _asked(
            google, "429", 1
        )  # else the first of an hour that is under way when it is first looked at count for nothing
        config = (
            f"targets:{lines}{_of_google(google)}\n  journal: {{collector: log, logs: {{app: {{files: [{log}]}}}}}}\n"
        )
        yield Seen(stack.enter_context(whole_way(tmp_path_factory.mktemp("way"), config)), servers, google, log)


def _line(target: str, server: API) -> str:
    given = openaireplies.yaml(server, f"project: {openaireplies.PROJECT}", OFTEN, *MORE.get(target, "").splitlines())
    return f"\n  {target}: {{collector: api, {', '.join(given.splitlines())}}}"


def _of_google(google: Google) -> str:
    url, key = google.server.url, googlereplies.KEY
    account = ", ".join(google.settings().splitlines())
    return f"""
  gemini: {{collector: api, provider: gemini, url: {url}/v1beta, key: {key}, {account}, {OFTEN}}}
  search: {{collector: api, provider: customsearch, url: {url}, key: {key}, engine: {googlereplies.ENGINE}}}"""


def _asked(google: Google, code: str, times: int) -> None:
    then = time.time() // 300 * 300 - 600  # what is newer is not reported yet
    resource = {"service": googlereplies.GEMINI, "method": googlereplies.GENERATE, "credential_id": "apikey:1"}
    google.used(googlereplies.REQUESTS, [(then, times)], resource=resource, response_code=code)


def test_what_is_wrong_fires_and_nothing_beside_it(seen: Seen) -> None:
    fired: set[Alert] = set()
    until(lambda: seen.way.prometheus.query('runbook_api_requests_total{target="gemini"}'), 30)
    _asked(seen.google, "429", 10)

    def all_fired() -> bool:
        with seen.log.open("a", encoding="utf-8") as file:
            file.write("2026-01-01T00:00:00Z WARNING rate limit reached\n")
        fired.update(seen.firing())
        return fired >= BRIEFLY | LASTING

    with suppress(AssertionError):  # what is still missing is told below
        until(all_fired, 200)
    assert fired == BRIEFLY | LASTING


def test_they_reach_those_that_they_are_for(seen: Seen) -> None:
    def got() -> set[tuple[str, str]]:
        got = [one for one in seen.way.webhook.got if one["status"] == "firing"]
        return {(one["labels"].get("target", ""), one["receiver"]) for one in got}

    until(lambda: {("broke", "level-2"), ("down", "level-1"), ("spent", "level-1")} <= got(), 60)
    assert ("down", "level-2") not in got()


def test_they_end_once_the_providers_answer_as_they_should(seen: Seen) -> None:
    for server in seen.servers.values():
        server.routes |= openaireplies.good()
    until(lambda: not BRIEFLY & seen.firing(), 240)
    assert seen.firing() <= LASTING
