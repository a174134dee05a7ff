"""Modules that are loaded into the server."""

from typing import Final

from exporter.collector import Members, NotApplicable, read
from exporter.collectors.redis.session import Session
from exporter.metric import Samples, gauge

_LABELS: Final = ("name", "ver", "api", "filters", "usedby", "using")

MODULE = gauge(
    "redis_module_info", "1 for each module that is loaded, with its version.", labels=_LABELS, source="INFO"
)


@read(members=Members(_LABELS, 100, MODULE))
def modules(session: Session) -> Samples:
    """Which modules are loaded."""
    found = [module for _, module in session.info.entries("Modules", "module")]
    if not found:
        raise NotApplicable("no modules are loaded")
    for module in found:
        yield MODULE(1, **{label: module.get(label, "") for label in _LABELS})
