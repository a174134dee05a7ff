"""What a probe over HTTP says of what it saw: blackbox_exporter's names, and this program's own beside them."""

from email.utils import parsedate_to_datetime
from typing import Final

from exporter.exchange import Answer, Seen
from exporter.metric import Samples, gauge, info

DURATION = gauge(
    "probe_http_duration_seconds",
    "How long each phase of the request took, added up over redirects and steps.",
    labels=("phase",),
    source="the probe",
)
STATUS = gauge(
    "probe_http_status_code", "The status of the last answer, 0 where none came.", source="the answer's first line"
)
LENGTH = gauge(
    "probe_http_content_length",
    "The length that the answer says it has; no sample where it says none.",
    source="the header Content-Length",
)
BODY = gauge("probe_http_uncompressed_body_length", "The length of the body, decompressed.", source="the answer")
REDIRECTS = gauge("probe_http_redirects", "How many redirects were followed.", source="the probe")
VERSION = gauge("probe_http_version", "The version of HTTP of the last answer.", source="the answer's first line")
SSL = gauge("probe_http_ssl", "1 where the last answer came over TLS, 0 where it did not.", source="the probe")
LAST_MODIFIED = gauge(
    "probe_http_last_modified_timestamp_seconds",
    "When what was answered was last changed, by its own account.",
    source="the header Last-Modified",
)
PLAIN = gauge(
    "runbook_http_plain_served",
    "1 where the last answer came over plain HTTP though TLS was meant; no sample where it was not, or none came.",
    source="the probe",
)
STEP = gauge(
    "runbook_http_step_duration_seconds",
    "How long a step of the chain took, as far as it came; steps that were not begun have no sample.",
    labels=("step",),
    source="the probe",
)
PURPOSE = info(
    "runbook_http_purpose_info",
    "What the probe is for, as its configuration says.",
    labels=("purpose",),
    source="the configuration",
)

PHASES: Final = ("resolve", "connect", "tls", "processing", "transfer")


def seen_samples(seen: Seen, redirects: int, *, secure: bool) -> Samples:
    """Yield what was seen of the requests, as far as they came."""
    for phase in PHASES:
        yield DURATION(getattr(seen, phase), phase=phase)
    yield STATUS(seen.answer.status if seen.answer else 0)
    if seen.answer is not None:
        yield SSL(secure)
        yield REDIRECTS(redirects)
        yield from _answer_samples(seen.answer)


def _answer_samples(answer: Answer) -> Samples:
    yield VERSION(answer.version)
    yield LENGTH(answer.length)
    yield BODY(len(answer.body))
    yield LAST_MODIFIED(_modified(answer.header("last-modified")))


def _modified(text: str | None) -> float | None:
    if not text:
        return None
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None
