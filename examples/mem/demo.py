"""Mem for `runbook-exporter demo`: its parts, and the faults that its guide tells of."""

import getpass
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from exporter.demo import asking, servers
from exporter.demo.application import HERE, Application, program
from exporter.demo.files import script
from exporter.demo.part import Part

from .faults import FAULTS

_DAY = 86400.0
_BACKUP = """
import duckdb, sys
c = duckdb.connect(sys.argv[1])
c.execute('CREATE TABLE frames AS SELECT range AS id, hash(range) AS hash FROM range(' + sys.argv[2] + ')')
"""
_GPU = "0, NVIDIA A100-SXM4-40GB, 535.183.01, 40960, 1024, 35, 45, 60.25, 400.00"


class Mem(Application):
    """FastAPI over mem.duckdb, which it alone has open; nginx before it where that is installed."""

    title = "Mem"
    libraries = ("fastapi", "uvicorn", "duckdb", "jmespath", "re2")
    moved: Path | None = None
    """Where the database is while it lies on a small disk."""
    mounted: Path | None = None

    # ------------------------------------------------------------ its parts

    def start(self) -> None:
        self.home, self.logs, self.backups = (self.folder / name for name in ("home", "log", "backup"))
        for folder in (self.home / "tmp", self.home / "bin", self.logs, self.backups):
            folder.mkdir(parents=True)
        self.database = self.home / "db" / "mem.duckdb"
        self.database.parent.mkdir()
        (self.home / "mem.duckdb").symlink_to(self.database)
        self._files()
        last = self.backup(1, 400_000)
        for night in range(2, 8):
            self._copied(last, night)
        self.api = self._api()
        nginx = self._nginx()
        self.front = f"http://{HERE}:{nginx or self.port('api', 8000)}"
        self.part("visitors", self.python("visitors.py", self.front))

    def _files(self) -> None:
        (self.home / ".env").write_text("WHISPER_MODEL=small\n", encoding="utf-8")
        (self.home / ".env").chmod(0o600)
        (self.home / "test.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(20_000))
        self.ffmpeg, self.smi = self.home / "bin" / "ffmpeg", self.home / "bin" / "nvidia-smi"
        script(self.ffmpeg, "echo 'ffmpeg version 5.1.6 Copyright (c) 2000-2024 the FFmpeg developers'")
        self.answer_as_gpu()

    def _api(self) -> Part:
        port = self.port("api", 8000)
        self.url = f"http://{HERE}:{port}"
        environment = {"MEM_HOME": str(self.home / "db"), "MEM_LOGS": str(self.logs)}
        if not program("nginx"):
            environment["MEM_ACCESS_LOG"] = str(self.logs / "nginx-mem.log")
        ready = asking.answers(f"{self.url}/api/status")
        part = self.part("api", self.uvicorn(port), environment=environment, ready=ready)
        self.until(self.database.exists, what="the database is there")
        self.database.chmod(0o600)
        return part

    def _nginx(self) -> int | None:
        if not program("nginx"):
            return None
        port = self.port("nginx")
        servers.nginx(self, port, f"""
            log_format timed '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent '
                             '"$http_referer" "$http_user_agent" request_time="$request_time"';
            access_log {self.logs}/nginx-mem.log timed;
            client_max_body_size 5m;
            server {{
                listen {HERE}:{port};
                location / {{
                    proxy_pass http://{HERE}:{self.port("api")};
                    proxy_read_timeout 2s;
                }}
            }}
        """)  # fmt: skip
        return port

    def environment(self) -> Mapping[str, str]:
        return {
            "MEM_HOME": str(self.home), "MEM_LOGS": str(self.logs), "MEM_URL": f"http://{HERE}:{self.port('api')}",
            "MEM_NGINX_LOG": str(self.logs / "nginx-mem.log"), "MEM_BACKUPS": str(self.backups),
            "MEM_USER": getpass.getuser(),
        }  # fmt: skip

    def changes(self) -> Mapping[str, Any]:
        """What is read more often than a real Mem would be, and what a stand-in has not."""
        pipeline = {
            "command": self.python("pipeline.py", self.home / "test.mp4"),
            "interval": "2s",
            "directory": "/",
            "timeout": "1s",
        }
        return {
            "targets": {
                "mem-api": {"interval": "2s"},
                "mem-db": {
                    "path": str(self.database), "read_interval": "5s", "integrity_interval": "1m",
                    "scratch": str(self.folder / "scratch"),
                },
                "mem-files": {
                    "walk_interval": "2s",
                    "paths": {"database": {"path": str(self.database)}, "logs": {"path": str(self.logs / "[ac]*.log")}},
                },
                "mem-processes": {
                    "groups": {
                        "api": {"command": None, "pid_file": str(self._pid()), "memory_limit": "900MB"},
                        "nginx": {"name": None, "pid_file": str(self.folder / "nginx" / "nginx.pid")}
                        if program("nginx") else None,
                    }
                },
                "mem-service": None,  # no systemd here
                "mem-gpu": {"command": [str(self.smi)], "interval": "2s", "expected": 1},
                "mem-backups": {
                    "interval": "2s", "scratch": str(self.folder / "scratch"),
                    "backups": {"database": {"at_rest": "1s"}},
                },
                "mem-checks": {
                    "interval": "10s", "timeout": "10s",
                    "commands": {"pipeline": pipeline},
                    "prerequisites": {
                        "python": {"command": [sys.executable, "--version"]},
                        "ffmpeg": {"command": [str(self.ffmpeg), "-version"]},
                    },
                },
                "mem-clamav": None,
                "mem-dependencies": None,  # it asks registries on the network
            }
        }  # fmt: skip

    def _pid(self) -> Path:
        """Return a file with the number of the API's process."""
        file = self.folder / "api.pid"
        file.write_text(str(self.api.pid), encoding="utf-8")
        return file

    def addresses(self) -> Mapping[str, str]:
        return {"Mem": f"{self.front}/api/status", "its logs": str(self.logs)}

    # ------------------------------------------------------------ what faults do

    def answer_as_gpu(self) -> None:
        script(self.smi, f"echo '{_GPU}'")

    def backup(self, nights_ago: float, rows: int) -> Path:
        """Make a backup of so many nights ago."""
        then = time.time() - (nights_ago - 1) * _DAY - 3600
        path = self.backups / f"mem_{time.strftime('%Y%m%d', time.localtime(then))}.duckdb"
        made = path.with_suffix(".tmp")
        subprocess.run([sys.executable, "-c", _BACKUP, made, str(rows)], check=True, timeout=60)
        os.utime(made, (then, then))
        made.replace(path)
        return path

    def _copied(self, backup: Path, nights_ago: int) -> None:
        then = backup.stat().st_mtime - (nights_ago - 1) * _DAY
        path = self.backups / f"mem_{time.strftime('%Y%m%d', time.localtime(then))}.duckdb"
        shutil.copyfile(backup, path)
        os.utime(path, (then, then))

    def newest_backup(self) -> Path:
        return max(self.backups.glob("mem_*.duckdb"), key=lambda path: path.stat().st_mtime)

    def die(self) -> None:
        self.api.kill()

    def live(self) -> None:
        self.api.start()
        self._pid()

    def hold(self) -> None:
        """Have somebody else open the database in the moment in which the application lets go of it."""
        self.intruder = self.part("intruder", self.python("intruder.py", self.database))
        self.until(lambda: "waits" in self.intruder.tail(), what="somebody else waits for the database")
        self.turn(reconnect=1.0)
        self.until(lambda: "holds it" in self.intruder.tail(), what="somebody else holds the database")

    def let_go(self) -> None:
        self.intruder.stop()
        port = self.port("api")
        self.until(lambda: asking.get(f"http://{HERE}:{port}/api/status")["status"] == "healthy", what="it is open")

    def bring(self, size: int) -> None:
        """Have somebody bring a video of that size, again and again."""
        self.bringer = self.part("bringer", self.python("visitors.py", self.front, str(size)))

    def corrupt(self) -> None:
        """Cut the newest backup short."""
        path = self.newest_backup()
        shutil.copyfile(path, self.folder / "whole")
        os.truncate(path, path.stat().st_size * 3 // 4)

    def repair(self) -> None:
        shutil.copyfile(self.folder / "whole", self.newest_backup())

    def small_disk(self) -> Path | None:
        """Return a folder on a file system with less than 10 GB of room, where there is one."""
        for place in ("/run/lock", f"/run/user/{os.getuid()}", "/dev/shm"):  # noqa: S108  # memory file systems
            with suppress(OSError):
                room = shutil.disk_usage(place).free
                if os.access(place, os.W_OK) and 64_000_000 < room < 9_000_000_000:
                    return Path(place)
        return None

    def wants(self, need: str) -> str:
        if need == "small disk":
            reason = "there is no file system with less than 10 GB of room where it could put its database"
            return "" if self.small_disk() or os.geteuid() == 0 else reason
        return super().wants(need)

    def linger(self, hours: float) -> None:
        """Have the oldest job wait for so long."""
        self.turn(paused=bool(hours), oldest=hours * 3600)

    def swell(self, megabytes: int, files: int) -> None:
        self.turn(use={"megabytes": megabytes, "files": files})

    def kill_transcription(self) -> None:
        """Have the kernel kill Whisper."""
        self.turn(transcribe=True)
        self.machine.oom_kills += 1

    def leave_temporary_files(self) -> None:
        old = time.time() - 8 * _DAY
        for number in range(5):
            path = self.home / "tmp" / f"frame-{number}.jpg"
            path.write_bytes(b"frame")
            os.utime(path, (old, old))

    def clear_temporary_files(self) -> None:
        for path in (self.home / "tmp").iterdir():
            path.unlink()

    def keep_logs(self) -> None:
        """Have what was rotated in six weeks lie there."""
        for day in range(1, 43):
            stamp = time.strftime("%Y%m%d", time.localtime(time.time() - day * _DAY))
            (self.logs / f"api.log-{stamp}").write_text("old\n", encoding="utf-8")

    def drop_logs(self) -> None:
        for path in self.logs.glob("api.log-*"):
            path.unlink()

    def miss_backups(self) -> None:
        """Have backups be due each half hour: that one is made is over for longer, and nobody can wait for a night."""
        often = {"interval": "30m", "grace": "0s"}
        self.reconfigure({"targets": {"mem-backups": {"backups": {"database": often}}}})

    def shrink(self) -> None:
        self.backup(0.99, 10)

    def put_back(self) -> None:
        self.newest_backup().unlink()

    def grow(self, megabytes: int) -> None:
        """Have the database hold so much more, in pieces, so that jobs are done meanwhile."""
        with self.closed():
            shutil.copy(self.database, self.home / "before")
        self.turn(sql=["CREATE TABLE embeddings (part UBIGINT)"])
        for start in range(0, megabytes, 20):
            rows = f"range({start * 125_000}, {(start + 20) * 125_000})"  # of eight bytes that cannot be packed
            self.turn(sql=[f"INSERT INTO embeddings SELECT hash(range) FROM {rows}"])
        self.turn(sql=["CHECKPOINT"])

    def give_room(self) -> None:
        """Put the file of before in its place: DuckDB gives hardly any room back, whatever is dropped."""
        with self.closed():
            (self.home / "before").replace(self.database)

    def damage(self) -> None:
        """Have a block in the middle of the database read as nothing."""
        self.turn(sql=["CHECKPOINT"])
        self.damaged_at = self.database.stat().st_size // 2
        with self.database.open("r+b") as file:
            file.seek(self.damaged_at)
            self.undamaged = file.read(4096)
            file.seek(self.damaged_at)
            file.write(bytes(4096))

    def restore(self) -> None:
        """Put a whole file in its place, while the application has it closed."""
        with self.closed():
            whole = self.database.with_suffix(".whole")
            shutil.copy(self.database, whole)
            with whole.open("r+b") as file:
                file.seek(self.damaged_at)
                file.write(self.undamaged)
            whole.replace(self.database)

    @contextmanager
    def closed(self) -> Iterator[None]:
        """Have the application let go of the database for the block."""
        self.turn(reconnect=30)
        try:
            yield
        finally:
            self.turn(open=True)

    def move_to_small_disk(self) -> None:
        place = self.small_disk()
        if place is None:
            self.mounted = self.folder / "small"
            self.mounted.mkdir()
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256m", "mem", self.mounted], check=True, timeout=20)
            place = self.mounted
        moved = self.moved = place / f"mem-{os.getpid()}"
        with self.closed():
            shutil.copytree(self.database.parent, moved)
            self.database.parent.rename(self.home / "db.before")
            (self.home / "db").symlink_to(moved)

    def move_back(self) -> None:
        with self.closed():
            (self.home / "db").unlink()
            shutil.rmtree(self.home / "db.before")
            shutil.copytree(self.moved or "", self.home / "db")
        self.stop()

    def stop(self) -> None:
        if self.moved:
            shutil.rmtree(self.moved, ignore_errors=True)
        if self.mounted:
            subprocess.run(["umount", self.mounted], check=False, timeout=20)
            self.mounted.rmdir()
        self.moved = self.mounted = None

    def swell_log(self) -> None:
        """Have the write-ahead log grow, as it does where no checkpoint can be made."""
        part = "INSERT INTO pending SELECT range, repeat('frame ', 43) FROM range(60000)"
        self.turn(sql=["SET checkpoint_threshold = '10GB'", "CREATE TABLE pending (id BIGINT, text VARCHAR)"])
        for _ in range(36):
            self.turn(sql=[part])

    def empty_log(self) -> None:
        self.turn(sql=["DROP TABLE pending", "CHECKPOINT", "SET checkpoint_threshold = '16MB'"])

    faults = FAULTS
