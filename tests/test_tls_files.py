"""Certificates on disk: every format, what cannot be read, what does not fit together, and files that change."""

import os
import shutil
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PrivateFormat, pkcs7, pkcs12
from cryptography.x509.oid import NameOID

from exporter.certificates import UnreadableError, certificate
from exporter.collectors.tls import files, keystore
from exporter.collectors.tls.contents import parse
from exporter.config import INSTALLED, ConfigError, read
from exporter.documentfile import load
from exporter.exposition import render
from tests.hang_fs import mounted, need_fuse
from tests.onetarget import One, one
from tests.soak import leaves_nothing
from tests.support import until

AUTHORITY = trustme.CA(organization_name="Our authority")
LEAF = AUTHORITY.issue_cert("shop.example.com", common_name="shop", organization_name="Mem")
PEM = LEAF.cert_chain_pems[0].bytes()
CA_PEM = AUTHORITY.cert_pem.bytes()
KEY = LEAF.private_key_pem.bytes()
LOADED = x509.load_pem_x509_certificate(PEM)
PASSWORD = "open-sesame-keystore"
FIXTURES = Path(__file__).parent / "fixtures"


@contextmanager
def looking(paths: str, settings: str = "") -> Iterator[One]:
    patient = "" if "timeout" in settings else "path_timeout: 10s\ntimeout: 20s"
    with one("tls", f"paths: {paths}\n{settings}\n{patient}") as target:
        yield target


def seen(path: Path, settings: str = "") -> tuple[dict[str, str], str]:
    """Return the page of a target that looks at one path, and what is said of its certificates."""
    with looking(f"[{path}]", settings) as target:
        page = target.page()
        return page, target.outcomes()["certificates"]


def ends(page: dict[str, str]) -> dict[str, str]:
    """Return when each certificate ends, by its file and serial number."""
    found = {}
    for series, value in page.items():
        if series.startswith("x509_cert_not_after"):
            labels = dict(part.split("=") for part in series.partition("{")[2].rstrip("}").replace('"', "").split(","))
            found[f"{labels['filename']} {labels['subject_CN'] or labels['subject_OU'].split(' #')[0]}"] = value
    return found


def put(folder: Path, **files: bytes) -> Path:
    """Write files; `_` in their names stands for a dot."""
    for name, data in files.items():
        (folder / name.replace("_", ".")).write_bytes(data)
    return folder


def made(days: float, *, key: Any = None, authority: bool = False, name: str = "made") -> x509.Certificate:
    """Return a certificate that signs itself, and ends in so many days."""
    own = key or ec.generate_private_key(ec.SECP256R1())
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(days=days)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(own.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(end - timedelta(days=90)).not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )  # fmt: skip
    return builder.sign(own, None if isinstance(own, ed25519.Ed25519PrivateKey) else hashes.SHA256())


def named(organization: str, days: float) -> bytes:
    """Return a certificate in PEM with the number 7 and without a common name, as authorities give them today."""
    key, end = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC) + timedelta(days=days)
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)])
    names = x509.SubjectAlternativeName([x509.DNSName(f"{organization}.example.com")])
    builder = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(7)
        .not_valid_before(end - timedelta(days=90)).not_valid_after(end).add_extension(names, critical=False)
    )  # fmt: skip
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


# ---- what is said of a certificate


def test_a_certificate(tmp_path: Path) -> None:
    page, said = seen(put(tmp_path, shop_pem=PEM) / "shop.pem")
    (series,) = (name for name in page if name.startswith("x509_cert_not_after"))
    issuer, unit = (
        str(name.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)[0].value)
        for name in (LOADED.issuer, LOADED.subject)
    )
    assert series == (
        f'x509_cert_not_after{{filename="shop.pem",filepath="{tmp_path}/shop.pem",serial_number="{LOADED.serial_number}",'
        f'subject_C="",subject_ST="",subject_L="",subject_O="Mem",subject_OU="{unit}",subject_CN="shop",issuer_C="",'
        f'issuer_ST="",issuer_L="",issuer_O="Our authority",issuer_OU="{issuer}",issuer_CN=""}}'
    )
    assert float(page[series]) == LOADED.not_valid_after_utc.timestamp()
    assert float(page[series.replace("after", "before")]) == LOADED.not_valid_before_utc.timestamp()
    assert page[series.replace("not_after", "expired")] == "0"
    assert page[series.replace("x509_cert_not_after", "runbook_certificate_authority")] == "0"
    told = f'filepath="{tmp_path}/shop.pem",serial_number="{LOADED.serial_number}",subject_CN="shop",issuer_CN=""'
    assert page[f'runbook_certificate_info{{{told},names="shop.example.com"}}'] == "1"
    assert (page["x509_read_errors"], said) == ("0", "ok")
    assert page[f'x509_cert_error{{filename="shop.pem",filepath="{tmp_path}/shop.pem"}}'] == "0"


