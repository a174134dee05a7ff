"""Health reports: what an application says of itself in JSON, whatever words it has for it."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from exporter.collector import Trouble
from exporter.collectors.http.reportmetrics import AGE, CHECKS, HEALTHY, STATUS, TIMESTAMP
from exporter.jmes import compiled
from exporter.metric import Samples
from exporter.models import Problems
from exporter.setting import setting

State = Literal["healthy", "degraded", "critical", "unknown"]
STATES: Final[tuple[State, ...]] = ("healthy", "degraded", "critical", "unknown")
COUNTED: Final = ("healthy", "unhealthy", "critical", "unknown")
"""What a check can be."""
_WORDS: Final = {
    "healthy": "healthy ok okay up pass passed passing success successful green good alive available online "
    "operational ready running true",
    "degraded": "degraded warn warning yellow partial degraded_performance partial_outage under_maintenance "
    "shutting_down",
    "unhealthy": "unhealthy",
    "critical": "critical fail failed failing failure error down red unavailable offline out_of_service "
    "major_outage dead false",
    "unknown": "unknown",
}
_MEANING: Final = {word: meaning for meaning, words in _WORDS.items() for word in words.split()}
_USUAL: Final = "checks || components || details"
_MOST: Final = 100
_SHOWN: Final = 5
_LONGEST: Final = 100
_IN_MILLISECONDS: Final = 1e11  # in seconds that is the year 5138
_FIX: Final = "compare the answer with the paths of `report`"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSettings:
    """Where in the answer the health report stands, each a JMESPath. The defaults fit most."""

    status: str = setting("status", help="What it says as a whole.", example="health.state")
    timestamp: str = setting(
        "timestamp", help="When it was made: a time as text, or seconds or milliseconds since 1970.", example="time"
    )
    zone: Literal["local", "utc"] = setting(
        "local", help="The zone of a time that does not say its own: this machine's, or UTC."
    )
    checks: str = setting(
        _USUAL,
        help="Its checks: a list of objects, or an object with a member for each. A member is an object, a list of "
        "them, or the status itself.",
        example="services",
    )
    check_name: str = setting("name", help="In a check of a list, its name.", example="id")
    check_status: str = setting(
        "status", help="In a check that is an object, its status; `true` and `false` are words too.", example="ok"
    )
    names: tuple[str, ...] = setting(
        (), help="The checks that are named, where not all are to be; the others are counted alone.", example="[db]"
    )
    summary: str = setting("summary", help="How many checks there are by status, where none are listed.")
    words: Mapping[str, Literal["healthy", "degraded", "critical", "unknown"]] = setting(
        {}, help="What further words of it mean. The usual ones are known, in small or large letters.",
        example="{maintenance: degraded}",
    )  # fmt: skip

    def check(self) -> Problems:
        """Find paths that are none."""
        for name in ("status", "timestamp", "checks", "check_name", "check_status", "summary"):
            try:
                compiled(getattr(self, name))
            except ValueError as error:
                yield name, str(error)

    def meaning(self, word: Any, unknown: str = "unknown") -> str | None:
        """Return what a word of the report means, `unknown` where nobody knows it, None where there is none."""
        if not isinstance(word, str | bool):
            return None
        text = str(word).strip().lower()
        given = {known.lower(): meaning for known, meaning in self.words.items()}
        return given.get(text) or _MEANING.get(text.replace(" ", "_").replace("-", "_"), unknown)


@dataclass(frozen=True, slots=True)
class Report:
    """What a report says: its status, its checks by name, how many there are of each status, and when it was made."""

    status: State
    checks: Mapping[str, str]
    counts: Mapping[str, int]
    made: float | None

    def samples(self) -> Samples:
        """Yield the report's metrics; of more checks than are named, those that are well are left out first."""
        for state in STATES:
            yield STATUS(state == self.status, status=state)
        yield TIMESTAMP(self.made)
        yield AGE(None if self.made is None else time.time() - self.made)
        if self.counts:
            for status in COUNTED:
                yield CHECKS(self.counts.get(status, 0), status=status)
        worst_first = sorted(self.checks, key=lambda name: (self.checks[name] == "healthy", name))
        for name in sorted(worst_first[:_MOST]):
            status = self.checks[name]
            yield HEALTHY(None if status == "unknown" else status == "healthy", check=name)

    def remark(self) -> str:
        """Return what is not healthy, as a sentence; nothing where all is."""
        if self.status == "healthy":
            return ""
        wrong = sorted(name for name, status in self.checks.items() if status != "healthy")
        more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        which = f": {', '.join(wrong[:_SHOWN])}{more}" if wrong else ""
        return f"the report says {self.status}{which}"


