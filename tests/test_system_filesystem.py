"""File systems: the mount table, statvfs, and mounts that give no figures."""

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from exporter.collector import NotApplicable, Trouble
from exporter.collectors.system import HostSettings
from exporter.collectors.system.filesystem import filesystem, filesystem_hanging
from exporter.collectors.system.host import Host
from exporter.exposition import render
from exporter.metric import Sample
from exporter.patience import NoAnswer, Patience
from tests.hang_fs import BLOCK_SIZE, BLOCKS, FREE, mounted, need_fuse
from tests.support import until

FIXTURE = Path(__file__).parent / "fixtures" / "host"
TIMEOUT = 0.3
SLACK = 1.0  # for a busy machine


def statvfs(blocks: int, free: int, available: int, files: int, files_free: int) -> os.statvfs_result:
    # f_frsize counts, not f_bsize: they differ on some network and FUSE file systems
    return os.statvfs_result((65536, 4096, blocks, free, available, files, files_free, files_free, 0, 255))


class Prepared(Patience):
    """Answers by path, for figures that no machine would give twice."""

    ANSWERS: Mapping[str, os.statvfs_result | Exception] = {
        "/": statvfs(1000, 400, 350, 5000, 4000),
        "/run": statvfs(10, 10, 10, 7, 0),
        "/srv/two words\tand\\040": statvfs(2**40, 1, 0, 2**33, 2**32),
        "/srv/frozen": statvfs(77, 0, 0, 5, 0),
        "/srv/remounted": statvfs(78, 1, 1, 6, 1),
        "/srv/nfs": OSError(errno.ESTALE, "stale"),
        "/srv/fuse": OSError(errno.ENOTCONN, "not connected"),
        "/srv/denied": PermissionError(errno.EACCES, "denied"),
        "/srv/gone": NoAnswer("no answer in time"),
        "/srv/bound": statvfs(500, 100, 100, 0, 0),  # btrfs counts no inodes
        "/srv/odd": statvfs(0, 0, 0, 0, 0),
    }

    def __init__(self, root: str) -> None:
        super().__init__(TIMEOUT)
        self._root = root

    def run(self, functions: Mapping[Any, Any]) -> dict[Any, Any]:
        return {key: self.ANSWERS[key[1].removeprefix(self._root)] for key in functions}


def prepared() -> Host:
    """Return a session of the fixture host whose file systems give the same figures on each machine."""
    root = f"{FIXTURE}/root"
    host = Host(f"{FIXTURE}/proc", f"{FIXTURE}/sys", root, HostSettings())
    host.patience = Prepared(root)
    return host


def values(host: Host, name: str) -> dict[str, Any]:
    """Return the values of a metric by mount point."""
    return {
        sample.labels[sample.metric.labels.index("mountpoint")]: sample.value
        for sample in samples(host)
        if sample.metric.name == name
    }


def errors(host: Host) -> dict[str, str]:
    """Return device_error by mount point."""
    return {
        sample.labels[3]: sample.labels[1]
        for sample in samples(host)
        if sample.metric.name == "node_filesystem_device_error"
    }


def samples(host: Host) -> list[Sample]:
    return [sample for sample in filesystem.function(host) if sample]


@pytest.fixture
def live() -> Iterator[Host]:
    host = Host("/proc", "/sys", "/", replace(HostSettings(), mount_timeout=TIMEOUT))
    yield host
    host.close()


