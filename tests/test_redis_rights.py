"""The Redis collector and who it may be: passwords, users with few rights, and the user that is documented."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import redis

from tests.onetarget import one
from tests.process import ROOT
from tests.redisserver import (
    LEAST_RIGHTS,
    MODERATE_RIGHTS,
    PASSWORD,
    Redis,
    sentinel_of,
    server,
)
from tests.redistarget import down, failed, patient, settings, skipped


@pytest.fixture(scope="module")
def watched() -> Iterator[Redis]:
    with server(settings={"requirepass": PASSWORD}) as running:
        yield running


def test_a_password_that_is_wrong_or_missing_is_said_with_the_remedy(watched: Redis) -> None:
    with one("redis", settings(watched.url(password="pa55-that-is-wrong"))) as target:
        down(target, "WRONGPASS", "correct user and password")
    with one("redis", settings(f"redis://127.0.0.1:{watched.port}")) as target:
        down(target, "NOAUTH", "give it in `url`, or as `password_file`")
    with server() as open_to_all, one("redis", settings(open_to_all.url(password=PASSWORD))) as target:
        down(target, "without any password configured", "leave the password out")


def test_a_password_comes_from_settings_and_files_of_its_own(watched: Redis, tmp_path: Path) -> None:
    file = tmp_path / "word"
    file.write_text(f"{PASSWORD}\n", encoding="utf-8")
    watched.user("kept", *MODERATE_RIGHTS)
    place = f"redis://127.0.0.1:{watched.port}"
    for lines in (
        (f"password_file: {file}",),
        (f"password: {PASSWORD}",),
        ("username: kept", f"password_file: {file}"),
    ):
        with one("redis", patient(place, *lines)) as target:
            assert target.read().up
            assert failed(target) == {}


def test_a_user_with_the_least_rights_sees_what_info_tells(watched: Redis) -> None:
    with one("redis", settings(watched.user("least", *LEAST_RIGHTS), "keys: [queue]")) as target:
        assert skipped(target) == {"configuration", "slow_commands", "latency"}
        outcomes = target.outcomes()
        assert "ACL SETUSER <user> +slowlog|len" in outcomes["slow_commands"]
        assert set(failed(target)) == {"keys", "streams"}
        assert "ACL SETUSER <user> +type" in failed(target)["keys"]
        page = target.page()
        assert page["redis_config_maxclients"] == "10000"
        assert page["redis_config_maxmemory"] == "0"
        assert float(page["redis_memory_used_bytes"]) > 0
        assert page["redis_up"] == "1"
    with one("redis", settings(watched.user("none", "-@all"))) as target:
        down(target, "NOPERM", "ACL SETUSER <user> +info")


def test_a_user_with_the_rights_that_are_documented_sees_all(watched: Redis) -> None:
    keys = (
        "%R~queue*",
        "+type",
        "+llen",
        "+scard",
        "+zcard",
        "+hlen",
        "+xlen",
        "+strlen",
        "+getrange",
        "+xinfo|groups",
    )
    watched.ask("XADD", "queue:s", "*", "a", "b")
    watched.ask("SET", "queue:n", "5", database=1)
    with one(
        "redis", patient(watched.user("whole", *MODERATE_RIGHTS, *keys), "keys: [queue:s, db1=queue:n]")
    ) as target:
        page = target.page()
        assert (failed(target), skipped(target)) == ({}, set())
        assert page['redis_key_value{db="db1",key="queue:n"}'] == "5"
        assert page['redis_stream_length{db="db0",stream="queue:s"}'] == "1"
    with one("redis", patient(watched.user("whole", *MODERATE_RIGHTS, *keys), "keys: [secret]")) as target:
        assert "NOPERM" in failed(target)["keys"]
        assert "ACL SETUSER <user> %R~KEY" in failed(target)["keys"]  # it has the command already


def test_what_was_refused_is_not_asked_at_each_round(watched: Redis) -> None:
    """The server logs and counts refusals: a monitor must not fill that log."""
    url = watched.user("quiet", *LEAST_RIGHTS)
    with watched.client() as client, one("redis", patient(url, "max_age: 0s")) as target:
        target.read()
        before = client.info("errorstats")
        for _ in range(20):
            target.read()
        assert client.info("errorstats") == before
        assert skipped(target) == {"configuration", "slow_commands", "latency"}
    # what may be done is done without an error
    with watched.client() as client, one("redis", patient(watched.url(), "max_age: 0s")) as target:
        target.read()
        before = client.info("errorstats")
        for _ in range(20):
            target.read()
        assert client.info("errorstats") == before


def test_keys_that_were_refused_are_not_asked_for_at_each_round(watched: Redis) -> None:
    rights = (*LEAST_RIGHTS, "%R~queue", "%R~word", "+type", "+llen", "+xlen")
    url = watched.user("partly", *rights)
    watched.ask("RPUSH", "queue", 1)
    watched.ask("SET", "word", "5")
    watched.ask("ACL", "LOG", "RESET")
    with watched.client() as client, one("redis", patient(url, "keys: [queue, word, secret, db1=queue]", "max_age: 0s",
                                                          "key_patterns: ['q*']")) as target:  # fmt: skip
        target.read()
        before, logged = client.info("errorstats"), _refusals(client)
        assert logged > 3
        for _ in range(10):
            target.read()
        assert (client.info("errorstats"), _refusals(client)) == (before, logged)
        assert target.page()['redis_key_size{db="db0",key="queue"}'] == "1"


def _refusals(client: "redis.Redis") -> int:
    log: Any = client.acl_log(100)
    return sum(int(entry["count"]) for entry in log)


def test_a_sentinel_is_not_asked_at_each_round_for_what_it_refused() -> None:
    rights = ("-@all", "+ping", "+info", "+client|setname", "+sentinel|masters")
    with (
        server() as primary,
        sentinel_of(primary) as sentinel,
        sentinel.client() as client,
        one("redis", patient(sentinel.user("partly", *rights), "max_age: 0s")) as target,
    ):
        assert skipped(target) == {"sentinel_views"}
        before = _refusals(client)
        assert before >= 3
        for _ in range(10):
            target.read()
        assert _refusals(client) == before


def test_a_right_that_comes_back_is_used_at_once_where_nothing_goes_without(watched: Redis) -> None:
    url = watched.user("monitor", *LEAST_RIGHTS)
    with one("redis", settings(url, "max_age: 0s")) as target:
        assert target.read().up
        watched.ask("ACL", "SETUSER", "monitor", "-info")
        down(target, "NOPERM", "ACL SETUSER <user> +info")
        watched.ask("ACL", "SETUSER", "monitor", "+info")
        assert target.read().up


@pytest.mark.parametrize("name", ["redis-6.2", "distribution"])
def test_a_server_that_does_not_know_auth_gives_no_piece_of_the_password_away(name: str) -> None:
    """It repeats what it was asked, and cuts that off anywhere."""
    word = "".join(f"{number:04x}" for number in range(1000, 1050))
    with server(name, {"rename-command AUTH": '""'}) as watched:
        for user in ("", "monitor"):
            with one("redis", settings(watched.url(user, word))) as target:
                told = target.read()
                assert told.up is False
                assert told.reason == "unknown command 'AUTH'"
                assert "leave user and password out" in told.fix
                assert word[:8] not in f"{told}"


def test_commands_that_were_renamed_are_skipped() -> None:
    renamed = {"rename-command CONFIG": '""', "rename-command SLOWLOG": "other"}
    with server(settings=renamed) as watched, one("redis", patient(watched.url())) as target:
        outcomes = target.outcomes()
        assert outcomes["slow_commands"].startswith("skipped the server does not know SLOWLOG LEN")
        assert outcomes["configuration"].startswith("skipped")
        assert failed(target) == {}
        assert target.page()["redis_config_maxclients"] == "10000"


_DOCUMENTED: Final = (ROOT / "docs" / "redis.md").read_text(encoding="utf-8")
_USERS: Final = re.findall(r"^ACL SETUSER monitor .*$", _DOCUMENTED, re.MULTILINE)


@pytest.mark.parametrize("name", ["redis-6.2", "distribution", "redis-8.2", "valkey-9.1"])
def test_the_user_that_is_documented_sees_all(name: str) -> None:
    command, _ = _USERS
    rights = re.findall(r"`([^`]*[+][^`]*)`(?:,| \||\n)", _DOCUMENTED.replace("\\|", "|"))
    more = [right for text in rights for right in text.split()]
    assert {"+getrange", "+scan", "+select", "+xinfo|groups", "%R~celery*", "+type"} <= set(more)
    with server(name) as watched:
        watched.ask("XADD", "celery", "*", "a", "b")
        watched.ask("SET", "celery2", "5", database=1)
        if name == "redis-6.2":
            more = [right.replace("%R", "") for right in more]
        watched.ask(*command.split())
        lines = ("keys: [celery, db1=celery2]", "key_patterns: ['celery*']")
        with one("redis", patient(watched.url("monitor", "choose-one"))) as target:
            assert (failed(target), skipped(target)) == ({}, set())
        watched.ask("ACL", "SETUSER", "monitor", *more)
        with one("redis", patient(watched.url("monitor", "choose-one"), *lines)) as target:
            page = target.page()
            assert (failed(target), skipped(target)) == ({}, set())
            assert page['redis_key_value{db="db1",key="celery2"}'] == "5"
            assert page['redis_stream_groups{db="db0",stream="celery"}'] == "0"
            assert page['redis_keys_count{db="db0",key="celery*"}'] == "1"


def test_the_user_of_a_sentinel_that_is_documented_sees_all() -> None:
    _, command = _USERS
    with server() as primary, sentinel_of(primary) as sentinel:
        sentinel.ask(*command.split())
        with one("redis", patient(sentinel.url("monitor", "choose-one"))) as target:
            assert (failed(target), skipped(target)) == ({}, set())
            assert 'redis_sentinel_master_ckquorum_status{master_name="mymaster"}' in target.page()
