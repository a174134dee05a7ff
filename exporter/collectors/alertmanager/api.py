"""Alertmanager's API v2: what is asked, and what may be wrong with the answer."""

from typing import Any

from exporter.collector import Trouble
from exporter.collectors.alertmanager.settings import AlertmanagerSettings
from exporter.deadline import Cancel, Deadline, within
from exporter.fetch import Reply
from exporter.jsontext import beginning, parse


class Api:
    """One Alertmanager, for one round; what is asked of it shares the time of the round."""

    def __init__(self, settings: AlertmanagerSettings, timeout: float) -> None:
        self._settings = settings
        self._deadline = Deadline(within(timeout))
        self._cancel = Cancel()

    def get(self, path: str) -> Any:
        """Return what lies under a path of the API."""
        left = max(self._deadline.seconds - self._deadline.spent(), 0.001)
        reply = self._settings.ask(left, "application/json", self._cancel, path=path)
        if reply.status != 200:
            raise _refused(path, reply)
        return parse(reply.body, path)

    def cancel(self) -> None:
        self._cancel.cancel()


def entries(answer: Any, what: str) -> list[Any]:
    """Return an answer that has to be a list."""
    if not isinstance(answer, list):
        raise strange(what)
    return answer


def strange(what: str) -> Trouble:
    """Return the trouble with an answer that is JSON, and not Alertmanager's."""
    fix = "compare `url` with the address at which its page opens in a browser"
    return Trouble(f"what it answers about its {what} is not what Alertmanager's API v2 says", fix)


def _refused(path: str, reply: Reply) -> Trouble:
    reason = f"{path} answers with the status {reply.status}: {beginning(reply.body)}"
    if reply.status in (401, 403):
        return Trouble(reason, "give `username` and `password`, or `bearer_token`, that may read there")
    if reply.status == 404:
        return Trouble(reason, "add its --web.route-prefix to `url`; an Alertmanager older than 0.16 has no API v2")
    return Trouble(reason, "see its own log")
