"""Look-ups that may hang: one of each at a time, joined by later ones, and asked anew once it is over."""

import socket
import threading
import time
from pathlib import Path

import pytest

from exporter.lookup import addresses, looked_up
from tests.lookups import asides
from tests.support import until


def test_the_answer_and_what_is_raised_are_handed_on() -> None:
    assert looked_up("a", lambda: 3, 5) == 3
    with pytest.raises(FileNotFoundError):
        looked_up("b", Path("/no/such/file").read_text, 5)
    assert looked_up("b", lambda: 4, 5) == 4  # what is over is asked anew


def test_one_that_hangs_is_joined_and_others_go_on() -> None:
    go, before, calls = threading.Event(), asides(), []

    def hang() -> str:
        calls.append("made")
        go.wait(30)
        return "late"

    for _ in range(10):
        with pytest.raises(TimeoutError):
            looked_up("hangs", hang, 0.01)
    assert (len(calls), asides()) == (1, before + 1)
    assert looked_up("another", lambda: 5, 5) == 5
    timer = threading.Timer(0.1, go.set)
    timer.start()
    assert looked_up("hangs", lambda: "anew", 5) == "late"
    until(lambda: asides() == before)
    assert looked_up("hangs", lambda: "anew", 5) == "anew"


def test_an_address_in_figures_asks_no_name_service(monkeypatch: pytest.MonkeyPatch) -> None:
    def never() -> float:
        pytest.fail("the name service was asked")

    for host in ("127.0.0.1", "::1"):
        (found,) = addresses(host, 5, never)
        assert found[4][:2] == (host, 5)
    stop, real = threading.Event(), socket.getaddrinfo

    def hang(*arguments: object, **more: int) -> object:
        return real(*arguments, **more) if more.get("flags") else stop.wait(30)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        addresses("some.example", 5, lambda: 0.05)
    assert time.monotonic() - begun < 5
    stop.set()


def test_a_host_that_is_none_is_not_known() -> None:
    for host in ("no-such-host.invalid", "a..b", "x" * 64):
        with pytest.raises(socket.gaierror):
            addresses(host, 5, lambda: 20.0)
