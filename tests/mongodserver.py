"""A small server that speaks MongoDB's wire protocol, and answers what its documentation says for each version.

No MongoDB can be installed where the tests run. `python -m tests.mongodserver 7.0` serves until it is killed.
"""

import base64
import copy
import hashlib
import hmac
import os
import socket
import ssl
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import bson
from bson import json_util

from tests.support import until

Document = dict[str, Any]
REPLIES: Final = Path(__file__).parent / "fixtures" / "mongodb"
VERSIONS: Final = ("5.0", "6.0", "7.0", "8.0")
_OP_MSG, _OP_QUERY, _OP_REPLY = 2013, 2004, 1
_WITHOUT_LOGIN: Final = {
    "hello",
    "isMaster",
    "ismaster",
    "saslStart",
    "saslContinue",
    "authenticate",
    "ping",
    "buildInfo",
}


class Refusal(Exception):
    """The server refuses a command by a code."""

    def __init__(self, code: int, name: str, text: str) -> None:
        super().__init__(text)
        self.answer = {"ok": 0.0, "errmsg": text, "code": code, "codeName": name}


def replies(version: str, kind: str = "replica") -> Document:
    """Return what a server of this version answers, by command: a `standalone`, a `replica` or a `mongos`."""
    base = json_util.loads((REPLIES / "base.json").read_text(encoding="utf-8"))
    changes = json_util.loads((REPLIES / f"{version}.json").read_text(encoding="utf-8"))
    of_kind = json_util.loads((REPLIES / f"{kind}.json").read_text(encoding="utf-8"))
    return merged(merged(base, changes), of_kind)


def merged(one: Document, other: Document) -> Document:
    """Return a document with what the other one has in it; null takes a key away."""
    result = copy.copy(one)
    for key, value in other.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        else:
            result[key] = value
    return result


@dataclass
class Deployment:
    """One server: what it answers, who may come, what it has, and how it misbehaves."""

    answers: Document
    users: dict[str, str] = field(default_factory=dict)
    denied: set[str] = field(default_factory=set)
    """Commands and stages that the users may not ask for."""
    databases: dict[str, dict[str, str]] = field(default_factory=lambda: {
        "admin": {"system.version": "collection"}, "config": {"system.sessions": "collection"},
        "local": {"startup_log": "collection", "oplog.rs": "collection"},
        "shop": {"orders": "collection", "customers": "collection", "newest": "view", "system.views": "collection"},
    })  # fmt: skip
    mechanisms: tuple[str, ...] = ("SCRAM-SHA-1", "SCRAM-SHA-256")
    rounds: int = 4096
    honest: bool = True
    """Whether it proves that it knows the password."""
    batch: int = 101
    before: Callable[[str, Document], None] = lambda name, command: None
    """Called before each command is answered, by the thread that answers."""
    asked: list[tuple[str, Document]] = field(default_factory=list)
    connections: int = 0
    most_connections: int = 0
    accepted: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def names(self) -> list[str]:
        """Return what was asked, in order."""
        return [name for name, _ in self.asked]


