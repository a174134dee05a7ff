"""People who use TrailBlaze. visitors.py ADDRESS FILE

They come at a steady rate, whether those before have had their answer or not; how many come in a second stands in FILE.
"""

import json
import random
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

QUESTION = json.dumps({"question": "Which rides are near Boise?"}).encode()
AT_ONCE = 60


def visit(opener: urllib.request.OpenerDirector, address: str, kind: float) -> None:
    if kind < 0.45:
        request = urllib.request.Request(f"{address}/v1/events?page={random.randrange(10)}")
    elif kind < 0.80:
        request = urllib.request.Request(f"{address}/v1/events/{random.randint(1, 1000)}")
    elif kind < 0.85:
        request = urllib.request.Request(f"{address}/v1/calendar")
    else:
        request = urllib.request.Request(f"{address}/v1/assistant", QUESTION, {"Content-Type": "application/json"})
    with suppress(urllib.error.URLError, OSError), opener.open(request, timeout=10) as answer:
        answer.read()


def main(address: str, rate: Path) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    turn = 0
    due = time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as people:
        while True:
            turn += 1
            people.submit(visit, opener, address, turn * 0.618034 % 1)  # each kind comes as evenly as it can
            due = max(due + 1 / float(rate.read_text(encoding="utf-8")), time.monotonic() - 1)
            time.sleep(max(due - time.monotonic(), 0))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
