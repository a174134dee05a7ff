"""Projects of npm, looked at by a real npm that asks a registry on this machine."""

import json
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exporter.collector import Trouble
from exporter.collectors.dependency import npm, npmaudit
from exporter.collectors.dependency.found import Advisory, Package, Pending, Updates
from exporter.collectors.dependency.npmlock import packages
from exporter.collectors.dependency.running import BEGINNING as PREFIX
from exporter.collectors.dependency.running import Way, workshop
from exporter.collectors.dependency.semver import is_newer
from exporter.deadline import Deadline
from tests.apiserver import API, Said, api
from tests.dependencies import AUDIT, BAD_LODASH, LODASH, NOBODY, advised, lock, needs, program, project, registry

DAY = 86400.0
DATES = {"4.17.4": "2016-10-31T00:00:00.000Z", "4.18.1": "2016-11-10T00:00:00.000Z"}
RELEASES = {"lodash": DATES, "left": {"1.0.0": "2020-01-01T00:00:00.000Z"}}
DIRECT = {"lodash": "4.17.4", "left": "1.0.0", "unknown": "1.0.0"}


@pytest.fixture
def server() -> Iterator[API]:
    with api() as running:
        yield running


def way(seconds: float = 90.0) -> Way:
    return Way(Deadline(seconds))


