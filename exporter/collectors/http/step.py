"""One request of a chain: what is sent, what is expected, what is carried on from the answer."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from exporter.collector import Trouble
from exporter.collectors.http.expect import Expectation, document, understood
from exporter.cookies import Cookies
from exporter.exchange import Answer
from exporter.jmes import compiled
from exporter.models import Problems
from exporter.pattern import group_of, pattern_problem
from exporter.request import header_problem
from exporter.setting import setting
from exporter.template import names_in

Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
WAYS: Final = ("json", "header", "cookie", "body")
_LONGEST: Final = 16 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """Where in an answer a value stands that later steps need; in exactly one way."""

    json: str = setting("", help="A JMESPath, where the body is JSON.", example="access_token", shown=True)
    header: str = setting("", help="A header.", example="X-CSRF-Token")
    cookie: str = setting("", help="A cookie.", example="csrftoken")
    body: str = setting(
        "",
        help="A pattern of RE2: what its first group finds in the body, or all that it does where it has none.",
        example='\'name="csrf" value="([^"]+)"\'',
    )

    def check(self) -> Problems:
        """Find none or several ways, and paths or patterns that are none."""
        given = [way for way in WAYS if getattr(self, way)]
        if len(given) != 1:
            yield (given[1] if given else "json"), f"expected exactly one of {', '.join(WAYS)}"
        if self.json:
            try:
                compiled(self.json)
            except ValueError as error:
                yield "json", str(error)
        if self.body and (problem := pattern_problem(self.body)):
            yield "body", problem

    def find(self, name: str, answer: Answer, cookies: Cookies) -> str:
        """Return the value; Trouble where it is not there."""
        value = self._found(answer, cookies)
        if not isinstance(value, str) or not value:
            fix = "ask by hand, and compare the answer with what `carry` says"
            raise Trouble(f"the answer has no value for {name}", fix)
        if len(value) > _LONGEST:
            raise Trouble(f"the value for {name} is longer than {_LONGEST} characters", "narrow what `carry` finds")
        return value.encode("utf-8", "replace").decode()  # a half of a character cannot be sent

    def _found(self, answer: Answer, cookies: Cookies) -> object:
        if self.header:
            return next(iter(answer.values(self.header)), None)
        if self.cookie:
            return cookies.value(self.cookie)
        if self.body:
            understood(answer)
            return group_of(self.body, answer.body)
        value = compiled(self.json).find(document(answer))
        return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One request of a chain. `{{name}}` in its url, headers and body stands for a value."""

    name: str = setting(help="What it is called, in metrics and reasons.", example="login")
    url: str = setting(
        "",
        help="The address, whole or as it stands beside the target's `url`; without one the target's own.",
        example="/api/login",
        shown=True,
    )
    method: Method = setting("GET", help="How it is asked.")
    headers: Mapping[str, str] = setting(
        {},
        help="Headers to send, beside the target's. Secrets belong in `values`, and here as `{{name}}`.",
        example='{Authorization: "Bearer {{token}}"}',
    )
    body: str = setting(
        "",
        help="What is sent: as application/json where it begins so, else as a form, unless a header says otherwise. "
        "Values are written into it as its type has them.",
        example='\'{"user": "probe", "password": "{{password}}"}\'',
    )
    expect: Expectation = setting(Expectation, help="What the answer must be like.", example="{statuses: [200]}")
    attempts: int = setting(
        1,
        help="How often it is made at most, until the answer is as expected: a limit must refuse one of them. "
        "Give such a target a long `interval`.",
    )
    carry: Mapping[str, Carried] = setting(
        {}, help="Values for later steps, by name, each kept secret.", example="{token: {json: access_token}}"
    )

    def check(self) -> Problems:
        """Find headers that cannot be given, and a body where none is sent."""
        for name, text in self.headers.items():
            if problem := header_problem(name, text):
                yield f"headers.{name}", problem
        if not 1 <= self.attempts <= 100:
            yield "attempts", "is out of range; expected 1 to 100"
        if self.body and self.method in ("GET", "HEAD"):
            yield "body", f"is not sent by a {self.method}; expected another `method` beside it"

    def texts(self) -> Iterator[tuple[str, str]]:
        """Yield the keys that may ask for values, and their texts."""
        yield from (("url", self.url), ("body", self.body))
        yield from ((f"headers.{name}", text) for name, text in self.headers.items())

    def unknown(self, known: set[str]) -> Problems:
        """Find values that nobody gives."""
        for where, text in self.texts():
            for name in names_in(text):
                if name not in known:
                    given = ", ".join(sorted(known)) or "none"
                    yield where, f"asks for {{{{{name}}}}}, which nobody gives before; expected one of: {given}"
