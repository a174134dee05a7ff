"""A real browser for tests, steered by chromedriver."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests

from tests.commands import needs
from tests.process import free_port
from tests.support import until

_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
_FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")


class Browser:
    """One window of it."""

    def __init__(self, address: str) -> None:
        self._address = address

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        answer = requests.request(method, f"{self._address}{path}", json=body, timeout=60).json()
        value = answer["value"]
        assert not (isinstance(value, dict) and "error" in value), answer
        return value

    def go(self, url: str) -> None:
        self._ask("POST", "/url", {"url": url})

    @property
    def url(self) -> str:
        return str(self._ask("GET", "/url"))

    @property
    def text(self) -> str:
        return str(self._ask("POST", "/execute/sync", {"script": "return document.body.innerText", "args": []}))

    def run(self, script: str) -> Any:
        """Run a script in the page that is shown, which calls its argument when it has ended."""
        return self._ask("POST", "/execute/async", {"script": script, "args": []})

    def click(self, selector: str) -> None:
        self._ask("POST", f"/element/{self._find(selector)}/click", {})

    def type(self, selector: str, text: str) -> None:
        self._ask("POST", f"/element/{self._find(selector)}/value", {"text": text})

    def _find(self, selector: str) -> str:
        return str(self._ask("POST", "/element", {"using": "css selector", "value": selector})[_ELEMENT])


@contextmanager
def chromium(*flags: str) -> Iterator[Browser]:
    """Start Chromium without a window, and stop it in the end."""
    needs("chromium", "chromedriver")
    port = free_port()
    driver = f"http://127.0.0.1:{port}"
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(["chromedriver", f"--port={port}"], **quiet) as process:  # type: ignore[call-overload]
        try:
            until(lambda: _is_ready(driver), 30)
            options = {"goog:chromeOptions": {"binary": "/usr/bin/chromium", "args": [*_FLAGS, *flags]}}
            wanted = {"capabilities": {"alwaysMatch": options}}
            made = requests.post(f"{driver}/session", json=wanted, timeout=60).json()["value"]
            session = f"{driver}/session/{made['sessionId']}"
            try:
                yield Browser(session)
            finally:
                requests.delete(session, timeout=30)
        finally:
            process.terminate()


def _is_ready(driver: str) -> bool:
    try:
        return bool(requests.get(f"{driver}/status", timeout=5).json()["value"]["ready"])
    except requests.ConnectionError:
        return False
