"""Work in a process of its own that ends with it."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from exporter.aside import aside
from exporter.collector import NotApplicable, Trouble
from exporter.deadline import Cancel
from exporter.throwaway import Broke, ToldTooMuch, TookTooLong, ask
from tests.soak import held
from tests.support import until


def done(name: str, *, timeout: float = 20.0, most: int = 8 << 20, cancel: Cancel | None = None, **request: Any) -> Any:
    """Have a function of throwawaywork.py done."""
    return ask(f"tests.throwawaywork:{name}", request, timeout=timeout, most=most, cancel=cancel)


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE and psutil.Process(pid).ppid() != os.getpid()
    except psutil.NoSuchProcess:
        return True


def children() -> list[psutil.Process]:
    return psutil.Process().children()


@pytest.fixture(autouse=True)
def others() -> Iterator[list[psutil.Process]]:
    """Processes of tests before; see that none is left of this one."""
    before = children()
    yield before
    assert [child for child in children() if child not in before] == []


def test_the_answer_comes_back() -> None:
    request: dict[str, Any] = {"text": "Größe \ud800 \0", "numbers": [1, 2.5, None, True], "more": {"deep": [[]]}}
    assert done("echo", **request) == request


def test_large_requests_and_answers_come_whole() -> None:
    text = "0123456789" * 300_000
    assert done("echo", text=text) == {"text": text}


def test_it_stands_back_and_knows_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://mem:plentiful-orchid@db/mem")
    found = done("surroundings", password="plentiful-orchid")
    assert found["group"] == found["session"] == found["pid"]
    assert found["nice"] >= 10
    assert found["policy"] == os.SCHED_BATCH
    assert found["oom"] == "1000\n"
    assert found["directory"] == "/"
    assert "DATABASE_URL" not in found["variables"]
    assert "plentiful-orchid" not in str(found)
    assert found["descriptors"] <= 4  # the channel, two for what it says, and the one that counts them


def test_trouble_comes_out_as_it_was_raised() -> None:
    with pytest.raises(Trouble, match="no room") as raised:
        done("trouble")
    assert type(raised.value) is Trouble
    assert raised.value.fix == "make some"
    with pytest.raises(Trouble, match="of a kind that only this process knows") as special:
        done("special")
    assert special.value.fix == "go on"


def test_a_python_that_cannot_be_run_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = tmp_path / "python3"
    python.write_bytes(b"")
    for path in (python, tmp_path / "none"):
        monkeypatch.setattr(sys, "executable", str(path))
        with pytest.raises(Trouble, match=f"{path} could not be started to look") as raised:
            done("echo")
        assert "where the exporter's user can read and run it" in raised.value.fix


def test_what_does_not_apply_comes_out_as_such() -> None:
    with pytest.raises(NotApplicable, match="no such thing") as raised:
        done("absent")
    assert raised.value.fix == "have one"


@pytest.mark.parametrize(
    ("name", "reason"),
    [("mistake", "ZeroDivisionError"), ("leave", "SystemExit: 3"), ("no_json", "TypeError"), ("nowhere", "nowhere")],
)
def test_mistakes_are_told(name: str, reason: str) -> None:
    with pytest.raises(Trouble, match=reason):
        done(name)


def test_a_module_that_is_not_there_is_told() -> None:
    with pytest.raises(Trouble, match="ModuleNotFoundError"):
        ask("exporter.nothing:here", {}, timeout=20)


def test_libraries_come_first(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("def tell(request): return __file__\n")
    assert ask("own:tell", {}, timeout=20, libraries=(str(tmp_path),)) == str(tmp_path / "own.py")


def test_too_much_is_refused() -> None:
    assert len(done("large", size=1000, most=1100)) == 1000
    with pytest.raises(ToldTooMuch, match="1000 are taken"):
        done("large", size=100_000, most=1000)


def test_what_it_says_disturbs_nobody() -> None:
    assert done("chatter") == "done"


def test_a_crash_is_told() -> None:
    with pytest.raises(Broke, match="crashed \\(SIGSEGV\\)"):
        done("die", signal=signal.SIGSEGV)
    with pytest.raises(Broke, match="killed from outside") as raised:
        done("die", signal=signal.SIGKILL)
    assert "memory" in raised.value.fix
    with pytest.raises(Broke, match="exit code 7"):
        done("end", code=7)


def test_one_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(TookTooLong, match=r"longer than 1\.5 s"):
        done("hang", file=str(tmp_path / "pid"), timeout=1.5)
    assert time.monotonic() - began < 5
    assert is_gone(int((tmp_path / "pid").read_text()))


@pytest.mark.parametrize("name", ["hang", "hang_with_lock", "stop"])
def test_one_that_is_cancelled_is_killed(tmp_path: Path, name: str) -> None:
    cancel, file = Cancel(), tmp_path / "pid"
    future = aside(lambda: done(name, file=str(file), cancel=cancel))
    until(lambda: file.exists() and file.read_text())
    cancel.cancel()
    with pytest.raises(TookTooLong, match="target's time was over"):
        future.result(5)
    assert is_gone(int(file.read_text()))


def test_one_that_was_cancelled_before_is_not_begun() -> None:
    cancel = Cancel()
    cancel.cancel()
    with pytest.raises(TookTooLong):
        done("echo", cancel=cancel)


@pytest.mark.parametrize("name", ["hang", "hang_with_lock"])
def test_it_ends_with_the_exporter(tmp_path: Path, name: str) -> None:
    file = tmp_path / "pid"
    program = (
        f"from exporter.throwaway import ask\nask('tests.throwawaywork:{name}', {{'file': {str(file)!r}}}, timeout=600)"
    )
    exporter = subprocess.Popen([sys.executable, "-c", program], cwd=Path(__file__).parents[1])
    try:
        until(lambda: file.exists() and file.read_text(), 20)
        child = int(file.read_text())
        assert not is_gone(child)
    finally:
        exporter.kill()
        exporter.wait()
    until(lambda: is_gone(child))


def test_one_that_cannot_be_killed_is_not_doubled(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, others: list[psutil.Process]
) -> None:
    monkeypatch.setattr("exporter.throwaway.kill", lambda process: None)  # as of one that hangs in the kernel
    monkeypatch.setattr("exporter.throwaway._LAST_BREATH", 0.1)
    file = tmp_path / "pid"
    with pytest.raises(TookTooLong):
        done("stop", file=str(file), timeout=1.5)
    (child,) = [child for child in children() if child not in others]
    assert child.pid == int(file.read_text())
    with pytest.raises(Trouble, match=f"still hangs \\(process {child.pid}\\)"):
        done("stop", file=str(file), timeout=1.5)
    assert done("echo") == {}
    child.kill()
    until(lambda: child.status() == psutil.STATUS_ZOMBIE)
    with pytest.raises(TookTooLong):  # the one before is gone, and taken note of
        done("stop", file=str(file), timeout=1.5)
    (child,) = [child for child in children() if child not in others]
    child.kill()
    child.wait()


def test_many_at_once_are_apart() -> None:
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda number: done("echo", number=number), range(24)))
    assert [answer["number"] for answer in answers] == list(range(24))


def test_nothing_is_left_of_many() -> None:
    def round() -> None:
        done("echo")
        with pytest.raises(Trouble):
            done("mistake")
        with pytest.raises(Broke):
            done("end", code=1)

    for _ in range(3):
        round()
    before = held()
    for _ in range(12):
        round()
    after = held()
    assert after[:3] == before[:3]
    assert after.memory - before.memory < 2 << 20
    assert threading.active_count() == before.threads
