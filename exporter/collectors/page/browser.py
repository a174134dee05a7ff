"""A browser in the throwaway process: started within bounds, watched, and ended with everything it has made."""

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from exporter.collectors.page.folder import PROFILE
from exporter.collectors.page.wire import Wire

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_SET_DEATH_SIGNAL: Final = 1  # prctl(2)
_SET_SUBREAPER: Final = 36
_LAST_BREATH: Final = 4.0  # seconds for killed processes to be gone
_COUNT: Final = 0.5  # seconds between looks at which processes there are
_NAP: Final = 0.005
_ITS_READS, _ITS_WRITES = 3, 4  # what --remote-debugging-pipe takes
_WORDS: Final = 64 << 10

_OFF: Final = (
    "Translate", "MediaRouter", "OptimizationHints", "AcceptCHFrame", "CertificateTransparencyComponentUpdater",
    "InterestFeedContentSuggestions", "DialMediaRouteProvider", "GlobalMediaControls", "AutofillServerCommunication",
    "OptimizationGuideModelDownloading", "OptimizationGuideOnDeviceModel", "Prerender2",
)  # fmt: skip
_FLAGS: Final = (
    "--headless", "--remote-debugging-pipe", "--no-startup-window", "--no-first-run", "--no-default-browser-check",
    "--disable-background-networking", "--disable-breakpad", "--disable-crash-reporter",
    "--disable-component-update", "--disable-default-apps", "--disable-domain-reliability",
    "--disable-client-side-phishing-detection", "--disable-extensions", "--disable-sync",
    "--disable-component-extensions-with-background-pages", "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows", "--disable-renderer-backgrounding", "--disable-prompt-on-repost",
    "--disable-gpu", "--disable-search-engine-choice-screen", "--deny-permission-prompts", "--mute-audio",
    "--block-new-web-contents", "--no-pings", "--password-store=basic", "--use-mock-keychain",
    "--metrics-recording-only", "--force-color-profile=srgb", "--hide-scrollbars", "--window-size=1280,800",
    "--disk-cache-size=67108864",
    f"--disable-features={','.join(_OFF)}",
)  # fmt: skip


def adopt() -> None:
    """Have all that this process's children leave behind become its own children, whatever session they are in."""
    _libc().prctl(_SET_SUBREAPER, 1, 0, 0, 0)


class Browser:
    """A browser that runs, its processes, its files and the wire to it."""

    def __init__(self, request: Mapping[str, Any]) -> None:
        self._folder: str = request["folder"]
        self._said = os.path.join(self._folder, "said")
        self._pids: list[int] = []
        self._counted = 0.0
        self.process, self.wire = self._start(request)

    def _start(self, request: Mapping[str, Any]) -> tuple["subprocess.Popen[bytes]", Wire]:
        profile = os.path.join(self._folder, PROFILE)
        libc = _libc()
        mine, its = _pipes()
        own = {"HOME": profile, "TMPDIR": profile, "XDG_RUNTIME_DIR": profile, "LANG": "C.UTF-8"}
        nowhere = f"unix:path={profile}/none"
        own |= {"DBUS_SESSION_BUS_ADDRESS": nowhere, "DBUS_SYSTEM_BUS_ADDRESS": nowhere, "PATH": os.environ["PATH"]}
        try:
            with open(self._said, "wb") as said:
                process = subprocess.Popen(  # this process has one thread
                    [request["browser"], *_FLAGS, f"--user-data-dir={profile}", *request["flags"]],
                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said, cwd=profile,
                    env=own, pass_fds=its, **request["identity"],
                    preexec_fn=lambda: libc.prctl(_SET_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0),
                )  # fmt: skip
        finally:
            for descriptor in its:
                os.close(descriptor)
        return process, Wire(*mine)

    def ended_with(self) -> int | None:
        """Return the browser's exit code once it has ended, negative where a signal ended it."""
        with suppress(subprocess.TimeoutExpired):
            return self.process.wait(1.0)
        return None

    def words(self) -> str:
        """Return the last that it has written to its standard error."""
        with open(self._said, "rb") as said:
            said.seek(max(0, os.path.getsize(self._said) - _WORDS))
            return said.read().decode("utf-8", "replace")

    def memory(self) -> int:
        """Return the bytes of memory that all its processes have for themselves."""
        if time.monotonic() >= self._counted + _COUNT:  # to find them takes ten times as long as to look at them
            self._pids, self._counted = _descendants(os.getpid()), time.monotonic()
            for pid in self._pids:
                _first_to_go(pid)
        return sum(_own_memory(pid) for pid in self._pids)

    def disk(self) -> int:
        """Return the bytes that its files take."""
        return sum(_size(os.path.join(place, name)) for place, _, names in os.walk(self._folder) for name in names)

    def end(self) -> bool:
        """Hang up, kill all processes, and wait until they are gone; return whether they are."""
        with suppress(OSError):
            self.wire.close()
        return end_all()


def end_all() -> bool:
    """Kill all that this process has started, and what that has; return whether it is gone."""
    until = time.monotonic() + _LAST_BREATH
    while (pids := _descendants(os.getpid())) and time.monotonic() < until:
        for pid in pids:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        while _reaped():
            pass
        time.sleep(_NAP)
    return not pids


def _pipes() -> tuple[tuple[int, int], tuple[int, int]]:
    """Return our ends of two pipes (to read, to write), and those that stand where the browser looks for its own."""
    its_reads, we_write = (_above(end) for end in os.pipe())
    we_read, its_writes = (_above(end) for end in os.pipe())
    os.dup2(its_reads, _ITS_READS)
    os.dup2(its_writes, _ITS_WRITES)
    os.close(its_reads)
    os.close(its_writes)
    return (we_read, we_write), (_ITS_READS, _ITS_WRITES)


def _above(descriptor: int) -> int:
    import fcntl  # not on every system

    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(descriptor)
    return moved


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _descendants(pid: int) -> list[int]:
    """Return the processes below this one, those that have ended and are not waited for among them."""
    found = []
    for child in _children(pid):
        found += [child, *_descendants(child)]
    return found


def _children(pid: int) -> list[int]:
    children: list[int] = []
    with suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with suppress(OSError):
                children += map(int, Path(f"/proc/{pid}/task/{task}/children").read_bytes().split())
    return children


def _own_memory(pid: int) -> int:
    try:
        _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_bytes().split()
    except (OSError, ValueError):
        return 0
    return (int(resident) - int(shared)) * _PAGE


def _first_to_go(pid: int) -> None:
    # where memory runs out, let it be the browser, which sets this back by itself; not all may be written to
    with suppress(OSError):
        Path(f"/proc/{pid}/oom_score_adj").write_text("1000", encoding="ascii")


def _size(path: str) -> int:
    try:
        return os.lstat(path).st_blocks * 512
    except OSError:
        return 0


def _reaped() -> bool:
    try:
        return os.waitpid(-1, os.WNOHANG)[0] > 0
    except ChildProcessError:
        return False
