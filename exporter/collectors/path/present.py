"""What can be seen of a path at a glance: whether it is there, its permissions, the room around it."""

from dataclasses import fields
from functools import partial
from typing import Final

from exporter.collector import NotApplicable, read, together
from exporter.collectors.path import places
from exporter.collectors.path.looks import Looks
from exporter.collectors.path.looks import writable as may_write
from exporter.collectors.path.permissions import user_named
from exporter.collectors.path.tally import Found
from exporter.metric import Samples, gauge, info

OF: Final = ("path", "role")
_CONFIGURATION: Final = "the configuration"
_STAT: Final = "stat; of a pattern, the last walk"

INFO = info("runbook_path_info", "Where the path is.", labels=(*OF, "location"), source=_CONFIGURATION)
BUDGET = gauge(
    "runbook_path_budget_bytes", "How many bytes its files may have.", labels=OF, source=f"{_CONFIGURATION}: budget"
)
ROTATION_SIZE = gauge(
    "runbook_path_rotation_size_bytes",
    "The size at which the log is rotated.",
    labels=OF,
    source=f"{_CONFIGURATION}: rotate_size",
)
ROTATION_INTERVAL = gauge(
    "runbook_path_rotation_interval_seconds",
    "How often the log is rotated.",
    labels=OF,
    source=f"{_CONFIGURATION}: rotate_interval",
)
ROTATION_KEPT = gauge(
    "runbook_path_rotation_kept_files",
    "How many rotated files of a log are kept.",
    labels=OF,
    source=f"{_CONFIGURATION}: rotated_kept",
)
EXISTS = gauge(
    "runbook_path_exists",
    "Whether there is such a place. Absent where that cannot be seen.",
    labels=OF,
    source=_STAT,
)
MODE = gauge(
    "runbook_path_mode_octal",
    "Its permissions, in octal digits: 640 is rw-r-----. Of several places, what any of them gives; absent where one "
    "of them could not be seen.",
    labels=OF,
    source=_STAT,
)
EXCESS = gauge(
    "runbook_path_excess_mode_octal",
    "The permissions that it gives beyond those that are meant, in octal digits; 0 is none. Absent where none were "
    "found, and not all of several places could be seen.",
    labels=OF,
    source=f"{_STAT}; {_CONFIGURATION}: mode",
)
OWNER = info(
    "runbook_path_owner_info", "Whom it belongs to: up to 20 owners.", labels=(*OF, "owner", "group"), source=_STAT
)
STRANGERS = gauge(
    "runbook_path_wrong_owner_places",
    "How many of its places belong to another user than they should. Absent where none were found, and not all of "
    "several places could be seen.",
    labels=OF,
    source=f"{_STAT}; {_CONFIGURATION}: owner",
)
WRITABLE = gauge(
    "runbook_path_writable",
    "Whether the user may write there, worked out from modes, groups, access control lists, read-only mounts and the "
    "immutable flag. Not known, and so absent, on file systems whose server decides (NFS, CIFS, FUSE ...), and where "
    "perhaps only the exporter has them read-only; what SELinux, AppArmor, quotas or the ProtectSystem= of a unit "
    "forbid is not seen.",
    labels=(*OF, "user"),
    source="stat, statvfs and system.posix_acl_access of the place and the folders above it",
)
AVAILABLE = gauge(
    "runbook_path_filesystem_avail_bytes",
    "Room on its file system, for users other than root.",
    labels=OF,
    source="statvfs",
)
SIZE = gauge("runbook_path_filesystem_size_bytes", "Size of its file system.", labels=OF, source="statvfs")
INODES = gauge("runbook_path_filesystem_inodes", "Inodes of its file system.", labels=OF, source="statvfs")
FREE_INODES = gauge("runbook_path_filesystem_free_inodes", "Inodes left there.", labels=OF, source="statvfs")
ENCRYPTED = gauge(
    "runbook_path_encrypted",
    "Whether this host encrypts what it holds (dm-crypt, LUKS, also below LVM or RAID; eCryptfs, fscrypt, gocryptfs "
    "...). Absent where that cannot be known; what disks or servers do by themselves is not seen.",
    labels=OF,
    source="/sys/dev/block/*/dm/uuid, the mount table, FS_IOC_GET_ENCRYPTION_POLICY_EX",
)


