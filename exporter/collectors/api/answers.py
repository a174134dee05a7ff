"""What the provider `json` is asked, and which of its values mean what."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from exporter.collectors.api.answerpaths import WORD, CostPath, QuotaPath, UsePath, check_paths, check_scale
from exporter.collectors.api.keyplaces import is_secret
from exporter.collectors.api.moments import NAMES
from exporter.collectors.api.provider import LOOK
from exporter.models import Problems
from exporter.request import header_problem
from exporter.setting import Seconds, setting
from exporter.template import names_in

LEAST: Final = 60.0
_TAKEN: Final = ("service", "quotas", "spending")
_SECRET_HEADER: Final = re.compile(r"auth|key|token|secret|cookie|password", re.IGNORECASE)
_LITERAL: Final = re.compile(r"'[^']*'")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One address of the API, and what its answer says."""

    name: str = setting(help="Its name, which tells its read; the first one's is `look`.", example="look")
    path: str = setting(
        "",
        help="What follows the target's `url`. {{month}}, {{day}}, {{yesterday}} and {{now}} are times as "
        "2026-11-01T00:00:00Z: when the month, the day and the day before began in `month_zone`, and now; with _unix "
        "at their end in seconds, with _date the date alone.",
        example="/key",
    )
    method: Literal["GET", "POST"] = setting("GET", help="How it is asked.")
    body: str = setting("", help="What a POST sends, as JSON; with the same times in it.", example='{"query": "usage"}')
    interval: Seconds | None = setting(
        None, help="How often it is asked; `look_interval` for the first, `usage_interval` for others.", example="1h"
    )
    headers: Mapping[str, str] = setting(
        {}, help="Headers to send that are no secrets: those stand in the target's `headers`.",
        example="{Accept: application/vnd.github+json}",
    )  # fmt: skip
    limit_headers: bool = setting(True, help="Whether limits are read from the headers that are usual for them.")
    quotas: tuple[QuotaPath, ...] = setting(
        (), help="Limits that it tells.",
        example="[{quota: credits, window: month, limit: data.limit, remaining: data.limit_remaining}]",
    )  # fmt: skip
    used: tuple[UsePath, ...] = setting(
        (), help="Requests and tokens that it tells.", example="[{count: requests, value: data.requests}]"
    )
    cost: CostPath | None = setting(
        None, help="What the month has cost so far.", example="{value: data.usage_monthly}"
    )  # fmt: skip
    budget: str = setting("", help="JMESPath of what the provider lets a month cost.", example="data.limit")
    budget_scale: float = setting(1.0, help="What `budget` is multiplied with: 0.01 where it is in cents.")
    data: str = setting("", help="JMESPath of the time until which its figures count.", example="updated_at")
    more: str = setting(
        "",
        help="JMESPath of what is true where this is only a page of several: its figures would be too small, and are "
        "not taken then.",
        example="has_more",
    )
    valid: str = setting(
        "", help="JMESPath of what is true where the key is taken, if a rejected one is answered by 200 too.",
        example="ok",
    )  # fmt: skip
    rejected_statuses: tuple[int, ...] = setting((401,), help="The HTTP statuses of a key that is not taken.")
    denied_statuses: tuple[int, ...] = setting((403,), help="Those of a key that lacks a permission.")
    limited_statuses: tuple[int, ...] = setting((429,), help="Those of too many requests.")
    spent_statuses: tuple[int, ...] = setting((402,), help="Those of money that is used up.")

    def check(self) -> Problems:
        """Find what contradicts itself."""
        yield from check_paths((name, getattr(self, name)) for name in ("budget", "data", "more", "valid"))
        yield from self._check_name()
        yield from self._check_address()
        yield from self._check_statuses()
        yield from self._check_headers()
        yield from (("budget_scale", problem) for _, problem in check_scale(self.budget_scale))
        if self.cost is not None and self.cost.item and any(use.model for use in self.used):
            yield (
                "used",
                "tells models, and `cost` what they were for, each with bounds of its own; expected two answers",
            )
        if self.interval is not None and self.interval < LEAST:
            yield "interval", f"would use up what it watches; expected {LEAST:g}s or more"
        yield from (("quotas" if told.quota else "used", problem) for told, problem in _clashes([self], within=True))

    def _check_name(self) -> Problems:
        if not WORD.fullmatch(self.name) or self.name in _TAKEN:
            taken = " or ".join(_TAKEN)
            yield "name", f"is no name of a read; expected small letters, digits and `_`, and not {taken}"

    def _check_address(self) -> Problems:
        path = self.path
        if path and (path[0] not in "/?" or not path.isprintable() or " " in path or "#" in path or "\\" in path):
            yield "path", "is no path; expected one that begins with / or ?, such as /v1/usage?limit=31"
        for name, _ in parse_qsl(urlsplit(path).query, keep_blank_values=True):
            if is_secret(name):
                yield "path", f"has `{name}`, and addresses end in logs; expected secrets in `headers`"
        if self.body and self.method == "GET":
            yield "body", "is not sent by a GET; expected `method: POST` beside it"
        for where in ("path", "body"):
            if unknown := sorted(set(names_in(getattr(self, where))) - set(NAMES)):
                known = ", ".join(NAMES)
                yield where, f"asks for {', '.join(unknown)}, which is no time; expected of {known}"

    def _check_headers(self) -> Problems:
        for name, text in self.headers.items():
            if problem := header_problem(name, text):
                yield f"headers.{name}", problem
            elif _SECRET_HEADER.search(name):
                yield f"headers.{name}", "is one for a secret; expected it in the target's `headers`"

    def _check_statuses(self) -> Problems:
        names = ("rejected_statuses", "denied_statuses", "limited_statuses", "spent_statuses")
        known: dict[int, str] = {}
        for name in names:
            for status in getattr(self, name):
                if not 400 <= status <= 599:
                    yield name, f"has {status}, which refuses nothing; expected 400 to 599"
                elif known.setdefault(status, name) != name:
                    yield name, f"has {status}, as {known[status]} has; expected it in one of them"


