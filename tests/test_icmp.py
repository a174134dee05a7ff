"""Pings: hosts that reply, that do not, that are not there; and an exporter that may not ask."""

import errno
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.collector import Unable
from exporter.collectors.icmp.echo import Echo, checksum, opened
from exporter.config import INSTALLED, ConfigError, read
from exporter.exposition import render
from exporter.snapshot import Round
from tests.onetarget import One, one
from tests.soak import held, leaves_nothing
from tests.support import until
from tests.swallowing import names

NOWHERE = "240.0.0.1"  # of a range that nobody has
HERE = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def _permitted() -> None:
    """Skip where ICMP may not be sent; where CI=true, fail."""
    try:
        opened(socket.AF_INET, None)[0].close()
    except Unable as reason:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(str(reason))


def seen(host: str, settings: str = "") -> tuple[dict[str, str], str]:
    with one("icmp", f"host: '{host}'\n{settings}") as target:
        page = target.page()
        snapshot = target.target.view()
        return page, f"{snapshot.reason} {snapshot.fix}".strip()


@pytest.mark.parametrize(("host", "version"), [("127.0.0.1", "4"), ("::1", "6")])
def test_a_host_that_replies(host: str, version: str) -> None:
    page, reason = seen(host)
    assert (page["probe_success"], page["probe_ip_protocol"], reason) == ("1", version, "")
    spent = [float(page[f'probe_icmp_duration_seconds{{phase="{phase}"}}']) for phase in ("resolve", "setup", "rtt")]
    assert 0 < sum(spent) <= float(page["probe_duration_seconds"])
    assert page["probe_icmp_reply_hop_limit"] == "64"


@pytest.mark.parametrize("size", [8, 9, 57, 1500, 60_000])
def test_any_size(size: int) -> None:
    for host in ("127.0.0.1", "::1"):
        page, reason = seen(host, f"payload_size: {size}\nhop_limit: 3")
        assert (page["probe_success"], reason) == ("1", "")


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_as_many_hops_as_are_given(family: socket.AddressFamily) -> None:
    kind = {
        socket.AF_INET: (socket.IPPROTO_IP, socket.IP_TTL),
        socket.AF_INET6: (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS),
    }[family]
    with opened(family, 3)[0] as few, opened(family, None)[0] as usual:
        assert few.getsockopt(*kind) == 3
        assert usual.getsockopt(*kind) > 3


def test_golden(golden: Callable[[str, str], None]) -> None:
    with one("icmp", "host: 127.0.0.1") as target:
        lines = render(sample for outcome in target.read().outcomes for sample in outcome.samples).splitlines()
    still = [line if line[0] == "#" or "_seconds" not in line else f"{line.rpartition(' ')[0]} ~" for line in lines]
    golden("icmp.prom", "".join(f"{line}\n" for line in still))


def test_one_that_does_not_reply() -> None:
    begun = time.monotonic()
    page, reason = seen(NOWHERE, "timeout: 500ms")
    assert time.monotonic() - begun < 2
    assert page["probe_success"] == "0"
    assert 'probe_icmp_duration_seconds{phase="setup"}' in page
    assert 'probe_icmp_duration_seconds{phase="rtt"}' not in page
    assert "240.0.0.1" in reason


def test_a_host_that_is_not_there() -> None:
    page, reason = seen("gone.invalid", "timeout: 3s")
    assert "the host gone.invalid is not known" in reason or "no reply" in reason
    assert page["probe_success"] == "0"


def test_a_name_service_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    with names(monkeypatch, {"host.example": []}):
        begun = time.monotonic()
        page, reason = seen("host.example", "timeout: 500ms")
        assert time.monotonic() - begun < 2
    assert page["probe_success"] == "0"
    assert "the name service has not answered in time" in reason


def test_the_family_that_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    with names(monkeypatch, {"host.example": ["::1", "127.0.0.1"], "old.example": ["127.0.0.1"]}):
        assert seen("host.example")[0]["probe_ip_protocol"] == "6"
        assert seen("host.example", "ip_family: ipv4")[0]["probe_ip_protocol"] == "4"
        page, reason = seen("old.example", "ip_family: ipv6")
    assert "the host has no address of IPv6" in reason
    assert page["probe_success"] == "0"


def test_the_next_address_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    with names(monkeypatch, {"host.example": [NOWHERE, "127.0.0.1"]}):
        page, _ = seen("host.example", "timeout: 1s")
    assert page["probe_success"] == "1"


