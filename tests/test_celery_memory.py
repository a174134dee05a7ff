"""Memory over many events, in the exporter and in its helper process."""

from pathlib import Path

import psutil
import pytest

from tests.bench.celery import publish, stream
from tests.bench.processes import Running, exporter
from tests.redisserver import server
from tests.support import until

_ENOUGH = 22_000  # tasks after which all that is remembered of tasks, and kept of pages, is full


def counted(side: Running) -> float:
    """Return how many tasks the page shows."""
    lines = side.page().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("celery_task_succeeded_total{"))


def memory(side: Running) -> list[int]:
    """Return the bytes that the exporter and the helper process have for themselves."""
    main = psutil.Process(side.pid)
    return [process.memory_full_info().uss for process in (main, *main.children())]


@pytest.mark.long
@pytest.mark.timeout(900)
def test_memory_of_both_processes_is_flat_over_200_000_events(tmp_path: Path) -> None:
    with server() as broker:
        url = broker.url(database=0)
        config = f"host: {{enabled: false}}\ntargets: {{it: {{collector: celery, max_age: 0s, url: '{url}'}}}}\n"
        with exporter(tmp_path, config, path="/probe?target=it") as ours:
            until(lambda: broker.ask("PUBSUB", "NUMPAT"), 30)
            seen = []
            for first, tasks in ((0, _ENOUGH), *((_ENOUGH + 10_000 * part, 10_000) for part in range(5))):
                publish(broker, list(stream(tasks, first)))
                until(lambda: counted(ours) == first + tasks, 120)  # noqa: B023  # it is called at once
                seen.append(memory(ours))
            before, after = seen[0], seen[-1]
            print(f"bytes of the exporter and its helper process: {seen}")
            assert len(before) == 2
            assert max(now - then for then, now in zip(before, after, strict=True)) < 3 << 20
