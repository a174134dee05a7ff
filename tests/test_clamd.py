"""clamd: the real one, and answers as they were recorded where a real one needs signatures from the net."""

import errno
import signal
import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from exporter import config
from exporter.collectors.clamd.told import pools_in, version_in
from tests.clamdserver import STATS, Clamd, recorded, running
from tests.onetarget import One, one
from tests.process import free_port
from tests.soak import leaves_nothing
from tests.support import until

BUILT = "Thu Nov 26 09:12:34 2026"
VERSION = f"ClamAV 1.4.6/27500/{BUILT}"


@pytest.fixture(scope="module")
def clamd() -> Iterator[Clamd]:
    with running() as real:
        yield real


def asked(address: str | Path, *more: str) -> str:
    return "\n".join([f"address: {address}", *more])


def ours(page: dict[str, str]) -> dict[str, str]:
    return {series: value for series, value in page.items() if series.startswith("clamav_")}


def built(target: One) -> float | None:
    value = target.page().get("clamav_db_timestamp_seconds")
    return None if value is None else float(value)


def test_a_real_one_answers_on_its_socket_and_on_tcp(clamd: Clamd) -> None:
    for address in (str(clamd.socket), f"127.0.0.1:{clamd.port}", f"localhost:{clamd.port}"):
        with one("clamd", asked(address)) as target:
            page = ours(target.page())
            (version,) = (series for series in page if series.startswith("clamav_version"))
            assert version.startswith('clamav_version{version="1.')
            assert page["clamav_up"] == "1"
            assert page['clamav_pool_max_threads{index="0",primary="1"}'] == "10"
            assert page['clamav_pool_queue_length{index="0",primary="1"}'] == "0"
            # it has a signature of its own only, and of the daily ones nothing is said
            assert not {"clamav_db_version", "clamav_db_timestamp_seconds"} & set(page)
            assert "no daily signatures: see freshclam's log" in target.outcomes()["version"]


def test_every_figure(golden: Callable[[str, str], None]) -> None:
    with recorded(VERSION=VERSION) as address, one("clamd", asked(address, "timezone: UTC")) as target:
        golden("clamd.prom", "".join(line for line in target.text().splitlines(True) if "clamav_" in line))
        assert target.outcomes() == {"version": "ok", "pools": "ok"}
        assert "of-a-customer" not in target.text()


@pytest.mark.parametrize(("zone", "hours"), [("UTC", 0), ("Europe/Berlin", -1), ("America/New_York", 5)])
def test_the_time_of_signatures_is_read_by_clamds_own_clock(zone: str, hours: int) -> None:
    expected = datetime(2026, 11, 26, 9, 12, 34, tzinfo=UTC) + timedelta(hours=hours)
    told = version_in(VERSION, ZoneInfo(zone))
    assert told is not None
    assert told.built == expected.timestamp()
    with recorded(VERSION=VERSION) as address, one("clamd", asked(address, f"timezone: {zone}")) as target:
        assert built(target) == expected.timestamp()


def test_without_a_zone_it_is_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        told = version_in(VERSION, None)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert told is not None
    assert told.built == datetime(2026, 11, 26, 0, 12, 34, tzinfo=UTC).timestamp()


def test_signatures_of_the_future_tell_of_a_wrong_zone() -> None:
    ahead = (datetime.now(UTC) + timedelta(hours=2)).strftime("%a %b %d %H:%M:%S %Y")
    with (
        recorded(VERSION=f"ClamAV 1.4.6/27500/{ahead}") as address,
        one("clamd", asked(address, "timezone: UTC")) as it,
    ):
        assert built(it) is None
        assert "say with `timezone` in which zone it runs" in it.outcomes()["version"]


@pytest.mark.parametrize(("answer", "program", "signatures", "time"), [
    ("ClamAV 1.4.6/27500/Fri Nov  6 09:12:34 2026\n", "1.4.6", 27500, datetime(2026, 11, 6, 9, 12, 34, tzinfo=UTC)),
    ("ClamAV 0.103.12/26000/Thu Feb 29 23:59:59 2024", "0.103.12", 26000,
     datetime(2024, 2, 29, 23, 59, 59, tzinfo=UTC)),
    ("ClamAV 1.5.0-rc1", "1.5.0-rc1", None, None),
    ("ClamAV 1.4.6/27500/Thu Feb 30 09:12:34 2026", "1.4.6", 27500, None),
    ("ClamAV 1.4.6/27500/Do Nov 26 09:12:34 2026", "1.4.6", 27500, None),
])  # fmt: skip
def test_what_version_says(answer: str, program: str, signatures: int | None, time: datetime | None) -> None:
    told = version_in(answer, UTC)
    assert told is not None
    assert (told.program, told.signatures, told.built) == (program, signatures, time.timestamp() if time else None)


