"""The dashboards, one file for each area; a new one is a file here and a name in `ALL`."""

from typing import Final

from grafana.dashboards import (
    alertmanager,
    api,
    app,
    backup,
    cache,
    certificate,
    command,
    duckdb,
    exporter,
    gpu,
    host,
    http,
    jobs,
    log,
    mongodb,
    page,
    path,
    pgbouncer,
    postgres,
    probe,
    process,
    redis,
    security,
    sqlite,
    systemd,
    task,
)
from grafana.declare import Dashboard

ALL: Final[tuple[Dashboard, ...]] = (
    host.DASHBOARD, process.DASHBOARD, http.DASHBOARD, postgres.DASHBOARD, pgbouncer.DASHBOARD, redis.DASHBOARD,
    probe.DASHBOARD, page.DASHBOARD, certificate.DASHBOARD,
    api.DASHBOARD,
    duckdb.DASHBOARD,
    sqlite.DASHBOARD, mongodb.DASHBOARD,
    jobs.DASHBOARD,
    backup.DASHBOARD, task.DASHBOARD,
    security.DASHBOARD, systemd.DASHBOARD,
    log.DASHBOARD, path.DASHBOARD, command.DASHBOARD, app.DASHBOARD, cache.DASHBOARD, gpu.DASHBOARD,
    alertmanager.DASHBOARD,
    exporter.DASHBOARD,
)  # fmt: skip
