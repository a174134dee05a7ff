"""What a target of the collector `json` can be told: where the document is, and which metrics are in it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from exporter.jsontext import MAX_DEPTH
from exporter.mapping import MappedMetric
from exporter.mappingclash import named_twice
from exporter.models import Problems
from exporter.program import ProgramSettings
from exporter.request import RequestSettings
from exporter.setting import FilePath, setting

SOURCES: Final = ("url", "file", "program")


@dataclass(frozen=True, slots=True, kw_only=True)
class JSONSettings(RequestSettings):
    """Where the document comes from, in exactly one way, and what becomes of it."""

    method: Literal["GET", "POST"] = setting("GET", help="How the address is asked.")
    body: str = setting(
        "", help="What a POST sends; as application/json, unless a header says otherwise.", example='{"query": "jobs"}'
    )
    file: FilePath = setting("", help="The file that the document stands in.", example="/var/lib/app/status.json")
    program: ProgramSettings | None = setting(
        None,
        help="The program that writes the document to its standard output, and ends with 0. Give the target an "
        "`interval`: without one it is run for each scrape.",
        example="{command: [app, status, --json]}",
    )
    statuses: tuple[int, ...] = setting(
        (),
        help="The HTTP statuses whose answer is taken; without any, 200 to 299. Health reports often answer 503 when "
        "something is wrong, and say what.",
        example="[200, 503]",
    )
    max_depth: int = setting(MAX_DEPTH, help="How deep lists and objects may be nested in each other.")
    metrics: tuple[MappedMetric, ...] = setting(
        help="The metrics that are taken from the document.",
        example="[{name: app_queue_jobs, help: Jobs that wait., value: queue.length}]",
    )

    def check(self) -> Problems:
        """Find none or several sources, and metrics that cannot stand beside each other."""
        yield from RequestSettings.check(self)
        if self.body and self.method == "GET":
            yield "body", "is not sent by a GET; expected `method: POST` beside it"
        given = [source for source in SOURCES if getattr(self, source)]
        if len(given) != 1:
            said = f"has {' and '.join(given)}" if given else "does not say where its document is"
            yield (given[1] if given else "url"), f"the target {said}; expected exactly one of {', '.join(SOURCES)}"
        if not 1 <= self.max_depth <= 100:
            yield "max_depth", "is out of range; expected 1 to 100"
        if any(not 100 <= status <= 599 for status in self.statuses):
            yield "statuses", "has a number that is no HTTP status; expected such as [200, 503]"
        if not self.metrics:
            yield "metrics", "is empty; expected such as [{name: app_queue_jobs, help: Jobs., value: queue.length}]"
        yield from named_twice(self.metrics)

    def mapped(self) -> Iterator[tuple[str, MappedMetric]]:
        """Yield the metrics that this target makes, with the keys where they stand."""
        yield from (("metrics", metric) for metric in self.metrics)
