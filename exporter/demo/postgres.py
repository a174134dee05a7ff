"""A PostgreSQL server for a stand-in: as any user, and as root too, which it refuses to run as."""

import functools
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from exporter.demo.application import HERE, Application, CannotError
from exporter.demo.asking import listens
from exporter.demo.part import Part

_QUICK: Final = {
    "fsync": "off", "full_page_writes": "off", "shared_buffers": "16MB", "listen_addresses": HERE,
    "max_connections": "50", "log_min_messages": "warning",
}  # fmt: skip
"""What makes a throwaway server start, and stop, sooner."""
_HBA: Final = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"


@functools.cache
def programs() -> Path | None:
    """Return the folder of the programs of the newest PostgreSQL that is installed; None where there is none."""
    majors = [path for path in Path("/usr/lib/postgresql").glob("[0-9]*") if path.name.isdecimal()]
    found = {int(path.name): path / "bin" for path in majors}
    if found:
        return found[max(found)]
    initdb = shutil.which("initdb")
    return Path(initdb).resolve().parent if initdb else None


@functools.cache
def server_user() -> Mapping[str, Any]:
    """Return whom servers run as that refuse root: `postgres` or `nobody` where we are root, else nobody else."""
    if os.geteuid() != 0:
        return {}
    import pwd  # only here: it is not on every system

    entry = next(entry for entry in pwd.getpwall() if entry.pw_name in ("postgres", "nobody"))
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


class Postgres:
    """One server, its data in a folder of its own that its user can reach."""

    def __init__(self, application: Application, name: str, settings: Mapping[str, str]) -> None:
        found = programs()
        if found is None:
            raise CannotError("PostgreSQL is not installed: apt install postgresql")
        self.programs = found
        self.password = application.secret()
        self.port = application.port(name, 5432)
        self.folder = Path(tempfile.mkdtemp(prefix="runbook-exporter-demo-postgres-"))
        application.setting.leftovers.append(self.folder)
        _own(self.folder)
        self.settings = {**_QUICK, "port": str(self.port), "unix_socket_directories": str(self.folder), **settings}
        self._make()
        command = [str(self.programs / "postgres"), "-D", str(self.folder / "data")]
        self.part: Part = application.part(
            name, command, ready=self.answers, directory=self.folder, user=server_user(), stop_signal=signal.SIGINT,
        )  # fmt: skip

    def url(self, database: str = "postgres", user: str = "postgres", password: str | None = None) -> str:
        return f"postgresql://{user}:{password or self.password}@{HERE}:{self.port}/{database}"

    def sql(self, text: str, *, database: str = "postgres", timeout: float = 60.0) -> str:
        """Have psql run statements as superuser; return what it prints, a line a row."""
        command = [
            str(self.programs / "psql"), "-h", str(self.folder), "-p", str(self.port), "-U", "postgres", "-d", database,
            "-v", "ON_ERROR_STOP=1", "-qAtX",
        ]  # fmt: skip
        ended = subprocess.run(
            command, input=text, capture_output=True, text=True, timeout=timeout, check=False, cwd="/"
        )  # fmt: skip
        if ended.returncode:
            raise CannotError(f"PostgreSQL refuses that: {ended.stderr.strip()}")
        return ended.stdout.strip()

    def answers(self) -> bool:
        if not listens(self.port):
            return False
        try:
            return self.sql("SELECT 1") == "1"
        except CannotError:
            return False

    def configure(self, **settings: str) -> None:
        """Change settings, and have the server read them anew; those that need it take a restart of the part."""
        self.settings.update(settings)
        self._write()
        self.part.send(signal.SIGHUP)

    def _make(self) -> None:
        word = self.folder / "password"
        word.write_text(self.password, encoding="utf-8")
        word.chmod(0o600)
        _own(word)
        self._run(
            "initdb", "-D", str(self.folder / "data"), "-U", "postgres", "-E", "UTF8", "--no-locale", "--no-sync",
            "--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={word}",
        )  # fmt: skip
        word.unlink()
        (self.folder / "data" / "pg_hba.conf").write_text(_HBA, encoding="utf-8")
        self._write()

    def _write(self) -> None:
        lines = "".join(f"{name} = '{value}'\n" for name, value in self.settings.items())
        (self.folder / "data" / "postgresql.auto.conf").write_text(lines, encoding="utf-8")

    def _run(self, program: str, *arguments: str) -> None:
        ended = subprocess.run(
            [self.programs / program, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
            check=False, cwd=self.folder, **server_user(),
        )  # fmt: skip
        if ended.returncode:
            raise CannotError(f"{program} failed: {ended.stdout}{ended.stderr}")


def server(application: Application, name: str = "postgres", **settings: str) -> Postgres:
    """Start a server, with these settings of postgresql.conf; its folder goes when the demo ends."""
    return Postgres(application, name, settings)


def _own(path: Path) -> None:
    if user := server_user():
        with suppress(PermissionError):
            os.chown(path, user["user"], user["group"])
