"""What the exporter says of itself, and of each target."""

import functools
import os
import platform
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from exporter import __version__
from exporter.collector import Collector, Context, NotApplicable, read
from exporter.config import TargetSettings
from exporter.helper import Helper
from exporter.metric import Sample, Samples, counter, gauge, info
from exporter.snapshot import Snapshot, Status
from exporter.state import State
from exporter.usage import usage_of

TARGET_UP = gauge(
    "runbook_target_up",
    "1 where the target answered in its last round, 0 where it did not.",
    labels=("collector",),
    source="the exporter",
)
TARGET_CRITICAL = gauge(
    "runbook_target_critical",
    "1 where the configuration calls the target critical, 0 where it does not matter that much.",
    labels=("collector",),
    source="the configuration",
)
READ_SUCCESS = gauge(
    "runbook_exporter_read_success",
    "1 where the read worked in its last round, 0 where it failed; no sample where it does not apply.",
    labels=("collector", "read"),
    source="the exporter",
)
READ_SKIPPED = gauge(
    "runbook_exporter_read_skipped",
    "1 where what the read looks at does not exist in this target.",
    labels=("collector", "read"),
    source="the exporter",
)
READ_DURATION = gauge(
    "runbook_exporter_read_duration_seconds",
    "How long the read took in its last round.",
    labels=("collector", "read"),
    source="the exporter",
)
READ_LAST_SUCCESS = gauge(
    "runbook_exporter_read_last_success_timestamp_seconds",
    "When the read last worked: the time of the data that it gives.",
    labels=("collector", "read"),
    source="the exporter",
)
READ_INTERVAL = gauge(
    "runbook_exporter_read_interval_seconds",
    "How old the read's data may become before it is made again.",
    labels=("collector", "read"),
    source="the configuration",
)
READ_CUT = gauge(
    "runbook_exporter_read_members_cut",
    "Members beyond the read's budget of series; they are added up in `other`, or left out.",
    labels=("collector", "read"),
    source="the exporter",
)

BUILD_INFO = info(
    "runbook_exporter_build_info",
    "The version that runs.",
    labels=("version", "python_version", "implementation"),
    source="the exporter",
)
RELOAD_SUCCESSFUL = gauge(
    "runbook_exporter_config_last_reload_successful",
    "1 where the configuration was last loaded without error, 0 where the one before is still in force.",
    source="the exporter",
)
RELOAD_TIME = gauge(
    "runbook_exporter_config_last_reload_success_timestamp_seconds",
    "When the configuration in force was loaded.",
    source="the exporter",
)
WEB_CONFIG_SUCCESSFUL = gauge(
    "runbook_exporter_web_config_last_reload_successful",
    "1 where the web configuration was last loaded without error, 0 where the one before is still in force; no sample "
    "without one.",
    source="the exporter",
)
WEB_CONFIG_TIME = gauge(
    "runbook_exporter_web_config_last_reload_success_timestamp_seconds",
    "When the web configuration in force was loaded, its certificates among it.",
    source="the exporter",
)
HTTP_REQUESTS = counter(
    "runbook_exporter_http_requests_total",
    "Requests answered, by endpoint and status.",
    labels=("endpoint", "code"),
    source="the exporter",
)
CONNECTIONS_CLOSED = counter(
    "runbook_exporter_http_connections_evicted_total",
    "Idle connections closed to make room for new ones.",
    source="the exporter",
)
HANDSHAKES_FAILED = counter(
    "runbook_exporter_http_handshakes_failed_total",
    "TLS connections closed as their handshake failed or took too long, or the client's certificate is not allowed.",
    source="the exporter",
)
STATE_WRITABLE = gauge(
    "runbook_exporter_state_writable", "1 where what must outlive a restart is on disk.", source="the state file"
)
PROCESS_CPU = counter("process_cpu_seconds_total", "User and system CPU time spent.", source="getrusage")
PROCESS_RESIDENT = gauge("process_resident_memory_bytes", "Resident memory.", source="/proc/self/stat or psutil")
PROCESS_VIRTUAL = gauge("process_virtual_memory_bytes", "Virtual memory.", source="/proc/self/stat or psutil")
PROCESS_START = gauge("process_start_time_seconds", "When the process began, in Unix seconds.", source="the exporter")
PROCESS_OPEN_FDS = gauge("process_open_fds", "Open file descriptors.", source="/proc/self/fd")
PROCESS_MAX_FDS = gauge("process_max_fds", "Limit of open file descriptors.", source="getrlimit")
PROCESS_THREADS = gauge("process_threads", "Threads of Python that run.", source="threading")
HELPER_STARTS = counter(
    "runbook_exporter_helper_starts_total",
    "Helper processes begun: each after the first replaced one that died.",
    source="the exporter",
)
HELPER_CPU = counter(
    "runbook_exporter_helper_cpu_seconds_total",
    "User and system CPU time of the helper process, which follows logs and walks directories.",
    source="/proc/<pid>/stat or psutil",
)
HELPER_RESIDENT = gauge(
    "runbook_exporter_helper_resident_memory_bytes",
    "Resident memory of the helper process.",
    source="/proc/<pid>/stat or psutil",
)

