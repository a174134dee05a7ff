"""Counters from reports whose newest buckets still grow: each bucket's growth is added once, over restarts."""

import math
import threading
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from exporter.collectors.api.found import Count
from exporter.ledger import Ledger
from exporter.state import Shelf

Series = tuple[str, str, str]
"""The metric, and its two labels."""
RUNNING: Final = -1
"""The bucket of a figure that runs on until the provider begins it anew, of which nothing tells when that is."""
OTHER: Final = "other"
_KEPT: Final = 26 * 3600
"""Seconds before the newest bucket after which one is forgotten: reports have 25 hours at most."""
_AHEAD: Final = 3600
"""Seconds that a provider's clock may be ahead of ours: a bucket later than that is no bucket."""
_MOST: Final = 1000
_OWN: Final = "counted"
_BUCKET: Final = "bucket "

Values = dict[Series, float]


class Counting:
    """What was counted since the first look, of one account at a provider (`of`).

    The first report of a look is where counting begins: what is in it, and what is older than it, counts as nothing.
    So does what is in a report after more than a day without any, as long as nothing was ever reported, and after a
    clock that was far ahead. From then on each bucket counts with what it has grown by, and one that is new with all
    that it has; but for a series that was never seen, in buckets from before counting began: that report may have
    lacked it. A provider
    that corrects a bucket downwards has nothing taken away, as a counter cannot fall, and nothing added until the
    bucket is larger than it ever was. What is shown is on disk, wherever there is a disk.
    """

    def __init__(self, shelf: Shelf, of: str) -> None:
        self._shelf = shelf
        self._of = of
        self._ledger = Ledger(shelf)
        self._lock = threading.Lock()  # looks end at any time, each in its own thread

    def take(self, look: str, counts: Iterable[Count]) -> None:
        """Add what the buckets in a look's report have grown by."""
        with self._lock:
            kept = self._kept(f"{_OWN} {look}")
            totals, buckets = _values(kept), self._buckets(look)
            now = time.time()
            report = _summed(counts, totals, now + _AHEAD)
            begins, since = (_begin(report, now), now) if _is_first(kept, now) else (kept["begins"], kept["since"])
            since = min(since, now)
            if buckets or report:
                begins = max(begins, max((*buckets, *report)) - _KEPT)
            changes = self._grown(look, report, buckets, totals, begins, since)
            waits = {} if totals else {"waits": now}
            self._tell({f"{_OWN} {look}": self._entry(totals, begins=begins, since=since, **waits), **changes})

    def add(self, series: Series, value: float) -> None:
        """Add what was counted here."""
        with self._lock:
            totals = _values(self._kept(_OWN))
            totals[series] = totals.get(series, 0.0) + value
            self._tell({_OWN: self._entry(totals)})

    def of(self, look: str) -> Mapping[Series, float]:
        """Return what the reports of a look have counted."""
        return self._shown(f"{_OWN} {look}")

    def totals(self) -> Mapping[Series, float]:
        """Return what was counted here."""
        return self._shown(_OWN)

    def _grown(
        self, look: str, report: dict[int, Values], buckets: dict[int, Values], totals: Values, begins: float,
        since: float,
    ) -> dict[str, Any]:  # fmt: skip
        """Add to the totals what has grown; return what changes on the shelf."""
        seen = frozenset(totals)
        changes: dict[str, Any] = {_key(look, gone): None for gone in buckets if RUNNING < gone < begins}
        for bucket, values in report.items():
            if RUNNING < bucket < begins:
                continue
            before = buckets.get(bucket, {})
            for series, value in values.items():
                known = before.get(series, 0.0 if series in seen or bucket >= since else value)
                totals[series] = totals.get(series, 0.0) + _growth(known, value, bucket)
                before[series] = value if _began_anew(known, value, bucket) else max(known, value)
            changes[_key(look, bucket)] = self._entry(before)
        return changes

    def _tell(self, changes: Mapping[str, Any]) -> None:
        changed = {key: entry for key, entry in changes.items() if self._shelf.get(key) != entry}
        if changed:
            self._ledger.load()  # what came from a disk that was slow to open
            self._ledger.tell(changed)

    def _buckets(self, look: str) -> dict[int, Values]:
        keys = [key.split(" ", 2) for key in self._shelf.keys() if key.startswith(_BUCKET)]  # noqa: SIM118  # no dict
        return {int(bucket): _values(self._kept(_key(of, bucket))) for _, bucket, of in keys if of == look}

    def _kept(self, key: str) -> Any:
        entry = self._shelf.get(key)
        return entry if isinstance(entry, dict) and entry.get("of") == self._of else None

    def _shown(self, key: str) -> Values:
        entry = self._ledger.entries().get(key)
        return _values(entry) if isinstance(entry, dict) and entry.get("of") == self._of else {}

    def _entry(self, values: Values, **more: float) -> dict[str, Any]:
        return {"of": self._of, "values": [[*series, value] for series, value in values.items()], **more}


def _key(look: str, bucket: int | str) -> str:
    return f"{_BUCKET}{bucket} {look}"


def _values(entry: Any) -> Values:
    return {(metric, first, second): value for metric, first, second, value in entry["values"]} if entry else {}


def _is_first(kept: Any, now: float) -> bool:
    """Tell whether counting begins; `waits` is when a report was empty last, and none had ever been another."""
    if kept is None:
        return True
    return "waits" in kept and not now - _KEPT <= kept["waits"] <= now + _AHEAD


def _begin(report: Mapping[int, Values], now: float) -> float:
    """Return when counting begins: with the first report, of which an empty one says nothing of earlier hours."""
    return min((bucket for bucket in report if bucket > RUNNING), default=now - 3600)


def _summed(counts: Iterable[Count], known: Collection[Series], until: float) -> dict[int, Values]:
    """Return a report by bucket; beyond so many series the others of a metric and type are one."""
    names = set(known)
    found: dict[int, Values] = defaultdict(dict)
    for count in counts:
        if not (0 <= count.value < math.inf) or count.bucket > until:
            continue
        series = (count.metric, *count.labels)
        if series not in names and len(names) >= _MOST:
            series = (count.metric, OTHER, count.labels[1])
        names.add(series)
        bucket = found[count.bucket]
        bucket[series] = bucket.get(series, 0.0) + count.value
    return found


def _growth(known: float, value: float, bucket: int) -> float:
    return value if _began_anew(known, value, bucket) else max(0.0, value - known)


def _began_anew(known: float, value: float, bucket: int) -> bool:
    """Tell whether a figure that runs on was begun anew: one that is a little smaller was merely corrected."""
    return bucket == RUNNING and value < known / 2
