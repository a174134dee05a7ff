"""Celery's metrics beside those that celery-exporter gives of the same stream of events."""

import os
import re
import socket
from pathlib import Path
from typing import Final

import pytest

from tests import celeryapp
from tests.bench.celery import PEER, celery_exporter
from tests.bench.processes import exporter
from tests.beside import compare
from tests.celeryapp import worker
from tests.redisserver import Redis, server
from tests.support import until

LACKING: Final[dict[str, str]] = {}
"""Why a family that they give is not here."""
# prometheus_client adds when each series was made; and buckets of theirs end at 10 s, where tasks run for hours
_CREATED: Final = re.compile(r"(?m)^(# (HELP|TYPE) )?celery_\w+_created\b.*\n|^celery_task_runtime_bucket\{.*\n")
_OTHERS: Final = re.compile(r"(?m)^(# (HELP|TYPE) )?celery_(queue|active|worker_tasks|unack|control|broker)\w*\b.*\n")


def of_events(page: str) -> str:
    """Return what events tell on a page."""
    return _OTHERS.sub("", _CREATED.sub("", page))


def unwrapped(page: str) -> str:
    """Have their page name what the rejected task raised, where they name what Celery wraps it in."""
    return page.replace('exception="ExceptionWithTraceback"', 'exception="Reject"')


def listeners(broker: Redis) -> int:
    return str(broker.ask("CLIENT", "LIST")).count(" flags=P ")


@pytest.mark.long  # on a busy machine one of the two falls behind
def test_names_types_labels_and_values_are_theirs(tmp_path: Path) -> None:
    if not PEER.exists():
        reason = "celery-exporter is not here: `make test` installs it (.ci/celery)"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    with server() as broker:
        place = broker.url(database=0)
        app = celeryapp.make(place)
        config = f"host: {{enabled: false}}\ntargets: {{it: {{collector: celery, max_age: 0s, url: '{place}'}}}}\n"
        with (
            celery_exporter(tmp_path, place) as peer,
            exporter(tmp_path, config, module="tests.bench.every", path="/probe?target=it") as ours,
        ):
            until(lambda: listeners(broker) >= 2, 20)
            # what is tried again is sent from the host's own name
            with worker(place, tmp_path, name=f"one@{socket.gethostname()}"):
                for number in range(30):
                    app.send_task("tests.add", (number, 2))
                for name in ("tests.fail", "tests.retry", "tests.reject"):
                    app.send_task(name)
                until(lambda: 'celery_task_retried_total{name="tests.retry"' in ours.page(), 20)
                until(lambda: re.search(r"celery_task_succeeded_total\{.*tests.add.*\} 30", ours.page()), 20)
                found = compare(
                    lambda: unwrapped(of_events(peer.page())), lambda: of_events(ours.page()), "celery_", {}
                )
    assert found.unexplained({}) == []
    assert set(found.lacking) == set(LACKING)
    agreed = {verdict.name for verdict in found.verdicts}
    kinds = ("sent", "received", "started", "succeeded", "failed", "rejected", "revoked", "retried")
    assert agreed >= {"celery_worker_up", "celery_task_runtime_sum", *(f"celery_task_{kind}_total" for kind in kinds)}
