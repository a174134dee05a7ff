"""The rules of APIs on pages that the real collector gives of them, each laid out over hours for promtool."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pytest
import yaml

from tests import googlereplies as google
from tests import openaireplies as openai
from tests.apiserver import Said
from tests.engine import series_of
from tests.laidout import Clock
from tests.onetarget import one
from tests.process import ROOT
from tests.support import until

WRONG: Final = range(10, 85)
"""The minutes in which something is wrong: an hour and a bit, as that of a budget."""
ENDS: Final = 180
JOB: Final = "runbook-exporter"
INSTANCE: Final = "shop:10420"
RULES: Final = ROOT / "rules" / "api.yml"
ALERTS: Final = [
    rule
    for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
    if "alert" in rule
]
Page = dict[str, float]
Story = list[tuple[int, Page]]
"""From which minute on which page is scraped."""


@pytest.fixture(scope="module")
def clock() -> Iterator[Clock]:
    """Have it be noon in California, in the middle of a month."""
    now = datetime.now(UTC)
    with pytest.MonkeyPatch.context() as patch:
        here = Clock((now.replace(day=20, hour=20, minute=2, second=0) - now).total_seconds())
        patch.setattr(time, "time", here)
        yield here


def page(settings: str, state: Path | None = None, refused: tuple[str, int] = ("exporter", 0)) -> Page:
    """Return what a target tells once all its looks were made, and so many refusals are counted and kept on disk.

    Times are told as seconds from now.
    """
    counted = f'runbook_api_rate_limited_total{{source="{refused[0]}"}}'
    with TemporaryDirectory() as folder, one("api", settings, state or Path(folder)) as it:
        until(lambda: not any("not ended" in said for said in it.outcomes().values()))
        it.target.collector.context.history.flush(10.0)  # counts are shown once they are on disk
        until(lambda: float(it.page().get(counted, 0)) >= refused[1])
        text, now = it.text(), time.time()
    found = {}
    for series, value in series_of(text).items():
        if series.startswith(("runbook_api_", "runbook_target_")):
            found[series] = float(value) - (now if "_timestamp_seconds" in series else 0)
    return found


Made = Callable[[Path, Clock], Story]


def of_openai(*more: str, **routes: Any) -> Made:
    """Return the story of a target of OpenAI that is well until it is answered otherwise."""

    def made(_: Path, __: Clock) -> Story:
        with openai.openai() as server:
            settings = openai.yaml(server, f"project: {openai.PROJECT}", "request_timeout: 2", *more)
            good = page(openai.yaml(server))
            server.routes |= {path: said for names, said in routes.items() for path in PATHS[names]}
            return wrong(good, page(settings))

    return made


PATHS: Final = {
    "models": [openai.MODELS_PATH],
    "calls": [openai.CHAT_PATH],
    "usage": [openai.usage_path(report) for report in openai.REPORTS],
    "completions": [openai.usage_path("completions")],
    "costs": [openai.COSTS_PATH],
    "limits": [openai.project_path("rate_limits"), openai.project_path("spend_limit")],
}


def wrong(good: Page, bad: Page) -> Story:
    return [(0, good), (WRONG[0], bad), (WRONG[-1] + 1, good)]


def rate(folder: Path, clock: Clock) -> Story:
    """Be refused as too many twice, two minutes apart."""
    with openai.openai() as server:
        good = page(openai.yaml(server), folder)
        found: Story = [(0, good)]
        server.routes[openai.MODELS_PATH] = openai.too_many()
        for times, minute in ((1, 10), (2, 13)):
            clock.ahead += 130
            found.append((minute, page(openai.yaml(server), folder, ("exporter", times))))
        server.routes[openai.MODELS_PATH] = openai.MODELS
        clock.ahead += 130
        return [*found, (WRONG[-1] + 1, page(openai.yaml(server), folder))]


def of_gemini(served: google.Google) -> str:
    return f"provider: gemini\nurl: {served.server.url}/v1beta\nkey: {google.KEY}\n{served.settings()}"


def used(times: int) -> Made:
    """Return the story of a project of Gemini that may ask 250 times a day, and has asked so often."""

    def made(folder: Path, _: Clock) -> Story:
        with google.google(folder) as served:
            then = time.time() // 300 * 300 - 600
            _of_day(served, then, 10)
            good = page(of_gemini(served))
            _of_day(served, then + 300, times - 10)
            return wrong(good, page(of_gemini(served)))

    return made


def _of_day(served: google.Google, then: float, times: int) -> None:
    for kind, value in (("usage", times), ("limit", 250)):
        served.used(f"{google.FREE}/{kind}", [(then, value)], model="gemini-2.5-flash", limit_name=google.PER_DAY)


def refused(times: int) -> Made:
    """Return the story of a project of Gemini of which so many of twenty calls are refused, late in what is wrong."""

    def made(folder: Path, clock: Clock) -> Story:
        with google.google(folder) as served:
            then = time.time() // 300 * 300 - 600
            _asked(served, then, 10, "200")
            good = page(of_gemini(served), folder / "state")
            clock.ahead += 4500  # what refuses for the first time counts from the next hour on
            _asked(served, then + 4500, 20 - times, "200")
            _asked(served, then + 4500, times, "429")
            return [(0, good), (WRONG[-1] - 10, page(of_gemini(served), folder / "state", ("project", times)))]

    return made


def _asked(served: google.Google, then: float, times: int, code: str) -> None:
    resource = {"service": google.GEMINI, "method": google.GENERATE, "credential_id": "apikey:1"}
    served.used(google.REQUESTS, [(then, times)], resource=resource, response_code=code)


def search(folder: Path, _: Clock) -> Story:
    """Have used up the queries of the day."""
    with google.google(folder) as served:
        settings = f"provider: customsearch\nurl: {served.server.url}\nkey: {google.KEY}\nengine: {google.ENGINE}"
        good = page(settings)
        served.server.routes["/customsearch/v1"] = google.SEARCHED_OUT
        return wrong(good, page(settings))


DOWN: Final = Said(b"", 503)
NO_MODEL: Final = openai.refusal(404, "The model does not exist or you do not have access to it.", "model_not_found")
CALLED: Final = "models: [gpt-4o-mini]"
BUSY: Final = openai.usage([openai.used("completions", "gpt-4o-mini", 450, 900, 70)])


def alert(name: str, **labels: str) -> tuple[str, dict[str, str]]:
    """Return an alert with what tells it apart."""
    return name, labels


MINI: Final = {"model": "gpt-4o-mini"}
DAILY: Final = {"model": "gemini-2.5-flash", "quota": "requests", "window": "day"}
STORIES: Final[Mapping[str, tuple[Made, list[tuple[str, dict[str, str]]]]]] = {
    "well": (of_openai(CALLED, "budget: 150"), []),
    "rejected": (of_openai(models=openai.BAD_KEY), [alert("APIKeyInvalid", key="main", use="work")]),
    "reports-rejected": (of_openai(usage=openai.BAD_KEY, costs=openai.BAD_KEY, limits=openai.BAD_KEY),
                         [alert("APIKeyInvalid", key="admin", use="other")]),
    "down": (of_openai(CALLED, models=DOWN, calls=DOWN), [alert("ExternalAPIDown", critical="yes")]),
    "down-blog": (of_openai("critical: false", models=DOWN), [alert("ExternalAPIDown", critical="no")]),
    "no-model": (of_openai(CALLED, calls=NO_MODEL), [alert("ExternalAPIDown", part="model", **MINI)]),
    "no-calls": (of_openai(CALLED, calls=openai.no_scope("model.request")),
                 [alert("APIPermissionMissing", key="main", read="calls", use="work")]),
    "no-cost": (of_openai(costs=openai.no_scope("api.usage.read")),
                [alert("APIPermissionMissing", key="admin", read="cost", use="report")]),
    "broke": (of_openai(CALLED, calls=openai.no_money()), [alert("APIQuotaExhausted", reason="money")]),
    "day": (of_openai(CALLED, calls=openai.too_many(unit="day")), [alert("APIQuotaExhausted", reason="day")]),
    "rate": (rate, [alert("APIQuotaExhausted", reason="rate")]),
    "busy": (of_openai(completions=BUSY), [alert("APIQuotaLow", quota="requests", window="minute", **MINI)]),
    "spent": (of_openai("budget: 10"), [alert("APIBudgetExceeded", reason="spent")]),
    "pace": (of_openai("budget: 15"), [alert("APIBudgetExceeded", reason="pace")]),
    "day-low": (used(240), [alert("APIQuotaLow", **DAILY)]),
    "day-used": (used(250), [alert("APIQuotaExhausted", reason="quota", **DAILY)]),
    "refused": (refused(8), [alert("APIQuotaExhausted", reason="refused")]),
    "few-refused": (refused(4), []),
    "search": (search, [alert("APIQuotaExhausted", reason="day"),
                        alert("APIQuotaExhausted", reason="quota", quota="queries", window="day")]),
}  # fmt: skip


@pytest.fixture(scope="module")
def stories(clock: Clock, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Story]:
    found = {}
    for name, (made, _) in STORIES.items():
        folder = tmp_path_factory.mktemp(name)
        with ExitStack() as stack:
            began = clock.ahead
            stack.callback(setattr, clock, "ahead", began)
            found[name] = made(folder, clock)
    return found


def series(target: str, story: Story) -> Iterator[dict[str, str]]:
    """Yield the series of a story for promtool: what a page leaves out is stale at once, as Prometheus has it."""
    for name in sorted({name for _, page in story for name in page}):
        metric, _, labels = name.rstrip("}").partition("{")
        placed = f'job="{JOB}",instance="{INSTANCE}",target="{target}"' + (f",{labels}" if labels else "")
        ends = [minute for minute, _ in story[1:]] + [ENDS]
        parts = [_part(name, page, start, end) for (start, page), end in zip(story, ends, strict=True)]
        yield {"series": f"{metric}{{{placed}}}", "values": " ".join(parts)}


def _part(name: str, page: Page, start: int, end: int) -> str:
    if name not in page:
        return f"stale _x{end - start - 1}"
    moves = 60 if "_timestamp_seconds" in name else 0
    return f"{page[name] + start * moves:.3f}+{moves}x{end - start - 1}"


def labels_of(target: str, name: str, told: Mapping[str, str]) -> str:
    """Return the series of an alert that fires: of the rule whose own labels are among those."""
    (rule,) = [rule for rule in ALERTS if rule["alert"] == name and own(rule).items() <= told.items()]
    labels = {"alertname": name, "alertstate": "firing", "job": JOB, "instance": INSTANCE, "target": target}
    labels |= rule["labels"] | told
    return "ALERTS{" + ",".join(f'{label}="{value}"' for label, value in labels.items()) + "}"


def own(rule: Mapping[str, Any]) -> dict[str, str]:
    return {name: value for name, value in rule["labels"].items() if name not in ("priority", "severity")}


def test_what_is_wrong_fires_under_its_own_name_alone_and_ends(stories: Mapping[str, Story], tmp_path: Path) -> None:
    told = [labels_of(target, *one) for target, (_, alerts) in STORIES.items() for one in alerts]
    looks = {WRONG[0] - 1: [], WRONG[-1]: told, ENDS - 1: []}
    asked = [
        {"expr": 'ALERTS{alertstate="firing"}', "eval_time": f"{minute}m",
         "exp_samples": [{"labels": labels, "value": 1} for labels in expected]}
        for minute, expected in looks.items()
    ]  # fmt: skip
    given = [one for target, story in stories.items() for one in series(target, story)]
    text = {"rule_files": [str(RULES)], "evaluation_interval": "1m",
            "tests": [{"interval": "1m", "input_series": given, "promql_expr_test": asked}]}  # fmt: skip
    (tmp_path / "test.yml").write_text(json.dumps(text), encoding="utf-8")  # JSON is YAML
    command = ["promtool", "test", "rules", str(tmp_path / "test.yml")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_every_alert_is_among_them_that_one_look_can_give() -> None:
    told = {(name, labels.get("reason", "")) for _, alerts in STORIES.values() for name, labels in alerts}
    known = {(rule["alert"], rule["labels"].get("reason", "")) for rule in ALERTS}
    # a log is read by another collector, and what is usual takes days
    assert known - told == {("APIQuotaExhausted", "log"), ("APIUsageAnomaly", "")}
