"""The dashboards, one file for each area; a new one is a file here and a name in `ALL`."""

from typing import Final

from grafana.dashboards import alertmanager, command, exporter, gpu, host, http, log, path, postgres, process
from grafana.declare import Dashboard

ALL: Final[tuple[Dashboard, ...]] = (
    host.DASHBOARD, process.DASHBOARD, http.DASHBOARD, postgres.DASHBOARD, log.DASHBOARD, path.DASHBOARD,
    command.DASHBOARD, gpu.DASHBOARD, alertmanager.DASHBOARD, exporter.DASHBOARD,
)  # fmt: skip
