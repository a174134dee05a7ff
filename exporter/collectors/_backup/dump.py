"""PostgreSQL's dumps of the forms custom, directory and tar: restored to nowhere by pg_restore, without a server."""

import os
import re
import shutil
import signal
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from exporter.collector import Trouble
from exporter.collectors._backup.found import CHECKSUMS, STRUCTURE, Bad, shortened
from exporter.collectors._backup.programs import Ended, run
from exporter.collectors._backup.reading import Raw, Unpacked, unpacked
from exporter.collectors._backup.tarball import members_of

DUMPS: Final = ("pg_custom", "pg_directory", "pg_tar")
_PATH: Final = "/usr/local/bin:/usr/bin:/bin:/usr/local/pgsql/bin"
_INSTALLED: Final = Path("/usr/lib/postgresql")
_NOTHING: Final = "/dev/null"
_SIGNATURE: Final = b"PGDMP"
_BYTE_OF_PACKING: Final = (1, 15)  # since this version of the format one byte says how it is packed
_GZIP: Final = 1
_CRASHES: Final = frozenset({signal.SIGSEGV, signal.SIGABRT, signal.SIGFPE, signal.SIGILL})
# What says that it could not be read here and now, not that it is damaged.
_CANNOT: Final = (
    (r"unsupported version \(.*\) in file header",
     "install a pg_restore as new as the pg_dump, or give its path in `pg_restore`"),
    (r"not supported (?:in|by) this (?:build|installation)|not (?:built|compiled) with",
     "install a pg_restore that can unpack it"),
    (r"Permission denied", "let the exporter's user read it, and enter the folders above it"),
    (r"No space left on device", "make room"),
    (r"out of memory|Cannot allocate memory", "give the machine more memory"),
    (r"Input/output error|Stale file handle|Transport endpoint", "see its disk or mount, and the kernel's log"),
)  # fmt: skip
_MADE: Final = re.compile(r"^; Archive created at ([0-9-]+ [0-9:]+)", re.MULTILINE)
_DATABASE: Final = re.compile(r"^; +dbname: (.*)$", re.MULTILINE)
_ENTRY: Final = re.compile(r"^\d+; \d+ \d+ (?:TABLE DATA|MATERIALIZED VIEW DATA) (.*)$", re.MULTILINE)
_DATA: Final = re.compile(r"\d+\.dat(?:\.\w+)?")
_PACKED: Final = {".gz": "gzip", ".lz4": "lz4", ".zst": "zstd"}
# How pg_dump ends what is in a table: the rows of COPY, statements, or no statement at all.
_ENDS: Final = (b"\\.\n\n\n", b";\n\n\n")
_NO_ROWS: Final = b"\n\n"
_KEPT: Final = 16  # bytes at the end


def custom(request: Mapping[str, Any]) -> str:
    """Verify a dump of the form custom; return what that rests on."""
    with Raw(request["path"]) as raw:
        head = raw.read(64) or b""
    if not head.startswith(_SIGNATURE):
        raise Bad("it is no dump of pg_dump's form custom" if head else "it is empty")
    _to_nowhere(request)
    _check_contents(request)
    return CHECKSUMS if _is_packed(head) else STRUCTURE


def directory(request: Mapping[str, Any]) -> str:
    """Verify a dump that is a folder: each of its files as well, since pg_restore passes cut and empty ones."""
    if not os.path.isdir(request["path"]):
        raise Bad("it is no folder")
    members = sorted(os.listdir(request["path"]))
    if "toc.dat" not in members:
        raise Bad("it has no toc.dat")
    data = [name for name in members if _DATA.fullmatch(name)]
    packed = [name for name in members if os.path.splitext(name)[1] in _PACKED]
    for name in sorted({*data, *packed}):
        _check_member(request, name, is_table=name in data)
    _to_nowhere(request)
    _check_count(_check_contents(request), len(data))
    with_sums = all(name.endswith(".gz") for name in {*data, *packed})
    return CHECKSUMS if with_sums else STRUCTURE


def tar(request: Mapping[str, Any]) -> str:
    """Verify a dump of the form tar: what is cut is found by reading it as one, pg_restore might never end."""
    names = members_of(request).names
    if not names or names[0] != "toc.dat":
        raise Bad("it is no dump of pg_dump's form tar")
    _to_nowhere(request)
    _check_count(_check_contents(request), sum(1 for name in names if _DATA.fullmatch(name)))
    return STRUCTURE


def made_at(request: Mapping[str, Any]) -> float | None:
    """Return when pg_dump began with it; by the clock on its wall, which is taken for UTC."""
    ended = run([program_of(request), "--list", request["path"]], output=True)
    found = _MADE.search(ended.output.decode("utf-8", "replace"))
    try:
        return datetime.fromisoformat(found[1]).replace(tzinfo=UTC).timestamp() if found else None
    except ValueError:
        return None


