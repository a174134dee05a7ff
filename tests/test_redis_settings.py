"""The Redis collector's own parts: addresses, INFO, and what the configuration refuses."""

import pytest

from exporter import config
from exporter.collectors.redis.address import parse
from exporter.collectors.redis.info import Info, number
from exporter.collectors.redis.reply import Refusal, StrangeError, beginning
from exporter.config import ConfigError


def test_the_beginning_of_bytes_is_fit_for_a_page() -> None:
    assert beginning(b"\x15\x03\x01ok\x1b[31m\xff") == "...ok.[31m."
    assert len(beginning(b"x" * 1000)) == 40


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://h", ("h", 6379, "", False, "", "", 0)),
        ("redis://h:1/3", ("h", 1, "", False, "", "", 3)),
        ("redis://:p%40ss-word@h", ("h", 6379, "", False, "", "p@ss-word", 0)),
        ("rediss://u:pass-word@[::1]:7/2", ("::1", 7, "", True, "u", "pass-word", 2)),
        ("redis://h?db=4", ("h", 6379, "", False, "", "", 4)),
        ("unix:///run/r.sock", ("", 6379, "/run/r.sock", False, "", "", 0)),
        ("unix://u:pass-word@/run/r%20r.sock?db=5", ("", 6379, "/run/r r.sock", False, "u", "pass-word", 5)),
    ],
)
def test_an_address_is_understood(url: str, expected: tuple[object, ...]) -> None:
    found = parse(url)
    assert (found.host, found.port, found.path, found.tls, found.user, found.password, found.database) == expected


def test_an_address_that_is_shown_has_no_password() -> None:
    assert "55-x" not in repr(parse("redis://u:55-x@h"))


@pytest.mark.parametrize(
    "url",
    ["http://h", "h:6379", "redis://", "redis://h:port", "redis://h:0", "redis://h/x", "redis://h/1?db=2", "unix://r.sock",
     "redis://h?timeout=5", "redis://u:55-x@y@h", "redis://u:55-x/y@h", "redis://u:55-x?y@h", "redis://h/-1", "unix:///",
     "redis://u:55-x#y@h", "redis://h/99999999999"],
)  # fmt: skip
def test_an_address_that_is_none_is_refused_and_shows_nothing_of_it(url: str) -> None:
    with pytest.raises(ConfigError, match="expected") as refused:
        read(f"url: '{url}'")
    assert "55-x" not in str(refused.value)
    assert "targets.it.url" in str(refused.value)


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ("url: 'redis://u@h'", "url"),
        ("url: 'redis://u:pass-word@h', username: other", "username"),
        ("url: 'redis://u:pass-word@h', password: other-word", "password"),
        ("username: other", "username"),
        ("url: 'rediss://h', client_cert: /a", "client_cert"),
        ("url: 'rediss://h', client_key: /a", "client_key"),
        ("url: 'rediss://h', ca_file: /a, insecure_skip_verify: true", "ca_file"),
        ("url: 'redis://h', ca_file: /a", "ca_file"),
        ("url: 'redis://h', insecure_skip_verify: true", "insecure_skip_verify"),
        ("keys: [a, a]", "keys"),
        ("keys: [a, db0=a]", "keys"),
        ("keys: ['']", "keys"),
        ("key_patterns: ['']", "key_patterns"),
        (f"key_patterns: {[f'a{number}*' for number in range(21)]}", "key_patterns"),
        ("scan_most: -1", "scan_most"),
        ("top: -1", "top"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(line: str, place: str) -> None:
    with pytest.raises(ConfigError, match="expected") as refused:
        read(line)
    assert f"targets.it.{place}" in str(refused.value)
    assert "pass-word" not in str(refused.value)


def read(line: str) -> None:
    """Read a configuration with one target of these settings."""
    config.read(f"targets: {{it: {{collector: redis, {line}}}}}".encode(), "c.yml", config.INSTALLED, {})


def test_info_is_taken_as_it_comes() -> None:
    told = Info(
        b"# Server\r\nredis_version:7.0.0\r\nmode:a:b\r\nstrange line\r\n\r\n# Memory\r\nratio:nan\r\nbytes:12\r\n"
        b"# Commandstats\r\ncmdstat_get:calls=1,usec=2\r\ncmdstat_bad\r\n"
        b"# Modules\r\nmodule:name=a\r\nmodule:name=b\r\n"
        b"# Replication\r\nslave0:ip=1.2.3.4,port=1\r\nslave_priority:100\r\n"
    )
    assert told.text("mode") == "a:b"
    assert told.number("ratio") is told.number("missing") is None
    assert told.number("bytes") == 12
    assert list(told.entries("Commandstats", "cmdstat_")) == [("get", {"calls": "1", "usec": "2"})]
    assert [entry["name"] for _, entry in told.entries("Modules", "module")] == ["a", "b"]
    assert list(told.numbered("slave")) == [("slave0", {"ip": "1.2.3.4", "port": "1"})]
    for bad in (b"", b"hello", None, 5, Refusal("ERR")):
        with pytest.raises(StrangeError):
            Info(bad)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("5", 5), ("-1", -1), ("1.5", 1.5), ("ok", 1), ("err", 0), ("nan", None), ("inf", None), ("", None), (None, None),
     ("1e400", None), ("12M", None), ("2024_01", None), (" 5", None), ("5\n", None), ("٣", None), ("1e3", 1000),
     ("0x10", None), ("9" * 400, None)],
)  # fmt: skip
def test_a_number_is_one_or_none(text: str | None, expected: float | None) -> None:
    assert number(text) == expected
