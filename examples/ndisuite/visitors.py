"""People who use NDISuite. visitors.py ADDRESS [USER PASSWORD]

They come at a steady rate, whether those before have had their answer or not. Without a user somebody comes who guesses
users and passwords.
"""

import json
import sys
import urllib.request

from exporter.demo.visiting import come, steadily, visit

EACH_SECOND = 5.0
AT_ONCE = 40
JSON = {"Content-Type": "application/json"}


def ask(address: str, turn: int, user: str, password: str) -> urllib.request.Request:
    kind = turn * 7 % 10
    if kind < 4:
        return urllib.request.Request(f"{address}/api/reports")
    if kind < 8:
        return urllib.request.Request(f"{address}/api/transcriptions", b'{"parts": 2}', JSON)
    return login(address, user, password)


def login(address: str, user: str, password: str) -> urllib.request.Request:
    return urllib.request.Request(
        f"{address}/api/login", json.dumps({"user": user, "password": password}).encode(), JSON
    )


def guess(address: str) -> None:
    for turn in steadily(lambda: EACH_SECOND):
        visit(login(address, f"admin{turn}", "summer"))


if __name__ == "__main__":
    if sys.argv[2:]:
        come(lambda turn: ask(sys.argv[1], turn, sys.argv[2], sys.argv[3]), lambda: EACH_SECOND, AT_ONCE)
    guess(sys.argv[1])
