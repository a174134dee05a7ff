"""A real RabbitMQ node for tests: with its own ports, folder, name and epmd, always ended."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import amqp
import pytest

from tests.process import free_port
from tests.support import until

USER: Final = "guest"  # the one that a new node has
PASSWORD: Final = "secret-of-rabbitmq"
_START: Final = 90  # seconds; on a busy machine it takes 15
# one scheduler that does not spin, so that a node costs next to nothing while it idles
_ERLANG: Final = "-start_epmd false +S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none"
_PRINCIPLES: Final = {
    "loopback_users": "none", "management.tcp.ip": "127.0.0.1", "disk_free_limit.absolute": "1MB",
    "collect_statistics_interval": "1000", "default_pass": PASSWORD, "log.console": "true",
}  # fmt: skip


def needs() -> tuple[Path, str]:
    """Return the script that starts a node, and epmd; without them skip, and fail in CI."""
    # what is on the path asks for root, or for the distribution's own user
    scripts = sorted(Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*/sbin/rabbitmq-server"))
    epmd = shutil.which("epmd")
    if not scripts or epmd is None:
        reason = "RabbitMQ is not here: `make test` installs it (.ci/packages)"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    return scripts[-1], epmd


class RabbitMQ:
    """One node, with all that is its own in a temporary folder."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        self._script, self._epmd = needs()
        self.folder = folder
        self.port, self.management_port, self._distribution, self._names = (free_port() for _ in range(4))
        self.settings = {**_PRINCIPLES, **settings}
        self._children: list[subprocess.Popen[bytes]] = []

    def url(self, user: str = USER, password: str = PASSWORD, vhost: str = "/") -> str:
        return f"amqp://{user}:{password}@127.0.0.1:{self.port}/{quote(vhost, safe='')}"

    def management(self, user: str = USER, password: str = PASSWORD) -> str:
        return f"http://{user}:{password}@127.0.0.1:{self.management_port}"

    @property
    def pid(self) -> int:
        return self._children[-1].pid

    def connect(self, vhost: str = "/") -> "amqp.Connection":
        """Return an open connection; the caller closes it."""
        made = amqp.Connection(
            f"127.0.0.1:{self.port}", USER, PASSWORD, virtual_host=vhost, connect_timeout=20, read_timeout=20
        )
        made.connect()
        return made

    def api(self, method: str, path: str, body: object = None, *, user: str = USER, password: str = PASSWORD) -> Any:
        """Ask the management API; return what it answers."""
        line = http.client.HTTPConnection("127.0.0.1", self.management_port, timeout=20)
        word = b64encode(f"{user}:{password}".encode()).decode()
        try:
            line.request(method, f"/api/{path}", None if body is None else json.dumps(body),
                         {"Authorization": f"Basic {word}", "Content-Type": "application/json"})  # fmt: skip
            answer = line.getresponse()
            text = answer.read()
        finally:
            line.close()
        assert answer.status < 300, f"{method} {path}: {answer.status} {text.decode()}"
        return json.loads(text) if text else None

    def user(self, name: str, tags: str = "", rights: str = "", vhost: str = "/") -> None:
        """Make a user, who may enter the virtual host and do there to what matches `rights`."""
        self.api("PUT", f"users/{name}", {"password": PASSWORD, "tags": tags})
        rule = f"^({rights})$" if rights else "^$"
        may = dict.fromkeys(("configure", "write", "read"), rule)
        self.api("PUT", f"permissions/{quote(vhost, safe='')}/{name}", may)

    def declare(self, name: str, **arguments: Any) -> None:
        """Make a durable queue."""
        self.api("PUT", f"queues/%2F/{quote(name, safe='')}", {"durable": True, "arguments": arguments})

    def publish(self, queue: str, count: int = 1, body: str = "x", **properties: Any) -> None:
        """Put messages into a queue."""
        with self.connect() as connection, connection.channel() as channel:
            channel.confirm_select()
            for _ in range(count):
                channel.basic_publish(amqp.Message(body, **properties), routing_key=queue)

    def get(self, queue: str, count: int = 1) -> None:
        """Take messages out of a queue."""
        with self.connect() as connection, connection.channel() as channel:
            for _ in range(count):
                assert channel.basic_get(queue, no_ack=True) is not None

    def control(self, *command: str) -> None:
        """Do a command of rabbitmqctl."""
        program = self._script.with_name("rabbitmqctl")
        subprocess.run([program, *command], env=self._environment(), cwd=self.folder, check=True, timeout=60,
                       stdin=subprocess.DEVNULL, capture_output=True)  # fmt: skip

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(self.folder),
            "ERL_EPMD_PORT": str(self._names), "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"test{self.port}@localhost", "RABBITMQ_DIST_PORT": str(self._distribution),
            "RABBITMQ_CONF_ENV_FILE": os.devnull, "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"), "RABBITMQ_LOG_BASE": str(self.folder),
            "RABBITMQ_LOGS": "-", "RABBITMQ_PID_FILE": str(self.folder / "pid"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": _ERLANG,
        }  # fmt: skip

    def start(self) -> None:
        """Start the node, and wait until it answers."""
        environment = self._environment()
        lines = {"listeners.tcp.1": f"127.0.0.1:{self.port}", "management.tcp.port": str(self.management_port)}
        text = "".join(f"{name} = {value}\n" for name, value in {**lines, **self.settings}.items())
        (self.folder / "rabbitmq.conf").write_text(text, encoding="utf-8")
        (self.folder / "plugins").write_text("[rabbitmq_management].\n", encoding="utf-8")
        if not self._children:
            self._run([self._epmd, "-port", str(self._names), "-address", "127.0.0.1"], environment)
            # a node that finds none starts one that would outlive it
            until(self._has_names, 20)
        self._run([str(self._script)], environment)
        until(lambda: self.answers() or self._children[-1].poll() is not None, _START)
        assert self.answers(), self.log()

    def kill(self) -> None:
        """Kill the node, as a crash would; it can be started again."""
        self._end(self._children.pop())

    def stop(self) -> None:
        """Kill all that was started."""
        while self._children:
            self._end(self._children.pop())

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Have the node stand still: it hangs, and answers nobody."""
        os.killpg(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(self.pid, signal.SIGCONT)

    def answers(self) -> bool:
        try:
            self.connect().close()
            self.api("GET", "overview")
        except (OSError, http.client.HTTPException, amqp.AMQPError, AssertionError):
            return False
        return True

    def _has_names(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self._names), 5).close()
        except OSError:
            return False
        return True

    def log(self) -> str:
        return (self.folder / "output").read_text(encoding="utf-8", errors="replace")

    def _run(self, command: list[str], environment: dict[str, str]) -> None:
        with (self.folder / "output").open("ab") as output:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=self.folder, env=environment,
                start_new_session=True,
            )  # fmt: skip
        self._children.append(process)

    @staticmethod
    def _end(process: "subprocess.Popen[bytes]") -> None:
        # the node's own children end when it is no more
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(20)


@contextmanager
def node(settings: Mapping[str, str] = {}) -> Iterator[RabbitMQ]:
    """Run a node with these lines of rabbitmq.conf for as long as the context."""
    with tempfile.TemporaryDirectory(prefix="rabbitmq-", ignore_cleanup_errors=True) as folder:
        made = RabbitMQ(Path(folder), settings)
        try:
            made.start()
            yield made
        finally:
            made.stop()


@contextmanager
def emptied(running: RabbitMQ) -> Iterator[RabbitMQ]:
    """Have a node that runs already, and take away the queues that were made in it."""
    yield running
    for queue in running.api("GET", "queues/%2F?columns=name"):
        running.api("DELETE", f"queues/%2F/{quote(queue['name'], safe='')}")