def reported(document: Any, settings: ReportSettings) -> Report:
    """Return what a JSON document reports; Trouble where it is no report."""
    meaning = settings.meaning(compiled(settings.status).find(document))
    if meaning is None:
        raise Trouble(f"the answer is no health report: it has no status at `{settings.status}`", _FIX)
    checks = list(_checks(document, settings))
    counts = Counter(status for _, status in checks) if checks else _summary(document, settings)
    named: dict[str, str] = {}
    for name, status in checks:
        if settings.names and name not in settings.names:
            continue
        named[name] = max(named.get(name, "healthy"), status, key=_BADNESS.index)
    return Report(_state(meaning), named, counts, _made(document, settings))


_BADNESS: Final = ("healthy", "unknown", "unhealthy", "critical")


def _state(meaning: str) -> State:
    return next((state for state in STATES if state == meaning), "critical")  # a whole that is unhealthy


def _checks(document: Any, settings: ReportSettings) -> Iterator[tuple[str, str]]:
    """Yield the name and the status of each check."""
    found = compiled(settings.checks).find(document)
    if isinstance(found, Mapping):
        for name, check in found.items():
            if _is_check(check, settings):
                yield _name(name), _worst(check if isinstance(check, list) else [check], settings)
    elif isinstance(found, list):
        yield from _listed(found, settings)
    elif found is not None and settings.checks != _USUAL:  # in the usual places something else may stand
        raise Trouble(f"the report's checks, at `{settings.checks}`, are neither a list nor an object", _FIX)


def _listed(found: list[Any], settings: ReportSettings) -> Iterator[tuple[str, str]]:
    for check in found:
        name = compiled(settings.check_name).find(check)
        if isinstance(name, str | int) and str(name).strip():
            yield _name(str(name)), _status(check, settings)
        elif settings.checks != _USUAL:
            raise Trouble(f"a check of the report has no name at `{settings.check_name}`", _FIX)


def _is_check(member: Any, settings: ReportSettings) -> bool:
    """Tell whether a member of an object is a check: it has a status, or is a word for one."""
    if isinstance(member, list):
        return any(_is_check(one, settings) for one in member)
    if isinstance(member, Mapping):
        return settings.meaning(compiled(settings.check_status).find(member)) is not None
    return settings.meaning(member) not in (None, "unknown")


def _name(text: str) -> str:
    shown = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return shown[:_LONGEST] or "unnamed"


def _worst(checks: list[Any], settings: ReportSettings) -> str:
    return max((_status(check, settings) for check in checks), key=_BADNESS.index, default="unknown")


def _status(check: Any, settings: ReportSettings) -> str:
    word = compiled(settings.check_status).find(check) if isinstance(check, Mapping) else check
    meaning = settings.meaning(word) or "unknown"
    matters_little = isinstance(check, Mapping) and check.get("critical") is False
    if meaning == "degraded" or (meaning == "critical" and matters_little):
        return "unhealthy"
    return meaning


def _summary(document: Any, settings: ReportSettings) -> Mapping[str, int]:
    found = compiled(settings.summary).find(document)
    if not isinstance(found, Mapping):
        return {}
    counts: Counter[str] = Counter()
    for word, count in found.items():
        status = settings.meaning(word, unknown="")
        if isinstance(count, int) and not isinstance(count, bool) and count >= 0 and status:
            counts["unhealthy" if status == "degraded" else status] += count
    return counts


def _made(document: Any, settings: ReportSettings) -> float | None:
    value = compiled(settings.timestamp).find(document)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _of_number(value)
    if not isinstance(value, str):
        return None
    try:
        made = datetime.fromisoformat(value.strip())
        return (made.replace(tzinfo=UTC) if made.tzinfo is None and settings.zone == "utc" else made).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def _of_number(value: int | float) -> float | None:
    """Return the time that a number tells, in seconds or milliseconds; None where it is none of our days."""
    seconds = value / 1000 if _IN_MILLISECONDS < value < 1000 * _IN_MILLISECONDS else value
    return float(seconds) if 0 < seconds < _IN_MILLISECONDS else None
