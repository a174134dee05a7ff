"""The host's metrics beside those of Debian's prometheus-node-exporter, on the machine that runs the tests."""

import os
import tempfile
from pathlib import Path
from typing import Final

import pytest

from tests.bench.processes import NODE_EXPORTER, exporter, node_exporter
from tests.beside import Comparison, compare

_SERIAL: Final = "the serial number is read from /sys where udev has none"
EXPLAINED: Final = {
    ("node_disk_info", "only theirs"): _SERIAL,
    ("node_disk_info", "only ours"): _SERIAL,
    ("node_tcp_connection_states", "only ours"): "a state without connections is 0 here and absent there",
    ("node_tcp_connection_states", "values"): "there the backlog of listening sockets counts as bytes queued",
    ("node_cpu_scaling_frequency_hertz", "values"): "it moves all the time, and is read every 30 seconds here",
}
"""Differences that are meant, by family and aspect."""

_OF_FILESYSTEMS: Final = (
    "avail_bytes", "device_error", "files", "files_free", "free_bytes", "readonly", "size_bytes",
)  # fmt: skip
NEWER: Final = {"node_network_info": "adminstate"} | {
    f"node_filesystem_{name}": "device_error" for name in _OF_FILESYSTEMS
}
"""Labels that node_exporter has in its newer releases: Debian's may be older."""

# Families that public dashboards and alert rules ask for: where node_exporter gives one here, so do we.
WANTED: Final = frozenset({
    "node_cpu_seconds_total", "node_uname_info", "node_filesystem_avail_bytes", "node_filesystem_readonly",
    "node_filesystem_size_bytes", "node_memory_MemTotal_bytes", "node_filesystem_files_free", "node_filesystem_files",
    "node_memory_MemFree_bytes", "node_network_receive_bytes_total", "node_network_transmit_bytes_total",
    "node_memory_MemAvailable_bytes", "node_memory_Buffers_bytes", "node_memory_Cached_bytes", "node_load1",
    "node_disk_io_time_seconds_total", "node_filefd_allocated", "node_filefd_maximum", "node_md_disks",
    "node_network_speed_bytes", "node_nf_conntrack_entries", "node_nf_conntrack_entries_limit",
    "node_disk_reads_completed_total", "node_disk_writes_completed_total", "node_vmstat_pgmajfault",
    "node_boot_time_seconds", "node_disk_read_bytes_total", "node_disk_written_bytes_total",
    "node_disk_io_time_weighted_seconds_total", "node_network_receive_errs_total", "node_network_transmit_errs_total",
    "node_timex_offset_seconds", "node_vmstat_oom_kill", "node_memory_SwapFree_bytes", "node_memory_SwapTotal_bytes",
    "node_network_receive_drop_total", "node_network_transmit_drop_total", "node_tcp_connection_states",
    "node_timex_sync_status", "node_filesystem_device_error", "node_filesystem_free_bytes",
    "node_network_receive_packets_total", "node_network_transmit_packets_total", "node_timex_maxerror_seconds",
    "node_bonding_active", "node_bonding_slaves", "node_context_switches_total", "node_disk_read_time_seconds_total",
    "node_disk_write_time_seconds_total", "node_md_disks_required", "node_systemd_unit_state",
    "node_hwmon_chip_names", "node_hwmon_temp_crit_alarm_celsius", "node_load5", "node_procs_running",
    "node_textfile_scrape_error", "node_time_seconds", "node_edac_correctable_errors_total",
    "node_edac_uncorrectable_errors_total", "node_systemd_service_restart_total", "node_load15",
    "node_memory_Hugepagesize_bytes", "node_memory_SReclaimable_bytes", "node_systemd_units",
    "node_netstat_Tcp_CurrEstab", "node_pressure_cpu_waiting_seconds_total", "node_pressure_io_waiting_seconds_total",
    "node_pressure_memory_waiting_seconds_total", "node_sockstat_TCP_tw", "node_intr_total",
    "node_memory_HugePages_Total", "node_memory_Slab_bytes", "node_memory_SwapCached_bytes", "node_procs_blocked",
    "node_sockstat_TCP_alloc", "node_sockstat_TCP_inuse", "node_sockstat_UDP_inuse", "node_sockstat_sockets_used",
    "node_disk_io_now", "node_disk_reads_merged_total", "node_disk_writes_merged_total",
    "node_entropy_available_bits", "node_memory_Active_anon_bytes", "node_memory_Active_file_bytes",
    "node_memory_AnonHugePages_bytes", "node_memory_AnonPages_bytes", "node_memory_DirectMap1G_bytes",
    "node_memory_DirectMap2M_bytes", "node_memory_DirectMap4k_bytes", "node_memory_Dirty_bytes",
    "node_memory_HugePages_Free", "node_memory_HugePages_Rsvd", "node_memory_HugePages_Surp",
    "node_memory_Inactive_anon_bytes", "node_memory_Inactive_file_bytes", "node_memory_KernelStack_bytes",
    "node_memory_Mapped_bytes", "node_memory_Mlocked_bytes", "node_memory_NFS_Unstable_bytes",
    "node_memory_PageTables_bytes", "node_memory_SUnreclaim_bytes", "node_memory_Shmem_bytes",
    "node_memory_Unevictable_bytes", "node_memory_VmallocChunk_bytes", "node_memory_VmallocUsed_bytes",
    "node_memory_Writeback_bytes", "node_netstat_TcpExt_ListenDrops", "node_netstat_Tcp_ActiveOpens",
    "node_netstat_Tcp_InSegs", "node_netstat_Tcp_OutSegs", "node_netstat_Tcp_PassiveOpens",
    "node_netstat_Tcp_RetransSegs", "node_schedstat_running_seconds_total", "node_schedstat_waiting_seconds_total",
    "node_sockstat_TCP_mem_bytes", "node_sockstat_TCP_orphan", "node_sockstat_UDP_mem_bytes", "node_udp_queues",
    "node_vmstat_pgfault", "node_vmstat_pswpin", "node_vmstat_pswpout", "node_hwmon_fan_min_rpm",
})  # fmt: skip


def compare_here() -> Comparison:
    """Compare both as they run on this machine; every page of ours is a round of its own."""
    with (
        tempfile.TemporaryDirectory() as directory,
        node_exporter(Path(directory)) as theirs,
        exporter(Path(directory), "host: {max_age: 0s}") as ours,
    ):
        return compare(theirs.page, ours.page, "node_", NEWER)


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    if NODE_EXPORTER is None:
        if os.environ.get("CI") == "true":
            pytest.fail("prometheus-node-exporter is not installed")
        pytest.skip("prometheus-node-exporter is not installed")
    found = compare_here()
    print("\n" + found.table(EXPLAINED))
    return found


def test_families_that_both_give_agree(comparison: Comparison) -> None:
    assert comparison.unexplained(EXPLAINED) == []
    assert len(comparison.verdicts) > 20


def test_no_family_that_rules_ask_for_is_lacking(comparison: Comparison) -> None:
    assert WANTED.intersection(comparison.lacking) == frozenset()
