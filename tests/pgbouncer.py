"""Real PgBouncers for tests, before a real PostgreSQL: stopped, killed and started again."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest

from tests.postgres import PASSWORD as POSTGRES_PASSWORD
from tests.postgres import Cluster, server
from tests.process import free_port
from tests.support import until

PROGRAM: Final = shutil.which("pgbouncer") or next(filter(os.path.exists, ["/usr/sbin/pgbouncer"]), None)
PASSWORD: Final = "console-canary-of-tests"
USERS: Final = {"stats": PASSWORD, "chief": PASSWORD, "stranger": PASSWORD, "postgres": POSTGRES_PASSWORD}


class Bouncer:
    """One PgBouncer, its files in a temporary folder; `stats` may look, `chief` may do all, `stranger` nothing."""

    def __init__(
        self, folder: Path, cluster: Cluster, settings: Mapping[str, str], databases: Mapping[str, str]
    ) -> None:
        self.folder = folder
        self.port = free_port()
        own = {
            "listen_addr": "127.0.0.1", "listen_port": str(self.port), "unix_socket_dir": "", "admin_users": "chief",
            "auth_type": "scram-sha-256", "auth_file": str(folder / "users"), "stats_users": "stats",
            "logfile": str(folder / "log"), "pool_mode": "transaction",
        }  # fmt: skip
        self.settings = {**own, **settings}
        at = f"host=127.0.0.1 port={cluster.port} dbname=postgres"
        self.databases = {name: f"{at} {more}" for name, more in {"app": "pool_size=1", **databases}.items()}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        assert self._process is not None
        return self._process

    def url(self, user: str = "stats", password: str = PASSWORD, database: str = "pgbouncer") -> str:
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def connect(self, database: str = "app") -> "psycopg.Connection[Any]":
        """Return an application's connection through the pool; the caller closes it."""
        url = self.url("postgres", POSTGRES_PASSWORD, database)
        return psycopg.connect(url, autocommit=True, connect_timeout=10, prepare_threshold=None)

    def command(self, text: str) -> list[Any]:
        """Give the console a command, as an administrator; return its rows."""
        with psycopg.connect(self.url("chief"), autocommit=True, connect_timeout=10) as connection:
            cursor = connection.execute(text)
            return cursor.fetchall() if cursor.description else []

    def shown(self, what: str) -> list[str]:
        """Return the names of the columns of SHOW `what`."""
        with psycopg.connect(self.url(), autocommit=True, connect_timeout=10) as connection:
            return [column.name for column in connection.execute(f"SHOW {what}").description or ()]

    def configure(self) -> None:
        """Write pgbouncer.ini and the file of users."""
        lines = ["[databases]", *(f"{name} = {value}" for name, value in self.databases.items())]
        lines += ["[pgbouncer]", *(f"{name} = {value}" for name, value in self.settings.items())]
        (self.folder / "pgbouncer.ini").write_text("\n".join(lines) + "\n", encoding="utf-8")
        users = "".join(f'"{name}" "{password}"\n' for name, password in USERS.items())
        (self.folder / "users").write_text(users, encoding="utf-8")

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        assert PROGRAM is not None
        self.configure()
        for path in (self.folder, *self.folder.iterdir()):
            _own(path)
        self._process = subprocess.Popen(
            [PROGRAM, "-q", str(self.folder / "pgbouncer.ini")], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, cwd=self.folder, **_user(),
        )  # fmt: skip
        until(self._listens, 15)

    def stop(self, number: int = signal.SIGKILL) -> None:
        """End it, as a crash does."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(number)
            self._process.wait(15)
            self._process = None

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Have it stand still: it hangs, and answers nobody."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def log(self) -> str:
        path = self.folder / "log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def _listens(self) -> bool:
        assert self.process.poll() is None, self.log()
        if not self.settings["listen_addr"]:
            return (self.folder / f".s.PGSQL.{self.port}").exists()
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
        except OSError:
            return False
        return True


@contextmanager
def bouncer(
    cluster: Cluster,
    settings: Mapping[str, str] | None = None,
    databases: Mapping[str, str] | None = None,
    files: Mapping[str, bytes] | None = None,
) -> Iterator[Bouncer]:
    """Run a PgBouncer before this server; the database `app` has room for one server connection.

    `files` are the TLS files that clients see, by what they are: `key` and `cert`.
    """
    needs()
    # pytest's own folders are closed to the user that it runs as
    with tempfile.TemporaryDirectory(prefix="pgbouncer-") as name:
        running = Bouncer(Path(name), cluster, settings or {}, databases or {})
        for kind, content in (files or {}).items():
            (running.folder / kind).write_bytes(content)
            running.settings[f"client_tls_{kind}_file"] = str(running.folder / kind)
        try:
            running.start()
            yield running
        finally:
            running.stop()


@contextmanager
def pooled(settings: Mapping[str, str] | None = None) -> Iterator[tuple[Bouncer, Cluster]]:
    """Run a server of its own, and a PgBouncer before it."""
    needs()
    with ExitStack() as stack:
        cluster = stack.enter_context(server())
        yield stack.enter_context(bouncer(cluster, settings)), cluster


def needs() -> None:
    """Skip where there is no PgBouncer, and fail in CI."""
    if PROGRAM is None:
        reason = "PgBouncer is not here: `make test` installs it (.ci/packages)"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)


def _user() -> dict[str, Any]:
    """Return whom it runs as: it refuses root."""
    return {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}


def _own(path: Path) -> None:
    if os.geteuid() == 0:
        shutil.chown(path, "postgres", "postgres")
