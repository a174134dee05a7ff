"""The dashboard of caches on disk, and of the look-ups that applications count."""

from typing import Final

from grafana.declare import QUIET, Column, Dashboard, Panel, Query, Row, Variable, firing, lines, signal, stat, table

_IN: Final = 'class=~"$class"'
_OF: Final = f"{{$match, {_IN}}}"
CLASS: Final = "{{instance}} {{target}} {{class}}"
CHECK: Final = f"{CLASS} {{{{check}}}}"
NAMES: Final = {"instance": "Instance", "target": "Target", "class": "Class"}
_BY: Final = "by (instance, target, class)"
_NOT_CHECKED: Final = "no class says what its entries must hold"

GLANCE: Final[list[Panel]] = [
    firing(),
    stat(
        "Entries", "Files of all classes that are seen.",
        f"sum by (instance, target) (runbook_cache_entries{_OF})", "{{instance}} {{target}}", unit="short",
    ),
    stat(
        "Size", "Bytes of all classes that are seen.",
        f"sum by (instance, target) (runbook_cache_size_bytes{_OF})", "{{instance}} {{target}}",
    ),
    stat(
        "Classes that are not seen", "Classes whose folder is missing, closed or silent, or seen in part only.",
        f"sum by (instance, target) (runbook_cache_seen{_OF} == bool 0)", "{{instance}} {{target}}", unit="none",
        states=QUIET,
    ),
    table(
        "Classes",
        "Every class, the one with most entries first, as its last walk found it.",
        NAMES,
        Column("Entries", f"sum {_BY} (runbook_cache_entries{_OF})", "short"),
        Column("Stale", f"sum {_BY} (runbook_cache_stale_entries{_OF})", "short"),
        Column("Size", f"sum {_BY} (runbook_cache_size_bytes{_OF})", "bytes"),
        Column("May be used for", f"max {_BY} (runbook_cache_ttl_seconds{_OF})", "s"),
        Column("Newest entry", f"max {_BY} (runbook_cache_newest_timestamp_seconds{_OF}) * 1000", "dateTimeFromNow"),
        Column("Oldest entry", f"min {_BY} (runbook_cache_oldest_timestamp_seconds{_OF}) * 1000", "dateTimeFromNow"),
        Column("Invalid", f"sum {_BY} (runbook_cache_invalid_entries{_OF})", "short"),
        Column("Walked", f"max {_BY} (runbook_cache_walked_timestamp_seconds{_OF}) * 1000", "dateTimeFromNow"),
        height=8, empty="no cache is configured",
    ),
]  # fmt: skip

WATCHED: Final[list[Panel]] = [
    Panel(
        "lines", "Age of the newest entry",
        "How old the newest entry of each class with a schedule is, in times that an entry may be used; or for how many"
        " of those the class has been empty.",
        [Query(f"runbook:cache_newest_age:ratio{_OF}", f"{CLASS} newest"),
         Query(f"runbook:cache_empty:ratio{_OF}", f"{CLASS} empty")],
        "short", ("CacheStale",), empty="no class has a schedule",
    ),
    signal(
        "Valid entries", "Share of the entries judged that are as each check wants them.", "CacheValidationFailed",
        legend=CHECK, within=_IN, unit="percentunit", top=1, empty=_NOT_CHECKED,
    ),
    signal(
        "Entries that cannot be judged", "Share of the entries looked into that a check could not judge, without those"
        " that are being written.", "CacheNotValidated",
        legend=CHECK, within=_IN, unit="percentunit", top=1, empty=_NOT_CHECKED,
    ),
    signal(
        "Seen", "Whether all of each class is seen.", "CacheNotSeen", legend=CLASS, within=_IN, unit="none",
        states={"1": ("seen", "green"), "0": ("not seen", "red")}, empty="nothing was walked yet",
    ),
    signal(
        "Age of the oldest entry", "How old the oldest entry of each class is, in times that an entry may be used.",
        "CacheNotCleaned", legend=CLASS, within=_IN, unit="short", empty="no class has an entry",
    ),
    signal(
        "Hit rate of applications' caches", "Share of the look-ups of the last hour that each cache answered, by the"
        " application's own counters.", "AppCacheHitRateLow",
        legend="{{instance}} {{target}} {{cache}}", unit="percentunit", top=1,
        empty="no application counts its look-ups, or hardly any are made",
    ),
]  # fmt: skip

DETAIL: Final[list[Panel]] = [
    lines("Entries by class", "Files of each class.", (f"runbook_cache_entries{_OF}", CLASS)),
    lines("Size by class", "Bytes of each class.", (f"runbook_cache_size_bytes{_OF}", CLASS)),
    lines(
        "Stale entries", "Entries of each class that are older than they may be.",
        (f"runbook_cache_stale_entries{_OF}", CLASS),
    ),
    lines(
        "Ages", "The age that half of the entries of each class are below, and that nine of ten are.",
        ("histogram_quantile(0.5, sum by (instance, target, class, le)"
         f" (runbook_cache_entry_age_seconds_bucket{_OF}))", f"{CLASS} half"),
        ("histogram_quantile(0.9, sum by (instance, target, class, le)"
         f" (runbook_cache_entry_age_seconds_bucket{_OF}))", f"{CLASS} nine of ten"),
        unit="s", empty="no class has an entry",
    ),
    lines(
        "Entries that failed", "Entries that are not as a check wants them.",
        (f"runbook_cache_invalid_entries{_OF}", CHECK), empty=_NOT_CHECKED,
    ),
    lines(
        "Why entries were not judged", "Entries that a check could not judge, by the reason.",
        (f"runbook_cache_unjudged_entries{_OF} > 0", f"{CHECK} {{{{reason}}}}"), empty="all are judged",
    ),
    lines(
        "Look-ups of applications' caches", "Look-ups of the last hour, by the application's own counters.",
        ("runbook:cache_lookups:count{$match}", "{{instance}} {{target}} {{cache}}"), unit="short",
        empty="no application counts its look-ups",
    ),
    lines("Time of a walk", "How long the last walk of each class worked.",
          (f"runbook_cache_walk_duration_seconds{_OF}", CLASS)),
]  # fmt: skip

DASHBOARD: Final = Dashboard(
    area="cache",
    title="Caches",
    text="Caches on disk, class by class: size, age, what is out of date or not valid; and hit rates of applications.",
    presence="runbook_cache_info",
    variables=(Variable("class", "Class", "runbook_cache_info"),),
    rows=[Row("At a glance", GLANCE), Row("What alerts watch", WATCHED), Row("In detail", DETAIL)],
)
