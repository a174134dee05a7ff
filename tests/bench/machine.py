"""The machine on which the benchmark runs, and the versions that it compares."""

import os
import platform
from pathlib import Path

from exporter import __version__
from tests.bench.processes import NODE_EXPORTER, POSTGRES_EXPORTER, PROCESS_EXPORTER, version_of
from tests.blackbox import BLACKBOX


def describe() -> dict[str, str]:
    """Return what has to be known to compare the figures with those of another run."""
    return {
        "cores": str(os.cpu_count()),
        "CPU": _cpu_model(),
        "kernel": platform.release(),
        "Python": platform.python_version(),
        "runbook-exporter": __version__,
        "prometheus-node-exporter": version_of(NODE_EXPORTER),
        "prometheus-postgres-exporter": version_of(POSTGRES_EXPORTER),
        "prometheus-process-exporter": version_of(PROCESS_EXPORTER),
        "prometheus-blackbox-exporter": version_of(BLACKBOX),
        "load average before": f"{os.getloadavg()[0]:.2f}",
    }


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()
