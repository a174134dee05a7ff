"""A walk through the entries of a class: how many, how large, how old, and which are the newest."""

import errno
import fnmatch
import heapq
import os
import re
import stat
from typing import Any

from exporter.collectors.cache.ages import AGES
from exporter.collectors.cache.settings import ClassSettings
from exporter.collectors.path.settings import PathSettings
from exporter.collectors.path.tree import Tree


class Listing(Tree):
    """One walk. Ages are judged by the time at which it began."""

    def __init__(self, settings: ClassSettings, began: float) -> None:
        self._ttl = settings.ttl
        super().__init__(
            PathSettings(
                path=settings.path,
                ages=(*AGES, settings.ttl),
                cross_filesystems=settings.cross_filesystems,
                max_entries=settings.max_entries,
            ),
            began,
        )
        if settings.files:
            self._wanted = re.compile("|".join(map(fnmatch.translate, settings.files))).match
        self._most = settings.validate.entries if settings.validate else 0
        self._newest: list[tuple[float, str]] = []
        self._sum = 0.0

    def _look_at(self, place: str, status: os.stat_result) -> None:
        if not stat.S_ISDIR(status.st_mode):
            raise NotADirectoryError(errno.ENOTDIR, "it is no folder", place)
        super()._look_at(place, status)

    def _add_file(self, name: str, status: os.stat_result, copy: str) -> None:
        super()._add_file(name, status, copy)
        self._sum += max(0.0, self.tally.began - status.st_mtime)
        if self._most:
            entry = (status.st_mtime, "/".join([*self._below(), name]))
            if len(self._newest) < self._most:
                heapq.heappush(self._newest, entry)
            else:
                heapq.heappushpop(self._newest, entry)

    def newest(self) -> list[str]:
        """Return the newest entries, by their paths below the folder, the newest first."""
        return [name for _, name in sorted(self._newest, reverse=True)]

    def figures(self) -> dict[str, Any]:
        """Return what was counted, as plain data."""
        tally = self.tally
        older = dict(zip(self.settings.all_ages, tally.older, strict=True))
        return {
            "began": tally.began, "whole": tally.whole, "cut": tally.cut, "unreadable": tally.unreadable,
            "entries": tally.files, "size": tally.size, "oldest": tally.oldest, "newest": tally.newest,
            "stale": older[self._ttl], "ages": [tally.files - older[age] for age in AGES], "age_sum": self._sum,
        }  # fmt: skip
