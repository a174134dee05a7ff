"""The commands of Celery's runbook pages, each given to real workers and brokers."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest

from tests import celeryapp, rabbitmq
from tests.celeryapp import beat, worker
from tests.onetarget import one
from tests.process import ROOT, environment
from tests.redisserver import Redis, server
from tests.support import until
from tests.test_runbooks import PAGES, blocks

STAYS: Final = re.compile(r"celery -A app (worker|beat)\b")
OF_THE_SYSTEM: Final = re.compile(r"\b(systemctl|journalctl|dmesg|py-spy|runbook-exporter)\b")
"""What needs systemd, the kernel's log, root, or a configuration: of these the shell's own check must do."""
OF_RECORDINGS: Final = r' *(file=|ls -l "\$file"|ffprobe |ffmpeg )'


def lines(wanted: str) -> list[tuple[str, str]]:
    """Return the pages' lines with that command which end by themselves."""
    found = [(page, line) for page in PAGES if page.startswith("Celery") for code in blocks("sh", page)
             for line in code.splitlines() if line.strip()]  # fmt: skip
    return [(page, line) for page, line in found if re.match(wanted, line) and not STAYS.search(line)]


def test_every_command_is_tried_here_or_is_the_systems() -> None:
    asked = [line for _, line in lines("") if not OF_THE_SYSTEM.match(line)]
    wanted = ("celery ", "redis-cli", "rabbitmqctl", "ps |uptime|df ", OF_RECORDINGS)
    tried = [line for one_of_them in wanted for _, line in lines(one_of_them)]
    assert sorted(asked) == sorted(tried)


