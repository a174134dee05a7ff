"""A real Prometheus scrapes over TLS, as a user and with a certificate, by the lines that the exporter prints."""

from pathlib import Path
from typing import Any

import yaml

from tests.process import Exporter, free_port, prometheus
from tests.support import until
from tests.test_web_users import greeted
from tests.web import MUTUAL, PASSWORD, secured, users, write_pair

TARGETS = "targets: {alpha: {collector: fake}}"


def filled_in(folder: Path, exporter: Exporter) -> dict[str, Any]:
    """Return the scrape_config that was printed, with the paths in it that are the reader's to fill in."""
    (folder / "password").write_text(PASSWORD, encoding="utf-8")
    job = greeted(exporter)
    job["tls_config"] = {"ca_file": "ours.pem", "cert_file": "client.crt", "key_file": "client.key"}
    job["basic_auth"]["password_file"] = "password"
    return {**job, "scrape_interval": "1s", "scrape_timeout": "1s"}


def discovering(job: dict[str, Any], address: str) -> dict[str, Any]:
    """Return the same, by service discovery; where it is asked needs the same keys."""
    keys = {key: job[key] for key in ("tls_config", "basic_auth")}
    return {
        "job_name": "discovered", "scrape_interval": "1s", "scrape_timeout": "1s", **keys,
        "http_sd_configs": [{"url": f"https://{address}/sd", "refresh_interval": "1s", **keys}],
    }  # fmt: skip


def test_prometheus_comes_in_as_user_and_with_a_certificate(tmp_path: Path) -> None:
    with secured(tmp_path, MUTUAL + users(alice=PASSWORD), config=TARGETS) as exporter:
        job = filled_in(tmp_path, exporter)
        write_pair(tmp_path, "prometheus.example", by="theirs", stem="foreign")
        foreign = {**job["tls_config"], "cert_file": "foreign.crt", "key_file": "foreign.key"}
        jobs = [
            job, discovering(job, exporter.address),
            {**job, "job_name": "nobody", "basic_auth": {"username": "alice", "password": "wrong"}},
            {**job, "job_name": "foreign", "tls_config": foreign},
        ]  # fmt: skip
        port = free_port()
        with prometheus(tmp_path, yaml.safe_dump({"scrape_configs": jobs}), port) as server:
            until(lambda: server.query('up{job="runbook-exporter"} == 1'), 20)
            until(lambda: server.query('up{job="fake-job"} == 1'), 20)
            until(lambda: len(server.query('up{job=~"nobody|foreign"} == 0')) == 2, 20)
            until(lambda: server.query('runbook_target_up{job="runbook-exporter",target="alpha"} == 1'), 20)
            assert server.query("runbook_exporter_web_config_last_reload_successful")[0]["value"] == "1"
        assert "error" not in exporter.output()
