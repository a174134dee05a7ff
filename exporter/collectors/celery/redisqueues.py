"""Queues in Redis: a list for each priority, and what workers have taken in two keys of all queues."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from exporter.collector import Trouble
from exporter.collectors.celery.bindings import Bindings
from exporter.collectors.celery.brokerline import BrokerLine, whole
from exporter.collectors.celery.found import Found, Queue
from exporter.collectors.celery.settings import CelerySettings
from exporter.collectors.celery.tails import Tails
from exporter.collectors.redis.reply import Command, Refusal, Reply
from exporter.collectors.redis.trouble import refused

# Applications often have all ten steps, and what lies in a list that nobody was told of must be counted all the same.
_USUAL_STEPS: Final = range(10)
_AT_A_TIME: Final = 2000
_SHOWN: Final = 3


class RedisQueues:
    """The queues in one database."""

    def __init__(self, settings: CelerySettings) -> None:
        self._settings = settings
        self._line = BrokerLine(settings)
        self._tails = Tails()
        self._bindings = Bindings(settings)
        self._steps = sorted({*_USUAL_STEPS, *settings.priority_steps})

    def remember(self, name: str, kept: Mapping[str, Any]) -> None:
        for step, seen in kept.get("tails", {}).items():
            self._tails.remember(self._key(name, int(step)), seen)

    def kept(self, name: str) -> dict[str, Any]:
        tails = {str(step): self._tails.kept(self._key(name, step)) for step in self._steps} if name else {}
        return {"tails": {step: seen for step, seen in tails.items() if seen}}

    def look(self, names: Mapping[str, bool], now: float) -> Found:
        self._line.begin()
        found = Found()
        lengths = self._lengths(names, found)
        self._tails.look(self._line, {self._key(name, step): length for name, steps in lengths.items()
                                      for step, length in steps.items()}, now)  # fmt: skip
        there = self._there(names, lengths, found, now)
        found.unsure |= names.keys() - lengths.keys()
        for name, steps in lengths.items():
            if name in there:
                found.queues[name] = self._queue(name, steps, now)
        found.remarks.extend(self._problems(lengths))
        self._unacknowledged(found)
        if not there and not found.names and not found.unacked:
            self._find_nothing(names, found)
        return found

    def _there(
        self, names: Mapping[str, bool], lengths: Mapping[str, Mapping[int, int]], found: Found, now: float
    ) -> set[str]:
        """Return which queues are there: with messages, consumed, or declared; an empty list has no key in Redis."""
        there = {name for name, must in names.items() if must or any(lengths.get(name, {}).values())}
        doubtful = [name for name in lengths if name not in there]
        if self._settings.queues and not doubtful:
            return there
        found.names = self._bindings.look(self._line, now)
        if self._bindings.problem:
            found.remarks.append(self._bindings.problem)
        declared = [name for name in doubtful if name in found.names]
        unknown = [name for name in doubtful if name not in found.names]
        answers = self._all([("EXISTS", self._binding(name)) for name in unknown])
        if not self._bindings.is_known:
            found.unsure |= {*unknown}
        # who may not ask has to take it for there
        return {*there, *declared, *(name for name, answer in zip(unknown, answers, strict=True) if answer != 0)}

    def close(self) -> None:
        self._line.close()

    def _key(self, name: str, step: int) -> str:
        of_step = f"{self._settings.priority_separator}{step}" if step else ""
        return f"{self._settings.global_keyprefix}{name}{of_step}"

    def _lengths(self, names: Iterable[str], found: Found) -> dict[str, dict[int, int]]:
        """Return how long the lists of each queue are, by step; queues that cannot be looked at are remarked upon."""
        places = [(name, step) for name in names for step in self._steps]
        answers = self._all([("LLEN", self._key(name, step)) for name, step in places])
        lengths: dict[str, dict[int, int]] = {}
        refusals: dict[str, Trouble] = {}
        for (name, step), answer in zip(places, answers, strict=True):
            if isinstance(answer, Refusal):
                refusals.setdefault(name, _of_list(answer))
            else:
                lengths.setdefault(name, {})[step] = whole(answer, "llen")
        for name in refusals:
            lengths.pop(name, None)
        if refusals and not lengths:
            raise next(iter(refusals.values()))
        for name, trouble in list(refusals.items())[:_SHOWN]:
            found.remarks.append(f"without the queue {name}: {trouble} ({trouble.fix})")
        return lengths

    def _all(self, commands: list[Command]) -> list[Reply]:
        answers: list[Reply] = []
        for begin in range(0, len(commands), _AT_A_TIME):
            answers += self._line.ask(commands[begin : begin + _AT_A_TIME])
        return answers

    def _queue(self, name: str, steps: Mapping[int, int], now: float) -> Queue:
        held = [step for step, length in steps.items() if length]
        since = [self._tails.since(self._key(name, step), now) for step in held]
        known = [moment for moment in since if moment is not None]
        several = any(held) or len(held) > 1
        return Queue(
            length=sum(steps.values()),
            priorities={str(step): steps[step] for step in sorted({*held, *self._settings.priority_steps})}
            if several else {},
            since=min(known) if known else None,
        )  # fmt: skip

    def _problems(self, lengths: Mapping[str, Mapping[int, int]]) -> list[str]:
        problems = [
            f"the next message of the queue {name} {problem}, so its age is not known"
            for name, steps in lengths.items() for step, length in steps.items()
            if length and (problem := self._tails.problem(self._key(name, step)))
        ]  # fmt: skip
        return problems[:_SHOWN]

    def _unacknowledged(self, found: Found) -> None:
        """Find how many messages workers have taken and not acknowledged, and when the first of them was taken."""
        index = self._settings.global_keyprefix + self._settings.unacked_index_key
        size, first = self._line.ask([("ZCARD", index), ("ZRANGE", index, "0", "0", "WITHSCORES")])
        for answer in (size, first):
            if isinstance(answer, Refusal):
                trouble = refused(answer, "zcard +zrange")
                found.troubles["unacknowledged"] = (str(trouble), trouble.fix)
                return
        found.unacked = whole(size, "zcard")
        if isinstance(first, list) and len(first) == 2:
            found.unacked_since = float(first[1])

    def _binding(self, exchange: str) -> str:
        return f"{self._settings.global_keyprefix}_kombu.binding.{exchange}"

    def _find_nothing(self, names: Iterable[str], found: Found) -> None:
        """Find out whether the database shows any sign of Celery: it may be another that the application uses."""
        exchanges = {*list(names)[:_SHOWN], "celery", self._settings.event_exchange,
                     f"{self._settings.control_exchange}.pidbox"}  # fmt: skip
        (answer,) = self._line.ask([("EXISTS", *map(self._binding, sorted(exchanges)))])
        found.is_bare = answer == 0


def _of_list(answer: Refusal) -> Trouble:
    if answer.code == "WRONGTYPE":
        return Trouble("its key is no list", "correct its name in `queues`, or leave it out")
    return refused(answer, "llen")