class Conversation:
    """What one client says over its connection."""

    def __init__(self, deployment: Deployment) -> None:
        self._of = deployment
        self._user = ""
        self._login: tuple[str, str, str, str, bytes] | None = None
        self._cursors: dict[int, list[Document]] = {}

    def answer(self, command: Document) -> Document:
        name, of = next(iter(command)), self._of
        with of.lock:
            of.asked.append((name, command))
        of.before(name, command)
        try:
            self._admit(name, command)
            return {**self._reply(name, command), "ok": 1.0}
        except Refusal as refusal:
            return refusal.answer

    def _admit(self, name: str, command: Document) -> None:
        if self._of.users and not self._user and name not in _WITHOUT_LOGIN:
            raise Refusal(13, "Unauthorized", f"command {name} requires authentication")
        stage = next(iter(command["pipeline"][0])) if command.get("pipeline") else ""
        if {name, stage, f"{name} {command.get('$db')}"} & self._of.denied:
            raise Refusal(13, "Unauthorized", f"not authorized on {command['$db']} to execute command {{ {name}: 1 }}")

    def _reply(self, name: str, command: Document) -> Document:
        own = self._own().get(name)
        if own is not None:
            return own(command)
        if name not in self._of.answers:
            raise Refusal(59, "CommandNotFound", f"no such command: '{name}'")
        answer = self._of.answers[name]
        if answer.get("ok") == 0:
            raise Refusal(answer["code"], answer["codeName"], answer["errmsg"])
        if name == "dbStats":
            answer = {**answer, "db": command["$db"]}
        return copy.copy(answer)

    def _own(self) -> dict[str, Callable[[Document], Document]]:
        return {
            "hello": self._hello, "isMaster": self._greeted, "ismaster": self._greeted, "saslStart": self._start,
            "saslContinue": self._continue, "authenticate": self._trust,
            "listDatabases": self._list, "listCollections": self._list_collections,
            "aggregate": self._aggregate, "find": self._find, "getMore": self._more,
        }  # fmt: skip

    def _hello(self, command: Document) -> Document:
        asked = command.get("saslSupportedMechs")
        known = asked and asked.partition(".")[2] in self._of.users
        return {**self._of.answers["hello"], **({"saslSupportedMechs": list(self._of.mechanisms)} if known else {})}

    def _greeted(self, command: Document) -> Document:
        return {**self._hello(command), "ismaster": True, "helloOk": True}

    # ---- the login, by RFC 5802 and 7677

    def _start(self, command: Document) -> Document:
        mechanism, said = command["mechanism"], bytes(command["payload"]).decode()
        if mechanism == "PLAIN":
            return self._plain(said)
        user = said.split("n=")[1].split(",")[0].replace("=2C", ",").replace("=3D", "=")
        if mechanism not in self._of.mechanisms or user not in self._of.users:
            raise Refusal(18, "AuthenticationFailed", "Authentication failed.")
        nonce = said.split("r=")[1] + base64.b64encode(os.urandom(12)).decode()
        salt = os.urandom(28)
        first = f"r={nonce},s={base64.b64encode(salt).decode()},i={self._of.rounds}"
        self._login = mechanism, user, f"{said[3:]},{first}", nonce, salt
        return {"conversationId": 1, "done": False, "payload": first.encode()}

    def _plain(self, said: str) -> Document:
        _, user, password = said.split("\0")
        if self._of.users.get(user) != password or "PLAIN" not in self._of.mechanisms:
            raise Refusal(18, "AuthenticationFailed", "Authentication failed.")
        self._user = user
        return {"conversationId": 1, "done": True, "payload": b""}

    def _trust(self, command: Document) -> Document:
        """Take the name out of a certificate, which TLS has looked at, for the user's."""
        if command["mechanism"] not in self._of.mechanisms or command["user"] not in self._of.users:
            raise Refusal(18, "AuthenticationFailed", "Authentication failed.")
        self._user = command["user"]
        return {"dbname": "$external", "user": command["user"]}

    def _continue(self, command: Document) -> Document:
        said = bytes(command["payload"]).decode()
        if not said or self._login is None:
            return {"conversationId": 1, "done": True, "payload": b""}
        mechanism, user, before, nonce, salt = self._login
        digest = "sha256" if mechanism == "SCRAM-SHA-256" else "sha1"
        password = self._of.users[user]
        if digest == "sha1":
            password = hashlib.md5(f"{user}:mongo:{password}".encode()).hexdigest()
        salted = hashlib.pbkdf2_hmac(digest, password.encode(), salt, self._of.rounds)
        stored = hashlib.new(digest, hmac.digest(salted, b"Client Key", digest)).digest()
        closing, _, proof = said.rpartition(",p=")
        message = f"{before},{closing}".encode()
        signature = hmac.digest(stored, message, digest)
        key = bytes(a ^ b for a, b in zip(base64.b64decode(proof), signature, strict=True))
        if hashlib.new(digest, key).digest() != stored or closing != f"c=biws,r={nonce}":
            raise Refusal(18, "AuthenticationFailed", "Authentication failed.")
        self._user = user
        own = hmac.digest(hmac.digest(salted, b"Server Key", digest), message, digest)
        own = own if self._of.honest else os.urandom(len(own))
        return {"conversationId": 1, "done": True, "payload": b"v=" + base64.b64encode(own)}

    # ---- what there is

    def _list(self, command: Document) -> Document:
        return {"databases": [{"name": name} for name in self._of.databases]}

    def _list_collections(self, command: Document) -> Document:
        assert command["nameOnly"]
        assert command["authorizedCollections"]  # else it takes more than clusterMonitor
        found = self._of.databases.get(command["$db"], {})
        return self._cursor(command, "$cmd.listCollections", [{"name": n, "type": kind} for n, kind in found.items()])

    def _aggregate(self, command: Document) -> Document:
        (stage,) = command["pipeline"][0]
        database, collection = command["$db"], command["aggregate"]
        kind = self._of.databases.get(database, {}).get(collection)
        if kind is None:
            raise Refusal(26, "NamespaceNotFound", f"Collection [{database}.{collection}] not found.")
        if kind == "view":
            raise Refusal(166, "CommandNotSupportedOnView", f"Namespace {database}.{collection} is a view")
        of = self._of.answers[stage]
        found = of.get(f"{database}.{collection}", of.get("*", []))
        return self._cursor(command, collection, [{**one, "ns": f"{database}.{collection}"} for one in found])

    def _find(self, command: Document) -> Document:
        namespace = f"{command['$db']}.{command['find']}"
        found = list(self._of.answers["find"].get(namespace, []))
        if command.get("sort") == {"$natural": -1}:
            found.reverse()
        return self._cursor(command, command["find"], found[: command.get("limit", len(found))])

    def _cursor(self, command: Document, collection: str, found: list[Document]) -> Document:
        number = 0
        if len(found) > self._of.batch:
            number = len(self._cursors) + 77
            self._cursors[number] = found[self._of.batch :]
        batch = found[: self._of.batch]
        return {"cursor": {"id": bson.Int64(number), "ns": f"{command['$db']}.{collection}", "firstBatch": batch}}

    def _more(self, command: Document) -> Document:
        assert "maxTimeMS" not in command  # a real one refuses it here
        number, rest = command["getMore"], self._cursors.pop(command["getMore"])
        if len(rest) > self._of.batch:
            self._cursors[number] = rest[self._of.batch :]
        left = number if number in self._cursors else 0
        namespace = f"{command['$db']}.{command['collection']}"
        return {"cursor": {"id": bson.Int64(left), "ns": namespace, "nextBatch": rest[: self._of.batch]}}


