"""The dashboard of folders and files."""

from typing import Final

from grafana.declare import QUIET, Column, Dashboard, Panel, Query, Row, Variable, firing, lines, signal, stat, table

_IN: Final = 'path=~"$path"'
_OF: Final = f"{{$match, {_IN}}}"
PATH: Final = "{{instance}} {{target}} {{path}}"
NAMES: Final = {"instance": "Instance", "target": "Target", "path": "Path", "role": "Role"}
_BY: Final = "by (instance, target, path, role)"


def _figures(title: str, text: str, alert: str, *queries: tuple[str, str], unit: str, empty: str) -> Panel:
    """Declare a panel of an alert that watches several figures, each with a legend of its own."""
    asked = [Query(f"{name}{_OF}", f"{PATH} {legend}") for name, legend in queries]
    return Panel("lines", title, text, asked, unit, (alert,), empty=empty)


GLANCE: Final[list[Panel]] = [
    firing(),
    stat(
        "Paths watched", "How many paths the configuration names.",
        f"count by (instance, target) (runbook_path_info{_OF})", "{{instance}} {{target}}", unit="none",
    ),
    stat(
        "Paths that are not there", "Paths where nothing is.",
        f"sum by (instance, target) (runbook_path_exists{_OF} == bool 0)", "{{instance}} {{target}}", unit="none",
        states=QUIET,
    ),
    stat(
        "Folders closed to the exporter",
        "Folders that the last walks could not look into; what counts the whole of their path is left out.",
        f"sum by (instance, target) (runbook_path_unreadable_directories{_OF})", "{{instance}} {{target}}",
        unit="none", states=QUIET,
    ),
    table(
        "Paths",
        "Every path, the largest first, as its last walk found it.",
        NAMES,
        Column("Size", f"sum {_BY} (runbook_path_seen_bytes{_OF})", "bytes"),
        Column("Files", f"sum {_BY} (runbook_path_files{_OF})", "short"),
        Column("Room left", f"min {_BY} (runbook_path_filesystem_avail_bytes{_OF})", "bytes"),
        Column("Permissions", f"max {_BY} (runbook_path_mode_octal{_OF})", "none"),
        Column("Oldest file", f"min {_BY} (runbook_path_oldest_file_timestamp_seconds{_OF}) * 1000",
               "dateTimeFromNow"),
        Column("Newest file", f"max {_BY} (runbook_path_newest_file_timestamp_seconds{_OF}) * 1000",
               "dateTimeFromNow"),
        Column("Walked", f"max {_BY} (runbook_path_walked_timestamp_seconds{_OF}) * 1000", "dateTimeFromNow"),
        height=8, empty="no paths are configured",
    ),
]  # fmt: skip

WATCHED: Final[list[Panel]] = [
    signal(
        "Room for outputs", "Room left on the file system of each output folder.", "OutputStorageLow",
        legend=PATH, within=_IN, empty="no path has the role output",
    ),
    signal(
        "Room for databases", "Room left on the file system of each database.", "DatabaseStorageLow",
        legend=PATH, within=_IN, empty="no path has the role database",
    ),
    signal(
        "May be written to", "Whether the user of each service may write where it has to.", "DirectoryNotWritable",
        legend=f"{PATH} {{{{user}}}}", within=_IN, empty="no path names a user",
    ),
    _figures(
        "Open to too many", "Permissions beyond those that are meant, in octal digits; and places that belong to"
        " another user than they should.",
        "FilePermissionsTooOpen", ("runbook:path_excess_mode:octal", "permissions"),
        ("runbook:path_wrong_owner:places", "wrong owner"), unit="none", empty="nothing is said of permissions",
    ),
    signal(
        "Old outputs", "Output files that should have been cleared up.", "OldOutputFiles", legend=PATH, within=_IN,
        empty="no path has the role output",
    ),
    _figures(
        "Temporary files", "How much room temporary files take, and how many are too old.", "TempFilesPileUp",
        ("runbook:path_temp:bytes", "size"), ("runbook:path_old_temp:files", "old files"), unit="short",
        empty="no path has the role temp",
    ),
    _figures(
        "Logs rotated by size", "Size of each log as a share of that at which it is rotated (1 is all of it), and"
        " rotated files beyond those that are kept.",
        "LogNotRotated", ("runbook:path_log_size:ratio", "share of its size"),
        ("runbook:path_rotated_surplus:files", "files too many"), unit="short", empty="no log is rotated by its size",
    ),
    _figures(
        "Logs rotated by time", "Seconds since the rotation of each log should have come (below 0 it is still to come),"
        " and rotated files beyond those that are kept.",
        "LogRotationOverdue", ("runbook:path_rotation_overdue:seconds", "overdue"),
        ("runbook:path_dated_surplus:files", "files too many"), unit="short", empty="no log is rotated by time",
    ),
    lines(
        "Size against its budget", "What each build made, as a share of its budget; its alert is with those of pages.",
        (f"runbook:path_budget:ratio{_OF}", PATH), unit="percentunit", empty="no path has a budget",
    ),
    signal(
        "What copies lack", "For how long the copy of each path has lacked a file.", "MirrorLag", legend=PATH,
        within=_IN, empty="no copy lacks anything",
    ),
    signal(
        "Files in stores", "How many files each store has; none when it is missing.", "VectorStoreEmpty", legend=PATH,
        within=_IN, empty="no path has the role store",
    ),
    signal(
        "Places that are there", "Whether each file and folder is there.", "PathMissing", legend=PATH, within=_IN,
        unit="none", states={"1": ("there", "green"), "0": ("missing", "red")},
        empty="no path has a role that this is watched of",
    ),
    signal(
        "Not seen", "Folders in each path that cannot be read, and walks cut short: what is not seen is in no figure.",
        "PathNotWalkedWhole", legend=PATH, within=_IN, empty="nothing was walked yet",
    ),
    lines(
        "Growth", "How fast the files of each path grow together, by the walks of the last hours.",
        (f"runbook:path_growth:bytes_per_second{_OF}", PATH), unit="binBps", empty="no path was walked for long enough",
    ),
    lines(
        "Until the file system is full",
        "When the room of each path ends at the pace of the last hours. There only where little is left, and less by"
        " the hour.",
        (f"runbook:path_until_full:seconds{_OF}", PATH), empty="none is about to be full",
    ),
]  # fmt: skip

