"""The host in detail: processors, memory, disks, network, kernel."""

from typing import Final

from grafana.declare import Column, Panel, Row, lines, table

HOST: Final = "{{instance}}"
DEVICE: Final = "{{instance}} {{device}}"

PROCESSORS: Final[list[Panel]] = [
    lines(
        "Processor time by mode", "What the processors did: 100% is all of them. `steal` is what the hypervisor gave to"
        " others, `iowait` is idle time with a disk request under way.",
        ('avg by (instance, mode) (rate(node_cpu_seconds_total{$own, mode!="idle"}[$__rate_interval]))',
         "{{instance}} {{mode}}"),
        stacked=True,
    ),
    lines(
        "Busiest processor", "The processor with the least idle time. High while the average is low: one thread is what"
        " everything waits for.",
        ('1 - min by (instance) (rate(node_cpu_seconds_total{$own, mode="idle"}[$__rate_interval]))', HOST), top=1,
    ),
    lines(
        "Pressure",
        "Share of time in which some thread waited for a processor, a disk or memory (`waiting`), or all did"
        " (`stalled`). Usage tells what is busy, pressure tells who suffers.",
        ("rate(node_pressure_cpu_waiting_seconds_total{$own}[$__rate_interval])", f"{HOST} processor, waiting"),
        ("rate(node_pressure_io_waiting_seconds_total{$own}[$__rate_interval])", f"{HOST} disk, waiting"),
        ("rate(node_pressure_io_stalled_seconds_total{$own}[$__rate_interval])", f"{HOST} disk, stalled"),
        ("rate(node_pressure_memory_waiting_seconds_total{$own}[$__rate_interval])", f"{HOST} memory, waiting"),
        ("rate(node_pressure_memory_stalled_seconds_total{$own}[$__rate_interval])", f"{HOST} memory, stalled"),
        empty="the kernel keeps no pressure figures",
    ),
    lines(
        "Threads that run or are blocked", "Threads that ran or waited for a processor, and threads blocked by a disk.",
        ("node_procs_running{$own}", f"{HOST} running"),
        ("node_procs_blocked{$own}", f"{HOST} blocked"),
    ),
    lines(
        "Switches, interrupts and forks",
        "How often processors changed threads, were interrupted, and how many processes"
        " and threads were started.",
        ("rate(node_context_switches_total{$own}[$__rate_interval])", f"{HOST} switches"),
        ("rate(node_intr_total{$own}[$__rate_interval])", f"{HOST} interrupts"),
        ("rate(node_forks_total{$own}[$__rate_interval])", f"{HOST} forks"),
    ),
    lines(
        "Load", "Threads that ran or waited, for a processor or for a disk, on average over 1, 5 and 15 minutes.",
        ("node_load1{$own}", f"{HOST} 1 m"),
        ("node_load5{$own}", f"{HOST} 5 m"),
        ("node_load15{$own}", f"{HOST} 15 m"),
    ),
]  # fmt: skip

MEMORY: Final[list[Panel]] = [
    lines(
        "Where memory is", "What programs have for themselves, what the kernel has, the page cache, and what is free.",
        ("node_memory_AnonPages_bytes{$own}", f"{HOST} programs"),
        ("node_memory_Shmem_bytes{$own}", f"{HOST} shared"),
        ("node_memory_Slab_bytes{$own} + node_memory_KernelStack_bytes{$own} + node_memory_PageTables_bytes{$own}",
         f"{HOST} kernel"),
        ("node_memory_Cached_bytes{$own} - node_memory_Shmem_bytes{$own} + node_memory_Buffers_bytes{$own}",
         f"{HOST} page cache"),
        ("node_memory_MemFree_bytes{$own}", f"{HOST} free"),
        stacked=True,
    ),
    lines(
        "Available memory", "What a program could still have, by the kernel's own estimate.",
        ("node_memory_MemAvailable_bytes{$own}", HOST),
    ),
    lines(
        "Swap in use", "Memory that was written to disk. What counts is whether pages come and go all the time.",
        ("node_memory_SwapTotal_bytes{$own} - node_memory_SwapFree_bytes{$own}", HOST),
    ),
    lines(
        "Swapping and major faults",
        "Pages that went to swap and came from there, and page faults that had to wait for a"
        " disk.",
        ("rate(node_vmstat_pswpin{$own}[$__rate_interval])", f"{HOST} from swap"),
        ("rate(node_vmstat_pswpout{$own}[$__rate_interval])", f"{HOST} to swap"),
        ("rate(node_vmstat_pgmajfault{$own}[$__rate_interval])", f"{HOST} major faults"),
    ),
    lines(
        "Memory promised",
        "What programs were promised, against the most that the kernel would promise if it refused to"
        " overcommit.",
        ("node_memory_Committed_AS_bytes{$own}", f"{HOST} promised"),
        ("node_memory_CommitLimit_bytes{$own}", f"{HOST} limit"),
    ),
    lines(
        "Waiting to be written", "Pages that are changed in memory and not yet on a disk.",
        ("node_memory_Dirty_bytes{$own}", f"{HOST} changed"),
        ("node_memory_Writeback_bytes{$own}", f"{HOST} on their way"),
    ),
]  # fmt: skip

