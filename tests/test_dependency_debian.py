"""Packages of Debian, looked at by a real apt-get that has a root of its own; and whether a host must start again."""

import os
import time
from pathlib import Path

import pytest

from exporter.collector import NotApplicable, Trouble
from exporter.collectors.dependency import debian
from exporter.collectors.dependency.found import Advisory, Origin, Pending, Scanned, Updates, Weaknesses
from exporter.collectors.dependency.reboot import required
from exporter.collectors.dependency.running import Way
from exporter.deadline import Deadline
from tests.aptroot import SECURITY, STABLE, Releases, root
from tests.dependencies import needs, program, project

INSTALLED = {"bash": "5.1", "zip": "3.0", "curl": "7.0", "held": "1.0", "local": "1.0"}
RELEASES: Releases = {
    STABLE: {"bash": "5.2", "zip": "3.0", "curl": "7.1", "held": "2.0"}, SECURITY: {"curl": "7.1", "zip": "3.1"},
}  # fmt: skip


def way(seconds: float = 90.0) -> Way:
    return Way(Deadline(seconds))


def scan(environment: dict[str, str], **settings: tuple[str, ...]) -> Scanned:
    needs("apt-get")
    return debian.scan(project(debian=True, environment=environment, **settings), "high", way())


def test_what_waits_and_where_it_comes_from(tmp_path: Path) -> None:
    here = root(tmp_path, INSTALLED, RELEASES)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    found = scan(here.environment, ignore=("bash",), private=("held",))
    pending = (Pending("curl", "7.0"), Pending("zip", "3.0"))
    advisories = (Advisory("curl", "7.0", ("update of curl 7.0",), "high"),
                  Advisory("zip", "3.0", ("update of zip 3.0",), "high"))  # fmt: skip
    assert found.updates == Updates(5, pending)
    assert found.weaknesses == Weaknesses(5, advisories)
    assert found.origins == (
        Origin("Debian-Security:12/oldstable-security", "amd64", 1),
        Origin("Debian-Security:12/oldstable-security,Debian:12.15/oldstable", "amd64", 1),
        Origin("Debian:12.15/oldstable", "amd64", 1),
    )
    assert found.lists == pytest.approx((tmp_path / "state/lists").stat().st_mtime)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_nothing_waits(tmp_path: Path) -> None:
    found = scan(root(tmp_path, {"zip": "3.1"}, RELEASES).environment)
    assert (found.updates, found.weaknesses) == (Updates(1, ()), Weaknesses(1, ()))
    assert found.origins == (Origin("", "", 0),)


def test_without_lists_nothing_waiting_is_not_known(tmp_path: Path) -> None:
    with pytest.raises(Trouble, match="apt has no lists") as trouble:
        scan(root(tmp_path, INSTALLED, RELEASES, fetched=False).environment)
    assert trouble.value.fix == "run `apt-get update`"


def test_the_stamp_tells_of_a_fetch_that_brought_nothing(tmp_path: Path) -> None:
    here = root(tmp_path, INSTALLED, RELEASES)
    stamp, later = tmp_path / "state/periodic/update-success-stamp", time.time() + 5000
    stamp.touch()
    os.utime(stamp, (later, later))
    assert scan(here.environment).lists == pytest.approx(later)


def test_packages_that_are_broken_are_told(tmp_path: Path) -> None:
    here = root(tmp_path, INSTALLED, RELEASES)
    status = tmp_path / "dpkg/status"
    status.write_text(status.read_text().replace("Version: 5.1\n", "Version: 5.1\nDepends: nowhere\n"))
    with pytest.raises(Trouble, match="apt-get ended with the status 100"):
        scan(here.environment)


def test_a_status_that_is_gone_is_told(tmp_path: Path) -> None:
    here = root(tmp_path, INSTALLED, RELEASES)
    (tmp_path / "dpkg/status").unlink()
    with pytest.raises(Trouble, match="status: No such file"):
        scan(here.environment)


RECORDED = """\
NOTE: This is only a simulation!
Reading package lists...
Building dependency tree...
The following packages will be upgraded:
  libc6 libc6:i386
Inst libc6 [2.36-9] (2.36-10 Debian:12.8/stable, Debian-Security:12/stable-security [amd64]) []
Inst libc6:i386 [2.36-9] (2.36-10 Debian:12.8/stable [i386])
Inst python3-jwt [2.6.0-1] (2.6.0-1+deb12u1 Ubuntu:22.04/jammy-security [all]) [python3:amd64 ]
Inst linux-image-6.1.0-40-amd64 (6.1.153-1 Debian-Security:12/stable-security [amd64])
Inst firefox [1.0] (2.0 packages.mozilla.org:stable-security-fixes/x [amd64])
Inst mine [1.0] (2.0 localhost [all])
Remv old [1.0]
Conf libc6 (2.36-10 Debian:12.8/stable [amd64])
"""


