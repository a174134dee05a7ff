"""`rules DIR`: writes the rule files of this version where Prometheus can read them, with a site's own figures."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from exporter import pack, ruleoperator, rulevalues
from exporter.config import ConfigError
from exporter.rulechange import plan
from exporter.ruleplan import Plan
from exporter.rulescale import scaled
from exporter.ruletext import changed


class DiffersError(Exception):
    """Files of these names are there already, and say something else."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a site wants the rules to be."""

    plan: Plan = field(default_factory=Plan)
    operator: dict[str, str] | None = None
    """Where they are to be custom resources, the namespace and the labels of those."""


PACK: Final = Wanted()
"""The rules as they are."""


def wanted(files: Sequence[str], sets: Sequence[str] = (), style: str = "prometheus") -> Wanted:
    """Return what values files and `--set` ask for; ConfigError tells all that is wrong with them."""
    values = rulevalues.read(files, sets)
    made = plan(pack.rules(), values)
    ruleoperator.check(values)
    if values.problems:
        raise ConfigError(*dict.fromkeys(values.problems))
    settings = {key: change.text for key, change in values.operator.items()}
    return Wanted(made, settings if style == "operator" else None)


def write(
    folder: Path, what: Wanted = PACK, *, factor: float = 1.0, scrape_interval: float = 1.0, force: bool = False
) -> list[Path]:
    """Write every rule file into the folder; none of them where one is there already and says something else.

    Durations are divided by the factor; windows keep room for four scrapes of a Prometheus with this interval.
    """
    texts = {folder / file.name: _text(file, what, factor, scrape_interval) for file in pack.rule_files()}
    if not force and (differing := [path for path, text in texts.items() if path.exists() and _read(path) != text]):
        raise DiffersError(f"not overwritten, as it would change: {', '.join(map(str, differing))}; --force overwrites")
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")
    return list(texts)


def _text(file: Path, what: Wanted, factor: float, scrape_interval: float) -> str:
    text = changed(file.read_text(encoding="utf-8"), what.plan)
    if factor != 1:
        text = scaled(text, factor, 4 * scrape_interval)
    return text if what.operator is None else ruleoperator.resource(file.stem, text, what.operator)


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")
