"""A plain WebSocket: the handshake, what is said step by step, a ping, and the end."""

from contextlib import ExitStack

from exporter.collectors.websocket.channel import Channel, Head
from exporter.collectors.websocket.ending import end
from exporter.collectors.websocket.library import check_library
from exporter.collectors.websocket.step import BY_HAND, Step
from exporter.collectors.websocket.way import Way
from exporter.pattern import found_in
from exporter.probing import MismatchError
from exporter.template import in_body, kind_of


def visit(way: Way) -> None:
    """Make the whole visit, phase by phase."""
    settings, phases = way.settings, way.phases
    check_library()
    with ExitStack() as stack:
        with phases.phase("handshake"):
            channel = Channel(stack.enter_context(way.line()), way, way.target())
            stack.callback(channel.leave)
            hold_headers(way, channel.begin())
        if settings.steps:
            with phases.phase("message"):
                for number, step in enumerate(settings.steps):
                    _said(way, channel, step, f"steps[{number}]")
        if settings.ping:
            with phases.phase("ping"):
                channel.ping()
        end(way, channel.close)


def hold_headers(way: Way, head: Head) -> None:
    """Raise MismatchError where a header of the handshake's answer is not as it should be."""
    for name, pattern in way.settings.expect_headers.items():
        values = head.values(name)
        if not values or not all(found_in(pattern, value.encode("latin-1", "replace")) for value in values):
            text = f"the header {name} is {'not as expected' if values else 'missing'}"
            raise MismatchError(text, "compare the handshake's answer with `expect_headers`", by_pattern=True)


def _said(way: Way, channel: Channel, step: Step, place: str) -> None:
    if step.send:
        kind = kind_of(step.send)
        channel.send(in_body(step.send, way.values(), kind if "json" in kind else "").decode())
    elif step.send_hex:
        channel.send(bytes.fromhex(step.send_hex))
    if not step.waits:
        return
    others = 0
    try:
        while not step.fits(channel.message()):
            others += 1
    except TimeoutError:
        came = f"; {others} others came" if others else ", nor any other"
        text = f"{place}: the message that is expected did not come in time{came}"
        raise MismatchError(text, BY_HAND, by_pattern=bool(step.expect and others)) from None
