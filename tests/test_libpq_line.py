"""How PostgreSQL and PgBouncer are connected to: names, several hosts, and who hangs or swallows what is sent."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import trustme

from exporter.collector import Trouble
from exporter.collectors._libpqline import dial
from exporter.collectors.pgbouncer.console import Console
from tests.onetarget import one
from tests.pgbouncer import Bouncer, bouncer
from tests.postgres import Cluster, server
from tests.process import free_port
from tests.support import until
from tests.swallowing import names, swallowing

NAME = "two.example"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with server() as running:
        yield running


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def pool(cluster: Cluster, authority: trustme.CA) -> Iterator[Bouncer]:
    pair = authority.issue_cert(NAME)
    files = {"key": pair.private_key_pem.bytes(), "cert": pair.cert_chain_pems[0].bytes()}
    with bouncer(cluster, {"client_tls_sslmode": "allow"}, files=files) as running:
        yield running


def opened(**parameters: Any) -> dict[str, Any]:
    """Connect, and return what libpq took for it."""
    connection = dial(psycopg, parameters, 5.0, lambda: None)
    with connection:
        return connection.info.get_parameters()


@pytest.mark.parametrize("kind", ["pgbouncer", "postgres"])
def test_a_first_host_that_swallows_everything_leaves_time_for_the_second(
    kind: str, cluster: Cluster, pool: Bouncer
) -> None:
    at = f"127.0.0.1:{cluster.port if kind == 'postgres' else pool.port}"
    url = cluster.url() if kind == "postgres" else pool.url()
    with swallowing() as port, one(kind, f"url: {url.replace(at, f'127.0.0.1:{port},{at}')}\ntimeout: 2s") as target:
        begun = time.monotonic()
        assert target.read().up
        assert time.monotonic() - begun < 5


def test_a_name_of_two_addresses_is_reached_by_the_second_and_its_certificate_counts_for_the_name(
    pool: Bouncer, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority.cert_pem.write_to_path(tmp_path / "ours.pem")
    more = f"sslmode=verify-full&sslrootcert={tmp_path}/ours.pem"
    with (
        swallowing("127.0.0.2", pool.port),
        names(monkeypatch, {NAME: ["127.0.0.2", "127.0.0.1"], "other.example": ["127.0.0.1"]}),
    ):
        for name, up in ((NAME, True), ("other.example", False)):
            url = f"{pool.url().replace('127.0.0.1', name)}?{more}"
            with one("pgbouncer", f"url: '{url}'\ntimeout: 2s") as target:
                assert target.read().up is up


@pytest.mark.parametrize("kind", ["pgbouncer", "postgres"])
def test_one_that_says_nothing_is_down_in_time(kind: str) -> None:
    with swallowing() as port, one(kind, f"url: postgresql://u:p-of-nobody@127.0.0.1:{port}\ntimeout: 1s") as target:
        begun = time.monotonic()
        snapshot = target.read()
        assert time.monotonic() - begun < 3
        assert (snapshot.up, snapshot.reason) == (False, "connection timeout expired")
        assert "a firewall drops" in snapshot.fix


@pytest.mark.parametrize("kind", ["pgbouncer", "postgres"])
def test_a_name_service_that_hangs_costs_no_more_than_the_timeout(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        names(monkeypatch, {"hangs.example": []}),
        one(kind, "url: postgresql://u:p-of-nobody@hangs.example\ntimeout: 1s") as target,
    ):
        round = target.target.run_now()
        begun = time.monotonic()
        until(round.done.done)
        assert time.monotonic() - begun < 3
        snapshot = target.target.view()
        assert snapshot.up is False
        assert "hangs.example is not looked up in time" in snapshot.reason
        assert "DNS" in snapshot.fix


def test_a_name_that_nobody_knows_is_said_and_another_host_is_taken(cluster: Cluster) -> None:
    port = cluster.port
    with one("postgres", "url: postgresql://u:p-of-nobody@nowhere.invalid/postgres\ntimeout: 3s") as target:
        snapshot = target.read()
        assert (snapshot.up, "nowhere.invalid is not known" in snapshot.reason) == (False, True)
        assert "correct the host" in snapshot.fix
    url = cluster.url().replace("127.0.0.1", f"nowhere.invalid:{port},127.0.0.1")
    with one("postgres", f"url: {url}\ntimeout: 3s") as target:
        assert target.read().up


def test_names_and_sockets_stand_together_each_with_its_port(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder,) = [row[0] for row in cluster.sql("SHOW unix_socket_directories")]
    with names(monkeypatch, {NAME: ["127.0.0.2", "127.0.0.1"]}):
        login = psycopg.conninfo.conninfo_to_dict(cluster.url())
        here = {key: login[key] for key in ("user", "password", "dbname") if key in login}
        dead = free_port()
        found = opened(host=f"/nowhere,{NAME}", port=f"{dead},{cluster.port}", **here)
        assert (found["host"], found["hostaddr"], found["port"]) == (NAME, "127.0.0.1", str(cluster.port))
        if folder:
            found = opened(host=f"{NAME},{folder.split(',')[0]}", port=f"{dead},{cluster.port}", **here)
            assert found["host"] == folder.split(",")[0]
        with pytest.raises(psycopg.OperationalError, match="could not match"):
            opened(host=f"{NAME},{NAME}", port="1,2,3", **here)


def test_what_the_address_leaves_out_comes_from_the_environment_and_from_a_service(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = psycopg.conninfo.conninfo_to_dict(cluster.url())
    with names(monkeypatch, {NAME: ["127.0.0.2", "127.0.0.1"]}):
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("PGHOST", f"{NAME},127.0.0.1")
            patched.setenv("PGPORT", str(cluster.port))
            patched.setenv("PGPASSFILE", str(tmp_path / "passwords"))
            (tmp_path / "passwords").write_text(f"{NAME}:{cluster.port}:*:postgres:{login['password']}\n")
            (tmp_path / "passwords").chmod(0o600)
            assert opened(user="postgres", dbname="postgres")["host"] == NAME
        (tmp_path / "services").write_text(
            f"[db]\nhost=127.0.0.1\nport={cluster.port}\nuser=postgres\npassword={login['password']}\ndbname=postgres\n"
        )
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("PGSERVICEFILE", str(tmp_path / "services"))
            patched.setenv("PGHOST", "nowhere.invalid")
            assert opened(service="db")["port"] == str(cluster.port)
            assert opened(service="db", host=NAME)["host"] == NAME
            patched.setenv("PGSERVICE", "db")
            assert opened()["port"] == str(cluster.port)


def test_of_several_hosts_one_of_the_kind_that_is_asked_for_is_taken(cluster: Cluster) -> None:
    login = psycopg.conninfo.conninfo_to_dict(cluster.url())
    twice = {**login, "host": "127.0.0.1,127.0.0.1", "port": str(cluster.port)}
    assert opened(**twice, target_session_attrs="prefer-standby")["port"] == str(cluster.port)
    assert opened(**twice, target_session_attrs="primary")["port"] == str(cluster.port)
    with pytest.raises(psycopg.OperationalError, match="standby"):
        opened(**twice, target_session_attrs="standby")


def test_connecting_is_ended_by_another_thread() -> None:
    told: list[str] = []

    def connect(console: Console) -> None:
        try:
            console.awaken()
        except Trouble as error:
            told.append(str(error))

    with swallowing() as port:
        console = Console(f"host=127.0.0.1 port={port} user=u", 30.0)
        connecting = threading.Thread(target=connect, args=(console,))
        connecting.start()
        until(lambda: console.round == 1)
        console.cancel(1)
        connecting.join(5)
    assert not connecting.is_alive()
    assert "given up" in told[0]


def test_what_is_connected_when_the_round_is_over_is_closed(pool: Bouncer, monkeypatch: pytest.MonkeyPatch) -> None:
    console = Console(pool.url(), 10.0)

    def connected(*arguments: Any) -> Any:
        connection = dial(*arguments)
        console.cancel(console.round)
        return connection

    monkeypatch.setattr("exporter.collectors._libpq.dial", connected)
    with pytest.raises(Trouble, match="given up"):
        console.awaken()
    until(lambda: [row[1] for row in pool.command("SHOW CLIENTS") if row[1] == "stats"] == [])
