"""Probes of name servers: what is asked, what is expected of the answer, and servers that lie."""

import os
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterable
from itertools import repeat
from pathlib import Path

import dns.flags
import dns.message
import pytest
import trustme

from exporter.collectors.dns.library import library
from exporter.config import INSTALLED, ConfigError, read
from exporter.exposition import render
from tests.nameserver import NameServer, Told, good, reply, serving
from tests.onetarget import one
from tests.process import free_port
from tests.soak import leaves_nothing
from tests.support import until
from tests.swallowing import names

NAME = "shop.example.com"
PHASES = ("resolve", "connect", "request")
Question = dns.message.Message


def seen(told: Told, settings: str = "", tls: ssl.SSLContext | None = None) -> tuple[dict[str, str], str]:
    """Return the page of a target that is answered so, and why it is down, with the remedy."""
    with serving(told, tls) as server:
        return seen_of(server, settings)


def seen_of(server: NameServer, settings: str = "") -> tuple[dict[str, str], str]:
    with one("dns", f"server: {server.place}\nquery_name: {NAME}\n{settings}") as target:
        page = target.page()
        snapshot = target.target.view()
        return page, f"{snapshot.reason} {snapshot.fix}".strip()


def rich(question: Question, way: str) -> Iterable[bytes]:
    yield reply(
        question, f"{NAME}. 300 IN A 192.0.2.7", f"{NAME}. 300 IN A 192.0.2.8",
        authority=("example.com. 300 IN NS ns.example.com.",), additional=("ns.example.com. 300 IN A 192.0.2.53",),
    )  # fmt: skip


def test_a_good_answer() -> None:
    page, reason = seen(rich)
    assert (page["probe_success"], page["probe_dns_query_succeeded"], reason) == ("1", "1", "")
    counts = [page[f"probe_dns_{section}_rrs"] for section in ("answer", "authority", "additional")]
    assert counts == ["2", "1", "1"]
    spent = [float(page[f'probe_dns_duration_seconds{{phase="{phase}"}}']) for phase in PHASES]
    assert 0 < sum(spent) <= float(page["probe_duration_seconds"])
    assert (page["probe_ip_protocol"], page["probe_failed_due_to_regex"]) == ("4", "0")
    assert not [name for name in page if name.startswith(("probe_dns_serial", "probe_ssl"))]


def test_golden(golden: Callable[[str, str], None]) -> None:
    def soa(question: Question, way: str) -> Iterable[bytes]:
        yield reply(question, f"{NAME}. 300 IN SOA ns.example.com. admin.example.com. 2026112901 1 2 3 4")

    with serving(soa) as server, one("dns", f"server: {server.place}\nquery_name: {NAME}\nquery_type: SOA") as target:
        lines = render(sample for outcome in target.read().outcomes for sample in outcome.samples).splitlines()
    still = [line if line[0] == "#" or "_seconds" not in line else f"{line.rpartition(' ')[0]} ~" for line in lines]
    assert "probe_dns_serial 2026112901" in still
    golden("dns.prom", "".join(f"{line}\n" for line in still))


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_what_is_asked(transport: str) -> None:
    with serving(good) as server:
        page, _ = seen_of(server, f"query_type: AAAA\nrecursion: false\ntransport: {transport}")
    ((way, question),) = server.asked
    assert (way, page["probe_success"]) == (transport, "1")
    asked = question.question[0]
    assert (str(asked.name), asked.rdtype.name, asked.rdclass.name) == (f"{NAME}.", "AAAA", "IN")
    assert not question.flags & dns.flags.RD


def test_by_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    page, reason = seen(good, f"transport: tls\nca_file: {tmp_path}/ca.pem", context)
    assert (page["probe_success"], page["runbook_probe_tls_verified"], reason) == ("1", "1", "")
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "cryptography", None)
        page, _ = seen(good, f"transport: tls\nca_file: {tmp_path}/ca.pem", context)
    assert (page["probe_success"], "probe_ssl_earliest_cert_expiry" in page) == ("1", False)
    page, reason = seen(good, "transport: tls", context)
    assert (page["probe_success"], page["runbook_probe_tls_verified"]) == ("0", "0")
    assert "is not trusted" in reason
    assert "probe_ssl_earliest_cert_expiry" in page
    assert float(page['probe_dns_duration_seconds{phase="connect"}']) > 0