def test_a_recording_is_looked_at_and_made_again(tmp_path: Path) -> None:
    file = tmp_path / "recording.webm"
    made = ["-f", "lavfi", "-i", "sine=duration=1", "-c:a", "libopus", str(file)]
    assert subprocess.run(["ffmpeg", "-v", "error", *made], check=False).returncode == 0
    code = "\n".join(line.strip() for _, line in lines(OF_RECORDINGS))
    ended = subprocess.run(
        ["bash", "-euc", code.replace("/srv/app/media/recording.webm", str(file))],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "codec_name=opus" in ended.stdout
    assert (tmp_path / "recording.mp3").stat().st_size > 1000


@pytest.fixture(scope="module")
def broker() -> Iterator[Redis]:
    if shutil.which("redis-cli") is None:
        reason = "redis-cli is not here: `make test` installs it (.ci/packages)"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    with server() as running:
        yield running


@pytest.fixture(scope="module")
def place(broker: Redis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """Have a worker at work, with something of everything; return the environment that its commands need."""
    folder, url = tmp_path_factory.mktemp("celery"), broker.url(database=0)
    app = celeryapp.make(url)
    with (
        worker(url, folder, name="one@tests", pool="prefork", events=True) as running,
        beat(url, folder, 60.0),
        one("celery", f"url: '{url}'"),
    ):
        results = [app.send_task("tests.hang") for _ in range(3)]
        app.send_task("tests.add", (1, 2), countdown=3600)
        until(lambda: running.log().count("received") == 4, 30)
        for _ in range(20):
            app.send_task("tests.add", (1, 2), queue="celery")
        script(folder / "redis-cli", f'exec {shutil.which("redis-cli")} -p {broker.port} "$@"')
        script(folder / "celery", f'shift 2; exec {sys.executable} -m celery -A tests.celeryapp:app "$@"')
        ids = re.findall(r"tests\.hang\[([^]]+)\] received", running.log())
        assert set(ids) == {result.id for result in results}
        yield {"PATH": f"{folder}:{os.environ['PATH']}", "CELERYAPP_BROKER": url, "TASK_ID": ids[0]}


def script(path: Path, body: str) -> None:
    path.write_text(f"#!/bin/bash\n{body}\n", encoding="utf-8")
    path.chmod(0o755)


def run(line: str, place: Mapping[str, str]) -> str:
    """Give a line to the shell; return what it says, with nothing wrong in it."""
    line = line.replace("app.tasks.send", "tests.add").replace("--timeout 5", "--timeout 2")
    more = environment({"PYTHONWARNINGS": "ignore", **place})
    ended = subprocess.run(["bash", "-o", "pipefail", "-c", line], env=more, cwd=ROOT, text=True, capture_output=True,
                           timeout=60, check=False)  # fmt: skip
    assert ended.returncode == 0, line + ended.stdout + ended.stderr
    assert not re.search(r"\berror\b|Traceback|Usage:", ended.stdout + ended.stderr), ended.stdout + ended.stderr
    assert ended.stdout.strip(), line
    return ended.stdout


@pytest.mark.parametrize(("page", "line"), lines(r"ps |uptime|df ") + lines("redis-cli"))
def test_a_command_works(page: str, line: str, place: Mapping[str, str]) -> None:
    run(line, place)


# the same on several pages is tried once
@pytest.mark.long
@pytest.mark.parametrize("line", sorted({line.partition("  #")[0].rstrip() for _, line in lines("celery ")}))
def test_a_question_to_workers_works(line: str, place: Mapping[str, str]) -> None:
    said = run(line, place)
    assert "one@tests" in said or "|" in line, said


@pytest.mark.long
@pytest.mark.parametrize(("what", "said"), [("worker", " ready."), ("beat", "beat: Starting")])
def test_what_stays_starts(what: str, said: str, place: Mapping[str, str], tmp_path: Path) -> None:
    """Started by hand, so that its errors are seen."""
    (line,) = {line for page in PAGES for code in blocks("sh", page) for line in code.splitlines()
               if (found := STAYS.search(line)) and found[1] == what}  # fmt: skip
    log = tmp_path / "log"
    more = environment({"PYTHONWARNINGS": "ignore", **place})
    schedule = f" -s {tmp_path / 'schedule'}" if what == "beat" else " -n by-hand@tests"
    with log.open("wb") as output:
        process = subprocess.Popen(["bash", "-c", f"exec {line}{schedule}"], env=more, cwd=ROOT, stdout=output,
                                   stderr=output, start_new_session=True)  # fmt: skip
    try:
        until(lambda: said in log.read_text() or process.poll() is not None, 40)
        assert said in log.read_text()
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.long
def test_rabbitmqs_commands_work() -> None:
    with rabbitmq.node() as node:
        control = shutil.which(next(Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*/sbin/rabbitmqctl")))
        script(node.folder / "rabbitmqctl", f'exec {control} "$@"')
        place = {"PATH": f"{node.folder}:{os.environ['PATH']}", "HOME": str(node.folder), **_of_node(node.pid)}
        node.declare("celery")
        node.declare("celeryev.1")
        node.publish("celery")
        for _, line in lines("rabbitmqctl"):
            run(line, place)


def _of_node(pid: int) -> dict[str, str]:
    """Return what a node was started with that its commands must know too."""
    entries = Path(f"/proc/{pid}/environ").read_text(encoding="utf-8").split("\0")
    return {name: value for name, _, value in (entry.partition("=") for entry in entries)
            if name in ("ERL_EPMD_PORT", "RABBITMQ_NODENAME", "RABBITMQ_CONF_ENV_FILE", "LANG")}  # fmt: skip


@pytest.mark.long
def test_a_task_that_is_ended_by_its_id_is_no_more(place: Mapping[str, str], broker: Redis) -> None:
    """The page says that a pool of processes can."""
    app = celeryapp.make(broker.url(database=0))
    running = [task["id"] for task in app.control.inspect(timeout=5).active()["one@tests"]]
    (line,) = {line.strip() for _, line in lines(" *celery .* terminate")}
    run(line, {**place, "TASK_ID": running[-1]})
    until(lambda: running[-1] not in str(app.control.inspect(timeout=2).active()), 20)
