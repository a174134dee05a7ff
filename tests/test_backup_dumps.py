"""Dumps of PostgreSQL, real ones of all four forms: whole ones pass, and damaged ones are found."""

import contextlib
import gzip
import os
import shutil
import signal
import sqlite3
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from tests.backups import (
    CUTS,
    FORMS,
    Damage,
    damaged,
    dump,
    fill,
    flipped,
    holed,
    judged_page,
    needs,
    value,
    verdict,
    watching,
    zeroed,
)
from tests.postgres import PASSWORD, Cluster, server
from tests.support import until


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with server() as found:
        fill(found)
        yield found


@pytest.fixture(scope="module")
def dumps(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("dumps")
    return {form: dump(cluster, folder / form, *options) for form, options in FORMS.items()}


@pytest.fixture
def again(dumps: dict[str, Path], tmp_path: Path) -> dict[str, Path]:
    """Copies that a test may damage."""
    for form, path in dumps.items():
        (shutil.copytree if path.is_dir() else shutil.copy)(path, tmp_path / form)
    return {form: tmp_path / form for form in dumps}


def make(form: str, place: Path) -> None:
    """Make a backup that is none of PostgreSQL."""
    if form == "tar":
        subprocess.run(["tar", "--zstd", "-cf", place, "-C", "/etc", "hostname"], check=True)
    elif form == "zip":
        with zipfile.ZipFile(place, "w") as archive:
            archive.writestr("a", "b")
    elif form == "sqlite":
        with contextlib.closing(sqlite3.connect(place)) as connection:
            connection.execute("CREATE TABLE t (a)")
    else:
        with duckdb.connect(str(place)) as connection:
            connection.execute("CREATE TABLE t AS SELECT 1 AS a")


def test_whole_ones_pass(dumps: dict[str, Path]) -> None:
    found = {form: verdict(form, path) for form, path in dumps.items()}
    assert found == {"pg_custom": "good checksums", "pg_directory": "good checksums", "pg_tar": "good structure",
                     "sql": "good structure"}  # fmt: skip
    assert {form: verdict("auto", path) for form, path in dumps.items()} == found


@pytest.mark.parametrize("how", CUTS)
@pytest.mark.parametrize("form", ["pg_custom", "sql"])
def test_cut_ones_are_found(again: dict[str, Path], form: str, how: str) -> None:
    said = verdict(form, damaged(again[form], CUTS[how]))
    if (form, how) == ("sql", "1 B"):  # the empty line at its end
        assert said == "good structure"
    else:
        assert said.startswith("bad: "), said


@pytest.mark.parametrize("how", CUTS)
def test_a_cut_tar_is_found_though_pg_restore_would_never_end(again: dict[str, Path], how: str) -> None:
    said = verdict("pg_tar", damaged(again["pg_tar"], CUTS[how]))
    # the end of a tar is padding, without which nothing is lost
    assert said == "good structure" if how in ("1 B", "512 B") else said.startswith("bad: "), said


@pytest.mark.parametrize(
    "damage", [zeroed(0.3), zeroed(0.9), holed(0.5), holed(0.8)], ids=["most", "end", "half", "late"]
)
@pytest.mark.parametrize("form", ["pg_custom", "sql"])
def test_zeros_in_place_of_data_are_found(again: dict[str, Path], form: str, damage: Damage) -> None:
    assert verdict(form, damaged(again[form], damage)).startswith("bad: ")


@pytest.mark.parametrize("seed", range(6))
def test_a_flipped_bit_in_the_data_of_a_packed_dump_is_found(again: dict[str, Path], seed: int) -> None:
    # what comes before is the list of contents, which has no sums
    assert verdict("pg_custom", damaged(again["pg_custom"], flipped(seed, first=6000))).startswith("bad: ")


def test_what_rests_on_structure_alone_is_said(cluster: Cluster, tmp_path: Path) -> None:
    loose = dump(cluster, tmp_path / "loose", "-Fc", "-Z0")
    assert verdict("auto", loose) == "good structure"
    packed = tmp_path / "dump.sql.gz"
    packed.write_bytes(gzip.compress(dump(cluster, tmp_path / "plain", "-Fp").read_bytes()))
    assert verdict("auto", packed) == "good checksums"
    assert verdict("auto", damaged(packed, flipped(3, first=100))).startswith("bad: ")


def test_damage_to_a_dump_that_is_a_folder(again: dict[str, Path]) -> None:
    folder = again["pg_directory"]
    data = max(folder.glob("*.dat.gz"), key=lambda path: path.stat().st_size)
    whole = data.read_bytes()
    for damage in (*CUTS.values(), flipped(1), flipped(2, first=500), zeroed(0.5)):
        data.write_bytes(damage(whole))
        assert verdict("pg_directory", folder).startswith(f"bad: {data.name}"), "pg_restore lets an empty one pass"
    data.unlink()
    assert verdict("pg_directory", folder).startswith("bad: ")
    data.write_bytes(whole)
    assert verdict("pg_directory", folder) == "good checksums"
    (folder / "toc.dat").write_bytes(b"")
    assert verdict("pg_directory", folder).startswith("bad: ")
    (folder / "toc.dat").unlink()
    assert verdict("pg_directory", folder) == "bad: it has no toc.dat"


def test_a_folder_without_packing(cluster: Cluster, tmp_path: Path) -> None:
    folder = dump(cluster, tmp_path / "loose", "-Fd", "-Z0")
    assert verdict("auto", folder) == "good structure"
    next(folder.glob("[0-9]*.dat")).write_bytes(b"")
    assert verdict("auto", folder).startswith("bad: ")


def test_the_wrong_database_and_a_table_that_is_not_there(
    dumps: dict[str, Path], cluster: Cluster, tmp_path: Path
) -> None:
    for form in ("pg_custom", "pg_directory", "pg_tar"):
        assert verdict(form, dumps[form], database="shop", tables=["public.orders", "users"]).startswith("good")
        assert verdict(form, dumps[form], database="mem") == "bad: it is of the database shop, not mem"
        assert verdict(form, dumps[form], tables=["public.order"]) == "bad: the table public.order is not in it"
    assert verdict("sql", dumps["sql"], tables=["public.orders"]).startswith("good")
    assert verdict("sql", dumps["sql"], tables=["public.order"]) == "bad: the table public.order is not in it"
    assert verdict("sql", dumps["sql"], database="shop").startswith("unable: it does not tell which database")
    named = dump(cluster, tmp_path / "named.sql", "-Fp", "-C")
    assert verdict("sql", named, database="shop") == "good structure"
    assert verdict("sql", named, database="mem") == "bad: it is not of the database mem"


def test_forms_that_are_easily_taken_for_others(cluster: Cluster, tmp_path: Path) -> None:
    inserts = dump(cluster, tmp_path / "inserts.sql", "-Fp", "--inserts", "-t", "users")
    assert verdict("auto", inserts, tables=["public.users"]) == "good structure"
    schema = dump(cluster, tmp_path / "schema.sql", "-Fp", "-s")
    assert verdict("auto", schema) == "good structure"
    everything = tmp_path / "all.sql"
    command = [str(cluster.programs / "pg_dumpall"), "-f", str(everything), "-d", cluster.url()]
    known = {"PGPASSWORD": PASSWORD, "PATH": os.environ["PATH"]}
    ended = subprocess.run(command, capture_output=True, timeout=60, check=False, env=known)
    assert ended.returncode == 0, ended.stderr
    assert verdict("auto", everything, database="shop", tables=["public.orders"]) == "good structure"
    assert verdict("auto", damaged(everything, CUTS["three quarters"])).startswith("bad: ")


def test_the_closing_line_counts_only_where_the_dump_ends(tmp_path: Path) -> None:
    begun = "--\n-- PostgreSQL database dump\n--\n\n"
    closed = "--\n-- PostgreSQL database dump complete\n--\n\n"
    rows = "--\n-- Data\n--\n\nCOPY public.t (a) FROM stdin;\n"

    def said(text: str) -> str:
        (tmp_path / "it.sql").write_text(text, encoding="utf-8")
        return verdict("sql", tmp_path / "it.sql")

    assert said(begun + closed) == "good structure"
    assert said(begun + rows + "-- PostgreSQL database dump complete\n") == "bad: it ends within the rows of a table"
    assert said(begun + rows + "-- PostgreSQL database dump complete\n\\.\n").startswith("bad: it has no closing line")
    assert said(begun + closed + "SELECT 1;\n" * 1000).startswith("bad: it has no closing line")
    assert said(begun + "-- PostgreSQL database cluster dump complete\n").startswith("bad: it has no closing line")
    assert said(f"\\restrict abc\n{begun}{closed}").startswith("bad: it has no \\unrestrict")
    assert said(f"{begun}\\restrict abc\n{closed}\\unrestrict abd\n").startswith("bad: its \\restrict")
    assert said(f"{begun}\\restrict abc\n{closed}\\unrestrict abc\n\n") == "good structure"
    assert said("<html>no dump</html>") == "bad: it does not begin as a dump of PostgreSQL"
    assert said(begun + "a\0" + closed).startswith("bad: it has a zero byte")
    assert said(begun + rows + "x" * 3_000_000 + "\n\\.\n" + closed) == "good structure"


_SLOW = """
CREATE TABLE slow (id int, told text);
INSERT INTO slow SELECT n, md5(n::text) || md5((n * 5)::text) FROM generate_series(1, 20000) AS n;
CREATE TABLE zlast (id int);
CREATE ROLE dumper LOGIN PASSWORD 'only-for-dumps';
GRANT SELECT ON slow, zlast TO dumper;
ALTER TABLE slow ENABLE ROW LEVEL SECURITY;
CREATE POLICY slowly ON slow USING (id <> 15000 OR pg_sleep(60) IS NOT NULL);
"""


@pytest.fixture(scope="module")
def slow(cluster: Cluster) -> str:
    """Return the address of a database whose dump stands still within the rows of a table."""
    cluster.sql("CREATE DATABASE slow")
    cluster.sql(_SLOW, database="slow")
    return cluster.url("slow", "dumper", "only-for-dumps")


@pytest.mark.parametrize("form", ["pg_custom", "pg_directory", "pg_tar", "sql"])
def test_a_dump_that_was_killed_half_way(cluster: Cluster, slow: str, tmp_path: Path, form: str) -> None:
    place = tmp_path / "half"
    command = [str(cluster.programs / "pg_dump"), *FORMS[form], "--enable-row-security", "-f", str(place), slow]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        asleep = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pg_dump' AND wait_event = 'PgSleep'"
        until(lambda: cluster.sql(asleep)[0][0] == 1)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    cluster.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pg_dump'")
    assert place.exists()
    assert verdict(form, place).startswith("bad: ")


def test_an_empty_database_is_no_whole_backup_where_tables_are_expected(cluster: Cluster, tmp_path: Path) -> None:
    cluster.sql("CREATE DATABASE nothing")
    empty = dump(cluster, tmp_path / "nothing.dump", "-Fc", database="nothing")
    assert verdict("auto", empty).startswith("good")
    assert verdict("auto", empty, tables=["public.orders"]) == "bad: the table public.orders is not in it"


def test_what_cannot_be_judged_is_no_verdict(again: dict[str, Path], tmp_path: Path) -> None:
    assert verdict("pg_custom", again["pg_custom"], pg_restore="/nonexistent/pg_restore").startswith(
        "unable: /nonexistent/pg_restore cannot be run"
    )
    newer = bytearray(again["pg_custom"].read_bytes())
    newer[6] = 99  # of a pg_dump to come
    (tmp_path / "newer.dump").write_bytes(newer)
    said = verdict("pg_custom", tmp_path / "newer.dump")
    assert said.startswith("unable: pg_restore could not read it: unsupported version"), said


def test_an_old_pg_restore_that_fails_for_another_reason(again: dict[str, Path], tmp_path: Path) -> None:
    full = tmp_path / "full"
    full.write_text("#!/bin/sh\necho 'pg_restore: error: could not write: No space left on device' >&2\nexit 1\n")
    full.chmod(0o755)
    assert verdict("pg_custom", again["pg_custom"], pg_restore=str(full)).startswith("unable: ")
    killed = tmp_path / "killed"
    killed.write_text("#!/bin/sh\nkill -9 $$\n")
    killed.chmod(0o755)
    said = verdict("pg_custom", again["pg_custom"], pg_restore=str(killed))
    assert said == "unable: pg_restore was killed by signal 9"
    killed.write_text("#!/bin/sh\nkill -SEGV $$\n")
    said = verdict("pg_custom", again["pg_custom"], pg_restore=str(killed))
    assert said == "bad: pg_restore crashes over it (signal 11)"


def test_what_is_no_dump_is_told_from_a_damaged_one(tmp_path: Path) -> None:
    (tmp_path / "page").write_text("<!DOCTYPE html><title>502</title>")
    assert verdict("pg_custom", tmp_path / "page") == "bad: it is no dump of pg_dump's form custom"
    assert verdict("auto", tmp_path / "page").startswith("unable: what it is cannot be told")
    assert verdict("pg_directory", tmp_path / "page") == "bad: it is no folder"
    (tmp_path / "zeros").write_bytes(bytes(10_000))
    assert verdict("auto", tmp_path / "zeros") == "bad: it begins with nothing but zeros"
    os.truncate(tmp_path / "zeros", 0)
    assert verdict("auto", tmp_path / "zeros") == "bad: it is empty"


def test_each_format_is_verified_in_a_process_of_its_own(dumps: dict[str, Path], tmp_path: Path) -> None:
    needs("zstd")
    (tmp_path / "in").mkdir()
    for form, path in dumps.items():
        (tmp_path / "in" / form).mkdir()
        (shutil.copytree if path.is_dir() else shutil.copy)(path, tmp_path / "in" / form / "it")
    for form, name in {"tar": "it.tar.zst", "zip": "it.zip", "sqlite": "it.sqlite", "duckdb": "it.duckdb"}.items():
        (tmp_path / "in" / form).mkdir()
        place = tmp_path / "in" / form / name
        make(form, place)
    lines = [f"{path.name}: {{path: {path}, at_rest: 0s}}" for path in sorted((tmp_path / "in").iterdir())]
    with watching("\n".join(lines), more=f"scratch: {tmp_path}/scratch") as target:
        page = {}
        for path in (tmp_path / "in").iterdir():
            page = judged_page(target, f'runbook_backup_verified{{backup="{path.name}"}}', 60)
        found = {path.name: value(page, "verified", path.name) for path in (tmp_path / "in").iterdir()}
        assert found == dict.fromkeys(found, 1), target.outcomes()
        assert len(found) == 8


def test_a_plain_dump_whose_key_is_missing_is_judged(tmp_path: Path) -> None:
    path = tmp_path / "it.sql"
    lines = ("--", "-- PostgreSQL database dump", "--", "", "\\restrict ", "SELECT 1;", "--",
             "-- PostgreSQL database dump complete", "--", "", "\\unrestrict ", "")  # fmt: skip
    path.write_text("\n".join(lines), encoding="utf-8")
    assert verdict("sql", path) == "good structure"
