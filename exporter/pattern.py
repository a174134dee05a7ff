"""Patterns of RE2, which take time in proportion to the text, whatever the patterns."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from exporter.collector import Trouble

_INSTALL: Final = "install it with: pip install 'runbook-exporter[probe]'"
_LARGEST: Final = 2 << 20  # bytes of memory that one pattern may take


def pattern_problem(pattern: str) -> str:
    """Return what is wrong with a pattern, nothing where it is well."""
    try:
        _compiled(pattern)
    except Trouble as trouble:
        return f"{trouble}; {trouble.fix}"
    return ""


def found_in(pattern: str, text: bytes) -> bool:
    """Tell whether a text has a pattern."""
    return _compiled(pattern).search(text) is not None


def group_of(pattern: str, text: bytes) -> str | None:
    """Return what the first group of a pattern found, or all that it did where it has none."""
    found = _compiled(pattern).search(text)
    if found is None:
        return None
    part = found.group(1 if _compiled(pattern).groups else 0)
    return None if part is None else part.decode("utf-8", "replace")


def groups_of(pattern: str, text: bytes) -> Mapping[str, bytes] | None:
    """Return what each group of a pattern found, by its number and by its name; None where a text lacks the pattern."""
    found = _compiled(pattern).search(text)
    if found is None:
        return None
    numbered = {str(number): part or b"" for number, part in enumerate(found.groups(), 1)}
    return numbered | {name.decode(): part or b"" for name, part in found.groupdict().items()}


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> Any:
    try:
        import re2
    except ImportError:
        raise Trouble("patterns need the library google-re2", _INSTALL) from None
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _LARGEST
    try:
        return re2.compile(pattern.encode(), options)
    except re2.error as error:
        said = error.args[0] if error.args else ""
        said = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
        fix = "expected one without look-around and references"
        raise Trouble(f"is no regular expression that RE2 takes ({said})", fix) from None
