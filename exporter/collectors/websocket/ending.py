"""The end of a visit: what is not answered then is said, and fails nothing else."""

import http.client
import time
from collections.abc import Callable
from typing import Final

from exporter.collector import Trouble
from exporter.collectors.websocket.way import Way

_PATIENCE: Final = 1.0


def end(way: Way, close: Callable[[float], bool]) -> None:
    """End the visit as agreed, by a call that is given its seconds and tells whether the other side agreed."""
    begun = time.monotonic()
    try:
        well = close(min(_PATIENCE, way.deadline.left()))
    except (Trouble, OSError, http.client.HTTPException, ValueError):
        well = False
    way.phases.note("close", well, time.monotonic() - begun)
