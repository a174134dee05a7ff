"""People who use NDISuite. visitors.py ADDRESS USER PASSWORD

They come at a steady rate, whether those before have had their answer or not. Without a user somebody comes who guesses
users and passwords.
"""

import itertools
import json
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

PAUSE = 0.2  # seconds between two requests
AT_ONCE = 40
JSON = {"Content-Type": "application/json"}


def visit(opener: urllib.request.OpenerDirector, address: str, kind: int, who: dict[str, str]) -> None:
    if kind < 4:
        request = urllib.request.Request(f"{address}/api/reports")
    elif kind < 8:
        request = urllib.request.Request(f"{address}/api/transcriptions", b'{"parts": 2}', JSON)
    else:
        request = urllib.request.Request(f"{address}/api/login", json.dumps(who).encode(), JSON)
    with suppress(urllib.error.URLError, OSError), opener.open(request, timeout=10) as answer:
        answer.read()


def main(address: str, user: str, password: str) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    due = time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as people:
        for turn in itertools.count():
            people.submit(visit, opener, address, turn * 7 % 10, {"user": user, "password": password})
            due = max(due + PAUSE, time.monotonic() - 1)
            time.sleep(max(due - time.monotonic(), 0))


def guess(address: str) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for turn in itertools.count():
        body = json.dumps({"user": f"admin{turn}", "password": "summer"}).encode()
        with suppress(urllib.error.URLError, OSError):
            opener.open(urllib.request.Request(f"{address}/api/login", body, JSON), timeout=10).close()
        time.sleep(PAUSE)


if __name__ == "__main__":
    if sys.argv[2:]:
        main(sys.argv[1], sys.argv[2], sys.argv[3])
    else:
        guess(sys.argv[1])
