"""What RabbitMQ's management API tells of the queues of a virtual host: figures some seconds old."""

import math
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import quote, unquote, urlsplit

from exporter.collector import Trouble
from exporter.collectors.celery.settings import CelerySettings
from exporter.fetch import fetch
from exporter.jsontext import parse
from exporter.secret import Secret

_SECONDS: Final = 5.0
_MOST_BYTES: Final = 4 << 20
_SELDOM: Final = 60.0  # seconds between two looks at the exchanges
_PAGE: Final = 500
_MOST_PAGES: Final = 20
_COLUMNS: Final = (
    "name", "exclusive", "auto_delete",
    "messages_ready", "messages_unacknowledged", "message_stats.publish", "message_stats.deliver_get",
)  # fmt: skip


class Figures(NamedTuple):
    """One queue's: messages now, and messages since it is there."""

    ready: int
    unacked: int
    published: int
    delivered: int


class Management:
    """The API, asked for what is needed alone."""

    def __init__(self, settings: CelerySettings, address: Secret) -> None:
        self._address = address.reveal().rstrip("/")
        self._verify = settings.verify
        self._shared: set[str] = set()
        self._exchanges: set[str] = set()
        self._celerys_due = -math.inf
        self._vhost = unquote(urlsplit(settings.url.reveal()).path[1:]) or "/"

    def queues(self) -> dict[str, Figures]:
        """Return the figures of each queue; Trouble where not all of them can be had."""
        found: dict[str, Figures] = {}
        self._shared = set()
        for item in self._all("queues", _COLUMNS):
            if (figures := _figures(item)) is not None:
                found[item["name"]] = figures
            if not item.get("exclusive") and not item.get("auto_delete"):
                self._shared.add(item["name"])
        return found

    def of_celery(self) -> set[str]:
        """Return which of them are as Celery makes them, with an exchange of the same name; not those of others."""
        if time.monotonic() >= self._celerys_due:
            self._exchanges = {item["name"] for item in self._all("exchanges", ("name",))}
            self._celerys_due = time.monotonic() + _SELDOM
        return self._shared & self._exchanges

    def _all(self, kind: str, columns: Iterable[str]) -> Iterator[Mapping[str, Any]]:
        for page in range(1, _MOST_PAGES + 1):
            told = self._page(kind, page, columns)
            yield from told["items"]
            if page >= told.get("page_count", 1):
                return
        raise Trouble(f"the virtual host has more than {_MOST_PAGES * _PAGE} {kind}", "leave out `management`")

    def _page(self, kind: str, page: int, columns: Iterable[str]) -> Mapping[str, Any]:
        query = f"page={page}&page_size={_PAGE}&columns={','.join(columns)}"
        url = f"{self._address}/api/{kind}/{quote(self._vhost, safe='')}?{query}"
        reply = fetch(url, timeout=_SECONDS, most=_MOST_BYTES, verify=self._verify)
        if reply.status in (401, 403):
            fix = "correct user and password in `management`; the user needs the tag `monitoring` or `management`"
            raise Trouble(f"the management API refuses us (status {reply.status})", fix)
        if reply.status == 404:
            fix = (
                "see that the plugin rabbitmq_management is on, and the virtual host in `url` is one the user may enter"
            )
            raise Trouble("the management API knows no such virtual host", fix)
        if reply.status != 200:
            raise Trouble(f"the management API answers with status {reply.status}", "see the broker's log")
        told = parse(reply.body, "what the management API tells", shown=False)
        if not isinstance(told, dict) or not isinstance(told.get("items"), list):
            raise Trouble("what `management` names is no management API of RabbitMQ", "correct `management`")
        return told


def _figures(item: Mapping[str, Any]) -> Figures | None:
    """Return a queue's figures, None where there are none yet: it was made a moment ago."""
    if "messages_ready" not in item or "messages_unacknowledged" not in item:
        return None
    stats = item.get("message_stats") or {}
    return Figures(
        item["messages_ready"], item["messages_unacknowledged"], stats.get("publish", 0), stats.get("deliver_get", 0)
    )
