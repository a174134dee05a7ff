"""How much one run of the benchmark does."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is done."""

    batches: int = 20
    batch: int = 50
    load_rounds: int = 3
    load_seconds: float = 4.0
    idle_seconds: float = 10.0
    crowd_batches: int = 8
    big: tuple[tuple[int, int], ...] = ((1_000, 300), (10_000, 60), (100_000, 12))
    """Series of a page, and how often it is scraped."""
    databases: int = 4
    tables: int = 25
    """In each of the databases."""
    database_batches: int = 8
    database_batch: int = 20
    scrape_timeout: float = 10.0
    """Seconds, of the scrapes of a PostgreSQL that hangs."""
    groups: tuple[tuple[int, int], ...] = ((300, 15), (2_000, 5))
    """Processes in groups, and how often they are scraped in a batch."""
    groups_batches: int = 8
    stores_batches: int = 8
    stores_batch: int = 25
    burst_lines: int = 3_000_000
    walked_files: int = 1_000_000
    followed_lines: int = 500_000
    followed_times: int = 3
    access_lines: int = 200_000
    helped_batches: int = 20
    helped_batch: int = 50
    celery_tasks: int = 20_000
    """Of one stream, with four events each."""
    celery_runs: int = 3
    celery_batches: int = 10
    celery_batch: int = 20
    celery_peer: tuple[int, int] = (3, 4)
    """Batches, and scrapes in each, of celery-exporter, which takes two seconds for one."""
    cache_entries: int = 10_000
    cache_rounds: int = 5
    probe_targets: int = 50
    """Of each kind, and how often each is probed in a batch."""
    probe_batches: int = 10
    probe_rounds: int = 1
    paced_targets: int = 200
    """Probed every so many seconds, so often."""
    paced_seconds: float = 15.0
    paced_rounds: int = 4
    visits: int = 5


QUICK: Final = Scale(
    batches=3, batch=10, load_rounds=1, load_seconds=1.0, idle_seconds=1.0, crowd_batches=1,
    big=((1_000, 20), (10_000, 5), (100_000, 3)),
    databases=2, tables=3, database_batches=2, database_batch=3, scrape_timeout=2.0,
    groups=((30, 3), (60, 3)), groups_batches=2, stores_batches=2, stores_batch=3,
    burst_lines=20_000, walked_files=2_000, followed_lines=50_000, followed_times=1, access_lines=5_000,
    helped_batches=2, helped_batch=5,
    celery_tasks=400, celery_runs=1, celery_batches=2, celery_batch=3, celery_peer=(1, 2),
    cache_entries=60, cache_rounds=1,
    probe_targets=3, probe_batches=2, probe_rounds=1, paced_targets=5, paced_seconds=1.0, paced_rounds=2, visits=1,
)  # fmt: skip
