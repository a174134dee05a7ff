"""Graphics processors, as a script tells of them that prints what nvidia-smi is documented to print.

No graphics processor and no driver was there when this was written: the lines are those of its manual page, of
`nvidia-smi --help-query-gpu`, and of reports.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from exporter import command, config
from exporter.collectors.gpu.smi import ARGUMENTS
from tests.graphics import A100, SECOND, Driver
from tests.onetarget import One, one
from tests.support import until

LOST = ", ".join(["1", *["[GPU is lost]"] * 8])
RESET = "1, NVIDIA A100-SXM4-40GB, 535.183.01, 40960, 0, [GPU requires reset], [GPU requires reset], [N/A], [N/A]"
JETSON = "0, Orin (nvgpu), 540.4.0, [N/A], [N/A], [N/A], [N/A], [N/A], [N/A]"
LAPTOP = "0, NVIDIA GeForce RTX 3050 Ti Laptop GPU, 470.256.02, 3914, 5, [Not Supported], 41, [Unknown Error], [N/A]"
BROKEN = "0, NVIDIA A100-SXM4-40GB, 535.183.01, [Unknown Error], [Unknown Error], ERR!, ERR!, ERR!, ERR!"
UNREACHABLE = "Unable to determine the device handle for GPU0000:CB:00.0: Unknown Error"
NO_DRIVER = (
    "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA "
    "driver is installed and running."
)
MISMATCH = "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 580.95"
NO_LIBRARY = "NVIDIA-SMI couldn't find libnvidia-ml.so library in your system."
NO_DEVICES = "No devices were found"


@pytest.fixture
def driver(tmp_path: Path) -> Driver:
    return Driver(tmp_path)


@contextmanager
def watched(driver: Driver, *more: str) -> Iterator[One]:
    with one("gpu", "\n".join([f"command: [{driver.path}]", *more])) as target:
        yield target


def ups(target: One) -> dict[str, str]:
    return {
        series.split('"')[1]: value for series, value in target.page().items() if series.startswith("runbook_gpu_up")
    }


def test_every_figure(driver: Driver, golden: Callable[[str, str], None]) -> None:
    driver.says(f"{A100}\n{SECOND}")
    with watched(driver) as target:
        golden("gpu.prom", "".join(line for line in target.text().splitlines(keepends=True) if "runbook_gpu_" in line))
        assert target.outcomes() == {"gpus": "ok", "complaints": "ok"}


@pytest.mark.parametrize(("line", "up"), [(LOST, "0"), (RESET, "0"), (JETSON, "1"), (LAPTOP, "1"), (BROKEN, "0")])
def test_what_is_not_told_is_no_figure_and_a_lost_one_is_down(driver: Driver, line: str, up: str) -> None:
    driver.says(line)
    with watched(driver) as target:
        assert list(ups(target).values()) == [up]
        assert "nan" not in target.text().lower()
        figures = {series.partition("{")[0] for series in target.page() if series.startswith("runbook_gpu_")}
        assert ("runbook_gpu_memory_used_bytes" in figures) == (line in (RESET, LAPTOP))
        assert not {"runbook_gpu_utilization_ratio", "runbook_gpu_power_watts"} & figures


def test_one_of_two_goes_and_comes_back(driver: Driver) -> None:
    driver.says(f"{A100}\n{SECOND}")
    with watched(driver) as target:
        assert ups(target) == {"0": "1", "1": "1"}
        driver.says(f"{UNREACHABLE}\n{A100}", 15)
        assert ups(target) == {"0": "1", "1": "0"}
        assert UNREACHABLE[:60] in target.outcomes()["complaints"]
        assert target.outcomes()["gpus"] == "ok"
        driver.says(f"{A100}\n{SECOND}")
        assert ups(target) == {"0": "1", "1": "1"}


FAILURES = [
    (NO_DRIVER, 9, "modprobe nvidia"),
    (MISMATCH, 18, "the driver was updated"),
    (NO_LIBRARY, 12, "libnvidia-ml.so.1"),
    (NO_DEVICES, 6, "NVRM and Xid"),
    (NO_DEVICES, 0, "NVRM and Xid"),
    (UNREACHABLE, 15, "restart the machine with the power off"),
    ("Failed to initialize NVML: Insufficient Permissions", 4, "/dev/nvidia*"),
    ("<html>garbage</html>", 0, "run nvidia-smi by hand"),
    ("", 0, "run nvidia-smi by hand"),
    ('0, "NVIDIA, the unclosed', 0, "run nvidia-smi by hand"),
]


@pytest.mark.parametrize(("text", "status", "remedy"), FAILURES)
def test_what_was_expected_is_down_when_nothing_is_told(driver: Driver, text: str, status: int, remedy: str) -> None:
    driver.says(text, status)
    with watched(driver, "expected: 2") as target:
        assert ups(target) == {"0": "0", "1": "0"}
        assert target.page()['runbook_target_up{collector="gpu"}'] == "0"
        said = target.outcomes()["gpus"]
        assert f"failed nvidia-smi tells of no GPU (exit status {status})" in said
        assert remedy in said
        assert text.splitlines()[0][:40] in said if text else True
        driver.says(f"{A100}\n{SECOND}")
        assert ups(target) == {"0": "1", "1": "1"}


def test_a_program_that_is_not_there() -> None:
    with one("gpu", "command: [/no/such/nvidia-smi]\nexpected: 1") as target:
        assert ups(target) == {"0": "0"}
        assert "/no/such/nvidia-smi cannot be run (No such file" in target.outcomes()["gpus"]


@pytest.mark.parametrize("driverless", ["missing", NO_DRIVER, NO_LIBRARY, NO_DEVICES])
def test_a_machine_without_any_is_no_trouble(driver: Driver, driverless: str) -> None:
    status = {NO_DRIVER: 9, NO_LIBRARY: 12, NO_DEVICES: 6}.get(driverless, 0)
    if driverless == "missing":
        driver.path.unlink()
    else:
        driver.says(driverless, status)
    with watched(driver) as target:
        assert target.read().up
        assert ups(target) == {}
        assert {outcome.status for outcome in target.read().outcomes} == {"skipped"}


def test_one_that_was_seen_is_missed(driver: Driver) -> None:
    with watched(driver) as target:
        assert ups(target) == {"0": "1"}
        driver.says(NO_DRIVER, 9)
        assert ups(target) == {"0": "0"}
        driver.path.unlink()
        assert ups(target) == {"0": "0"}


def test_none_is_missed_where_none_is_expected(driver: Driver) -> None:
    with watched(driver, "expected: 0") as target:
        assert ups(target) == {"0": "1"}
        driver.says(NO_DRIVER, 9)
        assert ups(target) == {}


def test_one_that_hangs_is_killed_and_never_joined_by_another(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    driver.runs(f"echo $$ > {driver.path}.pid; exec sleep 600")
    with watched(driver, "expected: 1", "timeout: 1s", "interval: 2s", "max_age: 1s") as target:
        began = time.monotonic()
        assert ups(target) == {"0": "0"}
        assert time.monotonic() - began < 3
        assert "hangs: no answer within 0.8 s" in target.outcomes()["gpus"]
        number = int(Path(f"{driver.path}.pid").read_text())
        with pytest.raises(ProcessLookupError):
            os.kill(number, 0)
        driver.says(A100)
        # one that hangs in the kernel outlives its killing: another process stands for it
        with subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], start_new_session=True) as stuck:
            monkeypatch.setitem(command._left_behind, (str(driver.path), *ARGUMENTS), stuck)
            said = f"could not be killed, and still runs (process {stuck.pid})"
            until(lambda: said in target.outcomes()["gpus"])
            assert ups(target) == {"0": "0"}
            stuck.send_signal(signal.SIGKILL)
        assert ups(target) == {"0": "1"}


def test_a_target_that_is_taken_away_takes_its_program_along(driver: Driver) -> None:
    mark = Path(f"{driver.path}.pid")
    driver.runs(f"echo $$ > {mark}; exec sleep 600")
    with watched(driver, "expected: 1") as target:
        target.target.run_now()
        until(lambda: mark.exists() and mark.read_text().endswith("\n"))
        began = time.monotonic()
    assert time.monotonic() - began < 5
    with pytest.raises(ProcessLookupError):
        os.kill(int(mark.read_text()), 0)


def test_one_that_never_stops_writing(driver: Driver) -> None:
    driver.runs("exec yes")
    with watched(driver, "expected: 1") as target:
        assert "wrote more than 262144 bytes" in target.outcomes()["gpus"]
        assert ups(target) == {"0": "0"}


def test_one_that_tells_twice_of_one(driver: Driver) -> None:
    driver.says(f"{A100}\n{A100}")
    with watched(driver) as target:
        assert "tells twice of one GPU" in target.outcomes()["gpus"]


@pytest.mark.parametrize(("settings", "problem"), [
    ("expected: -1", "targets.it.expected: is no number of graphics processors"),
    ("expected: 65", "targets.it.expected: is no number of graphics processors"),
    ("command: []", "targets.it.command: names no program"),
    ("command: ['']", "targets.it.command: names no program"),
])  # fmt: skip
def test_a_mistake_is_found_before_it_runs(settings: str, problem: str) -> None:
    with pytest.raises(config.ConfigError) as caught, one("gpu", settings):
        raise AssertionError("it was taken")
    assert problem in str(caught.value)
