"""systemd: a real one in a namespace, one that answers as it was recorded, and what else can be at a socket."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from exporter import config
from exporter.fetch import fetch
from tests.commands import needs
from tests.engine import series_of
from tests.onetarget import One, one
from tests.process import free_port
from tests.soak import leaves_nothing
from tests.support import until
from tests.systemdbus import Recorded, bus, real, recorded, recording


@pytest.fixture(scope="module")
def told() -> Iterator[tuple[Path, Recorded]]:
    with recorded(recording("user252")) as found:
        yield found


@pytest.fixture
def service(told: tuple[Path, Recorded]) -> Iterator[Recorded]:
    told[1].mode, told[1].told = "", recording("user252")
    yield told[1]
    told[1].mode = ""


def at(socket: Path | str, *more: str) -> str:
    return "\n".join([f"bus: {socket}", *more])


def state(page: dict[str, str], unit: str, type: str = "simple") -> set[str]:
    """Return the states that a unit is in, by its page."""
    start = f'node_systemd_unit_state{{name="{unit}",state="'
    return {series.split('"')[3] for series, value in page.items()
            if series.startswith(start) and f'type="{type}"' in series and value == "1"}  # fmt: skip


def is_well(target: One) -> bool:
    return set(target.outcomes().values()) == {"ok"}


def restarts(page: dict[str, str], unit: str) -> float:
    return float(page[f'node_systemd_service_restart_total{{name="{unit}"}}'])


def test_every_figure(told: tuple[Path, Recorded], service: Recorded, golden: Callable[[str, str], None]) -> None:
    with one("systemd", at(told[0], r"include: '(crash|good|fail|often)\..+|dbus\.socket'")) as target:
        golden("systemd.prom", "".join(line for line in target.text().splitlines(True) if "node_systemd_" in line))
        assert set(target.outcomes().values()) == {"ok"}


def test_names_types_labels_and_values_are_node_exporters(told: tuple[Path, Recorded], service: Recorded) -> None:
    needs("prometheus-node-exporter")
    port = free_port()
    command = ["prometheus-node-exporter", "--collector.disable-defaults", "--collector.systemd",
               "--collector.systemd.enable-restarts-metrics", "--collector.systemd.enable-start-time-metrics",
               r"--collector.systemd.unit-exclude=.+\.(automount|device|mount|scope|slice)",
               f"--web.listen-address=127.0.0.1:{port}"]  # fmt: skip
    variables = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={told[0]}"}
    process = subprocess.Popen(command, env=variables, stderr=subprocess.DEVNULL)
    try:
        until(lambda: _listens(port))
        theirs = fetch(f"http://127.0.0.1:{port}/metrics", timeout=10.0, most=1 << 20).body.decode()
    finally:
        process.kill()
        process.wait()
    with one("systemd", at(told[0])) as target:
        ours = target.text()

    def shown(page: str) -> dict[str, float]:
        return {series: float(value) for series, value in series_of(page).items() if series.startswith("node_systemd_")}

    def types(page: str) -> set[str]:
        return {line for line in page.splitlines() if line.startswith("# TYPE node_systemd_")}

    assert len(shown(theirs)) > 100
    assert shown(theirs).items() <= shown(ours).items()
    assert types(theirs) <= types(ours)
    # Debian's is older than what tells the virtualization
    assert {series.partition("{")[0] for series in shown(ours).keys() - shown(theirs).keys()} <= {
        "node_systemd_virtualization_info"
    }


def _listens(port: int) -> bool:
    with socket.socket() as line:
        return line.connect_ex(("127.0.0.1", port)) == 0


def test_a_real_one() -> None:
    with real() as systemd, one("systemd", at(systemd.bus)) as target:
        until(lambda: is_well(target), 20)
        for unit in ("good", "fail", "crash"):
            systemd.systemctl("start", "--no-block", f"{unit}.service")
        systemd.systemctl("start", "often.timer")
        until(lambda: (page := target.page()) and state(page, "fail.service") == {"failed"}
              and state(page, "good.service") == {"active"}, 20)  # fmt: skip
        # what crashes and is started again is never failed: its restarts tell
        until(lambda: restarts(target.page(), "crash.service") >= 3, 20)
        page = target.page()
        assert not state(page, "crash.service") & {"failed"}
        assert float(page['node_systemd_units{state="failed"}']) == 1
        assert page["node_systemd_system_running"] == "0"
        assert 0 <= time.time() - float(page['node_systemd_unit_start_time_seconds{name="good.service"}']) < 60
        until(lambda: target.page()['node_systemd_timer_last_trigger_seconds{name="often.timer"}'] != "0.0", 20)
        version = next(value for series, value in page.items() if series.startswith("node_systemd_version"))
        assert float(version) > 200
        systemd.systemctl("stop", "crash.service")
        systemd.systemctl("reset-failed")
        systemd.systemctl("start", "--no-block", "crash.service")
        until(lambda: restarts(target.page(), "crash.service") >= 1, 20)  # it counts anew then


def test_a_real_one_hangs_goes_on_and_is_gone() -> None:
    with real() as systemd, one("systemd", at(systemd.bus, "timeout: 1s")) as target:
        until(lambda: is_well(target), 20)
        process = psutil.Process(int(systemd.bus.split("/")[2]))
        process.send_signal(signal.SIGSTOP)
        down(target, "systemd gives no answer on", "PID 1 busy")
        down(target, "systemd gives no answer on")
        process.send_signal(signal.SIGCONT)
        until(lambda: is_well(target), 20)
        process.kill()
        until(lambda: target.read().up is False, 20)
        down(target, "systemd does not run here", "see whether dbus.service and systemd run")


def down(target: One, *words: str) -> None:
    began = time.monotonic()
    snapshot = target.read()
    assert time.monotonic() - began < 5
    assert snapshot.up is False
    assert all(word in f"{snapshot.reason} {snapshot.fix}" for word in words), snapshot.reason
    assert not any(sample.metric.name.startswith("node_") for sample in snapshot.samples())


def test_units_are_chosen_by_their_whole_names(told: tuple[Path, Recorded], service: Recorded) -> None:
    def names(*settings: str) -> set[str]:
        with one("systemd", at(told[0], *settings)) as target:
            return {series.split('"')[1] for series in target.page() if series.startswith("node_systemd_unit_state")}

    assert not any(name.endswith((".slice", ".mount", ".device")) for name in names())
    assert names("include: good") == set()
    assert names(r"include: (good|fail)\.service") == {"good.service", "fail.service"}
    assert names(r"include: .+\.service", "exclude: (crash|dbus).+") >= {"good.service"}
    assert "crash.service" not in names(r"include: .+\.service", "exclude: (crash|dbus).+")
    assert any(name.endswith(".slice") for name in names("exclude: ''"))


def test_units_that_are_not_loaded_and_states_without_a_name(told: tuple[Path, Recorded], service: Recorded) -> None:
    for unit in service.told["units"]:
        if unit[0] == "good.service":
            unit[3] = "reloading"
        if unit[0] == "fail.service":
            unit[2] = "not-found"
    with one("systemd", at(told[0])) as target:
        page = target.page()
        assert state(page, "good.service") == set()
        assert page['node_systemd_unit_state{name="good.service",state="active",type="simple"}'] == "0"
        assert not any("fail.service" in series for series in page)


def test_an_older_one_lacks_what_came_later(told: tuple[Path, Recorded], service: Recorded) -> None:
    for known in service.told["properties"].values():
        for later in ("Service.NRestarts", "Socket.NRefused", "Manager.SystemState", "Manager.Virtualization"):
            known.pop(later, None)
    with one("systemd", at(told[0])) as target:
        page = target.page()
        assert set(target.outcomes().values()) == {"ok"}
        assert not any(
            word in series for series in page for word in ("restart_total", "refused", "system_running", "virtual")
        )
        assert state(page, "good.service") == {"active"}


def test_it_asks_and_changes_nothing(told: tuple[Path, Recorded], service: Recorded) -> None:
    service.asked.clear()
    with one("systemd", at(told[0])) as target:
        target.read()
    assert {asked[0] for asked in service.asked} == {"ListUnits", "Get"}
    assert len(service.asked) < 150


@pytest.mark.parametrize(("mode", "words"), [
    ("silent", "systemd gives no answer on"), ("denied", "systemd answers AccessDenied: Sender is not authorized"),
    ("nonsense", "list of units is none that is understood"),
])  # fmt: skip
def test_one_that_hangs_refuses_or_talks_nonsense(
    told: tuple[Path, Recorded], service: Recorded, mode: str, words: str
) -> None:
    with one("systemd", at(told[0], "timeout: 1s")) as target:
        service.mode = mode
        down(target, words)
        service.mode = ""
        until(lambda: is_well(target))


def test_a_slow_one_keeps_the_round_within_its_time(told: tuple[Path, Recorded], service: Recorded) -> None:
    with one("systemd", at(told[0], "timeout: 1s")) as target:
        service.mode = "slow"
        began = time.monotonic()
        said = target.outcomes()
        assert time.monotonic() - began < 3
        assert any("systemd gives no answer" in text for text in said.values())


def test_where_there_is_none_it_does_not_apply(tmp_path: Path) -> None:
    stale = tmp_path / "stale"
    with socket.socket(socket.AF_UNIX) as line:
        line.bind(str(stale))
    with bus() as empty:
        for place in (tmp_path / "nothing", stale, empty):
            with one("systemd", at(place)) as target:
                assert all(text.startswith("skipped systemd does not run here") for text in target.outcomes().values())


def test_what_was_there_and_is_gone_is_down(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with recorded(recording("user252")) as (place, _):
        with one("systemd", at(place), state) as target:
            assert target.read().up
        path = place
    with one("systemd", at(path), state) as target:
        down(target, "nobody listens at", "see whether dbus.service and systemd run")


@pytest.mark.parametrize("said", [
    b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"REJECTED EXTERNAL\r\n", b"OK 0123\r\n" + b"\xff" * 64,
    b"OK 0123\r\nl\x02\x01\x01\xff\xff\xff\x0f\x01\0\0\0\x01\0\0\0" + b"x" * 64, b"x" * 20_000,
], ids=["nothing", "http", "rejected", "bytes", "endless", "long"])  # fmt: skip
def test_what_is_no_bus(tmp_path: Path, said: bytes) -> None:
    place = tmp_path / "bus"
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            try:
                line, _ = listening.accept()
            except OSError:
                return
            with line:
                line.recv(1000)
                line.sendall(said)
                stop.wait(0.2)

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(place))
        listening.listen()
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            with one("systemd", at(place, "timeout: 1s")) as target:
                down(target, str(place))
        finally:
            stop.set()
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def test_a_thousand_services(told: tuple[Path, Recorded], service: Recorded) -> None:
    pattern: dict[str, Any] = {"Service.Type": ["s", "simple"], "Service.NRestarts": ["u", 2],
                               "Unit.ActiveEnterTimestamp": ["t", 1_795_978_844_109_192]}  # fmt: skip
    paths = {f"app{number}.service": f"/org/freedesktop/systemd1/unit/app{number}" for number in range(1000)}
    service.told = {
        "units": [[name, "", "loaded", "active", "running", "", path, 0, "", "/"] for name, path in paths.items()],
        "properties": dict.fromkeys(paths.values(), pattern),
    }
    with one("systemd", at(told[0], "series_limit: 10000", "interval: 2m", "timeout: 60s")) as target:
        snapshot = target.read(60.0)
        assert {outcome.status for outcome in snapshot.outcomes} == {"ok"}
        assert snapshot.series() >= 7000


def test_without_its_library(told: tuple[Path, Recorded], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jeepney", None)
    with one("systemd", at(told[0])) as target:
        down(target, "the package jeepney is missing", "runbook-exporter[systemd]")


@pytest.mark.parametrize(("settings", "problem"), [
    ("include: '('", "is not a regular expression"), ("exclude: '['", "is not a regular expression"),
])  # fmt: skip
def test_settings_that_are_wrong(settings: str, problem: str) -> None:
    with pytest.raises(config.ConfigError, match=problem), one("systemd", settings):
        pass


def test_rounds_leave_nothing(told: tuple[Path, Recorded], service: Recorded, tmp_path: Path) -> None:
    with one("systemd", at(told[0], r"include: (good|crash)\.service")) as target:
        leaves_nothing(target, 60, warm=20)
    with one("systemd", at(tmp_path / "gone")) as target:
        leaves_nothing(target, 100, warm=20)


def test_that_no_unit_fits_is_said(told: tuple[Path, Recorded], service: Recorded) -> None:
    service.mode = ""
    with one("systemd", at(told[0], r"include: shop-of-nobody\.service")) as target:
        assert target.outcomes()["states"] == "ok no unit is there that fits `include`, and not `exclude`"


def test_properties_that_may_not_be_read_fail(told: tuple[Path, Recorded], service: Recorded) -> None:
    service.mode = "locked"
    with one("systemd", at(told[0])) as target:
        said = target.outcomes()
    assert all("AccessDenied" in said[name] for name in ("states", "restarts", "start_times"))
