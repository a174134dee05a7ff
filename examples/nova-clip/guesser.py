"""Somebody who tries one password after the other, slowly enough for the limit of logins: guesser.py ADDRESS"""

import sys
import urllib.request

from exporter.demo.visiting import steadily, visit

EACH_SECOND = 8.0

if __name__ == "__main__":
    for _ in steadily(lambda: EACH_SECOND):
        visit(urllib.request.Request(f"{sys.argv[1]}/login", b"user=admin&password=guess"))
