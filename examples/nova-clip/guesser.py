"""Somebody who tries one password after the other, slowly enough for the limit of logins: guesser.py ADDRESS"""

import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress

PAUSE = 0.12


def main(address: str) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while True:
        with suppress(urllib.error.URLError, OSError):
            opener.open(f"{address}/login", b"user=admin&password=guess", timeout=3).read()
        time.sleep(PAUSE)


if __name__ == "__main__":
    main(sys.argv[1])