@pytest.fixture
def session() -> Iterator[Callable[..., Host]]:
    """Return what makes a session of the host in a directory; settings may be given."""
    made: list[Host] = []

    def make(root: Path, **settings: Any) -> Host:
        where = replace(HostSettings(), **settings)
        made.append(Host(f"{root}/proc", f"{root}/sys", f"{root}/root", where))
        return made[-1]

    yield make
    for host in made:
        host.close()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a host of which there is only a mount table that a test writes."""
    (tmp_path / "proc" / "1").mkdir(parents=True)
    (tmp_path / "proc" / "self").mkdir()
    (tmp_path / "root" / "srv").mkdir(parents=True)
    return tmp_path


def test_the_fixture_host(golden: Callable[[str, str], None]) -> None:
    golden("system_filesystem.prom", render(samples(prepared())))


def test_a_mount_without_figures_has_an_error_and_no_sizes_and_the_others_are_untouched() -> None:
    host = prepared()
    failed = {mount: text for mount, text in errors(host).items() if text}
    assert failed == {
        "/srv/nfs": "stale file handle",
        "/srv/fuse": "transport endpoint is not connected",
        "/srv/denied": "permission denied",
        "/srv/gone": "mountpoint timeout",
    }
    for name in ("size_bytes", "free_bytes", "avail_bytes", "files", "files_free"):
        assert not failed.keys() & values(host, f"node_filesystem_{name}").keys()
    assert values(host, "node_filesystem_size_bytes")["/"] == 1000 * 4096


def test_an_exception_that_is_no_answer_of_the_kernel_fails_the_read(session: Callable[..., Host], copy: Path) -> None:
    (copy / "proc" / "1" / "mountinfo").write_text("1 0 8:1 / /nul\\000 rw - ext4 /dev/sda1 rw\n")
    with pytest.raises(ValueError, match="null"):
        samples(session(copy))


def test_the_kernel_of_this_machine(live: Host) -> None:
    shown = errors(live)
    assert "/" in shown
    assert not {"/proc", "/sys", "/dev"} & shown.keys()
    sizes = values(live, "node_filesystem_size_bytes")
    for mount, size in sizes.items():
        now = os.statvfs(mount)
        assert size == now.f_blocks * now.f_frsize
    now = os.statvfs("/")
    assert values(live, "node_filesystem_files")["/"] == now.f_files
    assert abs(values(live, "node_filesystem_avail_bytes")["/"] - now.f_bavail * now.f_frsize) < 1 << 30
    assert abs(values(live, "node_filesystem_free_bytes")["/"] - now.f_bfree * now.f_frsize) < 1 << 30
    assert values(live, "node_filesystem_readonly")["/"] == bool(now.f_flag & os.ST_RDONLY)


def test_mount_points_are_shown_without_the_rootfs_prefix(session: Callable[..., Host], copy: Path) -> None:
    root = f"{copy}/root"
    table = "".join(
        f"{id} 0 8:{id} / {mount} rw - ext4 /dev/sda{id} rw\n"
        for id, mount in enumerate((root, f"{root}/srv", f"{root}-other", "/srv/host"), start=1)
    )
    (copy / "proc" / "self" / "mountinfo").write_text(table)
    assert errors(session(copy)) == {
        "/": "",
        "/srv": "",
        f"{root}-other": "no such file or directory",
        "/srv/host": "no such file or directory",
    }


def test_of_two_mounts_on_one_place_the_visible_one_is_shown(session: Callable[..., Host], copy: Path) -> None:
    (copy / "proc" / "1" / "mountinfo").write_text(
        "1 0 8:1 / /srv rw - ext4 /dev/below rw\n"
        "2 1 0:9 / /srv rw - xfs /dev/above ro\n"
        "3 0 8:1 / /seen rw - ext4 /dev/below rw\n"
        "4 3 0:9 / /seen rw - tmpfs /dev/above rw\n"
    )
    shown = [sample.labels for sample in samples(session(copy)) if sample.metric.name.endswith("device_error")]
    assert [labels[0] for labels in shown] == ["/dev/above", "/dev/above"]
    hidden = session(copy, fs_types_exclude="^tmpfs$")  # what lies below one that is left out has no figures either
    assert list(errors(hidden)) == ["/srv"]


def test_what_is_left_out_is_a_setting_and_an_empty_one_leaves_nothing_out(
    session: Callable[..., Host], copy: Path
) -> None:
    (copy / "proc" / "1" / "mountinfo").write_text(
        "1 0 8:1 / / rw - ext4 /dev/a rw\n2 0 0:2 / /srv rw - tmpfs b rw\n3 0 0:3 / /proc rw - proc c rw\n"
    )
    assert set(errors(session(copy))) == {"/", "/srv"}
    assert set(errors(session(copy, mount_points_exclude="^/srv$"))) == {"/"}
    assert set(errors(session(copy, mount_points_exclude="", fs_types_exclude=""))) == {"/", "/srv", "/proc"}


def test_a_change_of_the_table_is_seen(session: Callable[..., Host], copy: Path) -> None:
    host = session(copy)
    for options, readonly in (("rw", 0), ("ro,noatime", 1)):
        (copy / "proc" / "1" / "mountinfo").write_text(f"1 0 8:1 / / {options} - ext4 /dev/a rw\n")
        assert values(host, "node_filesystem_readonly") == {"/": readonly}


def test_the_own_table_is_read_where_that_of_the_first_process_is_missing(
    session: Callable[..., Host], copy: Path
) -> None:
    with pytest.raises(NotApplicable):
        samples(session(copy))
    (copy / "proc" / "self" / "mountinfo").write_text("1 0 8:1 / / rw - ext4 /dev/own rw\n")
    assert set(errors(session(copy))) == {"/"}


@pytest.mark.parametrize(
    "table",
    ["", "1 0 8:1 / / rw - ext4 /dev/a rw", "nothing\n", "1 0 8:1 / / rw ext4\n", "\x00\x01\x02", "1 2 - 3\n"],
    ids=["empty", "truncated", "word", "no separator", "binary", "short"],
)
def test_a_malformed_table_is_an_error(session: Callable[..., Host], copy: Path, table: str) -> None:
    (copy / "proc" / "1" / "mountinfo").write_text(table)
    with pytest.raises(Trouble, match="mount table"):
        samples(session(copy))


def test_names_that_are_no_utf8_are_read_and_shown(session: Callable[..., Host], copy: Path) -> None:
    path = os.fsencode(copy / "root") + b"/caf\xe9"
    os.mkdir(path)
    (copy / "proc" / "1" / "mountinfo").write_bytes(b"1 0 8:1 / /caf\xe9 rw - ext4 /dev/a rw\n")
    host = session(copy)
    assert list(errors(host).values()) == [""]
    assert r"/caf\udce9" in render(samples(host)).replace("\\\\", "\\")


def test_a_mount_that_hangs_costs_its_timeout_once_and_comes_back(live: Host, tmp_path: Path) -> None:
    need_fuse()
    path = tmp_path / "hanging"
    others = set(threading.enumerate())
    with mounted(path) as server:
        healthy = errors(live)
        assert healthy[str(path)] == ""
        assert values(live, "node_filesystem_size_bytes")[str(path)] == BLOCKS * BLOCK_SIZE
        assert values(live, "node_filesystem_avail_bytes")[str(path)] == FREE * BLOCK_SIZE
        assert str(path) not in values(live, "node_filesystem_files")

        server.hang()
        begun = time.monotonic()
        found = errors(live)
        assert TIMEOUT <= time.monotonic() - begun < TIMEOUT + SLACK
        assert (found["/"], found[str(path)]) == (healthy["/"], "mountpoint timeout")
        threads = set()
        begun = time.monotonic()
        for _ in range(20):
            shown = values(live, "node_filesystem_size_bytes")
            assert "/" in shown
            assert str(path) not in shown
            threads.add(len(set(threading.enumerate()) - others))
        assert time.monotonic() - begun < SLACK
        assert threads == {2}
        with pytest.raises(Trouble, match=f"no answer from {path}$"):
            list(filesystem_hanging.function(live))

        server.answer()
        until(lambda: errors(live)[str(path)] == "")
        assert values(live, "node_filesystem_size_bytes")[str(path)] == BLOCKS * BLOCK_SIZE
        assert list(filesystem_hanging.function(live)) == []
        assert len(set(threading.enumerate()) - others) == 1
    assert str(path) not in errors(live)


def test_the_server_of_a_mount_dies(live: Host, tmp_path: Path) -> None:
    need_fuse()
    path = tmp_path / "dying"
    with mounted(path) as server:
        server.die()
        until(lambda: errors(live)[str(path)] == "transport endpoint is not connected")
        assert values(live, "node_filesystem_device_error")[str(path)] == 1
        assert str(path) not in values(live, "node_filesystem_size_bytes")
