"""The answer of /sd: Prometheus' HTTP service discovery, one group for each target."""

from collections.abc import Iterable
from typing import Any

from exporter.target import Target


def groups(targets: Iterable[Target], address: str, scheme: str) -> list[dict[str, Any]]:
    """Return one group for each target, scraped by /probe under the job name that its area's dashboards expect."""
    return [
        {
            "targets": [address],
            "labels": {
                "__scheme__": scheme,
                "__metrics_path__": "/probe",
                "__param_target": target.settings.name,
                "job": target.collector.job,
                "instance": target.settings.name,
                "target": target.settings.name,
            },
        }
        for target in targets
    ]
