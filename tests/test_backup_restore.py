"""Restores of dumps for a test: into a database of a server, and into a server of their own; nothing stays behind."""

import hashlib
import os
import pwd
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

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
