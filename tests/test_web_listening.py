"""Several addresses, unix sockets, sockets of systemd."""

import contextlib
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.process import PLUGGED, ROOT, Exporter, command, environment, free_port, running
from tests.support import until
from tests.test_service import accepts
from tests.test_web_users import basic
from tests.web import PASSWORD, TLS, ask, secured, users

ALIVE = b"GET /-/healthy HTTP/1.0\r\n\r\n"


def over(path: Path, request: bytes = ALIVE) -> bytes:
    """Ask at a unix socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(10)
        connection.connect(str(path))
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "http.sock"


@contextlib.contextmanager
def beside(folder: Path, path: Path, config: str = "targets: {alpha: {collector: fake}}") -> Iterator[Exporter]:
    """Listen at a port and at a unix socket."""
    with running(folder, config, f"--web.listen-address=unix:{path}") as exporter:
        yield exporter


def test_it_listens_at_every_address_named(tmp_path: Path) -> None:
    ports = [free_port(), free_port()]
    more = f"web: {{listen_addresses: ['127.0.0.2:{ports[0]}', '127.0.0.3:{ports[1]}']}}"
    (tmp_path / "config.yml").write_text(more)
    with running(tmp_path, more, f"--web.listen-address=127.0.0.1:{ports[0]}") as exporter:
        until(lambda: requests.get(f"http://127.0.0.1:{ports[0]}/-/healthy", timeout=5).ok)
        assert exporter.get("/-/healthy").ok
        with pytest.raises(requests.ConnectionError):  # the command line stands in place of all that the file names
            requests.get(f"http://127.0.0.2:{ports[0]}/-/healthy", timeout=5)


def test_the_file_may_name_several(tmp_path: Path, path: Path) -> None:
    ports = [free_port(), free_port()]
    file = tmp_path / "config.yml"
    file.write_text(
        f"web: {{listen_address: '127.0.0.1:{ports[0]}', listen_addresses: ['127.0.0.2:{ports[1]}', 'unix:{path}']}}"
    )
    arguments = [sys.executable, *PLUGGED, f"--config.file={file}", f"--storage.path={tmp_path}"]
    with (tmp_path / "output").open("wb") as output, subprocess.Popen(
        arguments, env=environment({}), stdout=output, stderr=output
    ) as process:  # fmt: skip
        try:
            until(path.exists)
            for host, port in (("127.0.0.1", ports[0]), ("127.0.0.2", ports[1])):
                assert requests.get(f"http://{host}:{port}/-/healthy", timeout=5).ok
            assert over(path).endswith(b"ok\n")
            listening = f"listening on 127.0.0.1:{ports[0]}, 127.0.0.2:{ports[1]}, unix:{path}"
            until(lambda: listening in (tmp_path / "output").read_text())
        finally:
            process.kill()


def test_a_unix_socket_has_its_mode_and_goes_with_the_exporter(tmp_path: Path, path: Path) -> None:
    with beside(tmp_path, path, "web: {unix_socket_mode: '0600'}") as exporter:
        assert over(path).endswith(b"ok\n")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert list(path.parent.glob(f"{path.name}.*")) == []
        assert exporter.stop() == 0
        assert not path.exists()


def test_a_socket_that_has_taken_its_place_stays(tmp_path: Path, path: Path) -> None:
    with beside(tmp_path, path) as exporter, socket.socket(socket.AF_UNIX) as other:
        path.rename(tmp_path / "away")  # not deleted, as the number of its file could be given to the next
        other.bind(str(path))
        other.listen()
        assert exporter.stop() == 0
        assert path.exists()


NGINX = """
daemon off;
error_log stderr;
pid {folder}/nginx.pid;
{user}
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder}; uwsgi_temp_path {folder};
  scgi_temp_path {folder};
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://unix:{path}; proxy_set_header Host $http_host; }}
  }}
}}
"""


@contextlib.contextmanager
def nginx(folder: Path, path: Path) -> Iterator[str]:
    """Have nginx, as the user nobody where that may be, pass on what is at a unix socket; return its address."""
    port, user = free_port(), "user nobody nogroup;" if os.getuid() == 0 else ""
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, user=user, port=port, path=path))
    arguments = ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]
    with (folder / "nginx.log").open("wb") as log, subprocess.Popen(arguments, stderr=log) as process:
        try:
            until(lambda: accepts(port))
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()


def test_a_proxy_passes_on_what_is_at_the_socket_where_its_mode_allows(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="socket") as open_folder:
        path = Path(open_folder, "http.sock")
        path.parent.chmod(0o755)
        with beside(tmp_path, path, "web: {unix_socket_mode: '0666'}"), nginx(tmp_path, path) as address:
            groups = requests.get(f"http://{address}/sd", timeout=10).json()
            assert groups[0]["targets"] == [address]
        with beside(tmp_path, path), nginx(tmp_path, path) as address:
            assert stat.S_IMODE(path.stat().st_mode) == 0o660
            answer = requests.get(f"http://{address}/-/healthy", timeout=10)
            assert answer.status_code == (502 if os.getuid() == 0 else 200)


def test_one_left_behind_is_replaced(tmp_path: Path, path: Path) -> None:
    with beside(tmp_path, path) as exporter:
        exporter.process.kill()
        exporter.process.wait(10)
    assert path.exists()
    with beside(tmp_path, path):
        assert over(path).endswith(b"ok\n")


def test_one_that_somebody_listens_at_is_left_alone(tmp_path: Path, path: Path) -> None:
    with beside(tmp_path, path):
        ended = command(f"--web.listen-address=unix:{path}", f"--storage.path={tmp_path / 'other'}")
        assert ended.returncode == 1
        assert f"cannot listen on unix:{path}: Address already in use" in ended.stderr
        assert over(path).endswith(b"ok\n")


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path, path: Path) -> None:
    path.write_text("precious")
    ended = command(f"--web.listen-address=unix:{path}", f"--storage.path={tmp_path}")
    assert ended.returncode == 1
    assert f"{path} is there and is no socket\nChoose a path that is free" in ended.stderr
    assert path.read_text() == "precious"


def test_a_path_in_no_directory_is_exit_1(tmp_path: Path) -> None:
    ended = command(f"--web.listen-address=unix:{tmp_path}/no/x", f"--storage.path={tmp_path}")
    assert ended.returncode == 1
    assert "No such file or directory\nMake the directory" in ended.stderr


@pytest.mark.parametrize("address", ["unix:", "unix:relative", "unix:/" + "x" * 91])
def test_a_path_that_is_none_is_exit_2(tmp_path: Path, address: str) -> None:
    ended = command("--web.listen-address=127.0.0.1:0", f"--web.listen-address={address}", f"--storage.path={tmp_path}")
    assert ended.returncode == 2
    assert "--web.listen-address" in ended.stderr
    assert "expected unix: and an absolute path" in ended.stderr


def test_a_mode_that_is_none_is_named(tmp_path: Path) -> None:
    file = tmp_path / "config.yml"
    file.write_text("web: {unix_socket_mode: rw, listen_addresses: [nonsense]}")
    ended = command("check", str(file))
    assert f"{file}:1: web.unix_socket_mode: is no mode; expected octal digits" in ended.stderr
    assert f"{file}:1: web.listen_addresses: 'nonsense' is no address; expected HOST:PORT" in ended.stderr


def test_a_unix_socket_speaks_no_tls_and_needs_a_user_all_the_same(tmp_path: Path, path: Path) -> None:
    with secured(tmp_path, TLS + users(alice=PASSWORD), f"--web.listen-address=unix:{path}") as exporter:
        assert ask(tmp_path, exporter, headers=basic("alice", PASSWORD)).ok
        assert b" 401 " in over(path)
        header = basic("alice", PASSWORD)["Authorization"].encode()
        assert over(path, b"GET /-/healthy HTTP/1.0\r\nAuthorization: " + header + b"\r\n\r\n").endswith(b"ok\n")


def test_a_unix_socket_alone_is_greeted_as_such(tmp_path: Path, path: Path) -> None:
    output = tmp_path / "output"
    arguments = [sys.executable, *PLUGGED, f"--web.listen-address=unix:{path}", f"--storage.path={tmp_path}"]
    with output.open("wb") as log, subprocess.Popen(arguments, env=environment({}), stdout=log, stderr=log) as process:
        try:
            until(lambda: "Prometheus cannot scrape a unix socket" in output.read_text())
            assert f"runbook-exporter is at unix:{path}\n" in output.read_text()
        finally:
            process.kill()


PASS_ON = """
import os, sys
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": sys.argv[1]}
os.dup2(int(sys.argv[2]), 3)
if sys.argv[1] == "2":
    os.dup2(int(sys.argv[3]), 4)
