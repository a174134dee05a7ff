"""A target with as many series as one asks for: stable labels, new values in every round."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from exporter.collector import Collector, Context, read
from exporter.metric import Samples, gauge
from exporter.setting import setting

_FAMILIES: Final = 20
_SOURCE: Final = "the benchmark"
VALUES: Final = tuple(
    gauge(f"bench_figure_{number}", "A figure of the benchmark.", labels=("datname", "relname"), source=_SOURCE)
    for number in range(_FAMILIES)
)


@dataclass(frozen=True, slots=True)
class ManySettings:
    """How much there is to show."""

    series: int = setting(1000, help="How many series to give.")


class Many(Collector[int]):
    """Series by the thousand."""

    Settings = ManySettings

    def __init__(self, settings: Any, context: Context) -> None:
        super().__init__(settings, context)
        self._round = 0
        self._members = [(f"database{n % 7}", f"table_{n}") for n in range(settings.series // _FAMILIES)]

    @contextmanager
    def connect(self) -> Iterator[int]:
        self._round += 1
        yield self._round

    @read
    def figures(self, round: int) -> Samples:
        """As many series as the settings say, each with another value than in the round before."""
        for metric in VALUES:
            for number, (datname, relname) in enumerate(self._members):
                yield metric(number * 1.37 + round, datname=datname, relname=relname)
