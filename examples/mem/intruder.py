"""Somebody's script that opens mem.duckdb and does not let go of it: intruder.py FILE"""

import sys
import time
from contextlib import suppress

import duckdb


def main(file: str) -> None:
    print("waits", flush=True)
    while True:
        with suppress(duckdb.Error):
            connection = duckdb.connect(file)
            break
        time.sleep(0.02)
    print("holds it", flush=True)
    time.sleep(3600)
    connection.close()


if __name__ == "__main__":
    main(sys.argv[1])
