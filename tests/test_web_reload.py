"""What changes in the web configuration and its files while the exporter runs."""

import hashlib
import signal
import ssl
from pathlib import Path

import pytest
import requests

from tests.process import Exporter, running
from tests.support import until
from tests.test_service import value
from tests.test_web_tls import ALIVE, is_refused
from tests.test_web_users import basic, get
from tests.web import (
    MUTUAL,
    PASSWORD,
    TLS,
    ask,
    authority,
    client_pair,
    context,
    secured,
    tls_connection,
    users,
    write_pair,
)

QUICK = {"PLUG": "exporter.gate:_LOOK_SECONDS=0.05"}
KEPT = ALIVE.replace(b"Connection: close\r\n", b"")
SUCCESSFUL = "runbook_exporter_web_config_last_reload_successful"


def shown(folder: Path, exporter: Exporter) -> str:
    """Return the certificate that new connections get, whoever signed it."""
    client = context(folder)
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    with tls_connection(exporter, client) as connection:
        return hashlib.sha256(connection.getpeercert(binary_form=True) or b"").hexdigest()


def write_authority(folder: Path, name: str) -> None:
    authority(name).cert_pem.write_to_path(folder / "clients.pem")


def successful(folder: Path, exporter: Exporter) -> float:
    page = ask(folder, exporter, "/probe?target=exporter").text
    return next(float(line.rpartition(" ")[2]) for line in page.splitlines() if line.startswith(f"{SUCCESSFUL} "))


def test_a_new_certificate_is_taken_and_open_connections_stay(tmp_path: Path) -> None:
    with secured(tmp_path, TLS, environ=QUICK) as exporter, tls_connection(exporter, context(tmp_path)) as kept:
        old = shown(tmp_path, exporter)
        write_pair(tmp_path)
        until(lambda: shown(tmp_path, exporter) != old)
        assert ask(tmp_path, exporter).ok
        kept.sendall(KEPT)
        assert kept.recv(1000).startswith(b"HTTP/1.1 200 OK")
        assert exporter.output().count("the web configuration in force is TLS 1.2 and 1.3, no users") >= 1
        assert successful(tmp_path, exporter) == 1


def test_a_certificate_whose_key_is_still_to_come_is_not_taken(tmp_path: Path) -> None:
    with secured(tmp_path, TLS, environ=QUICK) as exporter:
        old = shown(tmp_path, exporter)
        write_pair(tmp_path, stem="new")
        (tmp_path / "new.crt").rename(tmp_path / "server.crt")
        until(lambda: "key_file: is not the key of the certificate" in exporter.output())
        assert shown(tmp_path, exporter) == old
        assert successful(tmp_path, exporter) == 0
        (tmp_path / "new.key").rename(tmp_path / "server.key")
        until(lambda: shown(tmp_path, exporter) != old)
        until(lambda: successful(tmp_path, exporter) == 1)


@pytest.mark.parametrize("broken", ["", "tls_server_config: [", "tls_server_config: {cert_file: gone.crt, key_file: x}",
                                    "basic_auth_users: {alice: wonderland}", "rate_limit: {interval: 1s}"])  # fmt: skip
def test_a_broken_file_keeps_the_last_good_one_and_says_so_once(tmp_path: Path, broken: str) -> None:
    web = tmp_path / "web.yml"
    with secured(tmp_path, TLS, environ=QUICK) as exporter:
        web.write_text(broken, encoding="utf-8")
        until(lambda: "the new web configuration is refused: " in exporter.output())
        assert successful(tmp_path, exporter) == 0
        web.touch()  # looked at again, and found as wrong as before
        looked = exporter.descriptors()
        until(lambda: exporter.descriptors() >= looked and successful(tmp_path, exporter) == 0)
        web.write_text(TLS + users(alice=PASSWORD), encoding="utf-8")
        until(lambda: ask(tmp_path, exporter).status_code == 401)
        refusals = [line for line in exporter.output().splitlines() if "refused" in line]
        assert len(refusals) == len({line.partition("refused")[2] for line in refusals}) <= 2
        assert "wonderland" not in exporter.output()


