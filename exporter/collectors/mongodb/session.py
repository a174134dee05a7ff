"""One round over a MongoDB server, and what its reads share."""

import math
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

from exporter.collector import NotApplicable, Trouble
from exporter.collectors.mongodb.connection import SHORT, Server
from exporter.collectors.mongodb.trouble import NAMESPACE_NOT_FOUND, NOT_ON_VIEW, UNAUTHORIZED, Late, Refused
from exporter.collectors.mongodb.wire import Document

PLACE: Final = ("cl_id", "cl_role", "rs_nm", "rs_state")
"""mongodb_exporter's labels of where in a cluster the server is; empty where it is in none."""
_SYSTEM: Final = "system."
_REFUSED_FOR: Final = 300.0
"""Seconds for which it is believed that the user may not ask for something."""


class Session:
    """One round: commands over the connection; what several reads need is asked for once."""

    def __init__(self, server: Server, settings: Any) -> None:
        self._server = server
        self._include = re.compile(settings.databases_include)
        self._exclude = re.compile(settings.databases_exclude) if settings.databases_exclude else None
        self._round = server.round
        self.top: int = settings.top
        self._asked: dict[str, Any] = {}
        self.is_router = server.hello.get("msg") == "isdbgrid"
        self.is_arbiter = bool(server.hello.get("arbiterOnly"))
        self.replica_set = str(server.hello.get("setName") or "")

    def command(self, database: str, command: Document) -> Document:
        """Return the server's answer to a command."""
        with self._understood():
            return self._server.command(database, command)

    def documents(self, database: str, command: Document) -> list[Document]:
        """Return all documents that a command answers with."""
        with self._understood():
            return self._server.documents(database, command)

    @property
    def role(self) -> str:
        """What the server is, in mongodb_exporter's words."""
        return "mongos" if self.is_router else "arbiter" if self.is_arbiter else "mongod"

    @property
    def status(self) -> Document:
        """What serverStatus says in this round."""
        status: Document = self._once("serverStatus", lambda: self.command("admin", {"serverStatus": 1}))
        return status

    @property
    def replication(self) -> Document:
        """What replSetGetStatus says in this round; does not apply to a server outside of a replica set."""
        if self.is_router or not self.replica_set:
            raise NotApplicable("the server is in no replica set")
        status: Document = self._once("replSetGetStatus", lambda: self.command("admin", {"replSetGetStatus": 1}))
        return status

    @property
    def databases(self) -> list[str]:
        """The names of all databases."""
        answer = self._once("listDatabases", lambda: self.command("admin", {"listDatabases": 1, "nameOnly": True}))
        return [str(database["name"]) for database in answer["databases"]]

    @property
    def place(self) -> dict[str, str]:
        """The labels of where in a cluster the server is; what the user may not see is empty."""
        found: dict[str, str] = self._once("place", self._place)
        return found

    def collections(self) -> Iterator[tuple[str, str]]:
        """Yield the database and the name of each collection that the settings want looked into."""
        for database in filter(self.wanted, self.databases):
            for name in self._once(f"collections of {database}", partial(self._collections, database)):
                yield database, name

    def of_collections(self, stage: Document) -> Iterator[tuple[str, str, Document]]:
        """Yield what a stage of an aggregation says of each collection; on a router each shard says something."""
        for number, (database, name) in enumerate(self.collections()):
            try:
                found = self._of_collection(database, name, stage)
            except Late as error:
                if not number:
                    raise
                raise Trouble(f"the time was over after {number} collections, and there are more", SHORT) from error
            for document in found:
                yield database, name, document

    def wanted(self, database: str) -> bool:
        """Tell whether the settings want this database looked into."""
        return bool(self._include.search(database)) and not (self._exclude and self._exclude.search(database))

    def cancel(self) -> None:
        """Let go of what is waited for, from another thread."""
        self._server.cancel(self._round)

    def once_connected(self, name: str, ask: Callable[[], Any]) -> Any:
        """Return what stays true as long as the connection lasts; what was refused is asked again after a while."""
        known, until = self._server.facts.get(name, (None, 0.0))
        if time.monotonic() >= until:
            until = math.inf
            try:
                known = ask()
            except Refused as error:
                known, until = error, time.monotonic() + _REFUSED_FOR
            self._server.facts[name] = known, until
        if isinstance(known, Refused):
            raise known
        return known

    def _once(self, name: str, ask: Callable[[], Any]) -> Any:
        """Return what was asked before in this round, or ask; one refusal is enough as well."""
        if name not in self._asked:
            try:
                self._asked[name] = ask()
            except Trouble as error:
                self._asked[name] = error
        if isinstance(self._asked[name], Trouble):
            raise self._asked[name]
        return self._asked[name]

    @contextmanager
    def _understood(self) -> Iterator[None]:
        try:
            yield
        except Refused as error:
            if self.is_arbiter and error.code == UNAUTHORIZED:
                raise NotApplicable("an arbiter knows no users, and tells strangers nothing") from None
            raise

    def _of_collection(self, database: str, name: str, stage: Document) -> list[Document]:
        command = {"aggregate": name, "pipeline": [stage], "cursor": {}, "readConcern": {"level": "local"}}
        try:
            return self.documents(database, command)
        except Refused as error:
            if error.code not in (NAMESPACE_NOT_FOUND, NOT_ON_VIEW):  # it was dropped meanwhile
                raise
            return []

    def _collections(self, database: str) -> list[str]:
        # in this form it is allowed to who may not list everything
        command = {"listCollections": 1, "nameOnly": True, "authorizedCollections": True, "cursor": {}}
        found = self.documents(database, command)
        return [str(one["name"]) for one in found
                if one.get("type") != "view" and not str(one["name"]).startswith(_SYSTEM)]  # fmt: skip

    def _place(self) -> dict[str, str]:
        return {
            "cl_id": _or_empty(lambda: self.once_connected("cl_id", self._cluster)),
            "cl_role": _or_empty(lambda: self.once_connected("cl_role", self._role)),
            "rs_nm": self.replica_set,
            "rs_state": _or_empty(lambda: self.replication["myState"]),
        }

    def _role(self) -> str:
        if self.is_router:
            return "mongos"
        options = self.command("admin", {"getCmdLineOpts": 1}).get("parsed") or {}
        return str((options.get("sharding") or {}).get("clusterRole") or "")

    def _cluster(self) -> str:
        if self.is_router:
            (version,) = self.documents("config", {"find": "version", "limit": 1, "readConcern": {"level": "local"}})
            return str(version.get("clusterId") or "")
        if not self.replica_set:
            return ""
        config = self.command("admin", {"replSetGetConfig": 1}).get("config") or {}
        return str((config.get("settings") or {}).get("replicaSetId") or "")


def _or_empty(ask: Callable[[], Any]) -> str:
    """Return what is answered as text, nothing where it is refused or there is none."""
    try:
        return str(ask())
    except (Refused, NotApplicable, KeyError, ValueError):
        return ""
