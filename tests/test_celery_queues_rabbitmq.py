"""Celery's queues in a real RabbitMQ: how long they are, who consumes them, and since when messages wait."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import amqp
import pytest

from exporter.collectors.celery.found import Found
from exporter.collectors.celery.rabbitmq import RabbitQueues
from exporter.collectors.celery.settings import CelerySettings
from exporter.collectors.celery.trouble import explained
from exporter.setting import SecretURL
from tests.rabbitmq import USER, RabbitMQ, emptied, node
from tests.support import until


@pytest.fixture(scope="module")
def running() -> Iterator[RabbitMQ]:
    with node() as rabbit:
        yield rabbit


@pytest.fixture
def rabbit(running: RabbitMQ) -> Iterator[RabbitMQ]:
    with emptied(running) as rabbit:
        yield rabbit


def settings(rabbit: RabbitMQ, url: str = "", *, managed: bool = False, user: str = "", **more: Any) -> CelerySettings:
    management = rabbit.management(user) if user else rabbit.management()
    return CelerySettings(
        url=SecretURL(url or rabbit.url()), management=SecretURL(management) if managed or user else None, **more
    )


def look(queues: RabbitQueues, now: float, *names: str) -> Found:
    return queues.look(dict.fromkeys(names or ("celery",), True), now)


def told(rabbit: RabbitMQ, **figures: int) -> None:
    """Wait until the management API tells these figures of the queue."""

    def is_told() -> bool:
        queue = rabbit.api("GET", "queues/%2F/celery")
        found = {**queue, **queue.get("message_stats", {})}
        return all(found.get(name) == figure for name, figure in figures.items())

    until(is_told, 20)


def test_lengths_and_consumers(rabbit: RabbitMQ) -> None:
    rabbit.declare("celery")
    rabbit.publish("celery", 3)
    queues = RabbitQueues(settings(rabbit))
    found = look(queues, 100.0, "celery", "gone", "other").queues
    assert list(found) == ["celery"]  # the others are not there, and nothing is said of them
    assert (found["celery"].length, found["celery"].consumers) == (3, 0)
    with rabbit.connect() as connection, connection.channel() as channel:
        channel.basic_qos(0, 1, False)
        channel.basic_consume("celery", callback=lambda _: None)
        connection.drain_events(timeout=5)
        celery = look(queues, 101.0).queues["celery"]
        assert (celery.length, celery.consumers, celery.since) == (2, 1, None)
    queues.close()


def test_a_queue_that_is_not_there_is_asked_for_once_a_minute(rabbit: RabbitMQ) -> None:
    queues = RabbitQueues(settings(rabbit))
    before = rabbit.log().count("no queue 'gone'")
    for second in range(59):
        assert look(queues, 100.0 + second, "gone").queues == {}
    until(lambda: rabbit.log().count("no queue 'gone'") == before + 1)
    rabbit.declare("gone")
    assert list(look(queues, 161.0, "gone").queues) == ["gone"]
    queues.close()


def test_a_queue_of_one_connection_alone_hides_no_other(rabbit: RabbitMQ) -> None:
    rabbit.declare("celery")
    rabbit.declare("zone")
    queues = RabbitQueues(settings(rabbit))
    with rabbit.connect() as connection, connection.channel() as channel:
        channel.queue_declare("mine", exclusive=True)
        for second in range(3):
            found = look(queues, 100.0 + second, "celery", "mine", "zone")
            assert list(found.queues) == ["celery", "zone"]
            assert found.unsure == {"mine"}
            assert "without the queue mine, which is of one connection alone" in found.remarks[0]
    until(lambda: rabbit.log().count("RESOURCE_LOCKED") >= 1 or rabbit.log().count("locked queue 'mine'") >= 1, 20)
    assert rabbit.log().count("locked queue 'mine'") == 1  # the broker logs each such question
    queues.close()


def test_queues_that_nobody_names_are_found_by_the_management_api(rabbit: RabbitMQ) -> None:
    with rabbit.connect() as connection, connection.channel() as channel:
        for name in ("mail", "dead-letters", "celery_delayed_3"):
            channel.queue_declare(name, durable=True, auto_delete=False)
        channel.queue_declare("mine", exclusive=True)
        channel.exchange_declare("mail", "direct", durable=True, auto_delete=False)
        channel.exchange_declare("mine", "direct")
        queues = RabbitQueues(settings(rabbit, managed=True))
        until(lambda: queues.look({"celery": False}, 100.0).names == {"mail"}, 20)
        given = RabbitQueues(settings(rabbit, managed=True, queues=("celery",)))
        assert given.look({"celery": False}, 100.0).names == set()
        queues.close()
        given.close()
        channel.exchange_delete("mail")


def test_messages_that_nobody_could_take(rabbit: RabbitMQ) -> None:
    rabbit.declare("celery")
    queues = RabbitQueues(settings(rabbit))
    assert look(queues, 90.0).queues["celery"].since is None
    rabbit.publish("celery", 2)
    assert look(queues, 100.0).queues["celery"].since == 100.0
    rabbit.publish("celery", 2)
    assert look(queues, 200.0).queues["celery"].since == 100.0
    again = RabbitQueues(settings(rabbit))
    again.remember("celery", queues.kept("celery"))
    assert look(again, 300.0).queues["celery"].since == 100.0
    rabbit.get("celery")
    assert look(again, 400.0).queues["celery"].since == 400.0
    for made in (queues, again):
        made.close()


@pytest.mark.long
def test_ages_by_the_management_api(rabbit: RabbitMQ) -> None:
    rabbit.declare("celery")
    rabbit.publish("celery", 10)
    told(rabbit, messages_ready=10)
    queues = RabbitQueues(settings(rabbit, managed=True))
    with rabbit.connect() as connection, connection.channel() as channel:
        channel.basic_qos(0, 4, False)
        channel.basic_consume("celery", callback=lambda _: None)
        connection.drain_events(timeout=5)
        told(rabbit, messages_ready=6, messages_unacknowledged=4)
        found = look(queues, 100.0)
        assert (found.queues["celery"].since, found.queues["celery"].unacked) == (100.0, 4)
        found = look(queues, 500.0)
        assert (found.queues["celery"].since, found.queues["celery"].unacked_since) == (100.0, 100.0)
        assert (found.unacked, found.unacked_since) == (4, 100.0)
    queues.close()
    rabbit.get("celery", 10)
    told(rabbit, messages_ready=0, messages_unacknowledged=0)
    after = look(queues, 600.0)
    assert (after.queues["celery"].since, after.unacked, after.unacked_since) == (None, 0, None)
    queues.close()


def test_a_user_without_any_rights_is_enough(rabbit: RabbitMQ) -> None:
    rabbit.declare("celery")
    rabbit.publish("celery", 2)
    told(rabbit, messages_ready=2)
    rabbit.user("monitor", tags="management")
    queues = RabbitQueues(settings(rabbit, rabbit.url("monitor"), user="monitor"))
    found = look(queues, 100.0)
    assert (found.queues["celery"].length, found.queues["celery"].since, found.troubles) == (2, 100.0, {})
    queues.close()


@pytest.mark.parametrize("which", ["password", "vhost", "no_vhost"])
def test_who_may_not_enter(rabbit: RabbitMQ, which: str) -> None:
    rabbit.user("monitor")
    if which == "vhost":
        rabbit.api("PUT", "vhosts/theirs", {})
    url = {
        "password": rabbit.url("monitor", "wrong-word-for-it"), "vhost": rabbit.url("monitor", vhost="theirs"),
        "no_vhost": rabbit.url("monitor", vhost="nowhere"),
    }[which]  # fmt: skip
    with pytest.raises(Exception, match=r"ACCESS_REFUSED|access to vhost|not found") as caught:
        look(RabbitQueues(settings(rabbit, url)), 100.0)
    trouble = explained(caught.value, settings(rabbit, url))
    assert "refuses us" in str(trouble)
    assert "wrong-word" not in str(trouble)


@pytest.mark.parametrize("which", ["denied", "untagged", "elsewhere", "silent"])
def test_the_management_api_fails_alone(rabbit: RabbitMQ, which: str) -> None:
    rabbit.declare("celery")
    rabbit.publish("celery", 2)
    rabbit.user("untagged")
    address, said = {
        "denied": (rabbit.management(password="wrong-word-for-it"), "refuses us"),
        "untagged": (rabbit.management("untagged"), "refuses us"),
        "elsewhere": (rabbit.management() + "/nowhere", "answers with status 400"),
        "silent": ("http://127.0.0.1:9", "cannot be reached"),
    }[which]
    queues = RabbitQueues(CelerySettings(url=SecretURL(rabbit.url()), management=SecretURL(address)))
    found = look(queues, 100.0)
    assert (found.queues["celery"].length, found.unacked) == (2, None)
    assert said in found.troubles["management"][0]
    assert "wrong-word" not in str(found.troubles)
    queues.close()


def test_three_hundred_looks_change_nothing(rabbit: RabbitMQ) -> None:
    rabbit.declare("celery")
    rabbit.publish("celery", 5, "what is in it")
    told(rabbit, messages_ready=5)
    queues = RabbitQueues(settings(rabbit))
    for second in range(300):
        assert look(queues, 100.0 + second, "celery", "gone").queues["celery"].length == 5
    queues.close()
    (queue,) = rabbit.api("GET", "queues/%2F")
    assert queue["name"] == "celery"
    assert queue.get("message_stats", {}).get("deliver_get", 0) == 0
    taken = rabbit.api("POST", "queues/%2F/celery/get", {"count": 9, "ackmode": "ack_requeue_true", "encoding": "auto"})
    assert [(message["payload"], message["redelivered"]) for message in taken] == [("what is in it", False)] * 5


@pytest.mark.long
def test_a_thousand_queues(rabbit: RabbitMQ) -> None:
    names = [f"queue-{number}" for number in range(1000)]
    rabbit.api("PUT", "vhosts/many", {})
    rabbit.api("PUT", f"permissions/many/{USER}", dict.fromkeys(("configure", "write", "read"), ".*"))
    with rabbit.connect("many") as connection, connection.channel() as channel:
        for name in names:
            channel.queue_declare(name, auto_delete=False, nowait=True)
        channel.queue_declare(names[-1], passive=True)
    queues = RabbitQueues(settings(rabbit, rabbit.url(vhost="many")))
    assert len(look(queues, 100.0, *names).queues) == 1000
    queues.close()
    rabbit.api("DELETE", "vhosts/many")


def test_a_connection_that_ended_is_an_error_and_opened_anew(rabbit: RabbitMQ) -> None:
    rabbit.declare("celery")
    queues = RabbitQueues(settings(rabbit))
    look(queues, 100.0)
    until(lambda: rabbit.api("GET", "connections"), 20)  # it is told of them after a while
    for connection in rabbit.api("GET", "connections?columns=name"):
        rabbit.api("DELETE", f"connections/{quote(connection['name'], safe='')}")
    with pytest.raises((OSError, amqp.AMQPError)):
        look(queues, 101.0)
    queues.close()
    assert look(queues, 120.0).queues["celery"].length == 0
    queues.close()
