"""Lists in headers (RFC 9651), as far as limits are told in them: items with fields, or `key=value`."""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

_MOST: Final = 4096  # characters of one header that are read
_MOST_ITEMS: Final = 20
_PIECE: Final = r'(?:"(?:[^"\\]|\\.)*"|:[A-Za-z0-9+/=]*:|[^",;=\s]+)'
_FIELD: Final = re.compile(rf"\s*;\s*([a-z*][a-z0-9_.*-]*)\s*(?:=\s*({_PIECE}))?")
_ITEM: Final = re.compile(rf"\s*(?:([a-z*][a-z0-9_.*-]*)\s*=\s*)?({_PIECE})")


class Item(NamedTuple):
    """One member of a list: `value;field=...`, or `key=value` where it is a dictionary's."""

    key: str
    value: str
    fields: Mapping[str, str]
    quoted: bool = False


def items(text: str) -> list[Item]:
    """Return the first members of a list; none where one of them is malformed, as it must be ignored then."""
    found: list[Item] = []
    at = 0
    while at < len(text) <= _MOST and len(found) < _MOST_ITEMS:
        item = _ITEM.match(text, at)
        if item is None:
            return []
        at, fields = _fields(text, item.end())
        found.append(Item(item[1] or "", _plain(item[2]), fields, item[2].startswith('"')))
        rest = text[at:].lstrip()
        if rest and not rest.startswith(","):
            return []
        at = len(text) - len(rest) + 1 if rest else len(text)
    return found


def _fields(text: str, at: int) -> tuple[int, dict[str, str]]:
    fields: dict[str, str] = {}
    while field := _FIELD.match(text, at):
        fields[field[1]] = _plain(field[2] or "")
        at = field.end()
    return at, fields


def _plain(piece: str) -> str:
    return re.sub(r"\\(.)", r"\1", piece[1:-1]) if piece.startswith('"') else piece
