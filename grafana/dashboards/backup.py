"""The dashboard of backups: whether there is a whole one, how large, how far back, and whether it can be restored."""

from typing import Final

from grafana.declare import QUIET, Column, Dashboard, Panel, Query, Row, Variable, firing, lines, signal, stat, table

_IN: Final = 'backup=~"$backup"'
_OF: Final = f"{{$match, {_IN}}}"
BACKUP: Final = "{{instance}} {{target}} {{backup}}"
NAMES: Final = {"instance": "Instance", "target": "Target", "backup": "Backup"}
_BY: Final = "by (instance, target, backup)"
_NO_RESTORE: Final = "no restore was tried yet, or none is asked for"

GLANCE: Final[list[Panel]] = [
    firing(),
    stat(
        "Damaged", "Backups whose newest file is damaged.",
        f"sum by (instance, target) (runbook_backup_verified{_OF} == bool 0)", "{{instance}} {{target}}", unit="none",
        states=QUIET, empty="none was verified yet",
    ),
    stat(
        "Not verified", "Backups whose newest file has not been judged yet.",
        f"count by (instance, target) (runbook_backup_unverified_since_timestamp_seconds{_OF})"
        f" or on (instance, target) 0 * count by (instance, target) (runbook_backup_max_age_seconds{_OF})",
        "{{instance}} {{target}}", unit="none", states=QUIET,
    ),
    stat(
        "Oldest last success", "The age of the newest whole one, of the backup where that is highest.",
        f"max by (instance, target) (time() - runbook_backup_last_success_timestamp_seconds{_OF})",
        "{{instance}} {{target}}", unit="s", empty="there is no whole one",
    ),
    stat(
        "Size", "What the newest files of all take together.",
        f"sum by (instance, target) (runbook_backup_size_bytes{_OF})", "{{instance}} {{target}}", unit="bytes",
    ),
    table(
        "Backups",
        "Every backup; the one whose newest whole one is the oldest, compared with what it may be, comes first.",
        NAMES,
        Column("Age of what it may be", f"max {_BY} (runbook:backup_age:ratio{_OF})", "percentunit"),
        Column(
            "Last success", f"max {_BY} (runbook_backup_last_success_timestamp_seconds{_OF}) * 1000", "dateTimeFromNow"
        ),
        Column("Newest is whole", f"min {_BY} (runbook_backup_verified{_OF})", "bool_yes_no"),
        Column("Size", f"max {_BY} (runbook_backup_size_bytes{_OF})", "bytes"),
        Column("Size before", f"max {_BY} (runbook_backup_previous_size_bytes{_OF})", "bytes"),
        Column("Files", f"max {_BY} (runbook_backup_files{_OF})", "short"),
        Column("Oldest", f"min {_BY} (runbook_backup_oldest_timestamp_seconds{_OF}) * 1000", "dateTimeFromNow"),
        Column(
            "Restored", f"max {_BY} (runbook_backup_restore_test_timestamp_seconds{_OF}) * 1000", "dateTimeFromNow"
        ),
        height=8, empty="no backup is watched",
    ),
]  # fmt: skip

