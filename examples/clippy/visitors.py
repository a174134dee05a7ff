"""People who use Clippy, and some that mean it no good: visitors.py ADDRESS KIND [EACH SECOND]

`users` ask and look up; `guessers` try passwords; `attackers` send scripts; `crowd` is many users at once.
"""

import http.client
import json
import sys
import urllib.parse

from exporter.demo.visiting import steadily

PATIENCE = 3.0
JSON = {"Content-Type": "application/json"}
ATTACK = "/api/themes?name=" + urllib.parse.quote("<script>document.cookie</script>")

Asked = tuple[str, str, bytes | None]


def _body(**fields: str) -> bytes:
    return json.dumps(fields).encode()


MESSAGE: Asked = ("POST", "/api/ai/message", _body(text="How do I write a letter?"))
SETTINGS: Asked = ("GET", "/api/settings", None)
THEMES: Asked = ("GET", "/api/themes?name=d", None)
KINDS: dict[str, list[Asked]] = {
    "users": [MESSAGE, SETTINGS, MESSAGE, THEMES],
    "crowd": [SETTINGS, THEMES],
    "guessers": [("POST", "/api/login", _body(user="admin", password="letmein"))],  # noqa: S106  # a wrong one
    "attackers": [("GET", ATTACK, None)],
}


def main(address: str, kind: str, each_second: float) -> None:
    host = urllib.parse.urlsplit(address).netloc
    line = http.client.HTTPConnection(host, timeout=PATIENCE)
    for turn in steadily(lambda: each_second):
        method, path, body = KINDS[kind][turn % len(KINDS[kind])]
        try:
            line.request(method, path, body, JSON if body else {})
            line.getresponse().read()
        except (OSError, http.client.HTTPException):
            line.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]) if sys.argv[3:] else 10.0)
