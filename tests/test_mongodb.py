"""What the MongoDB collector makes of the answers that MongoDB's documentation gives for versions 5 to 8."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from bson import Int64

from tests.mongodserver import VERSIONS, Deployment, Served, merged, replies, served
from tests.onetarget import One, one

Page = dict[str, str]
REPLICA = 'cl_id="65f0aa0000000000000000aa",cl_role="shardsvr",rs_nm="rs0",rs_state="1"'
NOWHERE = 'cl_id="",cl_role="",rs_nm="",rs_state=""'
GREETINGS = {"ismaster", "hello", "saslStart", "saslContinue"}
HARMLESS = {
    "buildInfo", "serverStatus", "replSetGetConfig", "getCmdLineOpts", "replSetGetStatus", "aggregate", "find",
    "listDatabases", "dbStats", "listCollections", "getMore",
}  # fmt: skip


def ours(text: str) -> list[str]:
    return [line for line in text.splitlines(keepends=True) if line.split("{")[0].find("mongodb_") >= 0]


def page_of(deployment: Deployment, *more: str) -> Page:
    with served(deployment) as server, looking(server, *more) as target:
        return target.page()


def looking(server: Served, *more: str) -> AbstractContextManager[One]:
    return one("mongodb", "\n".join([f"url: {server.url()}", *more]))


def failed(target: One) -> dict[str, str]:
    return {name: said for name, said in target.outcomes().items() if said.startswith("failed")}


def test_every_figure(golden: Callable[[str, str], None]) -> None:
    with served(Deployment(replies("7.0"))) as server, looking(server) as target:
        golden("mongodb.prom", "".join(line for line in ours(target.text()) if "runbook_exporter" not in line))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", ["standalone", "replica", "mongos"])
def test_every_read_works_or_does_not_apply(version: str, kind: str) -> None:
    with served(Deployment(replies(version, kind))) as server, looking(server) as target:
        outcomes = target.outcomes()
        assert {name: said for name, said in outcomes.items() if said.startswith("failed")} == {}
        absent = {name for name, said in outcomes.items() if said.startswith("skipped")}
        alone = {"replication", "members", "oplog_size", "oplog_reach"}
        assert absent == (set() if kind == "replica" else alone)
        page = target.page()
        role = "mongos" if kind == "mongos" else "mongod"
        assert page[f'mongodb_up{{cluster_role="{role}"}}'] == "1"
        told = replies(version)["buildInfo"]["version"]
        assert page[f'mongodb_version_info{{mongodb="{told}",edition="Community",vendor="MongoDB"}}'] == "1"


@pytest.mark.parametrize(("version", "free"), [("5.0", "126"), ("6.0", "126"), ("7.0", "14"), ("8.0", "126")])
def test_tickets_have_one_name_whichever_version_tells_them(version: str, free: str) -> None:
    page = page_of(Deployment(replies(version)))
    assert page['mongodb_ss_wt_concurrentTransactions_available{txn_rw="read"}'] == free
    assert page['mongodb_ss_wt_concurrentTransactions_out{txn_rw="write"}'] == "1"


def test_other_makers_and_editions() -> None:
    percona = {"buildInfo": {"psmdbVersion": "7.0.16-10", "modules": ["enterprise"]}}
    page = page_of(Deployment(merged(replies("7.0"), percona)))
    assert 'mongodb_version_info{mongodb="7.0.16",edition="Enterprise",vendor="Percona"}' in page


def test_a_replica_set_as_its_primary_sees_it() -> None:
    page = page_of(Deployment(replies("8.0")))
    member = f'{REPLICA},member_idx="{{}}",member_state="{{}}"'
    lost = member.format("db3.example:27017", "(not reachable/healthy)")
    assert page[f"mongodb_rs_myState{{{REPLICA}}}"] == "1"
    assert page[f"mongodb_ss_repl_isWritablePrimary{{{REPLICA}}}"] == "1"
    assert float(page[f"mongodb_rs_members_health{{{lost}}}"]) == 0
    assert page[f"mongodb_rs_members_state{{{lost}}}"] == "8"
    # what a lost member is said to have done last is 1970, which is no lag
    assert f"mongodb_rs_members_optimeDate{{{lost}}}" not in page
    written = "runbook_mongodb_member_written_timestamp_seconds"
    assert {series for series in page if series.startswith(written)} == {
        f'{written}{{member="db1.example:27017",state="PRIMARY"}}',
        f'{written}{{member="db2.example:27017",state="SECONDARY"}}',
    }
    assert float(page["mongodb_mongod_replset_oplog_head_timestamp"]) == 1764043200
    assert float(page["mongodb_mongod_replset_oplog_tail_timestamp"]) == 1764000000
    assert float(page[f"mongodb_oplog_stats_maxSize{{{REPLICA}}}"]) == 1038090240


def test_a_secondary_and_an_older_word_for_the_primary() -> None:
    answers = replies("5.0")
    answers["serverStatus"]["repl"] = {"setName": "rs0", "ismaster": False, "secondary": True}
    answers["replSetGetStatus"]["myState"] = 2
    page = page_of(Deployment(answers))
    place = REPLICA.replace('rs_state="1"', 'rs_state="2"')
    assert page[f"mongodb_ss_repl_isWritablePrimary{{{place}}}"] == "0"
    assert page[f"mongodb_rs_myState{{{place}}}"] == "2"


def test_a_replica_set_that_was_not_begun_yet() -> None:
    answers = replies("7.0", "standalone")
    refusal = {"ok": 0, "code": 94, "codeName": "NotYetInitialized", "errmsg": "no replset config has been received"}
    answers = merged(answers, {"hello": {"setName": "rs0"}, "replSetGetStatus": refusal})
    with served(Deployment(answers)) as server, looking(server) as target:
        outcomes = target.outcomes()
        assert {name for name, said in outcomes.items() if said.startswith("skipped")} >= {"replication", "members"}
        assert "failed" not in outcomes["uptime"]


def test_an_arbiter_knows_no_users() -> None:
    answers = merged(replies("7.0"), {"hello": {"arbiterOnly": True, "isWritablePrimary": False}})
    deployment = Deployment(answers, users={"monitor": "swordfish-8"})
    with served(deployment) as server, looking(server) as target:
        assert target.read().up
        assert failed(target) == {}
        assert target.page()['mongodb_up{cluster_role="arbiter"}'] == "1"


def test_a_router_tells_of_each_shard() -> None:
    page = page_of(Deployment(replies("7.0", "mongos")))
    place = 'cl_id="65f0bb0000000000000000bb",cl_role="mongos",rs_nm="",rs_state=""'
    orders = f'{place},database="shop",collection="orders"'
    free = "mongodb_collstats_storageStats_freeStorageSize"
    assert page[f'{free}{{{orders},shard="one"}}'] == "0"
    assert page[f'{free}{{{orders},shard="two"}}'] == "4096"
    assert page[f'mongodb_indexstats_accesses_ops{{{orders},key_name="_id_",shard="two"}}'] == "5"
    assert not [series for series in page if "_wt_" in series or "mongodb_rs_" in series]


def test_a_server_with_nothing_on_it() -> None:
    page = page_of(Deployment(replies("6.0", "standalone"), databases={}))
    assert not [series for series in page if series.startswith(("mongodb_dbstats", "mongodb_coll", "mongodb_index"))]
    assert float(page[f"mongodb_ss_uptime{{{NOWHERE}}}"]) == 86400


def test_collections_are_looked_into_and_views_and_the_systems_own_are_not() -> None:
    page = page_of(Deployment(replies("7.0", "standalone")))
    size = "mongodb_collstats_storageStats_size"
    found = {series.split('collection="')[1].split('"')[0] for series in page if series.startswith(size)}
    assert found == {"orders", "customers"}
    sizes = {series.split('database="')[1].split('"')[0] for series in page if series.startswith("mongodb_dbstats_obj")}
    assert sizes == {"admin", "config", "local", "shop"}


def test_only_the_databases_that_are_wanted() -> None:
    databases = {name: {"things": "collection"} for name in ("shop", "shop_old", "attic")}
    page = page_of(
        Deployment(replies("7.0"), databases=databases), "databases_include: ^shop", "databases_exclude: _old$"
    )
    found = {series.split('database="')[1].split('"')[0] for series in page if "collstats_storageStats_size" in series}
    assert found == {"shop"}


def test_what_is_dropped_meanwhile_is_left_out() -> None:
    deployment = Deployment(replies("7.0"))

    def drop(name: str, command: dict[str, Any]) -> None:
        if command.get("aggregate") == "customers":
            deployment.databases["shop"].pop("orders", None)

    deployment.databases["shop"] = {"customers": "collection", "orders": "collection"}
    deployment.before = drop
    with served(deployment) as server, looking(server) as target:
        assert failed(target) == {}


def test_an_index_that_nobody_uses() -> None:
    page = page_of(Deployment(replies("7.0")))
    unused = "runbook_mongodb_index_unused_since_timestamp_seconds"
    found = {series: float(value) for series, value in page.items() if series.startswith(unused)}
    # the one on _id is used, the unique one is needed
    assert found == {
        f'{unused}{{database="shop",collection="{name}",index="customer_1",shard=""}}': 1795492800.0
        for name in ("orders", "customers")
    }


def test_a_thousand_databases_add_up_in_what_is_shown() -> None:
    databases = {f"tenant_{number}": {"things": "collection"} for number in range(1000)}
    with (
        served(Deployment(replies("7.0"), databases=databases)) as server,
        looking(server, "databases_include: nothing", "top: 10", "timeout: 20s") as target,
    ):
        page = target.page()
        objects = [float(value) for series, value in page.items() if series.startswith("mongodb_dbstats_objects")]
        assert len(objects) == 11
        assert sum(objects) == 1000 * 1000


def test_a_thousand_collections_add_up_in_what_is_shown() -> None:
    deployment = Deployment(replies("7.0"))
    deployment.databases["shop"] = {f"orders_{number}": "collection" for number in range(1000)}
    with served(deployment) as server, looking(server, "top: 10", "timeout: 20s") as target:
        began = time.monotonic()
        assert failed(target) == {}
        assert time.monotonic() - began < 15
        page = target.page()
        counts = [float(value) for series, value in page.items() if "collstats_storageStats_count" in series]
        assert len(counts) == 11
        assert sum(counts) == 1000 * 1000
        accesses = [series for series in page if series.startswith("mongodb_indexstats_accesses_ops")]
        assert len(accesses) == 11
        unused = [series for series in page if "unused_since" in series]
        assert len(unused) == 10
        assert "getMore" in deployment.names()  # a list of a thousand names comes in batches


def test_what_changes_slowly_is_asked_once_a_minute_and_the_rest_each_time() -> None:
    deployment = Deployment(replies("7.0"))
    with served(deployment) as server, looking(server) as target:
        target.read()
        deployment.asked.clear()
        target.read()
        assert deployment.names() == ["hello", "serverStatus", "replSetGetStatus"]


def test_nothing_is_asked_that_could_do_harm_or_last() -> None:
    deployment = Deployment(replies("7.0"), users={"monitor": "swordfish-8"})
    with served(deployment) as server, one("mongodb", f"url: {server.url('monitor', 'swordfish-8')}") as target:
        assert failed(target) == {}
    assert set(deployment.names()) - GREETINGS <= HARMLESS
    for name, command in deployment.asked:
        if name not in GREETINGS | {"getMore"}:
            assert 0 < command["maxTimeMS"] <= 10_000
            assert command["$readPreference"] == {"mode": "primaryPreferred"}
        for stage in command.get("pipeline", ()):
            assert set(stage) <= {"$collStats", "$indexStats"}
    greeting = deployment.asked[0][1]
    assert greeting["client"]["application"] == {"name": "runbook-exporter"}


ODD: list[Any] = [None, "many", [], {}, {"current": "many", "available": None, "note": "x"}, Int64(5)]


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
def test_what_is_no_figure_is_none(odd: Any) -> None:
    answers = replies("7.0")
    for section in ("connections", "opcounters", "mem", "wiredTiger", "network", "metrics", "repl", "opLatencies"):
        answers["serverStatus"][section] = odd
    with served(Deployment(answers)) as server, looking(server) as target:
        assert failed(target) == {}
        page = target.page()
        assert not [series for series in page if series.startswith(("mongodb_ss_connections", "mongodb_memory"))]
        assert [series for series in page if series.startswith("mongodb_ss_asserts")]
