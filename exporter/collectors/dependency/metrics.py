"""What a scan of dependencies tells."""

from typing import Final

from exporter.metric import gauge

_OF: Final = ("ecosystem", "project")
_OF_PART: Final = (*_OF, "part")
_OF_SEVERITY: Final = (*_OF, "severity")

OUTDATED: Final = gauge(
    "runbook_dependency_outdated", "Packages of which there is a newer release.", labels=_OF,
    source="pip list --outdated, npm outdated, apt-get -s dist-upgrade", fact=True,
)  # fmt: skip
SINCE: Final = gauge(
    "runbook_dependency_outdated_since_timestamp_seconds",
    "When the package that has been outdated for longest was first seen to be so.",
    labels=_OF, source="the scans, and the state of the exporter", fact=True,
)  # fmt: skip
LAG: Final = gauge(
    "runbook_dependency_oldest_release_lag_seconds",
    "Time between the release in use and the newest one, of the package where that is longest.",
    labels=_OF, source="npm view NAME time", fact=True, fold="max",
)  # fmt: skip
VULNERABILITIES: Final = gauge(
    "runbook_dependency_vulnerabilities",
    "Known vulnerabilities of the packages in use, each once however many names it has.",
    labels=_OF_SEVERITY, source="OSV, npm audit, pending security updates of Debian", fact=True,
)  # fmt: skip
FIRST_SEEN: Final = gauge(
    "runbook_dependency_first_seen_timestamp_seconds",
    "When the oldest vulnerability that is still there was first seen.",
    labels=_OF_SEVERITY, source="the scans, and the state of the exporter", fact=True,
)  # fmt: skip
DEADLINE: Final = gauge(
    "runbook_dependency_deadline_seconds", "How long after it was first seen a vulnerability may be there.",
    labels=("severity",), source="the configuration", fact=True,
)  # fmt: skip
SCANNED: Final = gauge(
    "runbook_dependency_scanned_timestamp_seconds", "When the last scan that worked began.", labels=_OF_PART,
    source="the scans, and the state of the exporter", fact=True,
)  # fmt: skip
INTERVAL: Final = gauge(
    "runbook_dependency_scan_interval_seconds", "How often a project is meant to be scanned.", labels=_OF_PART,
    source="the configuration", fact=True,
)  # fmt: skip
PACKAGES: Final = gauge(
    "runbook_dependency_packages", "Packages that the last scan looked at.", labels=_OF_PART,
    source="pip list, the lock file of npm, apt-get", fact=True,
)  # fmt: skip
UNSCANNED: Final = gauge(
    "runbook_dependency_unscanned",
    "Packages of which the last scan could not tell, as their source does not know them as they are.",
    labels=_OF_PART, source="pip list, the lock file of npm", fact=True,
)  # fmt: skip
APT_PENDING: Final = gauge(
    "apt_upgrades_pending", "Apt packages pending updates by origin.", labels=("origin", "arch"),
    source="apt-get -s dist-upgrade", fact=True,
)  # fmt: skip
APT_LISTS: Final = gauge(
    "apt_package_cache_timestamp_seconds", "Apt update last run time.", unit="timestamp_seconds",
    source="times of apt's lists and of its stamp", fact=True,
)  # fmt: skip
REBOOT: Final = gauge(
    "node_reboot_required", "Node reboot is required for software updates.",
    source="/run/reboot-required; uname; /boot",
)  # fmt: skip
