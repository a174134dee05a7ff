"""Gemini: whether it answers and takes the key, by a call that costs nothing, and whether its models answer."""

import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exporter.collector import Trouble
from exporter.collectors.api.found import Found
from exporter.collectors.api.gemini import Gemini
from exporter.deadline import Cancel
from tests.apiserver import Asked, Route, Said
from tests.googlereplies import (
    ANSWER,
    BAD_KEY,
    DAY,
    DISABLED,
    FREE,
    KEY,
    LEAKED,
    MINUTE,
    NUMBER,
    PER_DAY,
    Google,
    failure,
    given,
    google,
    pem,
)
from tests.onetarget import One, one
from tests.soak import leaves_nothing
from tests.support import until

LOOKED = "/v1beta/models"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Google]:
    with google(tmp_path) as served:
        yield served


def settings(served: Google, more: str = "") -> str:
    return f"provider: gemini\nurl: {served.server.url}/v1beta\nkey: {KEY}\nrequest_timeout: 2s\n{more}"


def page(served: Google, route: Route, more: str = "") -> dict[str, str]:
    served.server.routes[LOOKED] = route
    with one("api", settings(served, more)) as target:
        until(lambda: "runbook_api_up" in target.page())
        return target.page()


def provider(served: Google, *models: str, **more: Any) -> Gemini:
    return Gemini(given(served, "gemini", models=models, **more))


# ---- the look


def test_a_good_key(served: Google) -> None:
    with one("api", settings(served)) as target:
        found = target.page()
        assert target.outcomes()["look"] == "ok"
    assert found["runbook_api_up"] == "1"
    assert found['runbook_api_key_valid{key="main"}'] == "1"
    assert found['runbook_api_access{key="main",operation="look"}'] == "1"
    assert found['runbook_api_exhausted{reason="day"}'] == "0"
    asked = served.server.asked[0]
    assert (asked.line, asked.headers["x-goog-api-key"]) == ("GET /v1beta/models?pageSize=1 HTTP/1.1", KEY)
    assert len(served.server.asked) == 1


@pytest.mark.parametrize(
    ("said", "up", "valid", "allowed"),
    [
        (BAD_KEY, "1", "0", None),
        (Said([BAD_KEY.body], 400), "1", "0", None),
        (LEAKED, "1", "0", None),
        (DISABLED, "1", "1", "0"),
        (failure(500, "INTERNAL", "x"), "0", None, None),
        (Said("<html>Bad Gateway", 502), "0", None, None),
        (Said("<html>Log in here"), "0", None, None),
        (Said(""), "0", None, None),
        (Said("<html>Forbidden", 403), "0", None, None),
        (failure(404, "NOT_FOUND", "Requested entity was not found."), "0", None, None),
        (Said({"data": []}), "0", None, None),
        (Said({"models": []}, half=True), "0", None, None),
    ],
    ids=["bad", "in a list", "leaked", "disabled", "500", "502", "html", "empty", "html 403", "404", "changed", "half"],
)
def test_a_key_or_service_that_is_not_good(
    served: Google, said: Said, up: str, valid: str | None, allowed: str | None
) -> None:
    found = page(served, said)
    assert found["runbook_api_up"] == up
    assert found.get('runbook_api_key_valid{key="main"}') == valid
    assert found.get('runbook_api_access{key="main",operation="look"}') == allowed


@pytest.mark.parametrize(
    ("said", "limit", "longest"), [(DAY, "day", 3600), (MINUTE, "rate", 58)], ids=["day", "minute"]
)
def test_a_look_that_is_too_much_is_not_made_for_a_while(
    served: Google, said: Said, limit: str, longest: float
) -> None:
    found = page(served, said)
    assert [found[f'runbook_api_exhausted{{reason="{reason}"}}'] for reason in ("rate", "day", "money")] == [
        str(int(limit == reason)) for reason in ("rate", "day", "money")
    ]
    assert (
        0 < float(found['runbook_api_retry_timestamp_seconds{read="look"}']) - time.time() <= longest + 1
    )  # it is whole seconds
    assert found['runbook_api_key_valid{key="main"}'] == "1"


def test_nobody_listens(served: Google) -> None:
    with one("api", settings(served).replace(str(served.server.port), "1")) as target:
        until(lambda: "runbook_api_up" in target.page())
        assert target.page()["runbook_api_up"] == "0"
        assert "127.0.0.1:1" in target.outcomes()["service"]


def test_a_hung_server_holds_no_page(served: Google) -> None:
    free = threading.Event()
    served.server.routes[LOOKED] = Said({"models": []}, after=free)
    with one("api", settings(served).replace("request_timeout: 2s", "request_timeout: 1s")) as target:
        began = time.monotonic()
        target.page()
        assert time.monotonic() - began < 5
        until(lambda: target.page().get("runbook_api_up") == "0")
    free.set()


def test_a_look_that_ends_with_us_says_nothing(served: Google) -> None:
    cancel = Cancel()
    cancel.cancel()
    with pytest.raises(Trouble):
        provider(served).look(cancel)


# ---- calls of models


def calls(served: Google, **answers: Route) -> dict[str, Route]:
    routes = {f"/v1beta/models/{name.replace('_', '-')}:generateContent": said for name, said in answers.items()}
    served.server.routes |= routes
    return routes


def test_each_model_is_called_with_one_token(served: Google) -> None:
    calls(served, flash=Said(ANSWER), pro=Said({"promptFeedback": {"blockReason": "OTHER"}}))
    found = provider(served, "flash", "models/pro").calls(Cancel())
    assert found.models == {"flash": True, "models/pro": True}
    assert (found.verdict.valid, found.verdict.reason) == (True, "")
    asked = served.server.asked[0]
    assert (asked.method, asked.headers["x-goog-api-key"]) == ("POST", KEY)
    assert b'"maxOutputTokens":1' in asked.body