DETAIL: Final[list[Panel]] = [
    lines("Size", "Bytes of all files of each path.", (f"runbook_path_size_bytes{_OF}", PATH)),
    lines(
        "On the disk", "What the files of each path take on the disk.", (f"runbook_path_allocated_bytes{_OF}", PATH)
    ),
    lines("Files", "Files of each path.", (f"runbook_path_files{_OF}", PATH)),
    lines("Folders", "Folders of each path.", (f"runbook_path_directories{_OF}", PATH)),
    lines(
        "Files by age", "Files of each path that were not changed for longer than this.",
        (f"runbook_path_files_older_than{_OF}", f"{PATH} {{{{age}}}}"), empty="no ages are asked for",
    ),
    lines(
        "Files that copies lack", "Files that the copy of each path lacks, or has with another size or time.",
        (f"runbook_path_unsynced_files{_OF}", PATH), empty="no path has a copy",
    ),
    lines(
        "Size of logs, and when they are rotated", "The largest log of each path, and the size at which it is rotated.",
        (f"runbook_path_log_size_bytes{_OF}", PATH), (f"runbook_path_rotation_size_bytes{_OF}", f"{PATH} limit"),
        empty="no path has the role log",
    ),
    lines(
        "Rotated files, and how many are kept", "Files rotated from the log of each path that has most of them.",
        (f"runbook_path_rotated_files{_OF}", PATH), (f"runbook_path_rotation_kept_files{_OF}", f"{PATH} limit"),
        empty="no path has the role log",
    ),
    lines(
        "Inodes left", "How many more files the file system of each path can have, as a share.",
        (f"runbook_path_filesystem_free_inodes{_OF} / on (job, instance, target, path)"
         f" (runbook_path_filesystem_inodes{_OF} > 0)", PATH), unit="percentunit", top=1,
        empty="these file systems count no inodes",
    ),
    lines(
        "Encrypted", "Whether this host encrypts what each path holds. Absent where that cannot be known.",
        (f"runbook_path_encrypted{_OF}", PATH), unit="bool_yes_no", empty="of no path is it known",
    ),
    lines("Time of a walk", "How long the last walk of each path worked.",
          (f"runbook_path_walk_duration_seconds{_OF}", PATH)),
    lines(
        "Walks that were cut short", "Whether the last walk met as many files and folders as it may.",
        (f"runbook_path_walk_cut{_OF}", PATH), unit="bool_yes_no",
    ),
]  # fmt: skip

DASHBOARD: Final = Dashboard(
    area="path",
    title="Files and folders",
    text="The folders and files that the configuration names: room, size, age, permissions, logs, copies.",
    presence="runbook_path_info",
    variables=(Variable("path", "Path", "runbook_path_info"),),
    rows=[Row("At a glance", GLANCE), Row("What alerts watch", WATCHED), Row("In detail", DETAIL)],
)
