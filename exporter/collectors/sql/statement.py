"""A query's text: what plainly is not one that reads is refused beforehand; the read-only session refuses the rest."""

import re
from collections.abc import Iterator
from typing import Final

LONGEST: Final = 20_000
_BEGINNINGS: Final = ("select", "with", "values", "table", "from")
# What no keyword and no semicolon can stand in: comments, texts and quoted names.
_OPAQUE: Final = re.compile(
    r"""--[^\n]*|/\*.*?\*/|\b[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`"""
    r"""|\$(?P<tag>(?:[A-Za-z_]\w*)?)\$.*?\$(?P=tag)\$""",
    re.DOTALL,
)
_WRITES: Final = re.compile(
    r"\b(insert\s+(?:or\s+\w+\s+)?into|delete\s+from|update\s+[\w.]+\s+set|merge\s+into|replace\s+into)\b",
    re.IGNORECASE,
)
_EXPECTED: Final = "expected one statement that reads, such as SELECT count(*) AS jobs FROM queue"


def problems(sql: str) -> Iterator[str]:
    """Yield what is wrong with a query before any database has seen it."""
    bare = _bare(sql)
    first = re.match(r"[\s(]*(\w*)", bare)
    word = first[1].lower() if first else ""
    if len(sql) > LONGEST or "\0" in sql:
        yield f"is longer than {LONGEST} characters, or holds a NUL; {_EXPECTED}"
    elif not word:
        yield f"is no query; {_EXPECTED}"
    elif word not in _BEGINNINGS:
        yield f"begins with {word[:30].upper()}; {_EXPECTED}"
    elif ";" in bare[: _end(bare)]:
        yield f"holds several statements; {_EXPECTED}"
    elif found := _WRITES.search(bare):
        yield f"would write ({' '.join(found[1].split()).upper()}); {_EXPECTED}"


def single(sql: str) -> str:
    """Return the statement without the semicolon at its end."""
    return sql[: _end(_bare(sql))]


def place(sql: str, position: int) -> str:
    """Return where in the query the character of this number, from 0, stands."""
    before = sql[: max(0, position)]
    return f"line {before.count(chr(10)) + 1}, column {len(before) - (before.rfind(chr(10)) + 1) + 1}"


def _bare(sql: str) -> str:
    """Return the text with blanks for comments and quotes for all that is quoted, every character at its place."""
    return _OPAQUE.sub(lambda found: re.sub(r"[^\n]", " " if found[0][:2] in ("--", "/*") else "'", found[0]), sql)


def _end(bare: str) -> int:
    return len(bare.rstrip().rstrip(";" + " \t\r\n\f"))
