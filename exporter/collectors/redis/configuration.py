"""The server's limits, its slow commands and moments of high latency."""

from typing import Final

from exporter.collector import Members, NotApplicable, read
from exporter.collectors.redis.info import number
from exporter.collectors.redis.session import LATENCY, SLOWLOG_LAST, SLOWLOG_LENGTH, Session
from exporter.collectors.redis.trouble import listed, strange
from exporter.metric import Metric, Samples, gauge

_CONFIG: Final = "CONFIG GET"
_SLOWLOG: Final = "SLOWLOG"
_LATENCY: Final = "LATENCY LATEST"

_LIMITS: Final[dict[str, Metric]] = {
    "maxclients": gauge("redis_config_maxclients", "How many connections there may be.", source="CONFIG GET or INFO"),
    "maxmemory": gauge(
        "redis_config_maxmemory", "The limit for memory, in bytes; 0 is none.", source="CONFIG GET or INFO"
    ),
}
THREADS = gauge("redis_config_io_threads", "Threads that read and write.", source=_CONFIG)
BUFFER = gauge(
    "redis_config_client_output_buffer_limit_bytes",
    "How much may wait for a client of a class: at `hard` it is hung up on at once; 0 is no limit.",
    labels=("class", "limit"),
    source=_CONFIG,
)
PATIENCE = gauge(
    "redis_config_client_output_buffer_limit_overcome_seconds",
    "How long a client of a class may stay above the limit `soft`.",
    labels=("class", "limit"),
    source=_CONFIG,
)
SLOW_LENGTH = gauge("redis_slowlog_length", "Entries in the list of slow commands.", source=_SLOWLOG)
SLOW_LAST = gauge(
    "redis_slowlog_last_id", "The number of the last slow command; 0 where there is none.", source=_SLOWLOG
)
SLOW_TIME = gauge(
    "redis_last_slow_execution_duration_seconds",
    "How long the last slow command took; 0 where there is none.",
    source=_SLOWLOG,
)
SPIKE = gauge(
    "redis_latency_spike_last",
    "When the latest moment of high latency was, in Unix seconds, by event.",
    unit="timestamp_seconds",
    labels=("event_name",),
    source=_LATENCY,
)
SPIKE_TIME = gauge(
    "redis_latency_spike_duration_seconds",
    "How long that moment took.",
    labels=("event_name",),
    source=_LATENCY,
    fold="max",
)


@read
def limits(session: Session) -> Samples:
    """How many clients and how much memory there may be."""
    for name, metric in _LIMITS.items():
        try:
            value = number(session.setting(name))
        except NotApplicable:
            value = session.info.number(name)
            if value is None:
                raise
        yield metric(value)


@read
def configuration(session: Session) -> Samples:
    """Other settings: threads, and how much may wait for clients of each class."""
    yield THREADS(number(session.setting("io-threads")))
    words = (session.setting("client-output-buffer-limit") or "").split()
    for name, hard, soft, seconds in zip(words[::4], words[1::4], words[2::4], words[3::4], strict=False):
        yield BUFFER(number(hard), **{"class": name, "limit": "hard"})
        yield BUFFER(number(soft), **{"class": name, "limit": "soft"})
        yield PATIENCE(number(seconds), **{"class": name, "limit": "soft"})


@read
def slow_commands(session: Session) -> Samples:
    """How many commands were slow, and how slow the last one was."""
    length = session.answer(SLOWLOG_LENGTH, "server with a list of slow commands")
    yield SLOW_LENGTH(length if isinstance(length, int) else None)
    last = session.answer(SLOWLOG_LAST, "server with a list of slow commands")
    match listed(last, "SLOWLOG GET"):
        case []:
            yield SLOW_LAST(0)
            yield SLOW_TIME(0)
        case [[int(number_of_it), _, int(microseconds), *_], *_]:
            yield SLOW_LAST(number_of_it)
            yield SLOW_TIME(microseconds / 1e6)
        case _:
            raise strange("SLOWLOG GET")


@read(members=Members(("event_name",), 100, SPIKE_TIME))
def latency(session: Session) -> Samples:
    """Moments of high latency, where latency-monitor-threshold is set."""
    for entry in listed(session.answer(LATENCY, "server that watches latency"), "LATENCY LATEST"):
        match entry:
            case [bytes(name), int(when), int(milliseconds), *_]:
                event = name.decode("utf-8", "replace")
                yield SPIKE(when, event_name=event)
                yield SPIKE_TIME(milliseconds / 1000, event_name=event)
            case _:
                raise strange("LATENCY LATEST")
