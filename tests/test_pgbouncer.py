"""The PgBouncer collector against a real PgBouncer before a real PostgreSQL."""

import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psycopg
import pytest
import trustme

from exporter.config import ConfigError
from tests.onetarget import One, one
from tests.pgbouncer import PASSWORD, Bouncer, bouncer
from tests.postgres import Cluster, server
from tests.process import free_port
from tests.soak import leaves_nothing
from tests.support import until

APP = '{database="app",user="postgres"}'


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with server() as running:
        yield running


@pytest.fixture
def pool(cluster: Cluster) -> Iterator[Bouncer]:
    with bouncer(cluster, {"query_wait_timeout": "0"}) as running:
        yield running


@pytest.fixture
def target(pool: Bouncer) -> Iterator[One]:
    with one("pgbouncer", f"url: {pool.url()}") as running:
        yield running


def test_every_read_works_for_a_user_of_stats_users(target: One) -> None:
    assert set(target.outcomes().values()) == {"ok"}
    page = target.page()
    assert page["pgbouncer_up"] == "1"
    assert page["pgbouncer_databases"] == "2"
    assert page["pgbouncer_config_max_client_connections"] == "100"
    assert 'pgbouncer_version_info{version="PgBouncer 1.18.0"}' in page or any(
        series.startswith("pgbouncer_version_info{") for series in page
    )


def test_the_page(pool: Bouncer, cluster: Cluster, golden: Callable[[str, str], None]) -> None:
    with pool.connect() as application, one("pgbouncer", f"url: {pool.url()}") as target:
        application.execute("SELECT 1")
        shown = target.text().splitlines(keepends=True)
    text = "".join(
        line for line in shown if "runbook_" not in line and not re.search(r"_(bytes|seconds)_total\{", line)
    )
    text = text.replace(str(cluster.port), "5432").replace(str(pool.port), "6432")
    golden("pgbouncer.prom", re.sub(r"PgBouncer [0-9.]+", "PgBouncer 1.18.0", text))


def test_clients_of_a_full_pool_wait(pool: Bouncer, target: One) -> None:
    with pool.connect() as holder, pool.connect() as waiter:
        holder.execute("BEGIN")
        thread = threading.Thread(target=lambda: waiter.execute("SELECT 1"))
        thread.start()
        waiting = f"pgbouncer_pools_client_waiting_connections{APP}"
        until(lambda: target.page()[waiting] == "1")
        until(lambda: float(target.page()[f"pgbouncer_pools_client_maxwait_seconds{APP}"]) > 0.3)
        page = target.page()
        assert page[f"pgbouncer_pools_client_active_connections{APP}"] == "1"
        assert page[f"pgbouncer_pools_server_active_connections{APP}"] == "1"
        holder.execute("COMMIT")
        thread.join(10)
    page = target.page()
    assert page[waiting] == "0"
    assert float(page[f"pgbouncer_pools_client_maxwait_seconds{APP}"]) == 0
    assert float(page['pgbouncer_stats_client_wait_seconds_total{database="app"}']) > 0.3


def test_what_passed_is_counted(pool: Bouncer, target: One) -> None:
    with pool.connect() as application:
        for _ in range(7):
            application.execute("SELECT repeat('x', 1000)").fetchall()
        assert target.page()['pgbouncer_stats_queries_pooled_total{database="app"}'] == "7"
        application.execute("BEGIN")
        application.execute("SELECT pg_sleep(0.2)")
        application.execute("COMMIT")
    page = target.page()
    assert page['pgbouncer_stats_queries_pooled_total{database="app"}'] == "10"
    assert page['pgbouncer_stats_sql_transactions_pooled_total{database="app"}'] == "8"
    assert float(page['pgbouncer_stats_sent_bytes_total{database="app"}']) > 7000
    assert 0.2 < float(page['pgbouncer_stats_queries_duration_seconds_total{database="app"}']) < 5
    assert 0.2 < float(page['pgbouncer_stats_server_in_transaction_seconds_total{database="app"}']) < 5


def test_a_paused_and_a_disabled_database_are_seen(pool: Bouncer, target: One) -> None:
    def of_app(name: str) -> str:
        return next(value for series, value in target.page().items() if series.startswith(f'{name}{{name="app"'))

    assert of_app("pgbouncer_databases_paused") == "0"
    pool.command("PAUSE app")
    pool.command("DISABLE app")
    assert of_app("pgbouncer_databases_paused") == "1"
    assert of_app("pgbouncer_databases_disabled") == "1"


def test_many_scrapes_cost_one_connection(pool: Bouncer, target: One) -> None:
    for thread in (threads := [threading.Thread(target=target.read) for _ in range(50)]):
        thread.start()
    for thread in threads:
        thread.join()
    for _ in range(50):
        target.read()
    clients = [row for row in pool.command("SHOW CLIENTS") if row[1] == "stats"]
    assert len(clients) == 1
    assert pool.log().count("login attempt: db=pgbouncer user=stats") == 1


