"""Has the newest entries of a class looked into by a throwaway process, and adds up what it found."""

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final

from exporter.collector import Trouble
from exporter.collectors.cache.settings import ClassSettings
from exporter.deadline import Cancel
from exporter.throwaway import ask

LONGEST: Final = 30.0  # seconds for all entries of a class
EACH: Final = 5.0  # seconds for one of them
_BESIDE: Final = 30.0  # seconds more: for the process to be at work on a busy machine, and to end
_EXAMPLES: Final = 3
_OK, _FAILED = "ok", "failed"


def checked(settings: ClassSettings, names: Sequence[str], cancel: Cancel) -> dict[str, Any]:
    """Return how many entries each check found fit, unfit and not to be judged; or why nothing could be checked."""
    begun = time.monotonic()
    try:
        found = ask(
            "exporter.collectors.cache.validation:validate", _request(settings, names),
            timeout=LONGEST + _BESIDE, cancel=cancel,
        )  # fmt: skip
    except Trouble as trouble:
        lasted = time.monotonic() - begun
        return {"time": time.time(), "lasted": lasted, "reason": str(trouble), "fix": trouble.fix}
    return {
        "time": found["time"],
        "lasted": time.monotonic() - begun,
        "checks": {check: _added_up(check, found["verdicts"]) for check in settings.validate.checks},  # type: ignore[union-attr]
    }


def _request(settings: ClassSettings, names: Sequence[str]) -> dict[str, Any]:
    validate = settings.validate
    assert validate is not None  # noqa: S101  # else nothing is checked
    return {
        "root": settings.path, "names": list(names), "seconds": LONGEST, "each": EACH, "ttl": settings.ttl,
        "checks": list(validate.checks), "max_bytes": validate.max_bytes, "time": validate.time,
        "rows": validate.rows, "pair": validate.pair, "events": validate.events,
        "schema": validate.schema, "schema_file": validate.schema_file,
    }  # fmt: skip


def _added_up(check: str, verdicts: Iterable[dict[str, list[str]]]) -> dict[str, Any]:
    outcomes: Counter[str] = Counter()
    examples: list[str] = []
    for verdict in verdicts:
        outcome, why = verdict[check]
        outcomes[outcome] += 1
        if why and len(examples) < _EXAMPLES:
            examples.append(why)
    ok, failed = outcomes.pop(_OK, 0), outcomes.pop(_FAILED, 0)
    return {"ok": ok, "failed": failed, "unjudged": dict(outcomes), "examples": examples}
