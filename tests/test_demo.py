"""The command `demo`: it starts, shows what happens, takes faults from another terminal, and leaves nothing behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from exporter import config, pack
from exporter.demo import asking, found, monitoring
from exporter.demo import running as demo_running
from exporter.demo.application import CannotError, program
from exporter.demo.machine import Machine
from exporter.demo.part import Part, PartError
from exporter.demo.running import Demo
from exporter.demo.tree import merged
from tests.process import ROOT, environment
from tests.support import until

NAMES = found.names()
TINY = """
from exporter.demo import asking
from exporter.demo.application import HERE, Application, Fault, alert


class Tiny(Application):
    title = "Tiny"

    def start(self):
        port = self.port("web")
        command = ["python3", "-m", "http.server", str(port), "--bind", HERE]
        self.web = self.part("web", command, ready=asking.answers(f"http://{HERE}:{port}/"))

    def environment(self):
        return {"TINY_URL": f"http://{HERE}:{self.port('web')}"}

    faults = (
        Fault("down", "It is gone.", lambda it: it.web.kill(), lambda it: it.web.start(), (alert("EndpointDown"),)),
        Fault("alone", "A program is missing.", lambda it: None, lambda it: None, (), needs=("no-such-program",)),
    )
"""
CONFIG = """
targets:
  tiny: {collector: http, url: "${TINY_URL}", interval: 2s, critical: true}
"""


def needs_servers() -> None:
    """Skip where Prometheus or Alertmanager is missing, and fail in CI."""
    for names in (("prometheus",), ("prometheus-alertmanager", "alertmanager")):
        if program(*names) is None:
            reason = f"{names[0]} is not installed: `make tools` installs it"
            (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)


@pytest.fixture
def examples(tmp_path: Path) -> Path:
    """Return a folder of examples with one tiny application."""
    folder = tmp_path / "examples"
    (folder / "tiny").mkdir(parents=True)
    (folder / "checklists").mkdir()
    (folder / "tiny" / "demo.py").write_text(TINY, encoding="utf-8")
    (folder / "tiny" / "config.yml").write_text(CONFIG, encoding="utf-8")
    return folder


def command(examples: Path, *arguments: str | Path) -> list[str]:
    return [sys.executable, str(ROOT / "tests" / "tinydemo.py"), str(examples), "demo", *map(str, arguments)]


def said(examples: Path, *arguments: str | Path) -> tuple[int, str]:
    """Run the command to its end; return its exit code and what it said."""
    ended = subprocess.run(
        command(examples, *arguments), env=environment({}), capture_output=True, text=True, timeout=60, check=False
    )
    return ended.returncode, ended.stdout + ended.stderr


class Terminal:
    """A demo that runs in a terminal of its own."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path, folder: Path) -> None:
        self.process = process
        self.folder = folder
        self._log = log

    def shows(self, text: str, seconds: float = 100.0) -> None:
        """Wait until it shows the text."""
        until(lambda: text in self.text() or self.process.poll() is not None, seconds)
        assert text in self.text(), self.text()

    def text(self) -> str:
        return self._log.read_text(encoding="utf-8")


@contextmanager
def terminal(examples: Path, *arguments: str) -> Iterator[Terminal]:
    folder, log = examples.parent / "demo", examples.parent / "log"
    with log.open("wb") as output, subprocess.Popen(
        command(examples, "tiny", "--dir", folder, "--speed", "240", "--no-past", *arguments),
        env=environment({}), stdout=output, stderr=output,
    ) as process:  # fmt: skip
        try:
            yield Terminal(process, log, folder)
        finally:
            process.kill()


def processes_of(folder: Path) -> list[str]:
    """Return the command lines of the processes that have to do with the folder."""
    lines = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            place = os.readlink(entry / "cwd")
        except (OSError, ValueError):
            continue  # it has ended meanwhile
        if str(folder) in line or str(folder) in place:
            lines.append(line)
    return lines


@pytest.mark.timeout(300)
def test_a_fault_is_shown_from_its_begin_to_its_end_and_nothing_is_left(examples: Path) -> None:
    needs_servers()
    with terminal(examples) as demo:
        demo.shows("in another terminal")
        assert len(processes_of(demo.folder)) >= 5
        assert said(examples, "break", "tiny.down", "--dir", demo.folder)[0] == 0
        demo.shows("FIRING    P0 EndpointDown (")
        demo.shows("-> level-3: [FIRING] EndpointDown: tiny does not answer")
        assert said(examples, "break", "tiny.down", "--dir", demo.folder)[1].startswith("tiny.down is broken already")
        assert said(examples, "mend", "tiny.down", "--dir", demo.folder)[0] == 0
        demo.shows("resolved  P0 EndpointDown (")
        code, text = said(examples, "break", "tiny.alone", "--dir", demo.folder)
        assert (code, text) == (1, "tiny.alone cannot be shown here: no-such-program is not installed\n")
        demo.process.send_signal(signal.SIGTERM)
        assert demo.process.wait(30) == 0
        assert processes_of(demo.folder) == []


