"""Which of a MongoDB address's hosts is read, and by which of its addresses; what is asked of large servers."""

import ssl
import time
from collections import Counter
from pathlib import Path

import pytest
import trustme

from exporter.collector import Trouble
from exporter.collectors.mongodb.connection import Server
from tests.mongodserver import Deployment, merged, replies, served
from tests.onetarget import one
from tests.process import free_port
from tests.support import until
from tests.swallowing import names, swallowing

NAME = "two.example"


def member(kind: str) -> Deployment:
    state = {"hello": {"isWritablePrimary": kind == "primary", "secondary": kind != "primary"}}
    return Deployment(merged(replies("7.0"), state))


def test_of_several_hosts_the_primary_is_read_over_one_connection() -> None:
    second, first = member("secondary"), member("primary")
    with served(second) as one_host, served(first) as other:
        hosts = f"127.0.0.1:{free_port()},127.0.0.1:{one_host.port},127.0.0.1:{other.port}"
        with one("mongodb", f"url: mongodb://{hosts}/") as target:
            assert target.read().up
            until(lambda: second.connections == 0)
            assert first.connections == 1
            assert set(second.names()) == {"ismaster", "hello"}
        hosts = f"127.0.0.1:{one_host.port},127.0.0.1:{free_port()}"
        with one("mongodb", f"url: mongodb://{hosts}/") as target:
            assert target.read().up
            assert "serverStatus" in second.names()


def test_of_several_hosts_one_that_hangs_leaves_time_for_the_others() -> None:
    with swallowing() as port, served(member("primary")) as good:
        hosts = f"127.0.0.1:{port},127.0.0.1:{good.port}"
        with one("mongodb", f"url: mongodb://{hosts}/\ntimeout: 2s") as target:
            assert target.read().up


def test_of_several_hosts_the_new_primary_is_read_after_a_failover() -> None:
    first, second = member("primary"), member("secondary")
    with served(first) as one_host, served(second) as other:
        hosts = f"127.0.0.1:{one_host.port},127.0.0.1:{other.port}"
        with one("mongodb", f"url: mongodb://{hosts}/") as target:
            assert target.read().up
            assert (first.connections, second.connections) == (1, 0)
            first.answers, second.answers = second.answers, first.answers
            assert target.read().up
            until(lambda: first.connections == 0)
            assert second.connections == 1
            second.answers = first.answers  # nobody is primary
            for _ in range(3):
                assert target.read().up
            assert first.connections + second.connections <= 2
    with served(second) as alone, one("mongodb", f"url: {alone.url()}") as target:
        before = second.accepted
        for _ in range(3):
            assert target.read().up
        assert second.accepted == before + 1, "a secondary of its own keeps its connection"


def test_a_name_of_two_addresses_is_reached_by_the_second_and_its_certificate_counts_for_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    authority.issue_cert(NAME).configure_cert(context)
    addresses = {NAME: ["127.0.0.2", "127.0.0.1"], "other.example": ["127.0.0.1"]}
    with (
        served(member("primary"), context=context) as server,
        swallowing("127.0.0.2", server.port),
        names(monkeypatch, addresses),
    ):
        for name, up in ((NAME, True), ("other.example", False)):
            url = f"mongodb://{name}:{server.port}/?tls=true&tlsCAFile={tmp_path}/ca.pem"
            with one("mongodb", f"url: '{url}'\ntimeout: 2s") as target:
                snapshot = target.read()
                assert snapshot.up is up, snapshot.reason
        assert "the certificate of other.example" in snapshot.reason


def test_a_name_service_that_hangs_costs_no_more_than_the_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        names(monkeypatch, {"hangs.example": []}),
        one("mongodb", "url: mongodb://hangs.example/\ntimeout: 1s") as target,
    ):
        begun = time.monotonic()
        round = target.target.run_now()
        until(round.done.done)
        assert time.monotonic() - begun < 3
        assert "does not answer in time" in target.target.view().reason


def test_more_collections_than_the_time_allows_are_said_with_the_remedy() -> None:
    many = {f"c{number}": "collection" for number in range(500)}
    deployment = Deployment(replies("7.0"), databases={"shop": many})
    deployment.before = lambda name, said: time.sleep(0.005)
    with served(deployment) as server, one("mongodb", f"url: {server.url()}\ntimeout: 1s") as target:
        snapshot = target.read()
        (found,) = [outcome for outcome in snapshot.outcomes if outcome.read == "collections"]
        assert found.status == "failed"
        assert found.reason.startswith("the time was over after ")
        assert "databases_exclude" in found.fix
        assert snapshot.up


def test_what_is_refused_is_not_asked_for_in_each_round() -> None:
    deployment = Deployment(replies("7.0"), denied={"getCmdLineOpts", "replSetGetConfig"})
    with served(deployment) as server, one("mongodb", f"url: {server.url()}") as target:
        for _ in range(5):
            assert target.read().up
        asked = Counter(deployment.names())
        assert (asked["getCmdLineOpts"], asked["replSetGetConfig"]) == (1, 1)
        server.drop()
        deployment.denied = set()
        page = target.page()
        assert 'cl_role="shardsvr"' in next(series for series in page if series.startswith("mongodb_rs_myState"))


def test_only_the_round_under_way_is_cut() -> None:
    with served(member("primary")) as running:
        server = Server(running.url(), 20.0)
        server.awaken()
        server.cancel(server.round - 1)
        assert server.command("admin", {"serverStatus": 1})
        server.cancel(server.round)
        with pytest.raises(Trouble, match="given up"):
            server.command("admin", {"serverStatus": 1})
        server.awaken()
        assert server.command("admin", {"serverStatus": 1})
        server.close()
