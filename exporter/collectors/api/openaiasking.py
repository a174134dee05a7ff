"""How OpenAI, Azure and what is compatible with them are asked, and how their reports are read page by page."""

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote

from exporter.collector import Trouble
from exporter.collectors.api.asking import Query, ask, document, refuse
from exporter.collectors.api.found import Key, Refused
from exporter.collectors.api.openairefusal import verdict_of
from exporter.collectors.api.settings import APISettings
from exporter.deadline import Cancel
from exporter.fetch import Reply

DAY: Final = 86400
_LARGEST: Final = 1e18  # what is counted is less: more is a mistake, as is what is no number
_MOST_PAGES: Final = 50
_CHANGED: Final = "see whether a newer version of the exporter knows this form"


class Missing(Refused):
    """What was asked for is not there: 404."""


def wants_rest(trouble: Trouble) -> bool:
    """Tell whether the provider wants to be left alone: what else would be asked at once is not asked then."""
    return isinstance(trouble, Refused) and (trouble.verdict.limited or trouble.verdict.wait > 0)


class Asking:
    """The API at its base address, asked with one key or the other, which stands in a header."""

    def __init__(self, settings: APISettings) -> None:
        self.settings = settings
        self.azure = bool(settings.api_version)

    def reply(self, key: Key, path: str, cancel: Cancel, query: Query = (), body: bytes | None = None) -> Reply:
        """Return the answer of any status; Trouble where none came."""
        version = [("api-version", self.settings.api_version)] if self.azure else []
        url = f"{self.settings.base}{'/openai' if self.azure else ''}{path}"
        return ask(self.settings, url, cancel, query=[*version, *query], headers=self._credentials(key), body=body)

    def answer(self, path: str, cancel: Cancel, query: Query = ()) -> dict[str, Any]:
        """Return what the admin key is told; Refused where it is nothing, Trouble where that is no JSON object."""
        reply = self.reply("admin", path, cancel, query)
        if reply.status == 404:
            raise Missing(verdict_of(reply, "admin"))
        if not 200 <= reply.status < 300:
            refuse(verdict_of(reply, "admin"))
        return an_object(document(reply), "the answer")

    def pages(self, path: str, cancel: Cancel, query: Query, cursor: str = "next_page") -> Iterator[list[Any]]:
        """Yield the entries of each page of a report; Trouble where it cannot be read to its end.

        Half of a report is a wrong report: a page that names none to follow though there are more, or one that was
        there before, is a failure.
        """
        asked = "page" if cursor == "next_page" else "after"
        seen: list[str] = []
        while len(seen) < _MOST_PAGES:
            page = self.answer(path, cancel, [*query, (asked, seen[-1])] if seen else query)
            yield a_list(page.get("data"), "data")
            if not a_flag(page.get("has_more"), "has_more"):
                return
            following = page.get(cursor)
            if not isinstance(following, str) or not following or following in seen:
                raise changed(cursor, "it is not where the next page begins, though there are more")
            seen.append(following)
        raise Trouble(f"the report has more than {_MOST_PAGES} pages", "name a `project`, so that there is less of it")

    def _credentials(self, key: Key) -> dict[str, str]:
        secret = self.settings.admin_key if key == "admin" else self.settings.key
        if secret is None:
            return {}
        return {"Api-Key": secret.reveal()} if self.azure else {"Authorization": f"Bearer {secret.reveal()}"}


def project_path(project: str) -> str:
    """Return the path of a project, of the whole organization without one."""
    return f"/organization/projects/{quote(project, safe='')}" if project else "/organization"


def changed(name: str, what: str) -> Trouble:
    """Return the trouble that a field of an answer is not what is documented."""
    return Trouble(f"the answer's `{name}` is not as documented: {what}", _CHANGED)


def an_object(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise changed(name, "no object")
    return value


def a_list(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise changed(name, "no list")
    return value


def a_flag(value: Any, name: str) -> bool:
    if not isinstance(value, bool):
        raise changed(name, "neither true nor false")
    return value


def a_count(holder: Mapping[str, Any], name: str) -> float:
    """Return a number that counts something; Trouble where it is none."""
    value = holder.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _LARGEST:
        raise changed(name, "no number")
    return float(value)


def a_text(holder: Mapping[str, Any], name: str) -> str:
    """Return a name; `unknown` where the provider has none."""
    value = holder.get(name)
    if value is not None and not isinstance(value, str):
        raise changed(name, "no text")
    return value or "unknown"
