"""What a target of the collector `tcp` can be told."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from exporter.address import parse
from exporter.hexadecimal import hex_problem
from exporter.models import Problems
from exporter.pattern import group_count, pattern_problem
from exporter.probeline import Family
from exporter.setting import Bytes, Secret, setting
from exporter.tlssettings import TLSSettings

Ready = Literal["none", "smtp", "imap", "pop3", "ftp", "postgres"]
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
ASKED: Final = re.compile(r"\{\{ *([A-Za-z_][A-Za-z0-9_]*|[1-9]) *\}\}")
"""A place in what is sent that stands for a value, or for a group of the pattern just found."""
_GROUP: Final = re.compile(r"\(\?P?<([A-Za-z_][A-Za-z0-9_]*)>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a dialogue: waits for what is expected, then sends, then begins TLS, each where it is given."""

    expect: str = setting("", help="A pattern of RE2; lines are read until one has it.", example='"^220 "', shown=True)
    fail: str = setting(
        "", help="A pattern: the first line that has it, and not `expect`, ends the probe.", example='"^5"'
    )
    expect_hex: str = setting("", help="The bytes that must come next, in hexadecimal.", example='"53"')
    send: str = setting(
        "",
        help="A line to send. `{{name}}` in it stands for one of `values` or for a named group that an earlier pattern "
        "found, `{{1}}` for the first group of this step's.",
        example='"EHLO probe.example.com"',
        shown=True,
    )
    send_hex: str = setting("", help="Bytes to send, in hexadecimal, without an end.", example='"00 00 00 08"')
    starttls: bool = setting(False, help="Whether TLS begins now.")

    def check(self) -> Problems:
        """Find steps that do nothing, patterns that are none, and bytes that are none."""
        if self == Step():
            yield "expect", "is missing, as are the others; expected one of expect, send and starttls at least"
        for name in ("expect", "fail"):
            pattern = getattr(self, name)
            if pattern and (problem := pattern_problem(pattern)):
                yield name, problem
        for name in ("expect_hex", "send_hex"):
            if problem := hex_problem(getattr(self, name)):
                yield name, problem
        if self.fail and not self.expect:
            yield "fail", "stands alone; expected `expect` beside it"
        if (self.expect and self.expect_hex) or (self.send and self.send_hex):
            yield "expect_hex" if self.expect_hex else "send_hex", "is not the only way; expected text or bytes"

    def counted(self) -> frozenset[str]:
        """Return the numbers of the groups that its pattern has."""
        if not self.expect or pattern_problem(self.expect):
            return frozenset()
        return frozenset(str(number) for number in range(1, group_count(self.expect) + 1))

    def groups(self) -> frozenset[str]:
        """Return the names of the groups that its pattern finds."""
        return frozenset(_GROUP.findall(self.expect))


@dataclass(frozen=True, kw_only=True)
class DialogueSettings:
    """Where a server listens, and what is said to it."""

    address: str = setting(help="The host and port, as HOST:PORT.", example="127.0.0.1:5001")
    tls: bool = setting(False, help="Whether TLS is spoken from the beginning.")
    starttls: Ready = setting(
        "none",
        help="A protocol in whose way TLS is asked for, once connected; the steps come after that.",
        example="smtp",
    )
    steps: tuple[Step, ...] = setting(
        (),
        help="What is said, step by step; without any, connecting is all.",
        example="[{send: PING}, {expect: '^PONG'}]",
    )
    line_end: Literal["crlf", "lf", "none"] = setting("crlf", help="What ends a line that is sent.")
    values: Mapping[str, Secret] = setting(
        {}, help="Values for what is sent, kept secret: `{{name}}` stands for them.", example='{token: "${TOKEN}"}'
    )
    ip_family: Family = setting("any", help="Which addresses of the host are taken; `any` is all, in their own order.")
    max_bytes: Bytes = setting(64 << 10, help="How much may be read in all.")


@dataclass(frozen=True, kw_only=True)
class TCPSettings(TLSSettings, DialogueSettings):
    """What a target can be told, TLS after the rest."""

    def check(self) -> Problems:
        """Find an address that is none, and steps that do not fit together."""
        yield from TLSSettings.check(self)
        try:
            parse(self.address)
        except ValueError as error:
            yield "address", str(error)
        if not 1 <= self.max_bytes <= 16 << 20:
            yield "max_bytes", "is more than can be held, or nothing; expected 1 to 16MiB"
        if self.tls + (self.starttls != "none") + sum(step.starttls for step in self.steps) > 1:
            yield "starttls", "begins TLS twice; expected only one of tls, starttls and a step with starttls"
        for name in self.values:
            if not _NAME.fullmatch(name):
                yield f"values.{name}", "is no name; expected letters, digits and `_`, such as token"
        yield from self._check_asked()

    def _check_asked(self) -> Problems:
        known = set(self.values)
        for number, step in enumerate(self.steps):
            known |= step.groups()
            for name in ASKED.findall(step.send):
                if name not in known | step.counted():
                    remedy = "a group of that number in `expect`" if name.isdigit() else "it in `values`"
                    yield f"steps[{number}].send", f"asks for {name}, which nothing gives; expected {remedy}"
