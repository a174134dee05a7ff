"""The value that stands under a name in a file, in order to tell whether it is another one than before."""

import re
from typing import Any, Final

from exporter.collector import Trouble
from exporter.jsontext import parse

_BLOCKS: Final = re.compile(rb"[|>][+-]?[0-9]?\Z")  # with which YAML says that the value stands on the lines below


def value_in(data: bytes, key: str, place: str) -> bytes:
    """Return the value, the whole without a key; Trouble, which tells nothing of it, where there is none."""
    if not key:
        value = data.strip()
    elif data.lstrip()[:1] == b"{":
        value = _from_json(data, key, place)
    else:
        value = _from_lines(data, key, place)
    if not value:
        what = f"{key} in {place}" if key else place
        raise Trouble(f"{what} is empty", "put the secret there, or take it out of the configuration")
    return value


def _absent(key: str, place: str) -> Trouble:
    return Trouble(f"{place} has no {key}", "correct `key` or `file`, or take the secret out of the configuration")


def _from_json(data: bytes, key: str, place: str) -> bytes:
    found: Any = parse(data, place, shown=False)
    for part in [key] if key in found else key.split("."):
        if not isinstance(found, dict) or part not in found:
            raise _absent(key, place)
        found = found[part]
    if isinstance(found, dict | list) or found is None:
        raise Trouble(f"{key} in {place} is no text", "correct `key`: its value must be one text or number")
    return str(found).encode("utf-8", "surrogatepass")


def _from_lines(data: bytes, key: str, place: str) -> bytes:
    """Return what follows `KEY=` or `key:`; of several the last, as with those who read such files."""
    text = data.replace(b"\r\n", b"\n")
    name = re.escape(key.encode())
    pattern = re.compile(rb"^([ \t]*)(?:export[ \t]+|-[ \t]+)?(['\"]?)" + name + rb"\2[ \t]*[=:][ \t]*", re.MULTILINE)
    places = [(found.end(), len(found[1])) for found in pattern.finditer(text)]
    if not places:
        raise _absent(key, place)
    return _value_at(text, *places[-1])


def _value_at(text: bytes, start: int, indent: int) -> bytes:
    """Return the value that begins there: in quotes, on the lines below, or to the end of its line."""
    quote = text[start : start + 1]
    if quote in (b"'", b'"'):
        closed = re.compile(rb"(?:\\.|[^\\" + quote + rb"])*", re.DOTALL).match(text, start + 1)
        return closed[0] if closed else b""
    line = text[start:].partition(b"\n")[0]
    bare = re.split(rb"[ \t]#", line, maxsplit=1)[0].strip().removesuffix(b",").strip()
    if _BLOCKS.match(bare):
        below = re.compile(rb"(?:[ \t]{%d,}[^\n]*(?:\n|\Z)|[ \t]*\n)*" % (indent + 1)).match(
            text, start + len(line) + 1
        )
        return below[0].strip() if below else b""
    return bare
