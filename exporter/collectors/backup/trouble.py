"""Why a backup's folder cannot be looked at, with what to do about it."""

from exporter.collector import Trouble
from exporter.collectors.path.entries import HANGS_FIX, fix_for
from exporter.collectors.path.places import GONE
from exporter.patience import NoAnswer


def explained(error: Exception, path: str) -> Trouble:
    """Return what a look at a folder raised as a Trouble; what is no failure of the folder is raised."""
    if isinstance(error, Trouble):
        return error
    if isinstance(error, NoAnswer):
        return Trouble(f"no answer from {path}", HANGS_FIX)
    if isinstance(error, GONE):
        return Trouble(f"{path}: there is no such folder", "create it, mount it, or correct `path`")
    if isinstance(error, OSError):
        return Trouble(f"{path}: {error.strerror or error}", fix_for(error))
    raise error
