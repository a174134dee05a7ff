"""A registry of npm and a source of advisories (OSV), with what a scan of Clippy asks them: registry.py FOLDER PORT

`advisories.json` in the folder tells what is wrong with electron 31.0.0, as a list of `{"id": ..., "severity": ...}`.
"""

import json
import sys
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

RELEASES = {"electron": ["31.0.0"], "react": ["18.3.1"], "react-dom": ["18.3.1"]}
DATES = {"31.0.0": "2026-10-01T00:00:00Z", "18.3.1": "2026-04-26T00:00:00Z"}
KNOWN = {
    "id": "GHSA-jf85-cpcp-j695",
    "severity": "CRITICAL",
    "package": "lodash",
}  # what every source of advisories has


class Handler(BaseHTTPRequestHandler):
    """Answers as the two do."""

    def __init__(self, folder: Path, *more: Any) -> None:
        self.folder = folder
        super().__init__(*more)

    def advisories(self) -> list[dict[str, str]]:
        told: list[dict[str, str]] = json.loads((self.folder / "advisories.json").read_text(encoding="utf-8"))
        return [{**one, "package": "electron"} for one in told]

    def do_GET(self) -> None:
        name = self.path.strip("/")
        if name in RELEASES:
            versions = {
                one: {"name": name, "version": one, "dist": {"tarball": "http://127.0.0.1/"}} for one in RELEASES[name]
            }
            times = {one: DATES[one] for one in versions}
            self.answer(
                {"name": name, "dist-tags": {"latest": RELEASES[name][-1]}, "versions": versions, "time": times}
            )
            return
        for one in (KNOWN, *self.advisories()):
            if name == f"v1/vulns/{one['id']}":
                self.answer(record(one))
                return
        self.answer({"error": "not found"}, 404)

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer({"results": [self.found(query) for query in asked["queries"]]})

    def found(self, query: dict[str, Any]) -> dict[str, Any]:
        package, version = query["package"]["name"], query["version"]
        known = [KNOWN] if (package, version) == ("lodash", "4.17.4") else []
        known += self.advisories() if package == "electron" else []
        return {"vulns": [{"id": one["id"], "modified": record(one)["modified"]} for one in known]} if known else {}

    def answer(self, said: dict[str, Any], status: int = 200) -> None:
        body = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Write no access log: nobody reads it."""


def record(one: dict[str, str]) -> dict[str, Any]:
    """Return an advisory in OSV's schema."""
    return {
        "schema_version": "1.7.3", "id": one["id"], "modified": "2026-11-01T00:00:00Z", "summary": "Something is wrong",
        "affected": [{"package": {"name": one["package"], "ecosystem": "npm"}, "ranges": []}],
        "database_specific": {"severity": one["severity"], "cwe_ids": []},
    }  # fmt: skip


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), partial(Handler, Path(sys.argv[1]))).serve_forever()
