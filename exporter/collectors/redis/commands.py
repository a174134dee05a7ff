"""What commands cost, and which errors were answered."""

from collections.abc import Callable
from typing import Final

from exporter.collector import Members, NotApplicable, read
from exporter.collectors.redis.info import number
from exporter.collectors.redis.session import Session
from exporter.metric import Metric, Samples, counter

_SOURCE: Final = "INFO"


def _of_command(name: str, help: str) -> Metric:
    return counter(name, help, labels=("cmd",), source=_SOURCE)


CALLS = _of_command("redis_commands_total", "Calls of the command that were done.")
_DURATION = _of_command("redis_commands_duration_seconds_total", "Time that went into the command.")
_REJECTED = _of_command(
    "redis_commands_rejected_calls_total", "Calls of the command that were refused before it began."
)
_FAILED = _of_command("redis_commands_failed_calls_total", "Calls of the command that ended with an error.")
ERRORS = counter(
    "redis_errors_total", "Errors that were answered, by the code that begins them.", labels=("err",), source=_SOURCE
)


# By these workers wait for messages: rules tell servers with queues by them, so they never add up in `other`.
WAITING: Final = frozenset(
    {"blpop", "brpop", "blmove", "brpoplpush", "blmpop", "bzpopmin", "bzpopmax", "bzmpop", "xreadgroup"}
)


@read(members=Members(("cmd",), 100, CALLS))
def commands(session: Session) -> Samples:
    """Calls of each command, their time, and those that went wrong."""
    yield from _counted(session, lambda name: name not in WAITING)


@read
def waiting_commands(session: Session) -> Samples:
    """The same of commands by which workers wait for messages."""
    yield from _counted(session, WAITING.__contains__)


def _counted(session: Session, is_meant: Callable[[str], bool]) -> Samples:
    for name, counts in session.info.entries("Commandstats", "cmdstat_"):
        if is_meant(name):
            microseconds = number(counts.get("usec"))
            yield CALLS(number(counts.get("calls")), cmd=name)
            yield _DURATION(microseconds if microseconds is None else microseconds / 1e6, cmd=name)
            yield _REJECTED(number(counts.get("rejected_calls")), cmd=name)
            yield _FAILED(number(counts.get("failed_calls")), cmd=name)


@read(members=Members(("err",), 100, ERRORS))
def errors(session: Session) -> Samples:
    """Errors that were answered."""
    if "total_error_replies" not in session.info.fields:
        raise NotApplicable("the server does not count errors; Redis does from 6.2 on")
    for code, counts in session.info.entries("Errorstats", "errorstat_"):
        yield ERRORS(number(counts.get("count")), err=code)
