"""Logs: one line a record on standard error, in text or JSON, every one of them without secrets."""

import json
import logging
import sys
import threading
import traceback
from datetime import UTC, datetime
from types import CodeType, TracebackType
from typing import Any, Final, Literal

from exporter.secret import redact

SERVICE: Final = "runbook-exporter"
_FRAMES = 8  # the innermost ones of an exception; a line stays readable
_CHAINED = 5  # exceptions behind an exception

log = logging.getLogger(__name__)


def setup(format: Literal["text", "json"], level: str) -> None:
    """Have every record from `level` on written to standard error; called again, it replaces what was set up before."""
    root = logging.getLogger()
    for old in [old for old in root.handlers if isinstance(old, _Stderr)]:
        root.removeHandler(old)
    root.addHandler(handler(format))
    root.setLevel(level.upper())
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread
    sys.unraisablehook = _unraisable


def handler(format: Literal["text", "json"]) -> logging.Handler:
    """Return a handler that writes to standard error in this format."""
    return _Stderr(_json_line if format == "json" else _text_line)


class _Stderr(logging.Handler):
    """Writes whole lines; once standard error is closed there is nowhere left to say so, and nothing is said."""

    def __init__(self, line: Any) -> None:
        super().__init__()
        self.line = line

    def emit(self, record: logging.LogRecord) -> None:
        text = self.line(record) + "\n"
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except (OSError, ValueError, AttributeError):  # a broken pipe, a closed file, or none from the beginning
            return


def _text_line(record: logging.LogRecord) -> str:
    parts = [_time(record), record.levelname.lower()]
    if (target := getattr(record, "target", None)) is not None:
        parts.append(f"target={one_line(redact(str(target)))}")
    parts.append(_message(record))
    if error := _error(record):
        parts.append(f"error={json.dumps(error, ensure_ascii=False)}")
    return " ".join(parts)


def _json_line(record: logging.LogRecord) -> str:
    fields = {"timestamp": _time(record), "level": record.levelname.lower(), "service": SERVICE}
    if (target := getattr(record, "target", None)) is not None:
        fields["target"] = redact(str(target))
    fields["message"] = _message(record)
    if error := _error(record):
        fields["error"] = error
    return json.dumps(fields)


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _message(record: logging.LogRecord) -> str:
    try:
        message = record.getMessage()
    except Exception as error:  # noqa: BLE001  # an argument's __str__ may raise anything; the rest is still worth a line
        message = f"{record.msg} (its arguments do not fit: {type(error).__name__})"
    return one_line(redact(message))


def _error(record: logging.LogRecord) -> str:
    found = record.exc_info
    if isinstance(found, tuple) and found[1] is not None:
        return one_line(redact(describe(found[1])))
    return one_line(redact(record.exc_text or ""))


def describe(error: BaseException) -> str:
    """Return an exception with what is behind it: its type, text and innermost frames."""
    chain: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in chain and len(chain) < _CHAINED:
        chain.append(current)
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return "; caused by ".join(map(_describe_one, chain))


def _describe_one(error: BaseException) -> str:
    text = "".join(traceback.TracebackException(type(error), error, None).format_exception_only()).strip()
    if isinstance(error, BaseExceptionGroup):
        text += f" [{' | '.join(_describe_one(part) for part in error.exceptions[:_CHAINED])}]"
    frames = [_frame(frame.f_code, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    return f"{text} (at {', '.join(reversed(frames[-_FRAMES:]))})" if frames else text


def _frame(code: CodeType, line: int) -> str:
    file = "/".join(code.co_filename.replace("\\", "/").split("/")[-2:])
    return f"{file}:{line} {code.co_name}"


def one_line(text: str) -> str:
    """Return the text with line breaks and whatever else does not print written as escapes."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        log.critical("uncaught exception", exc_info=(kind, error, trace))


def _uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None and not isinstance(args.exc_value, SystemExit):
        name = args.thread.name if args.thread else "gone"
        log.critical("uncaught exception in the thread %s", name, exc_info=args.exc_value)


def _unraisable(args: Any) -> None:
    log.error("exception ignored in %r", args.object, exc_info=args.exc_value)
