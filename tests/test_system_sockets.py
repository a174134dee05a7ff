"""The network of a host beyond its devices: netstat.py, protocol counters and the like; sockets.py, TCP and UDP."""

import os
import platform
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from exporter.collector import NotApplicable, Read, Trouble
from exporter.collectors.system import HostSettings, netstat, sockets
from exporter.collectors.system.host import Host
from exporter.exposition import label_part, render
from exporter.metric import Sample
from tests.support import until

FIXTURE = Path(__file__).parent / "fixtures" / "host" / "proc"
READS = {
    netstat.netstat: ("net/snmp", "net/netstat", "net/snmp6"),
    netstat.sockstat: ("net/sockstat", "net/sockstat6"),
    sockets.tcp_states: ("net/tcp", "net/tcp6"),
    sockets.udp_queues: ("net/udp", "net/udp6"),
    netstat.softnet: ("net/softnet_stat",),
    netstat.conntrack: ("net/stat/nf_conntrack",),
}
FILES = [pytest.param(read, path, id=path) for read, paths in READS.items() for path in paths]


def samples(read: Read, procfs: Path | str) -> list[Sample]:
    return [sample for sample in read.function(Host(str(procfs), "/sys", "/", HostSettings())) if sample]


def values(read: Read, procfs: Path | str) -> dict[str, float]:
    return {label_part(metric, labels, None): value for metric, labels, value in samples(read, procfs)
            if isinstance(value, int | float)}  # fmt: skip


def tcp(state: str, procfs: str = "/proc") -> float:
    return values(sockets.tcp_states, procfs)[f'node_tcp_connection_states{{state="{state}"}}']


def copy_of(tmp_path: Path, without: str = "") -> Path:
    shutil.copytree(FIXTURE / "net", tmp_path / "net")
    shutil.copytree(FIXTURE / "sys" / "net", tmp_path / "sys" / "net")
    if without:
        (tmp_path / without).unlink()
    return tmp_path


@pytest.mark.parametrize(
    ("name", "reads"),
    [
        ("netstat", (netstat.netstat, netstat.sockstat, netstat.softnet, netstat.conntrack)),
        ("sockets", (sockets.tcp_states, sockets.udp_queues)),
    ],
)
def test_the_fixture_host(name: str, reads: tuple[Read, ...], golden: Callable[[str, str], None]) -> None:
    golden(f"system_{name}.prom", render(sample for read in reads for sample in samples(read, FIXTURE)))


