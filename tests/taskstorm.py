"""Marks a task done again and again, as a program of its own, and prints the note of each that was acknowledged."""

import contextlib
import io
import itertools
import sys

from exporter.cli import main

if __name__ == "__main__":
    given, name = sys.argv[1:-1], sys.argv[-1]
    for number in itertools.count():
        note = f"{name}-{number}"
        with contextlib.redirect_stdout(io.StringIO()):
            code = main(["done", *given, "--note", note])
        if code == 0:
            print(note, flush=True)
