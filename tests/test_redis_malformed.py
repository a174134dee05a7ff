"""INFO that is cut, mixed up or wrong: every read gives figures that were there, or none, or says what is wrong."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.collector import Read, Trouble
from exporter.collectors.redis import UP, Redis
from exporter.collectors.redis.connection import Asking, Server
from exporter.collectors.redis.info import Info
from exporter.collectors.redis.reply import Command, Refusal
from exporter.collectors.redis.session import INFO, Session, setting_command
from exporter.collectors.redis.settings import RedisSettings
from exporter.metric import Sample
from tests.redisserver import server

_READS = list(Redis.declared_reads().values())
_WORDS = st.sampled_from(
    ["", "0", "-1", "ok", "nan", "1e999", "x", ",", "=", "a=b,c", "ip=1,port=2,offset=x", "9" * 400]
)
_LINES = st.one_of(
    st.text(st.characters(codec="latin-1"), max_size=20),
    st.sampled_from(["# Keyspace", "# Commandstats", "# Modules", "db0:keys=x", "slave0:ip=a", "cmdstat_:calls=1",
                     "master_host:h", "role:slave", "module:", "db0:keys=1,expires=1", "db0:keys=2,expires=2"]),
)  # fmt: skip


class Recorded(str):
    """What INFO told, too long to be shown in full."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "INFO"


class Told:
    """A server that tells what a test has it tell."""

    round = 1
    database = 0

    def __init__(self, text: str, answers: dict[Command, Any], mode: str = "") -> None:
        self._told = text.encode("utf-8", "replace")
        self._answers = answers
        self.mode = mode
        self.started = ("", 0.0)

    def gather(self, wanted: Callable[[str], Sequence[Asking]]) -> dict[Command, Any]:
        asked = [asking.command for asking in wanted(self.mode)]
        return {command: self._answers.get(command, Refusal("NOPERM no")) for command in asked} | {INFO: self._told}

    def understood(self, told: Any) -> Info:
        return Info(told)


@pytest.fixture(scope="module")
def recorded() -> str:
    with server() as watched, watched.client(decode_responses=False) as client:
        client.set("a", "b")
        client.set_response_callback("INFO", lambda text, **_: text.decode())
        return Recorded(client.execute_command("INFO", "all"))


def given_by(read: Read, session: Session) -> list[Sample]:
    """Return what a read gives; nothing where it fails for a reason that it names."""
    try:
        return [sample for sample in read.function(session) if sample is not None]
    except Trouble as error:
        return [] if str(error) else [Sample(UP, (), float("nan"))]


def session_of(text: str, answers: dict[Command, Any]) -> Session:
    return Session(cast(Server, Told(text, answers)), RedisSettings(keys=()))


@given(st.data())
def test_no_read_stumbles_over_what_info_says(recorded: str, data: st.DataObject) -> None:
    lines = recorded.split("\r\n")
    for _ in range(data.draw(st.integers(1, 5))):
        place = data.draw(st.integers(0, len(lines) - 1))
        name = lines[place].partition(":")[0]
        change = data.draw(st.sampled_from(["drop", "value", "line", "cut"]))
        if change == "drop":
            del lines[place]
        elif change == "value":
            lines[place] = f"{name}:{data.draw(_WORDS)}"
        elif change == "line":
            lines.insert(place, data.draw(_LINES))
        else:
            lines = lines[: max(place, 5)]
    text = "\r\n".join(["redis_version:7.0.15", *lines])
    session = session_of(text, {setting_command("databases"): [b"databases", data.draw(_WORDS).encode()]})
    for read in _READS:
        for sample in given_by(read, session):
            assert isinstance(sample.value, int | float)
            assert sample.value == sample.value


def test_a_figure_that_is_missing_makes_no_sample(recorded: str) -> None:
    whole = {sample.metric.name for read in _READS for sample in given_by(read, session_of(recorded, {}))}
    assert {"redis_memory_used_bytes", "redis_connected_clients", "redis_rdb_last_save_timestamp_seconds"} <= whole
    less = "\r\n".join(line for line in recorded.split("\r\n") if not line.startswith(("used_memory:", "connected_")))
    left = {sample.metric.name for read in _READS for sample in given_by(read, session_of(less, {}))}
    assert whole - left == {"redis_memory_used_bytes", "redis_connected_clients", "redis_connected_slaves"}
    bare = [sample for read in _READS for sample in given_by(read, session_of("redis_version:7.0.15", {}))]
    assert {sample.metric.name for sample in bare} == {"redis_instance_info", "runbook_redis_version_info"}


@given(st.recursive(st.one_of(st.none(), st.integers(), st.binary(max_size=9), st.just(Refusal("ERR x"))),
                    lambda inner: st.lists(inner, max_size=5), max_leaves=10))  # fmt: skip
def test_no_read_stumbles_over_what_other_commands_answer(recorded: str, answer: Any) -> None:
    for mode in ("standalone", "cluster", "sentinel"):
        asked = [asking.command for asking in _wanted(mode)]
        told = Told(recorded, dict.fromkeys(asked, answer), mode)
        session = Session(cast(Server, told), RedisSettings())
        for read in _READS:
            if read.name != "sentinel_views":  # asks more
                given_by(read, session)


def _wanted(mode: str) -> Sequence[Asking]:
    from exporter.collectors.redis.session import wanted

    return wanted(mode)
