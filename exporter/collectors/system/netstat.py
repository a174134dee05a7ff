"""What the kernel counts of its network: protocols, sockets by protocol, packets processed, connections tracked."""

import functools
import os
import re
from collections.abc import Sequence
from typing import Final

from exporter.collector import NotApplicable, read
from exporter.collectors.system.host import Host
from exporter.collectors.system.network import has_net_file, net_file, net_place, reading
from exporter.metric import Metric, Samples, counter, gauge, pattern

_PAGE = os.sysconf("SC_PAGE_SIZE")

NETSTAT = pattern(
    "node_netstat_*",
    "untyped",
    "The kernel's network statistic *.",
    source="/proc/net/snmp, /proc/net/netstat and /proc/net/snmp6",
)
# the choice of node_exporter
_NETSTAT_FIELDS: Final = re.compile(
    r".*_(InErrors|InErrs)|Ip_Forwarding|Ip(6|Ext)_(InOctets|OutOctets)|Icmp6?_(InMsgs|OutMsgs)"
    r"|TcpExt_(Listen.*|Syncookies.*|TCPSynRetrans|TCPTimeouts|TCPOFOQueue|TCPRcvQDrop)"
    r"|Tcp_(ActiveOpens|InSegs|OutSegs|OutRsts|PassiveOpens|RetransSegs|CurrEstab)"
    r"|Udp6?_(InDatagrams|OutDatagrams|NoPorts|RcvbufErrors|SndbufErrors)"
)

SOCKSTAT = pattern("node_sockstat_*", "gauge", "Sockets: the figure *.", source="/proc/net/sockstat and sockstat6")
SOCKSTAT_BYTES = pattern(
    "node_sockstat_*_bytes", "gauge", "Sockets: the figure *, in bytes.", source="/proc/net/sockstat"
)


def _softnet(name: str, help: str) -> Metric:
    return counter(name, help, labels=("cpu",), source="/proc/net/softnet_stat")


# By column; those between are always 0 with the kernels of these ten years.
_SOFTNET: Final = {
    0: _softnet("node_softnet_processed_total", "Packets processed."),
    1: _softnet("node_softnet_dropped_total", "Packets dropped, as the backlog was full."),
    2: _softnet("node_softnet_times_squeezed_total", "Times that work was left over, for want of budget or time."),
    9: _softnet("node_softnet_received_rps_total", "Times that the processor was woken for packets by another."),
    10: _softnet("node_softnet_flow_limit_count_total", "Times that the limit of a flow was reached."),
    11: gauge("node_softnet_backlog_len", "Packets in the backlog.", labels=("cpu",), source="/proc/net/softnet_stat"),
}

CONNTRACK_ENTRIES = gauge(
    "node_nf_conntrack_entries",
    "Connections that are tracked.",
    source="/proc/net/stat/nf_conntrack, or /proc/sys/net/netfilter/nf_conntrack_count",
)
CONNTRACK_LIMIT = gauge(
    "node_nf_conntrack_entries_limit",
    "Connections that can be tracked.",
    source="/proc/sys/net/netfilter/nf_conntrack_max",
)


def _tracking(name: str, help: str) -> Metric:
    return gauge(name, help, source="/proc/net/stat/nf_conntrack")


# Counters by nature; gauges because node_exporter made them so.
_CONNTRACK: Final = {
    "found": _tracking("node_nf_conntrack_stat_found", "Searches that found an entry."),
    "invalid": _tracking("node_nf_conntrack_stat_invalid", "Packets that could not be tracked."),
    "ignore": _tracking("node_nf_conntrack_stat_ignore", "Packets that had an entry already."),
    "insert": _tracking("node_nf_conntrack_stat_insert", "Entries inserted."),
    "insert_failed": _tracking("node_nf_conntrack_stat_insert_failed", "Entries that could not be inserted."),
    "drop": _tracking("node_nf_conntrack_stat_drop", "Packets dropped because tracking failed."),
    "early_drop": _tracking("node_nf_conntrack_stat_early_drop", "Entries dropped to make room for new ones."),
    "search_restart": _tracking("node_nf_conntrack_stat_search_restart", "Searches begun anew, as the table grew."),
}

Chosen = tuple[tuple[int, Metric], ...]


