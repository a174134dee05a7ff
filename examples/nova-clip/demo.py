"""Nova Clip for `runbook-exporter demo`: its parts, and the faults that its guide tells of."""

import getpass
import json
import os
import signal
import sqlite3
import sys
import tarfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from exporter.demo import asking
from exporter.demo.application import HERE, Application, Fault, alert
from exporter.demo.files import put, script
from exporter.demo.part import Part

_DAY = 86400.0
_SLOW = 60.0  # a speed at which rules that look back 15 minutes see 15 probes
_EACH = 11  # one in so many fails: often enough for a code to be told, and well above 90% that succeed
_DAY_SO_FAR = 150.0  # seconds of good runs before many fail: what looks back a day must have some to look back at
_CHROME = "echo 'Chromium 143.0.7499.40 built on Debian'"
_DRIVER = "echo 'ChromeDriver 143.0.7499.40 (abcdef)'"
_FFMPEG = "echo 'ffmpeg version 5.1.6 Copyright (c) 2000-2024 the FFmpeg developers'"
_KEY = "sk-" + "q7Zk2mVx" * 5  # of the form that OpenAI's keys have
_LOGS = 12_000_000  # bytes of a log that nobody rotates


def _code(code: str, says: str, **each: int) -> Fault:
    """Return the fault that has a stage write one code now and then."""
    name = code.lower().replace("_", "-")
    found = (alert("StageErrors", target="nova-clip", event=code),)
    return Fault(name, f"{says[:-1]}: {code}.", lambda nova: nova.fail(**each), lambda nova: nova.fail(), found)


