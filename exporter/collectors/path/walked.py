"""What the walks found: sizes, counts, ages, logs, copies; as of the last walk, which is made in the background."""

from collections.abc import Mapping
from typing import Any, Final

from exporter.collector import read, together
from exporter.collectors.path.looks import Looks
from exporter.collectors.path.present import OF
from exporter.collectors.path.settings import PathSettings, show_age
from exporter.metric import Samples, gauge

_WALK: Final = "the last walk"
_OF_LAST: Final = "As of the last walk."

SIZE = gauge(
    "runbook_path_size_bytes",
    f"Bytes of its files, each name counted; absent where a part could not be seen. {_OF_LAST}",
    labels=OF,
    source=_WALK,
)
SEEN = gauge(
    "runbook_path_seen_bytes",
    "Bytes of those of its files that could be seen: all, unless a walk was cut or folders are unreadable; absent "
    f"where that leaves none. {_OF_LAST}",
    labels=OF,
    source=_WALK,
)
ALLOCATED = gauge(
    "runbook_path_allocated_bytes",
    "Bytes that its files take on the disk, those of several names shared out among them; absent where a part could "
    f"not be seen. {_OF_LAST}",
    labels=OF,
    source=_WALK,
)
FILES = gauge(
    "runbook_path_files",
    f"Its regular files, of those that the pattern `files` wants; absent where a part could not be seen. {_OF_LAST}",
    labels=OF,
    source=_WALK,
)
FOLDERS = gauge(
    "runbook_path_directories",
    f"Its folders, itself among them; absent where a part could not be seen. {_OF_LAST}",
    labels=OF,
    source=_WALK,
)
OLDEST = gauge(
    "runbook_path_oldest_file_timestamp_seconds",
    f"When the file that was not changed for the longest time was. {_OF_LAST}",
    labels=OF,
    source=_WALK,
)
NEWEST = gauge(
    "runbook_path_newest_file_timestamp_seconds",
    f"When the file that was changed last was. {_OF_LAST}",
    labels=OF,
    source=_WALK,
)
OLDER = gauge(
    "runbook_path_files_older_than",
    "Files that were not changed for longer than this, of those that could be seen; absent where none were found, and "
    f"a part could not be seen. {_OF_LAST}",
    labels=(*OF, "age"),
    source=_WALK,
)
UNREADABLE = gauge(
    "runbook_path_unreadable_directories",
    "Folders, and places of a pattern, that the last walk could not look into: above 0, what counts the whole is left "
    "out.",
    labels=OF,
    source=_WALK,
)
CUT = gauge(
    "runbook_path_walk_cut",
    "Whether the last walk was cut short, as it met `max_entries` or 20,000 places of a pattern: what counts the whole "
    "is left out then.",
    labels=OF,
    source=_WALK,
)
WALKED = gauge(
    "runbook_path_walked_timestamp_seconds",
    "When the last walk came to its end.",
    labels=OF,
    source=_WALK,
    fact=True,
)
DURATION = gauge(
    "runbook_path_walk_duration_seconds", "How long the last walk worked, without its rests.", labels=OF, source=_WALK
)
LOG_SIZE = gauge(
    "runbook_path_log_size_bytes",
    "Size of the log, of several that of the largest of those that could be seen; without the files rotated from it. "
    f"{_OF_LAST}",
    labels=OF,
    source=_WALK,
)
ROTATED = gauge(
    "runbook_path_rotated_files",
    "Files rotated from the log, of several logs those of the one that has most; absent where none were found, and a "
    f"part could not be seen. {_OF_LAST}",
    labels=OF,
    source=_WALK,
)
UNROTATED = gauge(
    "runbook_path_log_unrotated_since_timestamp_seconds",
    "Since when something has stood in the log, of several in the one that was not rotated for the longest time: since "
    f"a walk first saw its first bytes, or, where it was there before, since the last rotation. {_OF_LAST}",
    labels=OF,
    source=_WALK,
)
UNSYNCED = gauge(
    "runbook_path_unsynced_files",
    "Files that the copy lacks, or has with another size or time of modification; absent where a part of either could "
    f"not be seen. {_OF_LAST}",
    labels=OF,
    source=_WALK,
)
OLDEST_UNSYNCED = gauge(
    "runbook_path_oldest_unsynced_timestamp_seconds",
    f"Since when the file that the copy has lacked for the longest time is as it is: its ctime. {_OF_LAST}",
    labels=OF,
    source=_WALK,
)


@read
def walks(looks: Looks) -> Samples:
    """What the walks through each path found, as long as it is current."""
    for name, path in looks.paths.items():
        walked = looks.current(name)
        if walked is None or walked.get("gone"):
            continue
        of = {"path": name, "role": path.role}
        yield from _sums(of, walked)
        yield from _parts(of, path, walked)
        if path.role == "log":
            yield LOG_SIZE(_least(walked["largest_log"], walked), **of)
            yield ROTATED(_least(walked["rotated"], walked) if walked["largest_log"] is not None else None, **of)
            yield UNROTATED(walked["unrotated"], **of)
        if path.copy:
            yield UNSYNCED(walked["unsynced"] if _compared(walked) else None, **of)
            yield OLDEST_UNSYNCED(walked["oldest_unsynced"], **of)


@read
def walk_times(looks: Looks) -> Samples:
    """When each path was last walked through to the end."""
    for name, path in looks.paths.items():
        walked = looks.entry("walked", name)
        if walked is not None:
            yield WALKED(walked["complete"], path=name, role=path.role)


@read
def walks_failing(looks: Looks) -> Samples:
    """No metrics: fails where a path can be looked at, but is not walked, and names it."""
    together(trouble for name in looks.paths for trouble in looks.not_walked(name))
    yield from ()


def _sums(of: Mapping[str, str], walked: Mapping[str, Any]) -> Samples:
    """Yield what is only right when everything was seen."""
    for metric, key in ((SIZE, "size"), (ALLOCATED, "allocated"), (FILES, "files"), (FOLDERS, "folders")):
        yield metric(walked[key] if walked["whole"] else None, **of)


def _parts(of: Mapping[str, str], path: PathSettings, walked: Mapping[str, Any]) -> Samples:
    """Yield what is right of what was seen."""
    yield SEEN(_least(walked["size"], walked), **of)
    yield OLDEST(walked["oldest"], **of)
    yield NEWEST(walked["newest"], **of)
    yield UNREADABLE(walked["unreadable"], **of)
    yield CUT(walked["cut"], **of)
    yield DURATION(walked["took"], **of)
    for age, count in zip(path.all_ages, walked["older"], strict=True):
        yield OLDER(_least(count, walked), **of, age=show_age(age))


def _least(count: int | None, walked: Mapping[str, Any]) -> int | None:
    """Return what was counted of what was seen; none is not known to be none where a part was not."""
    return count if count or walked["whole"] else None


def _compared(walked: Mapping[str, Any]) -> bool:
    return bool(walked["whole"]) and not walked["copies_unreadable"]
