"""The MongoDB collector against servers that are gone, hang, come back, refuse, or are none."""

import os
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import Any

import bson
import psutil
import pytest

from exporter import config
from exporter.config import ConfigError
from tests.answering import answering, greeting
from tests.mongodserver import Deployment, Served, message, process, replies, served
from tests.onetarget import One, one
from tests.process import free_port
from tests.soak import leaves_nothing
from tests.support import until

GRANT = '[{role: "clusterMonitor", db: "admin"}, {role: "read", db: "local"}]'
PASSWORD = "swordfish-8"


def looking(server: Served, *more: str) -> AbstractContextManager[One]:
    return one("mongodb", "\n".join([f"url: {server.url()}", *more]))


def at(port: int, *more: str) -> AbstractContextManager[One]:
    return one("mongodb", "\n".join([f"url: mongodb://127.0.0.1:{port}/", *more]))


def is_down(target: One) -> bool:
    page = target.page()
    assert page['runbook_target_up{collector="mongodb"}'] == "0"
    shown = {series: value for series, value in page.items() if series.startswith("mongodb_")}
    return list(shown.values()) == ["0"] and next(iter(shown)).startswith("mongodb_up{")


def failed(target: One) -> dict[str, str]:
    return {name: said for name, said in target.outcomes().items() if said.startswith("failed")}


def test_many_clients_cost_one_connection() -> None:
    deployment = Deployment(replies("7.0"))
    with served(deployment) as server:
        with looking(server) as target:
            threads = [threading.Thread(target=target.read) for _ in range(50)]
            before = threading.active_count()
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert (deployment.accepted, deployment.most_connections) == (1, 1)
            assert (
                threading.active_count() <= before + 3
            )  # the target's own, its watchdog, and the server's for the connection
        until(lambda: deployment.connections == 0)


def test_where_nobody_listens() -> None:
    with at(free_port()) as target:
        assert is_down(target)
        snapshot = target.read()
        assert "cannot be reached (Connection refused)" in snapshot.reason
        assert "net.bindIp" in snapshot.fix


def test_a_name_that_nobody_knows() -> None:
    with one("mongodb", "url: mongodb://nowhere.invalid/\ntimeout: 3s") as target:
        assert is_down(target)
        assert "nowhere.invalid" in target.read().reason


def test_a_name_that_is_none() -> None:
    with one("mongodb", f"url: mongodb://{'long' * 20}.example/") as target:
        assert is_down(target)
        assert "is not known" in target.read().reason


def test_a_server_that_is_killed_and_started_again_as_another_version() -> None:
    port = free_port()
    with served(Deployment(replies("6.0")), port) as server, looking(server) as target:
        assert target.read().up
        server.drop()
        assert target.read().up, "a connection that the server ended costs no round"
    with at(port) as target:
        with served(Deployment(replies("6.0")), port):
            assert 'mongodb_version_info{mongodb="6.0.19",edition="Community",vendor="MongoDB"}' in target.page()
        assert is_down(target)
        assert 'mongodb_up{cluster_role="mongod"}' in target.page()
        with served(Deployment(replies("8.0")), port):
            until(lambda: target.read().up)
            versions = [series for series in target.page() if series.startswith("mongodb_version_info")]
            assert versions == ['mongodb_version_info{mongodb="8.0.4",edition="Community",vendor="MongoDB"}']


def test_no_read_is_well_in_a_round_that_lost_its_connection() -> None:
    deployment = Deployment(replies("7.0"))
    with served(deployment) as server, looking(server) as target:
        deployment.before = lambda name, command: server.drop() if name == "replSetGetStatus" else None
        outcomes = target.outcomes()
        # what was answered before needs nothing more
        assert {name for name, said in outcomes.items() if not said.startswith("failed")} == {"version", "latencies"}


