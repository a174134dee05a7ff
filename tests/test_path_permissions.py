"""Whether a user may write, worked out and then tried; and who may read what should be closed."""

import os
import pwd
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from exporter.collector import Trouble
from exporter.collectors.path.mounts import covering
from exporter.collectors.path.permissions import User, may_write, user_named
from tests.hang_fs import mounted, need_fuse
from tests.walking import said, settings_of

HOST = os.stat("/proc/self/ns/pid").st_ino == 0xEFFFFFFC
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become other users, to try what they may")

NOBODY, DAEMON, GAMES = 65534, 1, 5
ACL = "system.posix_acl_access"


def access_list(owner: int, group: int, mask: int, other: int, *named: tuple[int, int, int]) -> bytes:
    """Return an access control list as the kernel takes it; `named` are (tag, number, permissions)."""
    nobody = 0xFFFFFFFF
    entries = [(0x01, owner, nobody), *((tag, bits, number) for tag, number, bits in named if tag == 0x02)]
    entries += [(0x04, group, nobody), *((tag, bits, number) for tag, number, bits in named if tag == 0x08)]
    entries += [(0x10, mask, nobody), (0x20, other, nobody)]
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


@pytest.fixture
def top() -> Iterator[Path]:
    """Return a folder that every user may enter."""
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        yield Path(place)


def tried(user: User, place: Path) -> bool:
    """Tell whether the user can really write there."""
    script = 'if [ -d "$1" ]; then touch "$1/probe" && rm "$1/probe"; else : >> "$1"; fi'
    ended = subprocess.run(
        ["/bin/sh", "-c", script, "sh", str(place)], user=user.uid, group=next(iter(user.gids)),
        extra_groups=list(user.gids), capture_output=True, check=False,
    )  # fmt: skip
    return ended.returncode == 0


USERS = [
    User(NOBODY, frozenset({NOBODY})), User(DAEMON, frozenset({DAEMON})), User(DAEMON, frozenset({DAEMON, GAMES})),
    User(GAMES, frozenset({GAMES})), User(0, frozenset({0})),
]  # fmt: skip
MODES = [0o000, 0o200, 0o300, 0o500, 0o700, 0o770, 0o730, 0o750, 0o755, 0o775, 0o777, 0o707, 0o077, 0o007]


@pytest.mark.parametrize("mode", MODES, ids=oct)
def test_modes_are_understood_as_the_kernel_does(top: Path, mode: int) -> None:
    folder, file = top / "folder", top / "file"
    folder.mkdir()
    file.touch()
    for place in (folder, file):
        os.chown(place, NOBODY, GAMES)
        place.chmod(mode)
        told = [may_write(user, str(place)) for user in USERS]
        assert told == [tried(user, place) for user in USERS]


@pytest.mark.parametrize("mode", [0o700, 0o711, 0o750, 0o701, 0o710], ids=oct)
def test_the_folders_above_must_be_entered(top: Path, mode: int) -> None:
    above = top / "above"
    place = above / "place"
    place.mkdir(parents=True)
    place.chmod(0o777)
    os.chown(above, DAEMON, GAMES)
    above.chmod(mode)
    (top / "link").symlink_to(place)
    told = [may_write(user, str(place)) for user in USERS]
    assert told == [tried(user, place) for user in USERS]
    assert [may_write(user, str(top / "link")) for user in USERS] == told


@pytest.mark.parametrize("mode", [0o700, 0o711, 0o750, 0o701, 0o710], ids=oct)
def test_the_folders_that_hold_links_must_be_entered(top: Path, mode: int) -> None:
    (top / "real" / "place").mkdir(parents=True)
    (top / "real" / "place").chmod(0o777)
    holding = top / "holding"
    (holding / "sub").mkdir(parents=True)
    (holding / "whole").symlink_to(top / "real" / "place")
    (holding / "sub" / "near").symlink_to(".././../real")
    (top / "first").symlink_to("holding/sub/near/place")  # a link that leads over another
    (top / "outside").symlink_to("holding/sub")
    os.chown(holding, DAEMON, GAMES)
    holding.chmod(mode)
    for place in (holding / "whole", top / "first", top / "outside" / "near" / "place", top / "real" / "place"):
        told = [may_write(user, str(place)) for user in USERS]
        assert told == [tried(user, place) for user in USERS]


def test_links_that_lead_nowhere_are_no_places(top: Path) -> None:
    (top / "loop").symlink_to("loop")
    (top / "broken").symlink_to("none")
    with pytest.raises(OSError, match="Too many levels of symbolic links"):
        may_write(USERS[0], str(top / "loop"))
    with pytest.raises(FileNotFoundError):
        may_write(USERS[0], str(top / "broken"))


