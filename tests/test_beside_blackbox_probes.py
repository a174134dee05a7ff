"""The collectors `tcp`, `dns` and `icmp` beside prometheus-blackbox-exporter: the same servers, name by name."""

import re
import ssl
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import dns.flags
import dns.message
import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.beside import Comparison, compare
from tests.blackbox import Blackbox, blackbox, needs_blackbox
from tests.nameserver import NameServer, reply, serving
from tests.onetarget import one
from tests.process import free_port
from tests.speaking import Speaker, speaking

EXPLAINED: Final[dict[tuple[str, str], str]] = {}
"""Differences that are meant, by family and aspect."""
_NO_REPLY: Final = 'probe_icmp_duration_seconds{phase="rtt"} 0\n'  # they say of what did not come that it took 0 s

_TIMES: Final = re.compile(r"(?m)^(probe_\w*duration_seconds(?:\{.*\})?|probe_dns_lookup_time_seconds) .*")
_SERIAL: Final = {"probe_ssl_last_chain_info": "serialnumber"}
NAME: Final = "shop.example.com"
AUTHORITY: Final = trustme.CA()


@pytest.fixture(scope="module", autouse=True)
def _peer() -> None:
    needs_blackbox()


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    AUTHORITY.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory, ca: str) -> Iterator[Blackbox]:
    def of(prober: str, **more: Any) -> dict[str, Any]:
        return {"prober": prober, "timeout": "1s", prober: {"preferred_ip_protocol": "ip4", **more}}

    tls = {"tls_config": {"ca_file": ca}}
    modules = {
        "port": of("tcp"),
        "tls": of("tcp", tls=True, **tls),
        "any": of("tcp", tls=True, tls_config={"insecure_skip_verify": True}),
        "hello": of("tcp", query_response=[{"expect": "^hello"}, {"send": "again"}, {"expect": "^you said again"}]),
        "mail": of("tcp", **tls, query_response=[
            {"expect": "^220 "}, {"send": "STARTTLS"}, {"expect": "^220"}, {"starttls": True},
        ]),
        "a": of("dns", query_name=NAME, query_type="A"),
        "soa": of("dns", query_name=NAME, query_type="SOA"),
        "tcp": of("dns", query_name=NAME, query_type="A", transport_protocol="tcp"),
        "match": of("dns", query_name=NAME, query_type="A",
                    validate_answer_rrs={"fail_if_not_matches_regexp": ["\\tA\\t192"]}),
        "ping": of("icmp"),
        "ping6": {"prober": "icmp", "timeout": "1s", "icmp": {"preferred_ip_protocol": "ip6"}},
    }  # fmt: skip
    with blackbox(tmp_path_factory.mktemp("blackbox"), modules) as running:
        yield running


def beside(peer: Blackbox, module: str, place: str, kind: str, settings: str) -> Comparison:
    """Return the comparison of a probe by both, with every duration 1."""

    def still(page: str) -> str:
        return _TIMES.sub(r"\1 1", page.replace(_NO_REPLY, ""))

    with one(kind, f"{settings}\ntimeout: 1s") as target:
        return compare(lambda: still(peer.probe(module, place)), lambda: still(target.text()), "probe_", _SERIAL)


def agrees(found: Comparison, lacking: Iterable[str] = (), added: Iterable[str] = ()) -> None:
    """Fail where they differ, or where names are on one side alone that are not meant to be."""
    print(found.table(EXPLAINED))
    assert found.unexplained(EXPLAINED) == []
    assert set(found.lacking) == set(lacking)
    assert set(found.added) == set(added)


# ---- tcp


def hello(speaker: Speaker) -> None:
    speaker.say(b"hello\r\n")
    while True:
        speaker.say(b"you said " + speaker.hear())


def mail(speaker: Speaker) -> None:
    speaker.say(b"220 ready\r\n")
    speaker.hear()
    speaker.say(b"220 go ahead\r\n")
    speaker.begin_tls()
    speaker.stop.wait(10)


NAMES: Final = (
    ((NameOID.COMMON_NAME, "a"), (NameOID.ORGANIZATION_NAME, "Shop, Inc."), (NameOID.COUNTRY_NAME, "DE")),
    ((NameOID.ORGANIZATIONAL_UNIT_NAME, "b"), (NameOID.ORGANIZATIONAL_UNIT_NAME, "a"), (NameOID.COMMON_NAME, "1")),
    ((NameOID.COMMON_NAME, "first"), (NameOID.COMMON_NAME, "last")),
    ((NameOID.COMMON_NAME, ' #x\\+<>;" '),),
    ((NameOID.COMMON_NAME, "#x"),),
    ((NameOID.EMAIL_ADDRESS, "a@b.example"), (NameOID.COMMON_NAME, "x"), (NameOID.TITLE, "Dr")),
    ((NameOID.TITLE, "Ürsel " * 11), (NameOID.DOMAIN_COMPONENT, "b"), (NameOID.DOMAIN_COMPONENT, "a")),
    ((NameOID.STATE_OR_PROVINCE_NAME, "Bayern"), (NameOID.LOCALITY_NAME, "Nürnberg"), (NameOID.SERIAL_NUMBER, "7"),
     (NameOID.STREET_ADDRESS, "Weg 1"), (NameOID.POSTAL_CODE, "90402")),
    (),
)  # fmt: skip


