"""Users of brokers that may do just what docs/celery.md gives them: enough for all looks, and nothing else."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import rabbitmq
from tests.celeryapp import worker
from tests.onetarget import One, one
from tests.process import ROOT
from tests.rabbitmq import RabbitMQ
from tests.redisserver import server
from tests.support import until

WORD = "choose-one"
READS = ("heartbeats", "events", "workers", "running", "consumers", "queues", "unacknowledged")


def lines(start: str) -> list[str]:
    """Return the commands that the page has."""
    text = (ROOT / "docs" / "celery.md").read_text(encoding="utf-8")
    return re.findall(rf"(?m)^{start} .*$", text)


def settings(url: str, *more: str) -> str:
    return "\n".join([f"url: '{url}'", "max_age: 0s", "control_interval: 1s", "queues: [celery]", *more])


def well(target: One, *reads: str) -> None:
    until(lambda: all(target.outcomes().get(read) == "ok" for read in reads), 40)


def test_redis(tmp_path: Path) -> None:
    commands = lines("ACL SETUSER monitor")
    assert len(commands) == 3
    with server() as running, worker(running.url(database=0), tmp_path):
        for command in commands:
            running.ask(*shlex.split(command))
        url = running.url("monitor", WORD, 0)
        with one("celery", settings(url)) as target:
            well(target, *READS)
            until(lambda: target.page().get("celery_workers_answering") == "1", 20)
            until(lambda: target.page().get("celery_workers_online") == "1", 20)
            assert running.ask("ACL", "LOG") == []
        running.ask("ACL", "SETUSER", "monitor", "-publish")
        with one("celery", settings(url)) as target:
            well(target, "heartbeats", "queues")
            until(lambda: "let the user do that: ACL SETUSER <user> +publish" in target.outcomes()["workers"], 20)
            assert target.read().up


@pytest.fixture(scope="module")
def rabbit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    with rabbitmq.node() as running, worker(running.url(), tmp_path_factory.mktemp("worker")):
        yield running


def may(rabbit: RabbitMQ, configure: str, write: str, read: str, tags: str = "") -> str:
    """Make the user anew; return its address."""
    rabbit.api("PUT", "users/monitor", {"password": WORD, "tags": tags})
    rabbit.api("PUT", "permissions/%2F/monitor", {"configure": configure, "write": write, "read": read})
    return rabbit.url("monitor", WORD)


@pytest.mark.long
def test_rabbitmq(rabbit: RabbitMQ) -> None:
    commands = [shlex.split(line)[1:] for line in lines("rabbitmqctl")]
    assert [command[0] for command in commands] == ["add_user", "set_permissions", "set_user_tags"]
    for command in commands:
        rabbit.control(*command)
    management = f"management: '{rabbit.management('monitor', WORD)}'"
    with one("celery", settings(rabbit.url("monitor", WORD), management)) as target:
        well(target, *READS)
        until(lambda: target.page().get("celery_workers_answering") == "1", 20)
        until(lambda: target.page().get("celery_workers_online") == "1", 20)
        text = f"{target.outcomes()}{target.text()}"
        assert WORD not in text


OWN = r"^amq\.gen-.*$"


@pytest.mark.long
@pytest.mark.parametrize(("rights", "failing", "said"), [
    (("^$", "^$", "^$"), ("heartbeats", "workers"), "let the user configure `amq.gen-.*`"),
    ((OWN, OWN, r"^(amq\.gen-.*|celeryev)$"), ("workers",), "let the user read `reply.celery.pidbox`"),
    ((OWN, OWN, r"^(amq\.gen-.*|celeryev|reply\..*)$"), ("workers",), "let the user write `celery.pidbox`"),
    ((OWN, "^$", r"^.*$"), ("heartbeats", "workers"), "let the user write `amq.gen-.*`"),
    ((OWN, ".*", r"^(amq\.gen-.*|reply\..*)$"), ("heartbeats",), "let the user read `celeryev`"),
    ((OWN, ".*", "^(celeryev|reply.*)$"), ("heartbeats", "workers"), "let the user read `amq.gen-.*`"),
], ids=["none", "no replies", "no questions", "no write", "no events", "no read"])  # fmt: skip
def test_what_lacks_is_named_and_the_other_looks_go_on(
    rabbit: RabbitMQ, rights: tuple[str, str, str], failing: tuple[str, ...], said: str
) -> None:
    url = may(rabbit, *rights)
    with one("celery", settings(url)) as target:
        for read in failing:
            until(lambda: said in target.outcomes()[read], 30)  # noqa: B023
        well(target, *({"heartbeats", "workers", "queues"} - {*failing}))
        assert target.read().up
        assert WORD not in f"{target.outcomes()}{target.text()}"


@pytest.mark.long
def test_a_virtual_host_that_it_may_not_enter_and_a_tag_that_lacks(rabbit: RabbitMQ) -> None:
    url = may(rabbit, ".*", ".*", ".*")
    rabbit.api("PUT", "vhosts/closed")
    with (
        one("celery", settings(rabbit.url("monitor", WORD, "closed"))) as closed,
        one("celery", settings(url, f"management: '{rabbit.management('monitor', WORD)}'")) as untagged,
    ):
        until(lambda: all("refuses us" in closed.outcomes()[read] for read in ("heartbeats", "workers", "queues")), 30)
        until(lambda: "tag `monitoring` or `management`" in untagged.outcomes()["unacknowledged"], 30)
        well(untagged, "queues", "workers")
