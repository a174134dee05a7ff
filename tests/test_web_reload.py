"""What changes in the web configuration and its files while the exporter runs."""

import errno
import hashlib
import os
import signal
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from exporter.gate import Gate
from exporter.selfmetrics import Telemetry
from exporter.state import State
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
NEVER = {"PLUG": "exporter.gate:_LOOK_SECONDS=3600"}
SUCCESSFUL = "runbook_exporter_web_config_last_reload_successful"
RELOADED = "runbook_exporter_config_last_reload_successful"


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


def test_sighup_takes_over_at_once_and_the_rest_of_what_is_refused(tmp_path: Path) -> None:
    with secured(tmp_path, "rate_limit: {interval: 0}", environ=NEVER) as exporter:
        (tmp_path / "web.yml").write_text(users(alice=PASSWORD), encoding="utf-8")
        exporter.send(signal.SIGHUP)
        until(lambda: get(exporter).status_code == 401)
        (tmp_path / "web.yml").write_text("nonsense: 1", encoding="utf-8")
        exporter.reconfigure("targets: {beta: {collector: fake}}")
        exporter.send(signal.SIGHUP)
        until(lambda: get(exporter, "/probe?target=beta", **basic("alice", PASSWORD)).ok)
        assert exporter.output().count("the new web configuration is refused: ") == 1
        assert "web.yml:1: nonsense: unknown key" in exporter.output()
        assert get(exporter).status_code == 401
        page = get(exporter, "/probe?target=exporter", **basic("alice", PASSWORD)).text
        assert f"\n{SUCCESSFUL} 0\n" in page
        assert f"\n{RELOADED} 1\n" in page


def test_a_reload_with_a_broken_certificate_is_good_again_with_the_certificate(tmp_path: Path) -> None:
    with secured(tmp_path, TLS, "--web.enable-lifecycle", environ=QUICK) as exporter:
        good = (tmp_path / "server.crt").read_bytes()
        (tmp_path / "server.crt").write_text("junk")
        answer = ask(tmp_path, exporter, "/-/reload", "POST")
        assert answer.status_code == 500
        assert answer.text.startswith("the configuration was taken over, but not the web configuration that it names")
        assert "cert_file: holds no certificate" in answer.text
        assert successful(tmp_path, exporter) == 0
        assert f"\n{RELOADED} 1\n" in ask(tmp_path, exporter, "/probe?target=exporter").text
        (tmp_path / "server.crt").write_bytes(good)
        until(lambda: successful(tmp_path, exporter) == 1)
        assert f"\n{RELOADED} 1\n" in ask(tmp_path, exporter, "/probe?target=exporter").text


def test_another_web_configuration_that_is_broken_is_refused_with_the_whole(tmp_path: Path) -> None:
    (tmp_path / "good.yml").write_text(users(alice=PASSWORD), encoding="utf-8")
    (tmp_path / "bad.yml").write_text("nonsense: 1", encoding="utf-8")
    known = basic("alice", PASSWORD)
    with running(tmp_path, "web: {config_file: good.yml}", environ=QUICK) as exporter:
        exporter.reconfigure("{web: {config_file: bad.yml}, targets: {beta: {collector: fake}}}")
        answer = requests.post(f"http://{exporter.address}/-/reload", headers=known, timeout=10)
        assert answer.status_code == 500
        assert answer.text.startswith("the configuration was refused, the one before stays in force:\n")
        assert get(exporter).status_code == 401
        assert get(exporter, "/probe?target=beta", **known).status_code == 404
        assert f"\n{RELOADED} 0\n" in get(exporter, "/probe?target=exporter", **known).text
        until(lambda: f"\n{SUCCESSFUL} 1\n" in get(exporter, "/probe?target=exporter", **known).text)


def test_used_up_requests_stay_used_up_when_something_else_changes(tmp_path: Path) -> None:
    limit = "rate_limit: {interval: 1h, burst: 2}\n"
    with secured(tmp_path, limit, environ=QUICK) as exporter:
        assert [get(exporter).status_code for _ in range(3)] == [200, 200, 429]
        (tmp_path / "web.yml").write_text(limit + "http_server_config: {headers: {X-Frame-Options: deny}}")
        until(lambda: get(exporter).headers.get("X-Frame-Options") == "deny")
        assert get(exporter).status_code == 429


def test_looking_goes_on_whatever_a_look_meets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    write_pair(tmp_path)
    (tmp_path / "web.yml").write_text(TLS, encoding="utf-8")
    state = State(tmp_path / "state")
    telemetry = Telemetry(state)
    gate = Gate(telemetry)
    gate.use(str(tmp_path / "web.yml"))
    old = gate.context
    write_pair(tmp_path)
    with monkeypatch.context() as full:
        full.setattr(os, "memfd_create", _raising(OSError(errno.EMFILE, "Too many open files")))
        gate.look()
        gate.look()
    with monkeypatch.context() as odd:
        odd.setattr(ssl, "SSLContext", _raising(RuntimeError("what nobody thought of")))
        gate.look()
        gate.look()
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2
    assert "cert_file: cannot be handed to OpenSSL (Too many open files)" in told[0]
    assert told[1] == "the new web configuration cannot be taken over"
    assert (telemetry.web_config_successful, gate.context) == (False, old)
    gate.look()
    assert telemetry.web_config_successful is True
    assert gate.context is not old
    gate.close()
    state.close()


def _raising(error: Exception) -> Callable[..., None]:
    def call(*_: object) -> None:
        raise error

    return call


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
