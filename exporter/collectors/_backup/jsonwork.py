"""Exports of JSON, one document or one on each line: parsed, and compared with a schema."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from exporter.collector import Trouble
from exporter.collectors._backup.found import CHECKSUMS, STRUCTURE, Bad, shortened
from exporter.collectors._backup.reading import Unpacked, unpacked
from exporter.documentfile import load

_MOST: Final = 64 << 20  # bytes of a document: parsed, it takes several times that
_MOST_SCHEMA: Final = 1 << 20
_MOST_DIGITS: Final = 400
_INSTALL: Final = "install it with: pip install 'runbook-exporter[backup]'"


def verify(request: Mapping[str, Any]) -> str:
    """Verify an export; return what that rests on."""
    check = _checking(request["schema"])
    with unpacked(request["path"], request["max_bytes"]) as content:
        first = content.readline(_MOST + 1)
        rest = content.readline(_MOST + 1)
        while rest.isspace():
            rest = content.readline(_MOST + 1)
        if rest and _is_json(first):
            _check_lines(first, rest, content, check)
        else:
            check(_parsed(_all(bytearray(first + rest), content)))
        return CHECKSUMS if content.has_sums else STRUCTURE


def _all(text: bytearray, content: Unpacked) -> bytes:
    """Return a document that takes several lines, as a whole."""
    while len(text) <= _MOST and (piece := content.read(1 << 20)):
        text += piece
    return bytes(text)


def _check_lines(first: bytes, second: bytes, content: Unpacked, check: Callable[[Any], None]) -> None:
    """Check a document on each line, as exports of many of them have it."""
    number, line = 1, first
    while line:
        if not line.isspace():
            try:
                check(_parsed(line))
            except Bad as bad:
                raise Bad(f"the document on line {number:,}: {bad}") from None
        line, second = second or content.readline(_MOST + 1), b""
        number += 1


def _is_json(line: bytes) -> bool:
    try:
        _parsed(line)
    except Bad:
        return False
    return True


def _parsed(text: bytes) -> Any:
    if len(text) > _MOST:
        reason = f"a document of more than {_MOST:,} bytes is in it, which would take too much memory"
        raise Trouble(reason, "export one document on each line, or verify it by `check_command`")
    if not text.strip():
        raise Bad("nothing is in it")
    try:
        return json.loads(text.decode("utf-8-sig"), parse_int=_whole)
    except UnicodeDecodeError as error:
        raise Bad(f"it is not UTF-8 at byte {error.start + 1:,}") from None
    except json.JSONDecodeError as error:
        raise Bad(f"it is not JSON at line {error.lineno:,}, column {error.colno:,}") from None
    except ValueError as error:
        raise Bad(f"it is not JSON ({shortened(str(error))})") from None
    except RecursionError:
        raise Trouble("it is nested too deep to be read", "verify it by `check_command`") from None


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) < _MOST_DIGITS else float(digits)  # Python refuses thousands of them


def _checking(path: str) -> Callable[[Any], None]:
    """Return what raises where a document does not fit the schema, if there is one."""
    if not path:
        return lambda _: None
    try:
        from jsonschema.exceptions import SchemaError, best_match
        from jsonschema.validators import validator_for
        from referencing import Registry
    except ImportError as error:
        raise Trouble(f"jsonschema is needed to compare it with `schema` ({error})", _INSTALL) from None
    schema = _schema(path)
    kind = validator_for(schema)
    try:
        kind.check_schema(schema)
    except SchemaError as error:
        raise Trouble(f"{path} is no JSON Schema ({shortened(error.message)})", "correct it") from None
    # an empty registry: nothing that a schema refers to is fetched
    validator = kind(schema, registry=Registry())

    def check(document: Any) -> None:
        try:
            problem = best_match(validator.iter_errors(document))
        except RecursionError:
            raise Trouble("it is nested too deep to be compared with `schema`") from None
        except Exception as error:
            raise Trouble(f"{path} cannot be used ({type(error).__name__})", "see what it refers to") from error
        if problem is not None:
            raise Bad(_where(problem))

    return check


def _where(problem: Any) -> str:
    """Return where a document does not fit, and by which word of the schema; nothing of what stands there."""
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in problem.absolute_path)
    return f"it does not fit the schema at {shortened(place.lstrip('.')) or 'its top'} ({problem.validator})"


def _schema(path: str) -> Any:
    text, _ = load(path, _MOST_SCHEMA)
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Trouble(f"{path} is not JSON", "correct it") from None