def test_what_apt_get_is_known_to_write(tmp_path: Path) -> None:
    here = root(tmp_path, INSTALLED, RELEASES)
    folder = tmp_path / "bin"
    (tmp_path / "recorded").write_text(RECORDED, encoding="utf-8")
    program(folder, "apt-get", f"cat {tmp_path / 'recorded'}")
    found = scan({**here.environment, "PATH": f"{folder}:/usr/bin:/bin"})
    assert found.updates is not None
    assert found.weaknesses is not None
    assert [one.name for one in found.updates.pending] == ["libc6", "libc6:i386", "python3-jwt", "firefox", "mine"]
    assert [one.package for one in found.weaknesses.advisories] == ["libc6", "python3-jwt"]
    assert found.origins is not None
    assert {(one.origin, one.arch) for one in found.origins} == {
        ("Debian-Security:12/stable-security,Debian:12.8/stable", "amd64"), ("Debian:12.8/stable", "i386"),
        ("Ubuntu:22.04/jammy-security", "all"), ("packages.mozilla.org:stable-security-fixes/x", "amd64"),
        ("localhost", "all"),
    }  # fmt: skip


def test_an_apt_get_of_another_form_is_told(tmp_path: Path) -> None:
    here = root(tmp_path, INSTALLED, RELEASES)
    program(tmp_path / "bin", "apt-get", "echo 'Inst zip [3.0] 3.1 Debian'")
    with pytest.raises(Trouble, match="what apt-get tells is not of the form"):
        scan({**here.environment, "PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin"})


def test_an_apt_get_that_hangs_is_given_up_in_time(tmp_path: Path) -> None:
    here = root(tmp_path, INSTALLED, RELEASES)
    program(tmp_path / "bin", "apt-get", "exec sleep 60")
    environment = {**here.environment, "PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin"}
    with pytest.raises(Trouble, match="took longer than 1 s"):
        debian.scan(project(debian=True, environment=environment), "high", way(1.0))


def test_there_is_no_apt(tmp_path: Path) -> None:
    with pytest.raises(Trouble, match="apt-config cannot be run"):
        debian.scan(project(debian=True, environment={"PATH": str(tmp_path)}), "high", way())


# whether the host must be started again

RUNNING = "6.1.0-38-amd64"


def host(folder: Path, *kernels: str) -> str:
    (folder / "boot").mkdir()
    (folder / "run").mkdir()
    for kernel in kernels:
        (folder / f"boot/vmlinuz-{kernel}").touch()
    return str(folder)


@pytest.mark.parametrize(
    ("kernels", "running", "expected"),
    [
        ((RUNNING,), RUNNING, False),
        (("6.1.0-37-amd64", RUNNING), RUNNING, False),
        ((RUNNING, "6.1.0-40-amd64"), RUNNING, True),
        (("6.1.0-9-amd64", "6.1.0-10-amd64"), "6.1.0-9-amd64", True),
        (("6.1.0-9-amd64", "6.1.0-10-amd64"), "6.1.0-10-amd64", False),
        ((RUNNING, "6.1.0-40-rt-amd64", "6.1.0-40-cloud-amd64"), RUNNING, False),
        (("6.1.0-38-cloud-amd64", "6.1.0-40-cloud-amd64"), "6.1.0-38-cloud-amd64", True),
        (("6.12.57+deb13-amd64", "6.12.63+deb13-amd64"), "6.12.57+deb13-amd64", True),
        (("6.1.0-0.deb11.21-amd64", "6.1.0-0.deb11.22-amd64"), "6.1.0-0.deb11.21-amd64", True),
        (("5.15.0-91-generic", "5.15.0-105-generic"), "5.15.0-91-generic", True),
        (("6.1.0-40-amd64",), RUNNING, None),
        ((), RUNNING, None),
        (("custom",), "custom", False),
    ],
)
def test_a_newer_kernel_of_the_same_kind_waits(
    tmp_path: Path, kernels: tuple[str, ...], running: str, expected: bool | None
) -> None:
    assert required(host(tmp_path, *kernels), running) is expected


def test_packages_ask_for_a_start(tmp_path: Path) -> None:
    place = host(tmp_path, RUNNING)
    (tmp_path / "run/reboot-required").touch()
    assert required(place, RUNNING) is True


def test_a_host_without_boot(tmp_path: Path) -> None:
    assert required(str(tmp_path), RUNNING) is None


def test_a_container_does_not_start_its_host(tmp_path: Path) -> None:
    place = host(tmp_path, RUNNING)
    (tmp_path / ".dockerenv").touch()
    with pytest.raises(NotApplicable, match="a container"):
        required(place, RUNNING)
