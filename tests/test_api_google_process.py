"""Google's APIs watched by a whole process: what it shows, writes and keeps, and what it asks after a restart."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.googlereplies import (
    DAY,
    ENGINE,
    FREE,
    KEY,
    NUMBER,
    PER_DAY,
    PROJECT,
    Google,
    failure,
    google,
    pem,
)
from tests.process import PLAIN, Exporter, running
from tests.support import until

SHOWN = ("/", "/targets", "/metrics", "/probe?target=gemini", "/probe?target=search", "/health")
SEARCH_KEY = "AIzaSy-canary-thimble-orchard-saffron"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Google]:
    with google(tmp_path) as served:
        served.used(f"{FREE}/usage", [(time.time() // 60 * 60 - 120, 3)], model="flash", limit_name=PER_DAY)
        yield served


def config(served: Google) -> str:
    url = served.server.url
    return f"""
targets:
  gemini:
    collector: api
    provider: gemini
    url: {url}/v1beta
    key: "${{GEMINI}}"
    models: [flash]
    prices: {{flash: {{input: 2}}}}
    project: {PROJECT}
    service_account_file: {served.file}
    monitoring_url: {url}
  search:
    collector: api
    provider: customsearch
    url: {url}
    key: "${{SEARCH}}"
    engine: "${{ENGINE}}"
    project: {PROJECT}
    service_account_file: {served.file}
    monitoring_url: {url}
"""


def seen(exporter: Exporter, folder: Path) -> list[str]:
    """Return all that the process shows and writes."""
    texts = [exporter.get(path).text for path in SHOWN] + [exporter.output()]
    files = (folder / "state").rglob("*")
    return texts + [path.read_bytes().decode("latin-1") for path in files if path.is_file()]


def kept(folder: Path) -> set[str]:
    """Return what is on disk of the looks, as it stands in the file: the kind of each entry, its look, the target."""
    files = (folder / "state").rglob("*")
    data = b"".join(path.read_bytes() for path in files if path.is_file())
    found = re.findall(rb'history (\w+) api"((?:look|verdict) \w+)"', data)
    return {f"{key.decode()} of {target.decode()}" for target, key in found}


LOOKS = ("look of gemini", "calls of gemini", "usage of gemini", "cost of gemini",
         "look of search", "search of search", "usage of search")  # fmt: skip
WITHOUT_FIGURES = ("usage of gemini", "cost of gemini", "search of search", "usage of search")
"""Looks of which only a verdict is kept where they are refused."""


@pytest.mark.parametrize("fails", [False, True], ids=["good", "refused"])
def test_nothing_secret_is_seen_and_a_restart_asks_nothing(served: Google, tmp_path: Path, fails: bool) -> None:
    served.server.routes["/v1beta/models/flash:generateContent"] = DAY
    if fails:
        said = failure(400, "INVALID_ARGUMENT", f"{KEY} {SEARCH_KEY} {ENGINE} {NUMBER}")
        served.server.routes |= dict.fromkeys(
            ("/v1beta/models", "/$discovery/rest", "/customsearch/v1", f"/v3/projects/{PROJECT}/timeSeries"), said
        )
    found = [one for one in LOOKS if not (fails and one in WITHOUT_FIGURES)]
    wanted = {*(f"verdict {one}" for one in LOOKS), *(f"look {one}" for one in found)}
    environ = {"GEMINI": KEY, "SEARCH": SEARCH_KEY, "ENGINE": ENGINE}
    hidden = [KEY, SEARCH_KEY, ENGINE, NUMBER, *(line for line in pem().splitlines() if "-----" not in line)]
    with running(tmp_path, config(served), "--log.level=debug", program=PLAIN, environ=environ) as exporter:
        until(lambda: kept(tmp_path) >= wanted, 30)
        texts = seen(exporter, tmp_path)
        page = exporter.get("/probe?target=gemini").text
        assert "runbook_api_up 1" in page
        assert 'runbook_api_exhausted{reason="day"} 1' in page
    assert not [word for word in [*hidden, *served.tokens] for text in texts if word in text]
    asked = len(served.server.asked)
    with running(tmp_path, config(served), program=PLAIN, environ=environ) as exporter:
        until(lambda: "runbook_api_up 1" in exporter.get("/probe?target=search").text, 30)
        assert 'runbook_api_exhausted{reason="day"} 1' in exporter.get("/probe?target=gemini").text
    if not fails:
        assert len(served.server.asked) == asked
    assert served.server.count("/v1beta/models/flash:generateContent") == 1
