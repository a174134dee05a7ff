"""Real PostgreSQL servers for tests: of several majors, with standbys, stopped, killed and started again."""

import functools
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest

from exporter.demo.postgres import server_user
from tests.process import ROOT, free_port
from tests.support import until

OLDEST, DISTRIBUTIONS, NEWEST = 13, 15, 18
PASSWORD: Final = "secret-of-postgres"
# what makes a throwaway server start, and stop, sooner
_QUICK: Final = {
    "fsync": "off", "full_page_writes": "off", "shared_buffers": "16MB", "listen_addresses": "127.0.0.1",
    "max_wal_senders": "4", "max_connections": "30", "wal_keep_size": "64MB", "log_min_messages": "warning",
    "autovacuum": "off", "track_io_timing": "on",
}  # fmt: skip
_HBA: Final = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\nhost replication all 127.0.0.1/32 trust\n"


@functools.cache
def majors() -> dict[int, Path]:
    """Return the folders of the programs of each PostgreSQL that is here, by major version."""
    found = {int(path.name): path / "bin" for path in Path("/usr/lib/postgresql").glob("[0-9]*")}
    for path in (ROOT / ".postgres" / "node_modules").glob("postgres[0-9]*"):
        found[int(path.name.removeprefix("postgres"))] = _reachable(path / "native") / "bin"
    return dict(sorted(found.items()))


def needs(major: int) -> Path:
    """Return the programs of a major version; without them skip, and fail in CI."""
    programs = majors().get(major)
    if programs is None:
        reason = f"PostgreSQL {major} is not here: `make test` installs it (.ci/packages, .ci/postgres)"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    return programs


def _reachable(folder: Path) -> Path:
    """Return the folder, or a copy where the servers' user cannot come to it, as below root's home."""
    if os.geteuid() != 0 or all(parent.stat().st_mode & 0o001 for parent in folder.parents):
        return folder
    copy = Path(tempfile.gettempdir()) / f"runbook-exporter-tests-{folder.parent.name}"
    if not copy.exists():
        unfinished = Path(tempfile.mkdtemp(prefix=f"{copy.name}-")) / "copy"  # a run that is cut leaves no half of one
        unfinished.parent.chmod(0o755)
        shutil.copytree(folder, unfinished, symlinks=True)
        with suppress(OSError):  # another run was quicker
            unfinished.rename(copy)
        shutil.rmtree(unfinished.parent)
    return copy


