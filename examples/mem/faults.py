"""What can go wrong in Mem, as its guide tells it: how each fault comes about, and which alerts it raises."""

from exporter.demo.application import Fault, alert
from exporter.demo.files import script

_LARGE = 2_000_000  # bytes of a video that takes long

FAULTS = (
    Fault(
        "dedup", "Frames that were seen before are not recognised: every fifth is kept again.",
        lambda mem: mem.turn(new_pictures=0.2), lambda mem: mem.turn(new_pictures=0.0, recent=400),
        (alert("DeduplicationRateLow", target="mem"),),
        beside=(alert("PerformanceTargetMissed", target="mem", kind="deduplication"),),
        needs=("history",), seconds=420,
    ),
    Fault(
        "slow_frames", "Taking frames out of a video takes longer than the video plays.",
        lambda mem: mem.turn(speed=0.4), lambda mem: mem.turn(speed=9.0),
        (alert("VideoProcessingSlow", target="mem"),),
        beside=(alert("PerformanceTargetMissed", target="mem", kind="video"),),
        needs=("history",), seconds=420,
    ),
    Fault(
        "lock", "Somebody's script has opened mem.duckdb and does not let go, so Mem itself cannot open it.",
        lambda mem: mem.hold(), lambda mem: mem.let_go(),
        (alert("DuckDBLocked", target="mem-db", part="holder"),
         alert("DuckDBLocked", target="mem-logs", part="log", log="api"),
         alert("HealthDegraded", target="mem-api"),
         alert("JobQueueGrowing", target="mem", queue="capture")),
    ),
    Fault(
        "down", "The API has died, and nobody starts it anew.",
        lambda mem: mem.die(), lambda mem: mem.live(),
        (alert("EndpointDown", target="mem-api", priority="P0"),),
        beside=(
            alert("HighErrorRate", target="mem-proxy"),
            alert("ProcessDown", target="mem-processes", groupname="api"),
        ),
        needs=("nginx",),
    ),
    Fault(
        "search", "Searching takes 300 ms.",
        lambda mem: mem.turn(search_delay=0.3), lambda mem: mem.turn(search_delay=0),
        (alert("SearchLatencyHigh", target="mem-proxy"),),
        beside=(alert("PerformanceTargetMissed", target="mem-proxy", kind="search"),),
    ),
    Fault(
        "large_video", "nginx gives up waiting for the application when a large video comes.",
        lambda mem: (mem.turn(upload_delay=5.0), mem.bring(_LARGE)),
        lambda mem: (mem.bringer.stop(), mem.turn(upload_delay=0)),
        (alert("GatewayTimeouts", target="mem-proxy"),),
        needs=("nginx",),
    ),
    Fault(
        "backlog", "The workers stand still, and the oldest video has waited for two hours.",
        lambda mem: mem.linger(2), lambda mem: mem.linger(0),
        (alert("JobQueueGrowing", target="mem", queue="capture"),),
        beside=(alert("JobQueueBacklog", target="mem", queue="capture"),),
    ),
    Fault(
        "stuck", "A video has been processed for five hours, and does not end.",
        lambda mem: mem.turn(running=5 * 3600), lambda mem: mem.turn(running=0),
        (alert("JobStuck", target="mem", job_name="capture"),),
    ),
    Fault(
        "failing", "Every third video fails.",
        lambda mem: mem.turn(failing=0.33), lambda mem: mem.turn(failing=0),
        (alert("JobFailureRateHigh", target="mem", job_name="capture"),),
        seconds=420,
    ),
    Fault(
        "oom", "Whisper needs more memory than there is, and the kernel kills it in the middle of a transcription.",
        lambda mem: mem.kill_transcription(), lambda _: None,
        (alert("OutOfMemoryKill", priority="P1"),),
    ),
    Fault(
        "memory", "The API takes nearly all the memory that it may.",
        lambda mem: mem.swell(720, 0), lambda mem: mem.swell(0, 0),
        (alert("ProcessMemoryNearLimit", target="mem-processes", groupname="api"),),
    ),
    Fault(
        "files", "The API opens files and does not close them.",
        lambda mem: mem.swell(0, 900), lambda mem: mem.swell(0, 0),
        (alert("ProcessFileDescriptorsNearLimit", target="mem-processes", groupname="api"),),
    ),
    Fault(
        "permissions", "mem.duckdb can be read by everybody.",
        lambda mem: mem.database.chmod(0o644), lambda mem: mem.database.chmod(0o600),
        (alert("FilePermissionsTooOpen", target="mem-files", path="database", part="mode"),),
    ),
    Fault(
        "temp_files", "Temporary files of last week lie there still.",
        lambda mem: mem.leave_temporary_files(), lambda mem: mem.clear_temporary_files(),
        (alert("TempFilesPileUp", target="mem-files", path="temp", part="age"),),
    ),
    Fault(
        "old_logs", "Logs of six weeks are kept, and thirty days are meant.",
        lambda mem: mem.keep_logs(), lambda mem: mem.drop_logs(),
        (alert("LogRotationOverdue", target="mem-files", path="logs", part="files"),),
    ),
    Fault(
        "log_errors", "The API writes one error after the other.",
        lambda mem: mem.turn(log=200), lambda _: None,
        (alert("LogErrorsSurge", target="mem-logs", log="api"),),
        needs=("history",),
    ),
    Fault(
        "backup_missing", "The backup that is due was not made.",
        lambda mem: mem.miss_backups(), lambda mem: mem.reconfigure(),
        (alert("BackupOverdue", target="mem-backups", backup="database", part="age"),),
    ),
    Fault(
        "backup_damaged", "The backup of last night was cut short.",
        lambda mem: mem.corrupt(), lambda mem: mem.repair(),
        (alert("BackupCorrupt", target="mem-backups", backup="database", part="file"),),
    ),
    Fault(
        "backup_small", "The newest backup is whole, and has hardly anything in it.",
        lambda mem: mem.shrink(), lambda mem: mem.put_back(),
        (alert("BackupShrunk", target="mem-backups", backup="database"),),
    ),
    Fault(
        "pipeline", "The test video does not go through the pipeline any more.",
        lambda mem: (mem.home / "test.mp4").rename(mem.home / "gone.mp4"),
        lambda mem: (mem.home / "gone.mp4").rename(mem.home / "test.mp4"),
        (alert("PipelineTestFailed", target="mem-checks"),),
    ),
    Fault(
        "ffmpeg", "FFmpeg is not installed any more.",
        lambda mem: mem.ffmpeg.rename(mem.ffmpeg.with_suffix(".gone")),
        lambda mem: mem.ffmpeg.with_suffix(".gone").rename(mem.ffmpeg),
        (alert("PrerequisiteMissing", target="mem-checks", name="ffmpeg"),),
    ),
    Fault(
        "gpu", "The graphics processor's driver does not answer since the last update.",
        lambda mem: script(mem.smi, "echo 'Failed to initialize NVML: Driver mismatch'; exit 18"),
        lambda mem: mem.answer_as_gpu(),
        (alert("GPUUnavailable", target="mem-gpu"),),
    ),
    Fault(
        "slow",
        "The API takes 700 ms to say how it is.",
        lambda mem: mem.turn(status_delay=0.7),
        lambda mem: mem.turn(status_delay=0),
        (alert("APIResponseOverMaximum", target="mem-api"),),
        beside=(alert("APIResponseOverTarget", target="mem-api"),),
    ),
    Fault(
        "ram",
        "Whisper's models take nearly all the memory of the machine.",
        lambda mem: setattr(mem.machine, "used", 0.93),
        lambda mem: setattr(mem.machine, "used", 0.40),
        (alert("HighMemoryUsage"),),
    ),
    Fault(
        "disk",
        "The disk of the database has less than 10 GB of room left.",
        lambda mem: mem.move_to_small_disk(),
        lambda mem: mem.move_back(),
        (alert("DatabaseStorageLow", target="mem-files", path="database"),),
        needs=("small disk",),
    ),
    Fault(
        "integrity",
        "A block of mem.duckdb can not be read any more.",
        lambda mem: mem.damage(),
        lambda mem: mem.restore(),
        (alert("DatabaseIntegrityFailed", target="mem-db", priority="P0"),),
        seconds=150,
    ),
    Fault(
        "wal",
        "The write-ahead log grows, and no checkpoint empties it.",
        lambda mem: mem.swell_log(),
        lambda mem: mem.empty_log(),
        (alert("DuckDBWALLarge", target="mem-db"),),
    ),
    Fault(
        "maintenance",
        "The weekly maintenance of the database was last done three weeks ago.",
        lambda mem: mem.mark_done("mem-vacuum", 21),
        lambda mem: mem.mark_done("mem-vacuum", 0.01),
        (alert("MaintenanceTaskOverdue", target="mem-tasks", task="mem-vacuum"),),
    ),
    Fault(
        "growth", "The database has grown by 500 MB more than in a week that was planned for.",
        lambda mem: mem.grow(500), lambda mem: mem.give_room(),
        (alert("DuckDBGrowthOverTarget", target="mem-db"),),
        needs=("history",), seconds=90,
    ),
)  # fmt: skip
