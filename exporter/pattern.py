"""Patterns of RE2, which take time in proportion to the text and to their own size, and to nothing else."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from exporter.collector import Trouble, Unable

_SHOWN: Final = 40
_INSTALL: Final = "install it with: pip install 'runbook-exporter[probe]'"
_LARGEST: Final = 2 << 20  # bytes of memory that one pattern may take
_MOST_WORK: Final = 2 << 30  # bytes of a text times the size of a pattern: a second or two, where it comes to the worst


def pattern_problem(pattern: str) -> str:
    """Return what is wrong with a pattern, nothing where it is well."""
    try:
        _compiled(pattern)
    except Trouble as trouble:
        return f"{trouble}; {trouble.fix}"
    return ""


def found_in(pattern: str, text: bytes) -> bool:
    """Tell whether a text has a pattern."""
    return _searched(pattern, text) is not None


def group_of(pattern: str, text: bytes) -> str | None:
    """Return what the first group of a pattern found, or all that it did where it has none."""
    found = _searched(pattern, text)
    if found is None:
        return None
    part = found.group(1 if _compiled(pattern).groups else 0)
    return None if part is None else part.decode("utf-8", "replace")


def groups_of(pattern: str, text: bytes) -> Mapping[str, bytes] | None:
    """Return what each group of a pattern found, by its number and by its name; None where a text lacks the pattern."""
    found = _searched(pattern, text)
    if found is None:
        return None
    numbered = {str(number): part or b"" for number, part in enumerate(found.groups(), 1)}
    return numbered | {name.decode(): part or b"" for name, part in found.groupdict().items()}


def group_count(pattern: str) -> int:
    """Return how many groups a pattern has."""
    return int(_compiled(pattern).groups)


def _searched(pattern: str, text: bytes) -> Any:
    """Return where a text has a pattern; Unable where to look for it could take for ever."""
    compiled = _compiled(pattern)
    if len(text) * compiled.programsize > _MOST_WORK:
        begins = pattern if len(pattern) <= _SHOWN else f"{pattern[:_SHOWN]}…"
        fix = "have it repeat less, as {0,900} does, or have less answered"
        raise Unable(f"the pattern {begins!r} is too large to be looked for in {len(text):,} bytes", fix)
    return compiled.search(text)


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> Any:
    try:
        import re2
    except ImportError:
        raise Unable("patterns need the library google-re2", _INSTALL) from None
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