class NovaClip(Application):
    """The application with its three stages, and what it uses of others."""

    title = "Nova Clip"
    libraries = ("flask", "flask_socketio", "simple_websocket", "websockets", "jmespath", "re2")

    # ------------------------------------------------------------ its parts

    def start(self) -> None:
        self.home, self.bin, self.keys = (self.folder / name for name in ("home", "bin", "keys"))
        self.logs, self.outputs, self.backups = (self.home / name for name in ("logs", "outputs", "backups"))
        folders = [self.outputs / name for name in ("trends_data", "scripts", "images")]
        for folder in (*folders, self.logs, self.backups, self.bin, self.keys):
            folder.mkdir(parents=True)
        for folder in (self.outputs, *folders):
            folder.chmod(0o777 if os.geteuid() == 0 else 0o755)  # root may write everywhere: nobody is asked for
        self._files()
        self.began = time.monotonic()
        port = self.port("services")
        self.services = f"http://{HERE}:{port}"
        self.part("services", self.python("services.py", str(port)), ready=lambda: asking.listens(port))
        self.app = self._app()
        self.url = f"http://{HERE}:{self.port('app')}"
        self.until((self.home / "database.db").exists, what="the database is there")
        self.back_up()

    def _files(self) -> None:
        for name, line in (("chrome", _CHROME), ("chromedriver", _DRIVER), ("ffmpeg", _FFMPEG)):
            self.script(name, line)
        for name in ("openai.key", "google.key"):
            (self.keys / name).write_text(self.secret(), encoding="utf-8")
            (self.keys / name).chmod(0o600)
        self.test_stages(days_ago=2)

    def _app(self) -> Part:
        port = self.port("app", 5001)
        environment = {"NOVA_HOME": str(self.home), "NOVA_SERVICES": self.services}
        ready = asking.answers(f"http://{HERE}:{port}/health")
        return self.part("app", self.python("app.py", str(port)), environment=environment, ready=ready)

    def environment(self) -> Mapping[str, str]:
        return {
            "NOVA_HOME": str(self.home), "NOVA_URL": self.url, "NOVA_ADDRESS": f"{HERE}:{self.port('app')}",
            "NOVA_KEYS": str(self.keys), "NOVA_BACKUPS": str(self.backups), "NOVA_USER": self.user,
            "OPENAI_URL": f"{self.services}/v1", "OPENAI_API_KEY": f"sk-{self.secret()}",
            "OPENAI_ADMIN_KEY": f"sk-admin-{self.secret()}", "SEARCH_URL": self.services,
            "GOOGLE_API_KEY": self.secret(), "GOOGLE_CSE_ID": self.secret(),
        }  # fmt: skip

    @property
    def user(self) -> str:
        """The user whose right to write is looked at: root's has no bounds."""
        return "nobody" if os.geteuid() == 0 else getpass.getuser()

    def changes(self) -> Mapping[str, Any]:
        """What is read more often than a real Nova Clip would be, and what a stand-in has not."""
        soon = {"interval": "2s", "timeout": "2s"}
        backups = {name: {"at_rest": "1s"} for name in ("configuration", "outputs", "database")}
        return {
            "targets": {
                "nova-clip-health": soon, "nova-clip-port": soon,
                "nova-clip-socket": {"interval": "1s", "timeout": "1s"} if self.speed <= _SLOW else soon,
                "nova-clip-guarded": {"interval": "5s", "timeout": "4s"},
                "openai": {
                    "look_interval": "2s", "call_interval": "2s", "usage_interval": "2s", "cost_interval": "3s",
                    "limits_interval": "5s",
                },
                "custom-search": {"look_interval": "2s", "search_interval": "3s"},
                "nova-clip-files": {"walk_interval": "2s"},
                "nova-clip-processes": {
                    "groups": {"app": {"command": None, "pid_file": str(self._pid()), "memory_limit": "240MB"}}
                },
                "nova-clip-browser": {
                    "interval": "3s", "timeout": "3s",
                    "browsers": {
                        "chrome": {"browser": [str(self.bin / "chrome")], "driver": [str(self.bin / "chromedriver")]}
                    },
                },
                "nova-clip-needs": {
                    "interval": "3s", "timeout": "3s",
                    "prerequisites": {
                        "python": {"command": [sys.executable, "--version"]},
                        "ffmpeg": {"command": [str(self.bin / "ffmpeg"), "-version"]},
                        "webdriver": {"command": [str(self.bin / "chromedriver")]},
                    },
                },
                "nova-clip-dependencies": None,  # it asks registries on the network
                "nova-clip-keys": {"interval": "3s"},
                "nova-clip-backups": {"interval": "2s", "backups": backups, "scratch": str(self.folder / "scratch")},
            }
        }  # fmt: skip

    def wants(self, need: str) -> str:
        if need == "slow clock":
            return (
                "" if self.speed <= _SLOW else f"what comes and goes is not seen at that speed: try --speed {_SLOW:g}"
            )
        return super().wants(need)

    def _pid(self) -> Path:
        """Return a file with the number of the application's process."""
        file = self.folder / "app.pid"
        file.write_text(str(self.app.pid), encoding="utf-8")
        return file

    def addresses(self) -> Mapping[str, str]:
        return {
            "Nova Clip": f"{self.url}/health",
            "its log": str(self.logs / "app.log"),
            "its outputs": str(self.outputs),
        }

    # ------------------------------------------------------------ what faults do

    def others(self, **knobs: Any) -> None:
        """Turn knobs of the services that it uses."""
        asking.post(f"{self.services}/simulate", knobs)

    def fail(self, **each: int) -> None:
        """Have one in so many of what is asked of others fail."""
        self.others(fails=each)

    def fail_often(self) -> None:
        """Have a third of all searches fail, once there are many runs that went well."""
        self.until(lambda: time.monotonic() - self.began > _DAY_SO_FAR, 2 * _DAY_SO_FAR, "there were many good runs")
        self.fail(search=3)

    def script(self, name: str, line: str) -> None:
        """Put a program in place."""
        script(self.bin / name, line)

    def close(self, name: str, mode: int) -> None:
        """Give an output folder other permissions."""
        (self.outputs / name).chmod(mode)

    def opened(self, name: str) -> None:
        self.close(name, 0o777 if os.geteuid() == 0 else 0o755)

    def test_stages(self, days_ago: float) -> None:
        """Write down that all stages were tested so many days ago."""
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - days_ago * _DAY))
        put(self.home / "weekly.json", json.dumps(dict.fromkeys(("trends", "scripts", "images"), when)))

    def back_up(self) -> None:
        """Make the backups of the last days, the newest an hour ago."""
        for days_ago in (2, 1, 0):
            self._config_backup(days_ago)
            self._database_backup(days_ago)
        self._archive("outputs", 2.0, {"trends_data": self.outputs / "trends_data"})

    def _config_backup(self, days_ago: float) -> None:
        self._archive(
            "config", days_ago, {"config.py": self.here / "app.py", "templates/index.html": self.here / "app.py"}
        )

    def _archive(self, name: str, days_ago: float, members: Mapping[str, Path]) -> None:
        path, then = self._place(name, days_ago, ".tar.gz")
        with tarfile.open(path, "w:gz") as archive:
            for member, file in members.items():
                archive.add(file, member)
        os.utime(path, (then, then))

    def _database_backup(self, days_ago: float) -> None:
        path, then = self._place("db", days_ago, ".db")
        with sqlite3.connect(self.home / "database.db") as source, sqlite3.connect(path) as copy:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")
        source.close()
        copy.close()
        os.utime(path, (then, then))

    def _place(self, name: str, days_ago: float, ending: str) -> tuple[Path, float]:
        then = time.time() - days_ago * _DAY - 3600
        return self.backups / f"{name}-{time.strftime('%Y%m%d', time.localtime(then))}{ending}", then

    def newest(self, name: str) -> Path:
        return max(self.backups.glob(f"{name}-*"), key=lambda path: path.stat().st_mtime)

    def expect_backup(self, name: str, each: str) -> None:
        """Have a backup be due sooner: the last one is older than that, and nobody waits for days."""
        soon = {"interval": each, "grace": "0s"}
        self.reconfigure({"targets": {"nova-clip-backups": {"backups": {name: soon}}}})

    def damage(self) -> None:
        path = self.newest("db")
        then = path.stat().st_mtime
        self.whole = path.read_bytes()
        path.write_bytes(self.whole[: len(self.whole) // 2])
        os.utime(path, (then, then))

    def repair(self) -> None:
        path = self.newest("db")
        then = path.stat().st_mtime
        path.write_bytes(self.whole)
        os.utime(path, (then, then))

    def leave_old(self) -> None:
        """Leave an output of 40 days ago where it is."""
        old = self.outputs / "images" / "of-last-month.out"
        old.write_text("an image", encoding="utf-8")
        then = time.time() - 40 * _DAY
        os.utime(old, (then, then))

    def guess(self) -> None:
        """Have the log say that many logins have failed."""
        self.guesser = self.part("guesser", self.python("guesser.py", self.url))

    def stop_guessing(self) -> None:
        self.send_away(self.guesser)

    def get_stuck(self) -> None:
        """Have a run of the third stage begin three hours ago, and not end."""
        self.turn(paused=True)
        time.sleep(0.5)
        then = time.strftime("%Y-%m-%d %H:%M:%S,000", time.localtime(time.time() - 3 * 3600))
        with (self.logs / "app.log").open("a", encoding="utf-8") as log:
            log.write(f"{then} INFO Stage 3 started: images of Ada Lovelace\n")

    def go_on(self) -> None:
        with (self.logs / "app.log").open("a", encoding="utf-8") as log:
            log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S,000')} INFO Stage 3 completed: images of Ada Lovelace\n")
        self.turn(paused=False)

    def grow_log(self) -> None:
        (self.logs / "chromedriver.log").write_bytes(b"[INFO]: Waiting for pending navigations...\n" * (_LOGS // 43))

    def keep_logs(self) -> None:
        for number in range(1, 9):
            (self.logs / f"app.log.{number}").write_text("INFO rotated\n", encoding="utf-8")

    def drop_logs(self) -> None:
        for number in range(1, 9):
            (self.logs / f"app.log.{number}").unlink(missing_ok=True)

    def age_key(self, days: float) -> None:
        then = time.time() - days * _DAY
        os.utime(self.keys / "openai.key", (then, then))

    def die(self) -> None:
        self.app.kill()

    def live(self) -> None:
        self.app.start()
        self._pid()

    def run_out(self) -> None:
        """Have the kernel kill something for want of memory."""
        self.machine.oom_kills += 1

    faults = (
        # ------------------------------------------------------------ the application
        Fault(
            "down", "The application has died, and nobody starts it anew.",
            die, live,
            (alert("EndpointDown", target="nova-clip-health", priority="P0"),
             alert("EndpointDown", target="nova-clip-guarded", priority="P0")),
            beside=(alert("EndpointDown", target="nova-clip-socket", priority="P2"),
                    alert("PortClosed", target="nova-clip-port", priority="P1"),
                    alert("ProcessDown", target="nova-clip-processes", groupname="app")),
        ),
        Fault(
            "hangs", "The application is there, and answers nobody.",
            lambda nova: nova.app.send(signal.SIGSTOP), lambda nova: nova.app.send(signal.SIGCONT),
            (alert("EndpointDown", target="nova-clip-health", priority="P0"),
             alert("EndpointDown", target="nova-clip-guarded", priority="P0")),
            beside=(alert("EndpointDown", target="nova-clip-socket", priority="P2"),),
        ),
        Fault(
            "degraded", "The application says that it is degraded.",
            lambda nova: nova.turn(health="degraded"), lambda nova: nova.turn(health="healthy"),
            (alert("HealthDegraded", target="nova-clip-health"),),
        ),
        Fault(
            "stale", "What /health says was made ten minutes ago.",
            lambda nova: nova.turn(behind=600), lambda nova: nova.turn(behind=0),
            (alert("HealthReportStale", target="nova-clip-health"),),
        ),
        Fault(
            "socket", "The dashboard says `Disconnected`: Socket.IO is refused.",
            lambda nova: nova.turn(refused=1), lambda nova: nova.turn(refused=0),
            (alert("EndpointDown", target="nova-clip-socket", priority="P2"),),
        ),
        Fault(
            "socket-unstable", "Each third connection of the dashboard fails.",
            lambda nova: nova.turn(refused=3), lambda nova: nova.turn(refused=0),
            (alert("WebSocketUnstable", target="nova-clip-socket"),),
            needs=("slow clock",),
        ),
        Fault(
            "memory", "The application keeps all images in memory.",
            lambda nova: nova.turn(memory=200), lambda nova: nova.turn(memory=0),
            (alert("ProcessMemoryNearLimit", target="nova-clip-processes", groupname="app"),),
        ),
        Fault(
            "host-memory", "Hardly any memory of the machine is left.",
            lambda nova: setattr(nova.machine, "used", 0.95), lambda nova: setattr(nova.machine, "used", 0.4),
            (alert("HighMemoryUsage"),),
        ),
        # ------------------------------------------------------------ what it needs
        Fault(
            "chrome", "Chrome was updated, and ChromeDriver was not.",
            lambda nova: nova.script("chrome", _CHROME.replace("143", "145")),
            lambda nova: nova.script("chrome", _CHROME),
            (alert("BrowserDriverMismatch", target="nova-clip-browser", browser="chrome"),),
        ),
        Fault(
            "webdriver", "ChromeDriver does not start any more.",
            lambda nova: nova.script("chromedriver", "exit 1"), lambda nova: nova.script("chromedriver", _DRIVER),
            (alert("BrowserDriverMismatch", target="nova-clip-browser", browser="chrome"),),
            (alert("PrerequisiteMissing", target="nova-clip-needs", name="webdriver"),),
        ),
        Fault(
            "ffmpeg", "FFmpeg is gone.",
            lambda nova: (nova.bin / "ffmpeg").unlink(), lambda nova: nova.script("ffmpeg", _FFMPEG),
            (alert("PrerequisiteMissing", target="nova-clip-needs", name="ffmpeg"),),
        ),
        # ------------------------------------------------------------ the stages, and their codes
        _code("SCRAPE_001", "Now and then the page of trends has no name.", empty=_EACH),
        _code("SCRAPE_002", "Now and then the page of trends comes later than the driver waits.", slow=_EACH),
        _code("SCRAPE_003", "Now and then OpenAI fails to verify a name.", verify=_EACH),
        _code("SCRIPT_001", "Now and then nobody that is found is a person.", nobody=_EACH),
        _code("SCRIPT_002", "Now and then OpenAI fails to write a script.", script=_EACH),
        _code("IMAGE_001", "Now and then Google's Custom Search fails.", search=_EACH),
        _code("IMAGE_002", "Now and then an image is gone from its site.", image=_EACH),
        Fault(
            "unwritten", "Now and then a script or an image cannot be written: SCRIPT_003 and IMAGE_003.",
            lambda nova: nova.turn(unwritten=_EACH), lambda nova: nova.turn(unwritten=0),
            (alert("StageErrors", target="nova-clip", event="SCRIPT_003"),
             alert("StageErrors", target="nova-clip", event="IMAGE_003")),
        ),
        Fault(
            "images", "A third of all searches fail, so a third of all clips have no image.",
            fail_often, lambda nova: nova.fail(),
            (alert("StageSuccessRateLow", target="nova-clip", job_name="images"),
             alert("StageErrors", target="nova-clip", event="IMAGE_001")),
        ),
        Fault(
            "stuck", "The third stage began three hours ago, and does not end.",
            get_stuck, go_on,
            (alert("JobStuck", target="nova-clip", job_name="images"),),
        ),
        Fault(
            "untested", "All three stages were tested nine days ago.",
            lambda nova: nova.test_stages(9), lambda nova: nova.test_stages(2),
            tuple(alert("StageNotRun", target="nova-clip-weekly", job_name=f"test of {stage}")
                  for stage in ("trends", "scripts", "images")),
        ),
        Fault(
            "errors", "Each clip has an error that nobody minds, and that the log is full of.",
            lambda nova: nova.turn(complains=True), lambda nova: nova.turn(complains=False),
            (alert("LogErrorsSurge", target="nova-clip", log="app"),),
            needs=("history",),
        ),
        # ------------------------------------------------------------ what it pays for
        Fault(
            "openai-key", "OpenAI takes the keys no more.",
            lambda nova: nova.others(openai="key"), lambda nova: nova.others(openai="well"),
            (alert("APIKeyInvalid", target="openai", key="main", priority="P1"),),
            beside=(alert("APIKeyInvalid", target="openai", key="admin", priority="P2"),),
        ),
        Fault(
            "openai-down", "OpenAI answers nothing but errors.",
            lambda nova: nova.others(openai="down"), lambda nova: nova.others(openai="well"),
            (alert("ExternalAPIDown", target="openai"),),
        ),
        Fault(
            "openai-low", "60 of the 500 requests of a minute are left.",
            lambda nova: nova.others(left=60), lambda nova: nova.others(left=480),
            (alert("APIQuotaLow", target="openai", quota="requests"),),
        ),
        Fault(
            "openai-used-up", "Nothing is left of the requests of a minute.",
            lambda nova: nova.others(left=0), lambda nova: nova.others(left=480),
            (alert("APIQuotaExhausted", target="openai", reason="quota", quota="requests"),),
            seconds=90,
        ),
        Fault(
            "budget", "OpenAI has cost 120 dollars this month, of a budget of 100.",
            lambda nova: nova.others(cost=120), lambda nova: nova.others(cost=12.5),
            (alert("APIBudgetExceeded", target="openai", reason="spent"),),
        ),
        Fault(
            "usage", "OpenAI is called ten times as much as is usual at this hour.",
            lambda nova: nova.others(used=400), lambda nova: nova.others(used=40),
            (alert("APIUsageAnomaly", target="openai", used="requests"),),
            needs=("history",),
        ),
        Fault(
            "search-key", "Google takes the key no more.",
            lambda nova: nova.others(google="key"), lambda nova: nova.others(google="well"),
            (alert("APIKeyInvalid", target="custom-search", key="main", priority="P1"),),
        ),
        # ------------------------------------------------------------ files
        Fault(
            "permissions", "The folder of images may only be read.",
            lambda nova: nova.close("images", 0o555), lambda nova: nova.opened("images"),
            (alert("DirectoryNotWritable", target="nova-clip-files", path="images"),),
        ),
        Fault(
            "old-outputs", "An output of 40 days ago has not been cleared up.",
            leave_old, lambda nova: (nova.outputs / "images" / "of-last-month.out").unlink(),
            (alert("OldOutputFiles", target="nova-clip-files", path="outputs"),),
        ),
        Fault(
            "log-grows", "A log has grown to 12 MB, where it is to be rotated at 10.",
            grow_log, lambda nova: (nova.logs / "chromedriver.log").unlink(),
            (alert("LogNotRotated", target="nova-clip-files", path="logs", part="size"),),
        ),
        Fault(
            "logs-kept", "Eight rotated files are kept, where five are meant to be.",
            keep_logs, drop_logs,
            (alert("LogNotRotated", target="nova-clip-files", path="logs", part="files"),),
        ),
        # ------------------------------------------------------------ security
        Fault(
            "tells-all", "Error pages show the inside of the application.",
            lambda nova: nova.turn(tells_all=True), lambda nova: nova.turn(tells_all=False),
            (alert("SecurityCheckFailed", target="nova-clip-guarded", priority="P1"),),
        ),
        Fault(
            "guessing", "Somebody tries one password after the other.",
            guess, stop_guessing,
            (alert("FailedAuthentications", target="nova-clip", log="app"),),
        ),
        Fault(
            "secret-logged", "A key was written to the log.",
            lambda nova: nova.turn(log=[f"asked with api_key={_KEY}"]), lambda nova: nova.turn(log=[]),
            (alert("SecretLogged", target="nova-clip", log="app"),),
        ),
        Fault(
            "key-old", "OpenAI's key was not rotated for 100 days.",
            lambda nova: nova.age_key(100), lambda nova: nova.age_key(1),
            (alert("KeyRotationOverdue", target="nova-clip-keys", secret="openai"),),  # noqa: S106  # its name
        ),
        Fault(
            "key-open", "Every user of the machine may read OpenAI's key.",
            lambda nova: (nova.keys / "openai.key").chmod(0o644), lambda nova: (nova.keys / "openai.key").chmod(0o600),
            (alert("SecretReadableByOthers", target="nova-clip-keys", secret="openai"),),  # noqa: S106  # its name
        ),
        # ------------------------------------------------------------ backups, and people
        Fault(
            "config-unsaved", "The configuration was not saved in time.",
            lambda nova: nova.expect_backup("configuration", "30m"), lambda nova: nova.reconfigure(),
            (alert("BackupOverdue", target="nova-clip-backups", backup="configuration"),),
        ),
        Fault(
            "outputs-unsaved", "Outputs were not saved in time.",
            lambda nova: nova.expect_backup("outputs", "1d"), lambda nova: nova.reconfigure(),
            (alert("BackupOverdue", target="nova-clip-backups", backup="outputs"),),
        ),
        Fault(
            "backup-damaged", "The newest backup of the database is only half there.",
            damage, repair,
            (alert("BackupCorrupt", target="nova-clip-backups", backup="database"),),
        ),
        Fault(
            "review", "Users, their access and their rights were gone through 50 days ago.",
            lambda nova: nova.mark_done("nova-user-access", 50),
            lambda nova: nova.mark_done("nova-user-access"),
            (alert("MaintenanceTaskOverdue", target="nova-clip-tasks", task="nova-user-access"),),
        ),
    )  # fmt: skip
