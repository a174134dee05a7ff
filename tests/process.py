"""Real processes for tests: runbook-exporter and Prometheus, started, awaited and always stopped."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import requests

from tests.support import until

ROOT = Path(__file__).parent.parent
PLAIN = ("-m", "exporter")
PLUGGED = (str(ROOT / "tests" / "plugged.py"),)
"""With the collector `fake` of tests/collectors."""
HURRIED = (str(ROOT / "tests" / "hurried.py"),)
"""With reads every few seconds that are made once a minute."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(more: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which child processes find the code and nothing of the user's."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error", **more}


def command(
    *arguments: str, program: Sequence[str] = PLUGGED, environ: Mapping[str, str] | None = None, cwd: Path | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run one command of runbook-exporter to its end."""
    return subprocess.run(
        [sys.executable, *program, *arguments], env=environment(environ or {}), cwd=cwd, text=True,
        capture_output=True, timeout=30, check=False,
    )  # fmt: skip


class Exporter:
    """A running `serve`."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path, config: Path) -> None:
        self.process = process
        self.config = config
        self._log = log
        self.address = ""

    def output(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def await_listening(self) -> None:
        until(lambda: "listening on" in self.output() or self.process.poll() is not None, 30)
        found = re.search(r"listening on (.*:\d+)", self.output())
        assert found, self.output()
        self.address = found[1].split(", ")[0]

    @property
    def host(self) -> str:
        return self.address.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    def get(self, path: str, **headers: str) -> requests.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return requests.get(f"http://{self.address}{path}", headers=named, timeout=15)

    def connect(self) -> socket.socket:
        return socket.create_connection((self.host, self.port), timeout=10)

    def exchange(self, data: bytes) -> bytes:
        """Send the bytes, and return all that comes until the exporter closes."""
        with self.connect() as connection:
            connection.sendall(data)
            return b"".join(iter(lambda: connection.recv(65536), b""))

    def threads(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/task"))

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def reconfigure(self, text: str) -> None:
        self.config.write_text(text, encoding="utf-8")

    def send(self, number: int) -> None:
        self.process.send_signal(number)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask it to end, and return its exit code."""
        self.send(number)
        return self.process.wait(15)


@contextmanager
def running(
    folder: Path, config: str = "targets: {}", *arguments: str, program: Sequence[str] = PLUGGED,
    environ: Mapping[str, str] | None = None, listen: str = "127.0.0.1:0",
) -> Iterator[Exporter]:  # fmt: skip
    """Start the exporter with this configuration in the folder, and stop it in the end."""
    file, log = folder / "config.yml", folder / "output"
    file.write_text(config, encoding="utf-8")
    given = [f"--config.file={file}", f"--web.listen-address={listen}", f"--storage.path={folder / 'state'}"]
    with log.open("wb") as output, subprocess.Popen(
        [sys.executable, *program, *given, *arguments], env=environment(environ or {}), stdout=output, stderr=output
    ) as process:  # fmt: skip
        exporter = Exporter(process, log, file)
        try:
            exporter.await_listening()
            yield exporter
        finally:
            process.kill()


@contextmanager
def crowd(exporter: Exporter, size: int, say: bytes = b"") -> Iterator[list[socket.socket]]:
    """Connect that often, say something, and keep silent."""
    with ExitStack() as open_ones:
        peers = [open_ones.enter_context(exporter.connect()) for _ in range(size)]
        for peer in peers:
            peer.sendall(say)
        yield peers


class Prometheus:
    """A running Prometheus."""

    def __init__(self, port: int, log: Path) -> None:
        self._url = f"http://127.0.0.1:{port}"
        self._log = log

    def log(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def is_ready(self) -> bool:
        try:
            return requests.get(f"{self._url}/-/ready", timeout=5).ok
        except requests.ConnectionError:
            return False

    def query(self, expression: str) -> list[dict[str, str]]:
        """Return the labels of the series that the expression gives now, each with its value as `value`."""
        answer = requests.get(f"{self._url}/api/v1/query", params={"query": expression}, timeout=10).json()
        assert answer["status"] == "success", answer
        return [{**series["metric"], "value": series["value"][1]} for series in answer["data"]["result"]]


@contextmanager
def prometheus(folder: Path, config: str, port: int, *more: str) -> Iterator[Prometheus]:
    """Start a Prometheus with this configuration on this port, and stop it in the end."""
    file, log = folder / "prometheus.yml", folder / "prometheus.log"
    file.write_text(config, encoding="utf-8")
    arguments = [
        f"--config.file={file}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        *more,
    ]
    with (
        log.open("wb") as output,
        subprocess.Popen(["prometheus", *arguments], stdout=output, stderr=output) as process,
    ):
        server = Prometheus(port, log)
        try:
            until(server.is_ready, 20)
            yield server
        finally:
            process.kill()
