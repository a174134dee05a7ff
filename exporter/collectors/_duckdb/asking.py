"""Has a throwaway process open a DuckDB database: this process never does."""

import hashlib
import os
from contextlib import suppress
from typing import Any

from exporter.collector import NotApplicable, Trouble
from exporter.collectors._duckdb.settings import WaySettings
from exporter.deadline import Cancel
from exporter.scratch import clear, own
from exporter.throwaway import ask


def look(
    work: str,
    settings: WaySettings,
    name: str,
    *,
    timeout: float,
    cancel: Cancel | None = None,
    libraries: tuple[str, ...] = (),
    **more: Any,
) -> Any:
    """Have `module:function` open the database in a process of its own, by opening.opened(); return its answer.

    `name` tells this look from others on this machine: its copy lies in a folder of that name. `more` are further
    keys of the request.
    """
    if settings.open == "never":
        raise NotApplicable("nothing is opened, as `open: never` says")
    request = request_of(settings, name) | more
    try:
        return ask(work, request, timeout=timeout, cancel=cancel, libraries=libraries)
    except Trouble:
        with suppress(Trouble, OSError):  # what failed already is told
            clear(request["folder"])
        raise


def request_of(settings: WaySettings, name: str) -> dict[str, Any]:
    """Return what opening.opened() needs to know."""
    return {
        "path": settings.path,
        "open": settings.open,
        "backup": settings.backup,
        "folder": os.path.join(settings.scratch or own(), f"{name}-{_mark(settings.path)}"),
        "most": settings.max_copy_size,
        "memory": settings.memory_limit,
    }


def _mark(path: str) -> str:
    return hashlib.sha256(os.path.normpath(path).encode("utf-8", "surrogateescape")).hexdigest()[:8]