# ---- what is expected


@pytest.mark.parametrize(
    "settings",
    [
        r"answer: {some: ['A\t192\.0\.2\.7$', '\.8$'], every: ['IN\tA\t'], none: ['127\.']}",
        r"authority: {some: ['^example\.com\.\t300\tIN\tNS\tns\.']}",
        r"additional: {every: ['\.53$']}",
        "rcodes: [noerror, NXDOMAIN]\nmin_answers: 2",
    ],
)
def test_an_answer_that_is_as_expected(settings: str) -> None:
    page, reason = seen(rich, settings)
    assert (page["probe_success"], reason) == ("1", "")


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (r"answer: {some: ['\.7$', '\.9$']}", "no record has the pattern answer.some[1]"),
        (r"answer: {every: ['\.7$']}", "not every record has the pattern answer.every[0]"),
        (r"answer: {none: ['\.7$']}", "a record has the pattern answer.none[0]"),
        ("authority: {some: [MX]}", "no record has the pattern authority.some[0]"),
        ("additional: {none: ['.']}", "a record has the pattern additional.none[0]"),
        ("min_answers: 3", "the answer has 2 records, fewer than 3"),
        ("rcodes: [NXDOMAIN]", "the answer has the code NOERROR"),
    ],
)
def test_an_answer_that_is_not_as_expected(settings: str, reason: str) -> None:
    page, said = seen(rich, settings)
    assert reason in said
    assert "192.0.2" not in said
    assert (page["probe_success"], page["probe_dns_query_succeeded"], page["probe_dns_answer_rrs"]) == ("0", "1", "2")
    assert page["probe_failed_due_to_regex"] == str(int("pattern" in reason))


@pytest.mark.parametrize("code", ["SERVFAIL", "REFUSED", "NXDOMAIN", "FORMERR"])
def test_a_code_that_is_not_expected(code: str) -> None:
    page, reason = seen(lambda question, _: [reply(question, code=code)])
    assert f"the answer has the code {code}" in reason
    assert (page["probe_success"], page["probe_dns_query_succeeded"]) == ("0", "1")


def test_no_records() -> None:
    page, reason = seen(lambda question, _: [reply(question)])
    assert "the answer has 0 records, fewer than 1" in reason
    page, _ = seen(lambda question, _: [reply(question)], "min_answers: 0")
    assert page["probe_success"] == "1"
    page, _ = seen(lambda question, _: [reply(question, code="NXDOMAIN")], "rcodes: [NXDOMAIN]")
    assert page["probe_success"] == "1"


# ---- servers that are gone, lie, are late


def test_nobody_listens() -> None:
    for transport in ("udp", "tcp", "tls"):
        page, reason = seen_of(NameServer(free_port()), f"transport: {transport}")
        assert "cannot be reached (Connection refused)" in reason
        assert (page["probe_success"], page["probe_dns_query_succeeded"]) == ("0", "0")
        assert "probe_dns_answer_rrs" not in page


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_one_that_hangs(transport: str) -> None:
    def silent(question: Question, way: str) -> Iterable[bytes]:
        return ()

    hold = threading.Event()

    def holding(question: Question, way: str) -> Iterable[bytes]:
        hold.wait(10)
        return ()

    begun = time.monotonic()
    page, reason = seen(silent if transport == "udp" else holding, f"transport: {transport}\ntimeout: 1s")
    hold.set()
    assert time.monotonic() - begun < 3
    assert "has not answered in full within 0.8 s" in reason
    assert page["probe_success"] == "0"


def other_id(question: Question) -> bytes:
    data = bytearray(reply(question, f"{NAME}. 300 IN A 6.6.6.6"))
    data[0] ^= 0xFF
    return bytes(data)


def other_question(question: Question) -> bytes:
    forged = dns.message.make_query("bank.example.com", "A", id=question.id)
    return reply(forged, "bank.example.com. 300 IN A 6.6.6.6")


def question_itself(question: Question) -> bytes:
    return question.to_wire()


