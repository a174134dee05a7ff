"""Ready-made events: what is looked for in every log without a pattern of one's own."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

TRACEBACK: Final = "traceback"

READY_MADE: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "stage_errors": {
            f"{stage}_{number:03}": rf"\b{stage}_{number:03}\b"
            for stage in ("SCRAPE", "SCRIPT", "IMAGE")
            for number in (1, 2, 3)
        },
        "auth_failed": {
            "auth_failed": r"(?i)\b(?:authentication|authorization|auth|login|log-?in|sign-?in|password|credentials?)\b"
            r"[^\n]{0,40}?\b(?:fail(?:ed|ure|s)?|rejected|denied|incorrect|invalid)\b"
            r"|\bfailed (?:password|login|log-?in|sign-?in|authentication|auth)\b"
            r"|\binvalid (?:password|credentials?|token|user(?:name)?|login)\b|\bno user/password supplied\b"
        },
        "rate_limited": {
            "rate_limited": r"(?i)\brate.?limit(?:ed|s|ing|error)?\b|\btoo many requests\b|\bquota exceeded\b"
            r"|\bresource.?exhausted\b|\binsufficient_quota\b"
        },
        TRACEBACK: {TRACEBACK: r"Traceback \(most recent call last\)"},
        "oom": {
            "oom": r"(?i)\bout of memory\b|\boom.?kill(?:ed|er)?\b|\bcannot allocate memory\b"
            r"|\bMemoryError\b|\bJavaScript heap out of memory\b"
        },
        "locked": {
            "duckdb_locked": r"(?i)\bcould not set lock\b|\bconflicting lock is held\b",
            "sqlite_locked": r"(?i)\bdatabase(?: table)? is locked\b",
        },
        "attacks": {
            "xss": r"(?i)(?:<|%3c|\\u003c)/?(?:script|iframe|svg|object|embed)\b|\bjavascript(?::|%3a)"
            r"|\bon(?:error|load|mouseover|focus)(?:=|%3d)|\bdocument\.cookie\b",
            "csrf": r"(?i)\b(?:csrf|xsrf|forgery)\b[^\n]{0,60}?\b(?:fail(?:ed|ure|s)?|invalid|missing|mismatch"
            r"|incorrect|not set|rejected)\b|\b(?:invalid|missing|bad) (?:csrf|xsrf)\b",
        },
    }
)
"""Events and their patterns, by the name of the group that switches them on."""


def patterns_of(groups: tuple[str, ...]) -> dict[str, str]:
    """Return the patterns of these groups by the name of their event."""
    return {event: pattern for group in groups for event, pattern in READY_MADE[group].items()}
