"""A configuration being read: its place, its environment, and the problems found in it so far."""

import difflib
import os
import re
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

from exporter.secret import redact
from exporter.setting import describe
from exporter.yamltree import List, Node, Scalar, is_null

_REFERENCE = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|\$\{")


class Source:
    """A configuration being read: where it stands, the environment, and what was found wrong with it so far."""

    def __init__(self, file: str, environ: Mapping[str, str]) -> None:
        self.file = file
        self.environ = environ
        self._problems: list[tuple[int, str]] = []
        self._warnings: list[tuple[int, str]] = []

    def problem(self, line: int, path: str, text: str) -> None:
        self._problems.append((line, self._place(line, path, text)))

    def warn(self, line: int, path: str, text: str) -> None:
        self._warnings.append((line, self._place(line, path, text)))

    def _place(self, line: int, path: str, text: str) -> str:
        return ": ".join(part for part in (f"{self.file}:{line}", path, text) if part)

    def count(self) -> int:
        return len(self._problems)

    def problems(self) -> tuple[str, ...]:
        """Return the problems in the order of the lines, without secrets."""
        return tuple(_one_line(redact(text)) for _, text in sorted(self._problems, key=itemgetter(0)))

    def warnings(self) -> tuple[str, ...]:
        return tuple(_one_line(redact(text)) for _, text in sorted(self._warnings, key=itemgetter(0)))

    def resolve(self, path: str) -> str:
        """Return a path seen from the configuration file's directory, and whole: our processes begin elsewhere."""
        return os.path.join(os.path.abspath(os.path.dirname(self.file)), path) if path else path


def _one_line(text: str) -> str:
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def below(path: str, name: str) -> str:
    """Return the path of a key of the mapping at `path`; unusual names are quoted and shortened."""
    shown = name if re.fullmatch(r"[\w.\-\[\]]{1,80}", name) else repr(short(name))
    return f"{path}.{shown}" if path else shown


def text_of(source: Source, kind: Any, node: Node, path: str) -> str | None:
    """Return the text of a scalar with its environment variables put in, or None after a problem."""
    if not isinstance(node, Scalar):
        source.problem(node.line, path, f"{what(node)}; expected {describe(kind)}")
        return None
    if is_null(node):
        remedy = 'leave the key out for its default, or write "" for an empty text'
        source.problem(node.line, path, f"has no value; expected {describe(kind)}; {remedy}")
        return None
    before = source.count()
    text = _REFERENCE.sub(lambda match: _variable(source, match, node.line, path), node.text)
    return None if source.count() > before else text


def _variable(source: Source, match: re.Match[str], line: int, path: str) -> str:
    name, default = match.groups()
    if match[0] == "$${":
        return "${"
    if name is None:
        source.problem(line, path, "`${` begins the name of an environment variable, as ${NAME}; write $${ for a `${`")
        return ""
    value = source.environ.get(name, "")
    if not value and default is not None:
        return str(default)
    if name not in source.environ:
        source.problem(line, path, f"the environment variable {name} is not set; set it, or write ${{{name}:-default}}")
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        source.problem(line, path, f"the environment variable {name} is not UTF-8")
    return value


def what(node: Node) -> str:
    """Return what stands there, as a problem's text begins."""
    if isinstance(node, Scalar):
        return f"is {short(node.text)!r}"
    return "is a list" if isinstance(node, List) else "is a mapping"


def short(text: str) -> str:
    """Return the text, or its beginning where it is long."""
    return text if len(text) <= 60 else text[:57] + "..."


def nearest(word: str, known: Sequence[str]) -> str:
    """Return the remedy for a word that is not known: the nearest that is, or all of them."""
    near = difflib.get_close_matches(word[:100], known, n=1)
    return f"did you mean {near[0]}?" if near else one_of(known)


def one_of(known: Sequence[str]) -> str:
    """Return what was expected of a choice."""
    return f"expected one of {', '.join(sorted(known))}" if known else "there is nothing to choose from in this version"
