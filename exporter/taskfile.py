"""The checklists of a configuration, for commands that need nothing else of it: no password has to be there."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from exporter import config
from exporter.binder import bind, bind_keys, check, entries_of
from exporter.config import ConfigError, StorageSettings, TargetSettings
from exporter.setting import keys
from exporter.source import Source, below
from exporter.yamltree import BrokenError, Map, Node, Scalar, parse

if TYPE_CHECKING:
    from exporter.collectors.task.settings import ChecklistSettings

KIND: Final = "task"
_NOTHING: Final = Map({}, 1)
_COMMON: Final = (*(name for name in keys(TargetSettings, ("name", "collector", "settings"))), "collector")

Checklists = Mapping[str, "ChecklistSettings"]


def load(path: str, environ: Mapping[str, str] = os.environ) -> tuple[Checklists, str]:
    """Return the checklists by the names of their targets, and the state's folder where the file names one."""
    source = Source(path, environ)
    try:
        root = parse(config.content_of(path), lambda line, text: source.problem(line, "", text))
    except BrokenError as error:
        raise ConfigError(f"{path}:{error.line}: {error}") from None
    sections = entries_of(source, root, "")
    storage = bind(source, StorageSettings, _section(sections, "storage"), "storage")
    targets = entries_of(source, _section(sections, "targets"), "targets")
    found = {name: _bind(source, node, below("targets", name)) for name, (_, node) in targets.items() if _is_one(node)}
    if problems := source.problems():
        raise ConfigError(*problems)
    return found, storage.path


def _section(sections: Mapping[str, tuple[int, Node]], name: str) -> Node:
    return sections[name][1] if name in sections else _NOTHING


def _is_one(node: Node) -> bool:
    """Tell whether a target is a checklist."""
    entry = node.entries.get("collector") if isinstance(node, Map) else None
    return entry is not None and isinstance(entry[1], Scalar) and entry[1].text == KIND


def _bind(source: Source, node: Node, path: str) -> "ChecklistSettings":
    from exporter.collectors.task.settings import ChecklistSettings

    before = source.count()
    values = bind_keys(source, keys(ChecklistSettings), node, path, skip=_COMMON)
    settings = ChecklistSettings(**values) if source.count() == before else ChecklistSettings()
    check(source, settings, node, path)
    return settings


def storage_of(given: str | None, configured: str) -> Path:
    """Return the state's folder: as the command line has it, the configuration, or the exporter by itself."""
    from exporter.service import default_storage

    return Path(given or configured or default_storage())
