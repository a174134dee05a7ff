"""Buckets of tokens, with time as a parameter."""

import pytest

from exporter import ratelimit
from exporter.ratelimit import Buckets, peer_of


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_then_one_at_each_interval() -> None:
    clock = Clock()
    buckets = Buckets(3, 10.0, clock)
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 10]
    clock.now += 9.5
    assert buckets.take("a") == pytest.approx(0.5)
    clock.now += 0.5
    assert [buckets.take("a"), buckets.take("a")] == [0, 10]
    clock.now += 1000
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 10]


def test_each_key_has_a_bucket_of_its_own() -> None:
    buckets = Buckets(1, 10.0, Clock())
    assert [buckets.take("a"), buckets.take("b"), buckets.take("a") > 0, buckets.take("b") > 0] == [0, 0, True, True]


def test_a_token_given_back_is_there_again() -> None:
    buckets = Buckets(1, 10.0, Clock())
    for _ in range(5):
        assert buckets.take("a") == 0
        buckets.give_back("a")
    buckets.give_back("never taken")
    assert [buckets.take("never taken"), buckets.take("never taken")] == [0, 10]


def test_only_so_many_keys_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ratelimit, "MOST", 3)
    buckets = Buckets(1, 10.0, Clock())
    for key in "abcd":
        buckets.take(key)
    assert buckets.take("d") > 0
    assert buckets.take("a") == 0


@pytest.mark.parametrize(("address", "peer"), [
    ("192.0.2.7", "192.0.2.7"), ("::ffff:192.0.2.7", "192.0.2.7"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
    ("fe80::1%eth0", "fe80::/64"), ("", ""), ("nonsense", "nonsense"),
])  # fmt: skip
def test_whom_an_address_is_counted_as(address: str, peer: str) -> None:
    assert peer_of(address) == peer


@pytest.mark.parametrize("address", ["127.0.0.1", "127.3.4.5", "::1", "::ffff:127.0.0.9"])
def test_one_machine_s_loopback_is_one_peer(address: str) -> None:
    assert peer_of(address) == "the loopback"
