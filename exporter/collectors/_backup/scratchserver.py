"""A PostgreSQL server for a moment: of its own user, in a folder of its own, on a socket that nobody else reaches."""

import os
import re
import stat
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from exporter.collector import Trouble
from exporter.collectors._backup.found import shortened
from exporter.collectors._backup.programs import lowered, own_end, run
from exporter.scratch import private

_INSTALLED: Final = Path("/usr/lib/postgresql")
_ELSEWHERE: Final = ("/usr/local/pgsql/bin", "/usr/local/bin", "/usr/bin")
_ROOM: Final = 20  # times the size of the dump, as packed data and indexes grow
_ROOM_AT_LEAST: Final = 300 << 20
_SUPERUSER: Final = "postgres"
_START: Final = 60.0  # seconds
_LAST_BREATH: Final = 5.0
_DYING: Final = 1.0  # seconds that a server which breaks off may take to end
_FULL: Final = "No space left on device"
_NAP: Final = 0.05
_SETTINGS: Final = {
    "listen_addresses": "", "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off",
    "wal_level": "minimal", "max_wal_senders": "0", "max_wal_size": "64MB", "autovacuum": "off",
    "shared_buffers": "64MB", "max_connections": "20", "jit": "off", "archive_mode": "off",
    "unix_socket_permissions": "0700", "logging_collector": "off", "restart_after_crash": "off",
}  # fmt: skip


@contextmanager
def served(request: Mapping[str, Any]) -> Iterator[str]:
    """Yield the address of the server; it and its data are gone at the end."""
    programs = _programs(request["programs"])
    who = _who(request["user"])
    with private(request["folder"]) as scratch:
        _check_room(scratch, request["path"])
        with _entered(scratch, who):
            yield from _running(programs, scratch, who)


def _running(programs: str, scratch: str, who: dict[str, Any]) -> Iterator[str]:
    data, socket = os.path.join(scratch, "data"), os.path.join(scratch, "s")
    for folder in (data, socket):
        os.mkdir(folder, 0o700)
        if who:
            os.chown(folder, who["user"], who["group"])
    made = run(
        [os.path.join(programs, "initdb"), "-D", data, "-U", _SUPERUSER, "-A", "trust", "-E", "UTF8", "--no-locale",
         "--no-sync"], output=True, folder=data, **who,
    )  # fmt: skip
    if made.status:
        raise Trouble(f"initdb ended with {made.status} ({shortened(made.errors)})", "try it by hand as the same user")
    options = [word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}")]
    with open(os.path.join(scratch, "log"), "wb") as log:
        process = subprocess.Popen(
            [os.path.join(programs, "postgres"), "-D", data, "-k", socket, *options], stdin=subprocess.DEVNULL,
            stdout=log, stderr=log, env=lowered(), cwd=data, preexec_fn=own_end, **who,
        )  # fmt: skip
    try:
        _await(process, os.path.join(socket, ".s.PGSQL.5432"), scratch)
        yield f"host={socket} port=5432 user={_SUPERUSER} dbname=postgres"
    except Trouble as trouble:
        raise _explained(trouble, process, scratch) from None
    finally:
        process.kill()  # its children end by themselves; nothing of it is needed
        process.wait(_LAST_BREATH)


def _await(process: "subprocess.Popen[bytes]", socket: str, scratch: str) -> None:
    import psycopg

    until = time.monotonic() + _START
    address = f"host={os.path.dirname(socket)} port=5432 user={_SUPERUSER} dbname=postgres"
    while time.monotonic() < until and process.poll() is None:
        try:
            psycopg.connect(address, connect_timeout=5).close()
        except psycopg.Error:
            time.sleep(_NAP)
        else:
            return
    raise Trouble(f"the server for the restore did not start ({_last_words(scratch)})", "try it as the same user")


def _explained(trouble: Trouble, process: "subprocess.Popen[bytes]", scratch: str) -> Trouble:
    """Return why it did not go on, as the server knows it: who asked it knows of the lost connection alone."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(_DYING)
    if _FULL in _log(scratch):
        return Trouble(f"there was no room left in {scratch}", "make room, or name another folder with `scratch`")
    if process.poll() is None:
        return trouble
    return Trouble(f"the server for the restore ended ({_last_words(scratch)})", "see the kernel's log")


def _log(scratch: str) -> str:
    with open(os.path.join(scratch, "log"), "rb") as log:
        return log.read(64 << 10).decode("utf-8", "replace")


def _last_words(scratch: str) -> str:
    return shortened(" ".join(_log(scratch).splitlines()[-3:])) or "it did not say why"


def _programs(folder: str) -> str:
    """Return the folder with the programs of a server: the newest that is installed, where none is given."""
    found = [place for place in _INSTALLED.glob("*/bin") if re.fullmatch("[0-9]+", place.parent.name)]
    ordered = [str(place) for place in sorted(found, key=lambda place: -int(place.parent.name))]
    for place in [folder] if folder else [*ordered, *_ELSEWHERE]:
        if all(os.access(os.path.join(place, name), os.X_OK) for name in ("initdb", "postgres")):
            return place
    fix = "install a PostgreSQL server, or give the folder in `programs`; or restore into one by `postgres`"
    raise Trouble("there is no initdb and postgres here", fix)


def _who(user: str) -> dict[str, Any]:
    """Return what makes the server run as its user."""
    if not user:
        if os.geteuid() == 0:
            raise Trouble("PostgreSQL does not run as root", "give a `user` for the restore, such as postgres")
        return {}
    import pwd  # where there is no Linux there is none

    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise Trouble(f"there is no user {user}", "create it, or correct `user`") from None
    if entry.pw_uid == os.geteuid():
        return {}
    if os.geteuid() != 0:
        raise Trouble(f"only root can run a server as {user}", "leave `user` out")
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _check_room(folder: str, path: str) -> None:
    size = os.stat(path).st_size
    if os.path.isdir(path):
        size = sum(entry.stat().st_size for entry in os.scandir(path))
    needed = max(_ROOM_AT_LEAST, _ROOM * size)
    found = os.statvfs(folder)
    if (free := found.f_bavail * found.f_frsize) < needed:
        reason = f"{folder} has {free >> 20:,} MiB free, and a restore may need {needed >> 20:,}"
        raise Trouble(reason, "make room there, or name another folder with `scratch`")


@contextmanager
def _entered(scratch: str, who: dict[str, Any]) -> Iterator[None]:
    """Let the server's user pass through the folder, and through the one above, while the block runs."""
    if not who:
        yield
        return
    folders = [os.path.dirname(scratch), scratch]
    modes = [os.stat(folder).st_mode & 0o7777 for folder in folders]
    owners = [os.stat(folder).st_gid for folder in folders]
    try:
        for folder, mode in zip(folders, modes, strict=True):
            os.chown(folder, -1, who["group"])
            os.chmod(folder, mode | stat.S_IXGRP)  # noqa: S103  # none but the server's user is in it
        yield
    finally:
        for folder, mode, group in zip(folders, modes, owners, strict=True):
            os.chown(folder, -1, group)
            os.chmod(folder, mode)
