"""The logs that a walk meets, each by what lies beside it."""

import math
import os
from collections.abc import Callable, Collection, Mapping
from typing import Any

from exporter.collectors.path import places, rotation
from exporter.collectors.path.settings import PathSettings
from exporter.collectors.path.tally import Tally

Names = dict[str, os.stat_result]
"""Files of one folder."""


def note_places(tally: Tally, settings: PathSettings, files: Mapping[str, os.stat_result]) -> None:
    """Take in those of the places that are logs; of a link, the file that it leads to."""
    links = {file: os.path.realpath(file) for file in files if os.path.islink(file)}
    folders: dict[str, Names] = {}
    for file, status in files.items():
        folder, name = os.path.split(links.get(file, file))
        folders.setdefault(folder, {})[name] = status
    ends = set(links.values())
    for folder, names in folders.items():
        linked = [name for name in names if os.path.join(folder, name) in ends]
        note_folder(tally, settings, folder, _beside(tally, folder) | names, names.__contains__, linked)


def _beside(tally: Tally, folder: str) -> Names:
    """Return the files of a folder; none, and it is counted as unreadable, where it cannot be listed."""
    try:
        return rotation.files_in(folder)
    except places.GONE:
        return {}
    except OSError:
        tally.unreadable += 1  # what was rotated is not known
        return {}


def note_folder(
    tally: Tally, settings: PathSettings, folder: str, names: Names, wanted: Callable[[str], Any],
    linked: Collection[str] = (),
) -> None:  # fmt: skip
    """Take in those of the files of a folder that are logs, and wanted."""
    over = tally.began - (settings.rotate_interval or math.inf)
    for log, old in rotation.groups(names, linked).items():
        if wanted(log):
            rotated = [names[name] for name in old]
            tally.add_log(f"{folder}/{log}", names[log], rotated, over if rotation.is_dated(log) else None)
