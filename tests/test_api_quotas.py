"""Which quotas are shown: those of which least is left, and only what still says something."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from exporter.collector import Trouble
from exporter.collectors.api.asking import ask
from exporter.collectors.api.settings import APISettings
from exporter.deadline import Cancel
from exporter.setting import SecretURL
from tests.answering import answering, page
from tests.apiserver import Said
from tests.mappedapi import figures, look, quota, target
from tests.test_fetch_trust import context_of

EACH = "quotas: [{each: data, model: name, quota: requests, window: day, limit: most, remaining: left}]"


def test_beyond_the_top_those_are_shown_of_which_least_is_left() -> None:
    roomy = [{"name": f"m{number}", "most": 1_000_000, "left": 999_000} for number in range(5)]
    scarce = [{"name": "pro", "most": 100, "left": 0}, {"name": "mini", "most": 200, "left": 90}]
    with target(look(EACH), answer=Said({"data": [*roomy, *scarce]}), more="top: 2") as (watched, _):
        found = figures(watched)
    assert {name for name in found if "quota_limit" in name} == {
        quota("limit", "requests", "day", model) for model in ("pro", "mini")
    }
    assert found[quota("remaining", "requests", "day", "pro")] == 0


@pytest.mark.parametrize(("window", "known"), [("minute", False), ("day", True)])
def test_what_was_left_of_a_minute_is_not_told_an_hour_later(
    window: str, known: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = f"quotas: [{{quota: requests, window: {window}, limit: most, remaining: left}}]"
    answer = Said({"most": 60, "left": 0})
    with target(look(told, "interval: 1h"), answer=answer, state=tmp_path) as (watched, _):
        assert figures(watched)[quota("remaining", "requests", window)] == 0
        real = time.time
        later: Callable[[], float] = lambda: real() + 3000  # noqa: E731  # what replaces a function
        monkeypatch.setattr(time, "time", later)
        found = figures(watched)
    assert found[quota("limit", "requests", window)] == 60
    assert (quota("remaining", "requests", window) in found) is known


def test_what_is_said_of_the_api_s_own_host_goes_nowhere_else() -> None:
    settings = APISettings(provider="json", url=SecretURL("https://own.example"), insecure_skip_verify=True)
    certificate = trustme.CA().issue_cert("127.0.0.1")
    with answering(page(b"{}"), context_of(certificate)) as served:
        assert ask(settings, served.url, Cancel()).status == 200
        with pytest.raises(Trouble, match="is not trusted"):
            ask(settings, served.url, Cancel(), elsewhere=True)
