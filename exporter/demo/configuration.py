"""The configuration of a stand-in's exporter: examples/<app>/config.yml, and what is otherwise in the demo."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from exporter import pack
from exporter.demo.tree import merged


def write(here: Path, folder: Path, procfs: Path, *changes: Mapping[str, Any]) -> Path:
    """Write config.yml into the application's folder, with each of these trees laid over it; return its path."""
    settings = yaml.safe_load((here / "config.yml").read_text(encoding="utf-8"))
    for change in ({"host": {"procfs": str(procfs), "mount_points_exclude": "^/dev/none$"}}, *changes):
        settings = merged(settings, change)
    for target in (settings["host"], *settings["targets"].values()):
        target.setdefault("max_age", "500ms")  # else several scrapes get the same reading, and rates are wrong
    lists = folder.parent / "checklists"  # as beside the original, which names them so
    if not lists.is_symlink():
        lists.symlink_to(pack.examples_folder() / "checklists")
    file = folder / "config.yml"
    file.write_text(yaml.safe_dump(settings, sort_keys=False, width=1000), encoding="utf-8")
    return file
