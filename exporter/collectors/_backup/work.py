"""Verifies one backup, in a throwaway process: what it finds is a verdict, what it raises none."""

import importlib
from collections.abc import Callable, Mapping
from typing import Any, Final

from exporter.collector import Trouble
from exporter.collectors._backup import kinds, sums
from exporter.collectors._backup.dump import DUMPS, made_at
from exporter.collectors._backup.found import DAMAGE, SIDECAR, Bad, unreadable
from exporter.collectors._backup.programs import bounded, quietly

_HERE: Final = "exporter.collectors._backup"
_WORK: Final = {
    "pg_custom": "dump:custom", "pg_directory": "dump:directory", "pg_tar": "dump:tar", "sql": "plain:verify",
    "tar": "tarball:verify", "zip": "zipped:verify", "sqlite": "sqlitework:verify", "duckdb": "duckdbwork:verify",
    "json": "jsonwork:verify",
}  # fmt: skip
_MEMORY: Final = 1 << 30  # what is in a backup is not ours: it may be made to take all there is


def verify(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return whether the backup is whole, what it is, and what that rests on; as a process that harms nobody."""
    quietly()
    return judged(request, _bound)


def _bound(kind: str) -> None:
    if kind != "duckdb":  # which keeps to a limit of its own, and maps more than it uses
        bounded(_MEMORY)


def judged(request: Mapping[str, Any], prepare: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """Return whether the backup is whole; `prepare` is told what it is before it is read."""
    kind = request["format"]
    try:
        kind = kinds.found(request["path"]) if kind == "auto" else kind
        prepare(kind)
        way = _work(kind)(request)
        way = SIDECAR if sums.compared(request) else way
    except Bad as bad:
        return {"good": False, "reason": str(bad), "format": "" if kind == "auto" else kind, "way": DAMAGE}
    except OSError as error:
        raise unreadable(error) from None
    except MemoryError:
        raise Trouble("it takes more memory than a verification is given", "verify it by `check_command`") from None
    return {"good": True, "reason": "", "format": kind, "way": way, "made": made_at(request) if kind in DUMPS else None}


def _work(kind: str) -> Any:
    module, _, name = _WORK[kind].partition(":")
    return getattr(importlib.import_module(f"{_HERE}.{module}"), name)
