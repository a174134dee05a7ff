"""Endpoints: which template the path of a request belongs to, and what can be told about it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from exporter.models import Problems
from exporter.setting import Seconds, setting

# The bounds that prometheus_client gives a histogram, so that both ways of counting can be added up.
BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
OTHER: Final = "other"

_TEMPLATE: Final = re.compile(r"/|(?:/(?:[^/{}<>*\\\s?;\"]+|\{\w+\}))+(?:/|/\{\w+:path\})?|/\{\w+:path\}")
_LONGEST: Final = 200  # characters of an endpoint's name
# A segment that names a thing and not an endpoint: with free text, long, with three digits, or a number. Each part
# can match in one way only, so that no path takes more than a look at each of its characters.
_VARIABLE: Final = re.compile(
    r"""/(?: (?= [A-Za-z0-9._~-]*+ [^/A-Za-z0-9._~-] )
           | (?= [^/]{33} )
           | (?= (?: [^/0-9]*+ [0-9] ){3} )
           | (?= [0-9]++ (?: / | \Z ) )
         ) [^/]++""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class AccessSettings:
    """What is counted of an access log: a target's series of requests are those of one such log."""

    routes: tuple[str, ...] = setting(
        (),
        help="Endpoints of the application, as templates: `/api/videos/{id}/frames`; `{file:path}` at the end stands "
        "for any number of segments. Paths that fit none get a template by themselves: what looks like a number, an id "
        "or free text becomes `{id}`. Queries are never kept.",
        example="[/api/videos/{id}/frames, '/static/{file:path}']",
    )
    ignore: tuple[str, ...] = setting(
        (), help="Paths that are not counted, as templates like those of `routes`.", example="[/health]"
    )
    endpoints: int = setting(
        100,
        help="How many endpoints (a method and a template) that no route names have series of their own. The first "
        "that are answered well have them, and keep them; what comes later is counted as `other`.",
    )
    buckets: tuple[Seconds, ...] = setting(
        BUCKETS, help="Upper bounds of the buckets of response times.", example="[100ms, 500ms, 1s, 10m]"
    )

    def check(self) -> Problems:
        """Find templates that are none, a negative number, and bounds that do not ascend."""
        for key in ("routes", "ignore"):
            for template in getattr(self, key):
                if not _TEMPLATE.fullmatch(template):
                    yield key, f"{template!r} is no template; expected one such as /api/videos/{{id}}/frames"
        if len({_bare(route) for route in self.routes}) < len(self.routes):
            yield "routes", "has one template twice; expected each once, whatever its placeholders are called"
        if not 0 <= self.endpoints <= 1000:
            yield "endpoints", "is out of bounds; expected 0 to 1000"
        if not self.buckets or any(low >= high for low, high in zip((0.0, *self.buckets), self.buckets, strict=False)):
            yield "buckets", "do not ascend; expected one bound or more, above 0, each above the one before it"


def _bare(template: str) -> str:
    return re.sub(r"\{\w+", "{", template.rstrip("/"))


@dataclass(slots=True)
class _Node:
    """A place in the tree of templates: what may follow, and the templates that end here."""

    named: dict[str, "_Node"] = field(default_factory=dict)
    any: "_Node | None" = None
    template: str | None = None
    rest: str | None = None

    def after(self, segment: str) -> "list[_Node]":
        """Return the places that the segment leads to, the one that names it first."""
        return [node for node in (self.named.get(segment), self.any) if node is not None]


class Routes:
    """Templates, and the one that a path belongs to: of several that fit, the one that names more of it."""

    def __init__(self, templates: Iterable[str]) -> None:
        self._root = _Node()
        for template in templates:
            self._add(template)

    def _add(self, template: str) -> None:
        node = self._root
        for segment in _segments(template):
            if segment.endswith(":path}"):
                node.rest = template
                return
            if segment.startswith("{"):
                node.any = node = node.any or _Node()
            else:
                node = node.named.setdefault(segment, _Node())
        node.template = template

    def find(self, path: str) -> str | None:
        """Return the template of a path, or None; the whole tree is walked at most once."""
        nodes, rest = [self._root], self._root.rest
        for segment in _segments(path):
            nodes = [node for before in nodes for node in before.after(segment)]
            if not nodes:
                return rest
            rest = next((node.rest for node in nodes if node.rest), rest)
        return next((node.template for node in nodes if node.template), rest)


def _segments(path: str) -> list[str]:
    """Return the parts of a path; with or without a slash at its end, it is the same endpoint."""
    bare = path.strip("/")
    return bare.split("/") if bare else []


def templated(path: str) -> str:
    """Return the template of a path that no route fits, `other` where it cannot be the path of an endpoint."""
    if not path.startswith("/"):
        return OTHER
    template = _VARIABLE.sub("/{id}", path)
    return template if len(template) <= _LONGEST else OTHER
