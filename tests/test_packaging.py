"""The package as it is installed: built, put into an environment of its own, run from elsewhere."""

import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
from pathlib import Path
from zipfile import ZipFile

import pytest

from exporter import __version__
from tests.process import ROOT, command

MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in (ROOT / "exporter").rglob("*.py")
    if path.name != "__main__.py"
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", str(ROOT), "--no-deps", "--quiet", "--wheel-dir", str(folder)]
    subprocess.run(build, check=True, timeout=110, cwd=folder)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def wheel_of_the_sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel that is built from the source distribution, where there is nothing else."""
    folder = tmp_path_factory.mktemp("sdist")
    backend = folder / "backend"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(backend), "hatchling"]
    subprocess.run(install, check=True, timeout=110, cwd=folder)
    environ = {**os.environ, "PYTHONPATH": str(backend)}

    def build(what: str, where: Path) -> Path:
        script = f"from hatchling.build import build_{what}; print(build_{what}({str(folder)!r}))"
        made = subprocess.run(
            [sys.executable, "-c", script], cwd=where, env=environ, text=True, stdout=subprocess.PIPE, check=True
        )
        return folder / made.stdout.split()[-1]

    with tarfile.open(build("sdist", ROOT)) as archive:
        archive.extractall(folder, filter="data")
    return build("wheel", folder / f"runbook_exporter-{__version__}")


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the scripts of a fresh environment with the wheel; its dependencies are those of the tests."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder / "env", symlinks=True)
    paths = sysconfig.get_paths(vars={"base": str(folder / "env"), "platbase": str(folder / "env")})
    site, scripts = Path(paths["purelib"]), Path(paths["scripts"])
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--ignore-installed",  # else it takes this project out of the environment of the tests
        "--prefix",
        str(folder / "env"),
        str(wheel),
    ]
    subprocess.run(install, check=True, timeout=110, cwd=folder)
    script = scripts / "runbook-exporter"
    _, _, body = script.read_text(encoding="utf-8").partition("\n")
    script.write_text(f"#!{scripts / 'python'}\n{body}", encoding="utf-8")
    dependencies = site / "dependencies"
    dependencies.mkdir()
    for name in ("tornado", "psutil", "yaml", "markdown_it", "mdurl"):
        (dependencies / name).symlink_to(Path(sysconfig.get_paths()["purelib"]) / name)
    (site / "dependencies.pth").write_text(f"{dependencies}\n", encoding="utf-8")
    return scripts


def run(installed: Path, *arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    environ = {"PATH": os.environ["PATH"], "HOME": str(cwd)}
    return subprocess.run(
        [installed / "runbook-exporter", *arguments], env=environ, cwd=cwd, text=True, capture_output=True, timeout=30,
        check=False,
    )  # fmt: skip


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = archive.read(next(name for name in names if name.endswith("METADATA"))).decode()
    assert {name.partition("/")[0] for name in names} == {"exporter", f"runbook_exporter-{__version__}.dist-info"}
    assert "exporter/py.typed" in names
    assert "exporter/collectors/system/cpu.py" in names
    assert not [name for name in names if "__pycache__" in name or "tests" in name]
    assert f"Version: {__version__}\n" in metadata


def test_the_wheel_holds_the_rules_and_the_runbooks(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        names = set(archive.namelist())
    packed = {name for name in names if name.startswith("exporter/pack/")}
    rules = {f"exporter/pack/rules/{path.name}" for path in (ROOT / "rules").glob("*.yml")}
    runbooks = {f"exporter/pack/runbooks/{path.name}" for path in (ROOT / "docs" / "runbooks").iterdir()}
    others = {f"exporter/pack/{path.relative_to(ROOT)}" for path in of_the_pack()}
    assert len(rules) > 3
    assert packed == rules | runbooks | others, (
        "pyproject.toml lists the rule files one by one, to leave out their tests"
    )


def of_the_pack() -> list[Path]:
    """Return the files of examples, and of what Alertmanager reads."""
    inside = [path for folder in ("examples", "alertmanager_templates") for path in (ROOT / folder).rglob("*")]
    return [ROOT / "alertmanager.yml", *(path for path in inside if path.is_file() and "__pycache__" not in path.parts)]


def test_the_source_distribution_builds_the_same_wheel(wheel: Path, wheel_of_the_sdist: Path) -> None:
    with ZipFile(wheel) as one, ZipFile(wheel_of_the_sdist) as other:
        assert {name: one.read(name) for name in one.namelist()} == {
            name: other.read(name) for name in other.namelist()
        }


def test_the_installed_pack_is_that_of_the_wheel(installed: Path, tmp_path: Path) -> None:
    written = run(installed, "rules", str(tmp_path / "rules"), cwd=tmp_path)
    assert written.returncode == 0, written.stderr
    assert {path.name: path.read_bytes() for path in (tmp_path / "rules").iterdir()} == {
        path.name: path.read_bytes() for path in (ROOT / "rules").glob("*.yml")
    }
    explained = run(installed, "explain", "Watchdog", cwd=tmp_path)
    assert (explained.returncode, explained.stderr) == (0, "")
    script = "from exporter import pack, runbookpage; print(pack.rules_folder(), runbookpage.page('Watchdog'))"
    shown = subprocess.run(
        [installed / "python", "-c", script], cwd=tmp_path, text=True, capture_output=True, check=True
    )
    assert Path(shown.stdout.split()[0]).is_relative_to(installed.parent)
    assert "When to silence" in shown.stdout


def test_the_installed_command_works_from_anywhere(installed: Path, tmp_path: Path) -> None:
    assert run(installed, "--version", cwd=tmp_path).stdout == f"runbook-exporter {__version__}\n"
    once = run(installed, "once", cwd=tmp_path)
    assert once.returncode == 0, once.stderr
    assert "\nnode_load1 " in once.stdout
    metrics = run(installed, "metrics", cwd=tmp_path)
    assert (metrics.returncode, metrics.stderr) == (0, "")
    assert " node_load1 " in metrics.stdout


def test_the_installed_code_is_not_that_of_the_repository(installed: Path, tmp_path: Path) -> None:
    script = "import exporter; print(exporter.__file__)"
    shown = subprocess.run(
        [installed / "python", "-c", script], cwd=tmp_path, text=True, capture_output=True, check=True
    )
    assert Path(shown.stdout.strip()).is_relative_to(installed.parent)


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_every_module_can_be_imported_where_there_is_no_linux(platform: str) -> None:
    script = f"""
import importlib, os, sys
# what Python chose for itself
import asyncio, logging, multiprocessing, signal, socket, sqlite3, subprocess, tempfile, urllib.request, zoneinfo
import concurrent.futures, ctypes, psutil, tornado.httpserver, tornado.ioloop, tornado.netutil, yaml
sys.platform = {platform!r}
for name in ("resource", "fcntl", "pwd", "grp", "termios", "pty", "syslog"):
    sys.modules[name] = None  # as if it did not exist
for name in {MODULES!r}:
    if name.startswith("exporter.collectors.system.") and not name.endswith(".portable"):
        continue  # groups of reads for Linux; the collector itself chooses
    importlib.import_module(name)
print([name for name in sys.modules if name.startswith("exporter.collectors.system.")])
"""
    ended = command(program=("-c", script))
    assert ended.returncode == 0, ended.stderr
    assert "exporter.collectors.system.portable" in ended.stdout
    assert "exporter.collectors.system.cpu" not in ended.stdout
