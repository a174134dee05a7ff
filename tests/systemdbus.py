"""systemd for tests: a bus with a service that answers as systemd was recorded to, and a real one in a namespace."""

import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import psutil
import pytest

from tests.support import until

FIXTURES: Final = Path(__file__).parent / "fixtures" / "systemd"
_SYSTEMD: Final = "org.freedesktop.systemd1"


def _missing(reason: str) -> None:
    (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)


class Recorded:
    """Owns systemd's name on a bus, and answers as was recorded; `mode` has it be silent, refuse, or talk nonsense."""

    def __init__(self, address: str, told: dict[str, Any]) -> None:
        from jeepney.bus_messages import message_bus  # type: ignore[import-untyped, unused-ignore]
        from jeepney.io.blocking import open_dbus_connection  # type: ignore[import-untyped, unused-ignore]

        self.told = told
        self.mode = ""
        self.asked: list[tuple[Any, ...]] = []
        self._line = open_dbus_connection(bus=address)
        self._line.send_and_get_reply(message_bus.RequestName(_SYSTEMD))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        with suppress(OSError):
            self._line.sock.shutdown(2)
        self._thread.join(10)
        self._line.close()

    def _serve(self) -> None:
        from jeepney import MessageType  # type: ignore[import-untyped, unused-ignore]

        with suppress(OSError, EOFError):
            while True:
                message = self._line.receive()
                if message.header.message_type == MessageType.method_call and self.mode != "silent":
                    if self.mode == "slow":
                        time.sleep(0.05)
                    self._line.send(self._answer(message))

    def _answer(self, message: Any) -> Any:
        from jeepney import HeaderFields, new_error, new_method_return

        method, path = message.header.fields[HeaderFields.member], message.header.fields[HeaderFields.path]
        self.asked.append((method, path, *message.body))
        if self.mode == "denied" or (self.mode == "locked" and method == "Get"):
            return new_error(message, "org.freedesktop.DBus.Error.AccessDenied", "s", ("Sender is not authorized",))
        if self.mode == "nonsense":
            return new_method_return(message, "s", ("nonsense",))
        if method == "ListUnits":
            return new_method_return(message, "a(ssssssouso)", ([tuple(unit) for unit in self.told["units"]],))
        found = self.told["properties"].get(path, {}).get(".".join(message.body).removeprefix(f"{_SYSTEMD}."))
        if found is None:
            return new_error(message, "org.freedesktop.DBus.Error.UnknownProperty", "s", ("Unknown property",))
        return new_method_return(message, "v", ((found[0], found[1]),))


def recording(name: str) -> dict[str, Any]:
    """Return what systemd was recorded to tell."""
    found: dict[str, Any] = json.loads((FIXTURES / f"{name}.json").read_text(encoding="utf-8"))
    return found


@contextmanager
def bus() -> Iterator[Path]:
    """Have a bus of one's own on which nobody answers yet."""
    if shutil.which("dbus-daemon") is None:
        _missing("dbus-daemon is not installed here")
    with tempfile.TemporaryDirectory(prefix="bus-") as folder:
        place = Path(folder) / "bus"
        command = ["dbus-daemon", "--session", f"--address=unix:path={place}", "--nofork", "--nopidfile"]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            until(lambda: _listens(place))
            yield place
        finally:
            process.kill()
            process.wait()


