"""A file system in a process of its own, which can be made to hang and to answer again."""

import errno
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.hostmounts import alone
from tests.support import until

BLOCKS, FREE, BLOCK_SIZE = 1000, 250, 4096


def missing() -> str:
    """Return why no such file system can be mounted here, or nothing."""
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        return "/dev/fuse is not there for this user"
    try:
        import mfusepy  # noqa: F401  # it looks for libfuse
    except (ImportError, OSError) as error:
        return str(error)
    return ""


def need_fuse() -> None:
    """Skip the test where there is no FUSE; on the project's own test machines that is a failure."""
    if reason := missing():
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)


class Hanging:
    """The mounted file system's process."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def hang(self) -> None:
        self._process.send_signal(signal.SIGSTOP)
        until(lambda: self._state() == "T")

    def answer(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def die(self) -> None:
        self._process.kill()

    def _state(self) -> str:
        return Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()[0]


@contextmanager
def mounted(path: Path) -> Iterator[Hanging]:
    """Mount the file system there; afterwards it is killed and unmounted, in whatever state it is."""
    with alone():
        yield from _mounted(path)


def _mounted(path: Path) -> Iterator[Hanging]:
    path.mkdir(exist_ok=True)
    process = subprocess.Popen([sys.executable, __file__, str(path)])
    try:
        until(lambda: process.poll() is not None or f" {path} " in Path("/proc/self/mounts").read_text())
        assert process.poll() is None, "the file system's process has ended"
        yield Hanging(process)
    finally:
        process.kill()
        process.wait()
        subprocess.run(["fusermount3", "-uz", str(path)], stderr=subprocess.DEVNULL, check=False)


def _serve(path: str) -> None:
    import mfusepy

    class Empty(mfusepy.Operations):  # type: ignore[misc]
        use_ns = True

        def getattr(self, path: str, fh: int | None = None) -> dict[str, int]:
            if path != "/":
                raise mfusepy.FuseOSError(errno.ENOENT)
            return {"st_mode": stat.S_IFDIR | 0o755, "st_nlink": 2}

        def statfs(self, path: str) -> dict[str, int]:
            return {"f_bsize": 2 * BLOCK_SIZE, "f_frsize": BLOCK_SIZE, "f_blocks": BLOCKS, "f_bfree": FREE,
                    "f_bavail": FREE, "f_files": 0, "f_ffree": 0}  # fmt: skip

    mfusepy.FUSE(Empty(), path, foreground=True, nothreads=True, fsname="hanging")


if __name__ == "__main__":
    _serve(sys.argv[1])
