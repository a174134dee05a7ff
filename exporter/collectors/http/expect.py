"""What an answer must be like, as the configuration says it, and whether one is."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from exporter.collector import Trouble
from exporter.exchange import Answer
from exporter.jmes import compiled
from exporter.jsonexpectation import MAX_DEPTH, JSONExpectation
from exporter.jsontext import parse
from exporter.models import Problems
from exporter.pattern import found_in, pattern_problem
from exporter.probing import MismatchError
from exporter.setting import setting

_LACKING: Final = "ask by hand, and compare the answer with what `expect` says"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What an answer must be like. Patterns are RE2's; `(?i)` at the beginning takes large and small letters alike."""

    statuses: tuple[int, ...] = setting(
        (), help="The statuses of which the answer has one; without any, 200 to 299.", example="[200, 204]"
    )
    body: tuple[str, ...] = setting(
        (), help="Patterns, each of which must be in the body.", example='["Welcome"]', shown=True
    )
    body_absent: tuple[str, ...] = setting(
        (), help="Patterns, none of which may be in the body.", example='["Traceback", "(?i)stack trace"]'
    )
    headers: Mapping[str, str] = setting(
        {},
        help="Headers that the answer must have, each with a pattern that every one of its values fits.",
        example='{Set-Cookie: "(?i); *Secure"}',
    )
    headers_absent: Mapping[str, str] = setting(
        {},
        help="Headers with a pattern that none of their values may fit; one that is not there is well.",
        example='{Server: "[0-9]"}',
    )
    json: tuple[JSONExpectation, ...] = setting(
        (), help="What must stand in the body, which is JSON then.", example="[{path: status, equals: ok}]"
    )

    def check(self) -> Problems:
        """Find statuses and patterns that are none."""
        if any(not 100 <= status <= 599 for status in self.statuses):
            yield "statuses", "has a number that is no HTTP status; expected such as [200, 204]"
        for where, pattern in self._patterns():
            if problem := pattern_problem(pattern):
                yield where, problem

    def _patterns(self) -> Iterator[tuple[str, str]]:
        for name in ("body", "body_absent"):
            yield from ((name, pattern) for pattern in getattr(self, name))
        for name in ("headers", "headers_absent"):
            yield from ((f"{name}.{header}", pattern) for header, pattern in getattr(self, name).items())

    def hold(self, answer: Answer) -> None:
        """Raise MismatchError where the answer is not as it should be; the first thing that is not counts."""
        self._hold_status(answer.status)
        self._hold_headers(answer)
        if self.body or self.body_absent or self.json:
            understood(answer)
        self._hold_body(answer.body)
        if self.json:
            self._hold_json(document(answer))

    def _hold_status(self, status: int) -> None:
        if status not in (self.statuses or range(200, 300)):
            who = "that who asks is known there, and may" if status in (401, 403) else "what answers there"
            fix = f"see {who}, or add the status to `statuses` where it is meant"
            raise MismatchError(f"the answer has the status {status}", fix)

    def _hold_headers(self, answer: Answer) -> None:
        for name, pattern in self.headers.items():
            values = answer.values(name)
            if not values:
                raise MismatchError(f"the answer has no header {name}", _LACKING, by_pattern=True)
            if not all(found_in(pattern, value.encode("latin-1", "replace")) for value in values):
                raise MismatchError(f"the header {name} is not as expected", _LACKING, by_pattern=True)
        for name, pattern in self.headers_absent.items():
            if any(found_in(pattern, value.encode("latin-1", "replace")) for value in answer.values(name)):
                raise MismatchError(f"the header {name} holds what it must not", _LACKING, by_pattern=True)

    def _hold_body(self, body: bytes) -> None:
        for number, pattern in enumerate(self.body):
            if not found_in(pattern, body):
                raise MismatchError(f"the body lacks the pattern body[{number}]", _LACKING, by_pattern=True)
        for number, pattern in enumerate(self.body_absent):
            if found_in(pattern, body):
                raise MismatchError(f"the body has the pattern body_absent[{number}]", _LACKING, by_pattern=True)

    def _hold_json(self, value: Any) -> None:
        for wanted in self.json:
            if not wanted.wants(compiled(wanted.path).find(value)):
                raise MismatchError(f"what stands at `{wanted.path}` is not what is expected", _LACKING)


def understood(answer: Answer) -> None:
    """Raise Trouble where the body came in a coding that is not understood."""
    if answer.coding:
        fix = "have the server answer in gzip or as it is, which is what is asked for"
        raise Trouble(f"the body came in the coding {answer.coding!r}, which is not understood here", fix)


def document(answer: Answer) -> Any:
    """Return the JSON value of an answer's body."""
    understood(answer)
    return parse(answer.body, "the answer", MAX_DEPTH, shown=False)