def _listens(place: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as line:
        return line.connect_ex(str(place)) == 0


@contextmanager
def recorded(told: dict[str, Any]) -> Iterator[tuple[Path, Recorded]]:
    """Have a bus on which systemd answers as was recorded."""
    with bus() as place:
        service = Recorded(f"unix:path={place}", told)
        try:
            yield place, service
        finally:
            service.close()


UNITS: Final = {
    "basic.target": "[Unit]\nRequires=dbus.socket dbus.service\n",
    "dbus.socket": "[Socket]\nListenStream=%t/bus\n[Install]\nWantedBy=sockets.target\n",
    "dbus.service": "[Unit]\nRequires=dbus.socket\n[Service]\nType=notify\nExecStart=/usr/bin/dbus-daemon --session "
    "--address=systemd: --nofork --nopidfile --systemd-activation --syslog-only\n",
    "good.service": "[Service]\nExecStart=/bin/sleep 1000\n",
    "crash.service": "[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStart=/bin/sh -c 'exit 3'\nRestart=on-failure\n"
    "RestartSec=100ms\n",
    "fail.service": "[Service]\nExecStart=/bin/false\n",
    "often.timer": "[Timer]\nOnActiveSec=100ms\n[Install]\nWantedBy=timers.target\n",
    "often.service": "[Service]\nType=oneshot\nExecStart=/bin/true\n",
}
# Each in a mount namespace of its own: what is mounted there is seen by nobody else, and goes with it.
_GROUP: Final = """
mount --make-rprivate / && mkdir -p "$1/cgroup" && mount -t cgroup2 cgroup2 "$1/cgroup" || exit 9
"""
_OUTSIDE: Final = """
mkdir "$1/cgroup/$2" && echo $$ > "$1/cgroup/$2/cgroup.procs" || exit 9
exec unshare -m -p -f -C --kill-child --mount-proc sh -c "$3" sh "$1"
"""
_INSIDE: Final = """
mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system /run/user/0 /run/lock && chmod 700 /run/user/0 || exit 9
umount -R /sys/fs/cgroup 2>/dev/null
mount -t cgroup2 cgroup2 /sys/fs/cgroup || exit 9
export XDG_RUNTIME_DIR=/run/user/0 XDG_CONFIG_HOME="$1" DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/0/bus
# not as the first process, as which it would be the system's
/usr/lib/systemd/systemd --user --unit=basic.target --log-target=console &
wait
"""
_REMOVE: Final = """
find "$1/cgroup/$2" -depth -type d -exec rmdir {} + 2>/dev/null
[ ! -e "$1/cgroup/$2" ]
"""


class Real:
    """A systemd in namespaces of its own; its bus is seen from outside."""

    def __init__(self, pid: int, config: Path) -> None:
        self.bus = f"/proc/{pid}/root/run/user/0/bus"
        self._pid = pid
        self._config = config

    def systemctl(self, *words: str) -> None:
        """Run systemctl beside it, whatever it ends with."""
        inside = ["nsenter", "-t", str(self._pid), "-m", "-p", "-C", "env", "XDG_RUNTIME_DIR=/run/user/0"]
        subprocess.run([*inside, "systemctl", "--user", *words], check=False, capture_output=True, timeout=30)


@contextmanager
def real() -> Iterator[Real]:
    """Have a real systemd run; without what it needs skip."""
    if os.geteuid() != 0 or not os.path.exists("/usr/lib/systemd/systemd") or shutil.which("unshare") is None:
        pytest.skip("a systemd of one's own needs root, systemd and unshare")
    group = f"runbook-systemd-{os.getpid()}"
    with tempfile.TemporaryDirectory(prefix="systemd-") as folder:
        units = Path(folder) / "systemd" / "user"
        units.mkdir(parents=True)
        for name, text in UNITS.items():
            (units / name).write_text(text)
        with (Path(folder) / "log").open("wb") as log:
            command = ["unshare", "-m", "sh", "-c", _GROUP + _OUTSIDE, "sh", folder, group, _INSIDE]
            process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            yield _up(process, Path(folder))
        finally:
            process.kill()  # with it goes all that runs in its namespace
            process.wait()
            remove = ["unshare", "-m", "sh", "-c", _GROUP + _REMOVE, "sh", folder, group]
            until(lambda: subprocess.run(remove, check=False).returncode == 0)


def _up(process: "subprocess.Popen[bytes]", folder: Path) -> Real:
    def inner() -> int | None:
        """Return the number of the first systemd below; what it forks is called so as well for a moment."""
        found = []
        with suppress(psutil.NoSuchProcess):
            for one in psutil.Process(process.pid).children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    found += [one.pid] if one.name() == "systemd" else []
        return min(found, default=None)

    until(lambda: process.poll() is not None or inner(), 20)
    if process.poll() is not None:
        pytest.skip("no systemd can be started here: " + (folder / "log").read_text(errors="replace")[-300:])
    pid = inner()
    assert pid is not None
    found = Real(pid, folder)
    until(lambda: os.path.exists(found.bus), 20)
    return found
