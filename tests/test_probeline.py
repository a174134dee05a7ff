"""The line of a probe: which address is taken, how long each phase took, and what TLS showed, good or not."""

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import BadStatusLine

import pytest
import trustme

from exporter.certificatemetrics import VERIFIED, shown_samples
from exporter.collector import Trouble
from exporter.deadline import Cancel, Deadline
from exporter.probeline import Family, Place, Shown, Sight, connected, opened, unverified
from exporter.probemetrics import sight_samples
from tests.answering import answering, page
from tests.process import free_port
from tests.swallowing import names, swallowing

AUTHORITY = trustme.CA()


def context(*, trusting: bool = True) -> ssl.SSLContext:
    made = ssl.create_default_context()
    if trusting:
        AUTHORITY.configure_trust(made)
    return made


@pytest.fixture
def secure() -> Iterator[int]:
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("localhost").configure_cert(serving)
    with answering(page(b""), serving) as served:
        yield served.port


def test_what_a_good_server_shows(secure: int) -> None:
    sight = Sight()
    with connected(Place("localhost", secure), context(), "localhost", Deadline(10), Cancel(), sight) as line:
        line.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert line.recv(4) == b"HTTP"
    assert sight.shown is not None
    assert (sight.shown.verified, sight.shown.problem, sight.shown.version) == (True, "", "TLS 1.3")
    assert sight.shown.chain[0] == sight.shown.trusted[0]
    assert len(sight.shown.trusted) == len(sight.shown.chain) + 1  # with the authority
    assert sight.tls > 0
    assert sight.looked_up == sight.resolve > 0


def test_what_one_shows_that_does_not_verify(secure: int) -> None:
    for name, trusting, why in (("elsewhere.example", True, "Hostname mismatch"), ("localhost", False, "issuer")):
        sight, place = Sight(), Place("localhost", secure)
        with (
            pytest.raises(ssl.SSLCertVerificationError),
            connected(place, context(trusting=trusting), name, Deadline(10), Cancel(), sight),
        ):
            raise AssertionError("it is not connected")
        assert sight.shown is not None
        assert (sight.shown.verified, sight.shown.trusted) == (False, ())
        assert why in sight.shown.problem
        assert sight.shown.chain


def test_where_the_second_look_fails_too_it_is_known_all_the_same_that_it_is_not_good(secure: int) -> None:
    sight, place = Sight(), Place("localhost", secure)
    cancel, deadline = Cancel(), Deadline(10)
    with (
        pytest.raises(ssl.SSLCertVerificationError),
        connected(place, Impatient(cancel), "localhost", deadline, cancel, sight),
    ):
        raise AssertionError("it is not connected")
    assert sight.shown is not None
    assert (sight.shown.verified, sight.shown.chain) == (False, ())
    assert sight.shown.problem
    assert [(one.metric.name, one.value) for one in shown_samples(sight.shown) if one] == [(VERIFIED.name, 0)]


def test_what_a_proxy_says_in_the_second_look_breaks_nothing() -> None:
    @contextmanager
    def again() -> Iterator[socket.socket]:
        raise BadStatusLine("no HTTP")
        yield  # type: ignore[unreachable]  # makes it a generator

    sight, error = Sight(), ssl.SSLCertVerificationError()
    error.verify_message = "certificate has expired"
    unverified(again(), "shop.example.com", error, Deadline(5), sight)
    assert sight.shown == Shown(verified=False, problem="certificate has expired")


class Impatient(ssl.SSLContext):
    """Finds nothing good, and has all of it cancelled."""

    def __new__(cls, cancel: Cancel) -> "Impatient":
        made = super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)
        made.cancel = cancel
        return made

    cancel: Cancel

    def wrap_socket(self, *_: object, **__: object) -> ssl.SSLSocket:
        self.cancel.cancel()
        error = ssl.SSLCertVerificationError("not good")
        error.verify_message = "not good"
        raise error


@pytest.mark.parametrize(
    ("family", "taken"),
    [
        ("any", "127.0.0.1"),
        ("prefer_ipv4", "127.0.0.1"),
        ("ipv4", "127.0.0.1"),
        ("prefer_ipv6", "::1"),
        ("ipv6", "::1"),
    ],
)
def test_addresses_by_family(monkeypatch: pytest.MonkeyPatch, family: Family, taken: str) -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as six:
        port = six.getsockname()[1]
        with socket.create_server(("127.0.0.1", port)), names(monkeypatch, {"both.example": ["127.0.0.1", "::1"]}):
            sight = Sight()
            with opened(Place("both.example", port, family), Deadline(10), Cancel(), sight) as line:
                assert line.getpeername()[0] == taken
    assert (sight.address, sight.ip_protocol) == (taken, 6 if ":" in taken else 4)
    shown = [sample.value for sample in sight_samples(sight) if sample is not None]
    # what blackbox_exporter says of these two
    assert shown == [sight.resolve, sight.ip_protocol, 1751717746 if ":" in taken else 3668918509]


def test_a_family_that_the_host_or_the_system_does_not_have(monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place("127.0.0.1", free_port(), "ipv6")
    with pytest.raises(Trouble, match="no address of IPv6"), opened(place, Deadline(5), Cancel(), Sight()):
        raise AssertionError("it is not connected")
    real = socket.socket

    def without_six(family: int = -1, *more: int, **named: int) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(97, "Address family not supported by protocol")
        return real(family, *more, **named)

    with answering(page(b"")) as served, names(monkeypatch, {"both.example": ["::1", "127.0.0.1"]}):
        monkeypatch.setattr(socket, "socket", without_six)
        with opened(Place("both.example", served.port), Deadline(5), Cancel(), sight := Sight()):
            assert sight.address == "127.0.0.1"
        monkeypatch.undo()


def test_an_address_that_swallows_leaves_time_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    two = {"two.example": ["127.0.0.2", "127.0.0.1"]}
    with swallowing("127.0.0.2") as port, names(monkeypatch, two), answering(page(b""), port=port):
        began, sight = time.monotonic(), Sight()
        with opened(Place("two.example", port), Deadline(3), Cancel(), sight):
            assert sight.address == "127.0.0.1"
        assert 0.9 < time.monotonic() - began < 1.5  # less than half of the time
        assert sight.connect > 0.9
