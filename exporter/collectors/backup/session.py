"""What the reads of one round share."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from exporter.collector import Trouble
from exporter.collectors.backup.kept import Kept


class Session(NamedTuple):
    """The backups, and why some could not be looked at, by name; `ours` is why nothing is verified."""

    backups: Sequence[Kept]
    troubles: Mapping[str, Trouble]
    ours: Trouble | None = None