LISTS = {
    "a user": access_list(7, 0, 7, 0, (0x02, NOBODY, 7)),
    "a user, masked": access_list(7, 0, 5, 7, (0x02, NOBODY, 7)),
    "a user who may not, though others may": access_list(7, 7, 7, 7, (0x02, NOBODY, 0)),
    "a group": access_list(7, 0, 7, 0, (0x08, GAMES, 7)),
    "a group, and one that may not": access_list(7, 0, 7, 7, (0x08, GAMES, 0), (0x08, DAEMON, 7)),
    "a group that may not, though others may": access_list(7, 7, 7, 7, (0x08, DAEMON, 5)),
    "the file's own group, masked": access_list(7, 7, 0, 0, (0x02, 4711, 7)),
}


@pytest.mark.parametrize("name", LISTS)
def test_access_control_lists_are_understood_as_the_kernel_does(top: Path, name: str) -> None:
    place = top / "place"
    place.mkdir()
    os.chown(place, 4712, GAMES)
    try:
        os.setxattr(place, ACL, LISTS[name])
    except OSError:
        pytest.skip("this file system has no access control lists")
    assert [may_write(user, str(place)) for user in USERS] == [tried(user, place) for user in USERS]


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Have the folder mounted onto itself, read-only."""
    if subprocess.run(["mount", "--bind", str(folder), str(folder)], capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_nobody_may_write_to_what_is_mounted_read_only(top: Path) -> None:
    folder = top / "folder"
    folder.mkdir()
    folder.chmod(0o777)
    with read_only(folder):  # in a container, it may be so for the container alone
        assert [may_write(user, str(folder)) for user in USERS] == [False if HOST else None] * 5
    assert [may_write(user, str(folder)) for user in USERS] == [True] * 5


ALONE = """
import os, subprocess, sys
from exporter.collectors.path.permissions import may_write, user_named
place = sys.argv[1]
nobody = user_named("nobody")
subprocess.run(["mount", "--make-rprivate", "/"], check=True)
subprocess.run(["mount", "--bind", place, place], check=True)
subprocess.run(["mount", "-o", "remount,bind,ro", place], check=True)
told = [may_write(nobody, place)]
os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
print([*told, may_write(nobody, place), may_write(nobody, "/")])
"""


def test_what_is_read_only_for_the_exporter_alone_is_not_said_to_be_closed_to_others(top: Path) -> None:
    """As a unit's ProtectSystem= does it; the host's mounts tell."""
    folder = top / "folder"
    folder.mkdir()
    folder.chmod(0o777)
    ended = subprocess.run(
        ["unshare", "--mount", sys.executable, "-c", ALONE, str(folder)], cwd=Path(__file__).parents[1],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "unshare failed" in ended.stderr:
        pytest.skip("there can be no namespaces here")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip() == ("[True, True, False]" if HOST else "[None, None, False]")


def test_a_file_system_that_is_read_only_is_so_for_all(top: Path) -> None:
    folder = top / "folder"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "ro,mode=777", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        assert [may_write(user, str(folder)) for user in USERS] == [False] * 5
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


TABLE = """\
21 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 21 0:40 / /srv/two\\040words ro,relatime - tmpfs tmpfs rw
31 21 0:41 / /srv/app rw - tmpfs tmpfs ro
32 31 0:42 / /srv/app rw - nfs4 server:/app rw
"""


@pytest.mark.parametrize(("place", "fstype", "readonly_here"), [
    ("/", "ext4", False), ("/srv", "ext4", False), ("/srv/apples", "ext4", False), ("/srv/app", "nfs4", False),
    ("/srv/app/out", "nfs4", False), ("/srv/two words/x", "tmpfs", True),
])  # fmt: skip
def test_of_the_mounts_above_a_place_the_last_of_the_nearest_counts(
    place: str, fstype: str, readonly_here: bool
) -> None:
    mount = covering(TABLE.splitlines(keepends=True), place)
    assert (mount.fstype, mount.readonly_here) == (fstype, readonly_here)


def test_nobody_may_write_to_what_is_immutable(top: Path) -> None:
    folder = top / "folder"
    folder.mkdir()
    folder.chmod(0o777)
    if subprocess.run(["chattr", "+i", str(folder)], capture_output=True, check=False).returncode:
        pytest.skip("this file system has no such flag")
    try:
        told = [may_write(user, str(folder)) for user in USERS]
        assert told == [tried(user, folder) for user in USERS] == [False] * 5
    finally:
        subprocess.run(["chattr", "-i", str(folder)], check=True)


def test_where_a_server_decides_it_is_not_known(top: Path) -> None:
    need_fuse()
    with mounted(top / "mnt"):
        assert may_write(USERS[0], str(top / "mnt")) is None
        settings = settings_of({"it": {"path": str(top / "mnt"), "user": "nobody"}})
        assert said(settings, {}, "writable")[0].startswith("skipped: who may write there is decided by a server")


def test_groups_are_those_of_the_user() -> None:
    nobody = pwd.getpwnam("nobody")
    assert user_named("nobody") == User(nobody.pw_uid, frozenset(os.getgrouplist("nobody", nobody.pw_gid)))
    assert user_named(str(nobody.pw_uid)) == user_named("nobody")
    assert user_named("4713") == User(4713, frozenset())
    with pytest.raises(Trouble, match="there is no user nosuchuser here"):
        user_named("nosuchuser")
