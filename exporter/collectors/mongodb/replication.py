"""The replica set, as this member sees it."""

from typing import Any, Final

from exporter.collector import read
from exporter.collectors.mongodb.figures import STATUS, figure
from exporter.collectors.mongodb.session import PLACE, Session
from exporter.metric import Metric, Samples, gauge

_SOURCE: Final = "replSetGetStatus"
_MEMBER: Final = (*PLACE, "member_idx", "member_state")

MY_STATE = gauge(
    "mongodb_rs_myState",
    "The state of this member: 1 primary, 2 secondary, 7 arbiter; another one is on its way, or in trouble.",
    labels=PLACE,
    source=_SOURCE,
)
WRITABLE = gauge(
    "mongodb_ss_repl_isWritablePrimary", "1 where this member takes writes, else 0.", labels=PLACE, source=STATUS
)
MEMBERS_UPTIME = gauge(
    "mongodb_members_uptime",
    "The same as mongodb_rs_members_uptime, under its other name.",
    labels=_MEMBER,
    source=_SOURCE,
)
WRITTEN = gauge(
    "runbook_mongodb_member_written_timestamp_seconds",
    "When the last operation that the member has was written; of members that are reached and hold data.",
    labels=("member", "state"),
    source=_SOURCE,
)
_MEMBERS: Final[dict[str, Metric]] = {
    "_id": gauge("mongodb_rs_members_id", "The member's number in the configuration.", labels=_MEMBER, source=_SOURCE),
    "health": gauge(
        "mongodb_rs_members_health",
        "1 where this member reaches the other one, else 0.",
        labels=_MEMBER,
        source=_SOURCE,
    ),
    "state": gauge(
        "mongodb_rs_members_state",
        "The member's state: 1 primary, 2 secondary, 7 arbiter, 8 not reached.",
        labels=_MEMBER,
        source=_SOURCE,
    ),
    "optimeDate": gauge(
        "mongodb_rs_members_optimeDate",
        "When the member's last operation was written, in Unix milliseconds.",
        labels=_MEMBER,
        source=_SOURCE,
    ),
    "pingMs": gauge(
        "mongodb_rs_members_pingMs", "Milliseconds to the other member and back.", labels=_MEMBER, source=_SOURCE
    ),
    "lastHeartbeat": gauge(
        "mongodb_rs_members_lastHeartbeat",
        "When the other member last answered, in Unix milliseconds.",
        labels=_MEMBER,
        source=_SOURCE,
    ),
    "electionDate": gauge(
        "mongodb_rs_members_electionDate",
        "When the primary was elected, in Unix milliseconds.",
        labels=_MEMBER,
        source=_SOURCE,
    ),
    "uptime": gauge(
        "mongodb_rs_members_uptime",
        "Seconds since the member is up, as this one sees it.",
        labels=_MEMBER,
        source=_SOURCE,
    ),
}
# Of a member that is not reached the figures of its operations are 1970 and say nothing.
_ONLY_REACHED: Final = frozenset({"optimeDate", "uptime", "pingMs"})


@read
def replication(session: Session) -> Samples:
    """This member's state in its replica set."""
    yield MY_STATE(figure(session.replication, "myState"), **session.place)
    repl = session.status.get("repl")
    writable = figure(repl, "isWritablePrimary")
    # before MongoDB 5.0 it has its older name only
    yield WRITABLE(figure(repl, "ismaster") if writable is None else writable, **session.place)


@read
def members(session: Session) -> Samples:
    """All members, as this one sees them."""
    for member in session.replication["members"]:
        yield from _member(member, session.place)


def _member(member: dict[str, Any], place: dict[str, str]) -> Samples:
    labels = {**place, "member_idx": str(member["name"]), "member_state": str(member.get("stateStr") or "")}
    if not figure(member, "health"):
        member = {key: value for key, value in member.items() if key not in _ONLY_REACHED}
    for key, metric in _MEMBERS.items():
        yield metric(figure(member, key), **labels)
    yield MEMBERS_UPTIME(figure(member, "uptime"), **labels)
    written = figure(member, "optimeDate")
    if written is not None:
        yield WRITTEN(written / 1000, member=labels["member_idx"], state=labels["member_state"])
