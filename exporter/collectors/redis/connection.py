"""The one connection to a Redis server: kept between rounds, opened anew where it was lost, cut by any thread."""

import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Final

from exporter.collector import Trouble
from exporter.collectors.redis.address import Address
from exporter.collectors.redis.info import Info
from exporter.collectors.redis.line import Bounds
from exporter.collectors.redis.reply import Command, Refusal, Reply, StrangeError
from exporter.collectors.redis.trouble import broken, refused
from exporter.deadline import GIVEN_UP, within

if TYPE_CHECKING:
    from exporter.collectors.redis.wire import Wire

NAME: Final = "runbook-exporter"
# What the user may not do is not asked at each round: the server counts and logs each refusal.
_REFUSALS_STAND: Final = 300.0
_FAILURES: Final = (OSError, StrangeError)


@dataclass(frozen=True, slots=True)
class Asking:
    """A command of every round, and its name in an ACL, such as `config|get`."""

    name: str
    command: Command


class Server:
    """One server; a round has a deadline for all that it asks."""

    def __init__(self, address: Address, context: Callable[[], ssl.SSLContext], timeout: float) -> None:
        self._address = address
        self._context = context
        self._seconds = within(timeout)
        self._under_way = (0, Bounds(self._seconds))  # the number of the round, and its bounds, changed together
        self._wire: Wire | None = None
        self._refusals: dict[tuple[int, Command], tuple[Refusal, float]] = {}  # by database; each with its end
        self.mode = ""
        self.database = 0
        self.started: tuple[str, float] = ("", 0.0)

    @property
    def round(self) -> int:
        return self._under_way[0]

    @property
    def spent(self) -> float:
        """How much of the round's time is over, as a share."""
        deadline = self._under_way[1].deadline
        return deadline.spent() / deadline.seconds

    def awaken(self) -> None:
        """Begin a round."""
        bounds = Bounds(self._seconds)
        self._under_way = (self.round + 1, bounds)
        if self._wire is not None:
            self._wire.renew(bounds)

    def gather(self, wanted: Callable[[str], Sequence[Asking]]) -> dict[Command, Reply]:
        """Return what the server answers to what is wanted of one in its mode; a lost connection is opened anew."""
        if self._wire is not None:
            # nothing is lost where the connection has ended meanwhile, as by a restart: a new one says what is wrong
            with suppress(Trouble):
                return self._gathered(wanted(self.mode))
        self._open()
        return self._gathered(wanted(self.mode))

    def ask(self, commands: Sequence[Command]) -> list[Reply]:
        """Return the server's answers in order; a Refusal is one. Whatever breaks off ends the connection."""
        if self._wire is None:
            raise Trouble("the connection was let go")
        answers: list[Reply] = []
        try:
            answers.extend(self._wire.ask(commands))
        except _FAILURES as error:
            self.close()
            if answers and isinstance(answers[0], Refusal):  # said as it hung up
                raise refused(answers[0]) from None
            raise self._explained(error) from None
        except BaseException:
            self.close()
            raise
        return answers

    def try_to(self, commands: Sequence[Command], database: int = -1) -> list[Reply]:
        """Return the answers in order, as ask() does; what the server refused lately for good is not asked again.

        A database is named where the answer may be another in each.
        """
        now = time.monotonic()
        self._refusals = {asked: refusal for asked, refusal in self._refusals.items() if now < refusal[1]}
        known = {command: answer for (place, command), (answer, _) in self._refusals.items() if place == database}
        fresh = [command for command in commands if command not in known]
        for command, answer in zip(fresh, self.ask(fresh) if fresh else (), strict=True):
            known[command] = answer
            # without INFO there is nothing: it is asked until it may be
            if isinstance(answer, Refusal) and answer.is_lasting and command[0] != "INFO":
                self._refusals[database, command] = (answer, now + _REFUSALS_STAND)
        return [known[command] for command in commands]

    def understood(self, told: Reply) -> Info:
        """Return what INFO told; Trouble where the server refused it, or is none."""
        if isinstance(told, Refusal):
            raise refused(told, "info")
        try:
            return Info(told)
        except StrangeError as error:
            self.close()
            raise self._explained(error) from None

    def cancel(self, round: int) -> None:
        """Cut the connection, if that round is still under way: who waits for an answer gets an error at once."""
        number, bounds = self._under_way
        if round == number:
            bounds.cancel.cancel()

    def close(self) -> None:
        """Close the connection."""
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.close()

    def _gathered(self, wanted: Sequence[Asking]) -> dict[Command, Reply]:
        commands = [asking.command for asking in wanted]
        return dict(zip(commands, self.try_to(commands), strict=True))

    def _open(self) -> None:
        module = _wire_module()
        wire = module.Wire(self._address, self._context, self._under_way[1])
        try:
            wire.open()
        except module.RefusedError as error:
            raise refused(error.answer) from None
        except _FAILURES as error:
            raise self._explained(error) from None
        self._wire = wire
        self._refusals.clear()
        self.database = 0
        # who may not give a name is served without
        _, told = self.ask([("CLIENT", "SETNAME", NAME), ("INFO", "server")])
        try:
            self.mode = self.understood(told).mode
        except Trouble:
            self.close()
            raise

    def _explained(self, error: Exception) -> Trouble:
        bounds = self._under_way[1]
        if bounds.cancel.cancelled:
            return Trouble(GIVEN_UP)
        return broken(error, self._address, bounds.deadline.seconds)


def _wire_module() -> ModuleType:
    try:
        from exporter.collectors.redis import wire
    except ImportError as error:
        remedy = "install it with: pip install 'runbook-exporter[redis]'"
        raise Trouble(f"the library redis is missing ({error})", remedy) from None
    return wire
