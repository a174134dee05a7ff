"""Many looks at one damaged copy after another, in one process, as a process for each would take most of the time."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from exporter.collector import Trouble
from exporter.collectors._duckdb.integrity import check


def flip(path: Path, place: int) -> None:
    """Change one bit of the file, or change it back."""
    with path.open("r+b") as file:
        byte = os.pread(file.fileno(), 1, place)[0]
        os.pwrite(file.fileno(), bytes([byte ^ 1 << place % 8]), place)


def flipped(request: Mapping[str, Any]) -> list[str]:
    """Flip a bit at each of the places in turn; return `whole`, what the damage was, or what the trouble."""
    found = []
    for place in request["places"]:
        file = Path(request["file"])
        flip(file, place)
        try:
            answer = check(request["request"])
            found.append("whole" if answer["ok"] else f"damaged: {answer['reason']}")
        except Trouble as trouble:
            found.append(f"{type(trouble).__name__}: {trouble}")
        finally:
            flip(file, place)
    return found