def check_answers(answers: Sequence[Answer]) -> Problems:
    """Find answers that cannot stand beside each other: what two of them tell would be one series."""
    names = [answer.name for answer in answers]
    if len(set(names)) < len(names):
        yield "answers", "have a name twice; expected each its own"
    if answers and names[0] != LOOK:
        yield "answers", f"begin with {names[0]!r}; expected `{LOOK}` first, as it tells whether the API answers"
    if len(answers) > 20:
        yield "answers", "are too many; expected 20 at most, as each is asked for by itself"
    for what in ("cost", "budget"):
        if sum(bool(getattr(answer, what)) for answer in answers) > 1:
            yield "answers", f"tell `{what}` twice; expected it in one of them"
    yield from (("answers", problem) for _, problem in _clashes(answers, within=False))


class _Told(NamedTuple):
    """What an answer tells: a quota and its window, or what is counted and its kind; of which model."""

    answer: int
    quota: bool
    first: str
    second: str
    model: str

    def may_be(self, other: "_Told") -> bool:
        """Tell whether both can be one series: models that are looked for in the answer may be any."""
        same = self[1:4] == other[1:4]
        return same and (self.model == other.model or not (_is_fixed(self.model) and _is_fixed(other.model)))


def _clashes(answers: Sequence[Answer], *, within: bool) -> Iterator[tuple[_Told, str]]:
    """Yield what is told twice: within one answer, or by several."""
    told = [one for number, answer in enumerate(answers) for one in _told(number, answer)]
    for number, one in enumerate(told):
        if any(one.may_be(other) for other in told[:number] if (other.answer == one.answer) == within):
            words = " ".join(filter(None, (one.first, one.second)))
            yield one, f"tell {words} twice; expected it once, or with fixed models that differ"


def _told(number: int, answer: Answer) -> Iterator[_Told]:
    yield from (_Told(number, True, quota.quota, quota.window, quota.model) for quota in answer.quotas)
    yield from (_Told(number, False, use.count, use.kind, use.model) for use in answer.used)


def _is_fixed(model: str) -> bool:
    return not model or bool(_LITERAL.fullmatch(model.strip()))
