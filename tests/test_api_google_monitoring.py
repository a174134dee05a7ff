"""The service account's token, and what Cloud Monitoring answers."""

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given as given_any
from hypothesis import settings
from hypothesis import strategies as st

from exporter.collector import Trouble, Unable
from exporter.collectors.api import googletoken, monitoring
from exporter.collectors.api.found import Refused
from exporter.collectors.api.monitoring import Monitoring, Point, Wanted
from exporter.deadline import Cancel
from exporter.secret import Secret, SecretURL, redact
from tests.apiserver import Said
from tests.googlereplies import (
    EXPIRED,
    FREE,
    NO_ROLE,
    NUMBER,
    PER_DAY,
    PER_MINUTE,
    PROJECT,
    Google,
    failure,
    given,
    google,
    pem,
    reason,
)

SERIES = f"/v3/projects/{PROJECT}/timeSeries"
END = time.time() // 300 * 300


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Google]:
    with google(tmp_path) as served:
        points = [(END - 60 * minute, 1) for minute in range(60)]
        for model in ("flash", "pro"):
            served.used(f"{FREE}/usage", points, model=model, limit_name=PER_DAY)
        yield served


def reader(served: Google, **more: Any) -> Monitoring:
    return Monitoring(given(served, "gemini", **more))


def read(of: Monitoring, seconds: float = 3600.0) -> dict[str, list[Point]]:
    found = of.series(Wanted(f"{FREE}/usage", END - seconds, END, 300), Cancel())
    return {one.labels["model"]: list(one.points) for one in found}


def trouble(of: Monitoring) -> Trouble:
    with pytest.raises(Trouble) as raised:
        read(of)
    return raised.value


# ---- the token


class Clock:
    """The machine's clock, of which the one that only goes on can be moved."""

    later = 0.0

    def time(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic() + self.later


def test_a_token_is_got_once_and_kept(served: Google) -> None:
    of = reader(served)
    first, again = read(of), read(of)
    assert first == again
    assert served.server.count("/token") == 1
    asked = served.server.asked[-1]
    assert asked.headers["authorization"] == f"Bearer {served.tokens[0]}"
    assert "x-goog-api-key" not in asked.headers


@pytest.mark.parametrize(
    ("lasts", "used"),
    [(3599, 3299), (900, 600), (299, 60), (0, 3300), (-5, 3300), ("3599", 3300), (None, 3300), (10**9, 3300)],
)
def test_a_token_is_renewed_before_its_end(
    served: Google, monkeypatch: pytest.MonkeyPatch, lasts: object, used: float
) -> None:
    clock = Clock()
    monkeypatch.setattr(googletoken, "time", clock)
    served.server.routes["/token"] = lambda asked: Said({**served.token(asked).body, "expires_in": lasts})
    of = reader(served)
    read(of)
    clock.later = used - 5.0
    read(of)
    assert served.server.count("/token") == 1
    clock.later = used + 5.0
    read(of)
    assert served.server.count("/token") == 2


def test_a_token_that_lasts_no_number_of_seconds_is_renewed() -> None:
    assert googletoken._good_for(math.nan) == googletoken._good_for(3600) == 3300


def test_a_token_that_has_expired_is_renewed_once(served: Google) -> None:
    of = reader(served)
    read(of)
    served.expired.add(served.tokens[0])
    assert read(of)
    assert len(served.tokens) == 2
    served.server.routes[SERIES] = EXPIRED
    error = trouble(of)
    assert isinstance(error, Refused)
    assert error.verdict.valid is None
    assert len(served.tokens) == 3


@pytest.mark.parametrize("hours", [2, -2])
def test_a_clock_that_is_off_is_no_wrong_key(served: Google, hours: int) -> None:
    served.clock = hours * 3600.0
    error = trouble(reader(served))
    assert isinstance(error, Refused)
    assert error.verdict.valid is None
    assert "clock" in str(error)
    served.clock = 0.0
    assert read(reader(served))


def test_a_key_that_was_withdrawn_is_rejected_until_its_file_is_another(served: Google) -> None:
    of = reader(served)
    served.write(private_key=pem(rsa.generate_private_key(public_exponent=65537, key_size=2048)))
    error = trouble(of)
    assert isinstance(error, Refused)
    assert error.verdict.valid is False
    served.write(private_key_id="another")
    assert read(of)


def test_a_token_of_the_file_before_is_not_used(served: Google) -> None:
    of = reader(served)
    read(of)
    served.write(private_key_id="a-new-one")
    read(of)
    assert len(served.tokens) == 2


@pytest.mark.parametrize(
    ("said", "valid", "allowed"),
    [
        (Said({"error": "invalid_grant", "error_description": "Invalid grant: account not found"}, 400), False, None),
        (Said({"error": "disabled_client", "error_description": "x"}, 401), False, None),
        (Said({"error": "invalid_scope", "error_description": "x"}, 400), True, False),
        (Said({"error": "invalid_grant"}, 503), None, None),
        (Said("busy", 429), None, None),
        (Said([7], 400), None, None),
    ],
    ids=lambda value: str(value.status) if isinstance(value, Said) else str(value),
)
def test_what_the_token_service_refuses(served: Google, said: Said, valid: bool | None, allowed: bool | None) -> None:
    served.server.routes["/token"] = said
    error = trouble(reader(served))
    assert isinstance(error, Refused)
    assert (error.verdict.valid, error.verdict.allowed) == (valid, allowed)


def test_a_token_service_elsewhere_is_asked_for_google_s_token(served: Google) -> None:
    served.server.routes["/proxied"] = served.token
    assert read(reader(served, token_url=SecretURL(f"{served.server.url}/proxied")))
    assert served.server.count("/token") == 0


@pytest.mark.parametrize("said", [Said({"token": "x"}), Said({"access_token": "two\nlines"}), Said([1]), Said("no")],
                         ids=["other name", "two lines", "list", "text"])  # fmt: skip
def test_an_answer_without_a_token(served: Google, said: Said) -> None:
    served.server.routes["/token"] = said
    assert "access_token" in str(trouble(reader(served))) or "not JSON" in str(trouble(reader(served)))


def test_configured_headers_are_not_sent_to_another_service(served: Google) -> None:
    read(reader(served, headers={"Authorization": Secret("Basic canary-gateway-sorrel")}))
    assert [one.headers.get("authorization", "")[:6] for one in served.server.asked] == ["", "Bearer"]


# ---- the file


def _gone(served: Google) -> None:
    served.file.unlink()


def _folder(served: Google) -> None:
    served.file.unlink()
    served.file.mkdir()


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_gone, "cannot be read (No such file"),
        (_folder, "cannot be read (Is a directory)"),
        (lambda served: served.file.write_text("not JSON"), "is no key file"),
        (lambda served: served.file.write_text("[]"), "is no key file"),
        (lambda served: served.file.write_bytes(b"\xff" * 100_000), "is no key file"),
        (lambda served: served.write(type="authorized_user"), "is no key file"),
        (lambda served: served.write(client_email=None), "is no key file"),
        (lambda served: served.write(token_uri="file:///etc/passwd"), "is no key file"),
        (lambda served: served.write(private_key="-----BEGIN PRIVATE KEY-----\ncanary\n"), "private key in"),
        (lambda served: served.write(private_key=pem(ec.generate_private_key(ec.SECP256R1()))), "private key in"),
    ],
)
def test_a_file_that_gives_no_token(served: Google, spoil: Callable[[Google], object], reason: str) -> None:
    of = reader(served)
    spoil(served)
    error = trouble(of)
    assert isinstance(error, Unable)
    assert reason in str(error)
    assert str(served.file) in str(error)
    assert error.fix
    assert served.server.asked == []