@pytest.mark.parametrize(("read", "path"), FILES)
def test_a_file_that_is_not_whole_is_an_error(read: Read, path: str, tmp_path: Path) -> None:
    text = (FIXTURE / path).read_bytes()
    for broken in (b"", text[:-1], text[: len(text) // 2].rstrip(b"\n"), b"\x00\xff 1 \x7f\n" * 5):
        (copy_of(tmp_path) / path).write_bytes(broken)
        with pytest.raises(Trouble, match=r"/proc/net/.* is (empty or cut off|not understood)"):
            samples(read, tmp_path)
        shutil.rmtree(tmp_path)


@pytest.mark.parametrize(("read", "path"), FILES)
def test_a_file_that_is_missing_takes_only_its_own_samples(read: Read, path: str, tmp_path: Path) -> None:
    copy_of(tmp_path, without=path)
    if path.endswith("6"):  # a kernel without IPv6
        rest = values(read, tmp_path)
        assert rest
        assert not [key for key in rest if "6" in key.replace("64", "")]
    elif path == "net/stat/nf_conntrack":
        assert set(values(read, tmp_path)) == {"node_nf_conntrack_entries", "node_nf_conntrack_entries_limit"}
    else:
        with pytest.raises(NotApplicable, match=path):
            samples(read, tmp_path)


def test_figures_that_do_not_fit_their_names_are_an_error(tmp_path: Path) -> None:
    for figures in ("Tcp: 1 2", "Tcp: 1 2 3 4", "Udp: 1 2 3", "Tcp: 1 2 x"):
        (tmp_path / "net").mkdir(exist_ok=True)
        (tmp_path / "net" / "snmp").write_text(f"Tcp: InSegs OutSegs CurrEstab\n{figures}\n")
        with pytest.raises(Trouble, match="/proc/net/snmp is not understood"):
            samples(netstat.netstat, tmp_path)


def test_netstat_is_untyped_and_of_the_fields_that_node_exporter_shows() -> None:
    found = samples(netstat.netstat, FIXTURE)
    names = {sample.metric.name for sample in found}
    assert {sample.metric.kind for sample in found} == {"untyped"}
    assert {"node_netstat_Tcp_CurrEstab", "node_netstat_TcpExt_ListenDrops", "node_netstat_Udp6_NoPorts"} <= names
    assert not {"node_netstat_Tcp_MaxConn", "node_netstat_Ip6_InReceives", "node_netstat_IcmpMsg_InType3"} & names


def test_memory_of_sockets_is_in_bytes_too() -> None:
    found = values(netstat.sockstat, FIXTURE)
    assert found["node_sockstat_TCP_mem"] == 3
    assert found["node_sockstat_TCP_mem_bytes"] == 3 * os.sysconf("SC_PAGE_SIZE")
    assert found["node_sockstat_sockets_used"] == 229


def test_softnet_knows_the_processor_where_the_kernel_says_it(tmp_path: Path) -> None:
    assert 'node_softnet_processed_total{cpu="2"}' in values(netstat.softnet, FIXTURE), "processor 1 is off"
    old = " ".join(["0000000a"] * 10) + "\n"
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "softnet_stat").write_text(old * 2)
    found = values(netstat.softnet, tmp_path)
    assert found['node_softnet_processed_total{cpu="1"}'] == 10
    assert not [key for key in found if "backlog" in key], "a column that an old kernel does not have"


def test_connection_tracking_adds_up_processors_but_not_entries() -> None:
    found = values(netstat.conntrack, FIXTURE)
    assert found["node_nf_conntrack_entries"] == 33
    assert found["node_nf_conntrack_stat_drop"] == 34
    assert found["node_nf_conntrack_entries_limit"] == 65536


def test_without_connection_tracking_the_read_does_not_apply(tmp_path: Path) -> None:
    with pytest.raises(NotApplicable, match="nf_conntrack"):
        samples(netstat.conntrack, tmp_path)
    (tmp_path / "1" / "net").mkdir(parents=True)
    shutil.copytree(FIXTURE / "sys" / "net", tmp_path / "sys" / "net")
    with pytest.raises(NotApplicable, match="/proc/net/stat/nf_conntrack"):  # that count would be our own network's
        samples(netstat.conntrack, tmp_path)


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
@pytest.mark.parametrize("procfs", ["/proc", "/proc/self"])  # over netlink, and from files
def test_tcp_sockets_are_seen_as_they_come_and_go(procfs: str, family: socket.AddressFamily) -> None:
    if family == socket.AF_INET6 and not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    listening, established = tcp("listen", procfs), tcp("established", procfs)
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("", 0), family=family))
        clients = [stack.enter_context(socket.create_connection(server.getsockname()[:2])) for _ in range(50)]
        peers = [stack.enter_context(server.accept()[0]) for _ in clients]
        until(lambda: tcp("listen", procfs) > listening)
        until(lambda: tcp("established", procfs) >= established + 100)
        waiting = tcp("rx_queued_bytes", procfs)
        clients[0].sendall(b"x" * 5000)
        until(lambda: tcp("rx_queued_bytes", procfs) >= waiting + 5000)
        peers[1].close()
        until(lambda: tcp("close_wait", procfs) >= 1)
    until(lambda: tcp("established", procfs) < established + 100)
    until(lambda: tcp("time_wait", procfs) >= 1)


