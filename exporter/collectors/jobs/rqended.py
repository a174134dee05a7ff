"""Runs of RQ that have ended: followed in the registries in which RQ keeps them for a while."""

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from exporter.collectors.jobs.rqsession import Job, RQSession, text
from exporter.collectors.jobs.tally import Tally, single
from exporter.collectors.redis.trouble import listed

_OUTCOMES: Final = {"finished": "success", "failed": "failure"}
_LATE: Final = 300.0  # seconds by which a run may be told later than another that ended later
_FAILURE_KEPT: Final = 31_536_000.0  # seconds, where a job says nothing else: RQ's DEFAULT_FAILURE_TTL
_AT_ONCE: Final = 20  # registries asked for together, as each may give long lists
_ALIKE: Final = 60.0  # seconds between the times for which runs are kept that count as the same

Entry = tuple[str, float]
"""The name of a job in a registry, and until when it is kept there."""


class Registry(NamedTuple):
    """Where the jobs of a queue are that have ended in one way."""

    queue: str
    name: str

    def key(self, session: RQSession) -> str:
        return session.key(self.name, self.queue)


class RunsEnded:
    """Counts the runs that have ended; one is looked at once, as long as its registry has it."""

    def __init__(self, tally: Tally, most: int) -> None:
        self._tally = tally
        self._most = most
        # what each registry has: as hashes, since names would take four times as much
        self._seen: dict[Registry, set[int]] = {}
        self._counted: dict[Entry, None] = {}  # of late: a job, and when that run ended
        self._again = False
        self._floor = tally.mark
        self._newest = tally.mark or 0.0

    def look(self, session: RQSession) -> str:
        """Count what has ended since the last look; return what may be missing."""
        there = [Registry(queue, name) for queue in session.queues for name in _OUTCOMES]
        missed: list[str] = []
        for start in range(0, len(there), _AT_ONCE):
            missed += self._follow(session, there[start : start + _AT_ONCE])
        self._again = True
        self._seen = {registry: self._seen[registry] for registry in there}  # queues come and go
        self._counted = {run: None for run in self._counted if run[1] > self._newest - _LATE}
        late = max(self._floor or 0.0, self._newest - _LATE)
        self._floor = late if self._tally.mark is not None else self._newest
        self._tally.keep(self._newest)
        return "; ".join(missed)

    def _follow(self, session: RQSession, registries: Sequence[Registry]) -> Iterator[str]:
        """Count what is new in some registries; yield what may be missing."""
        found = session.each({
            registry: [("ZCARD", registry.key(session)),
                       ("ZREVRANGE", registry.key(session), "0", str(self._most - 1), "WITHSCORES")]
            for registry in registries
        })  # fmt: skip
        entries = {registry: _entries(answer, "ZREVRANGE") for registry, (_, answer) in found.items()}
        fresh = {registry: self._fresh(registry, has) for registry, has in entries.items()}
        jobs = session.jobs({registry: [name for name, _ in new] for registry, new in fresh.items()})
        for registry in registries:
            counted = self._count(registry, entries[registry], list(zip(fresh[registry], jobs[registry], strict=True)))
            if self._again and counted == self._most:
                yield (f"more than {self._most:,} runs of {registry.queue} ended between two looks, and the rest is "
                       "not counted")  # fmt: skip
            elif found[registry][0] > self._most and self._hides(session, registry, entries[registry]):
                yield (f"{found[registry][0]:,} runs of {registry.queue} are kept as {registry.name}, not all for as "
                       f"long, and only those are counted that are among the {self._most:,} kept longest: raise "
                       "`max_runs`")  # fmt: skip

    def _fresh(self, registry: Registry, entries: Sequence[Entry]) -> list[Entry]:
        seen = self._seen.get(registry, set())
        return [entry for entry in entries if hash(entry) not in seen]

    def _count(self, registry: Registry, entries: Sequence[Entry], runs: Sequence[tuple[Entry, Job]]) -> int:
        """Count the runs that were not counted yet; return how many these are."""
        outcome = _OUTCOMES[registry.name]
        counted = sum(self._see(entry, job, outcome) for entry, job in runs)
        unknown = {entry for entry, job in runs if _ended(entry, job, outcome) is None and not job.gone}
        self._seen[registry] = {hash(entry) for entry in entries if entry not in unknown}  # those are looked at again
        return counted

    def _see(self, entry: Entry, job: Job, outcome: str) -> bool:
        """Count a run that was not counted yet; tell whether that is so."""
        ended = _ended(entry, job, outcome)
        if ended is None or (entry[0], ended) in self._counted:
            return False
        self._newest = max(self._newest, min(ended, time.time()))  # a worker's clock may be ahead
        # what ended after now, by a clock that is ahead, was counted before the restart
        ahead = not self._again and ended > time.time()
        counts = self._tally.mark is not None and ended > (self._floor or 0.0) and not ahead
        self._counted[entry[0], ended] = None
        if self._tally.mark is None or counts:
            self._tally.see(single(job.called, outcome, ended, job.started), counts=counts)
        return counts

    def _hides(self, session: RQSession, registry: Registry, entries: Sequence[Entry]) -> bool:
        """Tell whether new runs may lie behind the last one that is looked at: where not all are kept for as long."""
        place, now = registry.key(session), f"{time.time():.0f}"
        lowest, soonest = session.ask([
            ("ZRANGE", place, "0", "0", "WITHSCORES"),
            ("ZRANGEBYSCORE", place, now, "+inf", "WITHSCORES", "LIMIT", "0", "1"),
        ])  # fmt: skip
        some = [*_entries(lowest, "ZRANGE"), *_entries(soonest, "ZRANGEBYSCORE"), *entries[-1:]]
        jobs = session.jobs({registry: [name for name, _ in some]})[registry]
        spans = [_kept(entry, job) for entry, job in zip(some, jobs, strict=True) if not job.gone]
        return math.inf in spans or max(spans, default=0.0) - min(spans, default=0.0) > _ALIKE


def _ended(entry: Entry, job: Job, outcome: str) -> float | None:
    """Return when a run ended; of one whose worker vanished, which RQ does not write down, when it was given up."""
    if job.ended is not None and job.ended >= (job.started or 0.0):
        return job.ended
    if outcome != "failure" or job.started is None or not 0 < entry[1] < math.inf:
        return None
    return entry[1] - (_FAILURE_KEPT if job.kept is None else job.kept)


def _kept(entry: Entry, job: Job) -> float:
    return entry[1] - (job.ended or entry[1]) if 0 < entry[1] < math.inf else math.inf


def _entries(answer: Any, command: str) -> list[Entry]:
    flat: Iterable[Any] = iter(listed(answer, command))
    return [(text(name), float(score)) for name, score in zip(flat, flat, strict=True)]
