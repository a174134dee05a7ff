"""Logging in to MongoDB, and TLS. The server of the tests is itself held to what MongoDB's own client expects."""

import socket
import ssl
import subprocess
import threading
from pathlib import Path
from typing import Any

import dns.message
import dns.rdatatype
import dns.resolver
import dns.rrset
import pymongo
import pytest
import trustme
from bson import Int64

from exporter.collectors.mongodb.address import read_address
from tests.mongodserver import Deployment, replies, served
from tests.onetarget import one
from tests.support import until

PASSWORD = "swordfish-8"


def deployment(password: str = PASSWORD, user: str = "monitor", **more: Any) -> Deployment:
    return Deployment(replies("7.0"), users={user: password}, **more)


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-1"])
def test_the_server_of_the_tests_is_one_to_mongodbs_own_client(mechanism: str) -> None:
    databases = {"shop": {f"orders_{number}": "collection" for number in range(250)}}
    with served(deployment(databases=databases, mechanisms=(mechanism,))) as server:
        client: pymongo.MongoClient[Any] = pymongo.MongoClient(
            server.url("monitor", PASSWORD), directConnection=True, serverSelectionTimeoutMS=5000
        )
        with client:
            assert client.admin.command("serverStatus")["connections"]["current"] == 42
            stats = client.shop.orders_1.aggregate([{"$collStats": {"storageStats": {}}}]).next()
            assert stats["storageStats"]["count"] == Int64(1000)
            names = client.shop.command("listCollections", nameOnly=True, authorizedCollections=True)
            assert len(names["cursor"]["firstBatch"]) == 101
        wrong: pymongo.MongoClient[Any] = pymongo.MongoClient(
            server.url("monitor", "swordfish-9"), directConnection=True, serverSelectionTimeoutMS=5000
        )
        with wrong, pytest.raises(pymongo.errors.OperationFailure, match="Authentication failed"):
            wrong.admin.command("serverStatus")


@pytest.mark.parametrize("mechanisms", [("SCRAM-SHA-1",), ("SCRAM-SHA-256",), ("SCRAM-SHA-1", "SCRAM-SHA-256")])
def test_a_password_that_is_right(mechanisms: tuple[str, ...]) -> None:
    known = deployment(mechanisms=mechanisms)
    with served(known) as server, one("mongodb", f"url: {server.url('monitor', PASSWORD)}") as target:
        assert target.read().up
        (start,) = [command for name, command in known.asked if name == "saslStart"]
        assert start["mechanism"] == mechanisms[-1]
        assert start["$db"] == "admin"


def test_the_database_of_the_user_and_the_way_to_log_in_can_be_said() -> None:
    options = "?authSource=people&authMechanism=SCRAM-SHA-1"
    known = deployment()
    with served(known) as server, one("mongodb", f"url: '{server.url('monitor', PASSWORD, options)}'") as target:
        assert target.read().up
        (start,) = [command for name, command in known.asked if name == "saslStart"]
        assert (start["mechanism"], start["$db"]) == ("SCRAM-SHA-1", "people")


@pytest.mark.parametrize(("user", "password"), [("monitor", "swordfish-9"), ("nobody", PASSWORD)])
def test_a_login_that_is_wrong_is_shown_nowhere(user: str, password: str) -> None:
    with served(deployment()) as server, one("mongodb", f"url: {server.url(user, password)}") as target:
        snapshot = target.read()
        assert snapshot.up is False
        assert snapshot.reason == "the login: Authentication failed."
        assert "authSource" in snapshot.fix
        assert password not in repr(snapshot) + target.text()


def test_odd_characters_in_user_and_password() -> None:
    known = deployment(password="p\u00e4ss/w@rd:8", user="we,ird=user")
    with served(known) as server:
        url = server.url("we%2Cird%3Duser", "p%C3%A4ss%2Fw%40rd%3A8")
        with one("mongodb", f"url: '{url}'") as target:
            assert target.read().up, target.read().reason


def test_a_server_that_does_not_know_the_password_itself() -> None:
    with (
        served(deployment(honest=False)) as server,
        one("mongodb", f"url: {server.url('monitor', PASSWORD)}") as target,
    ):
        snapshot = target.read()
        assert snapshot.reason == "the login: Server returned an invalid signature."
        assert snapshot.up is False


def test_a_server_that_asks_for_too_little_work() -> None:
    with served(deployment(rounds=1000)) as server, one("mongodb", f"url: {server.url('monitor', PASSWORD)}") as target:
        assert "the login: Server returned an invalid iteration count" in target.read().reason