def names_below(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


def test_what_is_outdated_and_what_cannot_be_told(server: API, tmp_path: Path) -> None:
    path = lock(tmp_path / "front", {**DIRECT, "held": "1.0.0", "@shop/ui": "1.0.0"})
    held = {"held": {"1.0.0": "2020-01-01T00:00:00.000Z", "2.0.0": "2020-01-02T00:00:00.000Z"}}
    web = project(
        npm=str(path), environment=registry(server, {**RELEASES, **held}), ignore=("held",), private=("@shop/*",)
    )
    before = names_below(tmp_path)
    assert npm.updates(web, needs("npm"), way()) == Updates(4, (Pending("lodash", "4.17.4", 10 * DAY),), 1)
    assert names_below(tmp_path) == before
    assert not [asked.path for asked in server.asked if "shop" in asked.path or asked.path.endswith(".tgz")]


def test_a_dead_registry_is_not_all_current(server: API, tmp_path: Path) -> None:
    asked = registry(server, {}) | {"npm_config_registry": f"{NOBODY}/"}
    with pytest.raises(Trouble, match=r"npm outdated failed \(ECONNREFUSED\)"):
        npm.updates(project(npm=str(lock(tmp_path, DIRECT)), environment=asked), needs("npm"), way())


def test_a_login_that_the_registry_refuses_is_told(server: API, tmp_path: Path) -> None:
    asked = registry(server, {})
    server.routes["/left"] = Said({"error": "x"}, 401)
    web = project(npm=str(lock(tmp_path, {"left": "1.0.0"})), environment=asked)
    with pytest.raises(Trouble, match=r"npm outdated failed \(E401\)"):
        npm.updates(web, needs("npm"), way())


def test_the_settings_of_the_project_are_npms(server: API, tmp_path: Path) -> None:
    registry(server, {"left": {"1.0.0": ""}})
    (tmp_path / "front").mkdir()
    (tmp_path / "front/.npmrc").write_text(
        f"registry={server.url}/\n//127.0.0.1:{server.port}/:_authToken=walrus-token-of-npm\n", encoding="utf-8"
    )
    web = project(npm=str(lock(tmp_path / "front", {"left": "1.0.0"})))
    assert npm.updates(web, needs("npm"), way()) == Updates(1, ())
    assert {asked.headers.get("authorization") for asked in server.asked} == {"Bearer walrus-token-of-npm"}


def test_advisories_of_the_registry(server: API, tmp_path: Path) -> None:
    bad = {**BAD_LODASH, "deep": [advised(7, LODASH.replace("jf85", "jf86"), "moderate", "*"),
                                  advised(8, "nothing", "info", "*")]}  # fmt: skip
    more = {
        "node_modules/left/node_modules/deep": {"version": "1.0.0"},
        "node_modules/fork": {"version": "1.0.0", "resolved": "git+ssh://git@example.com/fork.git#1"},
        "node_modules/x": {"resolved": "x", "link": True}, "x": {"name": "x", "version": "1.0.0"},
    }  # fmt: skip
    path = lock(tmp_path / "front", {"lodash": "4.17.4", "left": "1.0.0"}, more=more)
    web = project(npm=str(path), environment=registry(server, RELEASES, bad))
    before = names_below(tmp_path)
    found = npmaudit.weaknesses(web, needs("npm"), way())
    assert sorted(found.advisories) == [
        Advisory("deep", "*", ("GHSA-jf86-cpcp-j695",), "medium"),
        Advisory("deep", "*", ("npm-8",), "low"),
        Advisory("lodash", "<4.17.12", (LODASH,), "critical"),
    ]
    assert (found.packages, found.unscanned) == (3, 1)
    assert names_below(tmp_path) == before


def test_a_registry_without_advisories_is_not_all_well(server: API, tmp_path: Path) -> None:
    web = project(npm=str(lock(tmp_path, {"left": "1.0.0"})), environment=registry(server, RELEASES))
    server.routes[AUDIT] = Said({"message": "Method Not Allowed", "statusCode": 405, "error": "x"}, 405)
    with pytest.raises(Trouble, match=r"gives no advisories \(status 405\)") as trouble:
        npmaudit.weaknesses(web, needs("npm"), way())
    assert "npm_advisories: osv" in trouble.value.fix


def test_a_registry_that_knows_nothing_at_all_is_not_believed(tmp_path: Path) -> None:
    told = json.dumps({"auditReportVersion": 2, "vulnerabilities": {}})
    web = project(npm=str(lock(tmp_path, {"left": "1.0.0"})))
    with pytest.raises(Trouble, match=r"knows nothing against lodash 4\.17\.4") as trouble:
        npmaudit.weaknesses(web, str(program(tmp_path / "bin", "npm", f"echo '{told}'")), way())
    assert "npm_advisories: osv" in trouble.value.fix


def test_a_registry_that_hangs_is_given_up_in_time(server: API, tmp_path: Path) -> None:
    released = threading.Event()
    web = project(npm=str(lock(tmp_path, {"left": "1.0.0"})), environment=registry(server, RELEASES))
    server.routes[AUDIT] = Said({}, after=released)
    began = time.monotonic()
    with pytest.raises(Trouble, match="took longer than"):
        npmaudit.weaknesses(web, needs("npm"), way(2.0))
    released.set()
    assert time.monotonic() - began < 6


# what npm may say, by a program in its place


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("exit 7", "status 7"), ("exit 1", "told nothing"), ("echo nonsense", "is not JSON"),
        ("echo '[]'", "not of the form"), ("""echo '{"left": {"wanted": "1.0.0"}}'""", "not of the form"),
        ("""echo '{"error": {"code": "E401 at //secret"}}'""", r"failed \(an unknown error\)"),
        ("""echo '{"left": 7}'""", "not of the form"), ("""echo '{}'""", "knows none of the 1"),
    ],
    ids=["status", "silent", "text", "list", "no-latest", "strange-code", "number", "nothing"],
)  # fmt: skip
def test_what_npm_tells_of_releases_in_another_form(tmp_path: Path, text: str, reason: str) -> None:
    web = project(npm=str(lock(tmp_path, {"left": "1.0.0"})))
    with pytest.raises(Trouble, match=reason):
        npm.updates(web, str(program(tmp_path / "bin", "npm", text)), way())


@pytest.mark.parametrize(
    "told",
    [{}, {"auditReportVersion": 3}, {"auditReportVersion": 2}, {"auditReportVersion": 2, "vulnerabilities": {"a": 7}},
     {"auditReportVersion": 2, "vulnerabilities": {"a": {"via": [{"name": "a"}]}}}],
    ids=["empty", "newer", "nothing", "number", "no-source"],
)  # fmt: skip
def test_what_npm_tells_of_advisories_in_another_form(tmp_path: Path, told: dict[str, Any]) -> None:
    web = project(npm=str(lock(tmp_path, {"left": "1.0.0"})))
    with pytest.raises(Trouble, match="not of the form"):
        npmaudit.weaknesses(web, str(program(tmp_path / "bin", "npm", f"echo '{json.dumps(told)}'")), way())


