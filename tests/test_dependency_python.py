"""Python environments, looked at by a real pip that asks an index on this machine."""

import base64
import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.collector import Trouble
from exporter.collectors.dependency import python
from exporter.collectors.dependency.found import Package, Pending, Updates
from exporter.collectors.dependency.running import Way
from exporter.deadline import Cancel, Deadline
from tests.apiserver import API, Said, api
from tests.dependencies import NOBODY, asking, environment, index, pip, program, project

SECRET = "walrus-of-the-index"
INSTALLED = {"old": "1.0", "Current_One": "2.0", "local": "3.0"}
RELEASES = {"old": ["1.0", "1.1", "2.0"], "current-one": ["1.9", "2.0"]}


@pytest.fixture
def server() -> Iterator[API]:
    with api() as running:
        yield running


def way(seconds: float = 90.0, cancel: Cancel | None = None) -> Way:
    return Way(Deadline(seconds), cancel or Cancel())


def test_what_is_outdated_and_what_cannot_be_told(server: API, tmp_path: Path) -> None:
    more = {"shop-api": "1.0", "torch": "2.0+cpu", "ahead": "9.0", "held": "1.0"}
    releases = {**RELEASES, "shop-api": ["9.0"], "torch": ["2.0"], "ahead": ["8.0"], "held": ["2.0"]}
    venv = environment(tmp_path, {**INSTALLED, **more})
    before = sorted(path for path in venv.rglob("*") if "__pycache__" not in path.parts)
    shop = project(
        python=str(venv), environment=index(server, releases), ignore=("Held",), private=("Shop_*",)
    )  # fmt: skip
    # of what the index lacks, or has only in an older release, nothing is told
    assert python.updates(shop, way()) == Updates(6, (Pending("old", "1.0"),), 3)
    assert sorted(path for path in venv.rglob("*") if "__pycache__" not in path.parts) == before
    paths = {asked.path for asked in server.asked}
    assert "/simple/old/" in paths
    assert not [path for path in paths if path.startswith("/files") or "shop" in path]


def test_an_environment_without_pip_is_looked_at_by_ours(tmp_path: Path) -> None:
    shop = project(python=str(environment(tmp_path, INSTALLED, pip=False) / "bin/python"))
    assert python.installed(shop, way()) == [
        Package("current-one", "2.0"), Package("local", "3.0"), Package("old", "1.0"),
    ]  # fmt: skip


def test_no_pip_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(Trouble, match="has no pip") as trouble:
        python.installed(project(python=str(environment(tmp_path, INSTALLED, pip=False))), way())
    assert "pip >= 22.3" in trouble.value.fix


def test_an_empty_environment_asks_nobody(tmp_path: Path) -> None:
    assert python.updates(project(python=str(pip(tmp_path, {}))), way()) == Updates(0, ())


def test_a_dead_index_is_not_all_current(tmp_path: Path) -> None:
    shop = project(python=str(environment(tmp_path, {"old": "1.0"})), environment=asking(f"{NOBODY}/simple"))
    with pytest.raises(Trouble, match="index knows none of the 1 packages"):
        python.updates(shop, way())


def test_an_index_that_knows_nothing_is_not_all_current(server: API, tmp_path: Path) -> None:
    login = Said("<html>sign in</html>", headers={"Content-Type": "text/html"})
    server.routes |= {"/simple/old/": Said(b"", 401), "/simple/current-one/": login, "/simple/local/": Said(b"", 404)}
    address = f"http://reader:{SECRET}@127.0.0.1:{server.port}/simple"
    shop = project(
        python=str(environment(tmp_path, INSTALLED)), environment={"PIP_CONFIG_FILE": os.devnull},
        secret={"PIP_INDEX_URL": address},
    )  # fmt: skip
    with pytest.raises(Trouble, match="index knows none of the 3 packages") as trouble:
        python.updates(shop, way())
    assert SECRET not in f"{trouble.value} {trouble.value.fix} {shop}"
    login_of = base64.b64encode(f"reader:{SECRET}".encode()).decode()
    assert {asked.headers.get("authorization") for asked in server.asked} == {f"Basic {login_of}"}


def test_an_index_that_hangs_is_given_up_in_time(server: API, tmp_path: Path) -> None:
    released = threading.Event()
    server.routes |= {f"/simple/{name}/": Said(b"", after=released) for name in ("old", "current-one", "local")}
    shop = project(python=str(environment(tmp_path, INSTALLED)), environment=asking(f"{server.url}/simple"))
    began = time.monotonic()
    with pytest.raises(Trouble, match="took longer than 2 s"):
        python.updates(shop, way(2.0))
    released.set()
    assert time.monotonic() - began < 6


def test_a_scan_that_is_cut_ends_at_once(server: API, tmp_path: Path) -> None:
    released = threading.Event()
    server.routes |= {f"/simple/{name}/": Said(b"", after=released) for name in ("old", "current-one", "local")}
    shop = project(python=str(environment(tmp_path, INSTALLED)), environment=asking(f"{server.url}/simple"))
    cancel = Cancel()
    timer = threading.Timer(2.0, cancel.cancel)
    timer.start()
    began = time.monotonic()
    with pytest.raises((Trouble, TimeoutError)):
        python.updates(shop, way(60.0, cancel))
    released.set()
    timer.join()
    assert time.monotonic() - began < 10


def test_there_is_no_python(tmp_path: Path) -> None:
    with pytest.raises(Trouble, match="there is no Python at") as trouble:
        python.installed(project(python=str(tmp_path)), way())
    assert "`python`" in trouble.value.fix


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("exit 2", "status 2"), ("echo nonsense", "is not JSON"), ("echo '{}'", "not of the form"),
        ("""echo '[{"name": "x"}]'""", "not of the form"), ("", "is empty"), ("kill -9 $$", "status 137"),
        ("yes", "wrote more than"),
    ],
    ids=["status", "text", "object", "no-version", "silent", "killed", "endless"],
)  # fmt: skip
def test_a_pip_that_fails_is_told(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(Trouble, match=reason):
        python.installed(project(python=str(program(tmp_path / "bin", "python", text).parent.parent)), way())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be tricked into running what is another user's")
@pytest.mark.parametrize("what", ["python", "folder"])
def test_root_runs_nothing_that_somebody_else_may_change(tmp_path: Path, what: str) -> None:
    path = program(tmp_path / "bin", "python", "echo '[]'")
    os.chown(path if what == "python" else path.parent, 65534, 65534)
    with pytest.raises(Trouble, match="is another user's, and the exporter is root") as trouble:
        python.installed(project(python=str(tmp_path)), way())
    assert "`user`" in trouble.value.fix


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run programs as another user")
def test_it_is_looked_at_as_its_user(tmp_path: Path) -> None:
    told = json.dumps([{"name": "x", "version": "%s"}]).replace("%s", "'$(id -un)'")
    path = program(tmp_path / "bin", "python", f"echo '{told}'")
    for folder in (tmp_path, *tmp_path.parents):
        if folder.owner() == "root" and str(folder).startswith("/tmp/"):
            folder.chmod(folder.stat().st_mode | 0o055)
    assert python.installed(project(python=str(path), user="nobody"), way()) == [Package("x", "nobody")]
