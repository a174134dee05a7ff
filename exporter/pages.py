"""Snapshots to pages, each part made once: blocks for each snapshot, bytes for each state of the board."""

import gzip
import itertools
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from exporter import exposition, selfmetrics
from exporter.board import BUILT_IN
from exporter.metric import Sample
from exporter.snapshot import Snapshot
from exporter.target import Target

_PAGES_KEPT: Final = 8  # one for each filter in use, and for each kind of answer
_GZIP_LEVEL: Final = 1
_ABOUT: Final = "about the target"
_FACTS: Final = "facts that stand"


_Snapshots = tuple[Snapshot, ...]
_Filter = tuple[object, ...]


@dataclass(slots=True)
class _Part:
    """The lines of some samples, and what their next rendering can use again."""

    samples: tuple[Sample, ...]
    blocks: exposition.Blocks
    prefixes: exposition.Prefixes


@dataclass(slots=True)
class _Rendered:
    snapshot: Snapshot | None = None
    parts: dict[str, _Part] = field(default_factory=dict)
    """By read; what is said of the target under `_ABOUT`, its facts under `_FACTS`, which are no names of reads."""


class Pages:
    """Renders pages, one at a time, and keeps what can be used again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rendered: dict[tuple[str, bool], _Rendered] = {}
        self._pages: OrderedDict[_Filter, tuple[_Snapshots, bytes]] = OrderedDict()

    def kept(self, snapshots: Sequence[Snapshot], *, labelled: bool, zipped: bool) -> bytes | None:
        """Return the page of exactly these snapshots if it is the last one made of their targets."""
        kept, page = self._pages.get(_filter(snapshots, labelled, zipped), ((), b""))
        return page if kept and kept == tuple(snapshots) else None

    def page(self, targets: Sequence[Target], snapshots: Sequence[Snapshot], *, labelled: bool, zipped: bool) -> bytes:
        """Return the page of these snapshots; `labelled` with the label `target`, `zipped` by gzip."""
        with self._lock:
            page = self.kept(snapshots, labelled=labelled, zipped=zipped)
            if page is None:
                page = self._make(targets, snapshots, labelled, zipped)
                self._keep(_filter(snapshots, labelled, zipped), tuple(snapshots), page)
            return page

    def busy(self) -> bool:
        """Tell whether another thread renders just now."""
        return self._lock.locked()

    def _keep(self, key: _Filter, snapshots: _Snapshots, page: bytes) -> None:
        self._pages[key] = snapshots, page
        self._pages.move_to_end(key)
        while len(self._pages) > _PAGES_KEPT:
            self._pages.popitem(last=False)

    def _make(self, targets: Sequence[Target], snapshots: Sequence[Snapshot], labelled: bool, zipped: bool) -> bytes:
        plain = self.kept(snapshots, labelled=labelled, zipped=False) if zipped else None
        if plain is None:
            blocks = [self._blocks(target, snapshot, labelled)
                      for target, snapshot in zip(targets, snapshots, strict=True)]  # fmt: skip
            plain = exposition.join(itertools.chain.from_iterable(blocks)).encode()
        return gzip.compress(plain, _GZIP_LEVEL, mtime=0) if zipped else plain

    def keep_only(self, names: set[str]) -> None:
        """Let go of what was rendered of targets that are no more."""
        with self._lock:
            self._rendered = {key: value for key, value in self._rendered.items() if key[0] in names}
            kept = [(key, page) for key, page in self._pages.items() if names.issuperset(key[2:])]
            self._pages = OrderedDict(kept)

    def _blocks(self, target: Target, snapshot: Snapshot, labelled: bool) -> Iterable[exposition.Blocks]:
        name = target.settings.name
        rendered = self._rendered.setdefault((name, labelled), _Rendered())
        if rendered.snapshot is not snapshot:
            label = name if labelled else None
            own = None if name in BUILT_IN else label
            about = selfmetrics.about(snapshot, target.settings, target.collector, target.intervals)
            samples = {outcome.read: outcome.samples for outcome in snapshot.outcomes if outcome.samples}
            samples |= {_FACTS: snapshot.facts, _ABOUT: tuple(sample for sample in about if sample is not None)}
            rendered.parts = {
                key: _part(given, label if key is _ABOUT else own, rendered.parts.get(key))
                for key, given in samples.items()
            }
            rendered.snapshot = snapshot
        return [part.blocks for part in rendered.parts.values()]


def _part(samples: tuple[Sample, ...], label: str | None, before: _Part | None) -> _Part:
    """Return the samples rendered; what a read gave the last time and gives again is not rendered again."""
    if before is not None and before.samples == samples:
        return before
    return _Part(samples, *exposition.render_blocks(samples, label, before.prefixes if before is not None else {}))


def _filter(snapshots: Sequence[Snapshot], labelled: bool, zipped: bool) -> _Filter:
    return (labelled, zipped, *(snapshot.target for snapshot in snapshots))