DENIED = {
    "serverStatus": {"uptime", "connections", "network", "operations", "asserts", "documents", "latencies", "memory",
                     "waiting", "replication"},
    "buildInfo": {"version"},
    "replSetGetStatus": {"replication", "members"},
    "listDatabases": {"databases", "collections", "indexes"},
    "dbStats": {"databases"},
    "listCollections": {"collections", "indexes"},
    "$collStats": {"oplog_size", "collections"},
    "$indexStats": {"indexes"},
    "find": {"oplog_reach"},
    "getCmdLineOpts": set(),
    "replSetGetConfig": set(),
}  # fmt: skip


@pytest.mark.parametrize("command", DENIED)
def test_what_the_user_may_not_ask_for_fails_alone_with_the_role(command: str) -> None:
    deployment = Deployment(replies("7.0"), users={"monitor": PASSWORD}, denied={command})
    with served(deployment) as server, one("mongodb", f"url: {server.url('monitor', PASSWORD)}") as target:
        found = failed(target)
        assert set(found) == DENIED[command]
        for said in found.values():
            assert "the user may not ask for" in said
            assert f'db.getSiblingDB("admin").grantRolesToUser("monitor", {GRANT})' in said


def test_a_server_that_asks_for_a_login() -> None:
    deployment = Deployment(replies("7.0"), users={"monitor": PASSWORD})
    with served(deployment) as server, looking(server) as target:
        assert "give user and password in `url`" in failed(target)["uptime"]


def test_a_server_that_hangs_as_a_process_does_when_stopped() -> None:
    with process("7.0") as (running, port), at(port, "timeout: 1s", "max_age: 500ms") as target:
        assert target.read().up
        before = threading.active_count()
        os.kill(running.pid, signal.SIGSTOP)
        until(lambda: psutil.Process(running.pid).status() == psutil.STATUS_STOPPED)
        for _ in range(3):
            began = time.monotonic()
            snapshot = target.read()
            assert time.monotonic() - began < 1.5
            assert snapshot.up is False
        assert "does not answer in time" in snapshot.reason
        until(lambda: threading.active_count() <= before + 1)
        os.kill(running.pid, signal.SIGCONT)
        until(lambda: target.read().up, 20)
        assert failed(target) == {}


def waiting(stop: threading.Event, command: str) -> Callable[[str, dict[str, Any]], None]:
    """Return what makes the server hang as soon as it is asked for this."""

    def wait(name: str, said: dict[str, Any]) -> None:
        if name == command:
            stop.wait(20)

    return wait


@pytest.mark.parametrize("command", ["ismaster", "hello", "saslStart", "serverStatus", "aggregate", "dbStats"])
def test_a_server_that_hangs_in_the_midst(command: str) -> None:
    stop = threading.Event()
    deployment = Deployment(replies("7.0"), users={"monitor": PASSWORD})
    deployment.before = waiting(stop, command)
    with served(deployment) as server:
        try:
            with one("mongodb", f"url: {server.url('monitor', PASSWORD)}\ntimeout: 1s") as target:
                began = time.monotonic()
                snapshot = target.read()
                assert time.monotonic() - began < 1.5
                assert snapshot.up is (command not in ("ismaster", "hello", "saslStart"))
                late = {outcome.reason for outcome in snapshot.outcomes if outcome.status == "failed"}
                assert late
                assert all("in time" in why or "lost" in why or "given up" in why or why == "timeout" for why in late)
        finally:
            stop.set()


def test_who_waits_is_let_go_by_another_thread() -> None:
    stop = threading.Event()
    deployment = Deployment(replies("7.0"))
    deployment.before = waiting(stop, "serverStatus")
    with served(deployment) as server, looking(server, "timeout: 15s") as target:
        round = target.target.run_now()
        until(lambda: "serverStatus" in deployment.names())
        began = time.monotonic()
        target.target.collector.interrupt()
        until(round.done.done)
        assert time.monotonic() - began < 3
        stop.set()
        until(lambda: target.read().up)


def test_a_slow_server_is_read_as_far_as_the_time_goes() -> None:
    deployment = Deployment(replies("7.0"))
    deployment.before = lambda name, said: time.sleep(0.05)
    with served(deployment) as server, looking(server, "timeout: 800ms") as target:
        snapshot = target.read()
        well = {outcome.read for outcome in snapshot.outcomes if outcome.status == "ok"}
        assert {"version", "uptime", "connections"} <= well
        assert "indexes" not in well