def pair_of(*parts: tuple[x509.ObjectIdentifier, str]) -> bytes:
    """Return a key and a certificate that it signs, with these parts as its name, in PEM."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(kind, text) for kind, text in parts])
    builder = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(4711)
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=9))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("a.example"), x509.DNSName("*.b.example")]), False)
    )  # fmt: skip
    key_pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return key_pem + builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def context_of(ends: datetime | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("127.0.0.1", not_after=ends, common_name="db, of ours").configure_cert(context)
    return context


def test_a_port(peer: Blackbox) -> None:
    with speaking(hello) as server:
        agrees(beside(peer, "port", server.place, "tcp", f"address: {server.place}"))


def test_a_port_that_is_refused(peer: Blackbox) -> None:
    place = f"127.0.0.1:{free_port()}"
    found = beside(peer, "port", place, "tcp", f"address: {place}")
    agrees(found, lacking=["probe_failed_due_to_regex"])  # nothing came that a pattern could be in: they say 0


def test_a_dialogue(peer: Blackbox) -> None:
    steps = "steps: [{expect: ^hello}, {send: again}, {expect: ^you said again}]"
    with speaking(hello) as server:
        agrees(beside(peer, "hello", server.place, "tcp", f"address: {server.place}\n{steps}"))
    with speaking(lambda speaker: speaker.say(b"bye\n")) as server:
        agrees(beside(peer, "hello", server.place, "tcp", f"address: {server.place}\n{steps}"))


def test_tls(peer: Blackbox, ca: str) -> None:
    with speaking(hello, context_of(), secure=True) as server:
        found = beside(peer, "tls", server.place, "tcp", f"address: {server.place}\ntls: true\nca_file: {ca}")
    agrees(found, added=["probe_tls_cipher_info"])


@pytest.mark.parametrize("number", range(len(NAMES)))
def test_names_in_certificates(number: int, peer: Blackbox, tmp_path: Path) -> None:
    """Whatever a certificate's name is made of, it is written in the same way."""
    certificate = tmp_path / "pair.pem"
    certificate.write_bytes(pair_of(*NAMES[number]))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with speaking(hello, context, secure=True) as server:
        settings = f"address: {server.place}\ntls: true\ninsecure_skip_verify: true"
        found = beside(peer, "any", server.place, "tcp", settings)
    # nobody asks whether it is good: they say that the chain ends in the year 1
    agrees(found, lacking=["probe_ssl_last_chain_expiry_timestamp_seconds"], added=["probe_tls_cipher_info"])


def test_tls_that_has_ended(peer: Blackbox, ca: str) -> None:
    with speaking(hello, context_of(datetime.now(UTC) - timedelta(days=3)), secure=True) as server:
        found = beside(peer, "tls", server.place, "tcp", f"address: {server.place}\ntls: true\nca_file: {ca}")
    of_the_certificate = ["probe_ssl_earliest_cert_expiry", "probe_ssl_last_chain_info", "probe_tls_version_info"]
    agrees(found, lacking=["probe_failed_due_to_regex"], added=[*of_the_certificate, "probe_tls_cipher_info"])


def test_starttls(peer: Blackbox, ca: str) -> None:
    steps = "steps: [{expect: '^220 '}, {send: STARTTLS}, {expect: ^220, starttls: true}]"
    with speaking(mail, context_of()) as server:
        found = beside(peer, "mail", server.place, "tcp", f"address: {server.place}\nca_file: {ca}\n{steps}")
    agrees(found, added=["probe_tls_cipher_info"])


# ---- dns


def zone(question: dns.message.Message, way: str) -> Iterable[bytes]:
    """Answer with what is asked for, authority and additional records."""
    kind = question.question[0].rdtype.name
    data = {"A": "192.0.2.7", "SOA": "ns.example.com. admin.example.com. 2026112901 1 2 3 4"}[kind]
    yield reply(
        question, f"{NAME}. 300 IN {kind} {data}", authority=("example.com. 300 IN NS ns.example.com.",),
        additional=("ns.example.com. 300 IN A 192.0.2.53", "ns.example.com. 300 IN A 192.0.2.54"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("module", "settings"),
    [
        ("a", ""),
        ("soa", "query_type: SOA"),
        ("tcp", "transport: tcp"),
        ("match", r"answer: {every: ['\tA\t192']}"),
    ],
)
def test_a_name_server(module: str, settings: str, peer: Blackbox) -> None:
    with serving(zone) as server:
        found = beside(peer, module, server.place, "dns", f"server: {server.place}\nquery_name: {NAME}\n{settings}")
    agrees(found, added=["probe_failed_due_to_regex"])


def test_a_code_that_is_not_expected(peer: Blackbox) -> None:
    with serving(lambda question, _: [reply(question, code="SERVFAIL")]) as server:
        found = beside(peer, "a", server.place, "dns", f"server: {server.place}\nquery_name: {NAME}")
    agrees(found, added=["probe_failed_due_to_regex"])


def test_a_name_server_that_is_gone(peer: Blackbox) -> None:
    place = NameServer(free_port()).place
    found = beside(peer, "a", place, "dns", f"server: {place}\nquery_name: {NAME}")
    agrees(found, lacking=[f"probe_dns_{section}_rrs" for section in ("answer", "authority", "additional")])


# ---- icmp


@pytest.mark.parametrize(("module", "host"), [("ping", "127.0.0.1"), ("ping6", "::1")])
def test_a_host_that_replies(module: str, host: str, peer: Blackbox) -> None:
    agrees(beside(peer, module, host, "icmp", f"host: '{host}'"))


def test_a_host_that_does_not_reply(peer: Blackbox) -> None:
    agrees(beside(peer, "ping", "240.0.0.1", "icmp", "host: 240.0.0.1"))
