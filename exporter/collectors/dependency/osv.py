"""Advisories about packages, as OSV tells them (google.github.io/osv.dev, ossf.github.io/osv-schema)."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from exporter.collector import Trouble
from exporter.collectors.dependency.advice import Records, record_of
from exporter.collectors.dependency.cvss import versions
from exporter.collectors.dependency.found import Package
from exporter.collectors.dependency.running import Way, changed
from exporter.collectors.dependency.settings import DependencySettings
from exporter.fetch import Reply, fetch
from exporter.httprequest import split
from exporter.jsontext import parse
from exporter.retryafter import wait_of

# A release of each ecosystem with vulnerabilities that everybody knows: who tells none of it tells of none at all.
BAD: Final[Mapping[str, Package]] = {"PyPI": Package("jinja2", "2.4.1"), "npm": Package("lodash", "4.17.4")}
_AT_ONCE: Final = 1000
_MOST_PAGES: Final = 100
_MOST: Final = 32 << 20  # as much as it sends
_LONGEST: Final = 60.0  # seconds for one answer
_DEPTH: Final = 40
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+-]{0,127}")
_TOO_MANY: Final = 429

Named = Mapping[str, str]
"""When each advisory about a package was changed last, by its name."""


class Wait(Trouble):
    """We are asked to stay away for a while."""

    def __init__(self, reason: str, seconds: float) -> None:
        super().__init__(reason, "let it be: the next scan waits longer; or set `osv_url` to a mirror")
        self.seconds = seconds


class Source(NamedTuple):
    """A server that answers as OSV does, and what it was told of a project's ecosystem."""

    settings: DependencySettings
    ecosystem: str
    way: Way

    def named(self, packages: Sequence[Package]) -> dict[Package, Named]:
        """Return the names of all advisories about each package; Trouble where the source knows of none at all."""
        bad = BAD[self.ecosystem]
        asked = [bad, *(package for package in packages if package != bad)]
        found: dict[Package, dict[str, str]] = {}
        for start in range(0, len(asked), _AT_ONCE):
            self._take_all(asked[start : start + _AT_ONCE], found)
            if not found.get(bad):
                fix = "see what `osv_url` is; a mirror must hold the advisories of the whole ecosystem"
                raise Trouble(f"it knows nothing against {bad.name} {bad.version}, so it has no advisories", fix)
        return {package: found.get(package, {}) for package in packages}

    def fill(self, records: Records, named: Mapping[Package, Named]) -> None:
        """Ask for the advisories that are not known yet, or were changed since."""
        understood = versions()  # what was judged with less is asked for again
        for package, names in named.items():
            for name, when in names.items():
                modified = when and f"{when} {understood}".rstrip()
                if not records.knows(name, package.name, modified):
                    told = self._document(self._ask(f"/v1/vulns/{quote(name, safe='')}"))
                    records.put(name, package.name, record_of(told, name, package.name, modified))

    def _take_all(self, asked: Sequence[Package], found: dict[Package, dict[str, str]]) -> None:
        """Ask about packages; those with more to tell are asked for again, with the token of the next page."""
        left: list[tuple[Package, str]] = [(package, "") for package in asked]
        for _ in range(_MOST_PAGES):
            queries = [self._query(package, token) for package, token in left]
            told = self._document(self._ask("/v1/querybatch", {"queries": queries}))
            results = told.get("results")
            if not isinstance(results, list) or len(results) != len(left):
                raise changed("what OSV answers")
            again: list[tuple[Package, str]] = []
            for (package, _), result in zip(left, results, strict=True):
                names, token = _page(result)
                found.setdefault(package, {}).update(names)
                if token:
                    again.append((package, token))
            if not again:
                return
            left = again
        raise Trouble(f"OSV's answer has more than {_MOST_PAGES} pages", "see what `osv_url` is")

    def _query(self, package: Package, token: str) -> dict[str, Any]:
        # a local version, as in 2.1.0+cpu, is the public one built elsewhere
        version = package.version.partition("+")[0] if self.ecosystem == "PyPI" else package.version
        query: dict[str, Any] = {"package": {"name": package.name, "ecosystem": self.ecosystem}, "version": version}
        return {**query, "page_token": token} if token else query

    def _ask(self, path: str, body: Any = None) -> Reply:
        settings = self.settings
        reply = fetch(
            settings.osv_url.reveal().rstrip("/") + path,
            timeout=min(_LONGEST, self.way.left()),
            most=_MOST,
            headers={"Accept": "application/json", **({"Content-Type": "application/json"} if body else {})},
            method="POST" if body else "GET",
            body=json.dumps(body, separators=(",", ":")).encode() if body else None,
            verify=settings.verify,
            cert=settings.cert,
            cancel=self.way.cancel,
            proxy=split(settings.proxy.reveal()) if settings.proxy is not None else None,
        )
        if reply.status == _TOO_MANY:
            raise Wait("OSV is asked too often (status 429)", wait_of(reply))
        if reply.status != 200:
            raise Trouble(f"OSV answers with the status {reply.status}", "see what `osv_url` is, or try later")
        return reply

    def _document(self, reply: Reply) -> Mapping[str, Any]:
        told = parse(reply.body, "what OSV answers", _DEPTH, shown=False)
        if not isinstance(told, dict):
            raise changed("what OSV answers")
        return told


def _page(result: Any) -> tuple[dict[str, str], str]:
    """Return the names of one page and the token of the next one, empty where there is none."""
    if not isinstance(result, dict):
        raise changed("what OSV answers")
    vulns, token = result.get("vulns", []), result.get("next_page_token", "")
    if not isinstance(vulns, list) or not isinstance(token, str) or result.keys() - {"vulns", "next_page_token"}:
        raise changed("what OSV answers")
    names: dict[str, str] = {}
    for one in vulns:
        name = one.get("id") if isinstance(one, dict) else None
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise changed("what OSV answers")
        names[name] = str(one.get("modified") or "")
    return names, token