_STARTED: Final = time.time()


def about(
    snapshot: Snapshot, settings: TargetSettings, collector: Collector[Any], intervals: dict[str, float]
) -> Iterator[Sample | None]:
    """Yield what the exporter says of one target: whether it is up, and how each read fared."""
    kind = snapshot.collector
    yield TARGET_UP(snapshot.up, collector=kind)
    if snapshot.up is not None:
        yield TARGET_CRITICAL(settings.critical, collector=kind)
        failing = any(outcome.status == "failed" for outcome in snapshot.outcomes)
        yield from collector.standing(snapshot.up, failing or not snapshot.up)
    for outcome in snapshot.outcomes:
        name = outcome.read
        yield from _standing(kind, name, outcome.status, intervals.get(name) or settings.interval or settings.max_age)
        yield READ_DURATION(outcome.duration or None, collector=kind, read=name)  # 0: it was not begun
        if outcome.cut:
            yield READ_CUT(outcome.cut, collector=kind, read=name)
    for name, when in snapshot.last_success.items():
        yield READ_LAST_SUCCESS(when, collector=kind, read=name)


@functools.lru_cache(maxsize=4096)  # the same round after round
def _standing(kind: str, read: str, status: Status, interval: float) -> tuple[Sample | None, ...]:
    """Return the samples of a read that only change with its outcome."""
    return (
        READ_SUCCESS(None if status == "skipped" else status == "ok", collector=kind, read=read),
        READ_SKIPPED(status == "skipped", collector=kind, read=read),
        READ_INTERVAL(interval, collector=kind, read=read),
    )


@dataclass
class Telemetry:
    """What the parts of the exporter note down for its own metrics."""

    state: State
    helper: Helper = field(default_factory=Helper)
    reload_successful: bool = True
    reload_time: float = field(default_factory=time.time)
    requests: Counter[tuple[str, int]] = field(default_factory=Counter)
    evicted: int = 0
    handshakes_failed: int = 0
    web_config_successful: bool | None = None
    web_config_time: float | None = None


class Exporter(Collector[None]):
    """The exporter itself."""

    kind = "exporter"

    def __init__(self, settings: Any, context: Context, telemetry: Telemetry) -> None:
        super().__init__(settings, context)
        self._telemetry = telemetry

    @contextmanager
    def connect(self) -> Iterator[None]:
        yield None

    @read
    def build(self, _: None) -> Samples:
        """Version and configuration in force."""
        yield BUILD_INFO(1, version=__version__, python_version=platform.python_version(),
                         implementation=platform.python_implementation())  # fmt: skip
        yield RELOAD_SUCCESSFUL(self._telemetry.reload_successful)
        yield RELOAD_TIME(self._telemetry.reload_time)
        yield WEB_CONFIG_SUCCESSFUL(self._telemetry.web_config_successful)
        yield WEB_CONFIG_TIME(self._telemetry.web_config_time)
        yield STATE_WRITABLE(not self._telemetry.state.problem)

    @read
    def http(self, _: None) -> Samples:
        """Requests answered."""
        for (endpoint, code), count in self._telemetry.requests.copy().items():
            yield HTTP_REQUESTS(count, endpoint=endpoint, code=str(code))
        yield CONNECTIONS_CLOSED(self._telemetry.evicted)
        yield HANDSHAKES_FAILED(self._telemetry.handshakes_failed)

    @read
    def process(self, _: None) -> Samples:
        """Processor time, memory, threads and descriptors of this process."""
        yield PROCESS_CPU(time.process_time())
        yield PROCESS_START(_STARTED)
        yield PROCESS_THREADS(threading.active_count())
        usage = usage_of(os.getpid())
        if usage is not None:
            yield PROCESS_RESIDENT(usage.resident)
            yield PROCESS_VIRTUAL(usage.virtual)

    @read
    def descriptors(self, _: None) -> Samples:
        """Open file descriptors of this process, and their limit."""
        try:
            import resource
        except ImportError:
            raise NotApplicable("this system has no limit of file descriptors") from None
        directory = "/proc/self/fd" if sys.platform == "linux" else "/dev/fd"
        yield PROCESS_OPEN_FDS(len(os.listdir(directory)))
        yield PROCESS_MAX_FDS(resource.getrlimit(resource.RLIMIT_NOFILE)[0])

    @read
    def helper(self, _: None) -> Samples:
        """The helper process, which does what burns CPU."""
        helper = self._telemetry.helper
        if not helper.begun:
            raise NotApplicable("nothing that is watched needs the helper process")
        yield HELPER_STARTS(helper.begun)
        usage = helper.usage()
        if usage is not None:
            yield HELPER_CPU(usage.cpu)
            yield HELPER_RESIDENT(usage.resident)
