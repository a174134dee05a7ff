"""Where the exporter listens: addresses to sockets, and back."""

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from tornado.netutil import bind_sockets

from exporter.models import UNIX, WebSettings

_BACKLOG: Final = 1024
_FIRST_PASSED: Final = 3  # systemd passes its sockets from this descriptor on


_REMEDIES: Final = {
    errno.EADDRINUSE: "Stop what has the address, or choose another: --web.listen-address=127.0.0.1:10421",
    errno.EADDRNOTAVAIL: "This machine has no such address; choose one of its own, or `:10420` for all of them",
    errno.EACCES: "Ports below 1024, and paths in other users' directories, need a right that this user does not have",
    errno.EEXIST: "Choose a path that is free, or remove the file",
    errno.ENOENT: "Make the directory of the socket",
    errno.ENOTSOCK: "Start it from a .socket unit, or without --web.systemd-socket",
}


class CannotListenError(Exception):
    """A listening address cannot be had."""


class Doors:
    """The sockets that the exporter listens at, each with its address as people write it."""

    def __init__(self) -> None:
        self.sockets: list[socket.socket] = []
        self.addresses: list[str] = []
        self._paths: dict[str, int] = {}

    def open(self, web: WebSettings) -> None:
        """Listen where the settings say; CannotListenError names the address that cannot be had, and the remedy."""
        if web.systemd_socket:
            self._add("the sockets of systemd", partial(passed, os.environ))
            return
        for address in web.addresses:
            self._add(address, partial(bound, address, int(web.unix_socket_mode, 8)))
            if address.startswith(UNIX):
                path = address.removeprefix(UNIX)
                self._paths[path] = os.lstat(path).st_ino

    def _add(self, address: str, listen: Callable[[], list[socket.socket]]) -> None:
        try:
            sockets = listen()
        except OSError as error:
            remedy = _REMEDIES.get(error.errno or 0, "Choose another: --web.listen-address=127.0.0.1:10421")
            raise CannotListenError(f"{address}: {error.strerror or error}\n{remedy}") from error
        self.sockets += sockets
        self.addresses += [shown(one, address) for one in sockets]

    def remove(self) -> None:
        """Take the names of the unix sockets away, unless others have taken their places."""
        for path, inode in self._paths.items():
            with contextlib.suppress(OSError):
                if os.lstat(path).st_ino == inode:
                    os.unlink(path)


def bound(address: str, mode: int) -> list[socket.socket]:
    """Return the sockets that listen at an address; OSError where it cannot be had."""
    if address.startswith(UNIX):
        return [_bound_unix(address.removeprefix(UNIX), mode)]
    return bind_sockets(port_of(address), host_of(address), backlog=_BACKLOG)


def _bound_unix(path: str, mode: int) -> socket.socket:
    """Listen at a path; the socket appears there with its mode, and takes the place of one that nobody listens at."""
    _refuse_taken(path)
    ours = f"{path}.{os.getpid()}"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(ours)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.setblocking(False)
        listening.bind(ours)
        os.chmod(ours, mode)
        listening.listen(_BACKLOG)
        os.rename(ours, path)
    except OSError:
        listening.close()
        with contextlib.suppress(OSError):
            os.unlink(ours)
        raise
    return listening


def _refuse_taken(path: str) -> None:
    try:
        is_socket = stat.S_ISSOCK(os.lstat(path).st_mode)
    except FileNotFoundError:
        return
    if not is_socket:
        raise FileExistsError(errno.EEXIST, f"{path} is there and is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return  # left behind by one that was killed
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def passed(environ: Mapping[str, str]) -> list[socket.socket]:
    """Return the sockets that systemd listens at for us; OSError where it passes none."""
    meant = environ.get("LISTEN_PID") == str(os.getpid())
    count = int(environ.get("LISTEN_FDS", "0")) if meant and environ.get("LISTEN_FDS", "").isdecimal() else 0
    if not count:
        raise OSError(errno.ENOTSOCK, "systemd passes no sockets")
    sockets = [socket.socket(fileno=number) for number in range(_FIRST_PASSED, _FIRST_PASSED + count)]
    for one in sockets:
        one.setblocking(False)
        os.set_inheritable(one.fileno(), False)
    return sockets


def shown(one: socket.socket, address: str) -> str:
    """Return where a socket listens, as it stands in a URL; `address` is what was asked for."""
    if one.family == getattr(socket, "AF_UNIX", None):
        return address if address.startswith(UNIX) else f"{UNIX}{one.getsockname()}"
    host, port = one.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def host_of(address: str) -> str:
    """Return the host of a listen address; none means every interface."""
    return address.rpartition(":")[0].strip("[]")


def port_of(address: str) -> int:
    return int(address.rpartition(":")[2])
