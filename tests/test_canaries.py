"""Secrets planted in every place where a configuration can hold one: no output shows them, in no usual encoding."""

import base64
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from tests.process import Exporter, command, running
from tests.support import until

CANARIES = {
    "literal": "canary/literal+one=é",
    "environment": "canary environment&two",
    "file": 'canary"file\\three',
    "url": "canary@url:four/five",
}
ENVIRON = {"CANARY": CANARIES["environment"]}
FORMATS = ("text", "json")


def config(folder: Path, behaviour: str = "leaks") -> str:
    (folder / "key").write_text(CANARIES["file"] + "\n", encoding="utf-8")
    (folder / "key").chmod(0o600)
    url = f"https://user:{quote(CANARIES['url'], safe='')}@host.example/path?x=1"
    return f"""
targets:
  leaky:
    collector: fake
    behaviour: {behaviour}
    word: {CANARIES["literal"]!r}
    token: "${{CANARY}}"
    key_file: key
    url: {url}
"""


def forms(secret: str) -> set[str]:
    """Return a secret as careless code might print it."""
    data = secret.encode()
    quoted = {quote(secret), quote(secret, safe=""), quote_plus(secret)}
    escaped = {json.dumps(secret)[1:-1], repr(secret)[1:-1], repr(data)[2:-1]}
    return {secret, *quoted, *escaped, base64.b64encode(data).decode(), base64.urlsafe_b64encode(data).decode()}


def leaks(text: str) -> list[str]:
    """Return what of any secret stands in a text: in full, in an encoding, or its telling word."""
    found = [form for secret in CANARIES.values() for form in forms(secret) if form in text]
    return found + [word for word in ("literal+one", "environment&two", "file\\three", "four/five") if word in text]


@pytest.fixture(scope="module", params=FORMATS)
def exporter(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    folder = tmp_path_factory.mktemp("canaries")
    arguments = ["--log.level=debug", f"--log.format={request.param}"]
    with running(folder, config(folder), *arguments, environ=ENVIRON) as exporter:
        yield exporter


def test_the_search_finds_what_is_there() -> None:
    for secret in CANARIES.values():
        for form in forms(secret):
            assert leaks(f"before {form} after")


@pytest.mark.parametrize("path", ["/", "/targets", "/metrics", "/probe?target=leaky", "/health", "/sd"])
def test_no_page_shows_a_secret(exporter: Exporter, path: str) -> None:
    page = exporter.get(path).text
    assert leaks(page) == []
    assert "leaky" in page or path == "/probe?target=leaky"


def test_the_reason_is_told_without_the_secret(exporter: Exporter) -> None:
    page = exporter.get("/targets").text
    assert "ValueError: login failed" in page
    assert "&lt;secret&gt;" in page


def test_no_log_shows_a_secret(exporter: Exporter) -> None:
    exporter.get("/metrics")
    until(lambda: "the read doubtful failed" in exporter.output())
    assert "login failed" in exporter.output()
    assert leaks(exporter.output()) == []


@pytest.mark.parametrize("behaviour", ["crashes", "leaks"])
@pytest.mark.parametrize("arguments", [["test"], ["test", "--json"], ["once"], ["check"]])
def test_no_command_shows_a_secret(tmp_path: Path, arguments: list[str], behaviour: str) -> None:
    file = tmp_path / "config.yml"
    file.write_text(config(tmp_path, behaviour), encoding="utf-8")
    ended = command(*arguments, f"--config.file={file}", environ=ENVIRON)
    assert leaks(ended.stdout + ended.stderr) == []
    assert "leaky" in ended.stdout
    if arguments[0] == "test":
        assert "<secret>" in ended.stdout


def test_a_refused_configuration_shows_no_secret(tmp_path: Path) -> None:
    with running(tmp_path, config(tmp_path), environ=ENVIRON) as exporter:
        exporter.reconfigure(config(tmp_path) + "    secnds: ${CANARY}\n    parts: ${CANARY}\n    many: ${CANARY}\n")
        exporter.send(signal.SIGHUP)
        until(lambda: all(f"targets.leaky.{key}: " in exporter.output() for key in ("secnds", "parts", "many")))
        assert leaks(exporter.output()) == []


def test_a_crash_at_start_shows_no_secret(tmp_path: Path) -> None:
    (tmp_path / "config.yml").write_text(config(tmp_path), encoding="utf-8")
    # a number where a function belongs, as the mistake; its frames hold the whole configuration
    crash = """
import runpy, sys
from exporter import service
def apply(self, config):
    raise RuntimeError(f"crashed with {config.targets[0].settings.all_secrets()}")
service.Service._apply = apply
runpy.run_path(sys.argv.pop(1), run_name="__main__")
"""
    plugged = str(Path(__file__).parent / "plugged.py")
    ended = command(
        plugged, f"--config.file={tmp_path / 'config.yml'}", f"--storage.path={tmp_path}",
        "--web.listen-address=127.0.0.1:0", program=("-c", crash), environ=ENVIRON,
    )  # fmt: skip
    assert ended.returncode == 1
    assert "RuntimeError: crashed with" in ended.stderr
    assert leaks(ended.stdout + ended.stderr) == []
