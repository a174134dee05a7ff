"""The commands of the runbook pages of APIs, each given to a local server that answers as the provider does."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests import googlereplies, openaireplies
from tests.apiserver import API, Said
from tests.process import ROOT, environment
from tests.test_runbooks import PAGES, blocks

OURS: Final = [
    page for page in PAGES if re.fullmatch(r"API(Key|Permission|Quota|Budget|Usage)\w+|ExternalAPIDown", page)
]
OF_OTHERS: Final = re.compile(r"^ *(gcloud|getent|grep) |/dev/tty", re.MULTILINE)
"""What needs Google's program, the provider itself, a log, or a terminal: of these the shell's own check must do."""
BLOCKS: Final = [(page, code) for page in OURS for code in blocks("sh", page) if not OF_OTHERS.search(code)]
KEYS: Final = {
    "openai.key": openaireplies.KEY,
    "openai-admin.key": openaireplies.ADMIN,
    "gemini.key": googlereplies.KEY,
    "search.key": googlereplies.KEY,
}


@pytest.fixture(scope="module")
def server() -> Iterator[API]:
    with openaireplies.openai() as running:
        running.routes["/v1beta/models"] = running.routes["/$discovery/rest"] = Said(googlereplies.MODELS)
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, server: API) -> Path:
    """Return a folder with the keys, a configuration, and the exporter under its name."""
    place = tmp_path_factory.mktemp("api")
    for name, key in KEYS.items():
        (place / name).write_text(key, encoding="utf-8")
    lines = "".join(f"    {line}\n" for line in openaireplies.yaml(server).splitlines())
    (place / "config.yml").write_text(f"targets:\n  openai:\n    collector: api\n{lines}", encoding="utf-8")
    program = place / "runbook-exporter"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m exporter "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    return place


@pytest.mark.parametrize(("page", "code"), BLOCKS, ids=[f"{page}-{place}" for place, (page, _) in enumerate(BLOCKS)])
def test_a_command_works_and_shows_its_key_to_nobody(page: str, code: str, server: API, folder: Path) -> None:
    server.asked.clear()
    here = re.sub(r"https://[a-z.]+(?=/v1|\n)", server.url, code).replace("/etc/runbook-exporter", str(folder))
    here = here.replace("proj_0123456789", openaireplies.PROJECT)
    environ = environment({"PATH": f"{folder}:/usr/bin:/bin", "PYTHONPATH": str(ROOT)})
    ended = subprocess.run(["bash", "-o", "pipefail", "-e", "-c", here], env=environ, cwd=folder, text=True,
                           capture_output=True, timeout=60, check=False)  # fmt: skip
    assert ended.returncode == 0, page + here + ended.stdout + ended.stderr
    assert ended.stdout.strip()
    shown = ended.stdout + ended.stderr + "".join(asked.line for asked in server.asked)
    assert not any(key in shown for key in KEYS.values())
    assert bool(server.asked) == ("curl" in code or "runbook-exporter test" in code)
    sent = [{asked.headers.get("authorization", ""), asked.headers.get("x-goog-api-key", "")} for asked in server.asked]
    assert all({*KEYS.values(), *(f"Bearer {key}" for key in KEYS.values())} & headers for headers in sent)
    assert "404" not in ended.stdout


def test_each_page_has_commands() -> None:
    assert {page for page, _ in BLOCKS} == set(OURS)
    assert len(OURS) == 7