def test_a_token_is_masked_while_it_is_used(served: Google) -> None:
    of = reader(served)
    for number in range(3):
        read(of)
        assert [redact(token) == "<secret>" for token in served.tokens] == [False] * number + [True]
        served.expired.update(served.tokens)


def test_without_the_library_it_says_how_to_get_it(served: Google, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.serialization", None)
    error = trouble(reader(served))
    assert isinstance(error, Unable)
    assert error.fix == "install it with: pip install 'runbook-exporter[api]'"


def test_the_private_key_is_masked_wherever_it_is_printed(served: Google) -> None:
    read(reader(served))
    for line in pem().splitlines()[1:-1]:
        if len(line) >= 16:
            assert line not in redact(f"it said {line}")


# ---- series


def test_a_series_that_is_cut_between_pages_is_one(served: Google) -> None:
    whole = read(reader(served))
    assert [len(points) for points in whole.values()] == [12, 12]
    assert whole["flash"][0] == Point(END, 5.0)
    served.page = 5
    assert read(reader(served)) == whole
    assert served.server.count(SERIES) == 1 + 5


def test_a_project_that_used_nothing_has_no_series(served: Google) -> None:
    served.rows.clear()
    assert read(reader(served)) == {}
    served.kinds.clear()
    assert read(reader(served)) == {}
    assert reader(served).kinds("generativelanguage.googleapis.com/", Cancel()) == []


def test_a_limit_s_name_keeps_series_apart(served: Google) -> None:
    served.used(f"{FREE}/usage", [(END, 3)], model="flash", limit_name=PER_MINUTE)
    assert len(reader(served).series(Wanted(f"{FREE}/usage", END - 300, END, 300), Cancel())) == 3


POINT = {"interval": {"endTime": "2026-11-29T12:00:00.123456789Z"}, "value": {"doubleValue": 0.5}}


def series(**changed: object) -> dict[str, object]:
    return {"timeSeries": [{"metric": {"labels": {"model": "m"}}, "resource": {}, "points": [POINT], **changed}]}


def test_numbers_come_as_text_or_not(served: Google) -> None:
    served.server.routes[SERIES] = Said(series())
    assert read(reader(served))["m"][0].value == 0.5
    served.server.routes[SERIES] = Said(series(points=[{**POINT, "value": {"int64Value": "9223372036854775807"}}]))
    assert read(reader(served))["m"][0].value == float(2**63)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ([], "it is no object"),
        ({"timeSeries": {}}, "`timeSeries` is no list"),
        ({"timeSeries": [1]}, "`timeSeries` is no list"),
        (series(points=None), "no list `points`"),
        (series(metric={"labels": 1}), "`metric.labels` is no object"),
        (series(metric=7), "`metric.labels` is no object"),
        (series(points=[{**POINT, "value": {"distributionValue": {}}}]), "no number `value.int64Value`"),
        (series(points=[{**POINT, "value": {"int64Value": "many"}}]), "no number `value.int64Value`"),
        (series(points=[{**POINT, "value": {"doubleValue": "NaN"}}]), "no number `value.int64Value`"),
        (series(points=[{**POINT, "interval": {"endTime": "noon"}}]), "no time `interval.endTime`"),
        (series(points=[5]), "no time `interval.endTime`"),
        ({"executionErrors": [{"code": 14, "message": NUMBER}], **series()}, "could not read all"),
        ({"nextPageToken": "same", **series()}, "again and again"),
        ({"nextPageToken": 7, **series()}, "`nextPageToken` is no text"),
        ("{", "is not JSON"),
        ("", "is empty"),
    ],
)
def test_an_answer_that_has_changed(served: Google, answer: object, reason: str) -> None:
    served.server.routes[SERIES] = Said(answer)
    error = trouble(reader(served))
    assert reason in str(error)
    assert error.fix
    assert NUMBER not in str(error)


