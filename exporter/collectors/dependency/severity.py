"""What a severity is, however its source puts it."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from exporter.collectors.dependency.cvss import rated
from exporter.collectors.dependency.settings import SEVERITIES

UNKNOWN: Final = "unknown"
_WORDS: Final = {
    "critical": "critical", "high": "high", "important": "high", "moderate": "medium", "medium": "medium",
    "low": "low", "info": "low", "none": "low", "negligible": "low", "minor": "low",
}  # fmt: skip


def of_word(word: Any) -> str:
    """Return the severity that a word means; `unknown` where it means none."""
    return _WORDS.get(word.strip().lower(), UNKNOWN) if isinstance(word, str) else UNKNOWN


def worst(severities: Iterable[str]) -> str:
    """Return the worst of severities, `unknown` only where there is nothing else."""
    return min(severities, key=SEVERITIES.index, default=UNKNOWN)


def word_in(holder: Any) -> str:
    """Return the severity that `database_specific` of a record, or of what it says of a package, puts into a word."""
    specific = holder.get("database_specific") if isinstance(holder, Mapping) else None
    return of_word(specific.get("severity")) if isinstance(specific, Mapping) else UNKNOWN


def scored(holder: Any) -> str:
    """Return the worst severity of the scores of a record, or of what it says of a package."""
    scores = holder.get("severity") if isinstance(holder, Mapping) else None
    if not isinstance(scores, list):
        return UNKNOWN
    return worst(_score(one) for one in scores if isinstance(one, Mapping))


def _score(one: Mapping[str, Any]) -> str:
    score = one.get("score")
    if not isinstance(score, str):
        return UNKNOWN
    return rated(score) or of_word(score)
