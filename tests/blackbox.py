"""prometheus-blackbox-exporter for tests: the peer of the collectors that look from outside."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import requests

from tests.bench.processes import Running, running
from tests.process import free_port

BLACKBOX: Final = shutil.which("prometheus-blackbox-exporter") or shutil.which("blackbox_exporter")


def needs_blackbox() -> None:
    """Skip a test where the peer is not installed; where CI=true, fail."""
    if BLACKBOX is None:
        reason = "prometheus-blackbox-exporter is not installed"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)


@dataclass(frozen=True, slots=True)
class Blackbox:
    """A peer that runs."""

    running: Running

    def probe(self, module: str, target: str) -> str:
        """Have it probe once; return its page."""
        at = f"http://127.0.0.1:{self.running.port}/probe"
        return requests.get(at, params={"module": module, "target": target}, timeout=30).text


@contextmanager
def blackbox(folder: Path, modules: Mapping[str, Any]) -> Iterator[Blackbox]:
    """Run the peer with these modules."""
    assert BLACKBOX is not None, "install prometheus-blackbox-exporter"
    port, config = free_port(), folder / "blackbox.yml"
    config.write_text(json.dumps({"modules": modules}), encoding="utf-8")  # JSON is YAML
    command = [BLACKBOX, f"--config.file={config}", f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"]
    with running("blackbox_exporter", command, port, folder / "blackbox.log") as server:
        yield Blackbox(server)