def test_pages_without_end(served: Google, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitoring, "_MOST_PAGES", 3)
    served.server.routes[SERIES] = lambda asked: Said({"nextPageToken": str(len(served.server.asked))})
    assert "more than 3 pages" in str(trouble(reader(served)))


def test_half_an_answer_and_none(served: Google) -> None:
    of = reader(served)
    served.server.routes[SERIES] = Said(series(), half=True)
    assert "127.0.0.1" in str(trouble(of))
    served.server.routes["/token"] = Said(half=True, body={"access_token": "x" * 50})
    assert "127.0.0.1" in str(trouble(reader(served)))


@pytest.mark.parametrize(
    ("said", "valid", "allowed", "fix"),
    [
        (NO_ROLE, True, False, "Monitoring Viewer"),
        (failure(500, "INTERNAL", "x"), None, None, "status"),
        (failure(429, "RESOURCE_EXHAUSTED", "x"), True, None, "Quotas"),
        (failure(404, "NOT_FOUND", "x"), None, None, "`project`"),
        (failure(400, "INVALID_ARGUMENT", "x"), None, None, "`project`"),
        (Said("<html>", 404), None, None, "`monitoring_url`"),
        (EXPIRED, None, None, "enabled"),
        (failure(401, "UNAUTHENTICATED", "x", reason("ACCOUNT_STATE_INVALID")), False, None, ""),
        (failure(403, "PERMISSION_DENIED", "x", reason("SERVICE_DISABLED")), True, False, "enable it"),
        (Said("<html>Forbidden", 403), None, None, "something between"),
    ],
    ids=["role", "500", "429", "404", "400", "html", "token", "account", "disabled", "html 403"],
)
def test_what_monitoring_refuses(
    served: Google, said: Said, valid: bool | None, allowed: bool | None, fix: str
) -> None:
    served.server.routes[SERIES] = said
    error = trouble(reader(served))
    assert isinstance(error, Refused)
    assert (error.verdict.valid, error.verdict.allowed) == (valid, allowed)
    assert fix in error.fix
    assert str(error).startswith("Cloud Monitoring: ")
    assert NUMBER not in f"{error} {error.fix}"


def test_a_metric_that_has_no_type(served: Google) -> None:
    served.server.routes[f"/v3/projects/{PROJECT}/metricDescriptors"] = Said({"metricDescriptors": [{"name": "x"}]})
    with pytest.raises(Trouble, match="`type`"):
        reader(served).kinds("generativelanguage", Cancel())


NAMES = "timeSeries metric resource labels points interval endTime value int64Value doubleValue executionErrors"
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES.split()), inner, max_size=5),
    max_leaves=20,
)


@settings(max_examples=40)
@given_any(ANYTHING)
def test_no_answer_is_too_odd(value: Any) -> None:
    for answer in (value, {"timeSeries": value}, {"timeSeries": [value]}, {"timeSeries": [{"points": [value]}]}):
        with suppress(Trouble):
            for one in monitoring._listed(answer, "timeSeries"):
                assert all(isinstance(label, str) for label in monitoring._labels(one).values())
                assert all(isinstance(point, Point) for point in monitoring._points(one))