def test_a_file_that_goes_keeps_what_was_in_force(tmp_path: Path) -> None:
    web = tmp_path / "web.yml"
    with secured(tmp_path, users(alice=PASSWORD), environ=QUICK) as exporter:
        web.rename(tmp_path / "away")
        until(lambda: "web.yml: cannot be read (No such file or directory)" in exporter.output())
        assert get(exporter).status_code == 401
        assert get(exporter, **basic("alice", PASSWORD)).ok
        (tmp_path / "away").rename(web)
        until(lambda: "the web configuration in force is no TLS, 1 user" in exporter.output())


def test_users_come_and_go(tmp_path: Path) -> None:
    web = tmp_path / "web.yml"
    with secured(tmp_path, users(alice=PASSWORD), environ=QUICK) as exporter:
        assert get(exporter, **basic("alice", PASSWORD)).ok
        web.write_text(users(bob=PASSWORD), encoding="utf-8")
        until(lambda: not get(exporter, **basic("alice", PASSWORD)).ok)
        assert get(exporter, **basic("bob", PASSWORD)).ok
        web.write_text(users(bob="another"), encoding="utf-8")
        until(lambda: not get(exporter, **basic("bob", PASSWORD)).ok)
        assert get(exporter, **basic("bob", "another")).ok
        web.write_text("basic_auth_users: {}", encoding="utf-8")
        until(lambda: get(exporter).ok)


def test_the_authority_of_clients_is_read_anew(tmp_path: Path) -> None:
    write_authority(tmp_path, "ours")
    with secured(tmp_path, MUTUAL.replace("ours.pem", "clients.pem"), environ=QUICK) as exporter:
        assert ask(tmp_path, exporter, cert=client_pair(tmp_path)).ok
        write_pair(tmp_path, "prometheus.example", by="theirs", stem="new")
        write_authority(tmp_path, "theirs")
        until(lambda: not is_refused(tmp_path, exporter, client_pair(tmp_path, "new")))
        assert is_refused(tmp_path, exporter, client_pair(tmp_path))


def test_tls_begins_with_new_connections(tmp_path: Path) -> None:
    with secured(tmp_path, "rate_limit: {interval: 0}", environ=QUICK) as exporter:
        assert get(exporter).ok
        (tmp_path / "web.yml").write_text(TLS, encoding="utf-8")
        until(lambda: "in force is TLS" in exporter.output())
        assert ask(tmp_path, exporter).ok
        with pytest.raises(requests.ConnectionError):
            get(exporter)


def test_sighup_takes_over_at_once_and_refuses_as_a_whole(tmp_path: Path) -> None:
    never = {"PLUG": "exporter.gate:_LOOK_SECONDS=3600"}
    with secured(tmp_path, "rate_limit: {interval: 0}", environ=never) as exporter:
        (tmp_path / "web.yml").write_text(users(alice=PASSWORD), encoding="utf-8")
        exporter.send(signal.SIGHUP)
        until(lambda: get(exporter).status_code == 401)
        (tmp_path / "web.yml").write_text("nonsense: 1", encoding="utf-8")
        exporter.reconfigure("targets: {beta: {collector: fake}}")
        exporter.send(signal.SIGHUP)
        until(lambda: "web.yml:1: nonsense: unknown key" in exporter.output())
        assert get(exporter).status_code == 401
        assert get(exporter, "/probe?target=beta", **basic("alice", PASSWORD)).status_code == 404


def test_the_configuration_may_name_another_file(tmp_path: Path) -> None:
    (tmp_path / "web.yml").write_text(users(alice=PASSWORD), encoding="utf-8")
    with running(tmp_path, "web: {config_file: web.yml}") as exporter:
        assert get(exporter).status_code == 401
        exporter.reconfigure("web: {}")
        exporter.send(signal.SIGHUP)
        until(lambda: get(exporter).ok)
        page = get(exporter, "/probe?target=exporter").text
        assert f"\n{SUCCESSFUL} " not in page


def test_without_a_web_configuration_nothing_is_said_of_one(tmp_path: Path) -> None:
    with running(tmp_path) as exporter:
        assert "web_config" not in get(exporter, "/probe?target=exporter").text
        assert value(exporter, "runbook_exporter_config_last_reload_successful") == 1