def test_where_nobody_listens_it_is_down_and_says_so() -> None:
    with one("pgbouncer", f"url: postgresql://stats:{PASSWORD}@127.0.0.1:{free_port()}/pgbouncer") as target:
        snapshot = target.read()
        assert (snapshot.up, "Connection refused" in snapshot.reason) == (False, True)
        assert "start PgBouncer" in snapshot.fix
        page = target.page()
        assert page["pgbouncer_up"] == "0"
        assert [series for series in page if series.startswith("pgbouncer_")] == ["pgbouncer_up"]


def test_the_database_is_the_console_unless_another_is_named(pool: Bouncer) -> None:
    for url in (f"postgresql://stats:{PASSWORD}@127.0.0.1:{pool.port}",
                f"host=127.0.0.1 port={pool.port} user=stats password={PASSWORD}"):  # fmt: skip
        with one("pgbouncer", f"url: {url}") as target:
            assert target.read().up


@pytest.mark.parametrize(
    ("user", "password", "database", "said", "remedy"),
    [
        ("stats", "wrong-canary-of-tests", "pgbouncer", "authentication failed", "correct user and password"),
        ("nobody", "wrong-canary-of-tests", "pgbouncer", "authentication failed", "correct user and password"),
        ("stranger", PASSWORD, "pgbouncer", "not allowed", "stats_users"),
        ("postgres", "secret-of-postgres", "app", "unrecognized configuration parameter", "name the console"),
        ("stats", PASSWORD, "nowhere", "no such database", "name the console"),
        ("stats", PASSWORD, "pgbouncer?sslmode=require", "does not support SSL", "client_tls_sslmode"),
    ],
)
def test_what_is_refused_is_said_with_the_remedy(
    pool: Bouncer, user: str, password: str, database: str, said: str, remedy: str
) -> None:
    with one("pgbouncer", f"url: {pool.url(user, password, database)}") as target:
        snapshot = target.read()
        assert snapshot.up is False
        assert said in snapshot.reason
        assert remedy in snapshot.fix
        assert "canary" not in repr(snapshot) + target.text()


def test_tls_is_spoken_and_the_certificate_is_asked_for(cluster: Cluster, tmp_path: Path) -> None:
    ours, others = trustme.CA(), trustme.CA()
    ours.cert_pem.write_to_path(tmp_path / "ours.pem")
    others.cert_pem.write_to_path(tmp_path / "others.pem")
    pair = ours.issue_cert("127.0.0.1")
    files = {"key": pair.private_key_pem.bytes(), "cert": pair.cert_chain_pems[0].bytes()}
    with bouncer(cluster, {"client_tls_sslmode": "require"}, files=files) as pool:
        outcomes = {}
        for name, query in {"plain": "sslmode=disable", "encrypted": "sslmode=require",
                            "trusted": f"sslmode=verify-full&sslrootcert={tmp_path}/ours.pem",
                            "another's": f"sslmode=verify-full&sslrootcert={tmp_path}/others.pem"}.items():  # fmt: skip
            with one("pgbouncer", f"url: {pool.url()}?{query}") as target:
                outcomes[name] = target.read()
    assert {name: snapshot.up for name, snapshot in outcomes.items()} == {
        "plain": False, "encrypted": True, "trusted": True, "another's": False,
    }  # fmt: skip
    assert "sslmode=require" in outcomes["plain"].fix
    assert "sslrootcert" in outcomes["another's"].fix


def test_a_unix_socket_will_do(cluster: Cluster) -> None:
    with bouncer(cluster, {"listen_addr": "", "unix_socket_dir": "."}) as pool:
        url = f"host={pool.folder} port={pool.port} user=stats password={PASSWORD}"
        with one("pgbouncer", f"url: {url}") as target:
            assert target.read().up


def test_postgresql_itself_is_told_from_a_pgbouncer(cluster: Cluster) -> None:
    for database in ("postgres", "pgbouncer"):
        with one("pgbouncer", f"url: {cluster.url(database)}") as target:
            snapshot = target.read()
            assert snapshot.up is False
            assert "name the console" in snapshot.fix


def test_a_pgbouncer_that_is_full_lets_its_console_be_asked(cluster: Cluster) -> None:
    with ExitStack() as stack:
        pool = stack.enter_context(bouncer(cluster, {"max_client_conn": "3"}))
        early, late = (stack.enter_context(one("pgbouncer", f"url: {pool.url()}")) for _ in range(2))
        assert early.read().up
        for _ in range(2):
            stack.enter_context(pool.connect())
        with pytest.raises(psycopg.OperationalError, match="no more connections allowed"):
            pool.connect()
        page = late.page()
        assert page["pgbouncer_used_clients"] == "4"
        assert page["pgbouncer_config_max_client_connections"] == "3"


def test_one_that_hangs_is_down_in_time_and_comes_back(pool: Bouncer) -> None:
    with one("pgbouncer", f"url: {pool.url()}\ntimeout: 1s") as target:
        assert target.read().up
        before = threading.active_count()
        with pool.stopped():
            begun = time.monotonic()
            assert target.read().up is False
            assert time.monotonic() - begun < 3
            for _ in range(2):
                assert target.page()["pgbouncer_up"] == "0"
            until(lambda: threading.active_count() <= before + 1)
        until(lambda: target.read().up, 20)


