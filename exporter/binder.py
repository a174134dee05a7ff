"""YAML nodes to settings: every key checked, every problem noted with its line and what to do about it."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import is_dataclass
from typing import Any, Final, Literal, get_args, get_origin

from exporter.quantity import Quantity
from exporter.secret import Secret
from exporter.secretsource import secret_from_file, secret_of
from exporter.setting import FILE_PATH, Key, describe, keys, marker, optional
from exporter.source import Source, below, nearest, text_of, what
from exporter.yamltree import List, Map, Node, is_null

_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_DECIMAL = re.compile(r"-?[0-9]{1,18}(?:\.[0-9]{1,18})?(?:[eE][+-]?[0-9]{1,2})?")
_BOOLS: Final = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def bind(source: Source, model: type[Any], node: Node, path: str) -> Any:
    """Return an instance of the model, or None after a problem."""
    before = source.count()
    values = bind_keys(source, keys(model), node, path)
    if source.count() > before:
        return None
    bound = model(**values)
    check(source, bound, node, path)
    return bound


def check(source: Source, bound: Any, node: Node, path: str) -> None:
    """Note what the model's own `check` finds, each at the line of the key that it names."""
    find: Callable[[], Iterable[tuple[str, str]]] = getattr(bound, "check", tuple)
    note(source, find(), node, path)


def note(source: Source, problems: Iterable[tuple[str, str]], node: Node, path: str) -> None:
    """Note problems, each at the line of the key that it names."""
    for where, text in problems:
        source.problem(_line_of(node, where), below(path, where), text)


def _line_of(node: Node, where: str) -> int:
    line = node.line
    for name in where.split("."):
        if not isinstance(node, Map) or name not in node.entries:
            break
        line, node = node.entries[name]
    return line


def bind_keys(
    source: Source, known: Mapping[str, Key], node: Node, path: str, skip: Collection[str] = ()
) -> dict[str, Any]:
    """Return the values of the keys that are given; those in `skip` are left to the caller."""
    files = {f"{name}_file": key for name, key in known.items() if key.secret}
    entries = entries_of(source, node, path)
    if not isinstance(node, Map) and not is_null(node):
        return {}
    values: dict[str, Any] = {}
    for name, (line, value) in entries.items():
        at = below(path, name)
        if name in known:
            values[name] = _bind_key(source, known[name], value, at)
        elif name in files:
            values[files[name].name] = _secret_file(source, files[name], entries, value, at)
        elif name not in skip:
            unknown(source, line, path, name, [*known, *files, *skip])
    for key in known.values():
        if key.required and key.name not in values:
            source.problem(node.line, below(path, key.name), f"is missing; expected {_wanted(key)}")
    return values


def entries_of(source: Source, node: Node, path: str) -> dict[str, tuple[int, Node]]:
    """Return the entries of a mapping; nothing at all, as after `web:`, is an empty one."""
    if isinstance(node, Map):
        return node.entries
    if not is_null(node):
        source.problem(node.line, path, f"{what(node)}; expected a mapping, with lines such as `key: value`")
    return {}


def unknown(source: Source, line: int, path: str, name: str, known: list[str]) -> None:
    """Note a key that nobody knows, with the nearest that somebody does."""
    source.problem(line, below(path, name), f"unknown key; {nearest(name, known)}")


def _secret_file(source: Source, key: Key, entries: Mapping[str, Any], node: Node, path: str) -> Secret | None:
    if key.name in entries:
        source.problem(node.line, path, f"stands beside {key.name}; expected only one of them, so remove the other")
        return None
    return secret_from_file(source, key, node, path)


def _wanted(key: Key) -> str:
    either = f" (or {key.name}_file with the path of a file that holds it)" if key.secret else ""
    return f"{describe(key.type)}, such as `{key.name}: {key.example}`{either}"


def _bind_key(source: Source, key: Key, node: Node, path: str) -> Any:
    if key.secret and not (is_null(node) and optional(key.type)):
        return secret_of(source, key.secret, node, path, f", or a file of its own: `{key.name}_file: PATH`")
    return convert(source, key.type, node, path)


def convert(source: Source, kind: Any, node: Node, path: str) -> Any:
    """Return the node as a value of the type, or None after a problem."""
    if is_dataclass(kind) and isinstance(kind, type):
        return bind(source, kind, node, path)
    if (inner := optional(kind)) is not None:
        return None if is_null(node) else convert(source, inner, node, path)
    origin, args = get_origin(kind), get_args(kind)
    if origin is tuple:
        return _tuple(source, args[0], node, path)
    if origin is Mapping:
        entries = entries_of(source, node, path)
        return {name: convert(source, args[1], value, below(path, name)) for name, (_, value) in entries.items()}
    if isinstance(kind, type) and issubclass(kind, Secret):
        return secret_of(source, kind, node, path, "")
    return _single(source, kind, node, path)


def _tuple(source: Source, kind: Any, node: Node, path: str) -> tuple[Any, ...]:
    if not isinstance(node, List):
        source.problem(node.line, path, f"{what(node)}; expected a list, such as [{describe(kind)}, ...]")
        return ()
    return tuple(convert(source, kind, item, f"{path}[{index}]") for index, item in enumerate(node.items))


def _single(source: Source, kind: Any, node: Node, path: str) -> Any:
    text = text_of(source, kind, node, path)
    if text is None or kind is str:
        return text
    try:
        return _parse(source, kind, text)
    except ValueError as error:
        source.problem(node.line, path, f"{what(node)}, which {error}; expected {_expected(kind)}")
        return None


def _expected(kind: Any) -> str:
    found = marker(kind)
    if isinstance(found, Quantity):
        return f"a {found.name} such as {found.example}"
    return "digits, such as 10" if kind in (int, float) else describe(kind)


def _parse(source: Source, kind: Any, text: str) -> Any:
    found = marker(kind)
    if found == FILE_PATH:
        return source.resolve(text)
    if found is not None:
        return found.parse(text)
    if get_origin(kind) is Literal:
        if text not in get_args(kind):
            raise ValueError("is none of its words")
        return text
    if kind is bool:
        if text.lower() not in _BOOLS:
            raise ValueError("is neither true nor false")
        return _BOOLS[text.lower()]
    form, name = (_WHOLE, "whole number") if kind is int else (_DECIMAL, "number")
    if not form.fullmatch(text):
        raise ValueError(f"is not a {name}")
    return kind(text)
