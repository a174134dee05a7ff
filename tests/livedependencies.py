"""Projects with dependencies for dashboards and alerts, on this machine: of Python, npm and Debian, all of them old."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.apiserver import api
from tests.aptroot import SECURITY, STABLE, root
from tests.dependencies import lock, pip, program, record, source

_NPM = """case "$*" in
*outdated*) echo '{"left": {"wanted": "2.0.0", "latest": "2.0.0"}}'; exit 1 ;;
*time*) echo '{"1.0.0": "2026-01-01T00:00:00Z", "2.0.0": "2026-01-31T00:00:00Z"}' ;;
esac"""


@contextmanager
def dependencies(folder: Path) -> Iterator[str]:
    """Run a source of advisories, and yield lines of a target that scans the projects; it needs apt-get."""
    bad = [record(f"GHSA-{word.lower()}", "one", word) for word in ("CRITICAL", "HIGH", "MODERATE", "LOW")]
    offered = {STABLE: {"bash": "5.2"}, SECURITY: {"zip": "3.1"}}
    debian = root(folder / "debian", {"bash": "5.1", "zip": "3.0"}, offered)
    with api() as server:
        source(server, {("one", "1.0"): [*bad, record("PYSEC-1", "one")]})
        yield f"""
  dependencies:
    {{collector: dependency, osv_url: {server.url}, npm_advisories: osv, max_age: 500ms, critical: false,
     npm_command: {program(folder / "bin", "npm", _NPM)}, projects: {{
       shop: {{python: {pip(folder / "shop", {"one": "1.0", "two": "2.0"}, ("two",))}}},
       front: {{npm: {lock(folder / "front", {"left": "1.0.0"})}}},
       host: {{debian: true, environment: {{APT_CONFIG: {debian.environment["APT_CONFIG"]}}}}}}}}}
"""
