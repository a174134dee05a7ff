"""Commands run in the background, one at a time: their success, their time, and programs that must be installed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from exporter.collector import Collector, Context, Read, read
from exporter.collectors.command.prerequisites import OK, Prerequisite
from exporter.collectors.command.runs import Command
from exporter.collectors.command.session import Session, allowed
from exporter.collectors.command.settings import CommandsSettings
from exporter.deadline import within
from exporter.mappingpick import MISSING
from exporter.metric import Remarking, Samples

__all__ = ["MISSING", "OK", "Commands"]


class Commands(Collector[Session]):
    """Commands run in the background, and programs that must be installed; each is a read of its own name."""

    Settings = CommandsSettings
    interval = 300.0

    def __init__(self, settings: CommandsSettings, context: Context) -> None:
        super().__init__(settings, context)
        round = context.timeout
        self._commands = {
            name: Command(name, one, allowed(one.timeout, round), context.shelf)
            for name, one in settings.commands.items()
        }
        self._prerequisites = {
            name: Prerequisite(name, one, allowed(one.timeout, round)) for name, one in settings.prerequisites.items()
        }

    @contextmanager
    def connect(self) -> Iterator[Session]:
        yield Session(within(self.context.timeout))

    @read
    def command(self, session: Session, name: str) -> Remarking:
        """How the last run of a command ended, when, and what its output is mapped to."""
        return (yield from self._commands[name].samples(session))

    @read
    def prerequisite(self, session: Session, name: str) -> Remarking:
        """Whether a program that is needed is there, and its version."""
        return (yield from self._prerequisites[name].samples(session))

    def reads(self) -> list[Read]:
        """Return a read for each command and each prerequisite."""
        found = {item.name: item for item in super().reads()}
        wanted = [("command", name) for name in self._commands] + [
            ("prerequisite", name) for name in self._prerequisites
        ]
        return [_named(found[kind], name) for kind, name in wanted]


def _named(one: Read, name: str) -> Read:
    def function(session: Session) -> Samples:
        return one.function(session, name)

    return replace(one, name=name, function=function)