def test_what_is_said_of_private_packages_does_not_count(tmp_path: Path) -> None:
    via = {
        name: {"via": [{"name": name, "source": 7, "severity": "high", "range": "*"}]} for name in ("lodash", "deep")
    }
    told = json.dumps({"auditReportVersion": 2, "vulnerabilities": via})
    web = project(npm=str(lock(tmp_path, {"lodash": "4.17.4", "deep": "1.0.0"})), private=("de*",))
    found = npmaudit.weaknesses(web, str(program(tmp_path / "bin", "npm", f"echo '{told}'")), way())
    assert ([one.package for one in found.advisories], found.packages) == (["lodash"], 1)


def test_a_package_may_be_called_error(tmp_path: Path) -> None:
    told = json.dumps({"error": {"wanted": "2.0.0", "latest": "2.0.0", "dependent": "x"}})
    web = project(npm=str(lock(tmp_path, {"error": "1.0.0"})))
    found = npm.updates(web, str(program(tmp_path / "bin", "npm", f"echo '{told}'; exit 1")), way())
    assert found == Updates(1, (Pending("error", "1.0.0"),))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run programs as another user")
def test_it_runs_as_its_user_in_a_folder_of_that_user(tmp_path: Path) -> None:
    text = """touch made && case "$*" in
*outdated*) echo '{"left": {"latest": "2.0.0"}}' ;;
*) echo '{"1.0.0": "2020-01-01T00:00:00Z", "2.0.0": "soon"}' ;;
esac"""
    for folder in (tmp_path, *tmp_path.parents):
        if folder.owner() == "root" and str(folder).startswith("/tmp/"):
            folder.chmod(folder.stat().st_mode | 0o055)
    web = project(npm=str(lock(tmp_path / "front", {"left": "1.0.0"})), user="nobody")
    found = npm.updates(web, str(program(tmp_path / "bin", "npm", text)), way())
    assert found == Updates(1, (Pending("left", "1.0.0"),))


def test_what_killed_scans_left_behind_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    old, new, other = (tmp_path / f"{name}abc" for name in (PREFIX, f"{PREFIX}new", "other-"))
    for folder in (old, new, other):
        (folder / "cache").mkdir(parents=True)
        age = time.time() - (3 * DAY if folder != new else 0)
        os.utime(folder, (age, age))
    with workshop(project(debian=True)) as mine:
        assert sorted(tmp_path.iterdir()) == sorted([Path(mine), new, other])
        assert Path(mine).stat().st_mode & 0o777 == 0o700
    assert sorted(tmp_path.iterdir()) == sorted([new, other])


def test_there_is_no_npm(tmp_path: Path) -> None:
    with pytest.raises(Trouble, match="cannot be run"):
        npm.updates(project(npm=str(lock(tmp_path, {"left": "1.0.0"}))), str(tmp_path / "npm"), way())


# lock files


def test_a_lock_of_the_third_version(tmp_path: Path) -> None:
    more = {
        "node_modules/a/node_modules/@s/b": {"version": "2.0.0"},
        "node_modules/alias": {"name": "real", "version": "3.0.0"},
        "node_modules/work": {"resolved": "packages/work", "link": True},
        "packages/work": {"name": "work", "version": "1.0.0", "devDependencies": {"tool": "^1.0.0"}},
        "node_modules/tool": {"version": "1.2.3-beta.1", "dev": True},
        "node_modules/tar": {"version": "https://example.com/tar.tgz"},
        "node_modules/odd": 7,
    }
    told = packages({"path": str(lock(tmp_path, {"a": "1.0.0", "alias": "3.0.0"}, more=more))})
    assert told == {
        "packages": [("@s/b", "2.0.0"), ("a", "1.0.0"), ("real", "3.0.0"), ("tool", "1.2.3-beta.1")],
        "direct": [("a", "1.0.0"), ("real", "3.0.0"), ("tool", "1.2.3-beta.1")],
        "strange": 1,
    }


