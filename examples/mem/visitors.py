"""People who use Mem: they search, look how it is, and bring videos. visitors.py ADDRESS [SIZE]

They come at a steady rate, whether those before have had their answer or not. With a size they do nothing but bring
videos of that size, one each few seconds.
"""

import http.client
import random
import sys
import time
import urllib.request

from exporter.demo.asking import LOCAL
from exporter.demo.visiting import come

WORDS = ["river", "bridge", "morning", "letter", "engine", "winter", "garden", "signal", "copper", "harbour"]
EACH_SECOND = 11.0
AT_ONCE = 40
SMALL = b"v" * 10_000
BETWEEN = 3.0  # seconds between two large videos


def bring(address: str, size: int) -> None:
    while True:
        try:
            LOCAL.open(video(address, bytes(size)), timeout=30).read()
        except (http.client.HTTPException, OSError) as error:
            print(error, flush=True)
        time.sleep(BETWEEN)


def video(address: str, content: bytes) -> urllib.request.Request:
    return urllib.request.Request(f"{address}/api/videos", content, {"Content-Type": "video/mp4"})


def ask(address: str, turn: int) -> urllib.request.Request:
    if turn % 5 == 0:
        return video(address, SMALL)
    if turn % 5 == 1:
        return urllib.request.Request(f"{address}/api/status")
    return urllib.request.Request(f"{address}/api/search?q={random.choice(WORDS)}")


if __name__ == "__main__":
    if sys.argv[2:]:
        bring(sys.argv[1], int(sys.argv[2]))
    come(lambda turn: ask(sys.argv[1], turn), lambda: EACH_SECOND, AT_ONCE)
