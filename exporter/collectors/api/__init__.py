"""APIs of others: whether they answer and take the key, what is left of their limits, what was used, what it costs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from threading import Event
from types import ModuleType
from typing import ClassVar, Final

from exporter.collector import Collector, Context, Read, limited
from exporter.collectors.api import quotas, reports, service, spending
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
        self.looks = Looks(settings, context.shelf, _PROVIDERS[settings.provider](settings).looks())

    @contextmanager
    def connect(self) -> Iterator[Looks]:
        yield self.looks

    def watch(self, stop: Event, ready: Callable[[], None]) -> None:
        keep_looking(self.looks.all(), stop, ready)

    def reads(self) -> list[Read]:
        """Return the reads of the looks that this target has, and those of all of them."""
        names = self.looks.intervals
        known = [one for one in super().reads() if one.name in names or one.name in reports.OF_ALL]
        own = [name for name in names if name not in self.declared_reads()]
        billed = {answer.name for answer in self.settings.answers if answer.cost is not None and not answer.used}
        made = [
            Read(name, partial(reports.report, name), f"What the answer `{name}` says.",
                 members=(reports.cost if name in billed else reports.usage).members)
            for name in own
        ]  # fmt: skip
        return limited([*known, *made], self.settings.top)
