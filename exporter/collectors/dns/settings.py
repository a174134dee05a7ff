"""What a target of the collector `dns` can be told."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from exporter.address import parse
from exporter.collectors.dns.library import query_problem, rcode_problem
from exporter.models import Problems
from exporter.pattern import pattern_problem
from exporter.probeline import Family
from exporter.setting import setting
from exporter.tlssettings import TLSSettings

PORTS: Final = {"udp": 53, "tcp": 53, "tls": 853}


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """What the records of a section must be like, each as `NAME TTL CLASS TYPE DATA` with a tab between.

    Patterns are RE2's.
    """

    some: tuple[str, ...] = setting(
        (), help="Patterns, each of which at least one record must have.", example=r"['A\t192\.0\.2\.7$']", shown=True
    )
    every: tuple[str, ...] = setting((), help="Patterns, each of which every record must have.", example="['IN\\tA']")
    none: tuple[str, ...] = setting((), help="Patterns that no record may have.", example=r"['\t127\.']")

    def check(self) -> Problems:
        """Find patterns that are none."""
        for name, pattern in self.patterns():
            if problem := pattern_problem(pattern):
                yield name, problem

    def patterns(self) -> Iterator[tuple[str, str]]:
        """Yield each pattern, and which kind it is of."""
        for name in ("some", "every", "none"):
            yield from ((name, pattern) for pattern in getattr(self, name))


@dataclass(frozen=True, kw_only=True)
class QuestionSettings:
    """Whom is asked for which records, and what must be answered."""

    server: str = setting(
        help="The name server, as HOST or HOST:PORT; 53 is the port, with TLS 853.", example="127.0.0.1"
    )
    query_name: str = setting(help="The name that is asked for.", example="shop.example.com")
    query_type: str = setting("A", help="The type of the records, such as A, AAAA, MX, TXT or SOA.", example="SOA")
    query_class: Literal["IN", "CH"] = setting("IN", help="The class of the records.")
    transport: Literal["udp", "tcp", "tls"] = setting(
        "udp", help="How it is asked. By UDP an answer that was cut off is asked for again by TCP."
    )
    recursion: bool = setting(True, help="Whether the server is to ask others where it does not know.")
    rcodes: tuple[str, ...] = setting(
        ("NOERROR",), help="The codes of which the answer has one.", example="[NOERROR, NXDOMAIN]"
    )
    min_answers: int = setting(
        1, help="How many records an answer with the code NOERROR must have at least; 0 allows for none."
    )
    answer: Records = setting(Records, help="What the records of the answer must be like.", example="{some: ['IN']}")
    authority: Records = setting(Records, help="The same for those of authority.", example="{some: ['NS']}")
    additional: Records = setting(Records, help="The same for the additional ones.", example="{some: ['A']}")
    ip_family: Family = setting("any", help="Which addresses of the server are taken; `any` is all, in their order.")


@dataclass(frozen=True, kw_only=True)
class DNSSettings(TLSSettings, QuestionSettings):
    """What a target can be told, TLS after the rest."""

    def check(self) -> Problems:
        """Find names, types and codes that are none."""
        yield from TLSSettings.check(self)
        try:
            parse(self.server, PORTS[self.transport])
        except ValueError as error:
            yield "server", str(error)
        yield from query_problem(self.query_name, self.query_type)
        if not self.rcodes:
            yield "rcodes", "is empty, and no answer would do; expected such as [NOERROR]"
        for code in self.rcodes:
            if problem := rcode_problem(code):
                yield "rcodes", problem
        if not 0 <= self.min_answers <= 1000:
            yield "min_answers", "is out of range; expected 0 to 1000"