def test_models_are_called_in_the_collector(served: Google, tmp_path: Path) -> None:
    calls(served, flash=Said(ANSWER), pro=DAY)
    with one("api", settings(served, "models: [flash, pro]"), tmp_path) as target:
        until(lambda: target.outcomes()["calls"] == "ok" or "day" in target.outcomes()["calls"])
        found = target.page()
    assert found['runbook_api_model_up{model="flash"}'] == "1"
    assert found['runbook_api_model_up{model="pro"}'] == "0"
    assert found['runbook_api_exhausted{reason="day"}'] == "1"
    assert found['runbook_api_key_valid{key="main"}'] == "1"
    assert found['runbook_api_rate_limited_total{source="exporter"}'] == "1.0"


def test_a_model_that_is_used_up_is_left_alone_and_others_are_not(served: Google) -> None:
    calls(served, flash=Said(ANSWER), pro=DAY)
    of = provider(served, "flash", "pro")
    first, again = of.calls(Cancel()), of.calls(Cancel())
    assert first.models == again.models == {"flash": True, "pro": False}
    assert (first.verdict.limit, first.verdict.limited, first.verdict.wait) == ("day", True, 0.0)
    assert (again.verdict.limit, again.verdict.limited) == ("day", False)
    assert again.verdict.reason == first.verdict.reason
    assert first.verdict.reason.startswith("pro: the quota of the day")
    assert served.server.count("/v1beta/models/pro:generateContent") == 1
    assert served.server.count("/v1beta/models/flash:generateContent") == 2


def test_where_all_models_are_used_up_none_is_called_for_an_hour(served: Google) -> None:
    calls(served, flash=MINUTE, pro=DAY)
    assert provider(served, "flash", "pro").calls(Cancel()).verdict.wait == pytest.approx(57.2)
    found = provider(served, "pro").calls(Cancel())
    assert 0 < found.verdict.wait <= 3600


@pytest.mark.parametrize(
    ("said", "reason", "up", "valid"),
    [
        (failure(404, "NOT_FOUND", "models/flash is not found"), "flash: there is no such model", True, None),
        (failure(503, "UNAVAILABLE", "overloaded"), "flash: Google answers with the status 503", False, None),
        (BAD_KEY, "flash: Google rejects the key", True, False),
        (Said("<html>Not Found", 404), "flash: the answer has the status 404", True, None),
        (Said({"answers": []}), "flash: the answer has no `candidates`", True, None),
        (Said(ANSWER, half=True), "flash: ", False, None),
    ],
    ids=["404", "503", "key", "html", "changed", "half"],
)
def test_a_model_that_does_not_answer(served: Google, said: Said, reason: str, up: bool, valid: bool | None) -> None:
    calls(served, flash=said)
    found = provider(served, "flash").calls(Cancel())
    assert found.models == {"flash": False}
    assert found.verdict.reason.startswith(reason)
    assert (found.verdict.up, found.verdict.valid) == (up, valid)


def test_a_key_that_is_wrong_counts_more_than_what_is_used_up(served: Google) -> None:
    def answer(asked: Asked) -> Said:
        return BAD_KEY if "pro" in asked.path else DAY

    calls(served, flash=answer, pro=answer)
    found: Found = provider(served, "flash", "pro").calls(Cancel())
    assert found.verdict.valid is False
    assert found.verdict.limited


def test_a_call_that_ends_with_us_says_nothing(served: Google) -> None:
    cancel = Cancel()
    cancel.cancel()
    with pytest.raises(Trouble):
        provider(served, "flash").calls(cancel)


# ---- secrets, and what rounds leave


@pytest.mark.parametrize("fails", [False, True], ids=["good", "refused"])
def test_no_secret_is_shown_or_kept(
    served: Google, tmp_path: Path, caplog: pytest.LogCaptureFixture, fails: bool
) -> None:
    caplog.set_level(logging.DEBUG)
    served.used(f"{FREE}/usage", [(time.time() // 60 * 60 - 120, 3)], model="flash", limit_name=PER_DAY)
    calls(served, flash=DAY if fails else Said(ANSWER))
    if fails:
        served.server.routes[LOOKED] = failure(400, "INVALID_ARGUMENT", f"API key not valid: {KEY} {NUMBER}")
        served.server.routes["/v3/projects/shop-prod/timeSeries"] = failure(403, "PERMISSION_DENIED", NUMBER)
    state = tmp_path / "state"
    state.mkdir()
    more = f"models: [flash]\nprices: {{flash: {{input: 2}}}}\n{served.settings()}"
    with one("api", settings(served, more), state) as target:
        names = ("look", "calls", "usage", "cost")
        until(lambda: not any("has not ended yet" in target.outcomes()[name] for name in names))
        seen = [target.text(), str(target.outcomes()), caplog.text, *(asked.line for asked in served.server.asked)]
    seen += [path.read_bytes().decode("latin-1") for path in state.iterdir()]
    hidden = [KEY, NUMBER, *served.tokens, *(line for line in pem().splitlines() if "-----" not in line)]
    assert len(served.tokens) == 1
    assert not [word for word in hidden for text in seen if word in text]


@pytest.mark.long
@pytest.mark.parametrize("fails", [False, True], ids=["good", "gone"])
def test_rounds_leave_nothing(served: Google, fails: bool) -> None:
    port = "1" if fails else str(served.server.port)
    with one("api", settings(served).replace(str(served.server.port), port)) as target:
        until(lambda: "runbook_api_up" in target.page())
        leaves_nothing(target, 500)
        assert _asked(target, served) <= 1


def _asked(target: One, served: Google) -> int:
    target.read()
    return served.server.count(LOOKED)
