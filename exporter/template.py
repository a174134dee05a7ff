"""Texts with the values of earlier answers in them: `{{name}}` stands for the value of that name."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import quote, quote_plus

_NAME: Final = re.compile(r"\{\{ *([A-Za-z_][A-Za-z0-9_]*) *\}\}")
_FORM: Final = "application/x-www-form-urlencoded"


def names_in(text: str) -> list[str]:
    """Return the names that a text asks for."""
    return _NAME.findall(text)


def in_address(text: str, values: Mapping[str, str]) -> str:
    """Fill an address: what a value holds ends no part of it."""
    return _filled(text, values, lambda value: quote(value, safe=""))


def in_header(text: str, values: Mapping[str, str]) -> str:
    """Fill a header, which takes values as they are."""
    return _filled(text, values, lambda value: value)


def in_body(text: str, values: Mapping[str, str], kind: str) -> bytes:
    """Fill a body, each value written as its type has it: inside a text of JSON, in a form, or as it is."""
    if _FORM in kind:
        return _filled(text, values, quote_plus).encode()
    if "json" in kind:
        return _filled(text, values, lambda value: json.dumps(value)[1:-1]).encode()
    return _filled(text, values, lambda value: value).encode()


def _filled(text: str, values: Mapping[str, str], written: Callable[[str], str]) -> str:
    return _NAME.sub(lambda found: written(values[found[1]]), text) if "{{" in text else text


def kind_of(body: str) -> str:
    """Return the type of a body that says none: JSON where it begins so, else a form."""
    return "application/json" if body.lstrip()[:1] in ("{", "[") else _FORM
