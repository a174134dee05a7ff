"""Whether patterns are ones that RE2 takes; asked of a process that ends, as RE2 is no library for the server."""

import json
import subprocess
import sys
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

WHOLE_TEXT: Final = "begins or ends at the text's ends (\\A, \\z), but lines are what is searched; expected ^ or $"
MISSING: Final = "cannot be tried, as the package google-re2 is missing; expected `pip install runbook-exporter[log]`"
LARGEST: Final = 2 << 20
"""Bytes of memory that one pattern may take."""
_CHILD: Final = """
import json, sys
try:
    import re2
except ImportError:
    print("null")
    sys.exit()
options = re2.Options()
options.log_errors = False
options.max_mem = int(sys.argv[1])
answers = []
for pattern in json.load(sys.stdin):
    try:
        found = re2.compile(pattern, options)
        answers.append([found.groups, found.search("") is not None])
    except re2.error as error:
        text = error.args[0]
        answers.append(text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text))
print(json.dumps(answers))
"""


def problems_of(patterns: Mapping[str, str], groups: int | None = None) -> dict[str, str]:
    """Return what is wrong with patterns, by name; where `groups` is given each must have so many."""
    given = {name: pattern for name, pattern in patterns.items() if pattern or groups is None}
    answers = _asked(tuple(given.values())) if given else ()
    if answers is None:
        return dict.fromkeys(given, MISSING)
    found = {
        name: _problem(pattern, answer, groups) for (name, pattern), answer in zip(given.items(), answers, strict=True)
    }
    return {name: problem for name, problem in found.items() if problem}


def _problem(pattern: str, answer: "str | list[int]", groups: int | None) -> str:
    if isinstance(answer, str):
        return f"is no regular expression that RE2 takes ({answer}); expected one without look-around and references"
    count, empty = answer
    if "\\A" in pattern or "\\z" in pattern:
        return WHOLE_TEXT
    if groups is not None and count != groups:
        return f"has {count} groups; expected one, around what is wanted"
    return "fits every line, as it fits an empty one; expected one that asks for something" if empty else ""


@lru_cache(maxsize=64)
def _asked(patterns: tuple[str, ...]) -> "tuple[str | list[int], ...] | None":
    """Return for each pattern its number of groups and whether an empty line fits it, or what is wrong."""
    ended = subprocess.run(
        [sys.executable, "-P", "-c", _CHILD, str(LARGEST)], input=json.dumps(patterns), capture_output=True, text=True,
        check=True, timeout=60,
    )  # fmt: skip
    answers = json.loads(ended.stdout)
    return None if answers is None else tuple(answers)
