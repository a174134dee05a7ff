"""The commands `test` and `once`: every target read once, here and now."""

import json
import time
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Final

from exporter.board import Board
from exporter.config import Config, TargetSettings
from exporter.pages import Pages
from exporter.selfmetrics import Telemetry
from exporter.service import targets_of
from exporter.snapshot import Snapshot
from exporter.state import State
from exporter.target import Target

_FIRST_LOOKS: Final = 15.0  # seconds for what is looked at in the background to be looked at once
_SOONEST: Final = 0.25  # seconds until it is seen whether it was
_LETTING_GO: Final = 2.0  # seconds for all targets together, as when the exporter ends


class NoSuchTargetError(Exception):
    """The configuration has no target of that name."""


def read_once(config: Config, names: Sequence[str] = ()) -> tuple[list[Target], list[Snapshot]]:
    """Read the targets of these names, or all, once; give each its own timeout, and return what came."""
    wanted = _chosen(config, names)
    board = Board(Telemetry(State(None)))
    targets = [board.make(settings) for settings in wanted]
    for target in targets:
        target.listen()
    begun = time.monotonic()
    for target in targets:
        target.await_watch(max(0.0, begun + target.settings.timeout - time.monotonic()))
    early, until, pause = _read(targets), begun + _FIRST_LOOKS, _SOONEST
    while early and time.monotonic() < until:
        time.sleep(pause)  # longer each time: all that the targets give is read again
        early, pause = _read(early), pause * 1.5
    snapshots = [target.view() for target in targets]
    _let_go(targets)
    board.close()
    return targets, snapshots


def _read(targets: Sequence[Target]) -> list[Target]:
    """Read each target, in its own timeout; return those of which more will be known soon."""
    rounds = [target.run_now() for target in targets]
    deadlines = [time.monotonic() + target.settings.timeout for target in targets]
    for round, deadline in zip(rounds, deadlines, strict=True):
        _await(round.done, deadline)
    return [target for target, round in zip(targets, rounds, strict=True) if round.early]


def _let_go(targets: Sequence[Target]) -> None:
    """Close the targets, which take away what they made: the process is gone right after."""
    for target in targets:
        target.close()  # all are told before any is awaited
    until = time.monotonic() + _LETTING_GO
    for target in targets:
        target.close(max(0.0, until - time.monotonic()))


def _await(done: Future[None], deadline: float) -> None:
    try:
        done.result(max(0.0, deadline - time.monotonic()))
    except TimeoutError:
        return  # view() tells it as the target's own timeout


def _chosen(config: Config, names: Sequence[str]) -> list[TargetSettings]:
    known = {settings.name: settings for settings in targets_of(config)}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise NoSuchTargetError(f"there is no target {unknown[0]}; there are {', '.join(known)}")
    return [known[name] for name in names] if names else list(known.values())


def page(config: Config) -> str:
    """Return the exposition of one round over every target."""
    targets, snapshots = read_once(config)
    return Pages().page(targets, snapshots, labelled=True, zipped=False).decode()


def succeeded(snapshots: Sequence[Snapshot]) -> bool:
    """Return whether every target answered, and every read that applies worked and found nothing wrong."""
    return all(snapshot.up and not any(outcome.is_wrong for outcome in snapshot.outcomes) for snapshot in snapshots)


def as_text(snapshots: Sequence[Snapshot]) -> str:
    """Return the outcome of every read as a table for people."""
    return "\n".join(line for snapshot in snapshots for line in _lines(snapshot))


def _lines(snapshot: Snapshot) -> list[str]:
    state = "up" if snapshot.up else "DOWN"
    lines = [f"{snapshot.target} ({snapshot.collector}): {state} after {snapshot.duration * 1000:.1f} ms"]
    if snapshot.up is False:  # one reason, and not again for each read
        return [*lines, f"  {snapshot.reason}", *([f"  fix: {snapshot.fix}"] if snapshot.fix else []), ""]
    width = max((len(outcome.read) for outcome in snapshot.outcomes), default=0)
    for outcome in snapshot.outcomes:
        lines.append(
            f"  {outcome.status:<8}{outcome.read:<{width}}  {len(outcome.samples):>5} series  "
            f"{outcome.duration * 1000:>8.1f} ms  {outcome.reason}".rstrip()
        )
        if outcome.fix:
            lines.append(f"  {'':<8}{'':<{width}}  fix: {outcome.fix}")
    return [*lines, ""]


def as_json(snapshots: Sequence[Snapshot]) -> str:
    """Return the same as JSON: a list of targets, each with its reads; durations in seconds."""
    return json.dumps(
        [
            {
                "target": snapshot.target, "collector": snapshot.collector, "up": bool(snapshot.up),
                "duration": snapshot.duration, "reason": snapshot.reason, "fix": snapshot.fix,
                "reads": [
                    {"read": outcome.read, "outcome": outcome.status, "series": len(outcome.samples),
                     "duration": outcome.duration, "reason": outcome.reason, "fix": outcome.fix}
                    for outcome in snapshot.outcomes
                ],
            }
            for snapshot in snapshots
        ],
        indent=1,
    )  # fmt: skip
