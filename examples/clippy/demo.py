"""Clippy for `runbook-exporter demo`: its parts, and the faults that its guide tells of."""

import json
import os
import shutil
import signal
import subprocess
import tarfile
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from exporter.demo import asking
from exporter.demo.application import HERE, Application, Fault, alert
from exporter.demo.files import put
from exporter.demo.part import Part

_DAY = 86400.0
_SCRIPTS = 320_000  # bytes of the scripts, with all that is bundled
_STYLES = 40_000
_LETTERS = 4_700_000  # of localStorage, which has room for 5,242,880
_FRONT = {
    "interval": "38s", "timeout": "38s", "page_timeout": "12s", "elements_within": "8s", "quiet": "1s",
    "sandbox": False,  # all that is opened is our own, and not every system allows one
}  # fmt: skip
_BUSY = 3.0  # processes that want each processor: with more, no page stands within its budget
_PAINT = "first_contentful_paint"
_SEES_PAGE = 120.0  # seconds in which a visit is made, and rules have seen it long enough


class Clippy(Application):
    """A back end, the front end that is built for it, a feed of updates, and people."""

    title = "Clippy"
    libraries = ("fastapi", "uvicorn", "jmespath", "re2", "cryptography", "jsonschema")

    # ------------------------------------------------------------ its parts

    def start(self) -> None:
        self.no_page = self._no_page()
        names = (
            "log",
            "backup",
            "backup/users",
            "backup/state",
            "backup/analytics",
            "tls",
            "feed",
            "build/static",
            "app",
        )
        for name in names:
            (self.folder / name).mkdir(parents=True)
        self.logs, self.backups, self.build_folder = (self.folder / name for name in ("log", "backup", "build"))
        self.build()
        self.certificate(since=3, left=60)
        self.feed()
        for day in range(4):
            self.saved(day)
        self.backend = self._backend()
        self.url = f"http://{HERE}:{self.port('backend')}"
        self.save()
        for name, folder in (("front", self.build_folder), ("feed", self.folder / "feed")):
            port = self.port(name, 3000 if name == "front" else 0)
            self.part(name, self.python("static.py", folder, str(port)), ready=partial(asking.listens, port))
        self.lock_file()
        self.advise()
        registry = self.python("registry.py", self.folder / "app", str(self.port("registry")))
        self.part("registry", registry, ready=partial(asking.listens, self.port("registry")))
        self.users = self.part("users", self.python("visitors.py", self.url, "users"))

    def _backend(self) -> Part:
        port = self.port("backend", 8000)
        environment = {
            "CLIPPY_HOME": str(self.folder), "CLIPPY_LOGS": str(self.logs), "CLIPPY_BACKUPS": str(self.backups),
            "CLIPPY_BUILD": str(self.build_folder), "CLIPPY_PASSWORD": self.secret(),
        }  # fmt: skip
        ready = asking.answers(f"http://{HERE}:{port}/health")
        return self.part("backend", self.python("app.py", str(port)), environment=environment, ready=ready)

    def environment(self) -> Mapping[str, str]:
        return {
            "CLIPPY_URL": self.url, "CLIPPY_FRONT": f"http://{HERE}:{self.port('front')}/",
            "CLIPPY_UPDATES": f"http://{HERE}:{self.port('feed')}/latest.yml",
            "CLIPPY_LOGS": str(self.logs), "CLIPPY_BACKUPS": str(self.backups),
            "CLIPPY_BUILD": str(self.build_folder), "CLIPPY_SCHEMA": str(self.here / "backup-schema.json"),
            "CLIPPY_CERTIFICATES": str(self.folder / "tls"), "CLIPPY_HOME": str(self.folder / "app"),
        }  # fmt: skip

    def changes(self) -> Mapping[str, Any]:
        """What is read more often than a real Clippy would be, and what a stand-in has not."""
        backups = {name: {"at_rest": "1s"} for name in ("user-data", "state", "analytics")}
        return {
            "targets": {
                "clippy-api": {"interval": "2s", "timeout": "2s"},
                "clippy-front": None if self.no_page else _FRONT,
                "clippy-build": {"walk_interval": "2s"},
                "clippy-updates": {"interval": "1s", "timeout": "1s"},
                "clippy-processes": {
                    "groups": {"backend": {"command": None, "pid_file": str(self._pid()), "memory_limit": "240MB"}}
                },
                "clippy-backups": {
                    "interval": "2s", "backups": backups, "scratch": str(self.folder / "scratch"),
                },
                "clippy-certificates": {"interval": "3s"},
                "clippy-dependencies": None if self.wants("npm") else self._dependencies(),
                "clippy-incidents": None,
            }
        }  # fmt: skip

    def _dependencies(self) -> Mapping[str, Any]:
        """Return how dependencies are scanned: by a registry on this machine, and often."""
        registry = f"http://{HERE}:{self.port('registry')}"
        asked = {"npm_config_registry": f"{registry}/", "npm_config_userconfig": os.devnull}
        return {
            "projects": {"front": {"environment": asked}, "backend": None},
            "osv_url": registry, "npm_advisories": "osv", "scan_interval": "20s", "scan_timeout": "20s",
            "deadlines": {"high": "5s"},  # no clock makes ages quicker, so this is less
        }  # fmt: skip

    def wants(self, need: str) -> str:
        return self.no_page if need == "page" else super().wants(need)

    def _no_page(self) -> str:
        """Return why the front end is not opened in a browser here."""
        load, processors = os.getloadavg()[0], os.cpu_count() or 1
        if load > _BUSY * processors:
            return f"this machine is too busy (load {load:.0f}) for the times that a page takes"
        return super().wants("chromium")

    def _pid(self) -> Path:
        """Return a file with the number of the back end's process."""
        file = self.folder / "backend.pid"
        file.write_text(str(self.backend.pid), encoding="utf-8")
        return file

    def addresses(self) -> Mapping[str, str]:
        return {
            "Clippy": f"http://{HERE}:{self.port('front')}/",
            "its report": f"{self.url}/health",
            "its logs": str(self.logs),
        }

    # ------------------------------------------------------------ what faults do

    def build(self, *, scripts: int = _SCRIPTS, styles: int = _STYLES, **knobs: Any) -> None:
        """Build the front end: its bundles have so many bytes, most of them of libraries."""
        source, static = self.here / "front", self.build_folder / "static"
        settings = {"version": "1.0.0", "broken": False, "throws": False, "fill": 0, "busy": 0, **knobs}
        main = f"const BUILD = {json.dumps(settings)};\n{(source / 'main.js').read_text(encoding='utf-8')}"
        vendor = (source / "vendor.js").read_text(encoding="utf-8")
        css = (source / "main.css").read_text(encoding="utf-8")
        shutil.copyfile(source / "index.html", self.build_folder / "index.html")
        shutil.copyfile(source / "clippy.svg", static / "clippy.svg")
        put(static / "main.js", main)
        put(static / "vendor.js", _filled(vendor, scripts - len(main)))
        put(static / "main.css", _filled(css, styles))

    def serve(self, **knobs: Any) -> None:
        """Have the front end's server answer with these headers, or later."""
        put(self.folder / "build.json", json.dumps(knobs))

    def feed(self, version: str = "1.0.0") -> None:
        put(self.folder / "feed" / "latest.yml", f"version: {version}\npath: Clippy-{version}.exe\n")

    def lock_file(self) -> None:
        locked = {"electron": "31.0.0", "react": "18.3.1", "react-dom": "18.3.1"}
        root = {"name": "clippy", "version": "1.0.0", "dependencies": locked}
        packages = {"": root, **{f"node_modules/{name}": {"version": version} for name, version in locked.items()}}
        content = {"name": "clippy", "version": "1.0.0", "lockfileVersion": 3, "requires": True, "packages": packages}
        put(self.folder / "app" / "package.json", json.dumps(root))
        put(self.folder / "app" / "package-lock.json", json.dumps(content))

    def advise(self, **severities: str) -> None:
        """Have it be known that Electron has weaknesses, one for each name, of these severities."""
        told = [{"id": f"GHSA-{name}", "severity": severity} for name, severity in severities.items()]
        put(self.folder / "app" / "advisories.json", json.dumps(told))

    def certificate(self, *, since: float, left: float) -> None:
        """Put a certificate in place that is so many days old, and good for so many more."""
        command = self.python("certificate.py", self.folder / "tls" / "clippy.pem", str(since), str(left))
        subprocess.run(command, check=True, timeout=60)

    def save(self) -> None:
        self.turn(save=True)

    def saved(self, days_ago: int) -> None:
        """Make the backup of the system's state of so many days ago; the first is that of analytics as well."""
        then = time.time() - days_ago * _DAY - 3600
        name = time.strftime("%Y%m%d", time.localtime(then))
        state = self.backups / "state" / f"state-{name}.tar.gz"
        with tarfile.open(state, "w:gz") as archive:
            archive.add(self.here / "front", "front")
        os.utime(state, (then, then))
        if days_ago == 0:
            analytics = self.backups / "analytics" / f"analytics-{name}.json"
            analytics.write_text(json.dumps({"features": {"chat": 1200, "themes": 40}}), encoding="utf-8")

    def stop_saving(self, **due: str) -> None:
        """Have users' data be saved no more, and that be too long soon, as nobody waits for an hour."""
        self.turn(saving=False)
        self.reconfigure({"targets": {"clippy-backups": {"backups": {"user-data": due}}}})

    def save_again(self) -> None:
        self.turn(saving=True, save=True)
        self.reconfigure()

    def newest_state(self) -> Path:
        return max((self.backups / "state").glob("state-*.tar.gz"), key=lambda path: path.stat().st_mtime)

    def damage(self) -> None:
        """Cut the newest backup of the state short, as a full disk would."""
        path = self.newest_state()
        shutil.copy2(path, self.folder / "whole")
        with path.open("r+b") as file:
            file.truncate(path.stat().st_size * 7 // 10)
        self._date_as(path, self.folder / "whole")

    def repair(self) -> None:
        path = self.newest_state()
        shutil.copyfile(self.folder / "whole", path)
        self._date_as(path, self.folder / "whole")

    def _date_as(self, path: Path, other: Path) -> None:
        then = other.stat().st_mtime
        os.utime(path, (then, then))

    def come(self, kind: str, each_second: float) -> None:
        """Have somebody else come."""
        self.others = self.part(kind, self.python("visitors.py", self.url, kind, str(each_second)))

    def go(self) -> None:
        self.send_away(self.others)

    def die(self) -> None:
        self.backend.kill()

    def live(self) -> None:
        self.backend.start()
        self._pid()

    def release(self) -> None:
        """Release a version that cannot answer messages."""
        self.turn(version="1.1.0", failing=True)

    def roll_back(self) -> None:
        self.turn(version="1.0.0", failing=False)

    faults = (
        # ------------------------------------------------------------ the back end
        Fault(
            "down", "The back end has died, and nobody starts it anew.",
            die, live,
            (alert("EndpointDown", target="clippy-api", priority="P0"),),
            beside=(alert("ProcessDown", target="clippy-processes", groupname="backend"),
                    alert("TrafficUnusual", target="clippy-logs", traffic="less")),
            needs=("history",),
        ),
        Fault(
            "hangs", "The back end is there, and answers nobody.",
            lambda clippy: clippy.backend.send(signal.SIGSTOP), lambda clippy: clippy.backend.send(signal.SIGCONT),
            (alert("EndpointDown", target="clippy-api", priority="P0"),),
            beside=(alert("TrafficUnusual", target="clippy-logs", traffic="less"),),
            needs=("history",),
        ),
        Fault(
            "critical", "A check that is critical fails: the back end cannot reach what it needs.",
            lambda clippy: clippy.turn(backend=False), lambda clippy: clippy.turn(backend=True),
            (alert("HealthCritical", target="clippy-api", priority="P0"),),
        ),
        Fault(
            "degraded", "A check that is not critical fails: nothing can be stored.",
            lambda clippy: clippy.turn(storage=False), lambda clippy: clippy.turn(storage=True),
            (alert("HealthDegraded", target="clippy-api"),),
        ),
        Fault(
            "stale", "The report of the checks is ten minutes old, and says that all is well.",
            lambda clippy: clippy.turn(behind=600), lambda clippy: clippy.turn(behind=0),
            (alert("HealthReportStale", target="clippy-api"),),
        ),
        Fault(
            "slow", "The API takes 700 ms, where 500 ms are the most.",
            lambda clippy: clippy.turn(delay=0.7), lambda clippy: clippy.turn(delay=0),
            (alert("APIResponseOverMaximum", target="clippy-api"),),
            beside=(alert("APIResponseOverTarget", target="clippy-api"),),
        ),
        Fault(
            "slower", "The API takes 300 ms, where 200 ms are aimed at.",
            lambda clippy: clippy.turn(delay=0.3), lambda clippy: clippy.turn(delay=0),
            (alert("APIResponseOverTarget", target="clippy-api"),),
        ),
        Fault(
            "release", "The new version cannot answer messages.",
            release, roll_back,
            (alert("HighErrorRate", target="clippy-logs"),),
            (alert("LogErrorsSurge", target="clippy-logs", log="app"),),
            needs=("history",),
        ),
        Fault(
            "memory", "The back end keeps all that it ever had in memory.",
            lambda clippy: clippy.turn(memory=200), lambda clippy: clippy.turn(memory=0),
            (alert("ProcessMemoryNearLimit", target="clippy-processes", groupname="backend"),),
        ),
        # ------------------------------------------------------------ the front end
        Fault(
            "white-screen", "The page comes with the status 200, and its scripts fail: users see nothing.",
            lambda clippy: clippy.build(broken=True), lambda clippy: clippy.build(),
            (alert("FrontendBroken", target="clippy-front", priority="P0"),),
            beside=(alert("FrontendErrors", target="clippy-front", kind="exception"),),
            needs=("page",), seconds=_SEES_PAGE,
        ),
        Fault(
            "react-error", "One component does not render.",
            lambda clippy: clippy.build(throws=True), lambda clippy: clippy.build(),
            (alert("FrontendErrors", target="clippy-front", kind="console"),),
            needs=("page",), seconds=_SEES_PAGE,
        ),
        Fault(
            "storage-denied", "The page may not use localStorage, so nothing is kept.",
            lambda clippy: clippy.serve(headers={"Content-Security-Policy": "sandbox allow-scripts"}),
            lambda clippy: clippy.serve(),
            (alert("BrowserStorageFailing", target="clippy-front", part="access"),),
            needs=("page",), seconds=_SEES_PAGE,
        ),
        Fault(
            "storage-full", "Conversations have used up nearly all room of localStorage.",
            lambda clippy: clippy.build(fill=_LETTERS), lambda clippy: clippy.build(),
            (alert("BrowserStorageFailing", target="clippy-front", part="room", store="localStorage"),),
            needs=("page",), seconds=_SEES_PAGE,
        ),
        Fault(
            "slow-image", "A picture comes after 4 s, so the page is not loaded within 3 s.",
            lambda clippy: clippy.serve(delays={"/static/clippy.svg": 4.0}), lambda clippy: clippy.serve(),
            (alert("PageOverBudget", target="clippy-front", kind="load"),),
            (alert("PerformanceTargetMissed", target="clippy-front", kind="load"),),
            needs=("page",), seconds=_SEES_PAGE,
        ),
        Fault(
            "slow-style", "The style sheet comes after 3.5 s, and until then nothing is seen.",
            lambda clippy: clippy.serve(delays={"/static/main.css": 3.5}), lambda clippy: clippy.serve(),
            (*(alert("PageOverBudget", target="clippy-front", kind=kind) for kind in ("load", _PAINT)),
             alert("PerformanceTargetMissed", target="clippy-front", kind="interactive")),
            tuple(alert("PerformanceTargetMissed", target="clippy-front", kind=kind) for kind in ("load", _PAINT)),
            needs=("page",), seconds=_SEES_PAGE,
        ),
        Fault(
            "slow-scripts", "Scripts keep the page busy for 5.5 s, so it answers nobody.",
            lambda clippy: clippy.build(busy=5500), lambda clippy: clippy.build(),
            (alert("PageOverBudget", target="clippy-front", kind="interactive"),),
            (alert("PerformanceTargetMissed", target="clippy-front", kind="interactive"),),
            needs=("page",), seconds=_SEES_PAGE,
        ),
        Fault(
            "bundles", "A library has come in: 1.4 MB of scripts, 300 kB of styles.",
            lambda clippy: clippy.build(scripts=1_400_000, styles=300_000), lambda clippy: clippy.build(),
            (*(alert("BundleOverBudget", target="clippy-front", type=kind) for kind in ("script", "stylesheet")),
             *(alert("BundleOverBudget", target="clippy-build", path=path) for path in ("scripts", "styles"))),
            tuple(alert("PerformanceTargetMissed", target="clippy-front", kind=kind)
                  for kind in ("script", "stylesheet")),
            needs=("page",), seconds=_SEES_PAGE,
        ),
        Fault(
            "bundle", "The scripts have grown to 700 kB, where 500 kB are aimed at.",
            lambda clippy: clippy.build(scripts=700_000), lambda clippy: clippy.build(),
            (alert("PerformanceTargetMissed", target="clippy-front", kind="script"),),
            needs=("page",), seconds=_SEES_PAGE,
        ),
        Fault(
            "updates", "The feed of updates is gone.",
            lambda clippy: (clippy.folder / "feed" / "latest.yml").unlink(), lambda clippy: clippy.feed(),
            (alert("EndpointDown", target="clippy-updates", priority="P2"),),
        ),
        # ------------------------------------------------------------ security
        Fault(
            "guessing", "Somebody tries one password after the other.",
            lambda clippy: clippy.come("guessers", 8), go,
            (alert("FailedAuthentications", target="clippy-logs", log="app"),),
        ),
        Fault(
            "attack", "Somebody sends scripts, hoping that they run in others' browsers.",
            lambda clippy: clippy.come("attackers", 10), go,
            (alert("AttackPatterns", target="clippy-logs", log="access"),),
        ),
        Fault(
            "crowd", "Four times as many requests come as are usual at this hour.",
            lambda clippy: clippy.come("crowd", 40), go,
            (alert("TrafficUnusual", target="clippy-logs", traffic="more"),),
            needs=("history",),
        ),
        Fault(
            "weakness", "A weakness of Electron is known that is critical.",
            lambda clippy: clippy.advise(clip="CRITICAL"), lambda clippy: clippy.advise(),
            (alert("VulnerabilityUnpatched", target="clippy-dependencies", project="front", priority="P1"),),
            needs=("npm",), seconds=120,
        ),
        Fault(
            "weakness-high", "A weakness of Electron that is high has been there for too long.",
            lambda clippy: clippy.advise(paper="HIGH"), lambda clippy: clippy.advise(),
            (alert("VulnerabilityUnpatched", target="clippy-dependencies", project="front", priority="P2"),),
            needs=("npm",), seconds=120,
        ),
        Fault(
            "certificate-old", "The certificate was not rotated for 40 days.",
            lambda clippy: clippy.certificate(since=40, left=50), lambda clippy: clippy.certificate(since=3, left=60),
            (alert("CertificateRotationOverdue", target="clippy-certificates"),),
        ),
        Fault(
            "certificate-ends", "The certificate ends in two days.",
            lambda clippy: clippy.certificate(since=88, left=2), lambda clippy: clippy.certificate(since=3, left=60),
            (alert("CertificateExpiresNow", target="clippy-certificates", priority="P1"),),
            beside=(alert("CertificateExpiresSoon", target="clippy-certificates"),
                    alert("CertificateRotationOverdue", target="clippy-certificates")),
        ),
        Fault(
            "certificate-ended", "The certificate ended yesterday.",
            lambda clippy: clippy.certificate(since=91, left=-1), lambda clippy: clippy.certificate(since=3, left=60),
            (alert("CertificateExpired", target="clippy-certificates", priority="P0"),),
            beside=(alert("CertificateRotationOverdue", target="clippy-certificates"),),
        ),
        # ------------------------------------------------------------ backups, and people
        Fault(
            "recovery-point", "Users' data are not saved any more: by now more would be lost than was promised.",
            lambda clippy: clippy.stop_saving(recovery_point="20s"), save_again,
            (alert("RecoveryPointExceeded", target="clippy-backups", backup="user-data"),),
        ),
        Fault(
            "not-saved", "Users' data have not been saved for long, and a backup is overdue.",
            lambda clippy: clippy.stop_saving(recovery_point="20s", interval="20s", grace="0s"), save_again,
            (alert("BackupOverdue", target="clippy-backups", backup="user-data"),),
            beside=(alert("RecoveryPointExceeded", target="clippy-backups", backup="user-data"),),
        ),
        Fault(
            "backup-damaged", "The newest backup of the system's state is not all there.",
            damage, repair,
            (alert("BackupCorrupt", target="clippy-backups", backup="state"),),
        ),
        Fault(
            "audit", "The monthly audit of security was made 40 days ago.",
            lambda clippy: clippy.mark_done("clippy-audit", 40),
            lambda clippy: clippy.mark_done("clippy-audit"),
            (alert("MaintenanceTaskOverdue", target="clippy-tasks", task="clippy-audit"),),
        ),
    )  # fmt: skip


def _filled(text: str, size: int) -> str:
    """Return the text with a comment at its end, so that it has so many bytes."""
    return text + "/*" + "." * max(0, size - len(text.encode()) - 5) + "*/\n"
