"""`rules DIR`: writes the rule files of this version where Prometheus can read them."""

from pathlib import Path

from exporter import pack
from exporter.rulescale import scaled


class DiffersError(Exception):
    """Files of these names are there already, and say something else."""


def write(folder: Path, *, factor: float = 1.0, scrape_interval: float = 1.0, force: bool = False) -> list[Path]:
    """Write every rule file into the folder; none of them where one is there already and says something else.

    Durations are divided by the factor; windows keep room for four scrapes of a Prometheus with this interval.
    """
    texts = {folder / file.name: _text(file, factor, scrape_interval) for file in pack.rule_files()}
    if not force and (differing := [path for path, text in texts.items() if path.exists() and _read(path) != text]):
        raise DiffersError(f"not overwritten, as it would change: {', '.join(map(str, differing))}; --force overwrites")
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")
    return list(texts)


def _text(file: Path, factor: float, scrape_interval: float) -> str:
    text = file.read_text(encoding="utf-8")
    return text if factor == 1 else scaled(text, factor, 4 * scrape_interval)


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")
