"""Certificates as facts: names as Go writes them, serial numbers, keys; and what is said of a handshake."""

import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID, ObjectIdentifier

from exporter import certificates
from exporter.certificatemetrics import iana, shown_samples
from exporter.certificates import UnreadableError, certificate, earliest_end
from exporter.collector import Unable
from exporter.metric import Sample
from exporter.probeline import Shown

KEY = ec.generate_private_key(ec.SECP256R1())
NOW = datetime.now(UTC).replace(microsecond=0)
EMAIL = NameOID.EMAIL_ADDRESS


def made(*parts: tuple[ObjectIdentifier, str], serial: int = 4711, days: float = 90, names: int = 0) -> bytes:
    """Return a certificate in DER, with these parts as its name in this order."""
    name = x509.Name([x509.NameAttribute(kind, text) for kind, text in parts])
    builder = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(KEY.public_key())
        .serial_number(serial).not_valid_before(NOW - timedelta(days=100)).not_valid_after(NOW + timedelta(days=days))
    )  # fmt: skip
    if names:
        general = [x509.DNSName(f"n{number}.example.com") for number in range(names)]
        builder = builder.add_extension(x509.SubjectAlternativeName(general), critical=False)
    return builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.DER)


# each as `Name.String()` of Go's crypto/x509/pkix gives it
@pytest.mark.parametrize(
    ("parts", "text"),
    [
        (((NameOID.COMMON_NAME, "a.example"),), "CN=a.example"),
        (
            ((NameOID.COMMON_NAME, "a"), (NameOID.ORGANIZATION_NAME, "Shop, Inc."), (NameOID.COUNTRY_NAME, "DE")),
            "CN=a,O=Shop\\, Inc.,C=DE",
        ),
        (((NameOID.ORGANIZATIONAL_UNIT_NAME, "b"), (NameOID.ORGANIZATIONAL_UNIT_NAME, "a")), "OU=b+OU=a"),
        (((NameOID.COMMON_NAME, "first"), (NameOID.COMMON_NAME, "last")), "CN=last"),
        (((NameOID.COMMON_NAME, " #x\\+<>;\" "),), 'CN=\\ #x\\\\\\+\\<\\>\\;\\"\\ '),
        (((NameOID.COMMON_NAME, "#x"),), "CN=\\#x"),
        (((EMAIL, "a@b.example"), (NameOID.COMMON_NAME, "x")), "CN=x,1.2.840.113549.1.9.1=#0c0b6140622e6578616d706c65"),
        (((NameOID.TITLE, "Dr"), (NameOID.COMMON_NAME, "x")), "CN=x,2.5.4.12=#13024472"),
        (
            ((NameOID.STATE_OR_PROVINCE_NAME, "Bayern"), (NameOID.LOCALITY_NAME, "Nürnberg"),
             (NameOID.STREET_ADDRESS, "Weg 1"), (NameOID.POSTAL_CODE, "90402"), (NameOID.SERIAL_NUMBER, "7")),
            "SERIALNUMBER=7,POSTALCODE=90402,STREET=Weg 1,L=Nürnberg,ST=Bayern",
        ),
        ((), ""),
    ],
)  # fmt: skip
def test_names(parts: tuple[tuple[ObjectIdentifier, str], ...], text: str) -> None:
    assert certificate(made(*parts)).subject.text == text


@pytest.mark.parametrize(
    ("serial", "text"), [(1, "01"), (4711, "1267"), (255, "ff"), (256, "0100"), (1 << 158, "40" + "00" * 19)]
)
def test_serial_numbers(serial: int, text: str) -> None:
    found = certificate(made(serial=serial))
    assert (found.serial, found.serial_hex) == (serial, text)


def test_facts() -> None:
    found = certificate(made((NameOID.COMMON_NAME, "a"), names=2))
    assert found.not_after == (NOW + timedelta(days=90)).timestamp()
    assert found.not_before == (NOW - timedelta(days=100)).timestamp()
    assert found.names == ("n0.example.com", "n1.example.com")
    assert not found.authority
    authority = trustme.CA()
    der = x509.load_pem_x509_certificate(authority.cert_pem.bytes()).public_bytes(Encoding.DER)
    assert certificate(der).authority


