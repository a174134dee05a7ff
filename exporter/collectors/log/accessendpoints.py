"""Which series a request is counted in: they are bounded, and what is counted in one never moves to another."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from exporter.collectors.log.accessformats import Text
from exporter.collectors.log.routes import OTHER, AccessSettings, Routes, templated

_METHODS: Final[Mapping[str, str]] = {
    name: name for name in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE")
} | {"WebSocket": "GET"}  # what uvicorn writes of one
# What says that somebody serves the endpoint. A scanner's paths are answered with 4xx; to HTTPS everything is moved;
# and a proxy without its application says 502 or 503 of all.
_SERVED: Final = frozenset("125")
_MOVED: Final = frozenset({"302", "303", "304", "307"})
_NOT_SERVED: Final = frozenset({"501", "502", "503"})
_NO_SUCH_METHOD: Final = frozenset({"405", "501"})
_REMEMBERED: Final = 20_000  # requests and templates that need not be looked at again,
_LONG: Final = 300  # unless they are longer


@dataclass(slots=True, eq=False)
class Pair:
    """A method and an endpoint with series of their own, and what was counted of them."""

    method: str
    endpoint: str
    buckets: list[int]
    statuses: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(slots=True, eq=False)
class Shape:
    """What requests of one method and template have in common; the pair that they count in, once that is decided."""

    method: str
    endpoint: str
    routed: bool
    pair: Pair | None = None


class Endpoints:
    """The pairs of one access log, and the shapes of the requests of late."""

    def __init__(self, settings: AccessSettings) -> None:
        self.pairs: dict[tuple[str, str], Pair] = {}
        self._room = settings.endpoints
        self._routes = Routes(settings.routes)
        self._ignored = Routes(settings.ignore) if settings.ignore else None
        self._buckets = len(settings.buckets) + 1
        self._shapes: dict[Text, Shape] = {}
        self._templates: dict[tuple[str, str], Shape] = {}
        self._nowhere = Pair(OTHER, OTHER, [0] * self._buckets)

    def pair(self, method: str, endpoint: str) -> Pair:
        """Return the pair, made where it is not there yet."""
        found = self.pairs.get((method, endpoint))
        if found is None:
            found = self.pairs[method, endpoint] = Pair(method, endpoint, [0] * self._buckets)
            self._room -= endpoint != OTHER and not self._routes.find(endpoint)
        return found

    def of(self, request: Text, status: str) -> Pair | None:
        """Return the pair that a request with this answer counts in; None where it is not to be counted."""
        shape = self._shapes.get(request) or self._remember(request)
        found = shape.pair or self._decide(shape, status)
        return None if found is self._nowhere else found

    def _remember(self, request: Text) -> Shape:
        if max(len(self._shapes), len(self._templates)) >= _REMEMBERED:
            self._shapes.clear()
            self._templates.clear()
        shape = self._shape(request if isinstance(request, str) else request.decode("latin-1"))
        if len(request) <= _LONG:
            self._shapes[request] = shape
        return shape

    def _shape(self, request: str) -> Shape:
        name, _, path = request.partition(" ")
        is_path = path.startswith("/")
        if is_path and self._ignored and self._ignored.find(path):
            return Shape(OTHER, OTHER, routed=False, pair=self._nowhere)
        route = self._routes.find(path) if is_path else None
        key = _METHODS.get(name, OTHER), route or templated(path)
        shape = self._templates.get(key)
        if shape is None:
            shape = self._templates[key] = Shape(*key, routed=route is not None, pair=self.pairs.get(key))
        return shape

    def _decide(self, shape: Shape, status: str) -> Pair:
        """Return the pair of a shape that has none yet; what was decided for good is kept in the shape."""
        full = not shape.routed and self._room <= 0
        if full or shape.endpoint == OTHER:
            shape.pair = self.pair(shape.method, OTHER)
        elif _admits(shape, status):
            shape.pair = self.pair(shape.method, shape.endpoint)
        return shape.pair or self.pair(shape.method, OTHER)


def _admits(shape: Shape, status: str) -> bool:
    """Return whether an answer shows that the endpoint is one, or at least the method of a configured one."""
    if shape.routed:
        return status not in _NO_SUCH_METHOD
    return (status[0] in _SERVED and status not in _NOT_SERVED) or status in _MOVED
