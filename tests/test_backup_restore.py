"""Restores of dumps for a test: into a database of a server, and into a server of their own; nothing stays behind."""

import hashlib
import os
import pwd
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from psycopg import sql

from exporter.collector import Trouble
from exporter.collectors._backup import restore as restores
from exporter.collectors._backup.scratchserver import served
from exporter.scratch import clear, private
from tests.backups import aged, dump, fill, judged_page, restored, unjudged, value, verdict, watching
from tests.postgres import PASSWORD, Cluster, server

NAME = "SELECT datname FROM pg_database WHERE datname LIKE 'runbook_exporter_restore_%'"
SUCCESS = 'runbook_backup_restore_test_success{backup="it"}'
USER = "postgres" if any(entry.pw_name == "postgres" for entry in pwd.getpwall()) else "nobody"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with server() as found:
        fill(found)
        found.sql(f"CREATE ROLE restorer LOGIN CREATEDB PASSWORD '{PASSWORD}'")
        found.sql("CREATE ROLE alice")
        found.sql("ALTER TABLE users OWNER TO alice", database="shop")
        yield found


@pytest.fixture
def folder(cluster: Cluster, tmp_path: Path) -> Path:
    place = tmp_path / "dumps"
    place.mkdir()
    aged(dump(cluster, place / "shop.dump", "-Fc"), 100)
    return place


def restoring(folder: Path, restore: str, more: str = "") -> str:
    return f"it: {{path: {folder}, at_rest: 0s, restore: {{{restore}}}{more}}}"


def into(cluster: Cluster, user: str = "restorer") -> str:
    return f'postgres: "{cluster.url("postgres", user)}"'


def test_a_restore_into_a_database_that_is_dropped(cluster: Cluster, folder: Path) -> None:
    rows = "least_rows: {public.orders: 6000, users: 1}"
    with watching(restoring(folder, f"{into(cluster)}, {rows}")) as target:
        page = judged_page(target, SUCCESS)
        assert (value(page, "restore_test_success"), value(page, "restore_test_interval_seconds")) == (1, 31 * 86_400)
        assert 0 < (value(page, "restore_test_duration_seconds") or 0) < 20
        assert set(target.outcomes().values()) == {"ok"}
    assert cluster.sql(NAME) == []


def test_too_few_rows_and_a_table_that_is_gone(cluster: Cluster, folder: Path) -> None:
    address = cluster.url("postgres", "restorer")
    said = restored(folder / "shop.dump", address, {"public.orders": 6001})
    assert said == "bad: after a restore public.orders has 6,000 rows, and at least 6,001 are expected"
    assert restored(folder / "shop.dump", address, {"nothing": 1}) == "bad: after a restore there is no table nothing"
    assert cluster.sql(NAME) == []


def test_what_a_killed_restore_left_is_dropped_and_what_is_another_s_is_not(cluster: Cluster, folder: Path) -> None:
    address = cluster.url("postgres", "restorer")
    name = f"runbook_exporter_restore_{hashlib.sha256(b'it it').hexdigest()[:16]}"  # by target and backup
    cluster.sql(f"CREATE DATABASE {name} OWNER restorer CONNECTION LIMIT 29")
    assert restored(folder / "shop.dump", address) == "good"
    assert cluster.sql(NAME) == []
    cluster.sql(f"CREATE DATABASE {name} OWNER restorer")
    try:
        assert restored(folder / "shop.dump", address).endswith("that the exporter has not made")
        assert cluster.sql(NAME) == [(name,)]
    finally:
        cluster.sql(f"DROP DATABASE {name}")


def test_a_server_that_refuses_is_no_verdict_and_its_password_is_not_told(cluster: Cluster, folder: Path) -> None:
    cluster.sql("CREATE ROLE weak LOGIN PASSWORD 'of-a-weak-one'")
    address = cluster.url("postgres", "weak", "of-a-weak-one")
    with watching(restoring(folder, f'postgres: "{address}"')) as target:
        judged_page(target)
        said = unjudged(target)
        assert "permission denied to create database" in said
        assert "of-a-weak-one" not in said + target.text()
        assert SUCCESS not in target.page()
    with watching(restoring(folder, 'postgres: "postgresql://u:wrong-for-sure@127.0.0.1:9/postgres"')) as target:
        judged_page(target)
        said = unjudged(target)
        assert "wrong-for-sure" not in said
        assert "it: no restore: " in said


