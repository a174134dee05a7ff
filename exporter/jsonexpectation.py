"""What must stand at a place in a value of JSON, as the configuration says it."""

import json
from dataclasses import dataclass
from typing import Any, Final

from exporter.jmes import compiled
from exporter.models import Problems
from exporter.setting import setting

MAX_DEPTH: Final = 100
"""How deep the answer to a probe may be nested."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JSONExpectation:
    """What must stand at a place in a JSON answer."""

    path: str = setting(help="The place, as a JMESPath.", example="database.status")
    equals: str | None = setting(
        None, help="The value that must stand there; null in quotes.", example="ok", shown=True
    )
    one_of: tuple[str, ...] = setting((), help="The values of which one must stand there.", example="[ok, starting]")

    def check(self) -> Problems:
        """Find a path that is none, and no value or too many."""
        try:
            compiled(self.path)
        except ValueError as error:
            yield "path", str(error)
        if (self.equals is None) == (not self.one_of):
            yield "equals", "expected exactly one of equals and one_of; null stands in quotes"

    def wants(self, value: Any) -> bool:
        """Tell whether a value is one of those that are expected."""
        return any(_same(value, text) for text in (self.one_of if self.equals is None else (self.equals,)))


def _same(value: Any, text: str) -> bool:
    """Tell whether a JSON value is what was written: as text, or as the number, true, false or null that it names."""
    if isinstance(value, str):
        return value == text
    try:
        wanted = json.loads(text)
    except ValueError:
        return False
    return isinstance(value, bool) == isinstance(wanted, bool) and bool(value == wanted)
