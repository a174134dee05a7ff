"""What a target of the collector `websocket` can be told."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import SplitResult, urlsplit

from exporter.collectors.websocket.socketsettings import SocketIOSettings
from exporter.collectors.websocket.step import Step
from exporter.models import Problems
from exporter.pattern import pattern_problem
from exporter.probeline import Family
from exporter.request import RequestSettings
from exporter.setting import Bytes, Secret, SecretURL, setting
from exporter.template import names_in
from exporter.tlssettings import is_name

SCHEMES: Final = {"ws": "http", "wss": "https", "http": "http", "https": "https"}
_OWN: Final = ("upgrade", "origin")
_MOST: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSocketSettings(RequestSettings):
    """Where a WebSocket or Socket.IO server is, how it lets us in, and what is said to it."""

    url: SecretURL | None = setting(
        None,
        help="The address, ws:// or wss://; http:// and https:// mean the same. Of Socket.IO without its path.",
        example="ws://127.0.0.1:5001",
        shown=True,
    )
    origin: str = setting(
        "", help="The header Origin, as a browser sends it for a page of yours.", example="https://shop.example.com"
    )
    subprotocols: tuple[str, ...] = setting(
        (), help="Subprotocols to offer, the best one first; the server must take one of them.", example="[graphql-ws]"
    )
    expect_headers: Mapping[str, str] = setting(
        {}, help="Headers of the handshake's answer, each with a pattern of RE2 for its value.",
        example='{Server: "nginx"}',
    )  # fmt: skip
    steps: tuple[Step, ...] = setting(
        (),
        help="What is said on a plain WebSocket, step by step; without any, the handshake, a ping and the end are all.",
        example='[{send: \'{"type": "hello"}\', expect: welcome}]',
    )
    ping: bool = setting(True, help="Whether a plain WebSocket is sent a ping, whose pong must come.")
    socketio: SocketIOSettings | None = setting(
        None, help="That it is a Socket.IO server, 3 or later; `{}` where nothing else is to be said.", example="{}"
    )
    values: Mapping[str, Secret] = setting(
        {}, help="Values for what is sent, kept secret: `{{name}}` stands for them.", example='{token: "${TOKEN}"}'
    )
    ip_family: Family = setting("any", help="Which addresses of the host are taken; `any` is all, in their own order.")
    server_name: str = setting(
        "", help="The name that TLS asks for, and that the certificate must have, where it is not the host.",
        example="shop.example.com",
    )  # fmt: skip
    max_bytes: Bytes = setting(1 << 20, help="How much may come in all.")

    def check(self) -> Problems:
        """Find an address that is none, and what contradicts itself."""
        yield from RequestSettings.check(replace(self, url=self._asked()))
        if self.url is None or urlsplit_of(self.url.reveal()) is None:
            yield "url", "is no address; expected ws://HOST:PORT/PATH or wss://HOST/PATH"
        yield from self._check_handshake()
        yield from self._check_said()

    def _asked(self) -> SecretURL | None:
        """Return the address as one of HTTP, as far as it is one; the rest is checked here."""
        parts = None if self.url is None else urlsplit_of(self.url.reveal())
        return None if parts is None else SecretURL(parts.geturl())

    def _check_handshake(self) -> Problems:
        for name in self.headers:
            if name.lower() in _OWN or name.lower().startswith("sec-websocket"):
                yield f"headers.{name}", "is the handshake's own; expected another, or `origin` or `subprotocols`"
        for name, pattern in self.expect_headers.items():
            if problem := pattern_problem(pattern):
                yield f"expect_headers.{name}", problem
        if self.origin and not (self.origin.isascii() and self.origin.isprintable() and " " not in self.origin):
            yield "origin", "is none; expected such as https://shop.example.com"
        if not all(is_token(name) for name in self.subprotocols) or len(set(self.subprotocols)) < len(
            self.subprotocols
        ):
            yield "subprotocols", "has a name twice, or one that is none; expected such as [graphql-ws]"
        if not is_name(self.server_name or "name"):
            yield "server_name", "is no name; expected such as shop.example.com"

    def _check_said(self) -> Problems:
        if self.socketio is not None:
            beside = [key for key in ("steps", "subprotocols") if getattr(self, key)]
            yield from ((key, "is of plain WebSockets; expected only one of it and `socketio`") for key in beside)
            asked = self._asked()
            if asked is not None and urlsplit(asked.reveal()).path not in ("", "/"):
                yield "url", "has a path; expected it in `socketio.path`, and here only the host"
        if len(self.steps) > _MOST:
            yield "steps", f"are too many; expected {_MOST} at most"
        yield from self._check_values()

    def _check_values(self) -> Problems:
        for name in self.values:
            if names_in(f"{{{{{name}}}}}") != [name]:
                yield f"values.{name}", "is no name; expected letters, digits and `_`, such as token"
        for where, text in self._texts():
            for name in names_in(text):
                if name not in self.values:
                    yield where, f"asks for {{{{{name}}}}}, which nobody gives; expected it in `values`"

    def _texts(self) -> list[tuple[str, str]]:
        texts = [(f"steps[{number}].send", step.send) for number, step in enumerate(self.steps)]
        if self.socketio is not None and self.socketio.event is not None:
            texts.append(("socketio.event.arguments", self.socketio.event.arguments))
        return texts

    @property
    def has_patterns(self) -> bool:
        """Whether a pattern decides on what comes."""
        event = None if self.socketio is None else self.socketio.event
        return bool(self.expect_headers or any(step.expect for step in self.steps) or (event and event.expect))

    def parts(self) -> SplitResult:
        """Return the parts of the address that is asked, its scheme http or https."""
        parts = urlsplit_of(self.url.reveal() if self.url is not None else "") or urlsplit("")
        return parts if self.socketio is None else parts._replace(path=self.socketio.path)


def urlsplit_of(url: str) -> SplitResult | None:
    """Return the parts of an address, its scheme http or https; None where it is none of a WebSocket."""
    try:
        parts = urlsplit(url)
        known = parts.scheme in SCHEMES and parts.hostname and parts.port != 0 and not parts.fragment
    except ValueError:
        return None
    return parts._replace(scheme=SCHEMES[parts.scheme]) if known and url.isprintable() and " " not in url else None


def is_token(text: str) -> bool:
    """Tell whether a text can be the name of a subprotocol."""
    return bool(text) and text.isascii() and text.isprintable() and not set(text) & set(' "(),/:;<=>?@[\\]{}')
