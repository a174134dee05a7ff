"""Whether plain HTTP was served where TLS was meant."""

import socket
from contextlib import suppress
from typing import Final

from exporter.collectors.http.walk import Walk
from exporter.deadline import Deadline
from exporter.fetchline import Line
from exporter.httprequest import split
from exporter.probeline import Place, Sight, opened

_QUESTION: Final = b"HEAD / HTTP/1.0\r\n\r\n"
_BEGINNING: Final = b"HTTP/"


def plain_served(walk: Walk) -> bool | None:
    """Tell whether the last answer came over plain HTTP though TLS was meant; None where it was not, or none came."""
    settings = walk.settings
    url = settings.url.reveal() if settings.url is not None else ""
    if not (settings.tls_required or split(url).scheme == "https"):
        return None
    if walk.seen.answer is not None:
        return not walk.secure
    return True if walk.seen.no_tls and _speaks_plain(walk) else None


def _speaks_plain(walk: Walk) -> bool:
    """Tell whether what speaks no TLS answers to plain HTTP; it is asked for nothing, and told nothing."""
    way, asked = walk.way, walk.asked
    if asked is None or way.proxy is not None:
        return False
    with suppress(OSError):
        place = Place(walk.seen.address, asked.port)
        with opened(place, way.deadline, way.cancel, Sight()) as line:
            return _answers(line, way.deadline)
    return False


def _answers(line: socket.socket, deadline: Deadline) -> bool:
    spoken = Line(line, deadline)
    spoken.sendall(_QUESTION)
    return spoken.makefile("rb").read(len(_BEGINNING)) == _BEGINNING
