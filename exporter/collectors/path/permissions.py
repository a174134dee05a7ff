"""Whether a user may write somewhere, worked out from what the file system says, without trying."""

import errno
import os
import stat
import struct
from dataclasses import dataclass
from typing import Final

from exporter.collector import Trouble
from exporter.collectors.path.mounts import is_read_only, mount_of

READ: Final = 4
WRITE: Final = 2
ENTER: Final = 1
# Where a server decides, the mode that is shown need not be what it goes by.
ELSEWHERE: Final = ("nfs", "cifs", "smb", "9p", "afs", "ceph", "gluster", "lustre", "fuse", "virtiofs")

_ACL: Final = "system.posix_acl_access"
_NO_ACL: Final = (errno.ENODATA, errno.EOPNOTSUPP, errno.ENOSYS, errno.EPERM)
_ACL_HEADER: Final = struct.Struct("<I")
_ACL_ENTRY: Final = struct.Struct("<HHI")
_USER, _GROUP_OF_FILE, _GROUP, _MASK = 0x02, 0x04, 0x08, 0x10
_MOST_LINKS: Final = 40  # that the kernel follows on one way
_GET_FLAGS: Final = 0x80086601  # FS_IOC_GETFLAGS
_IMMUTABLE: Final = 0x10


@dataclass(frozen=True, slots=True)
class User:
    """A user as the kernel sees one."""

    uid: int
    gids: frozenset[int]


def user_named(name: str, setting: str = "user") -> User:
    """Return the user with all groups; one that is given as a number need have no name here, and has no groups then."""
    import pwd

    try:
        entry = pwd.getpwuid(int(name)) if name.isdecimal() else pwd.getpwnam(name)
    except (KeyError, OverflowError):
        if name.isdecimal():
            return User(int(name), frozenset())
        raise Trouble(f"there is no user {name} here", f"create the user, or correct `{setting}`") from None
    return User(entry.pw_uid, frozenset(os.getgrouplist(entry.pw_name, entry.pw_gid)))


def may_write(user: User, place: str) -> bool | None:
    """Tell whether the user may write to a file, or make files in a folder; None where that is not known."""
    *folders, real = _way(place)
    mount = mount_of(real)
    if mount.fstype.startswith(ELSEWHERE):
        return None
    read_only = is_read_only(mount, real)
    if read_only or _is_immutable(real):
        return False
    if not all(allows(user, folder, ENTER) for folder in dict.fromkeys(folders)):
        return False
    allowed = allows(user, real, WRITE | ENTER if os.path.isdir(real) else WRITE)
    return None if allowed and read_only is None else allowed


def _way(place: str) -> list[str]:
    """Return the folders that are entered on the way to a place, also for the links there, and where it ends."""
    way = ["/"]
    left = os.path.abspath(place).split("/")[:0:-1]
    links = 0
    while left:
        name = left.pop()
        below = os.path.normpath(os.path.join(way[-1], name))  # there are no links in it, so `..` is the folder above
        if not os.path.islink(below):
            way.append(below)
            continue
        links += 1
        if links > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), place)
        target = os.readlink(below)
        way.append("/" if target.startswith("/") else way[-1])
        left.extend(part for part in reversed(target.split("/")) if part not in ("", "."))
    return way


def allows(user: User, place: str, wanted: int) -> bool:
    """Tell whether mode, groups and access control list of one place allow what is wanted."""
    status = os.stat(place)
    if user.uid == 0:  # root may all, but what nobody may execute
        return True
    if user.uid == status.st_uid:
        return _covers(status.st_mode >> 6, wanted)
    entries = _access_list(place)
    if entries:
        return _allowed_by(entries, user, status, wanted)
    if status.st_gid in user.gids:
        return _covers(status.st_mode >> 3, wanted)
    return _covers(status.st_mode, wanted)


def _covers(bits: int, wanted: int) -> bool:
    return bits & wanted == wanted


Entries = list[tuple[int, int, int]]
"""Of an access control list: kind, permissions, and the number of the user or group."""


def _access_list(place: str) -> Entries:
    try:
        raw = os.getxattr(place, _ACL)
    except OSError as error:
        if error.errno in _NO_ACL:
            return []
        raise
    return list(_ACL_ENTRY.iter_unpack(raw[_ACL_HEADER.size :]))


def _allowed_by(entries: Entries, user: User, status: os.stat_result, wanted: int) -> bool:
    """Judge as acl(5) says, for one who is not the owner."""
    mask = next((bits for kind, bits, _ in entries if kind == _MASK), 0o7)
    for kind, bits, number in entries:
        if kind == _USER and number == user.uid:
            return _covers(bits & mask, wanted)
    own = [
        bits & mask
        for kind, bits, number in entries
        if (kind == _GROUP and number in user.gids) or (kind == _GROUP_OF_FILE and status.st_gid in user.gids)
    ]
    if own:
        return any(_covers(bits, wanted) for bits in own)
    return _covers(status.st_mode, wanted)


def _is_immutable(place: str) -> bool:
    """Tell whether the file system itself refuses changes (`chattr +i`), as far as that may be asked."""
    import fcntl

    if not stat.S_ISDIR(mode := os.stat(place).st_mode) and not stat.S_ISREG(mode):
        return False
    try:
        descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        flags = struct.unpack("l", fcntl.ioctl(descriptor, _GET_FLAGS, bytes(struct.calcsize("l"))))[0]
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return bool(flags & _IMMUTABLE)


def owner_of(uid: int) -> str:
    """Return the user's name, the number where it has none."""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def group_of(gid: int) -> str:
    """Return the group's name, the number where it has none."""
    import grp

    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
