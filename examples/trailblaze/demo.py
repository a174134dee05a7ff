"""TrailBlaze for `runbook-exporter demo`: its parts, and the faults that its guide tells of."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from exporter.demo import asking, monitoring, postgres
from exporter.demo.application import HERE, Application, Fault, alert, program
from exporter.demo.files import put, script

_DAY = 86400.0
_NIGHTS = 30
_RATE = 5  # visitors a second
_DISK = 32 << 20  # bytes of the small disk
_PAGE = 8192
_SCHEMA = """
CREATE TABLE events (
  id int PRIMARY KEY, name text, date_start date, date_end date, location text, views int NOT NULL DEFAULT 0
);
INSERT INTO events SELECT n, 'Ride ' || n, date '2026-12-01' + n % 90, date '2026-12-02' + n % 90, md5(n::text)
  FROM generate_series(1, 1500) n;
CREATE INDEX idx_events_date ON events (date_start, date_end);
CREATE TABLE results (event int, rider text);
INSERT INTO results SELECT n % 1500, md5(n::text) || md5((n + 1)::text) FROM generate_series(1, 8000) n;
GRANT SELECT, UPDATE ON events TO trailblaze;
GRANT EXECUTE ON FUNCTION pg_switch_wal() TO trailblaze;
"""
_OLDER = """
CREATE SCHEMA acted;
CREATE TABLE acted.clock (older interval);
INSERT INTO acted.clock VALUES ('0');
CREATE VIEW acted.pg_stat_archiver AS
  SELECT archived_count, last_archived_wal, last_archived_time - (SELECT older FROM acted.clock) AS last_archived_time,
         failed_count, last_failed_wal, last_failed_time, stats_reset FROM pg_catalog.pg_stat_archiver;