def test_a_lock_of_the_first_version(tmp_path: Path) -> None:
    more = {
        "a": {"version": "1.0.0", "dependencies": {"b": {"version": "2.0.0"}}}, "b": {"version": "3.0.0", "dev": True},
        "alias": {"version": "npm:@s/real@4.0.0"}, "fork": {"version": "git+https://example.com/fork.git#1"},
    }  # fmt: skip
    told = packages({"path": str(lock(tmp_path, {"a": "1.0.0"}, version=1, more=more))})
    assert told["packages"] == [("@s/real", "4.0.0"), ("a", "1.0.0"), ("b", "2.0.0"), ("b", "3.0.0")]
    assert (told["direct"], told["strange"]) == ([("a", "1.0.0")], 1)


def test_a_lock_of_the_second_version_is_read_as_the_third(tmp_path: Path) -> None:
    told = packages({"path": str(lock(tmp_path, {"a": "1.0.0"}, version=2))})
    assert told["packages"] == told["direct"] == [("a", "1.0.0")]


@pytest.mark.parametrize(
    ("text", "reason"),
    [("", "is not JSON"), ("[" * 100_000, "is not JSON"), ("[]", "is no lock file"), ('{"packages": []}', "is no lock"),
     ('{"lockfileVersion": 3, "pack', "is not JSON"), ('{"dependencies": {"lodash": "^4"}}', "is no lock"),
     ('{"name": "front"}', "is no lock")],
    ids=["empty", "deep", "list", "list-inside", "half", "manifest", "other"],
)  # fmt: skip
def test_what_is_no_lock_file(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "package-lock.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(Trouble, match=reason):
        npm.lock_of(project(npm=str(path)), way())


def test_a_lock_file_that_is_not_there_or_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(Trouble, match="No such file"):
        npm.lock_of(project(npm=str(tmp_path / "package-lock.json")), way())
    os.mkfifo(tmp_path / "npm-shrinkwrap.json")
    with pytest.raises(Trouble, match="is no file"):
        npm.lock_of(project(npm=str(tmp_path / "npm-shrinkwrap.json")), way())


def test_a_shrinkwrap_of_an_early_npm_has_no_version(tmp_path: Path) -> None:
    path = tmp_path / "npm-shrinkwrap.json"
    path.write_text('{"name": "front", "dependencies": {"left": {"version": "1.0.0"}}}', encoding="utf-8")
    (tmp_path / "package.json").write_text('{"dependencies": {"left": "1"}}', encoding="utf-8")
    assert npm.lock_of(project(npm=str(path)), way()).direct == [Package("left", "1.0.0")]


def test_a_lock_file_without_packages_asks_nobody(tmp_path: Path) -> None:
    web = project(npm=str(lock(tmp_path, {})))
    assert npm.updates(web, "/nonexistent/npm", way()) == Updates(0, ())
    assert npmaudit.weaknesses(web, "/nonexistent/npm", way()).packages == 0


def test_a_large_lock_file(tmp_path: Path) -> None:
    more = {f"node_modules/p{number}": {"version": "1.0.0"} for number in range(20_000)}
    found = npm.lock_of(project(npm=str(lock(tmp_path, {"a": "1.0.0"}, more=more))), way())
    assert len(found.packages) == 20_001
    assert found.direct == [Package("a", "1.0.0")]


@pytest.mark.parametrize(
    ("newer", "older"),
    [("2.0.0", "1.9.9"), ("1.10.0", "1.9.0"), ("1.0.0", "1.0.0-rc.1"), ("1.0.0-rc.11", "1.0.0-rc.2"),
     ("1.0.0-rc.a", "1.0.0-rc.2"), ("1.0.0-b", "1.0.0-a"), ("1.0.0-a.1", "1.0.0-a"), ("1.0.1+build", "1.0.0+other")],
)  # fmt: skip
def test_which_release_is_the_newer_one(newer: str, older: str) -> None:
    assert is_newer(newer, older)
    assert not is_newer(older, newer)
    assert not is_newer(newer, newer)


def test_what_is_no_release_is_not_newer() -> None:
    assert not is_newer("latest", "1.0.0")
    assert not is_newer("2.0.0", "file:../x")
    assert not is_newer("1.0.0+b", "1.0.0+a")
