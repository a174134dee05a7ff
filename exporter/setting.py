"""The building blocks of settings: frozen dataclasses whose fields carry their documentation."""

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from exporter.quantity import DURATION, RATIO, SIZE, Quantity
from exporter.secret import Secret, SecretURL

__all__ = ["Bytes", "FilePath", "Pattern", "Ratio", "Seconds", "Secret", "SecretURL", "setting"]

REQUIRED: Final = object()


def _parse_pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"is not a regular expression ({error})") from None
    return text


PATTERN: Final = Quantity("regular expression", "^/(dev|proc)($|/)", _parse_pattern, str)
FILE_PATH: Final = "path"

Seconds = Annotated[float, DURATION]
Bytes = Annotated[int, SIZE]
Ratio = Annotated[float, RATIO]
Pattern = Annotated[str, PATTERN]
"""A regular expression, checked when the configuration is read."""
FilePath = Annotated[str, FILE_PATH]
"""A path; a relative one starts at the directory of the configuration file."""

_NAMES: Final[dict[Any, str]] = {
    str: "text", int: "whole number", float: "number", bool: "true or false",
    Secret: "secret", SecretURL: "address, its password kept secret",
}  # fmt: skip


def setting(default: Any = REQUIRED, *, help: str, example: str = "", shown: bool = False) -> Any:
    """Return a dataclass field with its documentation; without a default the setting is required.

    `example` is YAML, as it would stand after the key; a required setting needs one, and one that is `shown`: of
    several ways to say something, the one that the example of the whole has.
    """
    metadata = {"help": help, "example": example, "shown": shown}
    if default is REQUIRED:
        return dataclasses.field(metadata=metadata)
    if callable(default) or isinstance(default, list | dict):
        factory = default if callable(default) else default.copy
        return dataclasses.field(default_factory=factory, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a model: its name and type, its default or REQUIRED, and its documentation."""

    name: str
    type: Any
    default: Any
    help: str
    example: str
    shown: bool = False

    @property
    def required(self) -> bool:
        return self.default is REQUIRED

    @property
    def secret(self) -> type[Secret] | None:
        """The class of a value that can also be given as `<name>_file`."""
        kind = optional(self.type) or self.type
        return kind if isinstance(kind, type) and issubclass(kind, Secret) else None


def keys(model: type[Any], leave_out: tuple[str, ...] = ()) -> Mapping[str, Key]:
    """Return the keys of a model by name; a model that no configuration could fill is a TypeError."""
    hints = get_type_hints(model, include_extras=True)
    found = {
        field.name: _key(model, field, hints[field.name])
        for field in dataclasses.fields(model)
        if field.name not in leave_out
    }
    for key in found.values():
        if key.secret and f"{key.name}_file" in found:
            raise TypeError(f"{model.__name__}.{key.name}_file is made by itself, as {key.name} is a secret")
    return found


def _key(model: type[Any], field: "dataclasses.Field[Any]", kind: Any) -> Key:
    name, metadata = f"{model.__name__}.{field.name}", field.metadata
    if not metadata.get("help"):
        raise TypeError(f"{name} needs setting(..., help=...)")
    if (problem := unsupported(kind)) is not None:
        raise TypeError(f"{name}: settings cannot be of the type {problem}")
    key = Key(field.name, kind, _default(field), metadata["help"], metadata["example"], metadata["shown"])
    if (key.required or key.shown) and not key.example:
        raise TypeError(f"{name} is required, so it needs an example")
    return key


def _default(field: "dataclasses.Field[Any]") -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return REQUIRED if field.default is dataclasses.MISSING else field.default


def optional(kind: Any) -> Any:
    """Return X where the type is `X | None`, else None."""
    if get_origin(kind) not in (Union, UnionType):
        return None
    others = [item for item in get_args(kind) if item is not NoneType]
    return others[0] if len(others) == 1 and NoneType in get_args(kind) else None


def marker(kind: Any) -> Any:
    """Return the Quantity (or FILE_PATH) that an Annotated type carries, else None."""
    return get_args(kind)[1] if get_origin(kind) is Annotated else None


def unsupported(kind: Any) -> Any:
    """Return the part of a type that no YAML can be read into, or None."""
    origin, args = get_origin(kind), get_args(kind)
    if kind in _NAMES or dataclasses.is_dataclass(kind):
        return None
    if isinstance(marker(kind), Quantity) or marker(kind) == FILE_PATH:
        return None
    if origin is Literal and all(isinstance(item, str) for item in args):
        return None
    if (inner := optional(kind)) is not None:
        return unsupported(inner)
    if origin is tuple and len(args) == 2 and args[1] is Ellipsis:
        return unsupported(args[0])
    if origin is Mapping and args[0] is str:
        return unsupported(args[1])
    return kind


def describe(kind: Any) -> str:
    """Return what a person calls the type, as "duration" or "list of text"."""
    found = marker(kind)
    if found is not None:
        return found.name if isinstance(found, Quantity) else str(found)
    if (inner := optional(kind)) is not None:
        return f"{describe(inner)} or null"
    origin, args = get_origin(kind), get_args(kind)
    if origin is Literal:
        return " or ".join(f"`{item}`" for item in args)
    if origin is tuple:
        return f"list of {describe(args[0])}"
    if origin is Mapping:
        return f"mapping of names to {describe(args[1])}"
    return _NAMES.get(kind, "mapping")