def test_who_waits_is_let_go_while_it_still_hangs(pool: Bouncer) -> None:
    with one("pgbouncer", f"url: {pool.url()}\ntimeout: 1s") as target:
        assert target.read().up
        with pool.stopped():
            round = target.target.run_now()
            until(round.done.done, 8)
            assert target.target.view().up is False


def test_one_that_is_killed_and_started_again_is_followed(pool: Bouncer, target: One) -> None:
    with pool.connect() as application:
        application.execute("SELECT 1")
        assert target.page()['pgbouncer_stats_queries_pooled_total{database="app"}'] == "1"
    pool.stop()
    assert target.page()["pgbouncer_up"] == "0"
    pool.start()
    until(lambda: target.read().up, 20)
    assert 'pgbouncer_stats_queries_pooled_total{database="app"}' not in target.page()


def test_a_connection_that_was_ended_costs_no_round(pool: Bouncer, target: One) -> None:
    assert target.read().up
    pool.stop()
    pool.start()
    assert target.read().up


def test_a_thousand_databases_are_bounded(cluster: Cluster) -> None:
    names = {f"shop{number:04}": "" for number in range(1000)}
    with bouncer(cluster, databases=names) as pool, one("pgbouncer", f"url: {pool.url()}\ntop: 10") as target:
        with pool.connect("shop0777") as busy:
            busy.execute("SELECT 1")
            snapshot = target.read()
            assert {outcome.status for outcome in snapshot.outcomes} == {"ok"}
            page = target.page()
        current = {series: value for series, value in page.items() if "_databases_current_connections{" in series}
        assert len(current) == 11
        assert [value for series, value in current.items() if 'name="shop0777"' in series] == ["1"]
        assert [value for series, value in current.items() if 'name="other"' in series] == ["0"]
        sizes = sum(float(value) for series, value in page.items() if "_databases_pool_size{" in series)
        assert sizes == 1000 * 20 + 1 + 2
        assert page["pgbouncer_databases"] == "1002"


def test_a_name_of_any_bytes_breaks_nothing(cluster: Cluster) -> None:
    at = f"host=127.0.0.1 port={cluster.port}"
    with (
        bouncer(cluster, databases={"*": at}) as pool,
        one("pgbouncer", f"url: {pool.url()}") as target,
        socket.create_connection(("127.0.0.1", pool.port), timeout=5) as line,
    ):
        body = b"\0\3\0\0user\0postgres\0database\0caf\xe9\0\0"
        line.sendall((len(body) + 4).to_bytes(4, "big") + body)
        assert line.recv(1)
        until(lambda: any("caf\N{REPLACEMENT CHARACTER}" in series for series in target.page()))
        assert {outcome.status for outcome in target.read().outcomes} == {"ok"}


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", b"R\0\0\0\x08\0\0\0\0Z\0\0\0\5"])
def test_what_is_no_pgbouncer_is_down_in_time(answer: bytes) -> None:
    with answering(answer) as port, one("pgbouncer", f"url: postgresql://s:{PASSWORD}@127.0.0.1:{port}") as target:
        begun = time.monotonic()
        snapshot = target.read()
        assert snapshot.up is False
        assert snapshot.reason
        assert time.monotonic() - begun < 15


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("url: postgresql://stats:pa/55-x@h/pgbouncer", "expected them as %40"),
        ("url: mysql://stats:55-x@h/pgbouncer", "expected postgresql://"),
        ("url: host=h password=pa 55-x", "expected host="),
        ("{}", "url"),
        ("url: postgresql://stats@h\ntop: 0", "expected 1 or more"),
    ],
)
def test_settings_that_cannot_work_are_refused(lines: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected) as refused, one("pgbouncer", lines.replace("{}", "")):
        pass
    assert "55-x" not in str(refused.value)


def test_without_the_library_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with one("pgbouncer", "url: postgresql://stats@127.0.0.1:1") as target:
        snapshot = target.read()
        assert (snapshot.up, snapshot.fix) == (False, "install it with: pip install 'runbook-exporter[pgbouncer]'")


@pytest.mark.long
def test_rounds_leave_nothing(pool: Bouncer, target: One) -> None:
    leaves_nothing(target, 500)
    assert target.read().up


@pytest.mark.long
def test_rounds_that_are_refused_leave_nothing(pool: Bouncer) -> None:
    with one("pgbouncer", f"url: {pool.url('stranger')}") as target:
        leaves_nothing(target, 500)
        assert target.read().up is False


@contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """Run a server that says one thing to whoever comes, and then hangs up; yield its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_answer, args=(listener, answer))
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _answer(listener: socket.socket, answer: bytes) -> None:
    with suppress(OSError):
        while True:
            line, _ = listener.accept()
            with line, suppress(OSError):
                line.recv(4096)
                line.sendall(answer)
