"""What a visit saw, as samples, and in words where it is not as it should be."""

from collections.abc import Mapping
from typing import Any, Final

from exporter.collectors.page.settings import TIMES, TYPES, PageBudget, PageSettings
from exporter.metric import Samples, gauge, info

_SEEN: Final = "a headless browser"
_BUDGET: Final = "the configuration"
_LETTER: Final = 2  # bytes in localStorage, whichever letter it is
_LOCAL_STORAGE: Final = 10 << 20  # bytes that Chromium lets a site keep there, found by trying

STATUS = gauge(
    "runbook_page_status_code", "The HTTP status that the page itself was answered with, the last of redirects.",
    source=_SEEN,
)  # fmt: skip
PRESENT = gauge(
    "runbook_page_element_present",
    "1 where the element is there and holds something once the page has loaded, 0 where it is empty or missing.",
    labels=["element"], source=_SEEN, fold="min",
)  # fmt: skip
ERRORS = gauge(
    "runbook_page_errors",
    "Errors during the visit by kind: console (written to the console), exception (nobody caught it), request (not "
    "answered, or with a status of 400 or more).",
    labels=["kind"], source=_SEEN,
)  # fmt: skip
LOAD = gauge("runbook_page_load_seconds", "From the navigation's beginning to the end of the load event.", source=_SEEN)
INTERACTIVE = gauge(
    "runbook_page_interactive_seconds",
    "From the navigation's beginning until the page answers without delay: it is parsed and painted, and the last "
    "task of more than 50 ms has ended before the page was quiet.",
    source=_SEEN,
)
PAINT = gauge(
    "runbook_page_first_contentful_paint_seconds",
    "From the navigation's beginning until the first text or image is seen.", source=_SEEN,
)  # fmt: skip
BUDGET_SECONDS = gauge(
    "runbook_page_budget_seconds", "What the page may take at most, by kind of time.", labels=["kind"], source=_BUDGET
)
TRANSFERRED = gauge(
    "runbook_page_transferred_bytes", "Bytes over the wire, compressed and with headers, by type of what was loaded.",
    labels=["type"], source=_SEEN,
)  # fmt: skip
BUDGET_BYTES = gauge(
    "runbook_page_budget_bytes", "What the page may load at most, by type.", labels=["type"], source=_BUDGET
)
REQUESTS = gauge("runbook_page_requests", "Requests that the page made, itself among them.", source=_SEEN)
STORAGE_WORKS = gauge(
    "runbook_page_storage_works",
    "1 where the page can write to its localStorage and read it again, else 0.", source=_SEEN,
)  # fmt: skip
STORAGE_USED = gauge(
    "runbook_page_storage_used_bytes",
    "What the page has stored in the browser: in localStorage, keys too, with two bytes for each letter; and "
    "elsewhere, by the browser's estimate.",
    labels=["store"], source=_SEEN,
)  # fmt: skip
STORAGE_QUOTA = gauge(
    "runbook_page_storage_quota_bytes",
    "What the page may store in the browser: in localStorage, where Chromium has a limit of its own; and elsewhere, by "
    "the browser's estimate.",
    labels=["store"], source=_SEEN,
)  # fmt: skip
HEAP = gauge("runbook_page_heap_bytes", "The memory of the page's scripts once it stands.", source=_SEEN)
MEMORY = gauge(
    "runbook_page_browser_memory_bytes",
    "The most memory that the browser's processes had for themselves during the visit.", source=_SEEN,
)  # fmt: skip
BROWSER = info("runbook_page_browser_info", "The browser and its version.", labels=["product", "version"], source=_SEEN)


def samples_of(seen: Mapping[str, Any], settings: PageSettings) -> Samples:
    """Yield what was seen, as far as the visit came, and the budgets."""
    product, _, version = seen["browser"].partition("/")
    yield BROWSER(1, product=product, version=version)
    yield STATUS(seen["status"])
    for element, state in zip(settings.elements, seen["elements"] or (), strict=False):
        yield PRESENT(None if state == "wrong" else state == "present", element=element)
    for kind, count in seen["errors"].items():
        yield ERRORS(count, kind=kind)
    yield LOAD(seen["load"])
    yield INTERACTIVE(seen.get("interactive"))
    yield PAINT(seen["paint"])
    yield REQUESTS(seen["requests"])
    for type in TYPES:
        yield TRANSFERRED(seen["bytes"].get(type, 0), type=type)
    storage = seen.get("storage") or {}
    yield STORAGE_WORKS(storage.get("works"))
    yield from _stored(storage)
    yield HEAP(seen.get("heap"))
    yield MEMORY(seen["memory"] or None)
    yield from budgets_of(settings.budget)


def _stored(storage: Mapping[str, Any]) -> Samples:
    letters = storage.get("letters")
    if letters is not None:
        yield STORAGE_USED(_LETTER * letters, store="localStorage")
        yield STORAGE_QUOTA(_LOCAL_STORAGE, store="localStorage")
    yield STORAGE_USED(storage.get("usage"), store="estimate")
    yield STORAGE_QUOTA(storage.get("quota"), store="estimate")


def budgets_of(budget: PageBudget) -> Samples:
    """Yield what the page may take."""
    for kind in TIMES:
        yield BUDGET_SECONDS(getattr(budget, kind), kind=kind)
    for type in TYPES:
        yield BUDGET_BYTES(getattr(budget, type), type=type)


def remark_of(seen: Mapping[str, Any], settings: PageSettings) -> str:
    """Return what is wrong with elements of a page that has loaded."""
    states = zip(settings.elements, seen["elements"] or (), strict=False)
    said = {"empty": "is empty", "missing": "is missing", "wrong": "is no CSS selector"}
    return "; ".join(f"{element} {said[state]}" for element, state in states if state != "present")
