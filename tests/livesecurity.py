"""Secrets, packages, a browser, ClamAV and systemd, and what watches them: for the tests of dashboards."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests import clamdserver, systemdbus
from tests.apiserver import api
from tests.aptroot import SECURITY, STABLE, root
from tests.dependencies import lock, pip, program, record, source

_OUTDATED = """case "$*" in
*outdated*) echo '{"left": {"wanted": "2.0.0", "latest": "2.0.0"}}'; exit 1 ;;
*time*) echo '{"1.0.0": "2026-01-01T00:00:00Z", "2.0.0": "2026-01-31T00:00:00Z"}' ;;
esac"""


@contextmanager
def security(folder: Path) -> Iterator[str]:
    """Have them there; yield the lines of YAML of their targets."""
    (folder / "app.env").write_text("KEY=the-first-value\n", encoding="utf-8")
    pip(folder / "shop", {"one": "1.0", "two": "2.0"}, ("two",))
    words = ("CRITICAL", "HIGH", "MODERATE")
    known = [record(f"GHSA-{word[:4].lower()}-bbbb-cccc", "one", word) for word in words]
    here = root(folder / "debian", {"bash": "5.1", "zip": "3.0"}, {STABLE: {"bash": "5.2"}, SECURITY: {"zip": "3.1"}})
    npm = program(folder / "bin", "npm", _OUTDATED)
    browser = program(folder / "bin", "browser", "echo 'Chromium 156.0.8078.108'")
    driver = program(folder / "bin", "driver", "echo 'ChromeDriver 155.0.8000.1 (x)'")
    said = f"ClamAV 1.4.6/27500/{time.strftime('%a %b %d %H:%M:%S %Y', time.gmtime())}"
    with ExitStack() as more:
        server = more.enter_context(api())
        source(server, {("one", "1.0"): known})
        socket = more.enter_context(clamdserver.recorded(VERSION=said))
        bus, _ = more.enter_context(systemdbus.recorded(systemdbus.recording("user252")))
        yield f"""
  secrets:
    collector: secret
    interval: 1s
    max_age: 500ms
    secrets: {{openai: {{file: {folder}/app.env, key: KEY}}, mail: {{rotated: "2026-01-31"}}}}
  packages:
    collector: dependency
    max_age: 500ms
    osv_url: {server.url}
    npm_command: {npm}
    npm_advisories: osv
    projects:
      shop: {{python: {folder}/shop}}
      front: {{npm: {lock(folder / "front", {"left": "1.0.0"})}}}
      host: {{debian: true, environment: {{APT_CONFIG: {here.environment["APT_CONFIG"]}}}}}
  browsers:
    collector: browser
    interval: 2s
    max_age: 500ms
    browsers: {{chrome: {{browser: [{browser}], driver: [{driver}]}}}}
  uploads: {{collector: clamd, interval: 1s, max_age: 500ms, address: {socket}, timezone: UTC}}
  units: {{collector: systemd, interval: 1s, max_age: 500ms, bus: {bus}}}
"""
