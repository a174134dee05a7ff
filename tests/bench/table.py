"""What the tables of the report are made of."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.bench.load import Scrapes


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure that is aimed at; `measured` is None where it could not be measured."""

    name: str
    limit: float
    measured: float | None
    unit: str
    at_least: bool = False

    def met(self) -> bool | None:
        if self.measured is None:
            return None
        return self.measured >= self.limit if self.at_least else self.measured <= self.limit


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def p50(scrapes: Scrapes) -> float:
    return 1000 * scrapes.percentile(50)


def p99(scrapes: Scrapes) -> float:
    return 1000 * scrapes.percentile(99)


def ratio(ours: float, theirs: float) -> str:
    return f"{ours / theirs:.2f}"


def kib(size: int) -> str:
    return f"{size / 1024:.1f}"


def mib(size: int) -> str:
    return f"{size / 2**20:.1f}"
