"""The dashboard of groups of processes."""

from typing import Final

from grafana.declare import QUIET, Column, Dashboard, Panel, Row, Variable, firing, lines, signal, stat, table

OF: Final = 'groupname=~"$groupname"'
GROUP: Final = "{{instance}} {{target}} {{groupname}}"
NAMES: Final = {"instance": "Instance", "target": "Target", "groupname": "Group"}
_BY: Final = "by (instance, target, groupname)"
_OF: Final = f"{{$match, {OF}}}"
_RATE: Final = f"{_OF}[$__rate_interval]"

GLANCE: Final[list[Panel]] = [
    firing(),
    stat(
        "Groups watched", "How many groups of processes the configuration names.",
        'count by (instance, target) (namedprocess_namegroup_num_procs{$match, groupname=~"$groupname"})',
        "{{instance}} {{target}}", unit="none",
    ),
    stat(
        "Groups without a process", "Groups of which nothing runs.",
        'sum by (instance, target) (namedprocess_namegroup_num_procs{$match, groupname=~"$groupname"} == bool 0)',
        "{{instance}} {{target}}", unit="none", states=QUIET,
    ),
    table(
        "Groups",
        "Every group, the one with the most memory first. A group began again when its oldest process is young.",
        NAMES,
        Column("Memory", f'sum {_BY} (namedprocess_namegroup_memory_bytes{{$match, groupname=~"$groupname",'
               ' memtype="resident"})', "bytes"),
        Column("Processors", f"sum {_BY} (rate(namedprocess_namegroup_cpu_seconds_total{_RATE}))", "short"),
        Column("Processes", f"sum {_BY} (namedprocess_namegroup_num_procs{_OF})", "none"),
        Column("Threads", f"sum {_BY} (namedprocess_namegroup_num_threads{_OF})", "none"),
        Column("Open files", f"sum {_BY} (namedprocess_namegroup_open_filedesc{_OF})", "none"),
        Column("Oldest process", f"min {_BY} (namedprocess_namegroup_oldest_start_time_seconds{_OF} > 0) * 1000",
               "dateTimeFromNow"),
        height=8, empty="no groups are configured",
    ),
]  # fmt: skip

WATCHED: Final[list[Panel]] = [
    signal(
        "Processes", "How many processes of each group run. A configured group is always here, with 0 where none does.",
        "ProcessDown", legend=GROUP, within=OF,
    ),
    signal(
        "Memory against its limit", "Memory in use, as a share of each limit that there is: the configuration's, the"
        " cgroup's, the process's own.",
        "ProcessMemoryNearLimit", legend=f"{GROUP} {{{{limit}}}}", within=OF, top=1,
        empty="no group has a memory limit",
    ),
    signal(
        "Descriptors against their limit",
        "The process of each group that has used the largest share of the descriptors"
        " it may open.",
        "ProcessFileDescriptorsNearLimit", legend=GROUP, within=OF, top=1, empty="no descriptors can be read",
    ),
    signal(
        "Held back by the processor quota",
        "Share of the quota's periods in which the group was held back: it wanted more"
        " than its cgroup gives.",
        "ProcessCPUThrottled", legend=GROUP, within=OF, top=1, empty="no group has a processor quota",
    ),
    lines(
        "Processors against their limit", "Processor time used, as a share of what the strictest limit gives.",
        ("runbook:process_cpu:ratio" + _OF, GROUP), empty="no group has a processor limit",
    ),
    lines(
        "Age of the oldest process", "A line that falls to 0 is a restart, a saw-tooth a crash loop.",
        (f"time() - (namedprocess_namegroup_oldest_start_time_seconds{_OF} > 0)", GROUP), unit="s",
        empty="no group has a process",
    ),
]  # fmt: skip

DETAIL: Final[list[Panel]] = [
    lines(
        "Processors used", "How many processors' time each group used: 2 is all of two of them.",
        (f"sum {_BY} (rate(namedprocess_namegroup_cpu_seconds_total{_RATE}))", GROUP),
        (f"min {_BY} (runbook_process_group_cpu_limit_cpus{_OF})", f"{GROUP} limit"), unit="short",
    ),
    lines(
        "Processor time by mode", "Time in the program itself and in the kernel on its behalf.",
        (f"sum by (instance, target, groupname, mode) (rate(namedprocess_namegroup_cpu_seconds_total{_RATE}))",
         f"{GROUP} {{{{mode}}}}"), unit="short",
    ),
    lines(
        "Memory by kind", "Resident memory counts shared pages in each process; proportional memory shares them out.",
        ('namedprocess_namegroup_memory_bytes{$match, groupname=~"$groupname",'
         ' memtype=~"resident|proportionalResident"}', f"{GROUP} {{{{memtype}}}}"),
    ),
    lines(
        "Memory that counts, and its limits", "What each limit is compared with, and the limit.",
        (f"runbook_process_group_memory_used_bytes{_OF}", f"{GROUP} {{{{limit}}}} used"),
        (f"runbook_process_group_memory_limit_bytes{_OF}", f"{GROUP} {{{{limit}}}} limit"),
        empty="no group has a memory limit",
    ),
    lines(
        "Swapped out", "Memory of each group that lies in swap.",
        ('namedprocess_namegroup_memory_bytes{$match, groupname=~"$groupname", memtype="swapped"}', GROUP),
    ),
    lines(
        "Open descriptors", "Descriptors open in all processes of each group, and what one process may open.",
        (f"namedprocess_namegroup_open_filedesc{_OF}", GROUP),
        (f"runbook_process_group_open_files_limit{_OF}", f"{GROUP} limit of one process"), unit="short",
    ),
    lines(
        "Bytes read and written", "What the processes read from and wrote to disks.",
        (f"rate(namedprocess_namegroup_read_bytes_total{_RATE})", f"{GROUP} read"),
        (f"rate(namedprocess_namegroup_write_bytes_total{_RATE})", f"{GROUP} written"),
        empty="the exporter may not read /proc/PID/io",
    ),
    lines(
        "Page faults that waited for a disk", "Major faults: memory that had to be fetched.",
        (f"rate(namedprocess_namegroup_major_page_faults_total{_RATE})", GROUP),
    ),
    lines(
        "Threads by state", "What the threads of each group do. Many in `Waiting`: they wait for a disk.",
        ("sum by (instance, target, groupname, state) (namedprocess_namegroup_states" + _OF + ")",
         f"{GROUP} {{{{state}}}}"), stacked=True,
    ),
    lines(
        "Context switches", "How often threads gave their processor up (`voluntary`), or had it taken.",
        (f"rate(namedprocess_namegroup_context_switches_total{_RATE})", f"{GROUP} {{{{ctxswitchtype}}}}"),
    ),
    lines("Threads", "Threads of all processes of each group.", (f"namedprocess_namegroup_num_threads{_OF}", GROUP)),
]  # fmt: skip

DASHBOARD: Final = Dashboard(
    area="process",
    title="Processes",
    text="The services that the configuration names: whether they run, and how near their limits.",
    presence="namedprocess_namegroup_num_procs",
    variables=(Variable("groupname", "Group", "namedprocess_namegroup_num_procs"),),
    rows=[Row("At a glance", GLANCE), Row("What alerts watch", WATCHED), Row("In detail", DETAIL)],
)
