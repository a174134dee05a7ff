"""Archives and files of databases as backups: whole ones pass, and damaged ones are found."""

import gzip
import hashlib
import json
import lzma
import os
import random
import sqlite3
import subprocess
import tarfile
import zipfile
from pathlib import Path

import duckdb
import pytest

from tests.backups import CUTS, Damage, cut, damaged, flipped, holed, kept, needs, verdict, zeroed

PACKED = {"tar": "", "tar.gz": "-z", "tar.bz2": "-j", "tar.xz": "-J", "tar.zst": "--zstd"}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of files that do not pack to nothing."""
    folder = tmp_path_factory.mktemp("tree") / "etc"
    (folder / "app").mkdir(parents=True)
    chance = random.Random(1)
    for number in range(8):
        text = "".join(chance.choice("abcdefghijklmnop\n") for _ in range(20_000))
        (folder / "app" / f"{number}.conf").write_text(text)
    (folder / "line\nbreak").write_text("x")
    (folder / "link").symlink_to("app/0.conf")
    return folder


def tarred(tree: Path, path: Path, option: str) -> Path:
    subprocess.run(["tar", *([option] if option else []), "-cf", str(path), "-C", str(tree.parent), "etc"], check=True)
    return path


@pytest.mark.parametrize("ending", PACKED)
def test_a_tar(tree: Path, tmp_path: Path, ending: str) -> None:
    needs("zstd")
    path = tarred(tree, tmp_path / f"it.{ending}", PACKED[ending])
    has_sums = ending in ("tar.gz", "tar.bz2", "tar.xz")
    assert verdict("auto", path) == f"good {'checksums' if has_sums else 'structure'}"
    assert verdict("tar", path, members=["etc/app/*.conf", "etc/link"]).startswith("good")
    assert verdict("tar", path, members=["etc/app/*.yml"]) == "bad: no member fits 'etc/app/*.yml'"
    for name, damage in CUTS.items():
        said = verdict("tar", damaged(path, damage))
        if ending == "tar" and name in ("1 B", "512 B"):  # padding, without which nothing is lost
            assert said == "good structure"
        else:
            assert said.startswith("bad: "), (name, said)


def test_zeros_that_read_as_the_end_of_a_tar_are_not_called_whole(tree: Path, tmp_path: Path) -> None:
    path = tarred(tree, tmp_path / "it.tar", "")
    for share in (0.1, 0.5, 0.8):
        assert verdict("tar", damaged(path, zeroed(share))).startswith("unable: ")


def test_a_tar_cut_between_its_members_or_with_a_damaged_header(tree: Path, tmp_path: Path) -> None:
    path = tarred(tree, tmp_path / "it.tar", "")
    with tarfile.open(path) as archive:
        places = [member.offset for member in archive]
    data = path.read_bytes()
    for place in places[1:]:
        (tmp_path / "cut.tar").write_bytes(data[:place])
        assert verdict("tar", tmp_path / "cut.tar").startswith("bad: it has no end"), place
        (tmp_path / "cut.tgz").write_bytes(gzip.compress(data[:place]))  # as `tar | gzip` leaves it where tar is killed
        assert verdict("tar", tmp_path / "cut.tgz").startswith("bad: it has no end"), place
        (tmp_path / "header.tar").write_bytes(data[: place + 5] + b"x" + data[place + 6 :])
        assert verdict("tar", tmp_path / "header.tar") == "bad: one of its headers is damaged"


@pytest.mark.parametrize("ending", ["tar.gz", "tar.bz2", "tar.xz"])
def test_bits_and_zeros_in_a_packed_tar(tree: Path, tmp_path: Path, ending: str) -> None:
    path = tarred(tree, tmp_path / f"it.{ending}", PACKED[ending])
    damages: list[Damage] = [*(flipped(seed, first=40) for seed in range(12)), zeroed(0.5), holed(0.2), holed(0.7)]
    said = [verdict("tar", damaged(path, damage)) for damage in damages]
    assert [one for one in said if not one.startswith("bad: ")] == []


def test_an_xz_without_sums_is_said(tree: Path, tmp_path: Path) -> None:
    path = tarred(tree, tmp_path / "it.tar", "")
    subprocess.run(["xz", "-k", "--check=none", path], check=True)
    assert verdict("auto", tmp_path / "it.tar.xz") == "good structure"


def test_archives_with_nothing_in_them(tmp_path: Path) -> None:
    (tmp_path / "it.tar").write_bytes(bytes(10240))
    assert verdict("tar", tmp_path / "it.tar") == "bad: nothing is in it"
    with zipfile.ZipFile(tmp_path / "it.zip", "w"):
        pass
    assert verdict("auto", tmp_path / "it.zip") == "bad: nothing is in it"
    for kind in ("tar", "zip", "sqlite", "duckdb", "json", "sql", "pg_custom", "pg_tar"):
        (tmp_path / "empty").write_bytes(b"")
        assert verdict(kind, tmp_path / "empty").startswith("bad: "), kind


def test_a_tar_in_several_packed_parts(tree: Path, tmp_path: Path) -> None:
    data = tarred(tree, tmp_path / "it.tar", "").read_bytes()
    for name, pack in (("gz", gzip.compress), ("xz", lzma.compress)):
        parts = [pack(data[:50_000]), pack(data[50_000:])]
        (tmp_path / f"two.{name}").write_bytes(b"".join(parts))
        assert verdict("tar", tmp_path / f"two.{name}") == "good checksums"
        (tmp_path / f"one.{name}").write_bytes(parts[0])
        assert verdict("tar", tmp_path / f"one.{name}").startswith("bad: ")
        (tmp_path / f"broken.{name}").write_bytes(parts[0] + b"x" + parts[1][1:])
        assert verdict("tar", tmp_path / f"broken.{name}").startswith("bad: ")


def test_bombs_are_not_judged(tmp_path: Path) -> None:
    (tmp_path / "zeros").write_bytes(bytes(30 << 20))
    subprocess.run(["tar", "-czf", tmp_path / "bomb.tgz", "-C", tmp_path, "zeros"], check=True)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(tmp_path / "zeros", "zeros")
    (tmp_path / "bomb.json").write_text('"' + "x" * 2_000_000 + '"')
    for name in ("bomb.tgz", "bomb.zip", "bomb.json"):
        kind = {"tgz": "tar"}.get(name.partition(".")[2], name.partition(".")[2])
        said = verdict(kind, tmp_path / name, max_bytes=1 << 20)
        assert (
            said
            == f"unable: more than 1,048,576 bytes are in it, and {'none' if kind == 'zip' else 'no more'} are read"
        ), said


def zipped(tree: Path, path: Path, way: int) -> Path:
    with zipfile.ZipFile(path, "w", way) as archive:
        for file in sorted(tree.rglob("*.conf")):
            archive.write(file, str(file.relative_to(tree)))
    return path


@pytest.mark.parametrize("way", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=["stored", "deflated"])
def test_a_zip(tree: Path, tmp_path: Path, way: int) -> None:
    path = zipped(tree, tmp_path / "it.zip", way)
    assert verdict("auto", path, members=["app/*.conf"]) == "good checksums"
    assert verdict("zip", path, members=["app/*.yml"]) == "bad: no member fits 'app/*.yml'"
    damages = [*CUTS.values(), *(flipped(seed, first=100) for seed in range(10)), zeroed(0.6), holed(0.3)]
    said = [verdict("zip", damaged(path, damage)) for damage in damages]
    # a bit of a date or of a permission in the list at its end has no sum
    assert sum(not one.startswith("bad: ") for one in said) <= 1, said
    encrypted = bytearray(path.read_bytes())
    place = encrypted.index(b"PK\x01\x02")
    encrypted[place + 8] |= 1
    (tmp_path / "encrypted.zip").write_bytes(encrypted)
    assert verdict("zip", tmp_path / "encrypted.zip").startswith("unable: it is encrypted")


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "app.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, told TEXT)")
    connection.executemany("INSERT INTO orders (told) VALUES (?)", ((str(n) * 9,) for n in range(20_000)))
    connection.execute("CREATE INDEX by_told ON orders (told)")
    connection.execute("INSERT INTO orders (told) VALUES (?)", ("x" * 100_000,))
    connection.commit()
    connection.close()
    return path


def test_an_sqlite_database(database: Path, tmp_path: Path) -> None:
    assert verdict("auto", database, tables=["Orders"]) == "good structure"
    assert verdict("sqlite", database, tables=["users"]) == "bad: the table users is not in it"
    for name, damage in CUTS.items():
        assert verdict("sqlite", damaged(database, damage)).startswith("bad: "), name
    for damage in (zeroed(0.4), holed(0.3), holed(0.6), holed(0.9)):
        assert verdict("sqlite", damaged(database, damage)).startswith("bad: ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["app.sqlite", "damaged.sqlite"], "nothing is made"


def test_an_sqlite_database_of_a_newer_library_is_not_judged(database: Path) -> None:
    with sqlite3.connect(database) as connection:
        connection.execute("PRAGMA writable_schema = 1")
        connection.execute(
            "UPDATE sqlite_master SET sql = 'CREATE TABLE orders (id, told) NEWLY' WHERE name = 'orders'"
        )
    connection.close()
    assert verdict("sqlite", database).startswith("bad: it is damaged (malformed database schema")
    data = bytearray(database.read_bytes())
    data[96:100] = (4_000_000).to_bytes(4, "big")
    database.write_bytes(data)
    assert verdict("sqlite", database) == "unable: it was written by a newer SQLite than the one here"


def test_an_sqlite_database_that_was_copied_while_in_use(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "live.sqlite")
    connection.execute("PRAGMA journal_mode = wal")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute("CREATE TABLE t (a)")
    connection.executemany("INSERT INTO t VALUES (?)", ((n,) for n in range(1000)))
    connection.commit()
    for ending in ("", "-wal"):
        (tmp_path / f"copy.sqlite{ending}").write_bytes((tmp_path / f"live.sqlite{ending}").read_bytes())
    assert verdict("sqlite", tmp_path / "copy.sqlite").startswith("bad: beside it lies a -wal with content")
    target = sqlite3.connect(tmp_path / "backup.sqlite")
    connection.backup(target)
    target.close()
    connection.close()
    assert verdict("sqlite", tmp_path / "backup.sqlite", tables=["t"]) == "good structure"


def test_a_duckdb_database(tmp_path: Path) -> None:
    path = tmp_path / "app.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE orders AS SELECT n, md5(n::VARCHAR) AS told FROM range(60000) AS r(n)")
        connection.execute("CREATE TABLE users AS SELECT n FROM range(1000) AS r(n)")
    before = path.read_bytes()
    assert verdict("auto", path, tables=["main.orders", "users"]) == "good checksums"
    assert verdict("duckdb", path, tables=["main.nothing"]) == "bad: the table main.nothing is not in it"
    assert path.read_bytes() == before
    damages = {**CUTS, "zeros": zeroed(0.5), **{f"bit {seed}": flipped(seed, first=12_288 * 2) for seed in range(6)}}
    said = {name: verdict("duckdb", damaged(path, damage)) for name, damage in damages.items()}
    good = [name for name, one in said.items() if not one.startswith("bad: ")]
    # a block that nobody uses may hold anything
    assert len(good) <= 1, said
    (tmp_path / "other").write_bytes(b"SQLite format 3\0" + bytes(5000))
    assert verdict("duckdb", tmp_path / "other") == "bad: it is no DuckDB database"


SCHEMA = {
    "type": "object", "required": ["version", "timestamp", "data"],
    "properties": {"version": {"const": "1.0.0"}, "timestamp": {"type": "number"}, "data": {"type": "object"}},
}  # fmt: skip


def test_an_export_of_json(tmp_path: Path) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps(SCHEMA))
    path = tmp_path / "export.json"
    document = {"version": "1.0.0", "timestamp": 1700000000, "data": {"settings": {"a": "b" * 3000}}}
    path.write_text(json.dumps(document))
    assert verdict("auto", path, schema=str(schema)) == "good structure"
    for name, damage in CUTS.items():
        assert verdict("json", damaged(path, damage)).startswith("bad: "), name
    path.write_text(json.dumps({**document, "version": "2.0.0"}))
    assert verdict("json", path, schema=str(schema)) == "bad: it does not fit the schema at version (const)"
    del document["data"]
    path.write_text(json.dumps(document))
    assert verdict("json", path, schema=str(schema)) == "bad: it does not fit the schema at its top (required)"
    assert verdict("json", path) == "good structure"
    path.write_text("[" * 100_000)
    assert verdict("json", path).startswith("unable: it is nested too deep")
    path.write_bytes(b'{"a": "\xff"}')
    assert verdict("json", path) == "bad: it is not UTF-8 at byte 8"
    path.write_text("{}")
    for broken, said in (
        ("{", "is not JSON"),
        ('{"type": 7}', "is no JSON Schema"),
        ('{"$ref": "http://h/"}', "cannot"),
    ):
        schema.write_text(broken)
        assert verdict("json", path, schema=str(schema)).startswith(f"unable: {schema} {said}")
    assert verdict("json", path, schema=str(tmp_path / "none")).startswith("unable: ")


def test_the_sum_beside_a_file(database: Path) -> None:
    whole = database.read_bytes()
    sums = database.with_name("app.sqlite.sha256")
    subprocess.run(f"sha256sum {database.name} > {sums.name}", shell=True, check=True, cwd=database.parent)
    assert verdict("auto", database) == "good sidecar"
    assert verdict("auto", database, checksum="off") == "good structure"
    found = 0
    for seed in range(8):
        database.write_bytes(flipped(seed)(whole))
        found += verdict("sqlite", database).startswith("bad: ")
    assert found == 8, "no structure shows a bit in a text, the sum does"
    database.write_bytes(whole)
    sums.write_text("nonsense")
    assert verdict("auto", database).startswith("unable: the sum beside it")
    sums.unlink()
    assert verdict("auto", database, checksum="required") == "unable: there is no sum beside it"
    text = f"{'0' * 64}  other\n{hashlib.sha256(whole).hexdigest()} *./{database.name}\n"
    database.with_name("SHA256SUMS").write_text(text)
    assert verdict("auto", database, checksum="required") == "good sidecar"
    database.with_name("SHA256SUMS").unlink()
    md5 = hashlib.md5(whole, usedforsecurity=False).hexdigest()
    database.with_name(f"{database.name}.md5").write_text(f"MD5 ({database.name}) = {md5}\n")
    assert verdict("auto", database) == "good sidecar"


def test_a_name_that_sha256sum_escapes(tmp_path: Path) -> None:
    path = tmp_path / "line\nbreak.json"
    path.write_text("{}")
    told = subprocess.run(["sha256sum", path.name], stdout=subprocess.PIPE, check=True, cwd=tmp_path).stdout
    path.with_name(f"{path.name}.sha256").write_bytes(told)
    assert verdict("auto", path, checksum="required") == "good sidecar"
    path.write_text("[]")
    assert verdict("auto", path).startswith("bad: it does not have the sha256 sum")


def test_files_that_may_not_be_read_or_are_none(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert verdict("tar", tmp_path / "pipe") == "unable: it is no file"
    assert verdict("json", tmp_path / "gone").startswith("unable: it could not be read (No such file")
    (tmp_path / "text").write_text("x" * 100)
    assert {verdict("auto", damaged(tmp_path / "text", how)) for how in (cut(1), kept(0.5))} == {
        "unable: what it is cannot be told by what it begins with"
    }


def test_flipped_bits_in_a_zip_packed_by_bzip2(tree: Path, tmp_path: Path) -> None:
    path = tmp_path / "it.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
        for file in sorted((tree / "app").iterdir()):
            archive.write(file, file.name)
    assert verdict("zip", path) == "good checksums"
    assert all(verdict("zip", damaged(path, flipped(seed, 100))).startswith("bad: ") for seed in range(5))


def test_a_zip_of_more_than_may_be_read_is_not_read(tree: Path, tmp_path: Path) -> None:
    path = tmp_path / "it.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(3 << 20))
    assert verdict("zip", path, max_bytes=1 << 20).startswith("unable: more than 1,048,576 bytes are in it")


def test_damage_behind_many_broken_promises_of_a_sqlite_database_is_found(tmp_path: Path) -> None:
    path = tmp_path / "it.db"
    with sqlite3.connect(path, isolation_level=None) as connection:
        connection.execute("CREATE TABLE t (id, a)")
        connection.execute("CREATE INDEX i ON t (id)")
        connection.executemany("INSERT INTO t VALUES (?, NULL)", [(number,) for number in range(300)])
        connection.execute("PRAGMA writable_schema = 1")
        row = connection.execute("SELECT * FROM sqlite_master WHERE name = 'i'").fetchone()
        connection.execute("DELETE FROM sqlite_master WHERE name = 'i'")
        connection.execute("UPDATE sqlite_master SET sql = 'CREATE TABLE t (id, a NOT NULL)' WHERE name = 't'")
    connection.close()
    with sqlite3.connect(path, isolation_level=None) as connection:  # which does not know of the index
        connection.execute("DELETE FROM t WHERE id = 299")
        connection.execute("PRAGMA writable_schema = 1")
        connection.execute("INSERT INTO sqlite_master VALUES (?, ?, ?, ?, ?)", row)
    connection.close()
    assert verdict("sqlite", path).startswith("bad: ")
