"""Alert rules on a quicker clock, for tests that cannot wait for them."""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0, "y": 31536000.0}
_PART: Final = re.compile(r"(\d+)(ms|[smhdwy])")
_DURATION: Final = r"(?:\d+(?:ms|[smhdwy]))+"
# Strings and comments come first, so that nothing inside them is taken for a window.
_CLOCKWORK: Final = re.compile(
    rf"""
    (?P<text> "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*' | `[^`]*` | \#[^\n]* )
  | \[ \s* (?P<window>{_DURATION}) \s* (?P<colon> : \s* (?P<step>{_DURATION})? \s* )? \]
  | \b offset \s+ (?P<sign>-?) \s* (?P<offset>{_DURATION})
    """,
    re.VERBOSE,
)


def scaled(text: str, factor: float, floor: float) -> str:
    """Return a rule file with the durations of its clock divided by the factor, and everything else as it is.

    Divided are `for`, `keep_firing_for`, a group's `interval`, and in expressions range windows, the steps of
    subqueries, and offsets. Windows and offsets do not fall below `floor` seconds, or what they were where that was
    less: give four times the scrape interval of the test. A group is evaluated no oftener than a quarter of `floor`.

    Numbers stay, also those of seconds: `signal > 3600` says how old something in the world may be, and so does the
    horizon of predict_linear(); a test brings data that old. Comments are lost.
    """
    import yaml  # only here: the exporter itself can do without

    rules = yaml.safe_load(text)
    for group in rules["groups"]:
        _scale(group, "interval", lambda seconds: _least(seconds / factor, floor / 4, seconds))
        for rule in group["rules"]:
            for key in ("for", "keep_firing_for"):
                _scale(rule, key, lambda seconds: seconds / factor)
            rule["expr"] = _expression(str(rule["expr"]), factor, floor)
    scaled_text: str = yaml.safe_dump(rules, sort_keys=False, allow_unicode=True, width=1000)
    return scaled_text


def _scale(holder: dict[str, Any], key: str, change: Callable[[float], float]) -> None:
    if key in holder:
        holder[key] = _shown(change(to_seconds(str(holder[key]))))


def _expression(expression: str, factor: float, floor: float) -> str:
    def shorter(duration: str, least: float = 0.0) -> str:
        seconds = to_seconds(duration)
        return _shown(_least(seconds / factor, least, seconds))

    def replace(match: re.Match[str]) -> str:
        if match["text"]:
            return match[0]
        if match["offset"]:
            return f"offset {match['sign']}{shorter(match['offset'], floor)}"
        step = shorter(match["step"]) if match["step"] else ""
        return f"[{shorter(match['window'], floor)}{':' if match['colon'] else ''}{step}]"

    return _CLOCKWORK.sub(replace, expression)


def _least(seconds: float, least: float, most: float) -> float:
    return min(max(seconds, least), most)


def to_seconds(duration: str) -> float:
    """Return the seconds of a duration as Prometheus writes it."""
    return sum(int(number) * _UNITS[unit] for number, unit in _PART.findall(duration))


def _shown(seconds: float) -> str:
    """Return a duration as Prometheus writes it: whole numbers of descending units, a millisecond at least if any."""
    milliseconds = max(round(seconds * 1000), 1) if seconds else 0
    return "".join(_parts(milliseconds)) or "0s"


def _parts(milliseconds: int) -> Iterator[str]:
    for unit in ("d", "h", "m", "s", "ms"):
        number, milliseconds = divmod(milliseconds, round(_UNITS[unit] * 1000))
        if number:
            yield f"{number}{unit}"