def test_all_parts_end_with_a_demo_that_is_killed(examples: Path) -> None:
    needs_servers()
    with terminal(examples) as demo:
        demo.shows("waiting until all is well")
        assert len(processes_of(demo.folder)) >= 3
        demo.process.kill()
        demo.process.wait(10)
        until(lambda: processes_of(demo.folder) == [], 20)
        assert processes_of(demo.folder) == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nothing",), "there is no application nothing; there are tiny"),
        (("break",), "`demo break` wants one fault; `demo faults` lists them"),
        (("break", "down"), "down is no fault: a fault has its application before it, as mem.lock"),
        (("break", "tiny.down", "--dir", "/nowhere"), "no demo runs in /nowhere; begin one with"),
        (("tiny", "--dir", "/etc"), "/etc is not empty; name a folder that is new, or of an earlier demo"),
    ],
    ids=["no application", "no fault", "half a fault", "no demo", "another folder"],
)
def test_what_cannot_be_is_said_with_a_remedy(examples: Path, arguments: tuple[str, ...], says: str) -> None:
    code, text = said(examples, *arguments)
    assert code == 1
    assert says in text


def test_faults_are_listed_with_what_they_raise(examples: Path) -> None:
    code, text = said(examples, "faults")
    assert code == 0
    assert "  tiny.down\n      It is gone.\n      raises EndpointDown\n" in text


@pytest.mark.parametrize("name", NAMES)
def test_the_configuration_of_each_example_is_right(name: str) -> None:
    file = pack.examples_folder() / name / "config.yml"
    loaded = config.read(file.read_bytes(), str(file), config.INSTALLED, {})
    assert loaded.targets
    assert loaded.warnings == ()


@pytest.mark.parametrize("name", NAMES)
def test_each_fault_names_alerts_that_there_are(name: str) -> None:
    faults = found.load(name).faults
    named = {expected.name for fault in faults for expected in (*fault.alerts, *fault.beside)}
    assert sorted(named - pack.rules().alerts.keys()) == []
    assert len({fault.name for fault in faults}) == len(faults)


def test_a_part_that_ends_at_once_says_why(tmp_path: Path) -> None:
    program = [sys.executable, "-c", "raise SystemExit('no licence')"]
    part = Part("it", program, tmp_path / "log", environment=os.environ, directory=tmp_path, ready=lambda: False)
    with pytest.raises(PartError, match="it ended at once:\nno licence"):
        part.start()


def test_the_machine_is_as_busy_as_it_is_told_to_be(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "proc")
    machine.start()
    try:
        machine.oom_kills = 3
        until(lambda: "oom_kill 3" in (tmp_path / "proc" / "vmstat").read_text(encoding="utf-8"))
        assert "MemTotal:" in (tmp_path / "proc" / "meminfo").read_text(encoding="utf-8")
        assert (tmp_path / "proc" / "uptime").read_text(encoding="utf-8")
    finally:
        machine.stop()


def test_trees_are_laid_over_each_other() -> None:
    below = {"a": {"b": 1, "c": [1, 2]}, "d": 4}
    assert merged(below, {"a": {"c": [3], "e": {"f": 5}}, "d": None}) == {"a": {"b": 1, "c": [3], "e": {"f": 5}}}


def test_without_prometheus_and_alertmanager_it_says_what_lacks_and_goes_on(
    examples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pack, "examples_folder", lambda: examples)
    for module in (demo_running, monitoring):
        monkeypatch.setattr(module, "program", lambda *_: None)
    said: list[str] = []
    with Demo(["tiny"], tmp_path / "demo", usual_ports=False, say=said.append) as demo:
        assert demo.lacks == ["alertmanager", "prometheus"]
        assert any("apt install prometheus-alertmanager" in line for line in said)
        assert asking.status(f"http://127.0.0.1:{demo.exporters['tiny']}/metrics", 30) == 200
        assert demo.firing() == []
        demo.do("tiny.down")
        with pytest.raises(CannotError, match="broken already"):
            demo.do("tiny.down")
        demo.undo("tiny.down")
    assert processes_of(tmp_path / "demo") == []
    sys.modules.pop("examples.tiny.demo")
