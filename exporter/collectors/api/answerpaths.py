"""Where values stand in an answer: limits, what was used, what it costs."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from exporter.jmes import compiled
from exporter.models import Problems
from exporter.setting import setting

WORD: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")

Window = Literal["", "second", "minute", "hour", "day", "month", "total"]
Form = Literal["auto", "seconds", "milliseconds", "unix", "unix_milliseconds"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Items:
    """Where values stand that there are several of; without both keys the document itself is the only item."""

    buckets: str = setting(
        "", help="JMESPath of a list whose items each have a list, as reports by hour or day are.", example="data"
    )
    each: str = setting(
        "",
        help="JMESPath of a list, in each of `buckets` where those are given: what follows is looked for in each item. "
        "Of an object each member is one, as `{key: its name, value: what it has}`.",
        example="results",
    )

    def check(self) -> Problems:
        """Find paths that are none."""
        yield from check_paths((name, getattr(self, name)) for name in self.paths())

    def paths(self) -> tuple[str, ...]:
        """Return the keys that hold a JMESPath."""
        return ("buckets", "each")


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaPath(Items):
    """A limit, and where it stands what is left of it."""

    quota: str = setting("requests", help="What is counted: requests, tokens, credits, ...", example="requests")
    window: Window = setting(
        "", help="In which time it may be used; `total` where it is not renewed.", example="day"
    )  # fmt: skip
    model: str = setting(
        "", help="JMESPath of the model that it is for; a fixed text stands in single quotes.", example="model"
    )
    limit: str = setting("", help="JMESPath of how much may be used; null where there is no limit.", example="limit")
    remaining: str = setting("", help="JMESPath of what is left.", example="remaining")
    used: str = setting(
        "", help="JMESPath of what is used: what is left is the limit less this, without `remaining`.", example="used"
    )
    reset: str = setting("", help="JMESPath of when all of it is left again.", example="reset")
    reset_as: Form = setting(
        "auto",
        help="What `reset` is: `seconds` or `milliseconds` from now on, `unix` or `unix_milliseconds` since 1970. "
        "`auto` takes a large number for a time since 1970, a small one for seconds from now on, and knows times and "
        "durations as text.",
    )
    scale: float = setting(1.0, help="What limit, remaining and used are multiplied with.", example="0.01")

    def paths(self) -> tuple[str, ...]:
        return (*Items.paths(self), "model", "limit", "remaining", "used", "reset")

    def check(self) -> Problems:
        """Find a quota of which nothing would be known."""
        yield from Items.check(self)
        yield from check_word("quota", self.quota)
        yield from check_scale(self.scale)
        if not (self.limit or self.remaining):
            yield "limit", "is missing; expected the JMESPath of a number here, or at `remaining`"
        if self.used and (self.remaining or not self.limit):
            yield "used", "has no use; expected it beside `limit`, without `remaining`"


@dataclass(frozen=True, slots=True, kw_only=True)
class UsePath(Items):
    """Requests or tokens that were used, and where they stand."""

    count: Literal["requests", "tokens"] = setting(help="What is counted.", example="tokens")
    value: str = setting(help="JMESPath of how many.", example="output_tokens")
    less: str = setting("", help="JMESPath of what is in it, and not meant.", example="input_cached_tokens")
    model: str = setting("", help="JMESPath of the model; a fixed text stands in single quotes.", example="model")
    kind: str = setting(
        "", help="Of tokens their type (input, cached, output), of requests the operation.", example="output"
    )
    since: str = setting(
        "",
        help="JMESPath of when the bucket began, in the bucket: figures of reports by hour or day. Without it they are "
        "taken for one figure that runs on, which the provider begins anew each day or month.",
        example="starting_at",
    )
    scale: float = setting(1.0, help="What the value is multiplied with.", example="1000")

    def paths(self) -> tuple[str, ...]:
        return (*Items.paths(self), "value", "less", "model", "since")

    def check(self) -> Problems:
        """Find what cannot be counted."""
        yield from Items.check(self)
        yield from check_scale(self.scale)
        if self.kind:
            yield from check_word("kind", self.kind)
        if not self.value:
            yield "value", "is empty; expected the JMESPath of a number"


@dataclass(frozen=True, slots=True, kw_only=True)
class CostPath(Items):
    """What the month has cost so far, as the sum of all items, and where it stands."""

    value: str = setting(help="JMESPath of an amount, as a number or as text.", example="amount")
    item: str = setting("", help="JMESPath of what it was for.", example="description")
    currency: str = setting(
        "", help="JMESPath of the currency: in another one than US dollars nothing is taken.", example="currency"
    )
    scale: float = setting(1.0, help="What the amount is multiplied with: 0.01 where it is in cents.", example="0.01")

    def paths(self) -> tuple[str, ...]:
        return (*Items.paths(self), "value", "item", "currency")

    def check(self) -> Problems:
        """Find an amount that is none."""
        yield from Items.check(self)
        yield from check_scale(self.scale)
        if not self.value:
            yield "value", "is empty; expected the JMESPath of an amount"


def check_paths(paths: Iterator[tuple[str, str]]) -> Problems:
    for name, path in paths:
        if path:
            try:
                compiled(path)
            except ValueError as error:
                yield name, str(error)


def check_word(name: str, word: str) -> Problems:
    if not WORD.fullmatch(word):
        yield name, "is no name; expected small letters, digits and `_`, such as requests"


def check_scale(scale: float) -> Problems:
    if not 0 < scale < float("inf"):
        yield "scale", "is not above 0; expected such as 0.01"