def test_bytes_that_are_none() -> None:
    der = made()
    for data in (b"", b"hello", der[:-1], der + b"x", b"\x30\x03\x02\x01\x01"):
        with pytest.raises(UnreadableError, match="is no certificate that can be read"):
            certificate(data)
    version = b"\xa0\x03\x02\x01\x02"
    assert version in der
    with pytest.raises(UnreadableError, match="22 is not a valid X509 version"):
        certificate(der.replace(version, version[:-1] + b"\x16"))
    for at in range(0, len(der), 3):  # any byte may be another: it is read, or is said to be none
        try:
            certificate(der[:at] + bytes([der[at] ^ 0x55]) + der[at + 1 :])
        except UnreadableError as error:
            assert "is no certificate" in str(error)  # noqa: PT017


def test_facts_are_kept_as_many_as_memory_has_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is read once, and those that were not asked for the longest are let go of."""
    small, others = made(serial=1), [made(serial=number) for number in range(2, 6)]
    large = made(names=4000)
    monkeypatch.setattr(certificates, "_kept", certificates._Kept())
    monkeypatch.setattr(certificates, "_MOST", 4)
    first, *_ = [certificate(der) for der in (small, *others[:3])]
    assert certificate(small) is first
    certificate(others[3])
    assert certificate(small) is first  # others[0] had not been asked for longer
    assert len(certificates._kept._facts) == 4
    monkeypatch.setattr(certificates, "_MOST_BYTES", len(large) - 1)
    assert len(certificate(large).names) == 4000
    assert (certificates._kept._facts, certificates._kept._bytes) == ({}, 0)
    assert certificate(small) == first
    assert certificate(small) is certificate(small)


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    der = made(serial=99)
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(Unable, match="certificates need the library cryptography") as caught:
        certificate(der)
    assert "pip install" in caught.value.fix


def test_the_earliest_end() -> None:
    assert earliest_end([made(days=9), made(days=3), made(days=90)]) == (NOW + timedelta(days=3)).timestamp()
    assert earliest_end([]) is None
    assert earliest_end([made(), b"hello"]) is None  # one that cannot be read may be the first to end


def said(shown: Shown | None) -> dict[str, Sample]:
    return {sample.metric.name: sample for sample in shown_samples(shown) if sample is not None}


def test_a_handshake() -> None:
    chain = (made((NameOID.COMMON_NAME, "a"), days=3, names=100), made(days=90))
    found = said(Shown("TLS 1.2", "ECDHE-RSA-AES128-GCM-SHA256", chain, chain[1:], True))
    assert found["probe_ssl_earliest_cert_expiry"].value == (NOW + timedelta(days=3)).timestamp()
    assert found["probe_ssl_last_chain_expiry_timestamp_seconds"].value == (NOW + timedelta(days=90)).timestamp()
    assert found["probe_tls_version_info"].labels == ("TLS 1.2",)
    assert found["probe_tls_cipher_info"].labels == ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",)
    assert found["runbook_probe_tls_verified"].value == 1
    sha256, subject, issuer, names, serial = found["probe_ssl_last_chain_info"].labels
    assert (len(sha256), subject, issuer, serial, len(names)) == (64, "CN=a", "CN=a", "1267", 500)


def test_a_handshake_that_shows_little() -> None:
    assert said(None) == {}
    found = said(Shown("TLS 1.3", "TLS_AES_128_GCM_SHA256", (b"hello",), (), False, "it is none"))
    assert sorted(found) == ["probe_tls_cipher_info", "probe_tls_version_info", "runbook_probe_tls_verified"]
    assert found["runbook_probe_tls_verified"].value == 0
    assert "runbook_probe_tls_verified" not in said(Shown("TLS 1.3", "x_y", (), (), None))
    assert [name for name, sample in said(Shown("", "", (), (), False)).items() if sample.value is not None] == [
        "runbook_probe_tls_verified"
    ]


def test_ciphers_have_the_names_of_iana() -> None:
    """OpenSSL tells both names; those of SRP, and two that IANA has turned round, are left out."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    listed = subprocess.run(
        ["openssl", "ciphers", "-stdname", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    pairs = [(line.split()[2], line.split()[0]) for line in listed.splitlines()]
    pairs = [pair for pair in pairs if "SRP" not in pair[0] and "PSK_DHE" not in pair[1]]
    assert len(pairs) > 100
    assert {name: iana(name) for name, _ in pairs} == dict(pairs)
