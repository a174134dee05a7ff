"""How durations, sizes and ratios are written in the configuration, and how they are shown again."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

_SECONDS: Final = {
    "w": Decimal(604_800), "d": Decimal(86_400), "h": Decimal(3_600), "m": Decimal(60), "s": Decimal(1),
    "ms": Decimal("0.001"),
}  # fmt: skip
_BYTES: Final = {"B": 1} | {
    unit: base**power
    for power, letter in enumerate("kMGTP", 1)
    for unit, base in ((f"{letter}B", 1000), (f"{letter.upper()}iB", 1024))
}
_BYTES_BY_LOWER_CASE: Final = {unit.lower(): Decimal(size) for unit, size in _BYTES.items()}
_LONGEST: Final = 36_525 * 86_400  # a hundred years; longer ones overflow the timers of the operating system
_LARGEST: Final = 2**63 - 1

_NUMBER = re.compile(r"[0-9]{1,19}(?:\.[0-9]{1,18})?")
_DURATION = re.compile(rf"(?:{_NUMBER.pattern} *(?:ms|[smhdw]) *)+")
_DURATION_PART = re.compile(rf"({_NUMBER.pattern}) *(ms|[smhdw])")
_SIZE = re.compile(rf"({_NUMBER.pattern}) *([A-Za-z]*)")


@dataclass(frozen=True, slots=True)
class Quantity:
    """A figure with a unit: its name, how it is written, and the functions from text and back to text."""

    name: str
    example: str
    parse: Callable[[str], Any]
    show: Callable[[Any], str]


def parse_duration(text: str) -> float:
    """Return the seconds in `90`, `90s`, `1h30m` or `500ms`; ValueError says what is wrong."""
    if _NUMBER.fullmatch(text):
        seconds = Decimal(text)
    elif _DURATION.fullmatch(text):
        seconds = sum((Decimal(n) * _SECONDS[unit] for n, unit in _DURATION_PART.findall(text)), Decimal())
    else:
        raise ValueError("is not a duration")
    if seconds > _LONGEST:
        raise ValueError("is longer than a hundred years")
    return float(seconds)


def show_duration(seconds: float) -> str:
    """Return seconds as the configuration writes them: 5400.0 as 1h30m."""
    left, text = Decimal(repr(seconds)), ""
    if left == 0 or left % _SECONDS["ms"]:
        return f"{show_number(seconds)}s"
    for unit, size in _SECONDS.items():
        count, left = divmod(left, size)
        text += f"{count:f}{unit}" if count else ""
    return text


def parse_size(text: str) -> int:
    """Return the bytes in `10`, `500MB` or `2GiB`; ValueError says what is wrong."""
    match = _SIZE.fullmatch(text)
    unit = _BYTES_BY_LOWER_CASE.get((match[2] or "B").lower()) if match else None
    if match is None or unit is None:
        raise ValueError("is not a size")
    size = Decimal(match[1]) * unit
    if size % 1:
        raise ValueError("is not a whole number of bytes")
    if size > _LARGEST:
        raise ValueError("is larger than any file can be")
    return int(size)


def show_size(size: int) -> str:
    """Return bytes in the largest unit that leaves no rest: 2147483648 as 2GiB."""
    for unit, factor in sorted(_BYTES.items(), key=lambda item: -item[1]):
        if factor > 1 and size >= factor and size % factor == 0:
            return f"{size // factor}{unit}"
    return str(size)


def parse_ratio(text: str) -> float:
    """Return the ratio in `0.8` or `80%`; ValueError says what is wrong."""
    figure = text.removesuffix("%").rstrip()
    if not _NUMBER.fullmatch(figure):
        raise ValueError("is not a ratio")
    ratio = Decimal(figure) / (100 if text.endswith("%") else 1)
    if ratio > 1:
        raise ValueError("is above 1, that is 100%")
    return float(ratio)


def show_number(number: float) -> str:
    """Return a number without an exponent and without a needless `.0`."""
    text = f"{Decimal(repr(number)):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


DURATION: Final = Quantity("duration", "90s, 15m or 1d", parse_duration, show_duration)
SIZE: Final = Quantity("size", "500MB or 2GiB", parse_size, show_size)
RATIO: Final = Quantity("ratio", "0.8 or 80%", parse_ratio, show_number)
