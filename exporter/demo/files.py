"""Files of a stand-in that others read while they change."""

from pathlib import Path


def put(path: Path, text: str, mode: int = 0o644) -> None:
    """Replace a file as a whole, so that nobody reads half of it."""
    made = path.with_name(f".{path.name}.new")
    made.write_text(text, encoding="utf-8")
    made.chmod(mode)
    made.replace(path)


def script(path: Path, lines: str) -> None:
    """Put a program of the shell in place."""
    put(path, f"#!/bin/sh\n{lines}\n", 0o755)
