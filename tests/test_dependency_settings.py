"""What the configuration of dependencies refuses, with the place and the remedy; and that its secrets stay its own."""

import base64
import json
import re
import sqlite3
from pathlib import Path
from urllib.parse import quote

import pytest
import yaml

from exporter.collectors.dependency import metrics
from exporter.config import INSTALLED, Config, ConfigError, read
from exporter.metric import Metric
from tests.apiserver import Said, api
from tests.dependencies import BATCH, lock, pip, program
from tests.process import PLAIN, ROOT, running
from tests.support import until

PROJECTS = "projects: {shop: {python: /srv/shop/.venv}}"
CANARIES = {"index": "canary/index:one", "npm": "canary-npm-two", "osv": "canary@osv/three"}


def configured(line: str) -> Config:
    return read(
        f"targets: {{it: {{collector: dependency, {line}}}}}".encode(), "config.yml", INSTALLED, {"KEY": "walrus-key"}
    )


@pytest.mark.parametrize(
    "line",
    [
        PROJECTS,
        "projects: {front: {npm: /package-lock.json, ignore: [left], private: ['@shop/*'], accepted: [CVE-2026-1]}}",
        "projects: {front: {npm: npm-shrinkwrap.json}, host: {debian: true}}",
        "projects: {all: {python: .venv, npm: package-lock.json, debian: true, environment: {APT_CONFIG: /etc/x}}}",
        "projects: {shop: {python: /v, secret_environment: {PIP_INDEX_URL: 'https://u:${KEY}@h/simple'}}}",
        f"{PROJECTS}, scan_interval: 7d, scan_timeout: 30m, npm_advisories: osv, debian_security_severity: critical",
        f"{PROJECTS}, osv_url: 'https://u:${{KEY}}@osv.example.com/', proxy: 'http://proxy:3128', ca_file: /ca.pem",
        f"{PROJECTS}, deadlines: {{critical: 0s, high: 12h, medium: 30d, low: 90d, unknown: null}}",
    ],
)
def test_what_is_right_passes_without_a_remark(line: str) -> None:
    assert configured(line).warnings == ()


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ("projects: {}", "projects"),
        ("projects: {shop: {}}", "projects.shop.python"),
        ("projects: {shop: {debian: false}}", "projects.shop.python"),
        ("projects: {front: {npm: /srv/package.json}}", "projects.front.npm"),
        ("projects: {shop: {python: /v, environment: {NPM_TOKEN: abc}}}", "projects.shop.environment.NPM_TOKEN"),
        ("projects: {shop: {python: /v, environment: {PIP_INDEX_URL: 'https://u:p@h/'}}}",
         "projects.shop.environment.PIP_INDEX_URL"),
        ("projects: {shop: {python: /v, environment: {2X: x}}}", "projects.shop.environment.2X"),
        ("projects: {shop: {python: /v, user: nobody-of-this-name}}", "projects.shop.user"),
        (f"{PROJECTS}, scan_interval: 5m", "scan_interval"),
        (f"{PROJECTS}, scan_timeout: 0s", "scan_timeout"),
        (f"{PROJECTS}, scan_timeout: 2d", "scan_timeout"),
        (f"{PROJECTS}, osv_url: ftp://h", "osv_url"),
        (f"{PROJECTS}, proxy: https://h", "proxy"),
        (f"{PROJECTS}, ca_file: /a, insecure_skip_verify: true", "ca_file"),
        (f"{PROJECTS}, client_cert: /a", "client_cert"),
        (f"{PROJECTS}, npm_advisories: none", "npm_advisories"),
        (f"{PROJECTS}, deadlines: {{severe: 1d}}", "deadlines.severe"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place(line: str, place: str) -> None:
    with pytest.raises(ConfigError) as refused:
        configured(line)
    problem = next(str(one) for one in refused.value.problems if f"targets.it.{place}" in str(one))
    assert "expected" in problem


def forms(secret: str) -> set[str]:
    return {secret, quote(secret), quote(secret, safe=""), base64.b64encode(secret.encode()).decode()}


def leaks(text: str) -> list[str]:
    return [form for secret in CANARIES.values() for form in forms(secret) if form in text]


def test_no_page_log_or_state_shows_a_secret(tmp_path: Path) -> None:
    telling = "cat $PWD/.npmrc; cat $PWD/.npmrc >&2; env; env >&2; exit 1"
    python = program(tmp_path / "bin", "python", telling).parent.parent
    npm = program(tmp_path / "bin", "npm", telling)
    path = lock(tmp_path / "front", {"left": "1.0.0"})
    token = f"//127.0.0.1/:_authToken={CANARIES['npm']}\n"
    (tmp_path / "front/.npmrc").write_text(token, encoding="utf-8")
    pip(tmp_path / "good", {"one": "1.0"})
    with api() as server:
        server.routes[BATCH] = Said({}, 403)
        index = f"http://user:{quote(CANARIES['index'], safe='')}@127.0.0.1/simple"
        osv = f"http://user:{quote(CANARIES['osv'], safe='')}@127.0.0.1:{server.port}"
        config = f"""
targets:
  it:
    collector: dependency
    max_age: 0s
    osv_url: {osv}
    npm_command: {npm}
    projects:
      shop: {{python: {python}, secret_environment: {{PIP_INDEX_URL: "{index}"}}}}
      good: {{python: {tmp_path / "good"}}}
      front: {{npm: {path}, secret_environment: {{NPM_TOKEN: "{CANARIES["npm"]}"}}}}
"""
        with running(tmp_path, config, "--log.level=debug", program=PLAIN) as exporter:

            def told() -> str:
                return exporter.get("/targets").text

            reasons = ("status 403", "pip ended with the status 1", "npm outdated` writes", "npm audit` writes")
            until(lambda: all(reason in told() for reason in reasons), 60)
            pages = [exporter.get(one).text for one in ("/", "/targets", "/metrics", "/probe?target=it", "/health")]
            said = exporter.output()
        with sqlite3.connect(tmp_path / "state/state.sqlite") as state:
            kept = str(state.execute("SELECT * FROM entry").fetchall())
        state.close()
    assert "pip ended with" in said
    assert leaks("".join(pages) + said + kept) == []
    basic = base64.b64encode(f"user:{CANARIES['osv']}".encode()).decode()
    assert f"Basic {basic}" in {asked.headers.get("authorization") for asked in server.asked}  # it was used


TEXT = (ROOT / "docs/dependencies.md").read_text(encoding="utf-8")


def test_the_configuration_on_the_page_is_right() -> None:
    whole, part = re.findall(r"^```yaml\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    whole = whole.replace("user: shop", "user: root")
    assert read(whole.encode(), "config.yml", INSTALLED, {}).warnings == ()
    assert configured(f"projects: {json.dumps(yaml.safe_load(part))}".replace("MIRROR_PASSWORD", "KEY")).warnings == ()


def test_every_metric_is_on_the_page_and_live_use_is_called_unproved() -> None:
    names = [value.name for value in vars(metrics).values() if isinstance(value, Metric)]
    assert [name for name in names if name not in TEXT] == []
    assert "Live use of OSV" in TEXT
    assert "is unproved" in TEXT
