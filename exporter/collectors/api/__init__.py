"""APIs of others: whether they answer and take the key, what is left of their limits, what was used, what it costs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from threading import Event
from types import ModuleType
from typing import ClassVar, Final

from exporter.collector import Collector, Context, Read, limited
from exporter.collectors.api import quotas, reports, service, spending
from exporter.collectors.api.answers import Answer
from exporter.collectors.api.customsearch import CustomSearch
from exporter.collectors.api.gemini import Gemini
from exporter.collectors.api.looks import Looks
from exporter.collectors.api.mapped import Mapped
from exporter.collectors.api.metrics import METRICS
from exporter.collectors.api.openai import OpenAI
from exporter.collectors.api.provider import Provider
from exporter.collectors.api.settings import APISettings
from exporter.longlook import keep_looking

__all__ = ["API", "METRICS"]

_PROVIDERS: Final[dict[str, Callable[[APISettings], Provider]]] = {
    "openai": OpenAI, "gemini": Gemini, "customsearch": CustomSearch, "json": Mapped,
}  # fmt: skip


class API(Collector[Looks]):
    """An API of somebody else: OpenAI, Gemini, Google's Custom Search, or any that answers in JSON."""

    Settings = APISettings
    settings: APISettings
    groups: ClassVar[tuple[ModuleType, ...]] = (service, quotas, reports, spending)

    def __init__(self, settings: APISettings, context: Context) -> None:
        super().__init__(settings, context)
        self.looks = Looks(settings, context.history, _PROVIDERS[settings.provider](settings).looks())

    @contextmanager
    def connect(self) -> Iterator[Looks]:
        yield self.looks

    def watch(self, stop: Event, ready: Callable[[], None]) -> None:
        keep_looking(self.looks.all(), stop, ready)

    def reads(self) -> list[Read]:
        """Return the reads of the looks that this target has, and those of all of them."""
        if self.settings.provider == "json":
            made = [_of_answer(answer) for answer in self.settings.answers]
            return limited([*(one for one in super().reads() if one.name in reports.OF_ALL), *made], self.settings.top)
        names = (*reports.OF_ALL, *self.looks.intervals)
        return limited([one for one in super().reads() if one.name in names], self.settings.top)


def _of_answer(answer: Answer) -> Read:
    """Return the read of one of a mapping's answers, whatever its name."""
    members = (reports.usage if answer.used else reports.cost).members
    return Read(
        answer.name, partial(reports.report, answer.name), f"What the answer `{answer.name}` says.", None, members
    )
