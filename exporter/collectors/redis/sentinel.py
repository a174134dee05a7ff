"""A sentinel, and the primaries that it watches."""

from collections.abc import Mapping
from typing import Any, Final

from exporter.collector import Members, NotApplicable, read
from exporter.collectors.redis.info import number
from exporter.collectors.redis.reply import Command, Refusal
from exporter.collectors.redis.session import SENTINEL, Session, told
from exporter.collectors.redis.trouble import listed, strange, withheld
from exporter.metric import Fold, Metric, Remarking, Samples, gauge

_INFO: Final = "INFO"
_SOURCE: Final = "SENTINEL"
_MASTER: Final = ("master_name", "master_address")
# Primaries that are looked at: each costs three commands.
_MOST_MASTERS: Final = 100

_SENTINEL: Final[dict[str, Metric]] = {
    "sentinel_masters": gauge("redis_sentinel_masters", "Primaries that it watches.", source=_INFO),
    "sentinel_tilt": gauge(
        "redis_sentinel_tilt", "1 while it does not trust its own clock, and acts on nothing.", source=_INFO
    ),
    "sentinel_running_scripts": gauge("redis_sentinel_running_scripts", "Scripts that run now.", source=_INFO),
    "sentinel_scripts_queue_length": gauge("redis_sentinel_scripts_queue_length", "Scripts that wait.", source=_INFO),
    "sentinel_simulate_failure_flags": gauge(
        "redis_sentinel_simulate_failure_flags", "Failures that it was told to simulate.", source=_INFO
    ),
}


def _of_master(name: str, help: str, *more: str, source: str = _SOURCE, fold: Fold | None = None) -> Metric:
    return gauge(name, help, labels=(*_MASTER, *more), source=source, fold=fold)


def _setting(name: str, help: str) -> Metric:
    return _of_master(name, help, fold="drop")  # of several primaries there is no sum of it


STATUS = _of_master(
    "redis_sentinel_master_status", "1 where the primary is well, 0 where it is down.", "master_status", source=_INFO,
    fold="min",
)  # fmt: skip
SLAVES = _of_master("redis_sentinel_master_slaves", "Replicas of the primary.", source=_INFO)
SENTINELS = _of_master("redis_sentinel_master_sentinels", "Sentinels that watch it, this one included.", source=_INFO)
OK_SLAVES = _of_master("redis_sentinel_master_ok_slaves", "Replicas of the primary that are not down.")
OK_SENTINELS = _of_master("redis_sentinel_master_ok_sentinels", "Sentinels that watch it and are not down.")
QUORUM = gauge(
    "redis_sentinel_master_ckquorum_status",
    "1 where enough sentinels can be reached for a failover, 0 where not.",
    labels=("master_name",),
    source=_SOURCE,
)
_SETTINGS: Final[dict[str, Metric]] = {
    "quorum": _setting("redis_sentinel_master_setting_ckquorum", "Sentinels that have to call it down."),
    "failover-timeout": _setting(
        "redis_sentinel_master_setting_failover_timeout", "How long a failover may take, in milliseconds."
    ),
    "parallel-syncs": _setting(
        "redis_sentinel_master_setting_parallel_syncs", "Replicas that take a copy at a time after a failover."
    ),
    "down-after-milliseconds": _setting(
        "redis_sentinel_master_setting_down_after_milliseconds", "After what silence it is called down."
    ),
    "config-epoch": _setting("redis_sentinel_master_config_epoch", "The epoch of its configuration."),
}
PING = _of_master(
    "redis_sentinel_master_last_ok_ping_reply_seconds", "When it last answered well, in seconds ago.", fold="max"
)


@read
def sentinel(session: Session) -> Samples:
    """What the sentinel does."""
    if session.mode != "sentinel":
        raise NotApplicable("this is no sentinel")
    yield from told(session.info, _SENTINEL)


@read(members=Members(_MASTER, _MOST_MASTERS, SENTINELS))
def sentinel_primaries(session: Session) -> Samples:
    """How the sentinel sees its primaries."""
    if session.mode != "sentinel":
        raise NotApplicable("this is no sentinel")
    for _, master in session.info.numbered("master"):
        status = master.get("status", "")
        place = {"master_name": master.get("name", ""), "master_address": master.get("address", "")}
        yield STATUS(status == "ok", **place, master_status=status)
        yield SLAVES(number(master.get("slaves")), **place)
        yield SENTINELS(number(master.get("sentinels")), **place)


@read(members=Members(_MASTER, _MOST_MASTERS, OK_SENTINELS))
def sentinel_views(session: Session) -> Remarking:
    """Which replicas and other sentinels can be reached, and whether they are enough."""
    answer = session.answer(SENTINEL, "sentinel")
    found = sorted((_fields(master) for master in listed(answer, "SENTINEL MASTERS")), key=_name)
    masters = found[:_MOST_MASTERS]
    asked: list[Command] = [
        ("SENTINEL", what, _name(master)) for master in masters for what in ("CKQUORUM", "SENTINELS", "SLAVES")
    ]
    answers = iter(session.try_to(asked))
    for master, quorum, sentinels, slaves in zip(masters, answers, answers, answers, strict=True):
        place = {"master_name": _name(master), "master_address": _address(master)}
        for name, metric in _SETTINGS.items():
            yield metric(number(master.get(name)), **place)
        ping = number(master.get("last-ok-ping-reply"))
        yield PING(ping if ping is None else ping / 1000, **place)
        yield QUORUM(_quorum(quorum), master_name=place["master_name"])
        yield OK_SENTINELS(1 + _well(sentinels, "sentinel|sentinels"), **place)  # it is well itself
        yield OK_SLAVES(_well(slaves, "sentinel|slaves"), **place)
    rest = len(found) - len(masters)
    return f"{rest} primaries are not looked into: {_MOST_MASTERS} are, in the order of their names" if rest else ""


def _fields(answer: Any) -> Mapping[str, str]:
    """Return a list of names and values as a mapping."""
    if not isinstance(answer, list) or not all(isinstance(word, bytes) for word in answer):
        raise strange("SENTINEL")
    words = [word.decode("utf-8", "replace") for word in answer]
    return dict(zip(words[::2], words[1::2], strict=False))


def _name(master: Mapping[str, str]) -> str:
    return master.get("name", "")


def _address(master: Mapping[str, str]) -> str:
    return f"{master.get('ip', '')}:{master.get('port', '')}"


def _quorum(answer: Any) -> int:
    if not isinstance(answer, Refusal):
        return 1
    if answer.code == "NOQUORUM":
        return 0
    raise withheld(answer, "sentinel|ckquorum")


def _well(answer: Any, command: str) -> int:
    """Return how many of a list are not down."""
    if isinstance(answer, Refusal):
        raise withheld(answer, command)
    flags = [_fields(one).get("flags", "") for one in listed(answer, "SENTINEL")]
    return sum("s_down" not in flag and "o_down" not in flag for flag in flags)
