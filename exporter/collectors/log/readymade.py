"""Ready-made events: what is looked for in every log without a pattern of one's own."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

TRACEBACK: Final = "traceback"
SECRET_IN_QUERY: Final = "secret_in_query"  # noqa: S105

_KEYS: Final = (
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",  # Amazon
    r"\bgh[opsur]_[A-Za-z0-9]{36}|\bgithub_pat_[A-Za-z0-9_]{60}|\bglpat-[A-Za-z0-9_-]{20}",
    r"\bsk-(?:proj|svcacct|admin|ant-[a-z]{2,9}[0-9]{2})-[A-Za-z0-9_-]{20}|\bsk-[A-Za-z0-9]{32}",  # OpenAI, Anthropic
    r"\bAIza[0-9A-Za-z_-]{35}|\bya29\.[0-9A-Za-z_-]{30}",  # Google
    r"\b[rs]k_live_[0-9A-Za-z]{20}|\bxox[abeprs]-[0-9A-Za-z-]{10}|\bhf_[A-Za-z0-9]{30}",
    r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY",
    r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10}",  # JSON web tokens
)
# What was masked, or is still to be put in, is no password: ***, xxxxx, <password>, ${PASSWORD}.
_IN_ADDRESS: Final = r"://[^\s:/@]*:[^\s@/*<>\[\]{}()$%][^\s@/*<>{}$]*[^\s@/*<>{}$xX]@[\w.\[-]"
_PLAIN: Final = r"[^\s\"'`,;:&|<>\[\]{}()$%*=\\]"
_LETTER: Final = _PLAIN.replace("[^", "[^0-9")
# Eight characters at least with a figure among them, and no date: else each sentence about passwords would count.
_VALUES: Final = (
    r"[0-9]{1,3}[A-Za-z_]" + _PLAIN + "{6}",
    *(f"{_LETTER}{{{before}}}[0-9]{_PLAIN}{{{7 - before}}}" for before in range(1, 7)),
    _LETTER + "{7}[^0-9]*[0-9]".replace("[^0-9]", _LETTER),
)
_NAMES: Final = r"password|passwd|api_?key|secret_?key|client_?secret|(?:access_?|auth_?|refresh_?)token"
_ASSIGNED: Final = rf"(?i)(?:{_NAMES})[\"']?\s?[:=]\s?[\"']?(?:{'|'.join(_VALUES)})"
_HEADER: Final = r"(?i)\bauthorization[\"']?\s?[:=]\s?[\"']?(?:basic|bearer|token)\s[\w+/=.~-]{12}"

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
        # each in a group of its own, as one may begin with flags
        "secrets": {
            "secret_logged": "|".join(f"(?:{one})" for one in (*_KEYS, _IN_ADDRESS, _ASSIGNED, _HEADER)),
            SECRET_IN_QUERY: rf"(?i)[?&](?:{_NAMES}|(?:id_)?token|secret)=[^&\s\"*%<>{{}}$]{{8}}",
        },
    }
)
"""Events and their patterns, by the name of the group that switches them on."""

OF_REQUESTS: Final = (*READY_MADE["attacks"], SECRET_IN_QUERY)
"""Events that are looked for in lines of requests too, in which clients write what they like."""


def patterns_of(groups: tuple[str, ...]) -> dict[str, str]:
    """Return the patterns of these groups by the name of their event."""
    return {event: pattern for group in groups for event, pattern in READY_MADE[group].items()}