class Cluster:
    """One server with its data in a temporary folder."""

    def __init__(self, programs: Path, folder: Path, settings: dict[str, str]) -> None:
        self.programs = programs
        self.folder = folder
        self.data = folder / "data"
        self.port = free_port()
        self.settings = {**_QUICK, "port": str(self.port), "unix_socket_directories": str(folder), **settings}
        self.running = False

    def url(self, database: str = "postgres", user: str = "postgres", password: str = PASSWORD) -> str:
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def connect(self, database: str = "postgres", **more: Any) -> "psycopg.Connection[Any]":
        """Return a superuser's connection; the caller closes it."""
        return psycopg.connect(self.url(database), autocommit=True, connect_timeout=10, **more)

    def sql(self, query: str, *parameters: object, database: str = "postgres") -> list[Any]:
        """Run a query as superuser; return its rows."""
        with self.connect(database) as connection:
            cursor = connection.execute(query, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def create(self) -> None:
        """Make the data folder."""
        word = self.folder / "password"
        word.write_text(PASSWORD, encoding="utf-8")
        word.chmod(0o644)
        self._run(
            "initdb", "-D", str(self.data), "-U", "postgres", "-E", "UTF8", "--no-locale", "--no-sync",
            "--data-checksums", "--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={word}",
        )  # fmt: skip
        (self.data / "pg_hba.conf").write_text(_HBA, encoding="utf-8")

    def start(self, *, wait: bool = True) -> None:
        """Start the server, and wait until it takes connections."""
        lines = "".join(f"{name} = '{value}'\n" for name, value in self.settings.items())
        (self.data / "postgresql.auto.conf").write_text(lines, encoding="utf-8")
        # -W: we wait by ourselves, and pg_ctl's children must not hold our pipes
        self._run("pg_ctl", "-D", str(self.data), "-l", str(self.folder / "log"), "-W", "start")
        self.running = True
        if wait:
            until(self._answers, 30)

    def stop(self, mode: str = "immediate") -> None:
        """Stop the server; `immediate` is as a crash."""
        if self.running:
            self._run("pg_ctl", "-D", str(self.data), "-m", mode, "-w", "-t", "30", "stop")
            self.running = False

    def processes(self) -> list[int]:
        """Return the processes of the server, its first one foremost."""
        first = int((self.data / "postmaster.pid").read_text(encoding="utf-8").split()[0])
        children = Path(f"/proc/{first}/task/{first}/children").read_text(encoding="utf-8")
        return [first, *map(int, children.split())]

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Have every process of the server stand still: it hangs, and answers nobody."""
        processes = self.processes()
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            # the first one last, as it does away with those that have ended meanwhile
            for process in reversed(processes):
                os.kill(process, signal.SIGCONT)

    def log(self) -> str:
        path = self.folder / "log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def _answers(self) -> bool:
        try:
            self.sql("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def _run(self, program: str, *arguments: str) -> None:
        ended = subprocess.run(
            [self.programs / program, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=60, check=False, cwd=self.folder, **server_user(),
        )  # fmt: skip
        assert ended.returncode == 0, f"{program}: {ended.stdout}\n{self.log()}"


@contextmanager
def server(major: int = DISTRIBUTIONS, settings: dict[str, str] | None = None) -> Iterator[Cluster]:
    """Run a server of a major version, with these settings of postgresql.conf, for as long as the context."""
    with _folder(needs(major)) as (programs, folder):
        cluster = Cluster(programs, folder, settings or {})
        cluster.create()
        with _running(cluster):
            yield cluster


@contextmanager
def standby_of(primary: Cluster, *, slot: str = "standby_slot") -> Iterator[Cluster]:
    """Run a streaming standby; the primary is stopped for a moment, as its data are copied."""
    with _folder(primary.programs) as (programs, folder):
        standby = Cluster(programs, folder, dict(primary.settings))
        primary.sql(f"SELECT pg_create_physical_replication_slot('{slot}', true)")
        primary.stop("fast")
        shutil.copytree(primary.data, standby.data, symlinks=True)
        primary.start()
        _own(standby.data)
        conninfo = f"host=127.0.0.1 port={primary.port} user=postgres application_name=standby"
        standby.settings |= {"port": str(standby.port), "unix_socket_directories": str(folder), "hot_standby": "on",
                             "primary_conninfo": conninfo, "primary_slot_name": slot}  # fmt: skip
        (standby.data / "standby.signal").touch()
        shutil.rmtree(standby.data / "pg_replslot" / slot, ignore_errors=True)
        with _running(standby):
            until(lambda: primary.sql("SELECT 1 FROM pg_stat_replication WHERE state = 'streaming'"), 30)
            yield standby


@contextmanager
def _folder(programs: Path) -> Iterator[tuple[Path, Path]]:
    # pytest's own folders are closed to the user that the servers run as
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        _own(folder)
        yield programs, folder


def _own(folder: Path) -> None:
    """Give the folder and all in it to the user that the servers run as."""
    if user := server_user():
        for path in (folder, *folder.rglob("*")):
            os.chown(path, user["user"], user["group"], follow_symlinks=False)
    folder.chmod(0o700)


@contextmanager
def _running(cluster: Cluster) -> Iterator[None]:
    try:
        cluster.start()
        yield
    finally:
        cluster.stop()


def monitor(cluster: Cluster, name: str = "monitor", grants: Sequence[str] = ("pg_monitor",)) -> str:
    """Make a role that may log in, with these grants; return its address."""
    assert re.fullmatch(r"\w+", name)
    cluster.sql(f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'")
    for grant in grants:
        cluster.sql(f"GRANT {grant} TO {name}")
    return cluster.url(user=name)
