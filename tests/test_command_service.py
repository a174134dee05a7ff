"""Values from JSON and commands in the running service: its page, its check, its end."""

import subprocess
from pathlib import Path

from tests.answering import answering, page
from tests.commands import is_running
from tests.engine import series_of
from tests.process import PLAIN, ROOT, command, running
from tests.support import until

BODY = b'{"queue": {"length": 3}, "users": 12}'
SECRETS = ("canary-of-a-header", "canary-of-a-variable", "canary-of-a-token")


def configuration(url: str, folder: Path) -> str:
    return f"""
targets:
  status:
    collector: json
    url: {url}/api/status
    headers: {{X-API-Key: {SECRETS[0]}}}
    bearer_token: {SECRETS[2]}
    metrics: [{{name: app_queue_jobs, help: Jobs that wait., value: queue.length}}]
  checks:
    collector: command
    commands:
      migrations: {{command: [sh, -c, "exit 1"], role: migrations}}
      prints:
        command: [sh, -c, "echo $WORD; echo $WORD >&2; exit 3"]
        secret_environment: {{WORD: {SECRETS[1]}}}
      lasts: {{command: [sh, -c, "echo $$ >{folder}/pid; exec sleep 600"], timeout: 50s}}
    prerequisites: {{python: {{at_least: 3.8}}, gone: {{command: [no-such-program]}}}}
"""


def test_the_page_of_the_service_and_the_end_of_what_it_runs(tmp_path: Path) -> None:
    with (
        answering(page(BODY)) as served,
        running(tmp_path, configuration(served.url, tmp_path), program=PLAIN) as exporter,
    ):
        until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip(), 20)
        text = exporter.get("/metrics").text
        assert series_of(text)['app_queue_jobs{target="status"}'] == "3"
        parsed = subprocess.run([str(ROOT / ".ci" / "promtool"), "check", "metrics"], input=text, text=True,
                                capture_output=True, timeout=60, check=False)  # fmt: skip
        assert "parse error" not in parsed.stderr
        assert "runbook_" not in parsed.stdout + parsed.stderr
        pid = int((tmp_path / "pid").read_text())
        assert is_running(pid)
        shown = [exporter.get(path).text for path in ("/metrics", "/targets", "/health", "/")] + [exporter.output()]
        assert exporter.stop() == 0
        until(lambda: not is_running(pid))
        assert not [secret for secret in SECRETS if secret in "".join(shown) + exporter.output()]


def test_one_look_by_hand(tmp_path: Path) -> None:
    with answering(page(BODY)) as served:
        text = configuration(served.url, tmp_path).replace("exec sleep 600", "exit 0")
        (tmp_path / "config.yml").write_text(text)
        ended = command("once", f"--config.file={tmp_path}/config.yml", program=PLAIN)
        seen = series_of(ended.stdout)
        assert seen['runbook_command_success{command="migrations",role="migrations",target="checks"}'] == "0"
        assert seen['runbook_command_exit_status{command="prints",role="other",target="checks"}'] == "3"
        assert seen['runbook_prerequisite_ok{name="python",target="checks"}'] == "1"
        assert seen['runbook_prerequisite_ok{name="gone",target="checks"}'] == "0"
        assert seen['app_queue_jobs{target="status"}'] == "3"
        said = [
            command(*arguments, f"--config.file={tmp_path}/config.yml", program=PLAIN)
            for arguments in (["check"], ["test"], ["test", "--json", "status"])
        ]
        assert not [secret for secret in SECRETS for one in (ended, *said) if secret in one.stdout + one.stderr]
        assert said[0].returncode == 0
        assert "X-API-Key: <secret>" in said[0].stdout.replace("'", "")