def test_of_two_that_alerts_cannot_tell_apart_the_names_of_the_first_to_end_are_told(tmp_path: Path) -> None:
    both = b"".join(named(organization, days) for organization, days in (("early", 1), ("late", 2)))
    page, _ = seen(put(tmp_path, both_pem=both) / "both.pem")
    assert sum(series.startswith("x509_cert_not_after") for series in page) == 2
    assert [series.rpartition("names=")[2] for series in page if series.startswith("runbook_certificate_info")] == [
        '"early.example.com"}'
    ]


def test_golden(tmp_path: Path, golden: Callable[[str, str], None]) -> None:
    shutil.copy(FIXTURES / "certificate.pem", tmp_path / "shop.pem")
    (tmp_path / "half.pem").write_bytes(PEM[:200])
    with looking(f"[{tmp_path}]") as target:
        text = render(sample for outcome in target.read().outcomes for sample in outcome.samples)
    golden("tls.prom", text.replace(str(tmp_path), "/etc/tls"))


def test_one_that_has_ended(tmp_path: Path) -> None:
    put(tmp_path, old_pem=made(-1).public_bytes(Encoding.PEM), new_pem=made(1).public_bytes(Encoding.PEM))
    page, _ = seen(tmp_path)
    expired = {name.partition(",")[0]: value for name, value in page.items() if name.startswith("x509_cert_expired")}
    assert expired == {'x509_cert_expired{filename="old.pem"': "1", 'x509_cert_expired{filename="new.pem"': "0"}


@pytest.mark.parametrize("kind", ["rsa", "ed25519", "p521"])
def test_any_kind_of_key(kind: str, tmp_path: Path) -> None:
    keys: dict[str, Callable[[], Any]] = {
        "rsa": lambda: rsa.generate_private_key(65537, 2048),
        "ed25519": ed25519.Ed25519PrivateKey.generate,
        "p521": lambda: ec.generate_private_key(ec.SECP521R1()),
    }
    key = keys[kind]()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, serialization.NoEncryption())
    put(tmp_path, a_pem=made(9, key=key).public_bytes(Encoding.PEM), a_key=pem)
    page, said = seen(tmp_path / "a.pem")
    assert (len(ends(page)), said) == (1, "ok")


# ---- formats


def openssl(*arguments: object, data: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *map(str, arguments)], input=data, capture_output=True, check=True).stdout


def stores() -> dict[str, bytes]:
    """Return the certificate in each format that needs no program of others."""
    key = serialization.load_pem_private_key(KEY, None)
    ca = x509.load_pem_x509_certificate(CA_PEM)
    locked = serialization.BestAvailableEncryption(PASSWORD.encode())
    return {
        "shop.der": LOADED.public_bytes(Encoding.DER),
        "shop.crt": b"Bag Attributes\n    friendlyName: shop\n" + PEM.replace(b"\n", b"\r\n"),
        "shop.p7b": pkcs7.serialize_certificates([LOADED, ca], Encoding.DER),
        "text.p7b": pkcs7.serialize_certificates([LOADED, ca], Encoding.PEM),
        "shop.p12": pkcs12.serialize_key_and_certificates(b"shop", key, LOADED, [ca], locked),  # type: ignore[arg-type]
        "open.pfx": pkcs12.serialize_key_and_certificates(
            b"shop", None, None, [LOADED], serialization.NoEncryption()
        ),
        "trusted.pem": openssl("x509", "-trustout", "-addtrust", "serverAuth", data=PEM),
        "whole.pem": openssl("x509", "-text", data=PEM) + KEY + CA_PEM,
    }  # fmt: skip