def test_netlink_and_files_agree_with_psutil() -> None:
    def agree() -> bool:
        over_netlink, from_files = values(sockets.tcp_states, "/proc"), values(sockets.tcp_states, "/proc/self")
        counted = [connection.status for connection in psutil.net_connections("tcp")]
        return over_netlink == from_files and all(
            tcp(state) == counted.count(name)
            for state, name in (("listen", psutil.CONN_LISTEN), ("established", psutil.CONN_ESTABLISHED))
        )

    with socket.create_server(("127.0.0.1", 0)):  # whose backlog is no queue of bytes
        until(agree, seconds=30)  # other tests open and close sockets meanwhile


def test_a_state_without_sockets_is_a_true_zero() -> None:
    assert set(values(sockets.tcp_states, "/proc")) == set(values(sockets.tcp_states, FIXTURE))
    assert tcp("syn_recv") == 0


def test_more_sockets_than_can_be_counted_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "_MOST_SOCKETS", 1)
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        stack.enter_context(pytest.raises(Trouble, match="more than 1 TCP sockets"))
        samples(sockets.tcp_states, "/proc")


def test_where_netlink_is_not_permitted_the_files_are_read() -> None:
    number = {"x86_64": 41, "aarch64": 198}.get(platform.machine())
    if number is None:
        pytest.skip("the number of the system call `socket` is not known here")
    script = f"""
import ctypes, socket, struct
from exporter.collectors.system import HostSettings, netstat, sockets
from exporter.collectors.system.host import Host
# seccomp: load the call; is it `socket`? load its family; is it AF_NETLINK? EPERM, else allow
rules = [(0x20, 0, 0, 0), (0x15, 0, 3, {number}), (0x20, 0, 0, 16), (0x15, 0, 1, 16),
         (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7FFF0000)]
code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *rule) for rule in rules))
program = ctypes.create_string_buffer(struct.pack("HL", len(rules), ctypes.addressof(code)))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, program, 0, 0) == 0
try:
    socket.socket(socket.AF_NETLINK)
except PermissionError:
    with socket.create_server(("127.0.0.1", 0)):
        found = sockets.tcp_states.function(Host("/proc", "/sys", "/", HostSettings()))
        print({{sample.labels[0]: sample.value for sample in found}}["listen"])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert int(done.stdout) >= 1


def test_datagrams_that_nobody_reads_are_seen() -> None:
    key = 'node_udp_queues{ip="v4",queue="rx"}'
    with socket.socket(type=socket.SOCK_DGRAM) as reader, socket.socket(type=socket.SOCK_DGRAM) as writer:
        reader.bind(("127.0.0.1", 0))
        before = values(sockets.udp_queues, "/proc")[key]
        for _ in range(5):
            writer.sendto(b"x" * 1000, reader.getsockname())
        until(lambda: values(sockets.udp_queues, "/proc")[key] >= before + 5000)


def test_counters_of_the_kernel_move_with_real_traffic() -> None:
    before = {**values(netstat.netstat, "/proc"), **values(netstat.softnet, "/proc")}
    used = values(netstat.sockstat, "/proc")["node_sockstat_sockets_used"]
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        after = {**values(netstat.netstat, "/proc"), **values(netstat.softnet, "/proc")}
        until(lambda: values(netstat.sockstat, "/proc")["node_sockstat_sockets_used"] >= used + 2)
    for name in ("Tcp_ActiveOpens", "Tcp_PassiveOpens", "Tcp_InSegs", "Tcp_OutSegs", "IpExt_InOctets"):
        assert after[f"node_netstat_{name}"] > before[f"node_netstat_{name}"]
    processed = [sum(value for key, value in page.items() if "processed" in key) for page in (before, after)]
    assert processed[0] < processed[1]
    assert len([key for key in after if "processed" in key]) == psutil.cpu_count()
