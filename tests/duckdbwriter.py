"""A hard writer of a DuckDB file, in a process of its own: each of its transactions keeps sums of two tables equal.

python duckdbwriter.py PATH PROFILE COUNTED SEED - where the file COUNTED tells, in 8 bytes, the last transaction that
was acknowledged, and goes back to 0 never. It writes until it is killed.
"""

import mmap
import os
import random
import sys
import time
from collections.abc import Callable
from typing import Any

import duckdb

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS one (id BIGINT{key}, n BIGINT, text VARCHAR)",
    "CREATE TABLE IF NOT EXISTS two (id BIGINT{key}, n BIGINT, text VARCHAR)",
    "CREATE TABLE IF NOT EXISTS progress (counter BIGINT)",
)
LARGE = 100_000
MOST = {"bulk": 400_000}  # rows, so that the file stays small
FEW = 20_000


class Writer:
    """One connection, and what was acknowledged on it."""

    def __init__(self, path: str, profile: str, counted: mmap.mmap, dice: random.Random) -> None:
        self.counted, self.dice, self.profile = counted, dice, profile
        attached = profile == "attached"
        self.connection = duckdb.connect(":memory:" if attached else path)
        self.connection.execute("SET threads = 2")
        if profile == "storm":
            self.connection.execute("SET checkpoint_threshold = '4KB'")
        if attached:
            self.connection.execute(f"ATTACH '{path}' AS it")
            self.connection.execute("USE it")
        for statement in SCHEMA:
            self.connection.execute(statement.format(key=" PRIMARY KEY" if profile == "index" else ""))
        found = self.connection.execute("SELECT max(counter) FROM progress").fetchone()
        self.counter = found[0] if found and found[0] is not None else 0
        if self.counter == 0:
            self.connection.execute("INSERT INTO progress VALUES (0)")
        found = self.connection.execute("SELECT coalesce(max(id), 0) FROM one").fetchone()
        self.last = found[0] if found else 0
        self.acknowledge()

    def acknowledge(self) -> None:
        self.counted[:8] = self.counter.to_bytes(8, "little")

    def both(self, statement: str) -> None:
        for table in ("one", "two"):
            self.connection.execute(statement.format(table=table))

    def insert(self, rows: int) -> None:
        text = self.dice.randrange(1 << 30)
        self.both(
            f"INSERT INTO {{table}} SELECT {self.last} + range + 1, {text} + range, "
            f"repeat('{text}', 1 + (range % 3)::INTEGER) FROM range({rows})"
        )
        self.last += rows

    def update(self) -> None:
        bottom = self.dice.randrange(self.last + 1)
        self.both(f"UPDATE {{table}} SET n = n + 1 WHERE id BETWEEN {bottom} AND {bottom + 50}")

    def delete(self) -> None:
        bottom = self.dice.randrange(self.last + 1)
        self.both(f"DELETE FROM {{table}} WHERE id BETWEEN {bottom} AND {bottom + 20}")

    def change(self) -> None:
        """Make one change of the kind that the profile is about."""
        if self.last > MOST.get(self.profile, FEW):
            self.both("DELETE FROM {table}")
            self.last = 0
        if self.profile == "bulk" and self.dice.random() < 0.5:
            self.insert(LARGE)
            return
        kinds: list[Callable[[], Any]] = [
            lambda: self.insert(self.dice.choice((1, 10, 2000))),
            self.update,
            self.delete,
        ]
        self.dice.choice(kinds)()

    def transaction(self) -> None:
        """Change both tables, and count it, or take all of it back."""
        self.connection.execute("BEGIN")
        self.change()
        self.connection.execute(f"UPDATE progress SET counter = {self.counter + 1}")
        if self.dice.random() < 0.05:
            self.connection.execute("ROLLBACK")
            found = self.connection.execute("SELECT coalesce(max(id), 0) FROM one").fetchone()
            self.last = found[0] if found else 0
            return
        self.connection.execute("COMMIT")
        self.counter += 1
        self.acknowledge()
        if self.dice.random() < (0.3 if self.profile == "storm" else 0.1):
            self.connection.execute("CHECKPOINT")


def main(path: str, profile: str, counted: str, seed: str) -> None:
    """Write for ever: in bursts, with a rest after each."""
    dice = random.Random(seed)
    with open(counted, "r+b") as file, mmap.mmap(file.fileno(), 8) as shared:
        writer = Writer(path, profile, shared, dice)
        print("writing", flush=True)
        while True:
            for _ in range(dice.randrange(1, 20)):
                writer.transaction()
            time.sleep(dice.choice((0.0, 0.0, 0.01, 0.02, 0.05, 0.1)))
            if os.getppid() == 1:
                return


if __name__ == "__main__":
    main(*sys.argv[1:])
