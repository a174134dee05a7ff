"""python -m exporter.reference DIRECTORY: writes the generated pages of the documentation."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from exporter import catalogue, config


def _metrics() -> str:
    return catalogue.as_markdown(catalogue.by_collector())


PAGES: Final[dict[str, Callable[[], str]]] = {"metrics.md": _metrics, "config.md": config.reference}


def write(directory: Path) -> None:
    """Write every generated page into the directory."""
    for name, make in PAGES.items():
        (directory / name).write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