_SPACE: Final = "max by (instance, mountpoint, device, fstype) "
DISKS: Final[list[Panel]] = [
    table(
        "File systems", "Every file system, the fullest first.",
        {"instance": "Instance", "mountpoint": "Mount point", "device": "Device", "fstype": "Type"},
        Column("In use", f"1 - {_SPACE}(node_filesystem_avail_bytes{{$own}} / node_filesystem_size_bytes{{$own}})",
               "percentunit"),
        Column("Available", f"{_SPACE}(node_filesystem_avail_bytes{{$own}})", "bytes"),
        Column("Size", f"{_SPACE}(node_filesystem_size_bytes{{$own}})", "bytes"),
        Column("Inodes in use", f"1 - {_SPACE}(node_filesystem_files_free{{$own}} / node_filesystem_files{{$own}})",
               "percentunit"),
        Column("Read-only", f"{_SPACE}(node_filesystem_readonly{{$own}})", "bool_yes_no"),
        Column("Gives no figures", f"{_SPACE}(node_filesystem_device_error{{$own}})", "bool_yes_no"),
    ),
    lines(
        "Free space, in bytes", "What is free for users other than root.",
        ("node_filesystem_avail_bytes{$own}", "{{instance}} {{mountpoint}}"),
    ),
    lines(
        "Disk busy",
        "Share of time in which the device had a request. A device that works on many at once can take more"
        " at 100%.",
        ("rate(node_disk_io_time_seconds_total{$own}[$__rate_interval])", DEVICE), top=1,
    ),
    lines(
        "Disk throughput", "Bytes read and written.",
        ("rate(node_disk_read_bytes_total{$own}[$__rate_interval])", f"{DEVICE} read"),
        ("rate(node_disk_written_bytes_total{$own}[$__rate_interval])", f"{DEVICE} written"),
    ),
    lines(
        "Disk operations", "Reads and writes completed.",
        ("rate(node_disk_reads_completed_total{$own}[$__rate_interval])", f"{DEVICE} reads"),
        ("rate(node_disk_writes_completed_total{$own}[$__rate_interval])", f"{DEVICE} writes"),
        unit="iops",
    ),
    lines(
        "Time of a disk operation", "How long a read or a write took on average, waiting included.",
        ("rate(node_disk_read_time_seconds_total{$own}[$__rate_interval])"
         " / (rate(node_disk_reads_completed_total{$own}[$__rate_interval]) > 0)", f"{DEVICE} read"),
        ("rate(node_disk_write_time_seconds_total{$own}[$__rate_interval])"
         " / (rate(node_disk_writes_completed_total{$own}[$__rate_interval]) > 0)", f"{DEVICE} write"),
        unit="s", empty="nothing was read or written",
    ),
    lines(
        "Requests in progress", "Requests that the device works on or that wait for it, on average.",
        ("rate(node_disk_io_time_weighted_seconds_total{$own}[$__rate_interval])", DEVICE), unit="short",
    ),
]  # fmt: skip

