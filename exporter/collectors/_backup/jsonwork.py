"""Exports of JSON: parsed, and compared with a schema."""

import json
import os
import stat
from collections.abc import Mapping
from typing import Any, Final

from exporter.collector import Trouble
from exporter.collectors._backup.found import CHECKSUMS, STRUCTURE, Bad, shortened
from exporter.collectors._backup.reading import unpacked

_MOST: Final = 64 << 20  # bytes of a document: parsed, it takes several times that
_MOST_SCHEMA: Final = 1 << 20
_MOST_DIGITS: Final = 400
_INSTALL: Final = "install it with: pip install 'runbook-exporter[backup]'"


def verify(request: Mapping[str, Any]) -> str:
    """Verify a document; return what that rests on."""
    with unpacked(request["path"], min(_MOST, request["max_bytes"])) as content:
        text = bytearray()
        while piece := content.read(1 << 20):
            text += piece
        has_sums = content.has_sums
    document = _parsed(bytes(text))
    if request["schema"]:
        _check_schema(document, request["schema"])
    return CHECKSUMS if has_sums else STRUCTURE


def _parsed(text: bytes) -> Any:
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


def _check_schema(document: Any, path: str) -> None:
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
        # an empty registry: nothing that a schema refers to is fetched
        problem = best_match(kind(schema, registry=Registry()).iter_errors(document))
    except SchemaError as error:
        raise Trouble(f"{path} is no JSON Schema ({shortened(error.message)})", "correct it") from None
    except RecursionError:
        raise Trouble("it is nested too deep to be compared with `schema`") from None
    except Exception as error:
        raise Trouble(f"{path} cannot be used ({type(error).__name__})", "see what it refers to") from error
    if problem is not None:
        raise Bad(_where(problem))


def _where(problem: Any) -> str:
    """Return where a document does not fit, and by which word of the schema; nothing of what stands there."""
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in problem.absolute_path)
    return f"it does not fit the schema at {shortened(place.lstrip('.')) or 'its top'} ({problem.validator})"


def _schema(path: str) -> Any:
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        fix = "let the exporter's user read it, or correct `schema`"
        raise Trouble(f"{path} cannot be read ({error.strerror})", fix) from None
    with open(file, "rb") as opened:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise Trouble(f"{path} is no file", "correct `schema`")
        text = opened.read(_MOST_SCHEMA)
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Trouble(f"{path} is not JSON", "correct it") from None
