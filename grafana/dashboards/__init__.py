"""The dashboards, one file for each area; a new one is a file here and a name in `ALL`."""

from typing import Final

from grafana.dashboards import exporter, host, postgres, process
from grafana.declare import Dashboard

ALL: Final[tuple[Dashboard, ...]] = (host.DASHBOARD, process.DASHBOARD, postgres.DASHBOARD, exporter.DASHBOARD)
