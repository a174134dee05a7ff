"""What is known of a target: the outcome of its last round, what stays true, and when each read last worked."""

import logging
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from exporter.collector import Read
from exporter.config import TargetSettings
from exporter.metric import CATALOGUE, Metric, Sample
from exporter.snapshot import TIMEOUT, TIMEOUT_FIX, Outcome, Round, Snapshot
from exporter.state import Shelf

log = logging.getLogger(__name__)


class Knowledge:
    """Turns rounds into snapshots. Of a background target, facts and last successes outlive a restart on the shelf."""

    def __init__(self, settings: TargetSettings, reads: Iterable[Read], shelf: Shelf) -> None:
        self._settings = settings
        self._reads = list(reads)
        self._shelf = shelf if settings.interval is not None else None
        self._facts: dict[str, tuple[Sample, ...]] = {}
        self._last_success: dict[str, float] = {}
        self._skipped: dict[str, Outcome] = {}  # of reads that did not apply when they were last made
        self._recall()

    def nothing(self, now: float, reason: str = "") -> Snapshot:
        """Return the snapshot of a target of which nothing but facts is known: not yet, or for a reason."""
        facts = tuple(sample for samples in self._facts.values() for sample in samples)
        return Snapshot(self._settings.name, self._settings.collector, now, False if reason else None, reason=reason,
                        facts=facts, last_success=dict(self._last_success))  # fmt: skip

    def settle(
        self, round: Round, now: float, extra: Iterable[Outcome] = (), *, stale: bool = False, up: bool | None = None
    ) -> Snapshot:
        """Return what a round gave, ended or not, at the monotonic time `now`; what it did not give has failed.

        Of a `stale` round nothing is left but that it is overdue. `up` is whether the target was up before, which
        stands while a round has not given anything yet and is not overdue either.
        """
        done, missing = self._outcomes(round, stale)
        taken = [*done, *missing]
        # what did not apply is not missed when it is not asked again
        outcomes = (*done, *(self._skipped.get(outcome.read, outcome) for outcome in missing), *extra)
        for outcome in outcomes:
            self._learn(outcome)
        failed = [outcome for outcome in (*taken, *extra) if outcome.status == "failed"]
        up = up is True or _answered(taken, round) or not outcomes
        first = failed[0] if failed and not up else None
        ended = now if round.finished is None else round.finished
        return Snapshot(
            self._settings.name, self._settings.collector, round.time, up, ended - round.started,
            first.reason if first else "", first.fix if first else "", outcomes,
            tuple(fact for outcome in failed for fact in self._facts.get(outcome.read, ())), dict(self._last_success),
        )  # fmt: skip

    def _outcomes(self, round: Round, stale: bool) -> tuple[list[Outcome], list[Outcome]]:
        """Return what the reads gave that were made, and failures of the others."""
        trouble = round.trouble
        done = [] if stale or trouble else list(round.outcomes)
        names = {outcome.read for outcome in done}
        model = trouble or Outcome("", "failed", round.time, reason=TIMEOUT, fix=TIMEOUT_FIX)
        missing = [read.name for read in self._reads if read.name not in names]
        return done, [replace(model, read=name, duration=0.0) for name in missing]

    def _learn(self, outcome: Outcome) -> None:
        if outcome.status == "failed":
            return
        self._skipped.pop(outcome.read, None)
        if outcome.status == "skipped":
            self._skipped[outcome.read] = outcome
        if outcome.status == "ok":
            self._last_success[outcome.read] = outcome.time + outcome.duration
        facts = tuple(sample for sample in outcome.samples if sample.metric.fact)
        if facts or outcome.read in self._facts:
            self._facts[outcome.read] = facts
        if self._shelf is not None:
            self._shelf.put(outcome.read, {"success": self._last_success.get(outcome.read),
                                           "facts": [_as_json(fact) for fact in facts]})  # fmt: skip

    def _recall(self) -> None:
        if self._shelf is None:
            return
        for read in self._reads:
            try:
                self._recall_read(read.name, self._shelf.get(read.name))
            except (ValueError, TypeError, KeyError, AttributeError):
                log.warning("what was kept of the read %s is not understood, and left out", read.name,
                            extra={"target": self._settings.name})  # fmt: skip

    def _recall_read(self, read: str, kept: Any) -> None:
        if kept is None:
            return
        facts = tuple(fact for item in kept["facts"] if (fact := _from_json(item)))
        if kept["success"] is not None:
            self._last_success[read] = float(kept["success"])
        if facts:
            self._facts[read] = facts


def _answered(taken: list[Outcome], round: Round) -> bool:
    """Tell whether anything that this round did has worked; what is held from earlier ones says nothing of now."""
    made = [outcome for outcome in taken if outcome.time >= round.time]
    return any(outcome.status != "failed" for outcome in made or taken)


def _as_json(fact: Sample) -> list[Any]:
    return [fact.metric.name, dict(zip(fact.metric.labels, fact.labels, strict=True)), fact.value]


def _from_json(item: list[Any]) -> Sample | None:
    """Return a fact as it was kept, unless its metric is declared otherwise by now."""
    name, labels, value = item
    metric = CATALOGUE.get(name)
    if not isinstance(metric, Metric) or not metric.fact or set(metric.labels) != labels.keys():
        return None
    return metric(value, **labels)
