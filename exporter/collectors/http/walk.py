"""The way of one probe: step after step, each with its redirects, cookies and values."""

import time
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult

from exporter.collector import Trouble, Unable
from exporter.collectors.http.masking import masked
from exporter.collectors.http.settings import HTTPSettings
from exporter.collectors.http.step import Step
from exporter.cookies import Cookies
from exporter.exchange import REDIRECTS, Answer, Seen, Way, ask
from exporter.httprequest import HARMLESS, Request, redirected_to, split
from exporter.probing import MismatchError, told_by_pattern
from exporter.template import in_address, in_body, in_header, kind_of

_WITH_BODY: Final = ("POST", "PUT", "PATCH")
_TO_GET: Final = (301, 302, 303)


@dataclass(slots=True)
class Walk:
    """One probe on its way, and what was seen of it so far."""

    settings: HTTPSettings
    chain: tuple[Step, ...]
    way: Way
    seen: Seen = field(default_factory=Seen)
    redirects: int = 0
    failed_by_pattern: bool = False
    asked: Request | None = None
    """The last request."""
    arrived: Answer | None = None
    """The answer to the last step, as it should be or not."""
    steps: dict[str, float] = field(default_factory=dict)
    _values: dict[str, str] = field(default_factory=dict)
    _carried: list[str] = field(default_factory=list)
    _cookies: Cookies = field(default_factory=Cookies)

    @property
    def secure(self) -> bool:
        """Whether the last request went over TLS."""
        return self.asked is not None and self.asked.secure

    @property
    def _base(self) -> SplitResult:
        return split(self.settings.url.reveal() if self.settings.url is not None else "")

    def go(self) -> None:
        """Go all the way; Trouble names the step that failed, and shows no value."""
        self._values = {name: secret.reveal() for name, secret in self.settings.values.items()}
        for step in self.chain:
            begun = time.monotonic()
            try:
                self._step(step, last=step is self.chain[-1])
            except Trouble as trouble:
                self.failed_by_pattern = told_by_pattern(trouble)
                raise self._named(step, trouble) from None
            finally:
                self.steps[step.name] = time.monotonic() - begun

    def _named(self, step: Step, trouble: Trouble) -> Trouble:
        reason = masked(str(trouble), self._carried)
        kind = Unable if isinstance(trouble, Unable) else Trouble
        return kind(f"step {step.name}: {reason}" if self.settings.steps else reason, trouble.fix)

    def _step(self, step: Step, *, last: bool) -> None:
        for left in reversed(range(step.attempts)):
            answer = self._followed(self._request(step))
            self.arrived = answer if last else None
            try:
                step.expect.hold(answer)
                break
            except MismatchError:
                if not left:
                    raise
        for name, wanted in step.carry.items():
            self._values[name] = wanted.find(name, answer, self._cookies)
            self._carried.append(self._values[name])

    def _request(self, step: Step) -> Request:
        base = self._base
        url = split(in_address(step.url, self._values), base.geturl())
        at_home = _origin_of(url) == _origin_of(base)
        headers = self._common_headers(step) | (self._own_headers() if at_home else {})
        headers |= {name.title(): in_header(text, self._values) for name, text in step.headers.items()}
        body = None
        if step.body or step.method in _WITH_BODY:
            kind = headers.setdefault("Content-Type", kind_of(step.body)) if step.body else ""
            body = in_body(step.body, self._values, kind)
        request = Request(url, step.method, headers, body)
        return self._at_home(request, base) if at_home else request

    def _at_home(self, request: Request, base: SplitResult) -> Request:
        """Return the request with what is meant for the target's own place alone."""
        settings, url = self.settings, request.url
        if "@" not in url.netloc:
            url = url._replace(netloc=base.netloc)  # with the user that was given
        return request._replace(url=url, cert=settings.cert, server_name=settings.server_name)

    def _common_headers(self, step: Step) -> dict[str, str]:
        is_json = bool(step.expect.json) or (self.settings.report is not None and step is self.chain[-1])
        headers = {"Accept": "application/json, */*" if is_json else "*/*"}
        return headers if self.settings.compression else headers | {"Accept-Encoding": "identity"}

    def _own_headers(self) -> dict[str, str]:
        settings = self.settings
        headers = settings.credentials()
        headers |= {name.title(): secret.reveal() for name, secret in settings.headers.items()}
        return headers | ({"Host": settings.host_header} if settings.host_header else {})

    def _followed(self, request: Request) -> Answer:
        for left in range(self.settings.max_redirects, -1, -1):
            answer = self._asked(request)
            location = answer.header("location")
            if answer.status not in REDIRECTS or location is None or self.settings.max_redirects == 0:
                return answer
            if left:
                request = redirected(request, answer.status, location)
                self.redirects += 1
        raise Trouble(f"{request.place} redirects without end", "give the address that it should end at")

    def _asked(self, request: Request) -> Answer:
        cookies = self._cookies.header(request.url)
        given = {"Cookie": cookies} if cookies and "Cookie" not in request.headers else {}
        self.asked = request
        verify = self.settings.verify if request.host == self._base.hostname else True
        answer = ask(request._replace(headers={**request.headers, **given}, verify=verify), self.way, self.seen)
        self._cookies.take(request.url, answer.values("Set-Cookie"))
        return answer


def redirected(request: Request, status: int, location: str) -> Request:
    """Return the request that a redirect asks for, without what only the first place may have."""
    old, url = request.url, redirected_to(request.url, location, _same_place)
    moved = request._replace(url=url)
    if (request.method == "POST" and status in _TO_GET) or (status == 303 and request.method != "HEAD"):
        headers = {name: value for name, value in request.headers.items() if name != "Content-Type"}
        moved = moved._replace(method="GET", body=None, headers=headers)
    if _same_place(old, url):
        return moved
    if moved.body is not None:
        raise Trouble(f"{request.place} redirects a {request.method} to another place, {moved.place}", _THERE)
    headers = {name: value for name, value in moved.headers.items() if name.lower() in HARMLESS}
    return moved._replace(headers=headers, cert=None, server_name="")


_THERE: Final = "give the address that it redirects to, if what is sent may go there"


def _same_place(old: SplitResult, new: SplitResult) -> bool:
    """Tell whether what was meant for one address may go to the other: the same place, or the same host by TLS."""
    upgraded = old.scheme == "http" and new.scheme == "https" and old.port is None and new.port is None
    return _origin_of(old) == _origin_of(new) or (upgraded and old.hostname == new.hostname)


def _origin_of(url: SplitResult) -> tuple[str, str | None, int]:
    return url.scheme, url.hostname, url.port or (443 if url.scheme == "https" else 80)