def test_replies_to_others_are_not_taken() -> None:
    """Many ping at once: each takes the reply to its own request."""
    with one("icmp", "host: 127.0.0.1") as first, one("icmp", "host: 127.0.0.1\npayload_size: 57") as second:
        stop = threading.Event()

        def go_on() -> None:
            while not stop.is_set():
                second.read()

        other = threading.Thread(target=go_on)
        other.start()
        try:
            for _ in range(50):
                assert first.page()["probe_success"] == "1"
        finally:
            stop.set()
            other.join()


def test_a_reply_is_known_by_its_bytes() -> None:
    for family, kind in ((socket.AF_INET, 0), (socket.AF_INET6, 129)):
        echo = Echo(family, 57)
        reply = bytes([kind]) + echo.message()[1:]
        assert echo.is_answered_by(reply)
        assert echo.is_answered_by(reply[:4] + b"\x12\x34" + reply[6:])  # the system may set the identifier
        assert not echo.is_answered_by(echo.message())
        assert not echo.is_answered_by(reply[:-1])
        assert not echo.is_answered_by(reply + b"x")
        assert not echo.is_answered_by(reply[:20] + bytes([reply[20] ^ 1]) + reply[21:])
        assert not echo.is_answered_by(reply[:6] + bytes([reply[6] ^ 1]) + reply[7:])
        assert not echo.is_answered_by(b"\x03\x01" + reply[2:])  # the host is unreachable
        assert not echo.is_answered_by(b"")
        assert not Echo(family, 57).is_answered_by(reply)


def test_the_checksum() -> None:
    assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0x220D  # the example of RFC 1071
    message = Echo(socket.AF_INET, 9).message()
    assert checksum(message) == 0


@pytest.mark.parametrize("permitted", [False, True])
def test_without_rights(permitted: bool) -> None:
    """Without capabilities it works where the group may ping, and where it may not nothing is said of the host."""
    if os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("setpriv"):
        pytest.skip("only root can make a network of its own")
    script = (
        "from tests.onetarget import one\n"
        "with one('icmp', 'host: 127.0.0.1') as target:\n"
        "    page, said = target.page(), target.outcomes()\n"
        "    print(page.get('probe_success'), page.get('probe_ip_protocol'), said)\n"
    )
    groups = "0 2147483647" if permitted else "1 0"
    command = (
        f"ip link set lo up && echo '{groups}' > /proc/sys/net/ipv4/ping_group_range && "
        'exec setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set -all "$0" -c "$1"'
    )
    done = subprocess.run(
        ["unshare", "--net", "bash", "-c", command, sys.executable, script],
        cwd=HERE, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    if "Permission denied" in done.stderr or "cannot open shared object" in done.stderr:
        pytest.skip("another user may not run this interpreter, or read these modules")
    assert done.returncode == 0, done.stderr
    if permitted:
        assert done.stdout.startswith("1 4 ")
    else:
        assert done.stdout.startswith("None None ")
        assert "failed the exporter may not send ICMP give the exporter's group to net.ipv4.ping" in done.stdout


def test_a_socket_that_cannot_be_set_up_is_closed() -> None:
    before = held()
    with pytest.raises(OSError, match="argument") as raised:
        opened(socket.AF_INET, 99_999)
    assert held().descriptors == before.descriptors
    assert raised.value.errno == errno.EINVAL  # its frames, which had the socket, are still there


def was_cut(target: One, round: Round) -> bool:
    """Interrupt it, maybe before it has begun, and tell whether it has ended."""
    target.target.collector.interrupt()
    return round.done.done()


def test_cut_by_the_engine() -> None:
    with one("icmp", f"host: {NOWHERE}\ninterval: 1m\ntimeout: 20s") as target:
        round = target.target.run_now()
        until(lambda: was_cut(target, round), 3)
        assert "given up" in target.target.view().reason


@pytest.mark.long
@pytest.mark.parametrize(
    ("settings", "rounds"),
    [
        ("host: 127.0.0.1", 500),
        ("host: 255.255.255.255", 500),  # which the system refuses to send to
        (f"host: {NOWHERE}\ntimeout: 100ms", 50),
    ],
)
def test_many_rounds_leave_nothing(settings: str, rounds: int) -> None:
    with one("icmp", settings) as target:
        leaves_nothing(target, rounds, warm=rounds // 10)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ("host: ''", "host: is no host"),
        ("host: a b", "host: is no host"),
        ("host: a\npayload_size: 7", "payload_size: is out of range"),
        ("host: a\nhop_limit: 0", "hop_limit: is out of range"),
    ],
)
def test_settings_that_are_refused(settings: str, problem: str) -> None:
    text = "".join(f"    {line}\n" for line in f"collector: icmp\n{settings}".splitlines())
    with pytest.raises(ConfigError) as caught:
        read(f"targets:\n  it:\n{text}".encode(), "config.yml", INSTALLED, {})
    assert problem in str(caught.value)
