"""One round over the commands of a target: they run one after the other, in the time that the round has."""

from typing import Final

from exporter.collector import Trouble
from exporter.command import Ended, run
from exporter.deadline import Cancel, Deadline
from exporter.program import ProgramSettings

_FIX: Final = "raise the target's `timeout` and `interval` above what its commands take together"
_USUAL: Final = 30.0
_LEAST: Final = 0.1  # seconds below which nothing is begun any more


def allowed(timeout: float | None, round: float) -> float:
    """Return how long a command may take: what is said, or what is usual where a round has twice that."""
    return timeout if timeout is not None else min(_USUAL, round / 2)


class Session:
    """Runs commands one at a time; cancel() ends the one that runs."""

    def __init__(self, seconds: float) -> None:
        self.cancelling = Cancel()
        self._deadline = Deadline(seconds)

    def cancel(self) -> None:
        self.cancelling.cancel()

    def left(self, timeout: float) -> float:
        """Return the seconds that a command may take; Trouble where the round has too few."""
        left = self._deadline.seconds - self._deadline.spent()
        if left < min(_LEAST, timeout):
            raise Trouble("no time is left for it in this round, after the commands before it", _FIX)
        return min(left, timeout)

    def run(self, program: ProgramSettings, timeout: float, most: int) -> Ended:
        """Return how the program ended; Trouble where it had less time than it may take, and needed more."""
        seconds = self.left(timeout)
        ended = run(program, timeout=seconds, most=most, cancel=self.cancelling)
        if not ended.in_time:
            self.check_own_fault(seconds, timeout)
        return ended

    def check_own_fault(self, seconds: float, timeout: float) -> None:
        """Raise Trouble where what did not end within these seconds was cut by the round, not by its own timeout."""
        if self.cancelling.cancelled or seconds < timeout:
            raise Trouble(f"it was killed after {seconds:.1f} s, as the round was over, not its own timeout", _FIX)
