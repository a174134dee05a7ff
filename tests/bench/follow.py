"""How fast a log is read: megabytes a second of one processor, beside mtail with the same patterns."""

import json
import os
import random
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from exporter.collectors.log.readymade import READY_MADE, patterns_of
from tests.bench.processes import ROOT

MTAIL: Final = shutil.which("mtail")
_WORDS: Final = ("CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG")
# From the first line to the last, as the helper process does it; then it says what it has counted.
_FOLLOW: Final = """
import sys, threading
from exporter.collectors.log.follow import Follow
from exporter.collectors.log.settings import FollowedLog, LogsSettings
log = FollowedLog(files=(sys.argv[1],), format=sys.argv[2], start="beginning")
told, stop = {}, threading.Event()
def tell(changes):
    told.update(changes)
    if not told["log it"]["behind"]:
        stop.set()
Follow(LogsSettings(logs={"it": log}, ready_events=tuple(sys.argv[3:])), {}).run(stop, tell, lambda: None)
print(told["log it"]["levels"]["error"], sum(told["log it"]["events"].values()))
"""
# What a follower is asked for: the levels alone, or all ready-made events beside them.
_ASKED: Final[Mapping[str, tuple[str, ...]]] = {"levels": (), "levels and events": tuple(READY_MADE)}
_SLOWER: Final = 10  # mtail is given so many times fewer lines, as it would take minutes


@dataclass(frozen=True, slots=True)
class Followed:
    """What one follower made of one log."""

    who: str
    log: str
    asked: str
    megabytes: float
    cpu: float
    errors: int
    events: int

    @property
    def rate(self) -> float:
        """Megabytes a second of one processor."""
        return self.megabytes / self.cpu


def measure(place: Path, lines: int, times: int) -> list[Followed]:
    """Have a log of text and one of JSON read from start to end, by us and, where it is installed, by mtail.

    Of so many times the median counts.
    """
    results = []
    for format, text in (("text", _as_text), ("json", _as_json)):
        log, short, empty = (place / f"{format}-{size}.log" for size in ("whole", "short", "empty"))
        for path, count in ((log, lines), (short, lines // _SLOWER), (empty, 0)):
            with path.open("w", encoding="utf-8") as file:
                file.writelines(f"{text(number, *one)}\n" for number, one in enumerate(_messages(count)))
        for asked, groups in _ASKED.items():
            results.append(_ours(log, empty, format, asked, groups, times))
            if MTAIL is not None:
                results.append(_theirs(short, empty, format, asked, groups, times))
    return results


def _ours(log: Path, empty: Path, format: str, asked: str, groups: tuple[str, ...], times: int) -> Followed:
    command = [sys.executable, "-c", _FOLLOW]
    cpu, output = _measured(log, empty, lambda path: [*command, str(path), format, *groups], times)
    errors, events = map(int, output.split())
    return Followed("runbook-exporter", format, asked, log.stat().st_size / 1e6, cpu, errors, events)


def _theirs(log: Path, empty: Path, format: str, asked: str, groups: tuple[str, ...], times: int) -> Followed:
    program = log.with_suffix(".mtail")
    program.write_text(_program(groups), encoding="utf-8")
    options = ["-one_shot", "-address", "127.0.0.1", "-port", "0", "-progs", str(program), "-logs"]
    cpu, output = _measured(log, empty, lambda path: [str(MTAIL), *options, str(path)], times)
    found = json.loads(output)
    errors, events = _of_mtail(found, "messages", "ERROR"), _of_mtail(found, "events")
    return Followed("mtail", format, asked, log.stat().st_size / 1e6, cpu, errors, events)


def _of_mtail(found: Mapping[str, Any], name: str, label: str = "") -> int:
    values = [one for metric in found.get(name, ()) for one in metric.get("LabelValues") or ()]
    return sum(one["Value"]["Value"] for one in values if label in ("", *one["Labels"]))


def _messages(count: int) -> list[tuple[str, str]]:
    chance = random.Random(4)
    levels = chance.choices(_WORDS, [1, 2, 5, 80, 12], k=count)
    return [(level, _message(chance, number)) for number, level in enumerate(levels)]


def _message(chance: random.Random, number: int) -> str:
    text = f"processed item {number} of customer {chance.randrange(10_000)} in {chance.random():.3f} s, all steps well"
    tail = chance.choices(["", " SCRAPE_002: timeout", " login failed", " 429 too many requests"], [997, 1, 1, 1])[0]
    return text + tail


def _as_text(number: int, level: str, message: str) -> str:
    return f"2026-11-25 {_clock(number)},123 {level} app.jobs.items: {message}"


def _as_json(number: int, level: str, message: str) -> str:
    return json.dumps(
        {
            "timestamp": f"2026-11-25T{_clock(number)}.123Z",
            "level": level,
            "logger": "app.jobs.items",
            "message": message,
        }
    )


def _clock(number: int) -> str:
    return f"{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}"


def _program(groups: tuple[str, ...]) -> str:
    """Return mtail's program for the same levels and events."""
    parts = ["counter messages by level", *(["counter events by event"] if groups else [])]
    parts.append(f"/\\b(?P<level>{'|'.join(_WORDS)})\\b/ {{\n  messages[$level]++\n}}")
    for event, pattern in patterns_of(groups).items():
        escaped = pattern.replace("/", "\\x2f")
        parts.append(f'/{escaped}/ {{\n  events["{event}"]++\n}}')
    return "\n".join(parts) + "\n"


def _measured(log: Path, empty: Path, command: Callable[[Path], list[str]], times: int) -> tuple[float, str]:
    """Return the CPU time over the log, less that over nothing: what starting takes is no reading; and what it says."""
    starting, _ = _run(command(empty))
    runs = [_run(command(log)) for _ in range(times)]
    whole, output = statistics.median(cpu for cpu, _ in runs), runs[0][1]
    return whole - starting, output


def _run(command: list[str]) -> tuple[float, str]:
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "GOMAXPROCS": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environ, text=True
    ) as process:
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"{command[0]} ended with {process.returncode}"
    return usage.ru_utime + usage.ru_stime, output