@pytest.mark.skipif(os.geteuid() != 0, reason="the server's user is another one than the exporter's")
def test_a_server_of_its_own(folder: Path) -> None:
    restore = f"server: true, user: {USER}, least_rows: {{public.orders: 6000, public.users: 3000}}"
    with tempfile.TemporaryDirectory(prefix="restores-") as scratch:  # pytest's own are closed to others
        os.chmod(scratch, 0o711)
        with watching(restoring(folder, restore), more=f"scratch: {scratch}") as target:
            page = judged_page(target, SUCCESS, 60)
            assert (value(page, "restore_test_success"), target.outcomes()["restores"]) == (1, "ok")
        left = [path.name for path in Path(scratch).rglob("*")]
        assert [name for name in left if name != "lock" and not name.startswith(("backup-", "restore-"))] == []
        mine = [one for one in psutil.process_iter(["cmdline"]) if scratch in " ".join(one.info["cmdline"] or [])]
        assert mine == []
        assert {path.stat().st_mode & 0o777 for path in Path(scratch).iterdir()} == {0o700}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is refused")
def test_root_is_told_that_postgresql_refuses_it(folder: Path) -> None:
    with watching(restoring(folder, "server: true")) as target:
        judged_page(target)
        assert "PostgreSQL does not run as root" in unjudged(target)


def test_a_dump_cut_where_only_a_restore_shows_it(cluster: Cluster, folder: Path) -> None:
    loose = dump(cluster, folder / "shop.dump", "-Fc", "-Z0")
    text = loose.read_bytes()
    assert b"5990\t" in text
    loose.write_bytes(text.replace(b"5990\t", b"599x\t", 1))  # a number that is none
    aged(loose, 50)
    assert verdict("auto", loose) == "good structure"
    said = restored(loose, cluster.url("postgres", "restorer"))
    assert said.startswith("bad: pg_restore could not restore it: ")
    assert "invalid input syntax" in said
    assert cluster.sql(NAME) == []


def test_forms_that_are_not_restored(cluster: Cluster, tmp_path: Path) -> None:
    plain = dump(cluster, tmp_path / "shop.sql", "-Fp")
    assert restored(plain, cluster.url("postgres", "restorer")) == "unable: a restore of sql is not tried"


def modes(folder: Path) -> set[int]:
    return {path.stat().st_mode & 0o777 for path in folder.iterdir() if path.is_dir()}


