"""Figures out of MongoDB's answers."""

from typing import Any, Final

from exporter.collectors.mongodb.session import Session
from exporter.collectors.mongodb.wire import Document
from exporter.metric import Metric, Samples

STATUS: Final = "serverStatus"


def figure(document: Any, *path: str) -> int | float | None:
    """Return the figure that stands at this path, None where there is none; times are in milliseconds."""
    for key in path:
        document = document.get(key) if isinstance(document, dict) else None
    return number(document)


def number(value: Any) -> int | float | None:
    """Return a value of an answer as a number, None where it is none."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int | float):
        return int(value) if isinstance(value, int) else value
    return int(value) if type(value).__name__ == "DatetimeMS" else None


def plain(metrics: dict[tuple[str, ...], Metric], document: Document, labels: dict[str, str]) -> Samples:
    """Yield the sample of each metric, whose value stands at its path."""
    for path, metric in metrics.items():
        yield metric(figure(document, *path), **labels)


def by_key(metric: Metric, label: str, document: Any, labels: dict[str, str]) -> Samples:
    """Yield a sample for each number that stands directly in the document, its key being the value of the label."""
    for key, value in document.items() if isinstance(document, dict) else ():
        yield metric(number(value), **labels, **{label: key})


def of(session: Session, *path: str) -> Any:
    """Return what stands at this path of serverStatus."""
    document: Any = session.status
    for key in path:
        document = document.get(key) if isinstance(document, dict) else None
    return document
