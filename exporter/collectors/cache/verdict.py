"""What an entry is found to be: fit, unfit, or not to be judged now, by each check."""

import json
import math
import os
import stat
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from exporter.collector import Trouble
from exporter.collectors.cache.entry import Entry, NotNow, Unfit
from exporter.jmes import Path, compiled

OK: Final = "ok"
FAILED: Final = "failed"
SETTLED: Final = 60.0  # seconds without a change after which what is wrong counts: until then it may be half written
MADE: Final = 600.0  # seconds in which the JSON may be made from new HTML
_FUTURE: Final = 300.0  # seconds that a clock may be ahead
_SHOWN: Final = 150
_WIDE: Final = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"<\0": "utf-16-le", b"\0<": "utf-16-be"}

Verdict = list[str]
"""`ok`, `failed` or a reason why it is not judged, and what is wrong for people."""
Verdicts = dict[str, Verdict]
"""By check."""


def verdicts(request: Mapping[str, Any]) -> Callable[[str], Verdicts]:
    """Return what judges an entry by its path below the folder; Trouble where a check cannot be made at all."""
    checks = _checks(request)

    def judge(name: str) -> Verdicts:
        found: Verdicts = {}
        try:
            with Entry(request["root"], name, request["max_bytes"]) as entry:
                for what, check in checks.items():
                    found[what] = _verdict(check, entry)
        except NotNow as why:
            return {what: [why.reason, ""] for what in checks}
        return found

    return judge


def _verdict(check: Callable[[Entry], None], entry: Entry) -> Verdict:
    try:
        check(entry)
        return [OK, ""] if entry.same() else ["changing", ""]
    except NotNow as why:
        return [why.reason, ""]
    except (Unfit, Trouble) as problem:
        # half of a file that is being written is no mistake of whoever writes it
        if not entry.same() or abs(time.time() - entry.changed) < SETTLED:
            return ["changing", ""]
        return [FAILED, f"{entry.shown}: {problem}"[:_SHOWN]]
    except MemoryError:
        return ["too_large", ""]


def _checks(request: Mapping[str, Any]) -> dict[str, Callable[[Entry], None]]:
    makers = {"timestamp": _timestamp, "count": _count, "schema": _schema}
    return {name: makers[name](request) for name in request["checks"]}


# ---- within its time


def _timestamp(request: Mapping[str, Any]) -> Callable[[Entry], None]:
    path = compiled(request["time"]) if request["time"] else None

    def check(entry: Entry) -> None:
        made = entry.changed if path is None else _time(path, entry.document())
        age = time.time() - made
        if age > request["ttl"]:
            raise Unfit("older than the TTL")
        if age < -_FUTURE and path is not None:
            raise Unfit("its time is still to come")

    return check


def _time(path: Path, document: Any) -> float:
    value = path.find(document)
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value.strip())
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            raise Unfit(f"no time at `{path.text}`") from None
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e11 and math.isfinite(value):
        return float(value)
    raise Unfit(f"no time at `{path.text}`")


# ---- as many rows as events


def _count(request: Mapping[str, Any]) -> Callable[[Entry], None]:
    parser = _html()
    events = compiled(request["events"])

    def check(entry: Entry) -> None:
        with _pair(request, entry) as pair:
            if pair.changed < entry.changed and time.time() - entry.changed < MADE:
                raise NotNow("changing")
            try:
                made = _events(events, pair.document())
                rows = len(parser(_utf8(entry.data())).css(request["rows"]))
                if rows != made:
                    raise Unfit(f"{rows} rows, and {made} events in {pair.shown}")
            except (Unfit, Trouble) as problem:
                if not pair.same() or abs(time.time() - pair.changed) < SETTLED:
                    raise NotNow("changing") from problem
                raise
            if not pair.same():
                raise NotNow("changing")

    return check


def _pair(request: Mapping[str, Any], entry: Entry) -> Entry:
    folder, name = os.path.split(entry.name)
    stem = os.path.splitext(name)[0]
    place = request["pair"]
    for field, value in (("{folder}", folder), ("{name}", name), ("{stem}", stem)):
        place = place.replace(field, value.replace("{", "\0"))
    place = os.path.normpath(place.replace("\0", "{"))
    try:
        return Entry(os.path.dirname(place), os.path.basename(place), request["max_bytes"])
    except NotNow as why:
        raise NotNow("unpaired" if why.gone else why.reason) from None


def _events(path: Path, document: Any) -> int:
    value = path.find(document)
    if isinstance(value, list):
        return len(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise Unfit(f"no list and no number of events at `{path.text}`")


def _html() -> Callable[[bytes], Any]:
    try:
        from selectolax.lexbor import LexborHTMLParser
    except ImportError as error:
        raise Trouble(f"selectolax is needed to count rows ({error})", _install()) from None
    return LexborHTMLParser


def _utf8(data: bytes) -> bytes:
    # in all other encodings that pages have, tags look as in UTF-8
    encoding = next((name for start, name in _WIDE.items() if data.startswith(start)), None)
    return data.decode(encoding, "replace").encode("utf-8", "replace") if encoding else data


# ---- as the schema says


def _schema(request: Mapping[str, Any]) -> Callable[[Entry], None]:
    try:
        from jsonschema import exceptions, validators
        from referencing import Registry
    except ImportError as error:
        raise Trouble(f"jsonschema is needed for a schema ({error})", _install()) from None
    schema = _read_schema(request)
    kind = validators.validator_for(schema, default=validators.Draft202012Validator)
    try:
        kind.check_schema(schema)
    except exceptions.SchemaError as error:
        raise Trouble(f"the schema is none: {error.message[:_SHOWN]}", "correct it") from None
    # with a registry of its own nothing is ever fetched from elsewhere
    validator = kind(schema, registry=Registry())

    def check(entry: Entry) -> None:
        document = entry.document()
        try:
            problem = next(validator.iter_errors(document), None)
        except RecursionError:
            raise NotNow("too_large") from None
        except Exception as error:  # of a reference that leads nowhere  # noqa: BLE001
            raise Trouble(f"the schema cannot be followed ({type(error).__name__})") from None
        if problem is not None:
            raise Unfit(_where(problem))

    return check


def _where(problem: Any) -> str:
    """Return where a document does not fit, and by which word of the schema; nothing of what stands there."""
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in problem.absolute_path)
    return f"does not fit the schema at {place.lstrip('.') or 'its top'} ({problem.validator})"


def _read_schema(request: Mapping[str, Any]) -> Any:
    text = request["schema"]
    if not text:
        try:
            with open(
                request["schema_file"], "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)
            ) as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise Trouble(f"{request['schema_file']} is no file", "correct `schema_file`")
                text = file.read(1 << 20)
        except OSError as error:
            fix = "let the exporter's user read it, or correct `schema_file`"
            raise Trouble(f"{request['schema_file']} cannot be read ({error.strerror})", fix) from None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Trouble("the schema is not JSON", "correct it") from None


def _install() -> str:
    return "install it with: pip install 'runbook-exporter[cache]'"
