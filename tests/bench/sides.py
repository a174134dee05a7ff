"""Exporters of one area side by side: scraped by turns, and what is on their pages."""

from collections.abc import Mapping

from tests.bench.load import by_turns
from tests.bench.processes import Running
from tests.bench.results import Side
from tests.beside import parse


def scraped(running: Mapping[str, Running], about: Mapping[str, str], batches: int, count: int) -> dict[str, Side]:
    """Scrape all of them by turns; families are shared that any exporter of the other kind gives too."""
    results = dict(zip(running, by_turns(list(running.values()), batches, count), strict=True))
    pages = {key: parse(server.page()) for key, server in running.items()}
    sides = {}
    for key, server in running.items():
        others = [page for name, page in pages.items() if name.startswith("theirs") != key.startswith("theirs")]
        series = {name: len(family.series) for name, family in pages[key].items()}
        shared = sum(series[name] for name in series.keys() & set().union(*others))
        sides[key] = Side(server.name, about[key], sum(series.values()), shared, results[key], server.memory())
    return sides
