"""What reads say where there is nothing to tell yet: why that is so, and whether it ends by itself."""

import time
from typing import Any

import pytest

from exporter.collector import NotApplicable, Trouble
from exporter.collectors.celery import online, queues, tasks, workers
from exporter.collectors.celery.look import look_key, standing
from exporter.collectors.celery.presence import ASKED

ASKED_ONCE = {"workers": {}, "answering": 0, "tasks": {}, "consumed": {}, "settings": {"interval": 15.0}}


def entries(**looks: bool | str) -> dict[str, Any]:
    """Return entries of looks that are well, fail with a reason, or are off."""
    now, found = time.time(), {}
    for name, ok in looks.items():
        reason = ok if isinstance(ok, str) and ok != "off" else ""
        found[look_key(name)] = {**standing(not reason, now, now, reason), **({"off": True} if ok == "off" else {})}
    return found


@pytest.mark.parametrize(("given", "more", "said", "early"), [
    ({}, {}, "the queues that workers consume were not looked at yet", True),
    ({"control": True}, {}, "the queues that workers consume were not looked at yet", True),
    ({"control": True}, {ASKED: ASKED_ONCE, "control:queues": {"queues": ["q"]}}, "were not looked at yet", True),
    ({"control": True}, {ASKED: ASKED_ONCE}, "no worker that answers consumes a queue", False),
    ({"control": "it refuses us"}, {}, "workers do not answer which", False),
    ({"control": "off"}, {}, "workers do not answer which", False),
], ids=["first", "not asked", "told just now", "nobody", "refused", "off"])  # fmt: skip
def test_why_no_queue_is_known(given: dict[str, bool | str], more: dict[str, Any], said: str, early: bool) -> None:
    with pytest.raises(Trouble, match=said) as caught:
        list(queues.queues.function({**entries(broker=True, **given), **more}))
    assert caught.value.early is early
    assert isinstance(caught.value, NotApplicable) is not early


def test_no_wait_is_known_before_a_task_began_of_which_its_sender_told() -> None:
    sent = {'tasks:sent:["app.add","celery","web"]': 1}
    for more, said in (({}, "no sender told when it sent a task"), (sent, "no task began yet of which its sender")):
        with pytest.raises(NotApplicable, match=said):
            list(tasks.waits.function({**entries(events=True), **more}))


@pytest.mark.parametrize("read", [workers.workers, workers.running, workers.consumers, online.heartbeats, tasks.events])
def test_what_a_first_look_ends_is_early(read: Any) -> None:
    for given in ({}, entries(control=True, events=True)):
        with pytest.raises(Trouble) as caught:
            list(read.function(given))
        assert caught.value.early
    with pytest.raises(Trouble, match="refuses us") as caught:
        list(read.function(entries(control="it refuses us", events="it refuses us")))
    assert not caught.value.early
