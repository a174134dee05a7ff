"""Bytes that somebody sent to the JSON value in them, or a reason that says what came instead."""

import json
from typing import Any, Final

from exporter.collector import Trouble
from exporter.secret import redact

MAX_DEPTH: Final = 9
# A value takes up to some 70 bytes however short its text is, so bytes alone would bound no memory.
MAX_VALUES: Final = 250_000
_SHOWN: Final = 80
# Secrets are masked before the text is cut, or half of one would show; of what is looked at itself, the end may be half
# of one, so as much as a secret can have is left out there.
_LOOKED_AT: Final = 16 << 10
_HALF_SECRET: Final = 8 << 10

_FIX: Final = "see what answers there; expected one JSON value, in UTF-8, and nothing else"


class _RefusedError(ValueError):
    """What the JSON parser would let pass."""


def parse(data: bytes, place: str, max_depth: int = MAX_DEPTH, *, shown: bool = True) -> Any:
    """Return the JSON value; Trouble where it is none or would take too much: `shown` lets it tell how that begins."""
    if data.count(b",") + data.count(b"[") + data.count(b"{") > MAX_VALUES:
        raise Trouble(f"{place} holds more than {MAX_VALUES:,} values", "ask for less of it")
    try:
        value = json.loads(data.decode("utf-8-sig"), object_pairs_hook=_object, parse_int=_whole)
    except UnicodeDecodeError as error:
        raise Trouble(f"{place} is not UTF-8 at byte {error.start + 1}", _FIX) from None
    except RecursionError:
        raise _too_deep(place, max_depth) from None
    except ValueError as error:
        raise Trouble(f"{place} {_problem(data, error, shown)}", _FIX) from None
    if _is_deeper(value, max_depth):
        raise _too_deep(place, max_depth)
    return value


def beginning(data: bytes) -> str:
    """Return how a text begins, in quotes, without secrets."""
    text = redact(data[:_LOOKED_AT].decode("utf-8", "replace"))
    text = text if len(data) <= _LOOKED_AT else text[:-_HALF_SECRET]
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return repr(line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…")


def _problem(data: bytes, error: ValueError, shown: bool) -> str:
    start = data.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not start:
        return "is empty"
    quoted = f": {beginning(start)}" if shown else ""
    if start[:1] == b"<":
        return f"is HTML or XML, not JSON{quoted}"
    if isinstance(error, json.JSONDecodeError):
        what = "goes on after its end" if error.msg.startswith("Extra data") else "is not JSON"
        return f"{what} (line {error.lineno}, column {error.colno}){quoted}"
    return f"{error if isinstance(error, _RefusedError) else 'is not JSON'}{quoted}"


def _too_deep(place: str, max_depth: int) -> Trouble:
    fix = "raise `max_depth` where the target has it, or ask for less of it"
    return Trouble(f"{place} is nested more than {max_depth} levels deep", fix)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):  # which of the two is meant, nobody knows
        raise _RefusedError("has a key twice in one object")
    return found


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) < 400 else float(digits)  # which is infinite; Python refuses thousands of digits


def _is_deeper(value: Any, levels: int) -> bool:
    """Tell whether lists and objects are nested deeper; level by level, as recursion has its own limit."""
    level = [value]
    for _ in range(levels + 1):
        level = [item for item in level if isinstance(item, list | dict)]
        if not level:
            return False
        level = [child for item in level for child in (item.values() if isinstance(item, dict) else item)]
    return True
