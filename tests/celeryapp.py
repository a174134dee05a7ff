"""A small Celery application, and its real workers and beat: started, stopped, killed, always ended."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from celery import Celery
from celery.exceptions import Reject

from tests.process import ROOT, environment
from tests.support import until

if TYPE_CHECKING:  # not where workers run
    from tests.onetarget import One

NAME: Final = "tests.celeryapp"
_FAST: Final = {
    "task_send_sent_event": True, "broker_connection_retry_on_startup": True, "broker_connection_max_retries": None,
    "worker_cancel_long_running_tasks_on_connection_loss": True, "task_track_started": True, "result_backend": None,
    "task_ignore_result": True, "worker_redirect_stdouts": False, "broker_heartbeat": 0,
}  # fmt: skip


def make(broker: str) -> Celery:
    """Return the application with its tasks, on this broker."""
    made = Celery("tests", broker=broker, set_as_current=False)
    made.conf.update(_FAST)
    if steps := os.environ.get("CELERYAPP_PRIORITIES"):
        made.conf.broker_transport_options = {"priority_steps": [int(step) for step in steps.split(",")],
                                              "queue_order_strategy": "priority"}  # fmt: skip
    if transport := os.environ.get("CELERYAPP_TRANSPORT"):
        made.conf.broker_transport_options = json.loads(transport)
    if schedule := os.environ.get("CELERYAPP_BEAT"):
        made.conf.beat_schedule = {"often": {"task": "tests.add", "schedule": float(schedule), "args": (1, 2)}}
    for name, options, function in _TASKS:
        made.task(name=name, **options)(function)
    return made


def _add(one: int, two: int) -> int:
    return one + two


def _sleep(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def _fail(text: str = "it failed") -> None:
    raise ValueError(text)


def _retry(self: Any, text: str = "again") -> None:
    if self.request.retries < 1:
        raise self.retry(exc=ValueError(text), countdown=0)


def _reject() -> None:
    raise Reject("not for us", requeue=False)


def _hang(path: str = "") -> None:
    """Run until the file is there, or for good."""
    while not (path and os.path.exists(path)):
        time.sleep(0.05)


_TASKS: Final[list[tuple[str, dict[str, Any], Any]]] = [
    ("tests.add", {}, _add), ("tests.sleep", {}, _sleep), ("tests.fail", {}, _fail), ("tests.hang", {}, _hang),
    ("tests.retry", {"bind": True, "max_retries": 3}, _retry), ("tests.reject", {"acks_late": True}, _reject),
    ("tests.limited", {"soft_time_limit": 2, "time_limit": 60}, _hang),
]  # fmt: skip

if __name__ != "__main__":
    app = make(os.environ.get("CELERYAPP_BROKER", "memory://"))


def older() -> Path:
    """Return the Python of an older Celery, with gevent beside it; without it skip, and fail in CI."""
    import pytest  # not where workers run

    program = ROOT / ".celery" / "older" / "bin" / "python"
    if not (program.parent.parent / "installed").exists():
        reason = "an older Celery is not here: `make test` installs it (.ci/celery)"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    return program


def value(target: "One", series: str) -> float:
    return float(target.page().get(series, "nan"))


def total(target: "One", name: str) -> float:
    """Return all series of the name added up."""
    return sum(float(value) for series, value in target.page().items() if series.startswith(name + "{"))


class Worker:
    """One process of Celery: a worker, or beat."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path, name: str) -> None:
        self.process, self._log, self.name = process, log, name

    @property
    def pid(self) -> int:
        return self.process.pid

    def log(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def stop(self, number: int = signal.SIGTERM, seconds: float = 20.0) -> None:
        """End it with the signal; what is left of its group is killed."""
        self.process.send_signal(signal.SIGCONT)
        self.process.send_signal(number)
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            pass
        finally:
            self.kill()

    def kill(self) -> None:
        """Kill it with all its children."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(20)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Have it and its children stand still."""
        os.killpg(self.process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(self.process.pid, signal.SIGCONT)


@contextmanager
def worker(
    broker: str, folder: Path, *options: str, name: str = "one@tests", events: bool = True, pool: str = "threads",
    concurrency: int = 2, queues: str = "celery", wait: bool = True, program: Path | None = None, **environ: str,
) -> Iterator[Worker]:  # fmt: skip
    """Run a worker for as long as the context; `program` is the Python of another Celery."""
    given = ["worker", "-n", name, "-P", pool, "-c", str(concurrency), "-Q", queues, "-l", "INFO", *options]
    with _process(broker, folder, name, [*given, *(["-E"] if events else [])], program, environ) as made:
        if wait:
            until(lambda: " ready." in made.log() or made.process.poll() is not None, 40)
            assert " ready." in made.log(), made.log()
        yield made


@contextmanager
def beat(broker: str, folder: Path, every: float = 0.5) -> Iterator[Worker]:
    """Run beat, which sends `tests.add` so often, for as long as the context."""
    given = ["beat", "-s", str(folder / "schedule"), "--max-interval", "1", "-l", "INFO"]
    with _process(broker, folder, "beat", given, None, {"CELERYAPP_BEAT": str(every)}) as made:
        yield made


@contextmanager
def _process(
    broker: str, folder: Path, name: str, given: list[str], program: Path | None, environ: dict[str, str]
) -> Iterator[Worker]:
    log = folder / f"{name}.log"
    env = environment({"CELERYAPP_BROKER": broker, "PYTHONWARNINGS": "ignore", **environ})
    with log.open("ab") as output:
        process = subprocess.Popen(
            [program or sys.executable, "-m", "celery", "-A", f"{NAME}:app", *given], cwd=ROOT, env=env,
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    made = Worker(process, log, name)
    try:
        yield made
    finally:
        made.kill()