GRANT USAGE ON SCHEMA acted TO monitor;
GRANT SELECT ON ALL TABLES IN SCHEMA acted TO monitor;
ALTER ROLE monitor SET search_path = acted, pg_catalog;
"""
"""What lets the last archived file be older than it is: nobody waits for hours in a demo."""
_BY_HAND = ("trail-disaster-recovery", "trail-trends", "trail-documentation", "trail-access-review")
_RESTORE = """
case "$*" in *--dbname*|*" -d "*) while [ -e {hold} ]; do sleep 0.2; done;; esac
exec {pg_restore} "$@"
"""


class TrailBlaze(Application):
    """FastAPI over PostgreSQL, scrapers with their cache, and Gemini outside."""

    title = "TrailBlaze"
    libraries = ("fastapi", "uvicorn", "prometheus_client", "psycopg", "selectolax", "jsonschema", "jmespath", "re2")

    # ------------------------------------------------------------ its parts

    def start(self) -> None:
        names = ("home", "log", "cache", "backup", "disk")
        self.home, self.logs, self.cache, self.backups, self.disk = (self.folder / name for name in names)
        for folder in (self.home, self.logs, self.cache / "api", self.backups, self.disk):
            folder.mkdir(parents=True)
        self.key, self.rate, self.tasks_done = self.secret(), self.folder / "rate", 0
        self.steady()
        self._files()
        self.small_disk = self._mount()
        outside = self.port("outside")
        self.outside = f"http://{HERE}:{outside}"
        ready = asking.answers(f"{self.outside}/calendar")
        self.part("outside", self.python("outside.py", str(outside), self.key), ready=ready)
        self._database()
        for night in range(_NIGHTS):
            self.backup(night + 0.1)
        self._api()
        log = self.logs / "scrapers.log"
        command = self.python("scrapers.py", self.outside, self.cache, log)
        self.scrapers = self.part("scrapers", command, ready=log.exists)
        self.part("visitors", self.python("visitors.py", self.url, self.rate))

    def _files(self) -> None:
        (self.home / "gemini.key").write_text(self.key, encoding="utf-8")
        (self.home / ".env").write_text("DATABASE_URL=postgresql://trailblaze@127.0.0.1/trailblaze\n", encoding="utf-8")
        for name in ("gemini.key", ".env"):
            (self.home / name).chmod(0o600)
        (self.cache / "api" / "regions.json").write_text("{}", encoding="utf-8")

    def _mount(self) -> bool:
        """Mount a small disk where root may, and let the exporter see it as a real one; return whether it is there."""
        if os.geteuid() != 0:
            return False
        options = ["-t", "tmpfs", "-o", f"size={_DISK}", "tmpfs", str(self.disk)]
        if subprocess.run(["mount", *options], capture_output=True, check=False).returncode:
            return False
        for name in ("self", "1"):
            with (self.machine.folder / name / "mountinfo").open("a", encoding="utf-8") as file:
                file.write(f"22 1 0:99 / {self.disk} rw - ext4 /dev/mapper/demo rw\n")
        self.fill(0.05)
        return True

    def _database(self) -> None:
        self.db = postgres.server(self, archive_mode="on", archive_timeout="600", wal_level="replica")
        self.full = self.db.folder / "full"
        self.db.configure(archive_command=f'test ! -e {self.full} && cp "%p" {self.db.folder}/archived')
        self.db.part.stop()
        for command in (("pg_resetwal", "--wal-segsize=1"), ("pg_checksums", "--enable", "--no-sync")):
            subprocess.run(
                [self.db.programs / command[0], *command[1:], "-D", self.db.folder / "data"], check=True,
                capture_output=True, cwd=self.db.folder, timeout=60, **postgres.server_user(),
            )  # fmt: skip
        self.db.part.start()
        roles = {"trailblaze": "", "monitor": "IN ROLE pg_monitor", "restore": "CREATEDB"}
        self.words = {role: self.secret() for role in roles}
        for role, more in roles.items():
            self.db.sql(f"CREATE ROLE {role} LOGIN {more} PASSWORD '{self.words[role]}'")
        for name in ("trailblaze", "damaged"):
            self.db.sql(f"CREATE DATABASE {name}")
        self.db.sql(_SCHEMA + _OLDER, database="trailblaze")
        self._damage()
        self.db.sql("SELECT pg_switch_wal()")
        self.dump = self._dumped("trailblaze.backup")
        self.small_dump = self._dumped("small.backup", "--exclude-table-data=results")

    def _damage(self) -> None:
        """Damage a table that nobody reads: its copy is what a fault has somebody read."""
        self.db.sql("CREATE TABLE rides (id int) WITH (autovacuum_enabled = off)", database="damaged")
        self.db.sql("INSERT INTO rides SELECT generate_series(1, 1000); CHECKPOINT", database="damaged")
        path = self.db.folder / "data" / self.db.sql("SELECT pg_relation_filepath('rides')", database="damaged")
        with path.open("r+b") as file:
            file.seek(_PAGE + _PAGE // 2)
            file.write(b"\xff" * 64)

    def _dumped(self, name: str, *options: str) -> Path:
        path = self.folder / name
        command = [
            str(self.db.programs / "pg_dump"), "-h", str(self.db.folder), "-p", str(self.db.port), "-U", "postgres",
            "-d", "trailblaze", "-F", "c", *options, "-f", str(path),
        ]  # fmt: skip
        subprocess.run(command, check=True, timeout=60)
        return path

    def _api(self) -> None:
        port = self.port("api", 8000)
        self.url = f"http://{HERE}:{port}"
        environment = {
            "DATABASE_URL": self.db.url("trailblaze", "trailblaze", self.words["trailblaze"]),
            "GEMINI_URL": f"{self.outside}/v1beta", "GEMINI_API_KEY": self.key, "TRAILBLAZE_LOGS": str(self.logs),
        }  # fmt: skip
        self.api = self.part(
            "api", self.uvicorn(port), environment=environment, ready=asking.answers(f"{self.url}/health")
        )
        self._note_pid()

    def _note_pid(self) -> None:
        (self.folder / "api.pid").write_text(str(self.api.pid), encoding="utf-8")

    def stop(self) -> None:
        if getattr(self, "small_disk", False):
            subprocess.run(["umount", "-l", str(self.disk)], check=False)

    def environment(self) -> Mapping[str, str]:
        return {
            "TRAILBLAZE_HOME": str(self.home), "TRAILBLAZE_URL": self.url, "TRAILBLAZE_LOGS": str(self.logs),
            "TRAILBLAZE_CACHE": str(self.cache), "TRAILBLAZE_BACKUPS": str(self.backups),
            "TRAILBLAZE_SOURCE": f"{self.outside}/calendar", "GEMINI_URL": f"{self.outside}/v1beta",
            "GEMINI_API_KEY": self.key,
            "TRAILBLAZE_MONITOR_URL": self.db.url("trailblaze", "monitor", self.words["monitor"]),
            "TRAILBLAZE_RESTORE_URL": self.db.url("postgres", "restore", self.words["restore"]),
        }  # fmt: skip

    def changes(self) -> Mapping[str, Any]:
        """What is read more often than a real TrailBlaze would be, and what a stand-in has not."""
        self.hold, restore = self.folder / "hold", self.folder / "pg_restore"
        script(restore, _RESTORE.format(hold=self.hold, pg_restore=self.db.programs / "pg_restore"))
        page = {"interval": "90s", "timeout": "1m", "elements_within": "4s", "sandbox": False}
        backup = {"at_rest": "1s", "pg_restore": str(restore)}
        return {
            "targets": {
                "trailblaze-api": {"interval": "2s"},
                "trailblaze-processes": {"groups": {"api": {"command": None, "pid_file": f"{self.folder}/api.pid"}}},
                "trailblaze-gemini": {"look_interval": "2s"},
                "trailblaze-source": page if program("chromium") else None,
                "trailblaze-cache": {"walk_interval": "2s"},
                "trailblaze-status": {"interval": "2s"},
                "trailblaze-description": {"interval": "5s"},
                "trailblaze-backups": {
                    "interval": "2s", "backups": {"database": backup}, "scratch": str(self.folder / "scratch"),
                },
                "trailblaze-secrets": {
                    "interval": "2s",
                    "secrets": {"gemini": {"file": str(self.home / "gemini.key"), "key": None, "by": "time"}},
                },
                "trailblaze-dependencies": None,  # it asks registries on the network
            }
        }  # fmt: skip

    def scrapes(self) -> list[dict[str, Any]]:
        return [monitoring.scraped(self.name, self.port("api"), "trailblaze")]

    def addresses(self) -> Mapping[str, str]:
        site = f"{self.outside}/calendar"
        return {"TrailBlaze": f"{self.url}/docs", "the site that is scraped": site, "its logs": str(self.logs)}

    def wants(self, need: str) -> str:
        if need == "small disk":
            return "" if self.small_disk else "a small disk cannot be mounted: that takes root"
        return super().wants(need)

    # ------------------------------------------------------------ what faults do

    def around(self, **changes: str) -> None:
        """Change the world around it."""
        asking.post(f"{self.outside}/simulate", changes)

    def come(self, visitors: float) -> None:
        """Have so many visitors come each second."""
        put(self.rate, str(visitors))

    def steady(self) -> None:
        self.come(_RATE)

    def ask_otherwise(self, target: str, **settings: Any) -> None:
        """Have the exporter ask something else of a target."""
        self.reconfigure({"targets": {target: settings}})

    def look_no_more(self) -> None:
        """Have the site as it was; that it changed is true for a day, so nobody looks at it for as long."""
        self.around(layout="old")
        self.reconfigure({"targets": {"trailblaze-source": None}})

    def die(self) -> None:
        self.api.kill()

    def live(self) -> None:
        self.api.start()
        self._note_pid()

    def break_disk(self) -> None:
        """Have a disk give back other bytes than were written, and somebody read them."""
        self.db.sql("CREATE DATABASE archive TEMPLATE damaged STRATEGY file_copy;\n\\c archive\n"
                    "\\set ON_ERROR_STOP 0\nSELECT count(*) FROM rides;")  # fmt: skip

    def replace_disk(self) -> None:
        self.db.sql("DROP DATABASE archive WITH (FORCE)")

    def stop_archive(self) -> None:
        self.full.touch()
        self.turn(switching=True)

    def start_archive(self) -> None:
        self.turn(switching=False)
        self.full.unlink()

    def age_archive(self, hours: int) -> None:
        """Have the last file of the transaction log be archived so many hours ago."""
        self.db.sql(f"UPDATE acted.clock SET older = '{hours} hours'", database="trailblaze")

    # ---- scrapers and cache

    def hang_scraper(self) -> None:
        """Have the scraper hang since yesterday.

        That something was last done is never taken back, unless it was in the future, which must have been a
        mistake: so two lines bring it to yesterday.
        """
        self.scrapers.send(signal.SIGSTOP)
        now = datetime.now(UTC)
        lines = [
            {"timestamp": moment.isoformat(), "level": "INFO", "message": "aerc_calendar: finished, 48 events"}
            for moment in (now + timedelta(days=3), now - timedelta(hours=30))
        ]
        with (self.logs / "scrapers.log").open("a", encoding="utf-8") as file:
            file.write("".join(json.dumps(line) + "\n" for line in lines))

    def go_on(self) -> None:
        """Have the scraper go on; its next run makes everything in the cache anew."""
        self.scrapers.send(signal.SIGCONT)

    def age(self, pattern: str, hours: float) -> None:
        """Have the scraper stand still, and files of the cache be so old."""
        self.scrapers.send(signal.SIGSTOP)
        then = time.time() - hours * 3600
        for path in self.cache.glob(pattern):
            if path.suffix == ".json" and path.parent == self.cache:
                found = json.loads(path.read_text(encoding="utf-8"))
                found["fetched_at"] = datetime.fromtimestamp(then, UTC).isoformat()
                path.write_text(json.dumps(found), encoding="utf-8")
            os.utime(path, (then, then))

    def lose_events(self) -> None:
        """Have the scraper miss some of the rows of a page."""
        self.age("aerc_calendar_2027-01.html", 0.5)
        self._spoil(slice(3, None))

    def lose_dates(self) -> None:
        """Have the scraper find events without their dates."""
        self.scrapers.send(signal.SIGSTOP)
        self._spoil(slice(None), "date")

    def _spoil(self, kept: slice, without: str = "") -> None:
        path = self.cache / "aerc_calendar_2027-01.json"
        found = json.loads(path.read_text(encoding="utf-8"))
        found["events"] = [
            {key: value for key, value in one.items() if key != without} for one in found["events"][kept]
        ]
        path.write_text(json.dumps(found), encoding="utf-8")
        then = time.time() - 1200
        os.utime(path, (then, then))

    # ---- backups, secrets, tasks

    def backup(self, nights_ago: float, dump: Path | None = None) -> Path:
        """Put a backup of so many nights ago into its folder."""
        then = time.time() - nights_ago * _DAY
        path = self.backups / time.strftime("trailblaze-%Y%m%d_%H%M%S.backup", time.localtime(then))
        made = path.with_suffix(".tmp")
        shutil.copyfile(dump or self.dump, made)
        os.utime(made, (then, then))
        made.replace(path)
        return path

    def newest_backup(self) -> Path:
        return max(self.backups.glob("trailblaze-*.backup"), key=lambda path: path.stat().st_mtime)

    def corrupt(self) -> None:
        self.bad = self.backup(0)
        os.truncate(self.bad, self.bad.stat().st_size * 9 // 10)

    def shrink(self) -> None:
        self.bad = self.backup(0, self.small_dump)

    def keep_long(self) -> None:
        self.bad = self.backup(_NIGHTS + 5)

    def remove_bad(self) -> None:
        self.bad.unlink()

    def hold_restore(self) -> None:
        self.hold.touch()
        self.ask_otherwise("trailblaze-backups", backups={"database": {"restore": {"interval": "20s"}}})

    def let_restore(self) -> None:
        self.reconfigure()
        self.hold.unlink()

    def age_key(self, days: float) -> None:
        then = time.time() - days * _DAY
        os.utime(self.home / "gemini.key", (then, then))

    def task(self, days_ago: float) -> None:
        """Mark a task of the checklist as done so many days ago."""
        self.mark_done(_BY_HAND[self.tasks_done % len(_BY_HAND)], days_ago)

    def do_task(self) -> None:
        self.task(0)
        self.tasks_done += 1  # what was done today is not undone by what was done earlier: next time it is another one

    # ---- the small disk

    def fill(self, share: float) -> None:
        """Use so much of the small disk."""
        with (self.disk / "filler").open("wb") as file:
            file.write(bytes(int(_DISK * share)))

    def clear(self) -> None:
        with suppress(FileNotFoundError):
            self.fill(0.05)

    def load(self, **shares: float) -> None:
        """Use so much of the machine's processors or memory."""
        for name, share in shares.items():
            setattr(self.machine, name, share)

    faults = (
        Fault(
            "checksum", "A disk gives back other bytes than PostgreSQL has written.",
            break_disk, replace_disk, (alert("PostgreSQLChecksumFailure", target="trailblaze-db", datname="archive"),),
            seconds=450,
        ),
        Fault(
            "traffic", "Somebody asks for four times as much as is usual.",
            lambda app: app.come(4 * _RATE), steady, (alert("TrafficUnusual", job="trailblaze", traffic="more"),),
            needs=("history",),
        ),
        Fault(
            "nobody", "Hardly anybody comes: the way to TrailBlaze is broken somewhere.",
            lambda app: app.come(0.12 * _RATE), steady, (alert("TrafficUnusual", job="trailblaze", traffic="less"),),
            needs=("history",),
        ),
        Fault(
            "errors", "After a release most of the requests for one event end in an exception.",
            lambda app: app.turn(failing=0.8), lambda app: app.turn(failing=0),
            (alert("HighErrorRate", job="trailblaze"),),
        ),
        Fault(
            "slow", "Every request takes 700 ms.",
            lambda app: app.turn(delay=0.7), lambda app: app.turn(delay=0), (alert("SlowResponse", job="trailblaze"),),
        ),
        Fault(
            "slow-endpoint", "The assistant takes 1.6 s.",
            lambda app: app.turn(assistant_delay=1.6), lambda app: app.turn(assistant_delay=0),
            (alert("SlowResponse", job="trailblaze"),),
        ),
        Fault(
            "down", "The API has died, and nobody starts it anew.",
            die, live,
            (alert("EndpointDown", target="trailblaze-api", priority="P0"), alert("TargetDown", job="trailblaze"),
             alert("ProcessDown", target="trailblaze-processes", groupname="api")),
        ),
        Fault(
            "hang", "The API takes connections, and answers nothing.",
            lambda app: app.api.send(signal.SIGSTOP), lambda app: app.api.send(signal.SIGCONT),
            (alert("EndpointDown", target="trailblaze-api", priority="P0"), alert("TargetDown", job="trailblaze")),
        ),
        Fault(
            "log-errors", "An import writes errors without end.",
            lambda app: app.turn(complaints=10), lambda app: app.turn(complaints=0),
            (alert("LogErrorsSurge", target="trailblaze-logs", log="api"),), needs=("history",),
        ),
        Fault(
            "database", "PostgreSQL is down.",
            lambda app: app.db.part.stop(), lambda app: app.db.part.start(),
            (alert("PostgreSQLDown", target="trailblaze-db"), alert("HighErrorRate", job="trailblaze")),
        ),
        Fault(
            "connections", "Connections to PostgreSQL are opened and never closed.",
            lambda app: app.turn(leak=35), lambda app: app.turn(leak=0),
            (alert("PostgreSQLConnectionsHigh", target="trailblaze-db"),),
        ),
        Fault(
            "query", "A query runs for more than a minute.",
            lambda app: app.turn(query=3600), lambda app: app.turn(query=0),
            (alert("PostgreSQLSlowQuery", target="trailblaze-db", datname="trailblaze"),), seconds=150,
        ),
        Fault(
            "archive", "The disk for the transaction log's archive is full.",
            stop_archive, start_archive, (alert("PostgreSQLArchiveFailing", target="trailblaze-db"),),
        ),
        Fault(
            "log-backup", "The transaction log was last archived two hours ago.",
            lambda app: app.age_archive(2), lambda app: app.age_archive(0),
            (alert("TransactionLogBackupOverdue", target="trailblaze-db"),),
        ),
        Fault(
            "gemini", "Gemini is overloaded, and answers 503.",
            lambda app: app.around(gemini="down"), lambda app: app.around(gemini="well"),
            (alert("ExternalAPIDown", target="trailblaze-gemini", critical="yes"),),
        ),
        Fault(
            "gemini-key", "Gemini does not take the key any more.",
            lambda app: app.around(gemini="revoked"), lambda app: app.around(gemini="well"),
            (alert("APIKeyInvalid", target="trailblaze-gemini", use="work"),),
        ),
        Fault(
            "source", "The site that is scraped answers 503.",
            lambda app: app.around(site="down"), lambda app: app.around(site="well"),
            (alert("EndpointDown", target="trailblaze-source", priority="P2"),), needs=("chromium",), seconds=240,
        ),
        Fault(
            "scraper", "The scraper has not come to its end since yesterday.",
            hang_scraper, go_on, (alert("ScraperFailing", target="trailblaze-logs", job_name="aerc_calendar"),),
        ),
        Fault(
            "cache-html", "The HTML in the cache is from yesterday.",
            lambda app: app.age("*.html", 25), go_on,
            (alert("CacheStale", **{"target": "trailblaze-cache", "class": "html"}),),
            (alert("CacheValidationFailed", **{"target": "trailblaze-cache", "class": "html", "check": "timestamp"}),),
        ),
        Fault(
            "cache-json", "The JSON in the cache is 13 hours old.",
            lambda app: app.age("*.json", 13), go_on,
            (alert("CacheStale", **{"target": "trailblaze-cache", "class": "json"}),),
            (alert("CacheValidationFailed", **{"target": "trailblaze-cache", "class": "json", "check": "timestamp"}),),
        ),
        Fault(
            "cache-comparison", "The comparison with the database was made seven hours ago.",
            lambda app: app.age("comparison/*", 7), go_on,
            (alert("CacheStale", **{"target": "trailblaze-cache", "class": "comparison"}),),
        ),
        Fault(
            "cache-rows", "The scraper finds nine events in a page of twelve rows.",
            lose_events, go_on,
            (alert("CacheValidationFailed", **{"target": "trailblaze-cache", "class": "html", "check": "count"}),),
        ),
        Fault(
            "cache-form", "The scraper finds events without their dates.",
            lose_dates, go_on,
            (alert("CacheValidationFailed", **{"target": "trailblaze-cache", "class": "json", "check": "schema"}),),
        ),
        Fault(
            "cache-cold", "Most of what is asked for is not in the cache any more.",
            lambda app: app.turn(cold=0.6), lambda app: app.turn(cold=0),
            (alert("AppCacheHitRateLow", target="trailblaze-status", cache="responses"),),
        ),
        Fault(
            "backup", "A backup should be made each hour, and the newest is older.",
            lambda app: app.ask_otherwise("trailblaze-backups", backups={"database": {"interval": "1h", "grace": 0}}),
            lambda app: app.reconfigure(),
            (alert("BackupOverdue", target="trailblaze-backups", backup="database", part="age"),),
        ),
        Fault(
            "backup-damaged", "The newest backup was cut off while it was written.",
            corrupt, remove_bad, (alert("BackupCorrupt", target="trailblaze-backups", part="file"),),
        ),
        Fault(
            "backup-small", "The newest backup is much smaller than the one before.",
            shrink, remove_bad, (alert("BackupShrunk", target="trailblaze-backups"),),
        ),
        Fault(
            "backup-kept", "Old backups are not removed any more.",
            keep_long, remove_bad, (alert("BackupRetentionExceeded", target="trailblaze-backups"),),
        ),
        Fault(
            "restore", "A restore was tried longer ago than it should be.",
            hold_restore, let_restore, (alert("RestoreTestOverdue", target="trailblaze-backups", part="age"),),
            seconds=90,
        ),
        Fault(
            "key", "The key of Gemini is older than a quarter.",
            lambda app: app.age_key(100), lambda app: app.age_key(0),
            (alert("KeyRotationOverdue", target="trailblaze-secrets", secret="gemini"),),  # noqa: S106  # its name
        ),
        Fault(
            "key-open", "Every user of the machine may read the key of Gemini.",
            lambda app: (app.home / "gemini.key").chmod(0o644), lambda app: (app.home / "gemini.key").chmod(0o600),
            (alert("SecretReadableByOthers", target="trailblaze-secrets", secret="gemini"),),  # noqa: S106  # its name
        ),
        Fault(
            "task", "A task of each month was last done two months ago.",
            lambda app: app.task(60), do_task, (alert("MaintenanceTaskOverdue", target="trailblaze-tasks"),),
        ),
        Fault(
            "disk", "A disk is nearly full.",
            lambda app: app.fill(0.9), clear, (alert("DiskSpaceLow"),), (alert("DiskWillFillSoon"),),
            needs=("small disk",), seconds=150,
        ),
        Fault(
            "disk-filling", "A disk fills, and will be full within the day.",
            lambda app: app.fill(0.65), clear, (alert("DiskWillFillSoon"),), needs=("small disk",), seconds=150,
        ),
        Fault(
            "cpu", "The processors are busy all the time.",
            lambda app: app.load(busy=0.95), lambda app: app.load(busy=0.15), (alert("HighCPUUsage"),),
        ),
        Fault(
            "memory", "The memory is nearly used up.",
            lambda app: app.load(used=0.93), lambda app: app.load(used=0.40), (alert("HighMemoryUsage"),),
        ),
        Fault(
            "source-changed", "The site that is scraped is built otherwise than before.",
            lambda app: app.around(layout="new"), look_no_more,
            (alert("SourceSiteChanged", target="trailblaze-source"),),
            needs=("chromium",), seconds=240,
        ),
    )  # fmt: skip
