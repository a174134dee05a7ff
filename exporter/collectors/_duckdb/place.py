"""Where the write-ahead log of a database lies whose path is a symbolic link."""

import os
from typing import Final

from exporter.collector import Trouble

# The write-ahead log, and what takes its place while a checkpoint is written.
LOGS: Final = (".wal", ".wal.checkpoint", ".wal.recovery")


def log_trouble(path: str) -> Trouble | None:
    """Return why it is not known which log belongs to the database; None where it is.

    DuckDB 2.0 has it beside the file itself, older versions beside the link by which the file was opened.
    """
    found = strays(path)
    if not found:
        return None
    reason = (
        f"{path} is a symbolic link, and a log lies beside the link ({found[0]}): it may belong to the database or not"
    )
    return Trouble(reason, "have the application open the file by its own name, and name that in `path`")


def strays(path: str) -> list[str]:
    """Return the logs that lie beside a symbolic link, and not beside the file itself."""
    here = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
    if here == os.path.realpath(path):
        return []
    return [path + end for end in LOGS if os.path.lexists(path + end)]
