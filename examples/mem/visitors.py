"""People who use Mem: they search, look how it is, and bring videos. visitors.py ADDRESS [SIZE]

With a size they do nothing but bring videos of that size, one each few seconds.
"""

import http.client
import itertools
import random
import sys
import time
import urllib.request

WORDS = ["river", "bridge", "morning", "letter", "engine", "winter", "garden", "signal", "copper", "harbour"]
PAUSE = 0.08  # seconds between two requests
SMALL = b"v" * 10_000


BETWEEN = 3.0  # seconds between two large videos


def bring(address: str, size: int) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while True:
        request = urllib.request.Request(f"{address}/api/videos", bytes(size), {"Content-Type": "video/mp4"})
        try:
            opener.open(request, timeout=30).read()
        except (http.client.HTTPException, OSError) as error:
            print(error, flush=True)
        time.sleep(BETWEEN)


def main(address: str) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for number in itertools.count():
        if number % 5 == 0:
            request = urllib.request.Request(f"{address}/api/videos", SMALL, {"Content-Type": "video/mp4"})
        elif number % 5 == 1:
            request = urllib.request.Request(f"{address}/api/status")
        else:
            request = urllib.request.Request(f"{address}/api/search?q={random.choice(WORDS)}")
        try:
            opener.open(request, timeout=10).read()
        except (http.client.HTTPException, OSError):
            time.sleep(0.2)
        time.sleep(PAUSE)


if __name__ == "__main__":
    if sys.argv[2:]:
        bring(sys.argv[1], int(sys.argv[2]))
    main(sys.argv[1])
