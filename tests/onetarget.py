"""One target of a real collector, read round by round, as the tests of collectors ask for it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from exporter import config
from exporter.board import Board
from exporter.pages import Pages
from exporter.selfmetrics import Telemetry
from exporter.snapshot import Snapshot
from exporter.state import State
from exporter.target import Target
from tests.engine import series_of
from tests.support import until


class One:
    """A target at work; `read()` makes a whole round."""

    def __init__(self, target: Target) -> None:
        self.target = target

    def read(self, seconds: float = 20.0) -> Snapshot:
        """Make a round now, and return what is known after it, or when the target's own timeout is over."""
        round = self.target.run_now()
        deadline = time.monotonic() + seconds
        until(lambda: round.done.done() or self.target.patience(round) <= 0, deadline - time.monotonic())
        return self.target.view()

    def page(self) -> dict[str, str]:
        """Make a round; return the target's page at /probe as values by series."""
        return series_of(self.text())

    def text(self) -> str:
        """Make a round; return the target's page at /probe."""
        return Pages().page([self.target], [self.read()], labelled=False, zipped=False).decode()

    def outcomes(self) -> dict[str, str]:
        """Make a round; return how each read fared: `ok`, or its status and the reason with the remedy."""
        snapshot = self.read()
        return {
            outcome.read: " ".join(filter(None, (outcome.status, outcome.reason, outcome.fix)))
            for outcome in snapshot.outcomes
        }


@contextmanager
def one(kind: str, settings: str, state: Path | None = None) -> Iterator[One]:
    """Configure one target of this kind, `settings` being the lines of YAML below its name; let go of it at the end.

    Its watch or toil listens from the beginning; what outlives a restart is kept in the directory `state`, if given.
    """
    lines = "".join(f"    {line}\n" for line in settings.strip().splitlines())
    text = f"targets:\n  it:\n    collector: {kind}\n{lines}"
    bound = config.read(text.encode(), str(Path("config.yml")), config.INSTALLED, {})
    kept = State(state)
    board = Board(Telemetry(kept))
    target = board.make(bound.targets[0])
    target.listen()
    target.await_watch(10.0)
    try:
        yield One(target)
    finally:
        target.close(10.0)
        board.close()
        kept.close()