def _is_packed(head: bytes) -> bool:
    """Tell whether the data are packed by gzip, which has sums of them."""
    version, size = (head[5], head[6]), head[8]
    place = 11  # after the sizes of numbers and places, and the form
    if version >= _BYTE_OF_PACKING:
        return head[place] == _GZIP
    return any(head[place + 1 : place + 1 + size])


def program_of(request: Mapping[str, Any], name: str = "pg_restore") -> str:
    """Return the pg_restore to use; Trouble where there is none."""
    program = request["pg_restore"] or _newest(name) or shutil.which(name, path=_PATH)
    if not program:
        fix = "install PostgreSQL's client programs, or give the path in `pg_restore`"
        raise Trouble(f"there is no {name} here", fix)
    return str(program)


def _newest(name: str) -> str:
    """Return that of the newest PostgreSQL which is installed as Debian does: the one in the path may be an older's."""
    found = [path for path in _INSTALLED.glob(f"*/bin/{name}") if path.parts[-3].isdecimal()]
    return str(max(found, key=lambda path: int(path.parts[-3]))) if found else ""


def _to_nowhere(request: Mapping[str, Any]) -> None:
    judge(run([program_of(request), "-f", _NOTHING, request["path"]]))


def judge(ended: Ended) -> None:
    """Raise what pg_restore says against the dump, or against having tried."""
    if ended.status == 0:
        return
    said = ended.errors
    for pattern, fix in _CANNOT:
        if re.search(pattern, said):
            raise Trouble(f"pg_restore could not read it: {first_of(said)}", fix)
    if -ended.status in _CRASHES:
        raise Bad(f"pg_restore crashes over it (signal {-ended.status})")
    if ended.status < 0:
        raise Trouble(f"pg_restore was killed by signal {-ended.status}", "see the kernel's log")
    raise Bad(f"pg_restore could not restore it: {first_of(said)}")


def first_of(said: str) -> str:
    """Return the first error in what pg_restore said; what stands below it may be data."""
    lines = [line for line in said.splitlines() if "error:" in line or "fatal:" in line] or said.splitlines()
    return shortened(lines[0].partition("error: ")[2] or lines[0]) if lines else "it does not say why"


def _check_contents(request: Mapping[str, Any]) -> str:
    """Compare what is listed in the dump with what must be in it; return the list."""
    ended = run([program_of(request), "--list", request["path"]], output=True)
    judge(ended)
    text = ended.output.decode("utf-8", "replace")
    database = _DATABASE.search(text)
    if request["database"] and (database is None or database[1] != request["database"]):
        found = shortened(database[1]) if database else "none that is named"
        raise Bad(f"it is of the database {found}, not {request['database']}")
    entries = _ENTRY.findall(text)
    for table in request["tables"]:
        schema, _, name = table.rpartition(".")
        if not any(_is_of(entry, schema, name) for entry in entries):
            raise Bad(f"the table {table} is not in it")
    return text


def _is_of(entry: str, schema: str, name: str) -> bool:
    """Tell whether an entry (schema, name, owner) is of that table."""
    if schema:
        return entry.startswith(f"{schema} {name} ")
    return f" {name} " in entry


def _check_count(listing: str, files: int) -> None:
    tables = len(re.findall(r"^\d+; \d+ \d+ TABLE DATA ", listing, re.MULTILINE))
    if files < tables:
        raise Bad(f"{tables} tables are listed in it, and the data of {files} are there")


def _check_member(request: Mapping[str, Any], name: str, *, is_table: bool) -> None:
    """Read a file of a dump that is a folder to its end, which must be that of a table's rows."""
    path, ending = os.path.join(request["path"], name), os.path.splitext(name)[1]
    if os.stat(path).st_size == 0:
        if is_table or ending == ".gz":  # an empty large object is so, unless it is packed by gzip
            raise Bad(f"{name} is empty")
        return
    try:
        with unpacked(path, request["max_bytes"], _PACKED.get(ending, "")) as content:
            end = _end_of(content, is_table=is_table)
    except Bad as bad:
        raise Bad(f"{name}: {bad}") from None
    if is_table and end != _NO_ROWS and not end.endswith(_ENDS):
        raise Bad(f"{name} ends within the rows of a table")


def _end_of(content: Unpacked, *, is_table: bool) -> bytes:
    end = b""
    while piece := content.read():
        if is_table and b"\0" in piece:
            raise Bad("it has a zero byte, where text should be")
        end = (end + piece)[-_KEPT:]
    return end
