"""What OpenAI has counted: requests and tokens in buckets of time, read with an admin key.

GET /organization/usage/{completions, ...} (developers.openai.com/api/reference, organization usage): buckets of
`bucket_width` 1m, 1h or 1d, grouped by model; input tokens include those out of the cache.
"""

import re
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, NamedTuple

from exporter.collector import Trouble
from exporter.collectors.api.asking import Query
from exporter.collectors.api.busiest import busiest
from exporter.collectors.api.found import GOOD, Count, Found, Quota, Refused
from exporter.collectors.api.openaiasking import Asking, Missing, a_count, a_list, a_text, an_object
from exporter.deadline import Cancel

_TOKENS: Final[Mapping[str, tuple[str, ...]]] = {
    "completions": ("input", "output"),
    "embeddings": ("input",),
    "moderations": ("input",),
    "images": (),
    "audio_speeches": (),
    "audio_transcriptions": (),
}
"""The reports that are read, by what they count the requests of, and the tokens that they have."""
_HOUR: Final = 3600
_HOURS: Final = 24  # before the one under way: as long as a bucket may still grow
_MINUTES: Final = 15
_LIMIT: Final = {"1m": 60, "1h": 168, "1d": 31}  # buckets of a page: the most where that is not far too many
_AT_ONCE: Final = (("batch", "false"),)  # the work of batches has limits of its own
_SNAPSHOT: Final = re.compile(r"-\d{4}(?:-\d{2}-\d{2})?")

Width = Literal["1m", "1h", "1d"]
Limits = Mapping[tuple[str, str], float]
"""The limits of a minute, by model and quota."""


class Line(NamedTuple):
    """What one model was used for in one bucket."""

    start: int
    end: int
    model: str
    operation: str
    requests: float
    tokens: Mapping[str, float]


