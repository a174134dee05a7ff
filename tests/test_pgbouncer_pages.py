"""What the runbook pages tell people to ask of PgBouncer, asked of a real one, and what its alerts need to fire."""

import os
import re
import subprocess
import threading
from collections.abc import Iterator

import pytest

from exporter import pack
from tests.onetarget import one
from tests.pgbouncer import PASSWORD, Bouncer, pooled
from tests.support import until
from tests.test_runbooks import blocks

PAGES = ("PgBouncerDown", "ConnectionPoolWaiting", "PgBouncerClientsHigh")
LINES = [
    (page, line) for page in PAGES for code in blocks("sh", page) for line in code.splitlines() if "6432 -U" in line
]


@pytest.fixture(scope="module")
def pool() -> Iterator[Bouncer]:
    with pooled() as (running, _):
        yield running


def test_every_page_asks_something() -> None:
    assert {page for page, _ in LINES} == set(PAGES)


@pytest.mark.parametrize(("page", "line"), LINES)
def test_a_command_works(page: str, line: str, pool: Bouncer) -> None:
    if "RESUME" in line:
        pool.command("PAUSE app")
    code = (
        line.replace("-p 6432", f"-p {pool.port}").replace("-U admin", "-U chief").replace("RESUME shop", "RESUME app")
    )
    ended = subprocess.run(
        ["bash", "-o", "pipefail", "-c", code], env={"PATH": os.environ["PATH"], "PGPASSWORD": PASSWORD}, text=True,
        capture_output=True, timeout=30, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (0, ""), line
    assert ended.stdout.strip()


def test_the_columns_that_a_page_names_are_there(pool: Bouncer) -> None:
    for command, columns in (("POOLS", ("sv_active", "sv_idle", "sv_login")), ("DATABASES", ("pool_size", "paused"))):
        shown = pool.shown(command)
        assert set(columns) <= set(shown)
        assert all(re.search(rf"`{column}`", pack.runbook("ConnectionPoolWaiting")) for column in columns)


def test_the_signals_of_the_alerts_move(pool: Bouncer) -> None:
    waiting = 'pgbouncer_pools_client_waiting_connections{database="app",user="postgres"}'
    with pool.connect() as holder, pool.connect() as waiter, one("pgbouncer", f"url: {pool.url()}") as target:
        holder.execute("BEGIN")
        thread = threading.Thread(target=lambda: waiter.execute("SELECT 1"))
        thread.start()
        until(lambda: target.page()[waiting] == "1")
        page = target.page()
        used, most = page["pgbouncer_used_clients"], page["pgbouncer_config_max_client_connections"]
        assert 0 < float(used) < float(most)
        holder.execute("COMMIT")
        thread.join(10)
        assert target.page()[waiting] == "0"
