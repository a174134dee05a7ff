"""NDISuite for `runbook-exporter demo`: its parts, and the faults that its guide tells of."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from exporter.demo import asking, monitoring, postgres, servers
from exporter.demo.application import HERE, Application, Fault, alert
from exporter.demo.files import put
from exporter.demo.part import Part

_DAY = 86400.0
_MIGRATION = "0012_alter_user_first_name_max_length"
_SCHEMA = """
CREATE TABLE reports (id int PRIMARY KEY, participant int NOT NULL, reference int NOT NULL, title text);
INSERT INTO reports SELECT n, n % 2000 + 1, n % 2000 + 1, md5(n::text) FROM generate_series(1, 120000) n;
CREATE INDEX reports_participant ON reports (participant);
GRANT SELECT ON reports TO ndisuite;
ANALYZE;
"""
_DRAFTS = """
DROP TABLE IF EXISTS drafts;
CREATE TABLE drafts (id int, version int) WITH (autovacuum_enabled = off);
INSERT INTO drafts SELECT n, 1 FROM generate_series(1, 30000) n;
"""


class NDISuite(Application):
    """Django with Celery, Redis and PostgreSQL, a front end, and OpenAI outside."""

    title = "NDISuite"
    libraries = (
        "django", "gunicorn", "celery", "redis", "psycopg", "websockets", "prometheus_client", "jmespath", "re2",
    )  # fmt: skip

    # ------------------------------------------------------------ its parts

    def start(self) -> None:
        names = ("home", "log", "backup", "tls")
        self.home, self.logs, self.backups, self.tls = (self.folder / name for name in names)
        inside = (self.home / name for name in ("media", "vector_db", "tmp"))
        for folder in (*inside, self.logs, self.backups, self.tls):
            folder.mkdir(parents=True)
        self.key, self.password, self.knobs = self.secret(), self.secret(), self.folder / "knobs.json"
        self.want(failing=0, hanging=0)
        self._files()
        self._around()
        self._database()
        self._django()
        self._backups()
        self.part("visitors", self.python("visitors.py", self.url, "probe", self.password))

    def _files(self) -> None:
        (self.home / ".env").write_text("DEBUG=False\n", encoding="utf-8")
        (self.home / "vector_db" / "index.faiss").write_bytes(os.urandom(20_000))
        for number in range(5):
            (self.home / "media" / f"session-{number}.ogg").write_bytes(os.urandom(5_000))
        self.copy()
        self.certify(90)

    def _around(self) -> None:
        openai, front, live = self.port("openai"), self.port("front", 3000), self.port("live", 8001)
        self.openai, self.front_url = f"http://{HERE}:{openai}", f"http://{HERE}:{front}"
        ready = asking.answers(f"{self.front_url}/")
        self.front = self.part("front", self.python("around.py", "front", str(front)), ready=ready)
        self.live = self.part("live", self.python("around.py", "live", str(live)), ready=lambda: asking.listens(live))
        command = self.python("around.py", "openai", str(openai), self.key)
        self.part("openai", command, ready=lambda: asking.listens(openai))
        memory = ("--maxmemory", "64mb", "--maxmemory-policy", "noeviction")
        self.redis = servers.redis(self, self.port("redis", 6379), *memory)

    def _database(self) -> None:
        self.db = postgres.server(self)
        self.words = {"ndisuite": self.secret(), "monitor": self.secret()}
        self.db.sql(f"CREATE ROLE ndisuite LOGIN PASSWORD '{self.words['ndisuite']}'")
        self.db.sql(f"CREATE ROLE monitor LOGIN IN ROLE pg_monitor PASSWORD '{self.words['monitor']}'")
        self.db.sql("CREATE DATABASE ndisuite OWNER ndisuite")
        self.db.sql(_SCHEMA + _DRAFTS, database="ndisuite")

    def _variables(self) -> dict[str, str]:
        """Return what the application's own processes know of where they are."""
        return {
            "DATABASE_URL": self.db.url("ndisuite", "ndisuite", self.words["ndisuite"]), "FRONT_URL": self.front_url,
            "CELERY_BROKER_URL": self._broker(), "OPENAI_URL": f"{self.openai}/v1", "OPENAI_API_KEY": self.key,
            "NDISUITE_LOGS": str(self.logs), "NDISUITE_KNOBS": str(self.knobs), "PYTHONPATH": str(self.here),
            "SECRET_KEY": self.key, "HOME": str(self.folder),  # gunicorn keeps a socket there
        }  # fmt: skip

    def _broker(self) -> str:
        return f"redis://{HERE}:{self.port('redis')}/0"

    def _django(self) -> None:
        self.manage("migrate", "--verbosity", "0")
        os.environ["DJANGO_SUPERUSER_PASSWORD"] = self.password
        self.manage("createsuperuser", "--noinput", "--username", "probe", "--email", "probe@example.com")
        del os.environ["DJANGO_SUPERUSER_PASSWORD"]
        port = self.port("api", 8000)
        self.url = f"http://{HERE}:{port}"
        gunicorn = [
            sys.executable, "-m", "gunicorn", "suite:application", "--workers", "1", "--threads", "16", "--bind",
            f"{HERE}:{port}",
        ]  # fmt: skip
        ready = asking.answers(f"{self.url}/health")
        self.api = self.part("gunicorn", gunicorn, environment=self._variables(), ready=ready)
        worker = [
            sys.executable, "-m", "celery", "-A", "tasks", "worker", "-E", "-P", "threads", "-c", "8",
            "-n", "worker1@%h", "--without-gossip", "--without-mingle", "--loglevel", "INFO",
            "--logfile", str(self.logs / "celery.log"),
        ]  # fmt: skip
        self.worker = self.part("celery", worker, environment=self._variables(), ready=self._consumes)
        self.note_pids()

    def _consumes(self) -> bool:
        log = self.logs / "celery.log"
        return log.exists() and " ready." in log.read_text(encoding="utf-8")

    def manage(self, *arguments: str) -> None:
        """Run a management command of Django."""
        environment = {**os.environ, **self._variables()}
        subprocess.run(
            self.python("manage.py", *arguments), check=True, env=environment, timeout=120, capture_output=True
        )  # fmt: skip

    def note_pids(self) -> None:
        parts = {"gunicorn": self.api, "celery": self.worker, "nextjs": self.front, "redis": self.redis}
        for name, part in parts.items():
            (self.folder / f"{name}.pid").write_text(str(part.pid), encoding="utf-8")

    def _backups(self) -> None:
        self.dump = self.folder / "whole.dump"
        command = [
            str(self.db.programs / "pg_dump"), "-h", str(self.db.folder), "-p", str(self.db.port), "-U", "postgres",
            "-d", "ndisuite", "-F", "c", "-f", str(self.dump),
        ]  # fmt: skip
        subprocess.run(command, check=True, timeout=60)
        for night in range(3):
            self.backup(night + 0.05)
        then = time.time() - 0.05 * _DAY
        with tarfile.open(self.backups / "config_20260101.tar.gz", "w:gz") as archive:
            archive.add(self.home / ".env", ".env")
        os.utime(self.backups / "config_20260101.tar.gz", (then, then))

    def environment(self) -> Mapping[str, str]:
        known = self._variables()
        return {
            **{name: known[name] for name in ("CELERY_BROKER_URL", "OPENAI_URL", "OPENAI_API_KEY", "DATABASE_URL")},
            "NDISUITE_LOGS": str(self.logs), "NDISUITE_HOME": str(self.home), "NDISUITE_URL": self.url,
            "NDISUITE_FRONT_URL": self.front_url, "NDISUITE_LIVE_URL": f"ws://{HERE}:{self.port('live')}",
            "NDISUITE_BACKUPS": str(self.backups), "NDISUITE_CERTIFICATES": str(self.tls / "*.pem"),
            "NDISUITE_PROBE_PASSWORD": self.password,
            "NDISUITE_MONITOR_URL": self.db.url("ndisuite", "monitor", self.words["monitor"]),
        }  # fmt: skip

    def changes(self) -> Mapping[str, Any]:
        """What is read more often than a real NDISuite would be, and what a stand-in has not."""
        groups = {
            name: {"command": None, "name": None, "pid_file": f"{self.folder}/{name}.pid"}
            for name in ("gunicorn", "celery", "nextjs", "redis")
        }
        migrations = {
            "command": self.python("manage.py", "migrate", "--check"), "directory": "/",
            "environment": {"PYTHONPATH": str(self.here), "NDISUITE_LOGS": str(self.logs)},
            "secret_environment": {"DATABASE_URL": "${DATABASE_URL}"}, "timeout": "50s",
        }  # fmt: skip
        quick = {"interval": "2s"}
        return {
            "targets": {
                "ndisuite-api": quick, "ndisuite-front": quick, "ndisuite-login": quick, "ndisuite-cors": quick,
                "ndisuite-live": quick,
                "ndisuite-processes": {"groups": groups},
                "ndisuite-tasks": {"control_interval": "2s", "broker_interval": "2s"},
                "ndisuite-openai": {"look_interval": "2s"},
                "ndisuite-files": {"walk_interval": "2s"},
                "ndisuite-certificates": {"interval": "2s"},
                "ndisuite-checks": {"interval": "1m", "timeout": "55s", "commands": {"migrations": migrations}},
                "ndisuite-backups": {
                    "interval": "2s", "scratch": str(self.folder / "scratch"),
                    "backups": {"database": {"at_rest": "1s"}, "configuration": {"at_rest": "1s"}},
                },
                "ndisuite-dependencies": None,  # it asks registries on the network
            }
        }  # fmt: skip

    def scrapes(self) -> list[dict[str, Any]]:
        front = monitoring.scraped(f"{self.name}-front", self.port("front"), "ndisuite-frontend")
        back = monitoring.scraped(self.name, self.port("api"), "ndisuite-backend")
        return [back, {**front, "metrics_path": "/api/metrics"}]

    def addresses(self) -> Mapping[str, str]:
        return {"NDISuite": f"{self.url}/api/reports", "its front end": self.front_url, "its logs": str(self.logs)}

    # ------------------------------------------------------------ what faults do

    def want(self, **knobs: float) -> None:
        """Turn knobs of the worker's tasks."""
        before = json.loads(self.knobs.read_text(encoding="utf-8")) if self.knobs.exists() else {}
        put(self.knobs, json.dumps({**before, **knobs}))

    def around(self, openai: str) -> None:
        asking.post(f"{self.openai}/simulate", {"openai": openai})

    def revive(self, part: Part) -> None:
        part.start()
        self.note_pids()

    def let_guess(self) -> None:
        self.guesser = self.part("guesser", self.python("visitors.py", self.url))

    def hang_report(self) -> None:
        """Have a report begin that does not come to its end."""
        self.want(hanging=1)
        code = "from tasks import generate_report; generate_report.delay()"
        environment = {**os.environ, **self._variables()}
        subprocess.run([sys.executable, "-c", code], check=True, env=environment, timeout=30, capture_output=True)

    def forget_migration(self) -> None:
        self.db.sql(f"DELETE FROM django_migrations WHERE name = '{_MIGRATION}'", database="ndisuite")

    def apply_migration(self) -> None:
        self.db.sql(
            f"INSERT INTO django_migrations (app, name, applied) VALUES ('auth', '{_MIGRATION}', now())",
            database="ndisuite",
        )

    def start_query(self) -> None:
        psql = self.db.programs / "psql"
        self.query = self.part("query", [
            psql, "-h", self.db.folder, "-p", str(self.db.port), "-U", "postgres", "-d", "ndisuite",
            "-c", "SELECT count(*) FROM reports a, pg_sleep(3600)",
        ])  # fmt: skip

    def end_query(self) -> None:
        self.query.stop()
        self.db.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(3600)%'"
                    " AND pid <> pg_backend_pid()")  # fmt: skip

    def write_much(self) -> None:
        self.db.sql("UPDATE drafts SET version = version + 1", database="ndisuite")

    def vacuum(self) -> None:
        self.db.sql(_DRAFTS, database="ndisuite")

    def fill_redis(self) -> None:
        self._redis("EVAL", "for i = 1, 59 do redis.call('SET', 'fill:' .. i, string.rep('x', 1000000)) end", "0")

    def empty_redis(self) -> None:
        self._redis("EVAL", "for i = 1, 59 do redis.call('DEL', 'fill:' .. i) end", "0")

    def _redis(self, *words: str) -> None:
        import redis

        with redis.Redis.from_url(self._broker(), socket_timeout=10) as client:
            client.execute_command(*words)

    # ---- files

    def copy(self) -> None:
        """Copy media and vectors, as rsync does."""
        for name in ("media", "vector_db"):
            shutil.copytree(self.home / name, self.backups / name, dirs_exist_ok=True)

    def empty_store(self) -> None:
        (self.home / "vector_db" / "index.faiss").rename(self.folder / "index.faiss")
        (self.backups / "vector_db" / "index.faiss").unlink()

    def fill_store(self) -> None:
        (self.folder / "index.faiss").rename(self.home / "vector_db" / "index.faiss")
        self.copy()

    def leave_temp(self) -> None:
        path = self.home / "tmp" / "upload-1.part"
        path.write_bytes(bytes(1000))
        then = time.time() - 9 * _DAY
        os.utime(path, (then, then))

    def clear_temp(self) -> None:
        (self.home / "tmp" / "upload-1.part").unlink()

    def certify(self, days: int) -> None:
        """Make a certificate that ends in so many days."""
        made, key = self.folder / "made.pem", self.folder / "made.key"
        command = [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
            str(key), "-out", str(made), "-subj", "/CN=ndisuite.example.com", "-days", str(days),
        ]  # fmt: skip
        subprocess.run(command, check=True, capture_output=True, timeout=30)
        made.replace(self.tls / "fullchain.pem")

    def backup(self, nights_ago: float, cut: float = 1.0) -> Path:
        """Put a dump of so many nights ago into the folder of backups, all of it or the beginning."""
        then = time.time() - nights_ago * _DAY
        path = self.backups / time.strftime("backup_%Y%m%d_%H%M%S.dump", time.localtime(then))
        whole = self.dump.read_bytes()
        made = path.with_suffix(".tmp")
        made.write_bytes(whole[: int(len(whole) * cut)])
        os.utime(made, (then, then))
        made.replace(path)
        return path

    def copy_more_often(self) -> None:
        """Have copies of the configuration be asked for each hour."""
        hourly = {"backups": {"configuration": {"interval": "1h", "grace": "0s"}}}
        self.reconfigure({"targets": {"ndisuite-backups": hourly}})

    def cut_backup(self) -> None:
        self.bad = self.backup(0.01, cut=0.9)

    def remove_bad(self) -> None:
        self.bad.unlink()

    def load(self, **shares: float) -> None:
        """Use so much of the machine's processors or memory."""
        for name, share in shares.items():
            setattr(self.machine, name, share)

    faults = (
        Fault(
            "back-end", "gunicorn has died, and nobody starts it anew.",
            lambda app: app.api.kill(), lambda app: app.revive(app.api),
            (alert("EndpointDown", target="ndisuite-api", priority="P0"), alert("TargetDown", job="ndisuite-backend"),
             alert("LoginFailing", target="ndisuite-login"), alert("LoginFailing", target="ndisuite-cors"),
             alert("ProcessDown", target="ndisuite-processes", groupname="gunicorn")),
            seconds=90,
        ),
        Fault(
            "front-end", "The front end has died, and nobody starts it anew.",
            lambda app: app.front.kill(), lambda app: app.revive(app.front),
            (alert("EndpointDown", target="ndisuite-front", priority="P0"),
             alert("TargetDown", job="ndisuite-frontend"),
             alert("ProcessDown", target="ndisuite-processes", groupname="nextjs")),
        ),
        Fault(
            "websocket", "The WebSocket of the transcription does not answer.",
            lambda app: app.live.send(signal.SIGSTOP), lambda app: app.live.send(signal.SIGCONT),
            (alert("EndpointDown", target="ndisuite-live", priority="P0"),),
        ),
        Fault(
            "login", "Nobody can log in: every password is refused.",
            lambda app: app.turn(logins_broken=True), lambda app: app.turn(logins_broken=False),
            (alert("LoginFailing", target="ndisuite-login"),),
        ),
        Fault(
            "cors", "Browsers may not ask: the preflight is refused.",
            lambda app: app.turn(cors_broken=True), lambda app: app.turn(cors_broken=False),
            (alert("LoginFailing", target="ndisuite-cors"),),
        ),
        Fault(
            "errors", "A third of the requests for reports end in an exception.",
            lambda app: app.turn(failing=0.4), lambda app: app.turn(failing=0),
            (alert("HighErrorRate", job="ndisuite-backend"),),
        ),
        Fault(
            "slow", "Reports take 1.5 s, everything else is as quick as ever.",
            lambda app: app.turn(reports_delay=1.5), lambda app: app.turn(reports_delay=0),
            (alert("APIHighLatency", job="ndisuite-backend", endpoint="/api/reports"),),
        ),
        Fault(
            "log-errors", "The back end writes errors without end.",
            lambda app: app.turn(complaints=10), lambda app: app.turn(complaints=0),
            (alert("LogErrorsSurge", target="ndisuite-logs", log="django"),), needs=("history",),
        ),
        Fault(
            "guessing", "Somebody tries one user and password after the other.",
            let_guess, lambda app: app.guesser.stop(),
            (alert("FailedAuthentications", target="ndisuite-logs", log="django"),),
        ),
        Fault(
            "worker", "The Celery worker has died, and tasks wait.",
            lambda app: app.worker.kill(), lambda app: app.revive(app.worker),
            (alert("CeleryWorkersDown", target="ndisuite-tasks"),
             alert("ProcessDown", target="ndisuite-processes", groupname="celery")),
            (alert("CeleryWorkersMissing", target="ndisuite-tasks"),),
            seconds=180,
        ),
        Fault(
            "tasks", "A seventh of the recordings are in a format that is not supported.",
            lambda app: app.want(failing=0.15), lambda app: app.want(failing=0),
            (alert("CeleryTaskFailures", target="ndisuite-tasks", runs="many"),),
        ),
        Fault(
            "stuck", "A report runs for longer than it may.",
            hang_report, lambda app: app.want(hanging=0),
            (alert("CeleryTaskStuck", target="ndisuite-tasks", stuck="limit"),), seconds=120,
        ),
        Fault(
            "redis", "Redis is down, so no task can be handed on.",
            lambda app: app.redis.kill(), lambda app: app.revive(app.redis),
            (alert("RedisDown", target="ndisuite-redis"), alert("CeleryDown", target="ndisuite-tasks"),
             alert("HighErrorRate", job="ndisuite-backend"),
             alert("ProcessDown", target="ndisuite-processes", groupname="redis")),
            seconds=120,
        ),
        Fault(
            "redis-memory", "Redis has nearly used up the memory that it may use.",
            fill_redis, empty_redis, (alert("RedisMemoryHigh", target="ndisuite-redis"),),
        ),
        Fault(
            "database", "PostgreSQL is down.",
            lambda app: app.db.part.stop(), lambda app: app.db.part.start(),
            (alert("PostgreSQLDown", target="ndisuite-db"), alert("HighErrorRate", job="ndisuite-backend"),
             alert("LoginFailing", target="ndisuite-login")),
            seconds=90,
        ),
        Fault(
            "query", "A query runs for more than a minute.",
            start_query, end_query, (alert("PostgreSQLSlowQuery", target="ndisuite-db", datname="ndisuite"),),
            seconds=150,
        ),
        Fault(
            "vacuum", "A table is half full of dead rows, and nobody vacuums it.",
            write_much, vacuum, (alert("PostgreSQLVacuumOverdue", target="ndisuite-db", relname="drafts"),), seconds=90,
        ),
        Fault(
            "index", "Reports are looked for by a column that has no index.",
            lambda app: app.turn(unindexed=True), lambda app: app.turn(unindexed=False),
            (alert("PostgreSQLMissingIndex", target="ndisuite-db", relname="reports"),), seconds=120,
        ),
        Fault(
            "migrations", "The database lacks a migration that the code expects.",
            forget_migration, apply_migration, (alert("MigrationsPending", target="ndisuite-checks"),), seconds=180,
        ),
        Fault(
            "openai", "OpenAI is overloaded, and answers 503.",
            lambda app: app.around("down"), lambda app: app.around("well"),
            (alert("ExternalAPIDown", target="ndisuite-openai", critical="yes"),),
        ),
        Fault(
            "openai-key", "OpenAI does not take the key any more.",
            lambda app: app.around("revoked"), lambda app: app.around("well"),
            (alert("APIKeyInvalid", target="ndisuite-openai", use="work"),),
        ),
        Fault(
            "vectors", "The store of vectors is empty.",
            empty_store, fill_store, (alert("VectorStoreEmpty", target="ndisuite-files", path="vectors"),),
        ),
        Fault(
            "temporary", "Temporary files of last week lie about.",
            leave_temp, clear_temp, (alert("TempFilesPileUp", target="ndisuite-files", part="age"),),
        ),
        Fault(
            "certificate", "The certificate ends in ten days, and was not renewed.",
            lambda app: app.certify(10), lambda app: app.certify(90),
            (alert("CertificateExpiresSoon", target="ndisuite-certificates"),),
        ),
        Fault(
            "backup", "The configuration should be copied each hour, and the newest copy is older.",
            copy_more_often, lambda app: app.reconfigure(),
            (alert("BackupOverdue", target="ndisuite-backups", backup="configuration", part="age"),),
        ),
        Fault(
            "backup-damaged", "The newest dump was cut off while it was written.",
            cut_backup, remove_bad,
            (alert("BackupCorrupt", target="ndisuite-backups", backup="database", part="file"),),
        ),
        Fault(
            "cpu", "The processors are busy all the time.",
            lambda app: app.load(busy=0.95), lambda app: app.load(busy=0.15), (alert("HighCPUUsage"),),
        ),
        Fault(
            "memory", "The memory is nearly used up.",
            lambda app: app.load(used=0.93), lambda app: app.load(used=0.40), (alert("HighMemoryUsage"),),
        ),
    )  # fmt: skip