_BACK: Final = '{$own, device!="lo"}[$__rate_interval])'
NETWORK: Final[list[Panel]] = [
    lines(
        "Network traffic", "Bytes received and sent by each device; `lo` is left out.",
        (f"rate(node_network_receive_bytes_total{_BACK}", f"{DEVICE} received"),
        (f"rate(node_network_transmit_bytes_total{_BACK}", f"{DEVICE} sent"),
    ),
    lines(
        "Packets", "Packets received and sent by each device.",
        (f"rate(node_network_receive_packets_total{_BACK}", f"{DEVICE} received"),
        (f"rate(node_network_transmit_packets_total{_BACK}", f"{DEVICE} sent"),
        unit="pps",
    ),
    lines(
        "Network errors and drops", "Packets that were damaged or thrown away.",
        (f"rate(node_network_receive_errs_total{_BACK}", f"{DEVICE} errors received"),
        (f"rate(node_network_transmit_errs_total{_BACK}", f"{DEVICE} errors sent"),
        (f"rate(node_network_receive_drop_total{_BACK}", f"{DEVICE} drops received"),
        (f"rate(node_network_transmit_drop_total{_BACK}", f"{DEVICE} drops sent"),
        unit="pps",
    ),
    lines(
        "Segments sent again",
        "Share of TCP segments that had to be sent again: the way is bad, or the other end slow.",
        ("rate(node_netstat_Tcp_RetransSegs{$own}[$__rate_interval])"
         " / (rate(node_netstat_Tcp_OutSegs{$own}[$__rate_interval]) > 0)", HOST),
        unit="percentunit", empty="no segments were sent",
    ),
    lines(
        "Connections by state",
        "TCP sockets in each state that has any. Many in `close_wait`: a program does not close.",
        ("node_tcp_connection_states{$own} > 0", "{{instance}} {{state}}"),
    ),
    lines(
        "Connections refused for want of room", "Connections that came while the queue of a listening socket was full.",
        ("rate(node_netstat_TcpExt_ListenOverflows{$own}[$__rate_interval])", f"{HOST} queue full"),
        ("rate(node_netstat_TcpExt_ListenDrops{$own}[$__rate_interval])", f"{HOST} dropped"),
    ),
    lines(
        "Tracked connections", "How full the firewall's table of connections is. A full one drops packets.",
        ("node_nf_conntrack_entries{$own} / node_nf_conntrack_entries_limit{$own}", HOST), unit="percentunit", top=1,
        empty="no connections are tracked",
    ),
    lines(
        "Sockets", "Sockets in use, of all protocols, and TCP's by kind.",
        ("node_sockstat_sockets_used{$own}", f"{HOST} all"),
        ("node_sockstat_TCP_inuse{$own}", f"{HOST} TCP"),
        ("node_sockstat_TCP_tw{$own}", f"{HOST} TCP in time-wait"),
        ("node_sockstat_TCP_orphan{$own}", f"{HOST} TCP without a program"),
        ("node_sockstat_UDP_inuse{$own}", f"{HOST} UDP"),
    ),
]  # fmt: skip

KERNEL: Final[list[Panel]] = [
    lines(
        "File handles", "Open file handles against the most that the kernel gives.",
        ("node_filefd_allocated{$own} / node_filefd_maximum{$own}", HOST), unit="percentunit",
    ),
    lines(
        "Clock offset", "How far the kernel thinks its clock is from the time server, and the most it could be.",
        ("node_timex_offset_seconds{$own}", f"{HOST} offset"),
        ("node_timex_maxerror_seconds{$own}", f"{HOST} greatest error"),
    ),
    lines(
        "Temperatures", "Sensors of processors, disks and boards.",
        ("node_hwmon_temp_celsius{$own}", "{{instance}} {{chip}} {{sensor}}"), empty="no sensors",
    ),
    lines(
        "Packets that a processor had no time for",
        "Packets dropped because a processor's queue was full, and rounds that"
        " ended with work left.",
        ("sum by (instance) (rate(node_softnet_dropped_total{$own}[$__rate_interval]))", f"{HOST} dropped"),
        ("sum by (instance) (rate(node_softnet_times_squeezed_total{$own}[$__rate_interval]))", f"{HOST} cut short"),
    ),
]  # fmt: skip

ROWS: Final = (
    Row("Processors", PROCESSORS),
    Row("Memory", MEMORY),
    Row("Disks", DISKS),
    Row("Network", NETWORK),
    Row("Kernel and hardware", KERNEL, folded=True),
)
