"""Real Redis servers for tests: of several versions, with replicas and sentinels, stopped, killed and started again."""

import functools
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.process import ROOT, free_port
from tests.support import until

PASSWORD: Final = "secret-of-redis"
OTHERS: Final = ("redis-6.2", "redis-8.2", "valkey-8.1", "valkey-9.1")
"""What `.ci/redis` puts into `.redis/` beside the distribution's server."""
LEAST_RIGHTS: Final = ("-@all", "+ping", "+info", "+client|setname")
"""An ACL that shows what matters; more, in the order of worth: +config|get +slowlog|len +slowlog|get +latency|latest
+cluster|info, and for keys %R~queue:* +type +llen +scard +zcard +hlen +xlen +strlen."""
MODERATE_RIGHTS: Final = (*LEAST_RIGHTS, "+config|get", "+slowlog|len", "+slowlog|get", "+latency|latest",
                          "+cluster|info", "+select")  # fmt: skip


@functools.cache
def programs() -> dict[str, Path]:
    """Return the servers that are here, by what they are; `distribution` is what the machine has installed."""
    found = {name: path for name in OTHERS if (path := ROOT / ".redis" / name / "server").exists()}
    if installed := shutil.which("redis-server"):
        found["distribution"] = Path(installed)
    return found


def needs(name: str = "distribution") -> Path:
    """Return a server's program; without it skip, and fail in CI."""
    program = programs().get(name)
    if program is None:
        reason = f"the Redis server {name!r} is not here: `make test` installs it (.ci/packages, .ci/redis)"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    return program


@functools.cache
def version(program: Path) -> tuple[int, int]:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=20, check=True).stdout
    found = re.search(r"v=(\d+)\.(\d+)", said)
    assert found, said
    return int(found[1]), int(found[2])


def _low_port() -> int:
    """Return a free port that a node of a cluster can have: its bus is 10,000 above."""
    return next(port for port in iter(free_port, 0) if port < 55536)


class Redis:
    """One server, or one sentinel, with all that is its own in a temporary folder."""

    def __init__(self, program: Path, folder: Path, settings: Mapping[str, str], mode: str = "") -> None:
        self.program = program
        self.folder = folder
        self.port = _low_port()
        self.socket = folder / "socket"
        self.settings = dict(settings)
        self._mode = mode
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, user: str = "", password: str | None = None, database: int | None = None) -> str:
        """Return the address with the password that the server asks for, if any; "" for none."""
        word = self.settings.get("requirepass", "") if password is None else password
        who = f"{user}:{word}@" if word or user else ""
        return f"redis://{who}127.0.0.1:{self.port}" + (f"/{database}" if database is not None else "")

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def client(self, database: int = 0, **more: Any) -> "redis.Redis":
        """Return a client of the user that may do all; the caller closes it."""
        given = {"port": self.port, "db": database, "password": self.settings.get("requirepass"),
                 "decode_responses": True, "socket_timeout": 20, "protocol": 2,
                 "retry": Retry(NoBackoff(), 0), **more}  # fmt: skip
        return redis.Redis(**given)

    def ask(self, *command: Any, database: int = 0) -> Any:
        """Have the server do one command."""
        with self.client(database) as client:
            return client.execute_command(*command)

    def user(self, name: str, *rights: str, password: str = PASSWORD) -> str:
        """Make a user with these rights; return its address."""
        self.ask("ACL", "SETUSER", name, "reset", "on", f">{password}", *rights)
        return self.url(name, password)

    def start(self, *, wait: bool = True) -> None:
        """Start the server, and wait until it answers."""
        place = {"port": str(self.port), "bind": "127.0.0.1", "dir": str(self.folder), "daemonize": "no",
                 "logfile": str(self.folder / "log")}  # fmt: skip
        if not self._mode:
            place |= {"unixsocket": str(self.socket), "save": '""', "repl-diskless-sync-delay": "0"}
            if version(self.program) >= (7, 0):
                place |= {"enable-debug-command": "yes"}
        file = self.folder / "redis.conf"
        lines = [f"{name} {value}\n" for name, value in {**place, **self.settings}.items()]
        if not file.exists() or not self._mode:  # a sentinel writes into its own
            file.write_text("".join(lines), encoding="utf-8")
        with (self.folder / "output").open("ab") as output:
            self._process = subprocess.Popen(
                [self.program, file, *([self._mode] if self._mode else [])], stdin=subprocess.DEVNULL, stdout=output,
                stderr=output, cwd=self.folder,
            )  # fmt: skip
        if wait:
            until(lambda: self.answers() or self._process is None or self._process.poll() is not None, 30)
            assert self.answers(), self.log()

    def stop(self, number: int = signal.SIGKILL) -> None:
        """End the server; with SIGKILL it is a crash."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGCONT)
            process.send_signal(number)
            try:
                process.wait(20)
            finally:
                process.kill()
                process.wait(20)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Have the server stand still: it hangs, and answers nobody."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    def answers(self) -> bool:
        try:
            return self.ask("PING") is not None
        except redis.exceptions.ResponseError:
            return True
        except (redis.exceptions.RedisError, OSError):
            return False

    def log(self) -> str:
        texts = [path.read_text(encoding="utf-8", errors="replace") for path in (self.folder / "log",
                 self.folder / "output") if path.exists()]  # fmt: skip
        return "".join(texts)


@contextmanager
def server(
    name: str = "distribution", settings: Mapping[str, str] = {}, *, mode: str = "", start: bool = True
) -> Iterator[Redis]:
    """Run a server with these lines of redis.conf for as long as the context."""
    program = needs(name)
    with tempfile.TemporaryDirectory(prefix="redis-", ignore_cleanup_errors=True) as folder:
        made = Redis(program, Path(folder), settings, mode)
        try:
            if start:
                made.start()
            yield made
        finally:
            made.stop()


@contextmanager
def replica_of(primary: Redis, name: str = "distribution", settings: Mapping[str, str] = {}) -> Iterator[Redis]:
    """Run a replica that has all of the primary."""
    given = {"replicaof": f"127.0.0.1 {primary.port}"}
    if word := primary.settings.get("requirepass"):
        given |= {"masterauth": word, "requirepass": word}
    with server(name, {**given, **settings}) as replica:
        until(lambda: replica.ask("INFO", "replication").get("master_link_status") == "up", 30)
        yield replica


@contextmanager
def sentinel_of(
    primary: Redis, master: str = "mymaster", quorum: int = 1, down_ms: int = 500, password: str = ""
) -> Iterator[Redis]:
    """Run a sentinel that watches the primary, and asks for the password, if there is one."""
    lines = {f"sentinel monitor {master} 127.0.0.1 {primary.port}": str(quorum),
             f"sentinel down-after-milliseconds {master}": str(down_ms),
             f"sentinel failover-timeout {master}": "3000"}  # fmt: skip
    if word := primary.settings.get("requirepass"):
        lines |= {f"sentinel auth-pass {master}": word}
    if password:
        lines |= {"requirepass": password}
    with server(settings=lines, mode="--sentinel") as sentinel:
        yield sentinel


@contextmanager
def cluster(name: str = "distribution") -> Iterator[Redis]:
    """Run a cluster of one node, which has no slots yet: `ask("CLUSTER", "ADDSLOTSRANGE", 0, 16383)` gives it all."""
    with server(name, {"cluster-enabled": "yes", "cluster-config-file": "nodes.conf"}) as node:
        yield node


def kill_clients(running: Redis) -> None:
    """Have the server hang up on every client but the one that says so."""
    with suppress(redis.exceptions.RedisError):
        running.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
