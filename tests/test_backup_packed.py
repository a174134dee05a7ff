"""Dumps that are folders, packed in each way or not at all, what lz4 has packed, and exports of a document a line."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exporter.collectors._backup import dump as dumps
from exporter.collectors._backup.found import Bad
from exporter.collectors._backup.kinds import kind_of
from tests.backups import CUTS, damaged, dump, fill, flipped, holed, needs, verdict, zeroed
from tests.postgres import Cluster, server

PACKERS = {
    ".gz": ["gzip", "-c"],
    ".lz4": ["lz4", "-c", "-q", "--no-frame-crc"],
    ".zst": ["zstd", "-c", "-q", "--no-check"],
}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with server() as found:
        fill(found)
        found.sql("CREATE TABLE empty (a int); CREATE TABLE bare (); INSERT INTO bare DEFAULT VALUES", database="shop")
        found.sql("SELECT lo_from_bytea(0, 'abc'), lo_create(0)", database="shop")
        yield found


@pytest.fixture(scope="module")
def loose(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("loose")
    return {
        "rows": dump(cluster, place / "rows", "-Fd", "-Z0"),
        "statements": dump(cluster, place / "statements", "-Fd", "-Z0", "--inserts"),
    }


def packed(path: Path, ending: str, place: Path) -> Path:
    """Pack a file as pg_dump would from PostgreSQL 16 on: without sums of what is in it."""
    needs(PACKERS[ending][0])
    with open(place, "wb") as file:
        subprocess.run([*PACKERS[ending], str(path)], stdout=file, check=True)
    return place


def member(path: Path, *, is_table: bool = True) -> str:
    try:
        dumps._check_member({"path": str(path.parent), "max_bytes": 1 << 30}, path.name, is_table=is_table)
    except Bad as bad:
        return f"bad: {bad}"
    return "good"


@pytest.mark.parametrize("how", ["rows", "statements"])
def test_every_cut_of_a_table_that_is_not_packed_is_found(loose: dict[str, Path], tmp_path: Path, how: str) -> None:
    assert verdict("auto", loose[how]) == "good structure"
    folder = Path(shutil.copytree(loose[how], tmp_path / how))
    data = max(folder.glob("[0-9]*.dat"), key=lambda path: path.stat().st_size)
    whole = data.read_bytes()
    for name, damage in {**CUTS, "zeros": zeroed(0.5), "hole": holed(0.5)}.items():
        data.write_bytes(damage(whole))
        assert verdict("auto", folder).startswith(f"bad: {data.name}"), (name, "pg_restore ends with 0 over most")


@pytest.mark.parametrize("ending", PACKERS)
def test_every_cut_of_a_table_that_is_packed_is_found(loose: dict[str, Path], tmp_path: Path, ending: str) -> None:
    tables = sorted(loose["rows"].glob("[0-9]*.dat"), key=lambda path: path.stat().st_size)
    for table in tables:
        assert member(packed(table, ending, tmp_path / f"{table.name}{ending}")) == "good"
    whole = tmp_path / f"{tables[-1].name}{ending}"
    for name, damage in CUTS.items():
        assert member(damaged(whole, damage)).startswith("bad: "), name
    short = tmp_path / "short.dat"
    short.write_bytes(tables[-1].read_bytes()[:-100])
    name = f"short.dat{ending}"
    assert member(packed(short, ending, tmp_path / name)) == f"bad: {name} ends within the rows of a table"


def test_a_large_object_may_be_empty_and_ends_as_it_likes(loose: dict[str, Path], tmp_path: Path) -> None:
    found = sorted(path.read_bytes() for path in loose["rows"].glob("blob_*.dat"))
    assert found == [b"", b"abc"]
    for name in ("blob_1.dat.lz4", "blob_1.dat.zst", "blob_1.dat"):
        (tmp_path / name).write_bytes(b"")
        assert member(tmp_path / name, is_table=False) == "good", name
    (tmp_path / "blob_1.dat.gz").write_bytes(b"")
    assert member(tmp_path / "blob_1.dat.gz", is_table=False) == "bad: blob_1.dat.gz is empty"
    (tmp_path / "blob_2.dat").write_bytes(b"\x1f\x8b that only begins as gzip does")
    assert member(tmp_path / "blob_2.dat", is_table=False) == "good"


@pytest.mark.parametrize("options", [[], ["--no-frame-crc"]], ids=["sums", "none"])
def test_a_plain_dump_that_lz4_has_packed(cluster: Cluster, tmp_path: Path, options: list[str]) -> None:
    needs("lz4")
    plain, place = dump(cluster, tmp_path / "shop.sql", "-Fp"), tmp_path / "shop.sql.lz4"
    subprocess.run(["lz4", "-q", *options, plain, place], check=True)
    assert b"-- PostgreSQL database dump" in place.read_bytes()[:200], "what packs loosely leaves lines as they are"
    assert verdict("auto", place, tables=["public.orders"]) == "good structure"
    for name, damage in CUTS.items():
        if name not in ("two bytes", "empty"):
            assert verdict("auto", damaged(place, damage)) == "bad: it cannot be unpacked (lz4)", name
    if not options:
        assert verdict("auto", damaged(place, flipped(3, first=100))) == "bad: it cannot be unpacked (lz4)"
    whole = plain.read_bytes()
    plain.write_bytes(whole[: len(whole) // 2])
    subprocess.run(["lz4", "-q", "-f", plain, place], check=True)
    assert verdict("auto", place) == "bad: it ends within the rows of a table"


def test_what_only_holds_the_lines_of_a_dump_is_none() -> None:
    assert kind_of(b"--\n-- PostgreSQL database dump\n--\n") == "sql"
    assert kind_of(b"--\r\n-- PostgreSQL database dump\r\n--\r\n") == "sql"
    assert kind_of(b"\\set ON_ERROR_STOP on\n--\n-- PostgreSQL database cluster dump\n--\n") == "sql"
    assert kind_of(b"\x89packed\0--\n-- PostgreSQL database dump\n--\n") == ""
    assert kind_of(b"-- see -- PostgreSQL database dump\n") == ""


def test_a_dump_of_mysql_is_not_judged(tmp_path: Path) -> None:
    path = tmp_path / "shop.sql"
    path.write_text("-- MySQL dump 10.19  Distrib 10.3.39-MariaDB\n--\n-- Dump completed on 2026-01-01\n")
    assert verdict("sql", path) == "unable: it is a dump of MySQL or MariaDB, which is not read here"


def told(count: int = 100) -> list[dict[str, Any]]:
    return [{"id": number, "name": f"a-{number}"} for number in range(count)]


def test_an_export_with_a_document_on_each_line(tmp_path: Path) -> None:
    path, schema = tmp_path / "export.jsonl", tmp_path / "schema.json"
    schema.write_text('{"type": "object", "required": ["id"]}')
    path.write_text("".join(json.dumps(one) + "\n" for one in told()))
    assert verdict("auto", path, schema=str(schema)) == "good structure"
    path.write_text("\n".join(json.dumps(one) for one in told(2)) + "\n\n")
    assert verdict("auto", path, schema=str(schema)) == "good structure"
    with path.open("a") as file:
        file.write('{"name": "none"}')
    assert verdict("auto", path) == "good structure"
    said = verdict("auto", path, schema=str(schema))
    assert said == "bad: the document on line 4: it does not fit the schema at its top (required)"
    path.write_text(path.read_text()[:-3])
    assert verdict("auto", path) == "bad: the document on line 4: it is not JSON at line 1, column 10"
    path.write_text(json.dumps(told(), indent=1))
    assert verdict("auto", path) == "good structure"
    path.write_text(json.dumps(told(), indent=1)[:-1])
    assert verdict("auto", path).startswith("bad: it is not JSON at line ")


def test_a_document_that_is_too_large_is_not_judged_and_nothing_is_said_that_does_not_help(tmp_path: Path) -> None:
    path = tmp_path / "export.json"
    path.write_text("[" + '"' + "x" * (65 << 20) + '"]')
    assert verdict("auto", path) == (
        "unable: a document of more than 67,108,864 bytes is in it, which would take too much memory"
    )
    path.write_text('["' + "x" * (40 << 20) + '"]\n["' + "x" * (40 << 20) + '"]\n')
    assert verdict("auto", path) == "good structure"