@pytest.fixture(scope="module")
def policies(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dump of what names roles that nobody has any more, and a place for tables that is elsewhere."""
    place = Path(tempfile.mkdtemp(prefix="elsewhere-", dir=cluster.folder))
    os.chown(place, cluster.folder.stat().st_uid, -1)
    for statement in ("CREATE ROLE reader", 'CREATE ROLE "an odd ""one"', f"CREATE TABLESPACE fast LOCATION '{place}'"):
        cluster.sql(statement)
    cluster.sql("CREATE DATABASE guarded")
    cluster.sql(
        """
        CREATE TABLE rows (a int) TABLESPACE fast; INSERT INTO rows SELECT generate_series(1, 50);
        ALTER TABLE rows ENABLE ROW LEVEL SECURITY;
        CREATE POLICY one ON rows TO reader USING (true); CREATE POLICY two ON rows TO "an odd ""one" USING (true);
        """,
        database="guarded",
    )
    made = dump(cluster, tmp_path_factory.mktemp("guarded") / "guarded.dump", "-Fc", database="guarded")
    for statement in ("DROP DATABASE guarded", "DROP TABLESPACE fast", "DROP ROLE reader", 'DROP ROLE "an odd ""one"'):
        cluster.sql(statement)
    return made


@pytest.mark.skipif(os.geteuid() != 0, reason="the server's user is another one than the exporter's")
def test_roles_that_policies_name_are_made_where_the_server_is_our_own(policies: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="restores-") as scratch:
        os.chmod(scratch, 0o711)
        answer = restores.restored({
            "path": str(policies), "format": "auto", "pg_restore": "", "server": True, "user": USER, "programs": "",
            "postgres": None, "least_rows": {"rows": 50}, "mark": "it it",
            "folder": f"{scratch}/restore-00000000",
        })  # fmt: skip
    assert answer["good"], answer
    assert 0 < answer["seconds"] < 60


def test_a_role_that_a_server_of_others_lacks_is_no_damage(cluster: Cluster, policies: Path) -> None:
    said = restored(policies, cluster.url("postgres", "restorer"))
    assert said == "unable: the server for the restore has no role reader, which the dump names"
    assert cluster.sql(NAME) == []


@pytest.mark.parametrize(
    "told",
    [
        'ERROR: unrecognized configuration parameter "transaction_timeout"',
        'ERROR: extension "postgis" is not available',
        'ERROR: extension "x" has no installation script nor update path for version "2.0"',
        'ERROR: could not access file "$libdir/timescaledb": No such file or directory',
        'ERROR: collation "de_DE.utf8" for encoding "UTF8" does not exist',
        "ERROR: must be owner of extension plpgsql",
        "ERROR: permission denied to create extension",
        'ERROR: could not extend file "base/16385/16390": No space left on device',
        "server closed the connection unexpectedly",
        "FATAL: terminating connection due to administrator command",
    ],
)
def test_what_the_server_lacks_is_no_damage(told: str) -> None:
    assert restores._of_the_server(f"pg_restore: error: could not execute query: {told}")


@pytest.mark.parametrize(
    "told",
    [
        'ERROR: invalid input syntax for type integer: "599x"',
        'ERROR: could not create unique index "orders_pkey"',
        'ERROR: insert or update on table "a" violates foreign key constraint "b"',
        "could not read from input file: end of file",
        "could not uncompress data: incorrect data check",
    ],
)
def test_what_the_dump_lacks_is_damage(told: str) -> None:
    assert not restores._of_the_server(f"pg_restore: error: could not execute query: {told}")


def test_two_who_restore_the_same_do_not_take_it_from_each_other(cluster: Cluster, folder: Path) -> None:
    address = cluster.url("postgres", "restorer")
    key = int.from_bytes(hashlib.sha256(b"it it").digest()[:8], signed=True)
    with psycopg.connect(address, autocommit=True) as other:
        other.execute(sql.SQL("SELECT pg_advisory_lock({})").format(key))
        said = restored(folder / "shop.dump", address)
        assert said == "unable: another restore of it is under way on that server"
    assert restored(folder / "shop.dump", address) == "good"


def test_a_folder_in_which_another_server_works_is_left_as_it_is(tmp_path: Path) -> None:
    folder = f"{tmp_path}/scratch/restore-00000000"
    with private(folder) as one:
        os.chmod(one, 0o710)  # its server's group passes through
        with private(folder) as other:
            assert (one, other) == (folder, f"{folder}.2")
        clear(folder)
        assert os.stat(one).st_mode & 0o777 == 0o710
    os.chmod(folder, 0o710)  # as one that was killed has left it
    clear(folder)
    assert modes(tmp_path / "scratch") == {0o700}
    os.chmod(folder, 0o710)
    with private(folder) as one:
        assert (one, os.stat(one).st_mode & 0o777) == (folder, 0o700)
    os.chmod(folder, 0o750)
    with pytest.raises(Trouble, match="is not a folder that only the exporter's user can enter"), private(folder):
        pass


def overfill(address: str) -> None:
    """Write more than there is room for."""
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("CREATE TABLE wide AS SELECT repeat('x', 1000) AS a FROM generate_series(1, 500000)")


def fill_until_it_ends(request: dict[str, Any]) -> None:
    with served(request) as address:
        try:
            overfill(address)
        except psycopg.Error as error:
            raise Trouble("the connection was lost") from error


@pytest.mark.long
@pytest.mark.skipif(os.geteuid() != 0, reason="a file system is mounted")
def test_a_server_whose_disk_is_full_says_so(folder: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="restores-") as scratch:
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=320m,mode=711", "none", scratch], check=False)
        if mounted.returncode:
            pytest.skip("nothing can be mounted here")
        request = {
            "programs": "",
            "user": USER,
            "path": str(folder / "shop.dump"),
            "folder": f"{scratch}/restore-00000000",
        }
        try:
            with pytest.raises(Trouble, match="there was no room left in ") as told:
                fill_until_it_ends(request)
            assert told.value.fix == "make room, or name another folder with `scratch`"
        finally:
            subprocess.run(["umount", scratch], check=True)
