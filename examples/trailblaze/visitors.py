"""People who use TrailBlaze. visitors.py ADDRESS FILE

They come at a steady rate, whether those before have had their answer or not; how many come in a second stands in FILE.
"""

import json
import random
import sys
import urllib.request
from pathlib import Path

from exporter.demo.visiting import come

QUESTION = json.dumps({"question": "Which rides are near Boise?"}).encode()
AT_ONCE = 60


def ask(address: str, turn: int) -> urllib.request.Request:
    kind = (turn + 1) * 0.618034 % 1  # each kind comes as evenly as it can
    if kind < 0.45:
        return urllib.request.Request(f"{address}/v1/events?page={random.randrange(10)}")
    if kind < 0.80:
        return urllib.request.Request(f"{address}/v1/events/{random.randint(1, 1000)}")
    if kind < 0.85:
        return urllib.request.Request(f"{address}/v1/calendar")
    return urllib.request.Request(f"{address}/v1/assistant", QUESTION, {"Content-Type": "application/json"})


if __name__ == "__main__":
    come(lambda turn: ask(sys.argv[1], turn), lambda: float(Path(sys.argv[2]).read_text(encoding="utf-8")), AT_ONCE)