def nested(levels: int) -> bytes:
    """Return a document so many levels deep."""
    document = b"\x05\x00\x00\x00\x00"
    for _ in range(levels):
        document = struct.pack("<i", len(document) + 8) + b"\x03a\x00" + document + b"\x00"
    return document


def header(length: int) -> Callable[[int], bytes]:
    return lambda asked: struct.pack("<iiii", length, 1, asked, 2013)


def reply(document: bytes, code: int = 2013, more: int = 0) -> Callable[[int], bytes]:
    return lambda asked: message(document, asked + more, code)


def as_document(**answer: Any) -> Callable[[int], bytes]:
    return reply(bson.encode(answer))


def verbatim(said: bytes) -> Callable[[int], bytes]:
    return lambda asked: said


NONE = "is not MongoDB's protocol, or damaged"
MALFORMED: list[tuple[Callable[[int], bytes], str]] = [
    (verbatim(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"), NONE),
    (verbatim(b"220 mail.example ESMTP\r\n"), NONE),
    (verbatim(b""), "closed"),
    (verbatim(b"\x00\x01"), "closed"),
    (lambda asked: as_document(ok=1.0, maxWireVersion=21)(asked)[:25], "closed"),
    (header(2_000_000_000), NONE),
    (header(-5), NONE),
    (header(16), NONE),
    (reply(bson.encode({"ok": 1.0}), more=9), NONE),
    (reply(bson.encode({"ok": 1.0}), code=1), NONE),
    (reply(bson.encode({"ok": 1.0}), code=4242), NONE),
    (reply(b"\x05\x00\x00\x00\x07"), NONE),
    (reply(b"\xff" * 40), NONE),
    (reply(nested(5000)), NONE),
    (as_document(ok=1.0), "the server is too old"),
    (as_document(ok=1.0, maxWireVersion=6), "the server is too old"),
    (as_document(ok=1.0, maxWireVersion="new"), "the server is too old"),
    (as_document(ok=0.0, code=59, errmsg="no such command: 'hello'"), "no such command"),
    (as_document(), "the login"),
]


@pytest.mark.parametrize(("answer", "reason"), MALFORMED, ids=range(len(MALFORMED)))
def test_an_answer_that_is_none(answer: Callable[[int], bytes], reason: str) -> None:
    def say(line: socket.socket) -> None:
        while asked := line.recv(65536):
            said = answer(struct.unpack_from("<i", asked, 4)[0])
            line.sendall(said)
            if len(said) < 30:
                return

    with listening(say) as port, at(port, "timeout: 2s") as target:
        assert is_down(target)
        assert reason in target.read().reason


class listening:  # noqa: N801  # it is used as a function
    """A server that does something with each connection, and ends it."""

    def __init__(self, converse: Callable[[socket.socket], None]) -> None:
        self._converse = converse
        self._listener = socket.create_server(("127.0.0.1", 0))

    def __enter__(self) -> int:
        threading.Thread(target=self._accept, daemon=True).start()
        port: int = self._listener.getsockname()[1]
        return port

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        try:
            while True:
                line, _ = self._listener.accept()
                with line, suppress(OSError):
                    self._converse(line)
        except OSError:
            return


def test_one_that_speaks_first_is_none() -> None:
    with answering(greeting) as server, at(server.port) as target:
        assert is_down(target)


def test_a_server_that_accepts_and_says_nothing() -> None:
    stop = threading.Event()

    def wait(line: socket.socket) -> None:
        stop.wait(20)

    with listening(wait) as port, at(port, "timeout: 1s") as target:
        began = time.monotonic()
        assert is_down(target)
        assert time.monotonic() - began < 1.5
        stop.set()


def test_a_server_that_trickles_gains_no_time() -> None:
    stop = threading.Event()
    head = as_document(ok=1.0, note="x" * 5000)(1)

    def trickle(line: socket.socket) -> None:
        for byte in head:
            if stop.wait(0.02):
                return
            line.sendall(bytes([byte]))

    with listening(trickle) as port, at(port, "timeout: 1s") as target:
        began = time.monotonic()
        assert target.read().up is False
        assert time.monotonic() - began < 1.5
        stop.set()


def test_cursors_that_are_none() -> None:
    for odd in ({"cursor": None}, {"cursor": {"id": 0, "firstBatch": "x"}}, {}):
        answers = replies("7.0")
        deployment = Deployment(answers)
        with served(deployment) as server, looking(server) as target:
            conversation = "tests.mongodserver.Conversation._aggregate"
            with pytest.MonkeyPatch.context() as patched:
                patched.setattr(conversation, lambda self, command, odd=odd: dict(odd))
                found = failed(target)
            assert set(found) == {"oplog_size", "collections", "indexes"}
            assert all("has no cursor" in said for said in found.values())


MISTAKES = [
    ("url: localhost:27017", "targets.it.url: is no address of MongoDB"),
    ("url: postgresql://h/", "targets.it.url: is no address of MongoDB"),
    ("url: mongodb:///shop", "targets.it.url: names no host"),
    ("url: mongodb://%2Ftmp%2Fmongodb-27017.sock/", "names a socket in the file system, where no wait would end"),
    ("url: mongodb://u:canary@55@h/", "targets.it.url: has an `@`"),
    ("url: mongodb://u:canary/55@h/", "targets.it.url: has an `@`"),
    ("url: mongodb://u:canary:55@h/", "targets.it.url: has an `@`"),
    ("url: 'mongodb://h/?tls=true&tlsCertificateKeyFilePassword=canary55'", "has a password among its options"),
    ("url: mongodb://h\ntop: 0", "targets.it.top: leaves no series"),
    ("url: mongodb://h\ndatabases_include: '['", "targets.it.databases_include: is '['"),
]


@pytest.mark.parametrize(("settings", "problem"), MISTAKES)
def test_a_mistake_is_found_before_it_runs(settings: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught, one("mongodb", settings):
        raise AssertionError("it was taken")
    assert problem in str(caught.value)
    assert "55" not in str(caught.value)


@pytest.mark.parametrize("options", ["?foo=1", "?tls=maybe", "?authMechanism=GSSAPI", "?tlsCAFile=/nowhere.pem"])
def test_options_that_cannot_be_are_said(options: str) -> None:
    with one("mongodb", f"url: 'mongodb://u:{PASSWORD}@127.0.0.1/{options}'") as target:
        snapshot = target.read()
        assert snapshot.up is False
        assert any(told in snapshot.reason for told in ("not understood", "is not known here", "files for TLS"))
        assert PASSWORD not in repr(snapshot) + target.text()


def test_a_library_that_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pymongo.uri_parser", None)
    with at(free_port()) as target:
        snapshot = target.read()
        assert "the library pymongo is missing" in snapshot.reason
        assert snapshot.fix == "install it with: pip install 'runbook-exporter[mongodb]'"


def test_a_configuration_is_checked_without_the_library() -> None:
    text = b"targets: {db: {collector: mongodb, url: 'mongodb://monitor@h:27017,h2/?tls=true'}}"
    assert config.read(text, "c.yml", config.INSTALLED, {}).targets[0].name == "db"


@pytest.mark.long
def test_rounds_leave_nothing() -> None:
    with process("7.0") as (_, port), at(port) as target:
        assert target.read().up
        leaves_nothing(target, 500)


@pytest.mark.long
def test_rounds_that_fail_leave_nothing() -> None:
    with at(free_port()) as target:
        assert target.read().up is False
        leaves_nothing(target, 500)


@pytest.mark.long
def test_refusals_leave_nothing() -> None:
    with process("7.0") as (_, port):
        settings = f"url: mongodb://monitor:{PASSWORD}@127.0.0.1:{port}/"
        with one("mongodb", settings) as target:
            assert "Authentication failed" in target.read().reason
            leaves_nothing(target, 500)
