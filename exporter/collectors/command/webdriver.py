"""Whether a browser can be driven: chromedriver is started, starts a browser without a window, and ends both."""

import json
import os
import re
import select
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from tempfile import TemporaryDirectory
from typing import Any, Final

from exporter.collector import Trouble
from exporter.collectors.command.session import Session
from exporter.command import kill, started
from exporter.deadline import Deadline
from exporter.fetch import fetch
from exporter.jsontext import beginning, parse
from exporter.program import ProgramSettings

DRIVER: Final = ("chromedriver", "--port=0")
_PORT: Final = re.compile(rb"started successfully on port ([0-9]{1,5})")
_MOST_BYTES: Final = 1 << 20
_PIECE: Final = 4096
_FIX: Final = "install a chromedriver of the browser's own version"
# without a window, a graphics card or much of /dev/shm, as on a server or in a container
_ARGUMENTS: Final = ("--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run")


class Fails(Trouble):
    """The driver is there, and brings no browser about."""


def browser_version(program: ProgramSettings, session: Session, timeout: float) -> str:
    """Return the version of the browser that chromedriver starts; Fails says why it does not.

    Where the round had no time for it, nothing is known of the browser: that is a plain Trouble.
    """
    deadline = Deadline(session.left(timeout))
    try:
        with (
            _directory(program) as directory,
            started(program, {"TMPDIR": directory}, errors=subprocess.DEVNULL) as process,
            session.cancelling.calling(partial(kill, process)),
        ):
            return _driven(process, deadline, session, program)
    except TimeoutError:
        session.check_own_fault(deadline.seconds, timeout)
        raise Fails(f"no browser was started within {deadline.seconds:g} s", _FIX) from None


@contextmanager
def _directory(program: ProgramSettings) -> Iterator[str]:
    """Have a directory for what a browser leaves behind, some megabytes each time."""
    with TemporaryDirectory(prefix="runbook-webdriver-", ignore_cleanup_errors=True) as directory:
        if user := program.identity():
            os.chown(directory, user["user"], user["group"])
        yield directory


def _port(process: "subprocess.Popen[bytes]", deadline: Deadline) -> int:
    """Return the port on which the driver says that it listens."""
    said = b""
    while process.stdout is not None and select.select([process.stdout], [], [], deadline.left())[0]:
        piece = os.read(process.stdout.fileno(), _PIECE)
        said = (said + piece)[-_PIECE:]
        if found := _PORT.search(said):
            return int(found[1])
        if not piece:
            raise Fails("chromedriver ended without listening", _FIX)
    raise TimeoutError


def _driven(process: "subprocess.Popen[bytes]", deadline: Deadline, session: Session, program: ProgramSettings) -> str:
    try:
        return _drive(f"http://127.0.0.1:{_port(process, deadline)}", deadline, session, program)
    except Trouble as error:
        if session.cancelling.cancelled:
            raise TimeoutError from None
        deadline.left()  # where that is over, it was no answer in time that went wrong
        raise Fails(str(error), _FIX) from None


def _drive(driver: str, deadline: Deadline, session: Session, program: ProgramSettings) -> str:
    ask = partial(fetch, most=_MOST_BYTES, headers={"Content-Type": "application/json"}, cancel=session.cancelling)
    reply = ask(f"{driver}/session", method="POST", body=_wish(program), timeout=deadline.left())
    answer = parse(reply.body, "chromedriver's answer")
    name = _text_at(answer, "value", "sessionId")
    if reply.status != 200 or not name:
        raise Fails(f"no browser was started: {beginning(_text_at(answer, 'value', 'message').encode())}", _FIX)
    ask(f"{driver}/session/{name}", method="DELETE", timeout=deadline.left())
    return _text_at(answer, "value", "capabilities", "browserVersion")


def _text_at(value: Any, *keys: str) -> str:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""


def _wish(program: ProgramSettings) -> bytes:
    root = os.geteuid() == 0 and program.user in ("", "root")
    arguments = [*_ARGUMENTS, *(["--no-sandbox"] if root else [])]  # root's browser has no sandbox, and will not start
    options = {"browserName": "chrome", "goog:chromeOptions": {"args": arguments}}
    return json.dumps({"capabilities": {"alwaysMatch": options}}).encode()