def usage(asking: Asking, limits: Limits, cancel: Cancel) -> Found:
    """Return what was used in the last day by hours, and what is left of the limits in the busiest minutes."""
    now = time.time()
    lines, remark = _all(asking, int(now) // _HOUR * _HOUR - _HOURS * _HOUR, cancel)
    minutes = list(report(asking, "completions", "1m", int(now) // 60 * 60 - _MINUTES * 60, cancel, _AT_ONCE))
    return Found(
        GOOD,
        counts=tuple(_counts(lines)),
        quotas=tuple(left(_of_completions(limits, lines), [line for line in minutes if line.end <= now])),
        data=_newest([*lines, *minutes], now),
        remark=remark,
    )


def tokens_since(asking: Asking, start: float, cancel: Cancel) -> dict[tuple[str, str], float]:
    """Return the tokens of completions and embeddings since a day began, by model and type."""
    found: defaultdict[tuple[str, str], float] = defaultdict(float)
    for operation in ("completions", "embeddings"):
        for line in _there(asking, operation, "1d", int(start), cancel):
            for kind, value in line.tokens.items():
                found[line.model, kind] += value
    return dict(found)


def models_since(asking: Asking, start: float, cancel: Cancel) -> list[str]:
    """Return the models that were used since a day began, those with the most requests first."""
    found: defaultdict[str, float] = defaultdict(float)
    for operation in ("completions", "embeddings", "images"):
        for line in _there(asking, operation, "1d", int(start), cancel):
            found[line.model] += line.requests
    return sorted((model for model in found if found[model]), key=lambda model: (-found[model], model))


def limited_as(model: str, known: Any) -> str:
    """Return the model under whose name the limits of a model are known: a dated snapshot shares them."""
    if model in known:
        return model
    dated = _SNAPSHOT.search(model)
    return model[: dated.start()] if dated and dated.end() == len(model) else model


def _of_completions(limits: Limits, lines: list[Line]) -> Limits:
    """Return the limits of models whose use the report of completions has: of no other is read what a minute used."""
    known = {model for model, _ in limits}
    models = {limited_as(line.model, known) for line in lines if line.operation == "completions"}
    return {(model, quota): limit for (model, quota), limit in limits.items() if model in models}


def left(limits: Limits, minutes: list[Line]) -> Iterator[Quota]:
    """Yield what the busiest of the last whole minutes left of each limit: the least in each of three on end.

    Nothing where no use was reported in them: that may be since nothing was used, or since the report is late.
    """
    if not minutes:
        return
    used: defaultdict[tuple[str, str], defaultdict[int, float]] = defaultdict(lambda: defaultdict(float))
    known = {model for model, _ in limits}
    for line in minutes:
        model = limited_as(line.model, known)
        used[model, "requests"][line.start] += line.requests
        used[model, "tokens"][line.start] += sum(line.tokens.values())
    for (model, quota), limit in limits.items():
        if quota in ("requests", "tokens"):
            yield Quota(model, quota, "minute", limit, max(0.0, limit - busiest(used[model, quota])))


def report(
    asking: Asking, operation: str, width: Width, start: int, cancel: Cancel, only: Query = ()
) -> Iterator[Line]:
    """Yield what one report tells since a moment, which begins a bucket."""
    query: list[tuple[str, str | int]] = [("start_time", start), ("bucket_width", width), ("limit", _LIMIT[width])]
    query += [("group_by[]", "model"), *only]
    query += [("project_ids[]", asking.settings.project)] if asking.settings.project else []
    for page in asking.pages(f"/organization/usage/{operation}", cancel, query):
        for entry in page:
            bucket = an_object(entry, "data")
            begins = int(a_count(bucket, "start_time"))
            ends = int(a_count(bucket, "end_time"))
            for result in a_list(bucket.get("results"), "results"):
                yield _line(begins, ends, operation, an_object(result, "results"))


def _line(begins: int, ends: int, operation: str, result: Mapping[str, Any]) -> Line:
    tokens = {kind: a_count(result, f"{kind}_tokens") for kind in _TOKENS[operation]}
    if result.get("input_cached_tokens") is not None and "input" in tokens:
        cached = a_count(result, "input_cached_tokens")
        tokens |= {"input": max(0.0, tokens["input"] - cached), "cached": cached}
    return Line(begins, ends, a_text(result, "model"), operation, a_count(result, "num_model_requests"), tokens)


def _there(asking: Asking, operation: str, width: Width, start: int, cancel: Cancel) -> list[Line]:
    """Return a report; nothing where this organization, or this server, does not have it."""
    try:
        return list(report(asking, operation, width, start, cancel))
    except Missing:
        return []


def _all(asking: Asking, start: int, cancel: Cancel) -> tuple[list[Line], str]:
    """Return all reports by hours, and why one of them could not be read; what refuses the key refuses all."""
    lines: list[Line] = []
    troubles: dict[str, Trouble] = {}
    for operation in _TOKENS:
        try:
            lines += report(asking, operation, "1h", start, cancel)
        except Trouble as trouble:
            refused = isinstance(trouble, Refused) and trouble.verdict.up
            if cancel.cancelled or operation == "completions" or (refused and not isinstance(trouble, Missing)):
                raise
            troubles[operation] = trouble
    failed = {operation: trouble for operation, trouble in troubles.items() if not isinstance(trouble, Missing)}
    return lines, "; ".join(f"{operation} could not be read: {trouble}" for operation, trouble in failed.items())


def _counts(lines: list[Line]) -> Iterator[Count]:
    """Yield what was used by bucket, once each."""
    found: defaultdict[tuple[Literal["requests", "tokens"], tuple[str, str], int], float] = defaultdict(float)
    for line in lines:
        found["requests", (line.model, line.operation), line.start] += line.requests
        for kind, value in line.tokens.items():
            found["tokens", (line.model, kind), line.start] += value
    return (Count(*key, value) for key, value in found.items())


def _newest(lines: list[Line], now: float) -> float | None:
    """Return until when the figures count at least: the end of what was reported last, its beginning while it grows."""
    known = max((line.end if line.end <= now else line.start for line in lines), default=None)
    return None if known is None else min(now, float(known))
