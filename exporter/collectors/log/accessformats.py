"""The formats of access logs: lines to what is counted of them.

Patterns are linear by construction: each repetition is possessive and is followed by what it cannot hold itself. One
is not possessive, as Python up to 3.11.2 finds nothing where such a group has a look-ahead; what it gives back is tried
once.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

Text = bytes | str
Request = tuple[Text, ...]
"""Method and path without the query (`GET /x`), status, and seconds as text; empty where there is no time."""
Reader = Callable[[list[bytes]], list[Request]]
"""Reads the lines that it understands, and leaves the others out."""

# What stands in quotes; a quote within is \x22 of nginx, and \" of others.
_QUOTED: Final = rb'[^"\\]*+(?:\\.[^"\\]*+)*+'
# GET /path; what follows it is the query and the version
_ASKED: Final = rb'([^"?; ]*+ ?+[^"\\?; ]*+(?:\\.[^"\\?; ]*+)*+)'
# host - user [time] "GET /path?query HTTP/1.1" 200
_REQUEST: Final = rb'[^"]*+"' + _ASKED + _QUOTED + rb'" ([0-9]{3})'
# bytes "referer" "user agent", then fields in quotes with or without a name, then the time
_TIME: Final = (
    rb' [0-9-]++ "Q" "Q"(?: (?!request_time=|rt=)[a-z_]*+=?+"Q")*'
    rb' (?:request_time=|rt=)?+"?+(?:([0-9]++\.[0-9]++)|-)(?=[" ]|\Z)'
).replace(b"Q", _QUOTED)
_COLOUR: Final = rb"(?:\x1b\[[0-9;]*+m)?+"
_UVICORN: Final = _COLOUR.join((rb'[^"]*+(?<= - )"', _ASKED + rb'[^"]*+" ', rb"([0-9]{3}|\[accepted\])()"))

_STATUS: Final = re.compile(r"[0-9]{3}")


def _by_pattern(pattern: bytes) -> Reader:
    match = re.compile(pattern).match

    def read(lines: list[bytes]) -> list[Request]:
        return [found.groups(b"") for found in map(match, lines) if found]

    return read


def _read_json(lines: list[bytes]) -> list[Request]:
    return list(_of_objects(_objects(lines)))


def _objects(lines: list[bytes]) -> Iterable[Any]:
    """Return what stands in the lines: read as one list, which takes half the time, or else one by one."""
    texts = [line.decode("utf-8", "replace") for line in lines]
    try:
        found = json.loads(f"[{','.join(texts)}]")
    except (ValueError, RecursionError):
        return _one_by_one(texts)
    return found if len(found) == len(texts) else _one_by_one(texts)


def _one_by_one(texts: list[str]) -> Iterator[Any]:
    for text in texts:
        try:
            yield json.loads(text)
        except (ValueError, RecursionError):
            continue


def _of_objects(objects: Iterable[Any]) -> Iterator[Request]:
    for found in objects:
        if isinstance(found, dict):
            status, request = str(found.get("status")), _request(found)
            if request and _STATUS.fullmatch(status):
                yield request, status, str(found.get("request_time", ""))


def _request(found: Mapping[str, Any]) -> str | None:
    """Return method and path of an object with nginx's names."""
    whole = found.get("request")
    if whole is None and "request_method" in found:
        whole = f"{found['request_method']} {found.get('request_uri') or found.get('uri')}"
    if not isinstance(whole, str):
        return None
    method, _, path = whole.partition(" ")
    return f"{method} {re.split('[?; ]', path, maxsplit=1)[0]}"


READERS: Final[Mapping[str, Reader]] = {
    "nginx": _by_pattern(_REQUEST + rb"()"),
    "nginx_timed": _by_pattern(_REQUEST + _TIME),
    "nginx_json": _read_json,
    "uvicorn": _by_pattern(_UVICORN),
    "gunicorn": _by_pattern(_REQUEST + rb"()"),
}
TIMED: Final = frozenset({"nginx_timed", "nginx_json"})
