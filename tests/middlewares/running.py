"""The small application as each library counts it, running; and its /metrics page as it was once recorded.

`python -m tests.middlewares.running` records the pages anew.
"""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
import requests

from tests.process import ROOT, free_port
from tests.support import until

HERE: Final = Path(__file__).parent
PAGES: Final = HERE / "pages"
INSTALLED: Final = ROOT / ".middlewares"
PYTHON: Final = ("guide", "mended", "instrumentator", "starlette", "flask", "flask_rules", "django")
NODE: Final = ("bundle", "client")
KINDS: Final = (*PYTHON, *NODE)
ROUND: Final = (*["/orders/7"] * 6, "/exports/7", "/search?q=x", "/refused", "/broken")
"""What is asked of each in a round."""
COUNTED: Final = re.compile(r"(http|starlette)_(request|response)")
BESIDE: Final = re.compile(r"_created|_size|_bytes|_in_progress|_transport|_charset|_ajax|_middlewares|_templatename")
"""What the pages have and no rule asks for."""


@dataclass(frozen=True, slots=True)
class Application:
    """One that runs."""

    kind: str
    port: int

    def get(self, path: str) -> requests.Response:
        return requests.get(f"http://127.0.0.1:{self.port}{path}", timeout=10)

    def ask(self) -> None:
        """Ask everything of a round."""
        for path in ROUND:
            self.get(path)

    def answers(self) -> bool:
        try:
            return self.get("/metrics").ok
        except requests.ConnectionError:
            return False


def needs(language: str) -> Path:
    """Return the folder with the libraries of a language; without it skip, and fail in CI."""
    folder = INSTALLED / language
    if not (folder / "installed").exists():
        reason = f"{folder.relative_to(ROOT)} is not there: .ci/middlewares installs it"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    return folder


def command(kind: str, port: int) -> tuple[list[str], dict[str, str]]:
    """Return what starts an application, and what its environment has besides."""
    if kind in NODE:
        modules = needs("node") / "node_modules"
        return ["node", str(HERE / "application.js"), kind, str(port)], {"MODULES": str(modules)}
    python = needs("python") / "bin" / "python"
    grouped = {"GROUP_BY": "url_rule"} if kind == "flask_rules" else {}
    return [str(python), str(HERE / "application.py"), kind.removesuffix("_rules"), str(port)], grouped


@contextmanager
def running(*kinds: str, slow: bool = False) -> Iterator[list[Application]]:
    """Run applications, and await that all of them answer; slow ones are so at everything but /metrics."""
    seconds = {
        "EXPORT_SECONDS": "1.2",
        "SEARCH_SECONDS": "1.2" if slow else "0.2",
        "ORDER_SECONDS": "1.2" if slow else "0",
    }
    applications = [Application(kind, free_port()) for kind in kinds]
    with ExitStack() as stack:
        for one in applications:
            arguments, more = command(one.kind, one.port)
            environ = {"PATH": os.environ["PATH"], **seconds, **more}
            process = subprocess.Popen(arguments, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            stack.enter_context(process)
            stack.callback(process.kill)
        for one in applications:
            until(one.answers, 60)
        yield applications


def kept(page: str) -> str:
    """Return of a page what rules may ask for."""
    lines = [line for line in page.splitlines() if COUNTED.search(line) and not BESIDE.search(line)]
    return "\n".join(lines) + "\n"


def recorded(kind: str) -> str:
    """Return the page of a library after some rounds."""
    return (PAGES / f"{kind}.txt").read_text(encoding="utf-8")


def main() -> None:
    """Record the pages: what each says of requests after two rounds."""
    PAGES.mkdir(exist_ok=True)
    with running(*KINDS) as applications:
        for one in applications:
            one.ask()
            one.ask()
            (PAGES / f"{one.kind}.txt").write_text(kept(one.get("/metrics").text), encoding="utf-8")


if __name__ == "__main__":
    main()