@read
def netstat(host: Host) -> Samples:
    """Counters of IP, ICMP, TCP and UDP, from /proc/net/snmp, netstat and snmp6."""
    for name in ("snmp", "netstat"):
        lines = net_file(host, name).splitlines()
        with reading(name):
            for header, line in zip(lines[::2], lines[1::2], strict=True):
                yield from _netstat_figures(header, line)
    if has_net_file(host, "snmp6"):
        text = net_file(host, "snmp6")
        words = text.split()
        with reading("snmp6"):
            if len(words) != 2 * text.count("\n"):
                raise ValueError("not every line is a name and a figure")
            for index, metric in _chosen_names(tuple(words[::2])):
                yield metric(int(words[index * 2 + 1]))


def _netstat_figures(header: str, line: str) -> Samples:
    chosen = _chosen_columns(header)
    if chosen:
        values = line.split()
        if len(values) != header.count(" ") + 1 or not header.startswith(values[0]):
            raise ValueError(f"the figures of {values[0]} do not fit their names")
        for index, metric in chosen:
            yield metric(int(values[index]))


@functools.lru_cache(maxsize=64)
def _chosen_columns(header: str) -> Chosen:
    protocol, *names = header.split()
    return _chosen([f"{protocol.rstrip(':')}_{name}" for name in names], 1)


@functools.lru_cache(maxsize=8)
def _chosen_names(names: tuple[str, ...]) -> Chosen:
    return _chosen([name.replace("6", "6_", 1) for name in names], 0)  # Udp6InErrors is Udp6_InErrors


def _chosen(names: Sequence[str], first: int) -> Chosen:
    return tuple((index, NETSTAT.named(name)) for index, name in enumerate(names, first)
                 if _NETSTAT_FIELDS.fullmatch(name))  # fmt: skip


@read
def sockstat(host: Host) -> Samples:
    """Sockets in use and the memory that they take, by protocol, from /proc/net/sockstat and sockstat6."""
    text = net_file(host, "sockstat")
    if has_net_file(host, "sockstat6"):
        text += net_file(host, "sockstat6")
    with reading("sockstat"):
        for line in text.splitlines():
            protocol, *words = line.split()
            for name, value in zip(words[::2], words[1::2], strict=True):
                part = f"{protocol.rstrip(':')}_{name}"
                yield SOCKSTAT.named(part)(int(value))
                if name == "mem":  # in pages
                    yield SOCKSTAT_BYTES.named(part)(int(value) * _PAGE)


@read
def softnet(host: Host) -> Samples:
    """Packets that each processor worked off, from /proc/net/softnet_stat."""
    rows = [line.split() for line in net_file(host, "softnet_stat").splitlines()]
    with reading("softnet_stat"):
        for column, metric in _SOFTNET.items():
            for line, row in enumerate(rows):
                if column < len(row):
                    cpu = int(row[12], 16) if len(row) > 12 else line
                    yield metric(int(row[column], 16), cpu=str(cpu))


@read
def conntrack(host: Host) -> Samples:
    """Tracked connections and their limit, from /proc/net/stat/nf_conntrack and /proc/sys/net/netfilter."""
    if has_net_file(host, "stat/nf_conntrack"):
        with reading("stat/nf_conntrack"):
            yield from _conntrack_figures(net_file(host, "stat/nf_conntrack"))
    elif net_place(host) == "net":  # /proc/sys/net is that of whoever looks at it
        yield CONNTRACK_ENTRIES(int(host.proc("sys/net/netfilter/nf_conntrack_count")))
    else:
        raise NotApplicable("this kernel has no /proc/net/stat/nf_conntrack")
    yield CONNTRACK_LIMIT(int(host.proc("sys/net/netfilter/nf_conntrack_max")))


def _conntrack_figures(text: str) -> Samples:
    # a row for each processor; `entries` is the same in all
    header, *rows = [line.split() for line in text.splitlines()]
    columns = {name: [int(figure, 16) for figure in figures]
               for name, *figures in zip(header, *rows, strict=True)}  # fmt: skip
    yield CONNTRACK_ENTRIES(columns["entries"][0])
    for name, metric in _CONNTRACK.items():
        if name in columns:
            yield metric(sum(columns[name]))