@pytest.mark.parametrize(
    "answer", ["", "PONG", "ClamAV", "ClamAV /1/x", "UNKNOWN COMMAND", "ClamAV 1.4.6/x/y", "x" * 900]
)
def test_what_is_no_version(answer: str) -> None:
    assert version_in(answer, UTC) is None
    with recorded(VERSION=answer) as address, one("clamd", asked(address)) as target:
        assert target.outcomes()["version"].startswith("failed it answers VERSION with")
        assert target.page()["clamav_up"] == "1"


def test_several_pools_and_none() -> None:
    (first,) = pools_in(STATS)
    assert (first.primary, first.live, first.idle, first.most, first.queue) == (True, 2, 1, 10, 3)
    two = STATS.replace(
        "MEMSTATS", "STATE: VALID\nTHREADS: live 1  idle 0 max 4 idle-timeout 30\nQUEUE: 0 items\n\nMEMSTATS"
    )
    assert [pool.primary for pool in pools_in(two)] == [True, False]
    with recorded(VERSION=VERSION, STATS="END") as address, one("clamd", asked(address)) as target:
        assert "tells of no threads" in target.outcomes()["pools"]


def test_commands_that_are_switched_off() -> None:
    off = "COMMAND UNAVAILABLE"
    with recorded(VERSION=off, STATS=off) as address, one("clamd", asked(address)) as target:
        said = target.outcomes()
        assert "EnableVersionCommand yes" in said["version"]
        assert said["pools"].startswith("skipped it does not tell how busy it is")
        assert ours(target.page()) == {"clamav_up": "1"}


def down(target: One, *words: str) -> None:
    began = time.monotonic()
    page, said = target.page(), target.read()
    assert time.monotonic() - began < 5
    assert ours(page) == {"clamav_up": "0"}
    assert all(word in f"{said.reason} {said.fix}" for word in words), said.reason


def test_where_it_is_not(tmp_path: Path) -> None:
    with one("clamd", asked(tmp_path / "clamd.ctl", "timeout: 1s")) as target:
        down(target, "cannot be reached (No such file", "freshclam")
    with one("clamd", asked(f"127.0.0.1:{free_port()}", "timeout: 1s")) as target:
        down(target, "cannot be reached (Connection refused)")
    with one("clamd", asked("no-such-host.invalid:3310", "timeout: 1s")) as target:
        down(target, "is not known")


@pytest.mark.parametrize(("answer", "words"), [
    (b"PON", "does not answer as clamd does: 'PON'"), (b"", "does not answer as clamd does"),
    ("HTTP/1.1 400 Bad Request", "answers PING with 'HTTP/1.1 400 Bad Request'"),
    (b"x" * (300 << 10), "more than 256 KiB"), (None, "has not answered within 0.8 s"),
])  # fmt: skip
def test_one_that_is_none_or_hangs(answer: str | bytes | None, words: str) -> None:
    with recorded(PING=answer) as address, one("clamd", asked(address, "timeout: 1s")) as target:
        down(target, words)


def test_it_stops_is_killed_and_comes_back() -> None:
    with running() as clamd, one("clamd", asked(clamd.socket, "timeout: 1s")) as target:
        assert target.page()["clamav_up"] == "1"
        clamd.send(signal.SIGSTOP)
        down(target, "has not answered within", "see whether it loads signatures")
        down(target, "has not answered within")
        clamd.send(signal.SIGCONT)
        until(lambda: target.page()["clamav_up"] == "1", 20)
        clamd.stop()
        down(target, "cannot be reached (Connection refused)")
        clamd.socket.unlink()
        clamd.start()
        until(lambda: target.page()["clamav_up"] == "1", 20)


def test_a_socket_that_may_not_be_used(clamd: Clamd, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(line: socket.socket, address: str) -> None:
        raise PermissionError(13, "Permission denied")

    # root may use any: a socket class that refuses stands for the kernel
    monkeypatch.setattr(socket, "socket", type("Refusing", (socket.socket,), {"connect": refuse}))
    with one("clamd", asked(clamd.socket)) as target:
        down(target, "may not be used (Permission denied)", "LocalSocketMode")


@pytest.mark.parametrize(("settings", "problem"), [
    ("address: 'clam av'", "is no address"), ("timezone: Berlin", "'Berlin' is no time zone here"),
    ("address: 127.0.0.1:99999", "is no address"),
])  # fmt: skip
def test_settings_that_are_wrong(settings: str, problem: str) -> None:
    with pytest.raises(config.ConfigError, match=problem), one("clamd", settings):
        pass


def test_rounds_leave_nothing(clamd: Clamd, tmp_path: Path) -> None:
    with one("clamd", asked(clamd.socket)) as target:
        leaves_nothing(target, 150, warm=20)
    with one("clamd", asked(tmp_path / "gone")) as target:
        leaves_nothing(target, 150, warm=20)


def test_where_this_machine_has_no_more_sockets_nothing_is_known(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    with one("clamd", asked(tmp_path / "clamd.ctl", "timeout: 1s")) as target:
        monkeypatch.setattr(socket, "socket", full)
        assert "open nothing more" in target.read().reason
        assert ours(target.page()) == {}