WATCHED: Final[list[Panel]] = [
    Panel(
        "lines", "Age of the newest whole one",
        "How old the newest whole one of each backup is, of what it may be; not while the next one waits to be"
        " verified. `never` where there is none.",
        [Query(f"runbook:backup_overdue:ratio{_OF}", BACKUP),
         Query(f"runbook:backup_never:state{_OF}", f"{BACKUP} never")],
        "percentunit", ("BackupOverdue",), empty="no backup is watched",
    ),
    Panel(
        "lines", "Age, of the recovery point objective",
        "How old the newest whole one is, of what was promised; `never` where there is none.",
        [Query(f"runbook:backup_recovery_point:ratio{_OF}", BACKUP),
         Query(f"runbook:backup_recovery_point_never:state{_OF}", f"{BACKUP} never")],
        "percentunit", ("RecoveryPointExceeded",), empty="no backup has such an objective",
    ),
    Panel(
        "lines", "Whole",
        "Whether the newest file of each backup is whole, and whether the last restore of it that was tried succeeded.",
        [Query(f"runbook:backup:verified{_OF}", BACKUP),
         Query(f"runbook:backup_restore:success{_OF}", f"{BACKUP} restored")],
        "none", ("BackupCorrupt",), states={"1": ("whole", "green"), "0": ("damaged", "red")},
        empty="none was verified yet",
    ),
    signal(
        "Not verified for", "For how long no newest file of each backup has been judged.", "BackupNotVerified",
        legend=BACKUP, within=_IN, unit="s", empty="all are verified",
    ),
    signal(
        "Size, of the one before", "The size of the newest file, of that of the one before it.", "BackupShrunk",
        legend=BACKUP, within=_IN, unit="percentunit", empty="no backup has two files yet",
    ),
    signal(
        "Kept too long", "For how long the oldest file should have been removed; below 0 it may still stay.",
        "BackupRetentionExceeded", legend=BACKUP, within=_IN, unit="s", empty="no backup says how long it is kept",
    ),
    Panel(
        "lines", "Kept too short",
        "By how much the oldest file is younger than it should be, once that is more than may be; `none` where there is"
        " no file any more.",
        [Query(f"runbook:backup_retention_lacking:seconds{_OF}", BACKUP),
         Query(f"runbook:backup_gone:seconds{_OF}", f"{BACKUP} none")],
        "s", ("BackupRetentionShort",), empty="all reach back far enough",
    ),
    signal(
        "Time of a restore, of the objective", "How long the last restore took that succeeded, of what was promised.",
        "RecoveryTimeExceeded", legend=BACKUP, within=_IN, unit="percentunit", empty=_NO_RESTORE,
    ),
    Panel(
        "lines", "Age of the last restore",
        "How long ago the last restore succeeded, of how often one is to be tried; `never` where none has in a day.",
        [Query(f"runbook:backup_restore_age:ratio{_OF}", BACKUP),
         Query(f"runbook:backup_restore_never:state{_OF}", f"{BACKUP} never")],
        "percentunit", ("RestoreTestOverdue",), empty=_NO_RESTORE,
    ),
]  # fmt: skip

DETAIL: Final[list[Panel]] = [
    lines("Size of the newest", "The size of the newest file of each backup.",
          (f"runbook_backup_size_bytes{_OF}", BACKUP)),
    lines("Files", "How many files of each backup there are, and how many are still being written.",
          (f"runbook_backup_files{_OF}", BACKUP),
          (f"runbook_backup_unfinished_files{_OF} > 0", f"{BACKUP} unfinished"), unit="none"),
    lines("Reach", "How old the oldest file of each backup is, and how long each is to be kept.",
          (f"time() - runbook_backup_oldest_timestamp_seconds{_OF}", BACKUP),
          (f"runbook_backup_retention_seconds{_OF}", f"{BACKUP} to be kept"), unit="s"),
    lines("Time of a verification", "How long the newest of each was read for, to see whether it is whole.",
          (f"runbook_backup_verify_duration_seconds{_OF}", BACKUP), empty="none was verified yet"),
    lines("Time of a restore", "How long the last restore of each took that succeeded, and what was promised.",
          (f"runbook_backup_restore_test_duration_seconds{_OF}", BACKUP),
          (f"runbook_backup_recovery_time_objective_seconds{_OF}", f"{BACKUP} promised"), empty=_NO_RESTORE),
    table(
        "What verification rests on",
        "Checksums inside or beside it show all damage; the structure alone shows none within the data.",
        NAMES | {"format": "Format", "way": "Way"},
        Column("Newest is whole",
               "min by (instance, target, backup, format, way)"
               f" (runbook_backup_info{_OF} * on (job, instance, target, backup) group_left ()"
               f" runbook_backup_verified{_OF})", "bool_yes_no"),
        width=12, height=8, empty="none was verified yet",
    ),
]  # fmt: skip

DASHBOARD: Final = Dashboard(
    area="backup",
    title="Backups",
    text="Backups that restore: when the last whole one was made, what is wrong with the newest, how far back they go.",
    presence="runbook_backup_max_age_seconds",
    variables=(Variable("backup", "Backup", "runbook_backup_max_age_seconds"),),
    rows=[Row("At a glance", GLANCE), Row("What alerts watch", WATCHED), Row("In detail", DETAIL)],
)