os.execv(sys.executable, [sys.executable, *sys.argv[4:]])
"""


def is_inherited(pid: int, number: int) -> bool:
    """Return whether programs that the process starts would have its descriptor too."""
    flags = Path(f"/proc/{pid}/fdinfo/{number}").read_text(encoding="ascii").partition("flags:")[2].split()[0]
    return not int(flags, 8) & os.O_CLOEXEC


def test_sockets_of_systemd_are_taken_over(tmp_path: Path, path: Path) -> None:
    output = tmp_path / "output"
    with socket.create_server(("127.0.0.1", 0)) as port, socket.socket(socket.AF_UNIX) as local:
        local.bind(str(path))
        local.listen()
        # far from the descriptors that they are to become
        numbers = [os.dup2(one.fileno(), 50 + index) for index, one in enumerate((port, local))]
        arguments = [sys.executable, "-c", PASS_ON, "2", *map(str, numbers), *PLUGGED, "--web.systemd-socket",
                     f"--storage.path={tmp_path}"]  # fmt: skip
        with output.open("wb") as log, subprocess.Popen(
            arguments, env=environment({}), stdout=log, stderr=log, pass_fds=numbers, cwd=ROOT
        ) as process:  # fmt: skip
            for number in numbers:
                os.close(number)
            address = f"127.0.0.1:{port.getsockname()[1]}"
            try:
                until(lambda: f"listening on {address}, unix:{path}" in output.read_text())
                assert requests.get(f"http://{address}/-/healthy", timeout=5).ok
                assert over(path).endswith(b"ok\n")
                assert [is_inherited(process.pid, number) for number in (3, 4)] == [False, False]
                process.send_signal(signal.SIGTERM)
                assert process.wait(10) == 0
                assert path.exists()  # it is systemd's
            finally:
                process.kill()


def test_an_address_of_the_command_line_stands_before_the_file_s_sockets(tmp_path: Path) -> None:
    with running(tmp_path, "web: {systemd_socket: true}") as exporter:
        assert exporter.get("/-/healthy").ok


def test_without_sockets_of_systemd_it_does_not_start(tmp_path: Path) -> None:
    ended = command("--web.systemd-socket", f"--storage.path={tmp_path}")
    assert ended.returncode == 1
    assert (
        "cannot listen on the sockets of systemd: systemd passes no sockets\nStart it from a .socket unit"
        in ended.stderr
    )
