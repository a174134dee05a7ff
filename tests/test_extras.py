"""What an extra installs is enough for its collector: libraries do not always ask for all that they import."""

import re
from importlib.metadata import PackageNotFoundError, packages_distributions, requires

import pytest
from packaging.requirements import Requirement

from tests.process import command

IMPORTS = {
    "api": ["cryptography.hazmat.primitives.asymmetric.rsa", "jmespath"],
    "backup": ["duckdb", "jmespath", "jsonschema", "referencing", "psycopg"],
    "cache": ["selectolax.lexbor", "jsonschema", "referencing", "jmespath"],
    "celery": ["exporter.collectors.celery.redismailbox", "exporter.collectors.celery.amqpmailbox", "amqp", "redis"],
    "dependency": ["cvss"],
    "demo": ["django", "fastapi", "uvicorn", "flask_socketio", "simple_websocket", "gunicorn", "prometheus_client"],
    "duckdb": ["duckdb"], "json": ["jmespath"], "log": ["re2"], "mongodb": ["pymongo"], "pgbouncer": ["psycopg"],
    "postgres": ["psycopg"], "redis": ["redis"], "systemd": ["jeepney", "jeepney.auth", "jeepney.low_level"],
    "tls": ["cryptography.x509"], "web": ["bcrypt"],
    # what else is in dnspython asks the metadata for what there is
    "probe": ["cryptography.x509", "dns.rdatatype", "re2", "jmespath", "websockets.client"],
}  # fmt: skip
_REFUSING = """
import sys
class Refusing:
    def find_spec(self, name, path=None, target=None):
        if name in {refused!r}:
            raise ModuleNotFoundError(f"{{name}} is not installed by the extra")
sys.meta_path.insert(0, Refusing())
import importlib
for name in {modules!r}:
    importlib.import_module(name)
print("all there")
"""


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def needed(name: str, extras: frozenset[str], seen: set[tuple[str, frozenset[str]]]) -> set[str]:
    """Return the distributions that come with one, by what each asks for."""
    if (name, extras) in seen:
        return set()
    seen.add((name, extras))
    found = {name}
    try:
        wanted = map(Requirement, requires(name) or ())
    except PackageNotFoundError:
        return found  # it is for another system
    for one in wanted:
        if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in (*extras, "")):
            found |= needed(plain(one.name), frozenset(one.extras), seen)
    return found


@pytest.mark.parametrize("extra", IMPORTS)
def test_an_extra_installs_all_that_is_imported(extra: str) -> None:
    there = needed("runbook-exporter", frozenset({extra}), set())
    assert len(there) > 4
    refused = [module for module, names in packages_distributions().items()
               if not {plain(name) for name in names} & there]  # fmt: skip
    assert "pytest" in refused
    ended = command(program=("-c", _REFUSING.format(refused=sorted(refused), modules=IMPORTS[extra])))
    assert ended.stdout == "all there\n", ended.stderr


def test_every_extra_is_tried() -> None:
    extras = {found for text in requires("runbook-exporter") or () for found in re.findall(r"extra == '(\w+)'", text)}
    extras |= {found for text in requires("runbook-exporter") or () for found in re.findall(r'extra == "(\w+)"', text)}
    assert extras - {"all", "dev"} == IMPORTS.keys()
