"""A target of the provider `json`, and the API on this machine that it watches."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from exporter.deadline import Cancel
from tests.apiserver import API, Route, Said, api
from tests.onetarget import One, one

TOKEN: Final = "tok-Zq81vXw0pLmR7sKc3"
EMPTY: Final = Said({})
LOOK: Final = "{name: look, path: /look}"
QUOTA: Final = "{quota: credits, window: month, limit: data.limit, remaining: data.left, reset: data.reset}"


@contextmanager
def target(
    *answers: str, answer: Route = EMPTY, more: str = "", state: Path | None = None, **routes: Route
) -> Iterator[tuple[One, API]]:
    """Watch an API whose first answer is `answer` and whose others are at the paths of their names."""
    with api() as server:
        server.routes |= {"/look": answer, **{f"/{name}": route for name, route in routes.items()}}
        lines = "".join(f"\n  - {text}" for text in answers or (LOOK,))
        yaml = f"provider: json\nurl: {server.url}\nbearer_token: {TOKEN}\n{more}\nanswers:{lines}"
        with one("api", yaml, state) as watched:
            yield watched, server


def look(*keys: str) -> str:
    return f"{{name: look, path: /look, {', '.join(keys)}}}"


def figures(watched: One) -> dict[str, float]:
    """Return what the API tells, without what is true of any."""
    ever = ("_info", "_duration_seconds", "_month_start", "_month_end", "_exhausted", "_rate_limited")
    known = {name: float(value) for name, value in watched.page().items() if name.startswith("runbook_api_")}
    return {name: value for name, value in known.items() if not any(word in name for word in ever)}


def page_of(answer: Route, *keys: str) -> dict[str, float]:
    with target(look(*keys), answer=answer) as (watched, _):
        return figures(watched)


def look_again(watched: One) -> None:
    """Make all looks now, as if they were due."""
    collector: Any = watched.target.collector
    for one_look in collector.looks.all():
        one_look.make(Cancel())


def then(form: str, began: float) -> set[str]:
    """Return a date in UTC as it was when something began and as it is now, which is another at midnight."""
    return {time.strftime(form, time.gmtime(at)) for at in (began, time.time())}


GOOD: Final = {"runbook_api_up": 1, 'runbook_api_key_valid{key="main"}': 1,
        'runbook_api_access{key="main",operation="look"}': 1}  # fmt: skip


def quota(what: str, quota: str = "credits", window: str = "month", model: str = "") -> str:
    return f'runbook_api_quota_{what}{{model="{model}",quota="{quota}",window="{window}"}}'