def certificates(tmp_path: Path) -> ssl.SSLContext:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    authority.issue_cert("monitor").private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "client.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def test_tls_with_certificates_of_both_sides(tmp_path: Path) -> None:
    context = certificates(tmp_path)
    files = f"tlsCAFile={tmp_path}/ca.pem&tlsCertificateKeyFile={tmp_path}/client.pem"
    with served(deployment(), context=context) as server:
        url = server.url("monitor", PASSWORD, f"?tls=true&{files}")
        with one("mongodb", f"url: '{url}'") as target:
            assert target.read().up, target.read().reason
            assert {said for said in target.outcomes().values() if said != "ok"} == set()
        with one("mongodb", f"url: '{server.url('monitor', PASSWORD, '?tls=true')}'") as target:
            assert "is not trusted" in target.read().reason
            assert "tlsCAFile" in target.read().fix
        with one("mongodb", f"url: {server.url('monitor', PASSWORD)}\ntimeout: 2s") as target:
            snapshot = target.read()
            assert snapshot.up is False
            assert "tls=true" in snapshot.fix


def test_an_authority_that_is_renewed_counts_for_the_next_connection(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    new.mkdir()
    certificates(old)
    context = certificates(new)
    context.verify_mode = ssl.CERT_NONE
    with served(deployment(), context=context) as server:
        url = server.url("monitor", PASSWORD, f"?tls=true&tlsCAFile={old}/ca.pem")
        with one("mongodb", f"url: '{url}'") as target:
            assert "is not trusted" in target.read().reason
            (new / "ca.pem").replace(old / "ca.pem")
            until(lambda: target.read().up)


def test_a_certificate_as_the_login(tmp_path: Path) -> None:
    context = certificates(tmp_path)
    files = f"tlsCAFile={tmp_path}/ca.pem&tlsCertificateKeyFile={tmp_path}/client.pem"
    known = deployment(user="CN=monitor", password="", mechanisms=("MONGODB-X509",))
    with served(known, context=context) as server:
        url = f"mongodb://CN%3Dmonitor@127.0.0.1:{server.port}/?tls=true&authMechanism=MONGODB-X509&{files}"
        with one("mongodb", f"url: '{url}'") as target:
            assert target.read().up, target.read().reason


def test_a_key_with_a_passphrase_asks_nobody(tmp_path: Path) -> None:
    certificates(tmp_path)
    key = ["openssl", "pkey", "-aes256", "-passout", f"pass:{PASSWORD}", "-in", "client.pem"]
    locked = subprocess.run(key, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    certificate = (tmp_path / "client.pem").read_text().partition("-----BEGIN CERTIFICATE-----")
    (tmp_path / "locked.pem").write_text(locked + certificate[1] + certificate[2])
    url = f"mongodb://127.0.0.1/?tls=true&tlsCertificateKeyFile={tmp_path}/locked.pem"
    with one("mongodb", f"url: '{url}'") as target:
        assert target.read().reason == "the files for TLS cannot be used"
        assert "without a passphrase" in target.read().fix


def test_a_directory_as_the_login() -> None:
    options = "?authMechanism=PLAIN&authSource=%24external"
    known = deployment(mechanisms=("PLAIN",))
    with served(known) as server:
        with one("mongodb", f"url: '{server.url('monitor', PASSWORD, options)}'") as target:
            assert target.read().up, target.read().reason
        with one("mongodb", f"url: '{server.url('monitor', 'swordfish-9', options)}'") as target:
            assert "Authentication failed" in target.read().reason


def test_tls_where_the_server_speaks_plain_text() -> None:
    with served(deployment()) as server, one("mongodb", f"url: '{server.url(options='?tls=true')}'\ntimeout: 2s") as it:
        snapshot = it.read()
        assert snapshot.up is False


def test_a_name_of_servers_that_dns_does_not_have() -> None:
    with one("mongodb", "url: mongodb+srv://nowhere.invalid/\ntimeout: 3s") as target:
        snapshot = target.read()
        assert snapshot.up is False
        assert "DNS" in snapshot.reason


def test_a_name_of_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.bind(("127.0.0.1", 0))
        threading.Thread(target=_answer_names, args=(line,), daemon=True).start()
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers, resolver.port = ["127.0.0.1"], line.getsockname()[1]
        monkeypatch.setattr(dns.resolver, "default_resolver", resolver)
        address = read_address(f"mongodb+srv://monitor:{PASSWORD}@store.shop.example/", 5)
        assert sorted(address.hosts) == [("one.shop.example", 27018), ("two.shop.example", 27018)]
        assert address.source == "people"
        assert address.pool._ssl_context is not None


def _answer_names(line: socket.socket) -> None:
    """Be the name server for two questions."""
    for _ in range(2):
        data, asker = line.recvfrom(4096)
        reply = dns.message.make_response(dns.message.from_wire(data))
        name, kind = reply.question[0].name, reply.question[0].rdtype
        texts = ["0 0 27018 one.shop.example.", "0 0 27018 two.shop.example."]
        if kind == dns.rdatatype.TXT:
            texts = ['"authSource=people&replicaSet=rs0"']
        reply.answer.append(dns.rrset.from_text(name, 60, "IN", dns.rdatatype.to_text(kind), *texts))
        line.sendto(reply.to_wire(), asker)
