"""Texts with the values of earlier answers in them: `{{name}}` stands for the value of that name."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import quote, quote_plus

from exporter.collector import Trouble

NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""What the name of a value is like."""
_ASKED: Final = re.compile(rf"\{{\{{ *({NAME.pattern}) *\}}\}}")
_ENDS_PATH: Final = re.compile(r"[?#]")
UNSENDABLE: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
"""What no header may hold: one that is folded may be taken for two."""
_FORM: Final = "application/x-www-form-urlencoded"


def names_in(text: str) -> list[str]:
    """Return the names that a text asks for."""
    return _ASKED.findall(text)


def in_address(text: str, values: Mapping[str, str]) -> str:
    """Fill an address: what a value holds ends no part of it, and leads out of no folder, which is a Trouble."""
    filled = _filled(text, values, lambda value: quote(value, safe=""))  # which adds no part to the path
    for part, its in zip(_folders(text), _folders(filled), strict=True):
        if its != part and its.partition(";")[0] in (".", ".."):
            raise _refused(part, "would lead to another folder")
    return filled


def _folders(address: str) -> list[str]:
    return _ENDS_PATH.split(address, maxsplit=1)[0].split("/")


def in_header(text: str, values: Mapping[str, str]) -> str:
    """Fill a header, which takes values as they are; Trouble where one would end it."""
    filled = _filled(text, values, lambda value: value)
    if filled != text and UNSENDABLE.search(filled):
        raise _refused(text, "holds what a header cannot")
    return filled


def _refused(text: str, why: str) -> Trouble:
    fix = "see what is carried there, and by whom it was given"
    return Trouble(f"the value of {' and '.join(names_in(text))} {why}", fix)


def in_body(text: str, values: Mapping[str, str], kind: str) -> bytes:
    """Fill a body, each value written as its type has it: inside a text of JSON, in a form, or as it is."""
    if _FORM in kind:
        return _filled(text, values, quote_plus).encode()
    if "json" in kind:
        return _filled(text, values, lambda value: json.dumps(value)[1:-1]).encode()
    return _filled(text, values, lambda value: value).encode()


def _filled(text: str, values: Mapping[str, str], written: Callable[[str], str]) -> str:
    return _ASKED.sub(lambda found: written(values[found[1]]), text) if "{{" in text else text


def kind_of(body: str) -> str:
    """Return the type of a body that says none: JSON where it begins so, else a form."""
    return "application/json" if body.lstrip()[:1] in ("{", "[") else _FORM