@pytest.mark.parametrize("name", sorted(stores()))
def test_every_format(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(stores()[name])
    page, said = seen(tmp_path / name, f"password: {PASSWORD}" if name.endswith(("p12", "pfx")) else "")
    assert said == "ok"
    assert f"{name} shop" in ends(page)
    assert len(ends(page)) == (2 if name in ("shop.p7b", "text.p7b", "shop.p12", "whole.pem") else 1)


# made with keytool of Java 17: -importcert of an authority, -importkeystore of a key with its certificate
@pytest.mark.parametrize("kind", ["jks", "jceks", "pkcs12"])
def test_keystores_of_java(kind: str, tmp_path: Path) -> None:
    store = tmp_path / "java.keystore"
    shutil.copy(FIXTURES / "keystores" / f"java-{kind}.keystore", store)
    page, said = seen(store, f"password: {PASSWORD}" if kind == "pkcs12" else "")
    assert said == "ok"
    assert set(ends(page)) == {"java.keystore shop", "java.keystore authority"}


def test_a_keystore_that_keytool_makes(tmp_path: Path) -> None:
    if shutil.which("keytool") is None:
        pytest.skip("keytool is not installed; the keystores among the fixtures were made with it")
    subprocess.run(
        ["keytool", "-genkeypair", "-alias", "x", "-keyalg", "EC", "-dname", "CN=x", "-keystore", tmp_path / "x.jks",
         "-storetype", "JKS", "-storepass", PASSWORD, "-keypass", PASSWORD], capture_output=True, check=True,
    )  # fmt: skip
    assert list(ends(seen(tmp_path / "x.jks")[0])) == ["x.jks x"]


def test_a_keystore_and_its_password(tmp_path: Path) -> None:
    (tmp_path / "shop.p12").write_bytes(stores()["shop.p12"])
    for settings, reason in (("", "it needs a `password`"), ("password: another-of-keystores", "does not open it")):
        page, said = seen(tmp_path / "shop.p12", settings)
        assert reason in said
        assert PASSWORD not in said
        assert page["x509_read_errors"] == "1"


@pytest.mark.long
def test_a_keystore_that_takes_for_ever_holds_up_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keystore, "_PATIENCE", 0.5)
    put(tmp_path, a_pem=PEM, key_pem=KEY)
    openssl("pkcs12", "-export", "-in", tmp_path / "a.pem", "-inkey", tmp_path / "key.pem", "-out", tmp_path / "a.p12",
            "-passout", f"pass:{PASSWORD}", "-iter", 1_500_000)  # fmt: skip
    with looking(f"[{tmp_path}/a.pem, {tmp_path}/a.p12]", f"password: {PASSWORD}\npath_timeout: 200ms") as target:
        begun = time.monotonic()
        page = target.page()
        assert time.monotonic() - begun < 1
        assert ends(page) == {"a.pem shop": str(LOADED.not_valid_after_utc.timestamp())}
        until(lambda: "takes longer than 0.5 s to open" in target.outcomes()["certificates"])
        assert target.page()["x509_read_errors"] == "1"
    assert not [child for child in psutil.Process().children() if "throwaway" in " ".join(child.cmdline())]


