"""What the headers of DuckDB files say: of every version that writes others, and of what is no DuckDB file."""

import gzip
import os
from pathlib import Path

import pytest

from exporter.collector import Trouble
from exporter.collectors.duckdb.header import SIZE, Header, header_of
from tests.duckdbholder import holding, made, making, run
from tests.onetarget import one
from tests.process import ROOT

HEADERS = ROOT / "tests" / "fixtures" / "duckdb"
BLOCK = 262_144


VERSIONS = {
    "v0.10.2": (64, "0.10"), "v1.2.0": (65, "1.2"), "v1.3.0": (66, "1.3"), "v1.4.0": (67, "1.4"), "v1.5.0": (68, "1.5"),
    "v2.0.0": (69, "2.0"),
}  # fmt: skip


def test_each_storage_version(tmp_path: Path) -> None:
    options = {tmp_path / f"{asked}.duckdb": f"(STORAGE_VERSION '{asked}')" for asked in VERSIONS}
    run(*(statement for path, option in options.items() for statement in making(path, option)))
    found = {path.stem: header_of(str(path)) for path in options}
    assert {asked: (one.storage_version, one.readable_from) for asked, one in found.items()} == VERSIONS
    assert {(one.encrypted, one.checkpoints, one.block_size) for one in found.values()} == {(False, 1, BLOCK)}


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("v0.9.2", Header(64, "v0.9.2", False, 1, None)),
        ("v1.0.0", Header(64, "v1.0.0", False, 1, BLOCK)),
        ("v1.3.2-encrypted", Header(65, "v1.3.2", True, None, None)),
        ("v1.4.1-encrypted", Header(67, "v1.4.1", True, None, None)),
        ("v1.5.6", Header(68, "v1.5.6", False, 1, BLOCK)),
    ],
)
def test_headers_that_older_versions_wrote(tmp_path: Path, file: str, expected: Header) -> None:
    path = tmp_path / "it.duckdb"
    path.write_bytes(gzip.decompress((HEADERS / f"{file}.gz").read_bytes()))
    assert header_of(str(path)) == expected


def test_an_encrypted_file_of_2_0(tmp_path: Path) -> None:
    path = tmp_path / "it.duckdb"
    run(
        "SET force_mbedtls_unsafe = true", f"ATTACH '{path}' AS made (ENCRYPTION_KEY 'correct-horse-battery')",
        "CREATE TABLE made.t AS SELECT 1 AS one", "CHECKPOINT made", "DETACH made",
    )  # fmt: skip
    found = header_of(str(path))
    assert (found.storage_version, found.encrypted, found.checkpoints, found.readable_from) == (None, True, None, "2.0")
    with one("duckdb", f"path: {path}\nopen: never") as target:
        page = target.page()
    assert page["duckdb_encrypted"] == "1"
    assert "duckdb_storage_version" not in page
    assert "duckdb_checkpoints_total" not in page


def test_a_block_size_of_its_own(tmp_path: Path) -> None:
    assert header_of(str(made(tmp_path / "it.duckdb", "(BLOCK_SIZE 16384)"))).block_size == 16_384


def test_checkpoints_are_counted(tmp_path: Path) -> None:
    path = made(tmp_path / "it.duckdb")
    code = "for i in range(4):\n    db.execute('CREATE OR REPLACE TABLE t AS SELECT 1'); db.execute('CHECKPOINT')"
    with holding(path, code=code):
        assert header_of(str(path)).checkpoints == 5


def test_the_page(tmp_path: Path) -> None:
    path = made(tmp_path / "it.duckdb", "(STORAGE_VERSION 'v1.4.0')")
    made_by = header_of(str(path)).made_by
    assert made_by.startswith("v")
    with one("duckdb", f"path: {path}\nopen: never") as target:
        page = target.page()
    assert page["duckdb_storage_version"] == "67"
    assert page["duckdb_encrypted"] == "0"
    assert page["duckdb_checkpoints_total"] == "1"
    assert page[f'duckdb_file_info{{made_by="{made_by}",readable_from="1.4"}}'] == "1"


# ---- what is none


def refused(path: Path) -> str:
    with pytest.raises(Trouble) as caught:
        header_of(str(path))
    assert caught.value.fix
    return str(caught.value).removeprefix(str(path)).strip()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty, not a DuckDB database"),
        (b"DUC", "is something else, not a DuckDB database"),
        (bytes(3 * SIZE), "is something else, not a DuckDB database"),
        (b"SQLite format 3\0" + bytes(3 * SIZE), "is an SQLite database, not a DuckDB database"),
        (b"PAR1" + bytes(3 * SIZE), "is a Parquet file, not a DuckDB database"),
        (bytes(8) + b"DUCK" + bytes(100), "ends within its headers"),
        (bytes(8) + b"DUCK" + bytes(3 * SIZE - 13), "ends within its headers"),
    ],
)
def test_what_is_no_database_is_told_apart(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "it.duckdb"
    path.write_bytes(content)
    assert refused(path) == said


def test_what_is_no_file(tmp_path: Path) -> None:
    assert refused(tmp_path / "gone.duckdb") == ": no such file"
    assert refused(tmp_path) == "is no file"
    os.mkfifo(tmp_path / "fifo")
    assert refused(tmp_path / "fifo") == "is no file"
    (tmp_path / "loop").symlink_to("loop")
    assert refused(tmp_path / "loop") == ": Too many levels of symbolic links"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user who may not read the file")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = made(tmp_path / "it.duckdb")
    path.chmod(0o600)
    os.seteuid(65534)
    try:
        assert refused(path) == "may not be read"
    finally:
        os.seteuid(0)


def test_headers_of_anything_are_read_or_refused(tmp_path: Path) -> None:
    path = made(tmp_path / "it.duckdb")
    whole = path.read_bytes()[: 3 * SIZE]
    for place in (*range(8, 116), *range(SIZE, SIZE + 64), *range(2 * SIZE, 2 * SIZE + 64)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        if place < 12:
            assert "not a DuckDB database" in refused(path)
        else:
            assert header_of(str(path)).storage_version is not None or header_of(str(path)).encrypted