@pytest.mark.parametrize("lie", [other_id, other_question, question_itself])
def test_lies_are_passed_over(lie: Callable[[Question], bytes]) -> None:
    page, reason = seen(lambda question, _: [lie(question), *good(question, "")], r"answer: {every: ['\.2\.7$']}")
    assert (page["probe_success"], reason) == ("1", "")
    page, reason = seen(lambda question, _: [lie(question)], "timeout: 1s")
    assert "only what is no answer to the question came (1)" in reason
    page, reason = seen(lambda question, _: [lie(question)], "transport: tcp")
    assert "what came is no answer to the question" in reason
    assert page["probe_dns_query_succeeded"] == "0"


def test_a_flood_of_lies_ends() -> None:
    def flood(question: Question, way: str) -> Iterable[bytes]:
        return repeat(other_id(question), 100_000)

    begun = time.monotonic()
    page, reason = seen(flood, "timeout: 3s")
    assert time.monotonic() - begun < 4
    assert "more than 1000 messages came that are no answer" in reason
    assert page["probe_success"] == "0"


@pytest.mark.parametrize("elsewhere", [False, True])
def test_what_comes_from_another_place_is_not_taken(elsewhere: bool) -> None:
    """The same right reply is taken from the place that was asked alone."""
    with socket.socket(type=socket.SOCK_DGRAM) as asked, socket.socket(type=socket.SOCK_DGRAM) as other:
        for packets in (asked, other):
            packets.bind(("127.0.0.1", 0))
            packets.settimeout(10)

        def answer() -> None:
            data, whom = asked.recvfrom(4096)
            for message in good(dns.message.from_wire(data), "udp"):
                (other if elsewhere else asked).sendto(message, whom)
                sent.append(message)

        sent: list[bytes] = []
        answering = threading.Thread(target=answer)
        answering.start()
        page, reason = seen_of(NameServer(asked.getsockname()[1]), "timeout: 1s")
        answering.join()
    assert (page["probe_success"], len(sent)) == ("0" if elsewhere else "1", 1)
    assert ("has not answered in full" in reason) is elsewhere


def test_one_that_is_cut_off_is_asked_for_by_tcp() -> None:
    def cut(question: Question, way: str) -> Iterable[bytes]:
        if way == "udp":
            return [reply(question, flags=dns.flags.TC)]
        return good(question, way)

    with serving(cut) as server:
        page, reason = seen_of(server)
    assert (page["probe_success"], page["probe_dns_answer_rrs"], reason) == ("1", "1", "")
    assert [way for way, _ in server.asked] == ["udp", "tcp"]


def test_one_that_is_cut_off_and_has_no_tcp() -> None:
    def cut(question: Question, way: str) -> Iterable[bytes]:
        return [reply(question, flags=dns.flags.TC)] if way == "udp" else []

    _, reason = seen(cut, "timeout: 1s")
    assert "closed the line before its answer was whole" in reason


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_what_cannot_be_understood(transport: str) -> None:
    def broken(question: Question, way: str) -> Iterable[bytes]:
        return [next(iter(good(question, way)))[:-3]]

    page, reason = seen(broken, f"transport: {transport}")
    assert "the answer cannot be understood" in reason
    assert page["probe_dns_query_succeeded"] == "0"


def test_any_bytes_end_well() -> None:
    """Messages with random bytes in them are answers, or are said not to be understood: nothing else comes of them."""
    seed = iter(range(10_000))

    def noise(question: Question, way: str) -> Iterable[bytes]:
        data = bytearray(reply(question, *[f"{NAME}. 300 IN {kind}" for kind in KINDS]))
        number = next(seed)
        for at in range(4):
            data[2 + (number * 7919 + at * 104_729) % (len(data) - 2)] = (number * 31 + at * 17) % 256
        return [bytes(data)]

    known = ("the answer c", "the answer h", "only what is no answer", "and none came by TCP", "what came is no",
             "given up", "has not answered in full", "timeout")  # fmt: skip
    with serving(noise) as server, one("dns", f"server: {server.place}\nquery_name: {NAME}\ntimeout: 100ms") as target:
        for _ in range(60):
            target.read()
            reason = target.target.view().reason
            assert not reason or any(words in reason for words in known), reason


KINDS = (
    "A 192.0.2.7", "MX 10 mail.example.com.", "TXT \"a text\" \"more\"", "SOA a.example. b.example. 1 2 3 4 5",
    "AAAA 2001:db8::7", "SRV 1 2 3 srv.example.com.", "CAA 0 issue \"ca.example\"",
)  # fmt: skip