def test_any_cut_file_is_said_to_be_so_or_has_what_is_left() -> None:
    """However a file is cut off, something is said: never a mistake of the program."""
    for name, data in stores().items():
        if name.endswith(("p12", "pfx")):  # those take a process each
            assert "problem" in keystore.opened({"data": b64encode(data[:-9]).decode(), "password": ""})
            continue
        for at in range(0, len(data), max(1, len(data) // 40)):
            with suppress(UnreadableError):
                assert parse(data[:at], None).certificates, name
    data = (FIXTURES / "keystores" / "java-jks.keystore").read_bytes()
    assert len(parse(data, None).certificates) == 2
    for at in range(4, len(data) - 20, 7):
        with pytest.raises(UnreadableError, match=r"cut off|no certificate|known"):
            parse(data[:at], None)


# ---- what cannot be read


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"hello\n", "holds nothing that is known here"),
        (PEM[: len(PEM) // 2], "is cut off: a block begins that does not end"),
        (PEM + CA_PEM[:100], "is cut off: a block begins that does not end"),
        (PEM.replace(b"M", b"!"), "has a block that is not Base64"),
        (KEY, "holds a key, and no certificate"),
        (b"-----BEGIN CERTIFICATE REQUEST-----\nMIIB\n-----END CERTIFICATE REQUEST-----\n", "holds no certificate"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "has a block that holds no certificate"),
        (b"-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n", "is no certificate that can be read"),
        (LOADED.public_bytes(Encoding.DER)[:-9], "is cut off"),
        (b"\xfe\xed\xfe\xed" + b"\0" * 40, "is a keystore of a version that is not known"),
    ],
)
def test_what_is_no_certificate(data: bytes, reason: str, tmp_path: Path) -> None:
    page, said = seen(put(tmp_path, a_pem=data, b_pem=PEM) / "a.pem")
    assert reason in said
    assert page["x509_read_errors"] == "1"
    assert not ends(page)
    with looking(f"[{tmp_path}/a.pem, {tmp_path}/b.pem]") as target:  # the other is there all the same
        assert ends(target.page()) == {"b.pem shop": str(LOADED.not_valid_after_utc.timestamp())}
        assert reason in target.outcomes()["certificates"]


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.pem")
    (tmp_path / "circle.pem").symlink_to("circle.pem")
    (tmp_path / "nowhere.pem").symlink_to("gone.pem")
    (tmp_path / "folder.pem").mkdir()
    with (tmp_path / "huge.pem").open("wb") as file:
        file.truncate(5 << 20)
    begun = time.monotonic()
    page, said = seen(tmp_path)
    assert time.monotonic() - begun < 2
    assert page["x509_read_errors"] == "4"
    assert said.startswith("failed ")
    reasons = {
        "pipe": "is not a regular file", "huge": "is larger than 4194304 bytes",
        "nowhere": "cannot be read (No such file or directory)",
        "circle": "cannot be read (Too many levels of symbolic links)",
    }  # fmt: skip
    for name, reason in reasons.items():
        assert page[f'x509_cert_error{{filename="{name}.pem",filepath="{tmp_path}/{name}.pem"}}'] == "1"
        assert f"{name}.pem {reason}" in seen(tmp_path / f"{name}.pem")[1]
        assert f"{name}.pem {reason}" in seen(tmp_path / f"{name[:-1]}*.pem")[1]  # by a pattern all the same


def test_a_file_of_many_beginnings_is_read_in_time(tmp_path: Path) -> None:
    put(tmp_path, a_pem=b"-----BEGIN A-----\n" * 200_000, b_pem=b"-----BEGIN A-----\n-----END A-----\n" * 9000)
    begun = time.monotonic()
    page, _ = seen(tmp_path)
    assert time.monotonic() - begun < 3
    assert page["x509_read_errors"] == "1"  # the other one is whole, and holds other things


def test_nothing_there(tmp_path: Path) -> None:
    for path, reason in (
        ("gone.pem", "gone.pem cannot be read (No such file or directory)"),
        ("gone/*.pem", "gone/*.pem cannot be read (No such file or directory)"),
        ("*.pem", "*.pem: nothing there is a file of certificates by its name"),
        ("", "nothing there is a file of certificates by its name"),
    ):
        page, said = seen(tmp_path / path)
        assert said.startswith("failed ")
        assert reason in said
        assert page["x509_read_errors"] == "1"
        assert page['runbook_target_up{collector="tls"}'] == "1"


def test_what_may_not_be_read(tmp_path: Path) -> None:
    put(tmp_path, a_pem=PEM)
    closed = tmp_path / "live" / "shop"
    closed.mkdir(parents=True)
    put(closed, fullchain_pem=PEM)
    for path in (tmp_path, *tmp_path.parents):
        if path.stat().st_uid == os.geteuid() and not path.stat().st_mode & 0o001:
            path.chmod(path.stat().st_mode | 0o055)
    (tmp_path / "a.pem").chmod(0)
    closed.chmod(0)
    as_other = os.geteuid() == 0
    if as_other:
        os.seteuid(65534)
    try:
        with looking(f"[{tmp_path}/a.pem, '{tmp_path}/live/*/fullchain.pem', {tmp_path}/live/shop]") as target:
            page, said = target.page(), target.outcomes()["certificates"]
    finally:
        if as_other:
            os.seteuid(0)
        closed.chmod(0o755)
    assert "a.pem cannot be read (Permission denied)" in said
    assert "live/shop cannot be" in said
    assert page["x509_read_errors"] == "2"  # the folder is counted once, however many paths lead to it


# ---- places


def test_folders_and_patterns(tmp_path: Path) -> None:
    for site in ("one", "two"):
        (tmp_path / site).mkdir()
        put(tmp_path / site, fullchain_pem=PEM + CA_PEM, privkey_pem=KEY, README=b"hello")
    put(tmp_path, shop_CRT=PEM, _hidden_pem=PEM)
    with looking(f"['{tmp_path}/*/fullchain.pem']") as target:
        assert len([name for name in target.page() if name.startswith("x509_cert_error")]) == 2
        assert target.outcomes()["certificates"] == "ok"
    with looking(f"['{tmp_path}/t*', {tmp_path}]") as target:
        page = target.page()
        files = {name.split('"')[1] for name in page if name.startswith("x509_cert_error")}
        assert files == {"fullchain.pem", "shop.CRT", ".hidden.pem"}
        assert "two/privkey.pem holds no certificate, but a key or the like" in target.outcomes()["certificates"]
        assert page["x509_read_errors"] == "0"
    page, _ = seen(tmp_path / "one", "endings: [.txt]")
    assert page["x509_read_errors"] == "1"


def test_one_file_by_two_ways_is_looked_at_once(tmp_path: Path) -> None:
    put(tmp_path, a_pem=PEM)
    with looking(f"['{tmp_path}/*.pem', {tmp_path}, {tmp_path}/a.pem]") as target:
        assert len(ends(target.page())) == 1


@pytest.mark.long
def test_a_thousand_files(tmp_path: Path) -> None:
    for number in range(1100):
        (tmp_path / f"{number:04}.pem").write_bytes(PEM)
    with looking(f"[{tmp_path}]", "timeout: 10s") as target:
        page = target.page()
        assert len([name for name in page if name.startswith("x509_cert_error")]) == 1000
        assert "100 more files are left out; raise `max_files`" in target.outcomes()["certificates"]
        begun = time.monotonic()
        target.read()
        assert time.monotonic() - begun < 1


# ---- what does not fit together


def test_keys(tmp_path: Path) -> None:
    other = AUTHORITY.issue_cert("other.example.com").private_key_pem.bytes()
    put(tmp_path, good_pem=PEM, good_key=KEY, bad_pem=PEM, bad_key=other, both_pem=PEM + other, fine_pem=KEY + PEM)
    _, said = seen(tmp_path)
    wrong = "has a private key that does not belong to the certificate"
    assert said == f"ok {tmp_path}/bad.pem {wrong}; {tmp_path}/both.pem {wrong}"
    put(tmp_path, bad_key=KEY)
    (tmp_path / "both.pem").unlink()
    assert seen(tmp_path)[1] == "ok"


def test_a_key_that_is_changed_is_seen(tmp_path: Path) -> None:
    put(tmp_path, fullchain_pem=PEM, privkey_pem=KEY)
    with looking(f"[{tmp_path}/fullchain.pem]") as target:
        assert target.outcomes()["certificates"] == "ok"
        put(tmp_path, privkey_pem=AUTHORITY.issue_cert("x.example").private_key_pem.bytes())
        assert "does not belong" in target.outcomes()["certificates"]
        put(tmp_path, privkey_pem=b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")
        assert target.outcomes()["certificates"] == "ok"  # it cannot be told


def test_chains(tmp_path: Path) -> None:
    middle = AUTHORITY.create_child_ca()
    leaf = middle.issue_cert("deep.example.com")
    own, between = (pem.bytes() for pem in leaf.cert_chain_pems[:2])
    strange = trustme.CA().cert_pem.bytes()
    put(
        tmp_path, good_pem=own + between, whole_pem=own + between + CA_PEM, first_pem=between + own,
        mixed_pem=own + CA_PEM + between, strange_pem=own + strange, trust_pem=CA_PEM + strange,
    )  # fmt: skip
    _, said = seen(tmp_path)
    assert said == (
        f"ok {tmp_path}/first.pem does not begin with the server's own certificate; "
        f"{tmp_path}/mixed.pem has its chain in the wrong order; "
        f"{tmp_path}/strange.pem has a chain that does not belong to its first certificate"
    )


# ---- files that change


def test_a_renewal(tmp_path: Path) -> None:
    old, new = made(1).public_bytes(Encoding.PEM), made(90).public_bytes(Encoding.PEM)
    put(tmp_path, a_pem=old)
    with looking(f"[{tmp_path}/a.pem]") as target:
        first = ends(target.page())
        put(tmp_path, a_pem=new[:100])
        page = target.page()
        assert page["x509_read_errors"] == "1"
        assert ends(page) == first  # nothing could be read, and when it ends stays true
        assert not [name for name in page if name.startswith("x509_cert_expired")]
        put(tmp_path, a_pem=new)
        page = target.page()
        assert page["x509_read_errors"] == "0"
        assert float(ends(page)["a.pem made"]) > time.time() + 80 * 86400
        (tmp_path / "a.pem").unlink()
        assert target.page()["x509_read_errors"] == "1"


def test_a_file_that_has_not_changed_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []

    def counted(path: str, most: int) -> tuple[bytes, float]:
        loaded.append(path)
        return load(path, most)

    monkeypatch.setattr(files, "load", counted)
    put(tmp_path, a_pem=PEM, b_pem=b"hello")
    with looking(f"[{tmp_path}]") as target:
        for _ in range(3):
            target.read()
        assert len(loaded) == 2
        put(tmp_path, a_pem=CA_PEM)
        target.read()
    assert loaded[2:] == [str(tmp_path / "a.pem")]
    assert certificate(LOADED.public_bytes(Encoding.DER)) is certificate(LOADED.public_bytes(Encoding.DER))


def test_a_file_system_that_hangs(tmp_path: Path) -> None:
    need_fuse()
    put(tmp_path, a_pem=PEM)
    with mounted(tmp_path / "mount") as hanging:
        settings = "path_timeout: 300ms\ntimeout: 5s"
        with looking(f"[{tmp_path}/mount/b.pem, {tmp_path}/mount, {tmp_path}/a.pem]", settings) as target:
            target.read()
            hanging.hang()
            before = threading.active_count()
            for _ in range(5):
                begun = time.monotonic()
                page = target.page()
                assert time.monotonic() - begun < 2
                assert len(ends(page)) == 1
                assert "no answer from" in target.outcomes()["certificates"]
            assert threading.active_count() <= before + 3  # one for each that hangs
            hanging.answer()
            until(lambda: "no answer from" not in target.outcomes()["certificates"])


@pytest.mark.long
@pytest.mark.parametrize("state", ["good", "failing"])
def test_500_rounds_leave_nothing(state: str, tmp_path: Path) -> None:
    put(tmp_path, a_pem=PEM + CA_PEM, a_key=KEY, b_p12=stores()["shop.p12"], c_pem=b"hello")
    paths = f"[{tmp_path}]" if state == "good" else f"[{tmp_path}/c.pem, {tmp_path}/gone.pem]"
    with looking(paths, f"password: {PASSWORD}") as target:
        leaves_nothing(target, 500)


def test_without_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with looking(f"[{put(tmp_path, a_pem=PEM)}]") as target:
        snapshot = target.read()
    assert (snapshot.up, snapshot.reason) == (False, "certificates need the library cryptography")
    assert snapshot.fix == "install it with: pip install 'runbook-exporter[tls]'"


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ("paths: []", "paths: is empty"),
        ("paths: ['/etc/**/x.pem']", "paths: has `**`"),
        ("paths: [/x]\nmax_bytes: 0", "max_bytes: is out of range"),
        ("paths: [/x]\nmax_files: 0", "max_files: is out of range"),
        ("paths: [/x]\npath_timeout: 0s", "path_timeout: leaves no time"),
    ],
)
def test_settings_that_are_refused(settings: str, problem: str) -> None:
    text = "".join(f"    {line}\n" for line in f"collector: tls\n{settings}".splitlines())
    with pytest.raises(ConfigError) as caught:
        read(f"targets:\n  it:\n{text}".encode(), "config.yml", INSTALLED, {})
    assert problem in str(caught.value)


def test_a_relative_path_starts_at_the_configuration(tmp_path: Path) -> None:
    text = b"targets:\n  it:\n    collector: tls\n    paths: [tls/a.pem, /etc/x]\n"
    bound = read(text, str(tmp_path / "config.yml"), INSTALLED, {})
    assert bound.targets[0].settings.paths == (str(tmp_path / "tls/a.pem"), "/etc/x")
