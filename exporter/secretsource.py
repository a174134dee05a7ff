"""Secrets in the configuration: written there, taken from the environment, or read from files of their own."""

import os
import re
import stat
from typing import Final

from exporter.secret import SHORTEST, Secret, secret_parts
from exporter.setting import Key
from exporter.source import Source, short, text_of
from exporter.yamltree import Node, Scalar

_MOST_BYTES: Final = 1 << 16


def secret_of(source: Source, kind: type[Secret], node: Node, path: str, or_file: str) -> Secret | None:
    """Return a secret that is given in place, with a warning where the file itself holds it."""
    text = text_of(source, kind, node, path)
    if text is None or not isinstance(node, Scalar):
        return None
    literal = node.text if kind is Secret else "".join(node.text[a:b] for a, b in secret_parts(node.text))
    if literal and "${" not in literal:
        name = re.sub(r"\W+", "_", path.removeprefix("targets.")).upper().strip("_")
        better = f"an environment variable: ${{{name}}}{or_file}"
        source.warn(node.line, path, f"the secret itself stands in the configuration; better {better}")
    return _made(source, kind, text, "" if "${" not in node.text else "from the environment", node.line, path)


def _made(source: Source, kind: type[Secret], text: str, origin: str, line: int, path: str) -> Secret | None:
    if not text:
        source.problem(line, path, f"is empty {origin}".rstrip() + "; expected a secret; leave the key out for none")
        return None
    if kind is Secret and len(text) < SHORTEST:
        source.warn(line, path, f"is shorter than {SHORTEST} characters, so it cannot be masked in logs and errors")
    return kind(text, origin)


def secret_from_file(source: Source, key: Key, node: Node, path: str) -> Secret | None:
    """Return the secret from the file that `<key>_file` names."""
    name = text_of(source, str, node, path)
    if name is None or key.secret is None:
        return None
    file = source.resolve(name)
    try:
        text, mode = _read(file)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        remedy = "expected a file that holds the secret and that the exporter's user may read"
        source.problem(node.line, path, f"{short(file)!r} cannot be read ({reason}); {remedy}")
        return None
    if os.name == "posix" and mode & stat.S_IROTH:
        remedy = f"chmod o-r {short(file)}"
        source.warn(node.line, path, f"every user of this machine can read the file (mode {mode:04o}); {remedy}")
    return _made(source, key.secret, text, f"from the file {file}", node.line, path)


def _read(file: str) -> tuple[str, int]:
    # O_NONBLOCK, as a named pipe would have us wait for its writer
    with open(file, "rb", opener=lambda path, flags: os.open(path, flags | getattr(os, "O_NONBLOCK", 0))) as handle:
        status = os.fstat(handle.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("not a regular file")
        data = handle.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise ValueError("larger than 64 KiB")
    try:
        return data.decode("utf-8-sig").removesuffix("\n").removesuffix("\r"), stat.S_IMODE(status.st_mode)
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None