def test_a_late_answer_is_not_the_next_ones() -> None:
    held: list[Question] = []

    def late(question: Question, way: str) -> Iterable[bytes]:
        held.append(question)
        if len(held) == 1:
            return []
        return [reply(held[0], f"{NAME}. 300 IN A 6.6.6.6"), *good(question, way)]

    with (
        serving(late) as server,
        one("dns", f"server: {server.place}\nquery_name: {NAME}\ntimeout: 1s\nanswer: {{none: ['6\\.6']}}") as target,
    ):
        assert target.page()["probe_success"] == "0"
        assert target.page()["probe_success"] == "1"


def test_a_name_service_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        names(monkeypatch, {"ns.example": []}),
        one("dns", f"server: ns.example\nquery_name: {NAME}\ntimeout: 500ms") as target,
    ):
        begun = time.monotonic()
        page = target.page()
        assert time.monotonic() - begun < 2
    assert (page["probe_success"], page["probe_dns_query_succeeded"]) == ("0", "0")
    assert float(page['probe_dns_duration_seconds{phase="resolve"}']) > 0.3


def test_an_address_that_cannot_be_had_is_left_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        serving(good) as server,
        names(monkeypatch, {"ns.example": ["2001:db8::1", "127.0.0.1"]}),
        one("dns", f"server: ns.example:{server.port}\nquery_name: {NAME}\ntimeout: 3s") as target,
    ):
        page = target.page()
    assert (page["probe_success"], page["probe_ip_protocol"]) == ("1", "4")


def test_cut_by_the_engine() -> None:
    with (
        serving(lambda *_: []) as server,
        one("dns", f"server: {server.place}\nquery_name: {NAME}\ninterval: 1m\ntimeout: 20s") as target,
    ):
        round = target.target.run_now()
        until(lambda: server.asked)
        target.target.collector.interrupt()
        until(round.done.done, 3)
        assert "given up" in target.target.view().reason


@pytest.mark.long
@pytest.mark.parametrize("state", ["good", "failing"])
def test_500_rounds_leave_nothing(state: str) -> None:
    told: Told = good if state == "good" else lambda question, _: [reply(question, code="SERVFAIL")]
    with serving(told) as server, one("dns", f"server: {server.place}\nquery_name: {NAME}") as target:
        leaves_nothing(target, 500)
        server.asked.clear()


# ---- the configuration


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ("server: ''\nquery_name: a.example", "server: is no address"),
        ("server: '::1'\nquery_name: a.example", "server: is no address"),
        ("server: a\nquery_name: a..example", "query_name: is no name"),
        ("server: a\nquery_name: a\nquery_type: NOPE", "query_type: is no type of records"),
        ("server: a\nquery_name: a\nquery_type: AXFR", "query_type: is not one to ask for here"),
        ("server: a\nquery_name: a\nrcodes: [NOPE]", "rcodes: has a code that is not known"),
        ("server: a\nquery_name: a\nrcodes: []", "rcodes: is empty"),
        ("server: a\nquery_name: a\nmin_answers: -1", "min_answers: is out of range"),
        ("server: a\nquery_name: a\nanswer: {some: ['(']}", "answer.some: is no regular expression"),
        ("server: a\nquery_name: a\nca_file: /x\ninsecure_skip_verify: true", "ca_file: is not looked at"),
    ],
)
def test_settings_that_are_refused(settings: str, problem: str) -> None:
    text = "".join(f"    {line}\n" for line in f"collector: dns\n{settings}".splitlines())
    with pytest.raises(ConfigError) as caught:
        read(f"targets:\n  it:\n{text}".encode(), "config.yml", INSTALLED, {})
    assert problem in str(caught.value)


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dns.exception", None)
    monkeypatch.delattr(dns, "exception", raising=False)
    library.cache_clear()
    with pytest.raises(
        ConfigError, match=r"need the library dnspython, install it with: pip install 'runbook-exporter"
    ):
        read(b"targets: {it: {collector: dns, server: a, query_name: b}}", "config.yml", INSTALLED, {})


def test_an_address_of_ipv6() -> None:
    text = b"targets:\n  it:\n    collector: dns\n    server: '[::1]:5353'\n    query_name: a.example\n"
    assert read(text, os.devnull, INSTALLED, {}).targets[0].settings.server == "[::1]:5353"
