"""A past for Prometheus, as if all had been well for a week: what rules compare with yesterday needs a yesterday."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from exporter import pack, promql
from exporter.demo import asking
from exporter.demo.application import program

_DAYS: Final = 8.5  # as far as rules look back, and a little more
_STEP: Final = 3600.0  # seconds between two samples, of the rules' own clock
_AT_ONCE: Final = 60  # names in one query


def possible() -> bool:
    return program("promtool") is not None


def write(prometheus: str, data: Path, *, until: float, speed: float) -> int:
    """Write blocks in which every series that rules look back at was always as it is now; return how many."""
    now = [series for names in _names() for series in _series(prometheus, names)]
    text = data.parent / "history.om"
    with text.open("w", encoding="utf-8") as file:
        file.writelines(_lines(now, _times(until, speed)))
        file.write("# EOF\n")
    command = [program("promtool") or "promtool", "tsdb", "create-blocks-from", "openmetrics", str(text), str(data)]
    subprocess.run(
        command, check=True, capture_output=True,
        timeout=120,
    )  # fmt: skip
    text.unlink()
    return len(now)


def _times(until: float, speed: float) -> list[float]:
    step = _STEP / speed
    count = int(_DAYS * 24)
    return [until - step * number for number in range(count, 0, -1)]


def _names() -> Iterator[list[str]]:
    """Yield the names of what rules look back at, some at a time."""
    rules = pack.rules()
    texts = [signal.expression for group in rules.signals.values() for signal in group]
    looking = {name for text in texts if "offset" in text or "[" in text for name in promql.names(text)}
    names = sorted(looking)
    yield from (names[start : start + _AT_ONCE] for start in range(0, len(names), _AT_ONCE))


def _series(prometheus: str, names: list[str]) -> list[dict[str, Any]]:
    query = f'{{__name__=~"{"|".join(names)}"}}'
    answer = asking.form(f"{prometheus}/api/v1/query", query=query, time=str(time.time()))
    found: list[dict[str, Any]] = answer["data"]["result"]
    return found


def _lines(series: list[dict[str, Any]], times: list[float]) -> Iterator[str]:
    for one in series:
        labels = dict(one["metric"])
        name = labels.pop("__name__")
        shown = ",".join(f'{key}="{_escaped(value)}"' for key, value in labels.items())
        value = one["value"][1]
        yield from (f"{name}{{{shown}}} {value} {moment:.3f}\n" for moment in times)


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
