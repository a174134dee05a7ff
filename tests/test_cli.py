"""The commands, run as a person would."""

import subprocess
import sys
from pathlib import Path

import pytest

from exporter import __version__
from exporter.cli import COMMANDS, main
from tests.process import PLAIN, command, environment

GOOD = 'targets: {one: {collector: fake, description: Just one, word: "${WORD:-sesame}"}}\n'


def config(folder: Path, text: str) -> str:
    file = folder / "config.yml"
    file.write_text(text, encoding="utf-8")
    return str(file)


def test_version() -> None:
    ended = command("--version", program=PLAIN)
    assert (ended.returncode, ended.stdout) == (0, f"runbook-exporter {__version__}\n")


@pytest.mark.parametrize("arguments", [["-h"], ["--help"]])
def test_help_names_every_command_and_the_exit_codes(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert set(COMMANDS) <= {line.split()[0] for line in shown.splitlines() if line.startswith("    ")}
    assert "exit codes:" in shown


@pytest.mark.parametrize(("name", "options"), [
    ("serve", ["--config.file", "--web.listen-address", "--web.enable-lifecycle", "--storage.path", "--log.level",
               "--log.format"]),
    ("check", ["FILE", "--config.file"]),
    ("test", ["TARGET", "--json", "--config.file"]),
    ("once", ["--config.file"]),
    ("explain", ["NAME"]),
    ("metrics", ["--json"]),
    ("rules", ["DIR", "--force", "--scale", "--scrape-interval"]),
])  # fmt: skip
def test_help_of_a_command_mentions_its_options(
    name: str, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"usage: runbook-exporter {name} ")
    assert [option for option in options if option not in shown] == []


@pytest.mark.parametrize(
    "arguments", [["serv"], ["--nope"], ["check", "a", "b"], ["explain"], ["test", "--jsn"], ["rules"]]
)
def test_a_wrong_command_line_is_exit_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: runbook-exporter" in capsys.readouterr().err


def test_a_mistyped_command_is_told_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["serv"])
    shown = capsys.readouterr().err
    assert all(name in shown for name in COMMANDS)


def test_check_shows_the_configuration_without_secrets(tmp_path: Path) -> None:
    for arguments in (["check", config(tmp_path, GOOD)], ["check", f"--config.file={config(tmp_path, GOOD)}"]):
        ended = command(*arguments)
        assert ended.returncode == 0, ended.stderr
        assert "description: Just one" in ended.stdout
        assert "config.yml is right: 1 targets besides the host" in ended.stdout
        assert "sesame" not in ended.stdout + ended.stderr


def test_check_is_offline(tmp_path: Path) -> None:
    # a round over either target would not end before command() gives up
    file = config(tmp_path, "targets: {one: {collector: fake, behaviour: hangs}, two: {collector: fake, seconds: 99}}")
    assert command("check", file).returncode == 0


def test_check_reports_everything_wrong_at_once_with_line_and_remedy(tmp_path: Path) -> None:
    file = config(
        tmp_path, "web:\n  listen_addres: x\ntargets:\n  one: {collector: fkae}\n  two: {collector: fake, seconds: x}\n"
    )
    ended = command("check", file)
    assert (ended.returncode, ended.stdout) == (2, "")
    lines = ended.stderr.splitlines()
    assert [line.partition(": ")[0] for line in lines] == [f"{file}:{number}" for number in (2, 4, 5)]
    assert "did you mean listen_address?" in lines[0]
    assert "did you mean fake?" in lines[1]


def test_check_of_a_file_that_is_not_there_is_exit_2(tmp_path: Path) -> None:
    ended = command("check", str(tmp_path / "none.yml"))
    assert ended.returncode == 2
    assert "none.yml: cannot be read (No such file or directory)" in ended.stderr


def test_check_without_a_file_shows_the_defaults() -> None:
    ended = command("check", program=PLAIN)
    assert ended.returncode == 0
    assert "listen_address: '127.0.0.1:10420'" in ended.stdout


@pytest.mark.parametrize("arguments", [["metrics"], ["metrics", "--json"], ["--help"], ["check"], ["once"]])
@pytest.mark.parametrize("lines", [0, 1])
def test_a_reader_that_leaves_is_no_error(arguments: list[str], lines: int) -> None:
    with subprocess.Popen(
        [sys.executable, *PLAIN, *arguments], env=environment({}), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for _ in range(lines):
            assert process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(20) == 0


@pytest.mark.parametrize("arguments", [["metrics"], ["--help"], ["explain", "node_load1"], ["explain", "Watchdog"]])
def test_closed_standard_output_is_no_error(arguments: list[str]) -> None:
    shell = ["sh", "-c", 'exec "$@" >&-', "sh", sys.executable, *PLAIN, *arguments]
    ended = subprocess.run(shell, env=environment({}), stderr=subprocess.PIPE, text=True, timeout=30, check=False)
    assert ended.returncode == 0
    assert "Traceback" not in ended.stderr
