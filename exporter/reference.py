"""python -m exporter.reference DIRECTORY: writes the generated pages of the documentation."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from exporter import alerts, catalogue, config, coverage, pack


def _metrics() -> str:
    return catalogue.as_markdown(catalogue.by_collector())


def _alerts() -> str:
    return alerts.as_markdown(pack.rules())


PAGES: Final[dict[str, Callable[[], str]]] = {
    "alerts.md": _alerts, "metrics.md": _metrics, "config.md": config.reference, "coverage.md": coverage.as_markdown,
}  # fmt: skip


def write(directory: Path) -> None:
    """Write every generated page into the directory."""
    for name, make in PAGES.items():
        (directory / name).write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
