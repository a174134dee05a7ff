"""A verification yields to everything else, and takes no more memory than it is given."""

import json
import lzma
import os
import resource
import zlib
from pathlib import Path
from typing import Any

import duckdb
import psutil
import pytest

from exporter.collector import Trouble
from exporter.collectors._backup import work
from exporter.throwaway import ask
from tests.backups import needs, verdict

MANY = 1 << 18


def within(request: dict[str, Any]) -> dict[str, Any]:
    """Verify within so much memory, in a process of its own; return what was in force there as well."""
    taken = psutil.Process().memory_info().vms if request["on_top"] else 0
    work._MEMORY = taken + request["memory"]  # type: ignore[misc]
    answer = work.verify(request)
    return {**answer, "nice": os.nice(0), "idle": int(psutil.Process().ionice().ioclass),
            "limit": resource.getrlimit(resource.RLIMIT_AS)[0]}  # fmt: skip


def asked(path: Path, memory: int, *, on_top: bool = False) -> dict[str, Any]:
    request = {
        "path": str(path), "format": "auto", "database": "", "tables": [], "members": [], "schema": "",
        "checksum": "off", "max_bytes": 1 << 40, "pg_restore": "", "timeout": 60.0, "memory": memory,
        "on_top": on_top,
        "folder": str(path.parent / ".scratch" / "backup-00000000"),
    }  # fmt: skip
    found: dict[str, Any] = ask("tests.test_backup_bounds:within", request, timeout=60)
    return found


def test_it_is_niced_and_bounded(tmp_path: Path) -> None:
    needs("ionice")
    path = tmp_path / "export.json"
    path.write_text("{}")
    found = asked(path, 1 << 30)
    assert (found["good"], found["limit"]) == (True, 1 << 30)
    assert found["nice"] >= 10
    assert found["idle"] == psutil.IOPRIO_CLASS_IDLE
    assert work._MEMORY == 1 << 30


def test_what_takes_more_memory_is_not_judged(tmp_path: Path) -> None:
    path = tmp_path / "export.json"
    path.write_text(json.dumps([[number] for number in range(MANY)]))
    assert asked(path, 1 << 30)["good"]
    with pytest.raises(Trouble, match="it takes more memory than a verification is given"):
        asked(path, 8 << 20, on_top=True)


def test_duckdb_keeps_to_a_limit_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "it.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE t AS SELECT 1 AS a")
    found = asked(path, 1 << 20)
    assert (found["good"], found["limit"]) == (True, resource.RLIM_INFINITY)


def test_what_xz_would_need_much_memory_for_is_not_judged(tmp_path: Path) -> None:
    path = tmp_path / "export.json.xz"
    data = bytearray(lzma.compress(b"[1, 2, 3]"))
    path.write_bytes(data)
    assert verdict("json", path) == "good checksums"
    begin, end = 12, 12 + 4 * data[12]  # of the first block's header, whose own sum stands behind it
    assert data[begin + 2] == 0x21, "LZMA2"
    data[begin + 4] = 36  # a dictionary of 1 GiB
    data[end : end + 4] = zlib.crc32(data[begin:end]).to_bytes(4, "little")
    path.write_bytes(data)
    assert verdict("json", path) == "unable: more memory is needed to unpack it than it is given"
