"""Which names a PromQL expression asks for: enough of its grammar for expressions that promtool has accepted."""

import re
from typing import Final

# What may hold words that are no metric: strings, comments, matchers, ranges, lists of labels.
_ELSEWHERE: Final = re.compile(
    r"""
    "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*' | `[^`]*`
  | \#[^\n]*
  | \b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)
    """,
    re.VERBOSE,
)
_BRACKETS: Final = re.compile(r"\{[^}]*\}|\[[^\]]*\]")
_NAME: Final = re.compile(r"(?<![\w:.])[a-zA-Z_:][\w:]*(?!\w|:|\s*\()")
_WORDS: Final = frozenset(
    ["and", "or", "unless", "atan2", "bool", "offset", "start", "end", "inf", "nan",
     "by", "without", "on", "ignoring", "group_left", "group_right",
     "sum", "min", "max", "avg", "group", "stddev", "stdvar", "count", "count_values", "bottomk", "topk", "quantile"]
)  # fmt: skip


def names(expression: str) -> list[str]:
    """Return the metrics and recorded signals that an expression selects, each once, in its order."""
    bare = _BRACKETS.sub(" ", _ELSEWHERE.sub(" ", expression))
    return list(dict.fromkeys(name for name in _NAME.findall(bare) if name.lower() not in _WORDS))
