"""A figure as a site writes it, in the unit of its signal: 15% of a share, 500ms, 10GB."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from exporter import quantity
from exporter.rulescale import to_seconds

_NUMBER: Final = re.compile(r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d{1,2})?")
_AS_RULES_HAVE_IT: Final = re.compile(r"\d+(?:\.\d+)?(?:e\d+)?")
_DURATION: Final = re.compile(r"(\d+y)?(\d+w)?(\d+d)?(\d+h)?(\d+m)?(\d+s)?(\d+ms)?")
_YEAR: Final = 31_536_000
_FAR: Final = 100  # so many times more or less is another unit rather than another judgement
_MANY: Final = 10  # the same of multiples, where 80 may be meant as 80%
# Shares by their figure that can be more than the whole.
_MAY_EXCEED_ONE: Final = frozenset({"runbook:task_overdue:ratio"})


@dataclass(frozen=True, slots=True)
class Unit:
    """What figures of a signal are, and how they are written."""

    name: str
    example: str
    parse: Callable[[str], float] | None = None


def _percent(text: str) -> float:
    if not text.endswith("%") or not _NUMBER.fullmatch(text[:-1].strip()):
        raise ValueError
    return float(Decimal(text[:-1].strip()) / 100)


def _size(text: str) -> float:
    return float(quantity.parse_size(re.sub(r"\s*(/|per )\s*(d|day)$", "", text)))


SECONDS: Final = Unit("a duration", "500ms, 10m or 30d", quantity.parse_duration)
BYTES: Final = Unit("a size", "500MB or 10GB", _size)
SHARE: Final = Unit("a share of one", "0.15 or 15%", _percent)
TIMES: Final = Unit("a multiple", "1.5 or 150%", _percent)
COUNT: Final = Unit("a number", "5")
_WITH_SIGN: Final = (SECONDS, BYTES, SHARE)


def unit_of(signal: str, figure: float) -> Unit:
    """Return the unit of a signal's figures, by the end of its name and the figure that the pack has."""
    end = signal.rsplit(":", 1)[1]
    if "bytes" in end:
        return BYTES
    if "seconds" in end:
        return SECONDS
    if 0 < figure < 1 and signal not in _MAY_EXCEED_ONE:
        return SHARE
    return TIMES if end.endswith(("ratio", "share")) else COUNT


def figure(text: str, signal: str, before: str, operator: str = "") -> str:
    """Return a figure as the rule has it; ValueError says what is wrong, and the remedy."""
    unit = unit_of(signal, float(before))
    number = _number(text, unit, float(before))
    if number < 0:
        raise ValueError(f"{text} is below 0; {signal} is {unit.name}")
    _refuse_what_never_is(number, unit, operator, text)
    if number == float(before):
        return before
    return text if _AS_RULES_HAVE_IT.fullmatch(text) else quantity.show_number(number)


def _number(text: str, unit: Unit, before: float) -> float:
    if _NUMBER.fullmatch(text):
        _refuse_another_unit(text, unit, before)
        return float(text)
    if unit.parse is not None:
        try:
            return unit.parse(text)
        except ValueError:
            pass
    others = (other for other in _WITH_SIGN if other is not unit and _is(other, text))
    found = next((f"is {other.name}" for other in others), "is no figure")
    raise ValueError(f"{text!r} {found}; expected {unit.name}, as {unit.example}")


def _is(unit: Unit, text: str) -> bool:
    try:
        return unit.parse is not None and unit.parse(text) >= 0
    except ValueError:
        return False


def _refuse_another_unit(text: str, unit: Unit, before: float) -> None:
    """Refuse a bare number that is most likely meant in another unit; written with its unit it is taken."""
    number = float(text)
    if unit is SHARE and number > 1:
        raise ValueError(f"{text} is more than the whole; the figure is a share of one: {_meant_in_percent(number)}")
    if unit is TIMES and number > _MANY * max(before, 1):
        raise ValueError(f"{text} is {text} times; {_meant_in_percent(number)}, or {text}00% if {text} times are meant")
    if unit in (SECONDS, BYTES) and number and before and not before / _FAR < number < before * _FAR:
        raise ValueError(_far_off(text, unit, before))


def _meant_in_percent(number: float) -> str:
    return f"write {quantity.show_number(number)}% or {quantity.show_number(float(Decimal(repr(number)) / 100))}"


def _far_off(text: str, unit: Unit, before: float) -> str:
    if unit is BYTES:
        return f"{text} is {text} bytes, where the pack has {quantity.show_size(int(before))}; write its unit: {text}GB"
    has, units = quantity.show_duration(before), ("ms", "s", "m", "h", "d")
    near = [end for end in units if before / _FAR < quantity.parse_duration("1" + end) * float(text) < before * _FAR]
    remedy = " or ".join(f"{text}{end}" for end in near) or f"{text}s"
    return f"{text} is {text} seconds, where the pack has {has}; write its unit: {remedy}"


def _refuse_what_never_is(number: float, unit: Unit, operator: str, text: str) -> None:
    if unit is SHARE and number > 1:
        raise ValueError(f"{text} is more than the whole; the figure is a share of one, as {unit.example}")
    if unit is SHARE and ((operator == ">" and number == 1) or (operator == "<" and number == 0)):
        raise ValueError(f"a share is never {'above 1' if number else 'below 0'}; to have no such alert write off")


def duration(text: str) -> str:
    """Return a duration as rules have it, of `for` and `keep_firing_for`; ValueError says what is wrong."""
    if text == "0":
        return "0s"
    if text.isdecimal():
        raise ValueError(f"{text} has no unit; write {text}s, {text}m or {text}h")
    if not text or not _DURATION.fullmatch(text):
        try:
            whole = f"; write {quantity.show_duration(quantity.parse_duration(text))}"
        except ValueError:
            whole = ""
        raise ValueError(f"{text!r} is no duration of Prometheus'{whole or '; expected one as 30s, 10m or 1h30m'}")
    if to_seconds(text) > _YEAR:
        raise ValueError(f"{text} is longer than a year")
    return text
