"""A target of the Redis collector, and what tests ask of it."""

import time
from typing import Final

from exporter.pages import Pages
from exporter.snapshot import Snapshot
from tests.engine import series_of
from tests.onetarget import One
from tests.redisserver import PASSWORD, Redis

LATEST: Final = 2.5  # seconds within which a target with a timeout of one has to have answered


def settings(url: str, *more: str) -> str:
    """Return the settings of a target that has a second for a round, which is where servers hang."""
    return "\n".join([f"url: {url}", "timeout: 1s", *more])


def patient(url: str, *more: str) -> str:
    """Return the settings of a target that has time, where servers are well."""
    return "\n".join([f"url: {url}", "timeout: 20s", *more])


def failed(target: One) -> dict[str, str]:
    return {name: said for name, said in target.outcomes().items() if said.startswith("failed")}


def skipped(target: One) -> set[str]:
    return {name for name, said in target.outcomes().items() if said.startswith("skipped the user may not")}


def down(target: One, *words: str) -> Snapshot:
    """Make a round, which has to end in time, with the target down for a reason that holds these words."""
    begun = time.monotonic()
    snapshot = target.read()
    assert time.monotonic() - begun < LATEST
    assert snapshot.up is False
    said = f"{snapshot.reason} | {snapshot.fix}"
    assert all(word in said for word in words), said
    assert PASSWORD not in said
    page = series_of(Pages().page([target.target], [snapshot], labelled=False, zipped=False).decode())
    assert page["redis_up"] == "0"
    assert page['redis_exporter_last_scrape_error{err=""}'] == "1"
    assert not any(series.startswith("redis_memory") for series in page)
    return snapshot


def ours(watched: Redis) -> list[str]:
    """Return the addresses of our connections, as the server sees them."""
    with watched.client() as client:
        found = client.client_list()
    return sorted(str(entry["addr"]) for entry in found if entry["name"] == "runbook-exporter")
