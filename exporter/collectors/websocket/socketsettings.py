"""What a target that speaks Socket.IO can be told of it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from exporter.jsonexpectation import JSONExpectation
from exporter.models import Problems
from exporter.pattern import pattern_problem
from exporter.setting import Secret, setting
from exporter.template import in_body

Transport = Literal["upgrade", "polling", "websocket"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSettings:
    """An event that is sent, and what must be answered; nothing is sent where this is not given."""

    name: str = setting(help="The event, which should change nothing on the server.", example="status")
    arguments: str = setting(
        "[]",
        help="Its arguments, as a list in JSON. `{{name}}` in it stands for one of `values`.",
        example='\'[{"of": "probe"}]\'',
    )
    answer: str = setting(
        "",
        help="The event that the server sends as its answer; without one, its acknowledgement must come.",
        example="status_update",
    )
    expect: str = setting("", help="A pattern of RE2 that the answer's arguments must have, as JSON.", example='"ok"')
    json: tuple[JSONExpectation, ...] = setting(
        (),
        help="What must stand in the answer: the path begins at the list of its arguments.",
        example='[{path: "[0].status", equals: ok}]',
    )

    def check(self) -> Problems:
        """Find an event without a name, and arguments or patterns that are none."""
        if not self.name or self.name in ("connect", "disconnect", "connect_error"):
            yield "name", "is none that can be sent; expected an event of the application's own"
        try:
            told = isinstance(json.loads(self.arguments), list)
        except ValueError:
            told = False
        if not told:
            yield "arguments", 'is no list in JSON; expected such as [] or ["text", 1]'
        if self.expect and (problem := pattern_problem(self.expect)):
            yield "expect", problem

    def filled(self, values: Mapping[str, str]) -> list[object]:
        """Return what is sent, its name first."""
        arguments = json.loads(in_body(self.arguments, values, "json"))
        return [self.name, *arguments]


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketIOSettings:
    """How a Socket.IO server is spoken with."""

    path: str = setting("/socket.io/", help="Where it answers, below the address.")
    transport: Transport = setting(
        "upgrade",
        help="`upgrade` begins with polling and goes on by WebSocket, as browsers do; the others are one alone.",
    )
    namespace: str = setting("/", help="The namespace to connect to.", example="/admin")
    auth: Mapping[str, Secret] = setting(
        {}, help="What is shown when connecting to it, each value kept secret.", example='{token: "${TOKEN}"}'
    )
    event: EventSettings | None = setting(
        None, help="An event to send, and its answer.", example="{name: status}", shown=True
    )
    wait_for_ping: bool = setting(
        False,
        help="Whether to stay until the server's ping has come and is answered; the target's `timeout` must be longer "
        "than the server's interval, which is mostly 25 s.",
    )

    def check(self) -> Problems:
        """Find a path and a namespace that are none."""
        if not self.path.startswith("/") or not self.path.isprintable() or set(self.path) & set(" ?#"):
            yield "path", "is none; expected such as /socket.io/"
        if not self.namespace.startswith("/") or not self.namespace.isprintable() or set(self.namespace) & set(",? "):
            yield "namespace", "is none; expected such as /admin"
