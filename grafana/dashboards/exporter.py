"""The dashboard of the exporter itself, and of the way that alerts take."""

from typing import Final

from grafana.declare import QUIET, UP_DOWN, YES_NO, Column, Dashboard, Panel, Row, firing, lines, signal, stat, table

HOST: Final = "{{instance}}"
TARGET: Final = "{{instance}} {{target}}"
READ: Final = "{{instance}} {{target}} {{read}}"
# process_* are the names of many programs; these are this one's.
_OURS: Final = " and on (job, instance, target) runbook_exporter_build_info{$own}"
_READS: Final = {"instance": "Instance", "target": "Target", "collector": "Collector", "read": "Read"}
_BY_READ: Final = "max by (instance, target, collector, read)"

GLANCE: Final[list[Panel]] = [
    firing(),
    stat(
        "Targets up", "How many of the configured targets answer.",
        "sum by (instance) (runbook_target_up{$match})", HOST, unit="none",
    ),
    stat(
        "Targets down", "How many of the configured targets do not answer.",
        "sum by (instance) (runbook_target_up{$match} == bool 0)", HOST, unit="none",
        states=QUIET,
    ),
    stat(
        "Reads that fail", "How many reads did not work when they were made last.",
        "sum by (instance) (runbook_exporter_read_success{$match} == bool 0)", HOST, unit="none",
        states=QUIET,
    ),
    stat(
        "State is kept", "Whether what must outlive a restart can be written.",
        "runbook_exporter_state_writable{$own}", HOST, unit="none", states=YES_NO,
    ),
]  # fmt: skip

WATCHED: Final[list[Panel]] = [
    signal(
        "Scrapes that work",
        "Whether Prometheus can scrape each of its targets: this exporter, and everything else that"
        " it is told to scrape.",
        "TargetDown", legend="{{job}} {{instance}}", unit="none", states=UP_DOWN,
    ),
    lines(
        "Targets that answer", "Whether each configured target could be reached.",
        ("runbook_target_up{$match}", f"{TARGET} ({{{{collector}}}})"), unit="none", states=UP_DOWN,
    ),
    signal(
        "Reads overdue", "How long ago each read should have worked. Below 0 all is well; a read that never worked is"
        " overdue without end, and stands in the table below alone.",
        "CollectorFailing", legend=READ,
    ),
    signal(
        "Configuration in force", "Whether the configuration that was read last is the one in force.",
        "ConfigReloadFailed", legend=HOST, unit="none", states={"1": ("taken", "green"), "0": ("refused", "red")},
    ),
    signal(
        "Web configuration in force",
        "Whether the web configuration, its certificate and its users that were read last are those in force.",
        "WebConfigReloadFailed", legend=HOST, unit="none", states={"1": ("taken", "green"), "0": ("refused", "red")},
        empty="there is no web configuration",
    ),
    signal(
        "Deaths of the helper process", "How often the process that follows logs and walks directories had to be begun"
        " anew within an hour.",
        "HelperProcessDying", legend=HOST, unit="none", empty="nothing that is watched needs the helper process",
    ),
    signal(
        "Alerts that do not arrive",
        "Notifications that Alertmanager could not send, and rules that Prometheus could not"
        " evaluate. The Watchdog always fires: whoever misses it learns that nothing else would arrive either.",
        "AlertDeliveryFailing", legend="{{instance}} {{integration}}{{rule_group}}", unit="short", named=("Watchdog",),
        empty="neither Prometheus nor Alertmanager is scraped",
    ),
    table(
        "Reads that fail or are old", "Reads that did not work when they were made last, and when they did.",
        _READS,
        Column("Last success", f"{_BY_READ} (runbook_exporter_read_last_success_timestamp_seconds{{$match}} * 1000"
               " and on (job, instance, target, collector, read) runbook_exporter_read_success{$match} == 0)",
               "dateTimeFromNow"),
        Column("Works", f"{_BY_READ} (runbook_exporter_read_success{{$match}} == 0)", "bool_yes_no"),
        width=12, height=8, empty="every read works",
    ),
]  # fmt: skip

