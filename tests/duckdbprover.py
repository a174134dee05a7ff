"""Reads copies of a database that is being written, and tells of each whether what it says is true.

One process for many rounds, as a process for each would take most of the time. As in a throwaway process, DuckDB opens
nothing but copies here. They are made piece by piece with rests between, as of a file that is hundreds of times larger:
else the writer would seldom write while one is made.
"""

import json
import mmap
import random
import sys
import time
from pathlib import Path
from typing import Any

from exporter import privatecopy
from exporter.collector import Trouble
from exporter.collectors._duckdb.opening import opened

SUMS = "SELECT count(*), coalesce(sum(n), 0)::BIGINT, coalesce(bit_xor(hash(id, n, text)), 0)::VARCHAR FROM {table}"


PIECE = 64 << 10


def slow_down(dice: random.Random) -> None:
    """Have files copied in small pieces, now quickly, now slowly."""
    privatecopy._REST, privatecopy._LONGEST_REST = 0.005, 0.03  # type: ignore[misc]  # many tries in little time
    whole = privatecopy._by_kernel
    pace = {"rest": 0.0}

    def piecemeal(source: int, target: int, size: int, offset: int) -> int:
        if offset == 0:
            pace["rest"] = dice.choice((0.0, 0.0005, 0.002, 0.005))
        time.sleep(pace["rest"])
        return whole(source, target, min(size, PIECE), offset)

    privatecopy._by_kernel = piecemeal


def prove(request: dict[str, Any], counted: str, rounds: int) -> dict[str, Any]:
    """Return how many copies were read, how many tries were thrown away, and what was wrong."""
    told: dict[str, Any] = {"read": 0, "thrown": 0, "given_up": 0, "wrong": [], "troubles": {}}
    last = 0
    slow_down(random.Random(rounds))
    with Path(counted).open("rb") as file, mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ) as shared:
        for _ in range(rounds):
            before = int.from_bytes(shared[:8], "little")
            try:
                with opened(request) as database:
                    told["read"] += 1
                    told["thrown"] += database.tries - 1
                    one, two = (
                        database.connection.execute(SUMS.format(table=table)).fetchone() for table in ("one", "two")
                    )
                    counter = database.connection.execute("SELECT max(counter) FROM progress").fetchone()[0]
            except Trouble as trouble:
                text = str(trouble)
                told["given_up"] += "tries to copy it" in text
                if "tries to copy it" not in text:
                    told["troubles"][text] = told["troubles"].get(text, 0) + 1
                continue
            after = int.from_bytes(shared[:8], "little")
            if one != two or not max(before, last) <= counter <= after + 1:
                told["wrong"].append([one, two, before, last, counter, after])
            last = counter
    return told


if __name__ == "__main__":
    print(json.dumps(prove(json.loads(sys.argv[1]), sys.argv[2], int(sys.argv[3]))))
