"""What is sent on a WebSocket and what must come for it: one step of a dialogue, and what any answer must be like."""

from dataclasses import dataclass
from typing import Any, Final

from exporter.collector import Trouble
from exporter.hexadecimal import hex_problem
from exporter.jmes import compiled
from exporter.jsonexpectation import MAX_DEPTH, JSONExpectation
from exporter.jsontext import parse
from exporter.models import Problems
from exporter.pattern import found_in, pattern_problem
from exporter.setting import setting

BY_HAND: Final = "say it by hand, as in a browser's console, and compare it with what is expected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a dialogue: sends, then waits for the message that is expected, each where it is given."""

    send: str = setting(
        "",
        help="A text to send. `{{name}}` in it stands for one of `values`, written as JSON has it where the text is "
        "JSON.",
        example='\'{"type": "hello"}\'',
        shown=True,
    )
    send_hex: str = setting("", help="Bytes to send as a binary message, in hexadecimal.", example='"00 01"')
    expect: str = setting(
        "", help="A pattern of RE2; messages are passed over until one has it.", example="welcome", shown=True
    )
    json: tuple[JSONExpectation, ...] = setting(
        (),
        help="What must stand in a message of JSON; messages are passed over until one has it all.",
        example="[{path: type, equals: pong}]",
    )

    def check(self) -> Problems:
        """Find steps that do nothing, patterns that are none, and bytes that are none."""
        if self == Step():
            yield "send", "is missing, as are the others; expected one of send, send_hex, expect and json at least"
        if self.expect and (problem := pattern_problem(self.expect)):
            yield "expect", problem
        if self.send and self.send_hex:
            yield "send_hex", "is not the only way; expected text or bytes"
        if problem := hex_problem(self.send_hex):
            yield "send_hex", problem

    @property
    def waits(self) -> bool:
        return bool(self.expect or self.json)

    def fits(self, message: str | bytes) -> bool:
        """Tell whether a message is the one that is expected."""
        data = message.encode() if isinstance(message, str) else message
        if self.expect and not found_in(self.expect, data):
            return False
        return not self.json or self._holds(data)

    def _holds(self, data: bytes) -> bool:
        try:
            return holds(self.json, parse(data, "a message", MAX_DEPTH, shown=False))
        except Trouble:  # it is another message, of no JSON or of another shape
            return False


def holds(wanted: tuple[JSONExpectation, ...], value: Any) -> bool:
    """Tell whether a value of JSON has all that is expected of it."""
    return all(one.wants(compiled(one.path).find(value)) for one in wanted)
