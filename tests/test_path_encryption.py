"""Encryption underneath: of block devices as /sys describes them, of folders, of this machine."""

import fcntl
import os
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from exporter.collectors.path import encryption
from exporter.collectors.path.encryption import encrypted
from exporter.collectors.path.mounts import Mount, mount_of
from tests.hang_fs import mounted, need_fuse
from tests.onetarget import one
from tests.walking import of, page, settings_of


class Sys:
    """A /sys with block devices that a test makes up, as the kernel lays them out."""

    def __init__(self, top: Path) -> None:
        self.top = top
        (top / "dev" / "block").mkdir(parents=True)
        (top / "class" / "block").mkdir(parents=True)

    def device(self, name: str, number: str, *slaves: str, uuid: str | None = None, on: str = "") -> str:
        """Add a device: a part `on` another, or made of `slaves`; with `uuid` one of the device mapper."""
        place = self.top / "devices" / on / name
        (place / "slaves").mkdir(parents=True)
        (place / "dev").write_text(f"{number}\n")
        for slave in slaves:
            (place / "slaves" / slave).symlink_to(os.path.realpath(self.top / "class" / "block" / slave))
        if uuid is not None:
            (place / "dm").mkdir()
            (place / "dm" / "uuid").write_text(f"{uuid}\n")
        if on:
            (place / "partition").write_text("1\n")
        (self.top / "dev" / "block" / number).symlink_to(place)
        (self.top / "class" / "block" / name).symlink_to(place)
        return number

    def tells(self, number: str) -> bool | None:
        """Return what is told of a place on this device."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(encryption, "mount_of", lambda _: Mount(number, "xfs", "/dev/it"))
            return encrypted("/anywhere", str(self.top))


@pytest.fixture
def machine(tmp_path: Path) -> Sys:
    """Return a machine with two disks, the first of two parts."""
    found = Sys(tmp_path / "sys")
    found.device("sda", "8:0")
    found.device("sda1", "8:1", on="sda")
    found.device("sda2", "8:2", on="sda")
    found.device("sdb", "8:16")
    return found


@pytest.mark.parametrize("kind", ["LUKS1", "LUKS2", "PLAIN", "TCRYPT", "BITLK"])
def test_dm_crypt_encrypts_itself_and_what_lies_on_it(machine: Sys, kind: str) -> None:
    assert machine.tells(machine.device("dm-0", "253:0", "sda2", uuid=f"CRYPT-{kind}-6ef1-home")) is True
    assert machine.tells(machine.device("dm-1", "253:1", "dm-0", uuid="LVM-abcDEF")) is True


@pytest.mark.parametrize("uuid", ["LVM-abcDEF", "mpath-3600", "CRYPT-VERITY-6ef1-usr", "CRYPT-INTEGRITY-6ef1-x", ""])
def test_what_only_maps_is_as_what_lies_below(machine: Sys, uuid: str) -> None:
    machine.device("dm-0", "253:0", "sda2", uuid="CRYPT-LUKS2-6ef1-home")
    assert machine.tells(machine.device("dm-1", "253:1", "dm-0", uuid=uuid)) is True
    assert machine.tells(machine.device("dm-2", "253:2", "sdb", uuid=uuid)) is False
    assert machine.tells(machine.device("dm-3", "253:3", "dm-0", "sdb", uuid=uuid)) is False  # a part of it is open
    assert machine.tells(machine.device("dm-4", "253:4", uuid=uuid)) is None  # made of nothing that is seen


def test_parts_raids_and_disks(machine: Sys) -> None:
    assert (machine.tells("8:1"), machine.tells("8:16")) == (False, False)
    assert machine.tells(machine.device("md0", "9:0", "sda2", "sdb")) is False
    machine.device("dm-0", "253:0", "md0", uuid="CRYPT-LUKS2-6ef1-raid")
    assert machine.tells("253:0") is True


def test_a_part_of_an_encrypted_device_is_encrypted(machine: Sys) -> None:
    machine.device("dm-7", "253:7", "sdb", uuid="CRYPT-LUKS2-6ef1-vm")
    assert machine.tells(machine.device("dm-7p1", "259:7", on="dm-7")) is True


def test_what_is_not_seen_is_not_known(machine: Sys) -> None:
    assert machine.tells("8:99") is None
    assert machine.tells("") is None


def test_devices_that_lie_on_themselves_end(machine: Sys) -> None:
    number = machine.device("dm-0", "253:0", uuid="LVM-x")
    place = machine.top / "devices" / "dm-0"
    (place / "slaves" / "dm-0").symlink_to(place)
    assert machine.tells(number) is None


@pytest.mark.parametrize("fstype", ["ecryptfs", "fuse.gocryptfs", "fuse.encfs", "fuse.cryfs"])
def test_file_systems_that_encrypt(fstype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encryption, "mount_of", lambda _: Mount("0:55", fstype, "/home/.private"))
    assert encrypted("/anywhere", "/sys") is True


def test_btrfs_is_encrypted_where_all_its_devices_are(machine: Sys, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.device("dm-0", "253:0", "sda2", uuid="CRYPT-LUKS2-6ef1-a")
    devices = machine.top / "fs" / "btrfs" / "0c1d" / "devices"
    devices.mkdir(parents=True)
    (machine.top / "fs" / "btrfs" / "features").mkdir()
    (devices / "dm-0").symlink_to(machine.top / "devices" / "dm-0")
    monkeypatch.setattr(encryption, "mount_of", lambda _: Mount("0:31", "btrfs", "/dev/dm-0"))
    assert encrypted("/srv", str(machine.top)) is True
    (devices / "sdb").symlink_to(machine.top / "devices" / "sdb")
    assert encrypted("/srv", str(machine.top)) is False


@pytest.mark.parametrize(("fstype", "source"), [("nfs4", "server:/export"), ("tmpfs", "tmpfs"), ("zfs", "tank/data"),
                                                ("overlay", "overlay"), ("fuse.sshfs", "user@host:")])  # fmt: skip
def test_where_no_block_device_lies_below_it_is_not_known(
    machine: Sys, monkeypatch: pytest.MonkeyPatch, fstype: str, source: str
) -> None:
    monkeypatch.setattr(encryption, "mount_of", lambda _: Mount("0:40", fstype, source))
    assert encrypted("/srv", str(machine.top)) is None


# ---- this machine


def test_the_mount_of_a_place_is_the_kernel_s(tmp_path: Path) -> None:
    status = tmp_path.stat()
    mount = mount_of(str(tmp_path))
    if not mount.number.startswith("0:"):
        assert mount.number == f"{os.major(status.st_dev)}:{os.minor(status.st_dev)}"
    assert f" - {mount.fstype} {mount.source} " in Path("/proc/self/mountinfo").read_text()
    assert mount_of("/proc/self").fstype == "proc"


def test_this_machine(tmp_path: Path) -> None:
    shown = page(settings_of({"it": {"path": str(tmp_path)}, "memory": {"path": "/dev/shm"}}), {})
    told = encrypted(str(tmp_path), "/sys")
    assert shown.get(of("it")("encrypted")) == (None if told is None else str(int(told)))
    assert of("memory")("encrypted") not in shown


def test_nothing_is_said_of_a_place_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(encryption, "encrypted", lambda place, _: asked.append(place) or False)  # type: ignore[func-returns-value]
    place = tmp_path / "place"
    place.mkdir()
    series = of("it")("encrypted")
    with one("path", f"paths: {{it: {{path: {place}}}}}") as target:
        assert target.page()[series] == "0"
        place.rmdir()
        assert series not in target.page()
        place.mkdir()
        assert target.page()[series] == "0"
    assert asked == [str(place)]  # and what was found is remembered for a while


def test_a_fuse_mount_is_not_known(tmp_path: Path) -> None:
    need_fuse()
    with mounted(tmp_path / "mnt"):
        assert encrypted(str(tmp_path / "mnt"), "/sys") is None


@contextmanager
def loop_mounted(image: Path, place: Path, *options: str) -> Iterator[None]:
    """Have an ext4 file system made in a file, and mounted; skip where that may not be."""
    with image.open("wb") as file:
        file.truncate(64 << 20)
    place.mkdir()
    commands = [["mkfs.ext4", "-q", *options, str(image)], ["mount", "-o", "loop", str(image), str(place)]]
    for command in commands:
        if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip(f"{command[0]} is not possible here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_file_system_in_a_file_is_as_the_file(tmp_path: Path) -> None:
    with loop_mounted(tmp_path / "image", tmp_path / "mnt"):
        assert encrypted(str(tmp_path / "mnt"), "/sys") == encrypted(str(tmp_path), "/sys")


SET_POLICY = 0x800C6613  # FS_IOC_SET_ENCRYPTION_POLICY


def test_a_folder_that_ext4_encrypts_itself(tmp_path: Path) -> None:
    with loop_mounted(tmp_path / "image", tmp_path / "mnt", "-O", "encrypt", "-b", "4096"):
        folder = tmp_path / "mnt" / "private"
        folder.mkdir()
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            # version 1, AES-256-XTS for contents and AES-256-CTS for names; the key need not be there to set a policy
            fcntl.ioctl(descriptor, SET_POLICY, struct.pack("BBBB8s", 0, 1, 4, 3, b"runbook!"))
        except OSError as error:
            pytest.skip(f"this kernel does not encrypt folders: {error.strerror}")
        finally:
            os.close(descriptor)
        assert encrypted(str(folder), "/sys") is True
        assert encrypted(str(tmp_path / "mnt"), "/sys") == encrypted(str(tmp_path), "/sys")
