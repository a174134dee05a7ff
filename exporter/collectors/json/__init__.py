"""Values from JSON: of a URL, a file or a program, picked by path into metrics of the configuration's own."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from exporter.collector import Collector, Context, Read, Trouble, read
from exporter.collectors.json.settings import JSONSettings
from exporter.command import run
from exporter.deadline import Cancel, within
from exporter.documentfile import load
from exporter.jsontext import beginning, parse
from exporter.mappingpick import MISSING, Picker
from exporter.metric import Samples, gauge
from exporter.program import ProgramSettings

__all__ = ["JSON", "MISSING"]

MODIFIED = gauge(
    "runbook_json_file_modified_timestamp_seconds",
    "When the file that the values are in was last written, in Unix time.",
    source="the file",
)


@dataclass(frozen=True, slots=True)
class Document:
    """The bytes of a document, what a person calls it, and when it was written, where that is known."""

    data: bytes
    place: str
    modified: float | None = None
    shown: bool = True
    """Whether its beginning may stand in a reason."""


class JSON(Collector[Document]):
    """Values from a JSON document, of a URL, a file or a program."""

    Settings = JSONSettings
    settings: JSONSettings

    def __init__(self, settings: JSONSettings, context: Context) -> None:
        super().__init__(settings, context)
        self._picker = Picker(settings.metrics, "JSON, by the configuration's mapping")
        self._cancel = Cancel()

    @contextmanager
    def connect(self) -> Iterator[Document]:
        self._cancel = Cancel()
        yield self._document(self._cancel)

    def interrupt(self) -> None:
        self._cancel.cancel()

    @read
    def values(self, document: Document) -> Samples:
        """The metrics of the mapping, and how many values of each are missing."""
        value = parse(document.data, document.place, self.settings.max_depth, shown=document.shown)
        yield from self._picker.samples(value)

    @read
    def file(self, document: Document) -> Samples:
        """When the file was last written: one that nobody writes any more keeps its values for ever."""
        yield MODIFIED(document.modified)

    def reads(self) -> list[Read]:
        """Return the reads of this source: what is asked of a URL has no file that could be missed."""
        return [one for one in super().reads() if one.name != "file" or self.settings.file]

    def _document(self, cancel: Cancel) -> Document:
        settings, timeout = self.settings, within(self.context.timeout)
        if settings.file:
            data, modified = load(settings.file, settings.max_bytes)
            return Document(data, settings.file, modified)
        if settings.program is not None:
            return _output(settings.program, timeout, settings.max_bytes, cancel)
        body = settings.body.encode() if settings.method == "POST" else None
        reply = settings.ask(timeout, "application/json", cancel, body=body)
        if reply.status not in (settings.statuses or range(200, 300)):
            fix = "see what answers there, or add the status to `statuses` where its answer is meant"
            raise Trouble(f"the answer has the status {reply.status}: {beginning(reply.body)}", fix)
        return Document(reply.body, "the answer")


def _output(program: ProgramSettings, timeout: float, most: int, cancel: Cancel) -> Document:
    """Return what the program writes, if it ends well and in time."""
    ended, name = run(program, timeout=timeout, most=most, cancel=cancel), program.command[0]
    if not ended.in_time:
        raise Trouble(f"{name} was killed after {timeout:g} s", "raise the target's `timeout`, or make it quicker")
    if ended.status != 0:
        # what it wrote may hold anything
        raise Trouble(f"{name} ended with {ended.status}", "run it by hand, as the same user, to see what it says")
    return Document(ended.output, f"the output of {name}", shown=False)
