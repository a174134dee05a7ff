"""What a target of the collector `http` can be told."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from exporter.collectors.http.expect import Expectation
from exporter.collectors.http.report import ReportSettings
from exporter.collectors.http.step import Method, Step
from exporter.models import Problems
from exporter.probeline import Family
from exporter.request import RequestSettings, check_proxy
from exporter.setting import Secret, SecretURL, setting
from exporter.template import NAME
from exporter.tlssettings import is_name

ONLY: Final = "request"
"""The name of the step of a target that has no chain."""
_OF_ONE: Final = ("method", "body", "expect")
_PLAIN_EXPECTATION: Final = Expectation()


@dataclass(frozen=True, slots=True, kw_only=True)
class HTTPSettings(RequestSettings):
    """What is asked, what must be answered, and how it gets there. One request, or `steps` of several."""

    method: Method = setting("GET", help="How the address is asked.")
    body: str = setting(
        "",
        help="What is sent: as application/json where it begins so, else as a form, unless a header says otherwise. "
        "`{{name}}` in it stands for one of `values`.",
        example='\'{"query": "cat"}\'',
    )
    expect: Expectation = setting(
        Expectation, help="What the answer must be like.", example="{statuses: [200], body: [Welcome]}"
    )
    report: ReportSettings | None = setting(
        None,
        help="That the answer, a chain's last one, is a health report in JSON; `{}` where its form is a usual one. A "
        "status of 503 is as good as one of 200 to 299 then, unless `expect` says otherwise.",
        example="{}",
    )
    steps: tuple[Step, ...] = setting(
        (),
        help="A chain of requests instead of a single one, as for a login. Cookies are kept from one to the next.",
        example="[{name: login, url: /login}]",
    )
    values: Mapping[str, Secret] = setting(
        {},
        help="Values for url, headers and body of steps, and for `body`, kept secret: `{{name}}` stands for them.",
        example='{password: "${SHOP_PASSWORD}"}',
    )
    max_redirects: int = setting(
        10, help="How many redirects are followed, of each request; with 0 a redirect is the answer."
    )
    compression: bool = setting(False, help="Whether the answer may come compressed, as gzip.")
    proxy: SecretURL | None = setting(
        None,
        help="An HTTP proxy to go through: http://HOST:PORT, with a user where it asks for one.",
        example="http://proxy.example.com:3128",
    )
    ip_family: Family = setting("any", help="Which addresses of the host are taken; `any` is all, in their own order.")
    host_header: str = setting(
        "", help="The header Host, where it is not the host of the address.", example="shop.example.com"
    )
    server_name: str = setting(
        "", help="The name that TLS asks for, and that the certificate must have, where it is not that host.",
        example="shop.example.com",
    )  # fmt: skip
    tls_required: bool = setting(
        False,
        help="Whether an address of http:// should lead to https://, as a redirect; those of https:// always stay.",
    )
    purpose: Literal["endpoint", "api", "login", "security"] = setting(
        "endpoint", help="What it is for, which decides the alert that it gives while it fails."
    )

    def check(self) -> Problems:
        """Find what contradicts itself, or asks for what is not there."""
        yield from RequestSettings.check(self)
        if self.url is None:
            yield "url", "is missing; expected http://HOST:PORT/PATH or https://HOST/PATH"
        if not 0 <= self.max_redirects <= 20:
            yield "max_redirects", "is out of range; expected 0 to 20"
        yield from self._check_way()
        yield from self._check_steps()

    def _check_way(self) -> Problems:
        yield from check_proxy(self.proxy)
        host = self.host_header
        if host and not (host.isascii() and host.isprintable() and " " not in host):
            yield "host_header", "is no name; expected such as shop.example.com"
        if not is_name(self.server_name or "name"):
            yield "server_name", "is no name; expected such as shop.example.com"
        if self.body and self.method in ("GET", "HEAD"):
            yield "body", f"is not sent by a {self.method}; expected another `method` beside it"

    def _check_steps(self) -> Problems:
        known = set(self.values)
        for name in known:
            if not NAME.fullmatch(name):
                yield f"values.{name}", "is no name; expected letters, digits and `_`, such as password"
        yield from ((key, "stands in each of `steps`; expected it there") for key in self._beside_steps())
        names = [step.name for step in self.steps]
        if len(set(names)) < len(names) or not all(re.fullmatch(r"[\w .-]{1,50}", name) for name in names):
            yield "steps", "have a name twice, or one that is none; expected each its own, such as login"
        if len(names) > 20:
            yield "steps", "are too many; expected 20 at most"
        for step in self.chain():
            for where, text in step.unknown(known):
                yield ("steps", f"{step.name}: {where} {text}") if self.steps else (where, text)
            known |= step.carry.keys()

    def _beside_steps(self) -> list[str]:
        return [key for key in _OF_ONE if getattr(self, key) not in ("", "GET", _PLAIN_EXPECTATION) and self.steps]

    def chain(self) -> tuple[Step, ...]:
        """Return the requests in their order; the last one's answer is the target's."""
        steps = self.steps or (Step(name=ONLY, method=self.method, body=self.body, expect=self.expect),)
        last = steps[-1]
        if self.report is None or last.expect.statuses:
            return steps
        meant = replace(last.expect, statuses=(*range(200, 300), 503))
        return (*steps[:-1], replace(last, expect=meant))
