"""What a probe over HTTP costs, beside prometheus-blackbox-exporter: the same servers, the same machine, by turns.

`python -m tests.bench.probes` prints it; the servers are nginx, plain and with TLS, in processes of their own.
"""

import shutil
import statistics
import subprocess
import tempfile
import textwrap
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import requests
import trustme

from tests.bench.processes import Running, exporter
from tests.bench.table import table
from tests.blackbox import BLACKBOX, Blackbox, blackbox
from tests.process import free_port
from tests.support import until

TARGETS: Final = 50
ROUNDS: Final = 10
BATCHES: Final = 7
INTERVAL: Final = 15.0
SCHEMES: Final = ("http", "https")
_NGINX: Final = """
daemon off; worker_processes 2; pid nginx.pid; error_log error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path t; proxy_temp_path t; fastcgi_temp_path t; uwsgi_temp_path t; scgi_temp_path t;
  server {{
    listen 127.0.0.1:{http}; listen 127.0.0.1:{https} ssl;
    ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem; ssl_session_tickets off;
    location / {{ default_type application/json; return 200 '{{"status": "healthy"}}'; }}
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds of CPU that a probe takes, batch by batch."""

    batches: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.batches)

    @property
    def carried(self) -> int:
        """How many probes at the interval keep one core busy."""
        return int(INTERVAL * 1000 / self.median)


def measure(place: Path, batches: int = BATCHES, rounds: int = ROUNDS) -> dict[str, dict[str, Cost]]:
    """Return the cost of a probe by scheme and by who makes it: `ours`, and `theirs` where the peer is installed."""
    if shutil.which("nginx") is None:
        return {}
    found = {}
    with site(place) as (addresses, ca):
        for scheme, url in addresses.items():
            folder = place / scheme
            folder.mkdir()
            with ExitStack() as stack:
                sides = _sides(stack, folder, url, ca)
                found[scheme] = _by_turns(sides, batches, rounds)
    return found


@contextmanager
def site(folder: Path) -> Iterator[tuple[dict[str, str], str]]:
    """Run nginx; yield its addresses by scheme, and the file of the authority that signed its certificate."""
    authority = trustme.CA()
    issued = authority.issue_cert("localhost", "127.0.0.1")
    issued.private_key_pem.write_to_path(str(folder / "key.pem"))
    issued.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    ports = {scheme: free_port() for scheme in SCHEMES}
    (folder / "nginx.conf").write_text(_NGINX.format(folder=folder, **ports), encoding="utf-8")
    process = subprocess.Popen(["nginx", "-p", f"{folder}/", "-c", "nginx.conf", "-e", "error.log"])
    addresses = {scheme: f"{scheme}://127.0.0.1:{port}/" for scheme, port in ports.items()}
    try:
        until(lambda: _answers(addresses["http"]), 10)
        yield addresses, str(folder / "ca.pem")
    finally:
        process.terminate()
        process.wait(10)


def _answers(url: str) -> bool:
    with suppress(requests.ConnectionError):
        return requests.get(url, timeout=5).ok
    return False


@dataclass(frozen=True, slots=True)
class _Side:
    """Who makes probes: its process, and how to have it make one of each target."""

    running: Running
    round: Callable[[], None]


def _sides(stack: ExitStack, folder: Path, url: str, ca: str) -> dict[str, _Side]:
    target = f"collector: http\nurl: {url}\nca_file: {ca}\nmax_age: 0s\n"
    targets = "".join(f"  t{number}:\n{textwrap.indent(target, '    ')}" for number in range(TARGETS))
    ours = stack.enter_context(exporter(folder, f"host: {{enabled: false}}\ntargets:\n{targets}"))
    pool = stack.enter_context(ThreadPoolExecutor(4))
    found = {
        "ours": _Side(ours, lambda: _page(ours, "/metrics?collect%5B%5D=http", TARGETS)),
        "ours, each by /probe": _Side(
            ours, lambda: _all(pool, lambda number: _page(ours, f"/probe?target=t{number}", 1))
        ),
    }
    if BLACKBOX is not None:
        http = {"tls_config": {"ca_file": ca}, "preferred_ip_protocol": "ip4", "enable_http2": False}
        module = {"prober": "http", "timeout": "5s", "http": http}
        theirs = stack.enter_context(blackbox(folder, {"it": module}))
        found["theirs"] = _Side(theirs.running, lambda: _all(pool, lambda _: _probed(theirs, url)))
    return found


def _page(server: Running, path: str, probes: int) -> None:
    assert server.page(path).count("\nprobe_success{" if probes > 1 else "\nprobe_success 1") == probes


def _probed(peer: Blackbox, url: str) -> None:
    assert "\nprobe_success 1" in peer.probe("it", url)


def _all(pool: ThreadPoolExecutor, act: Callable[[int], None]) -> None:
    list(pool.map(act, range(TARGETS)))


def _by_turns(sides: Mapping[str, _Side], batches: int, rounds: int) -> dict[str, Cost]:
    """Have each side probe by turns, so that what else the machine does falls on all of them."""
    found: dict[str, list[float]] = {name: [] for name in sides}
    for side in sides.values():
        side.round()
    for _ in range(batches):
        for name, side in sides.items():
            before = side.running.cpu()
            for _ in range(rounds):
                side.round()
            found[name].append(1000 * (side.running.cpu() - before) / (rounds * TARGETS))
    return {name: Cost(tuple(costs)) for name, costs in found.items()}


def report(found: Mapping[str, Mapping[str, Cost]]) -> str:
    """Return what was measured, as a table for people."""
    rows = [
        (scheme, name, f"{cost.median:.2f}", f"{min(cost.batches):.2f} to {max(cost.batches):.2f}", cost.carried)
        for scheme, costs in found.items()
        for name, cost in costs.items()
    ]
    header = ("scheme", "who", "CPU ms a probe, median", "batches", f"probes at {INTERVAL:g} s that one core carries")
    return table(header, rows)


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        print(report(measure(Path(directory))))


if __name__ == "__main__":
    main()
