"""The dashboard of pages in a real browser: whether they stand, how soon, and what they load, against their budgets."""

from typing import Final

from grafana.declare import (
    QUIET,
    UP_DOWN,
    YES_NO,
    Column,
    Dashboard,
    Panel,
    Query,
    Row,
    firing,
    lines,
    signal,
    stat,
    table,
)

EACH: Final = "{{instance}} {{target}}"
NAMES: Final = {"instance": "Instance", "target": "Page"}
_BY: Final = "by (instance, target)"
_ON: Final = "and on (job, instance, target) runbook_page_browser_info{$match}"
_NONE: Final = "no page is opened"
_NO_STRUCTURE: Final = "no page has `structure`"
_NO_STORAGE: Final = "no page tells what it stores"


def _time(which: str) -> str:
    return f"max {_BY} (runbook_page_{which}_seconds{{$match}})"


GLANCE: Final[list[Panel]] = [
    firing(),
    stat("Pages that came", "Whether each page came in its last visit.",
         f"min {_BY} (probe_success{{$match}} {_ON})", EACH, unit="none", states=UP_DOWN, width=8, empty=_NONE),
    stat("Errors", "Errors of each page in its last visit.", f"sum {_BY} (runbook_page_errors{{$match}})", EACH,
         unit="none", states=QUIET, width=8, empty=_NONE),
    table(
        "Pages", "What the last visit to each page saw.",
        NAMES,
        Column("Load", _time("load"), "s"),
        Column("Interactive", _time("interactive"), "s"),
        Column("First paint", _time("first_contentful_paint"), "s"),
        Column("Loaded", f"sum {_BY} (runbook_page_transferred_bytes{{$match}})", "bytes"),
        Column("Requests", f"max {_BY} (runbook_page_requests{{$match}})", "none"),
        Column("Status", f"max {_BY} (runbook_page_status_code{{$match}})", "none"),
        Column("Elements there", f"min {_BY} (runbook_page_element_present{{$match}})", "bool_yes_no"),
        empty=_NONE,
    ),
]  # fmt: skip

WATCHED: Final[list[Panel]] = [
    signal("Elements", "Whether each element that has to be there holds something.", "FrontendBroken",
           legend=f"{EACH} {{{{element}}}}", unit="none", states=YES_NO, empty=_NONE),
    signal("Errors in the browser", "Errors of each visit by kind.", "FrontendErrors",
           legend=f"{EACH} {{{{kind}}}}", unit="short", empty=_NONE),
    signal("Times against their budgets", "How long each page takes, as a share of what it may take.",
           "PageOverBudget", legend=f"{EACH} {{{{kind}}}}", empty=_NONE),
    signal("Sizes against their budgets", "What each page loads by type, and what each build made on disk, as a share"
           " of what it may be.",
           "BundleOverBudget", legend=f"{EACH} {{{{type}}}}{{{{path}}}}", empty="no page or path has a budget"),
    signal("Time since the page was changed", "How long ago each page was found built otherwise than before.",
           "SourceSiteChanged", legend=EACH, empty="no page that is watched was changed"),
    Panel(
        "lines", "Storage in the browser", "Whether each page can write to its localStorage and read it again, and the"
        " share of its room that is used.",
        [Query("runbook:page_storage:ok{$match}", f"{EACH} works"),
         Query("runbook:page_storage:ratio{$match}", f"{EACH} {{{{store}}}} used")],
        "percentunit", ("BrowserStorageFailing",), top=1, empty=_NO_STORAGE,
    ),
]  # fmt: skip

VISITS: Final[list[Panel]] = [
    lines("Load", "From the navigation's beginning to the end of the load event.",
          ("runbook_page_load_seconds{$match}", EACH), width=8, empty=_NONE),
    lines("Interactive", "Until the page answers to its user without delay.",
          ("runbook_page_interactive_seconds{$match}", EACH), width=8, empty=_NONE),
    lines("First contentful paint", "Until the first text or picture is seen.",
          ("runbook_page_first_contentful_paint_seconds{$match}", EACH), width=8, empty=_NONE),
    lines("Transferred by type", "Bytes over the wire, compressed.",
          ("runbook_page_transferred_bytes{$match}", f"{EACH} {{{{type}}}}"), empty=_NONE),
    lines("Requests of a visit", "Requests that the page made.", ("runbook_page_requests{$match}", EACH), unit="none",
          empty=_NONE),
    lines("Memory of the page's scripts", "What they hold once the page stands.",
          ("runbook_page_heap_bytes{$match}", EACH), width=8, empty=_NONE),
    lines("Memory of the browser", "The most that its processes had for themselves during the visit.",
          ("runbook_page_browser_memory_bytes{$match}", EACH), width=8, empty=_NONE),
    lines("Stored", "What each page has stored in the browser.",
          ("runbook_page_storage_used_bytes{$match}", f"{EACH} {{{{store}}}}"), width=8, empty=_NO_STORAGE),
    table("Watched for changes", "Since when each page is watched, and when it was last found built otherwise.",
          NAMES,
          Column("Watched", f"1000 * max {_BY} (runbook_page_structure_watched_timestamp_seconds{{$match}})",
                 "dateTimeFromNow"),
          Column("Changed", f"1000 * max {_BY} (runbook_page_structure_changed_timestamp_seconds{{$match}})",
                 "dateTimeFromNow"),
          width=12, empty=_NO_STRUCTURE),
    table("Browsers", "The browser that opens each page.", {**NAMES, "product": "Browser", "version": "Version"},
          Column("There", "max by (instance, target, product, version) (runbook_page_browser_info{$match})",
                 "bool_yes_no"),
          width=12, empty=_NONE),
]  # fmt: skip

DASHBOARD: Final = Dashboard(
    area="page",
    title="Pages and budgets",
    text="Pages, opened in a real browser: whether they stand, how soon, and what they load, against their budgets.",
    presence="runbook_page_browser_info",
    rows=[Row("At a glance", GLANCE), Row("What alerts watch", WATCHED), Row("Visits", VISITS)],
)
