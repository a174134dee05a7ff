"""What went wrong with a query, in words that hold no value out of the database or the query."""

import re
from typing import Final

from exporter.collector import Trouble

_QUOTED: Final = re.compile(r"'(?:[^']|'')*'?|\"(?:[^\"]|\"\")*\"?")
_WORD: Final = re.compile(r"['\"][\w.$]{1,63}['\"]")
# A value can hold whatever ends one, in any language: what lies between the first and the last of these goes.
_ANY: Final = r"'\"`\u2018-\u201f\u00ab\u00bb\u2039\u203a\u300c-\u300f\[\]{}<>"
_BETWEEN: Final = re.compile(rf"[{_ANY}](?:.*[{_ANY}]|.*)", re.DOTALL)
_NUMBER: Final = re.compile(r"(?<![\w-])[-+]?\d(?:[\w.,:+-]*\w)?")
_LONGEST: Final = 300


def masked(words: str, *, values: bool) -> str:
    """Return what a database says, in one line, without what may be a value: all that is quoted and not a mere word.

    With `values` mere words and numbers may be values as well.
    """
    if values:
        told = _BETWEEN.sub("'...'", words.replace("can't", "cannot")).partition("\n")[0]
        return _line(_NUMBER.sub("...", told))
    return _line(_QUOTED.sub(lambda found: found[0] if _WORD.fullmatch(found[0]) else "'...'", words))


def _line(words: str) -> str:
    return " ".join(words.split())[:_LONGEST]


def took_too_long(timeout: float, *, own: bool) -> Trouble:
    """Return that a query was cut: by its own timeout, or as the round was over."""
    if own:
        return Trouble(f"it was cut after {timeout:g} s", "make the query quicker, or raise its `timeout`")
    reason = "no time was left for it in this round, after the queries before it"
    return Trouble(
        reason, "raise the target's `timeout` above what its queries take together, or give it an `interval`"
    )


def too_many(rows: int) -> Trouble:
    """Return that a query gave more rows than it may."""
    fix = "let the query add up what belongs together, narrow it, or raise its `max_rows`"
    return Trouble(f"the query gives more than {rows:,} rows", fix)