READS: Final[list[Panel]] = [
    table(
        "Reads", "Every read, the slowest first.",
        _READS,
        Column("Took", f"{_BY_READ} (runbook_exporter_read_duration_seconds{{$match}})", "s"),
        Column("Last success", f"{_BY_READ} (runbook_exporter_read_last_success_timestamp_seconds{{$match}}) * 1000",
               "dateTimeFromNow"),
        Column("At most every", f"{_BY_READ} (runbook_exporter_read_interval_seconds{{$match}})", "s"),
        Column("Works", f"{_BY_READ} (runbook_exporter_read_success{{$match}})", "bool_yes_no"),
        Column("Does not apply", f"{_BY_READ} (runbook_exporter_read_skipped{{$match}})", "bool_yes_no"),
        Column("Members cut", f"{_BY_READ} (runbook_exporter_read_members_cut{{$match}})", "none"),
    ),
    lines(
        "Time of each target's reads", "How long the reads of each target took, added up.",
        ("sum by (instance, target) (runbook_exporter_read_duration_seconds{$match})", TARGET),
    ),
    lines(
        "Slowest reads", "The ten reads that took longest, at each moment.",
        ("topk(10, runbook_exporter_read_duration_seconds{$match})", READ),
    ),
    lines(
        "Age of the last success", "For each target, how long ago the read that waits longest worked.",
        ("time() - min by (instance, target) (runbook_exporter_read_last_success_timestamp_seconds{$match})", TARGET),
        unit="s",
    ),
    lines(
        "Members cut", "Tables, devices and the like that were added up as `other`, or left out, to keep the budget.",
        ("sum by (instance, target, read) (runbook_exporter_read_members_cut{$match})", READ),
        empty="nothing was cut",
    ),
]  # fmt: skip

ITSELF: Final[list[Panel]] = [
    lines(
        "Processor time", "What the exporter costs: 1% is a hundredth of a processor.",
        ("rate(process_cpu_seconds_total{$own}[$__rate_interval])" + _OURS, HOST), unit="percentunit",
    ),
    lines("Memory of the exporter", "Resident memory.", ("process_resident_memory_bytes{$own}" + _OURS, HOST),
          unit="bytes"),
    lines(
        "Descriptors and threads", "Descriptors that the exporter has open, and its threads.",
        ("process_open_fds{$own}" + _OURS, f"{HOST} descriptors"),
        ("process_threads{$own}" + _OURS, f"{HOST} threads"), unit="short",
    ),
    lines(
        "HTTP requests", "Requests by endpoint and status.",
        ("sum by (instance, endpoint, code) (rate(runbook_exporter_http_requests_total{$own}[$__rate_interval]))",
         "{{instance}} {{endpoint}} {{code}}"), unit="reqps",
    ),
    lines(
        "Connections put out", "Idle connections that were closed to make room for others.",
        ("rate(runbook_exporter_http_connections_evicted_total{$own}[$__rate_interval])", HOST),
    ),
    lines(
        "Scrape time", "How long Prometheus took to scrape.",
        ("scrape_duration_seconds{$own}", "{{job}} {{instance}}"), unit="s",
    ),
    lines(
        "Series", "Samples that came with each scrape.",
        ("scrape_samples_scraped{$own}", "{{job}} {{instance}}"), unit="short",
    ),
    table(
        "Versions", "The exporters that are scraped, since when they run, and when they read their configuration last.",
        {"instance": "Instance", "version": "Version", "python_version": "Python"},
        Column("Running since", "max by (instance, version, python_version) (runbook_exporter_build_info{$own}"
               " * on (job, instance, target) group_left () process_start_time_seconds{$own}) * 1000",
               "dateTimeFromNow"),
        Column("Configuration read", "max by (instance, version, python_version) (runbook_exporter_build_info{$own}"
               " * on (job, instance, target) group_left ()"
               " runbook_exporter_config_last_reload_success_timestamp_seconds{$own}) * 1000", "dateTimeFromNow"),
        width=12, height=8,
    ),
]  # fmt: skip

DASHBOARD: Final = Dashboard(
    area="exporter",
    title="Exporter and alerts",
    text="Whether the figures on the other pages can be believed, and whether alerts arrive.",
    presence="up",
    targets="runbook_target_up",
    matchers="$own",
    rows=[Row("At a glance", GLANCE), Row("What alerts watch", WATCHED), Row("Reads", READS),
          Row("The exporter itself", ITSELF)],
)  # fmt: skip