@read
def configured(looks: Looks) -> Samples:
    """The paths that are watched, and the limits that the configuration sets them."""
    for name, path in looks.paths.items():
        of = {"path": name, "role": path.role}
        yield INFO(1, **of, location=path.path)
        yield BUDGET(path.budget, **of)
        if (rotation := path.rotation) is not None:
            yield ROTATION_SIZE(rotation.size, **of)
            yield ROTATION_INTERVAL(rotation.interval, **of)
            yield ROTATION_KEPT(rotation.kept, **of)


@read
def places_seen(looks: Looks) -> Samples:
    """Whether each path is there, with its permissions and owners."""
    owned = {name: path.owner for name, path in looks.paths.items() if path.owner}
    known = looks.each("owner", {name: partial(user_named, owner, "owner") for name, owner in owned.items()})
    for name, path, look in looks.answered():
        found = look.found if look.found is not None else _walked(looks, name)
        if found is None:
            continue
        of = {"path": name, "role": path.role}
        yield EXISTS(found.places > 0 if found.places or not found.unseen else None, **of)
        if not found.places:
            continue
        yield MODE(_octal(found.mode) if not found.unseen else None, **of)
        if path.widest(folder=False) is not None:
            yield EXCESS(_least(_octal(found.excess), found), **of)
        if name in known:  # of an owner who is not there it is said, and not that all places are a stranger's
            yield STRANGERS(_least(found.strangers, found), **of)
        for owner, group in found.owners:
            yield OWNER(1, **of, owner=owner, group=group)


@read
def filesystems(looks: Looks) -> Samples:
    """Room and inodes of the file system that each path lies on."""
    for name, path, look in looks.answered():
        of = {"path": name, "role": path.role}
        if look.room is None:
            continue
        if look.room.f_blocks:  # 0 says that the file system does not count them
            yield SIZE(look.room.f_blocks * look.room.f_frsize, **of)
            yield AVAILABLE(look.room.f_bavail * look.room.f_frsize, **of)
        if look.room.f_files:
            yield INODES(look.room.f_files, **of)
            yield FREE_INODES(look.room.f_ffree, **of)


@read
def writable(looks: Looks) -> Samples:
    """Whether the users who must write there may."""
    asked = {name: path for name, path in looks.paths.items() if path.user}
    if not asked:
        raise NotApplicable("no path says which user must be able to write there", "give it `user`")
    # what could not be looked at would only hang, or be refused, once more
    answered = [name for name in asked if name in looks.looks]
    answers = looks.each("writable", {name: partial(may_write, asked[name]) for name in answered})
    if answers and set(answers.values()) == {None}:
        raise NotApplicable(
            "who may write there is decided by a server, or hidden from the exporter by a mount of its own",
            "leave `user` out; or let the exporter see the folders as they are: not read-only",
        )
    for name, answer in answers.items():
        yield WRITABLE(answer, path=name, role=asked[name].role, user=asked[name].user)


@read
def encryption(looks: Looks) -> Samples:
    """Whether what each path holds is encrypted before it reaches a disk."""
    there = {name: path for name, path, look in looks.answered() if look.room is not None}
    answers = looks.each(
        "encryption", {name: partial(looks.encrypts, places.base(path)) for name, path in there.items()}
    )
    for name, answer in answers.items():
        yield ENCRYPTED(answer, path=name, role=there[name].role)


@read
def unanswered(looks: Looks) -> Samples:
    """No metrics: fails where a path could not be looked at, or names a user who is not there, and says which."""
    together(looks.troubles.values())
    yield from ()


def _walked(looks: Looks, name: str) -> Found | None:
    """Return what the last walk found of a pattern; None while nothing is known."""
    walked = looks.current(name)
    if walked is None:
        return None
    if walked.get("gone"):
        return Found()
    return Found(**{field.name: walked[field.name] for field in fields(Found)})


def _least(count: int, found: Found) -> int | None:
    """Return what was counted of the places that were seen; none is not known to be none where some were not."""
    return count if count or not found.unseen else None


def _octal(mode: int) -> int:
    return int(f"{mode:o}")