def _serve(line: socket.socket, deployment: Deployment) -> None:
    conversation = Conversation(deployment)
    while True:
        length, number, _, code = struct.unpack("<iiii", _take(line, 16))
        body = _take(line, length - 16)
        if code == _OP_QUERY:  # the greeting of older clients
            end = body.index(b"\0", 4)
            command = bson.decode(body[end + 9 :])
            document = bson.encode(conversation.answer({**command, "$db": "admin"}))
            said = struct.pack("<iqii", 8, 0, 0, 1) + document
            line.sendall(struct.pack("<iiii", 16 + len(said), number, number, _OP_REPLY) + said)
        else:
            assert (code, body[4]) == (_OP_MSG, 0)
            document = bson.encode(conversation.answer(bson.decode(body[5:])))
            line.sendall(message(document, number))


def message(document: bytes, asked: int, code: int = _OP_MSG) -> bytes:
    """Return an answer as it goes over the line."""
    return struct.pack("<iiii", 21 + len(document), asked, asked, code) + bytes(5) + document


def _take(line: socket.socket, size: int) -> bytes:
    parts = b""
    while len(parts) < size:
        part = line.recv(size - len(parts))
        if not part:
            raise ConnectionResetError
        parts += part
    return parts


@dataclass
class Served:
    """Where the server is, and the lines to it."""

    port: int
    deployment: Deployment
    lines: set[socket.socket] = field(default_factory=set)

    def url(self, user: str = "", password: str = "", options: str = "") -> str:
        login = f"{user}:{password}@" if user else ""
        return f"mongodb://{login}127.0.0.1:{self.port}/{options}"

    def drop(self) -> None:
        """End every connection, as a server does that is killed."""
        for line in list(self.lines):
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)


@contextmanager
def served(deployment: Deployment, port: int = 0, context: ssl.SSLContext | None = None) -> Iterator[Served]:
    """Serve while the block runs."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        server = Served(listener.getsockname()[1], deployment)
        accepting = threading.Thread(target=_accept, args=(listener, server, context), daemon=True)
        accepting.start()
        try:
            yield server
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            accepting.join(10)
            server.drop()
            until(lambda: not server.lines)


def _accept(listener: socket.socket, server: Served, context: ssl.SSLContext | None) -> None:
    with suppress(OSError):
        while True:
            line, _ = listener.accept()
            threading.Thread(target=_converse, args=(line, server, context), daemon=True).start()


def _converse(line: socket.socket, server: Served, context: ssl.SSLContext | None) -> None:
    of = server.deployment
    with of.lock:
        of.accepted += 1
        of.connections += 1
        of.most_connections = max(of.most_connections, of.connections)
    server.lines.add(line)
    spoken = line
    try:
        with suppress(OSError):
            if context is not None:
                server.lines.discard(line)
                spoken = context.wrap_socket(line, server_side=True)
                server.lines.add(spoken)
            _serve(spoken, of)
    finally:
        spoken.close()
        server.lines.discard(spoken)
        with of.lock:
            of.connections -= 1


@contextmanager
def process(version: str, port: int = 0, kind: str = "replica") -> Iterator[tuple["subprocess.Popen[str]", int]]:
    """Run the server as a process of its own while the block runs; yield it and its port."""
    command = [sys.executable, "-m", "tests.mongodserver", version, str(port), kind]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent.parent) as running:
        try:
            assert running.stdout is not None
            yield running, int(running.stdout.readline())
        finally:
            running.kill()


def main() -> None:
    """Serve until killed."""
    version, port, kind = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    with served(Deployment(replies(version, kind)), port) as server:
        print(server.port, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
