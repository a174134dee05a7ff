"""What the server is, since when it runs, and what CPU time it has used."""

import time
from typing import Final

from exporter.collector import read
from exporter.collectors.redis.info import Info
from exporter.collectors.redis.session import Session, told
from exporter.metric import Metric, Samples, counter, gauge, info

_SOURCE: Final = "INFO"

INSTANCE = info(
    "redis_instance_info",
    "What the server is; a restart gives it another run_id and process_id.",
    labels=(
        "role", "redis_version", "redis_build_id", "redis_mode", "os", "maxmemory_policy", "tcp_port", "run_id",
        "process_id", "master_replid",
    ),
    source=_SOURCE,
)  # fmt: skip
VERSION = info(
    "runbook_redis_version_info",
    "The product (redis, valkey, ...) and its version; what only speaks as Redis does names a version of Redis beside.",
    labels=("product", "version"),
    source=_SOURCE,
)
START = gauge("redis_start_time_seconds", "When the server started.", unit="timestamp_seconds", source=_SOURCE)
FORK = gauge("redis_latest_fork_seconds", "How long the last fork kept the server from answering.", source=_SOURCE)
_SERVER: Final[dict[str, Metric]] = {
    "uptime_in_seconds": gauge("redis_uptime_in_seconds", "How long the server has run.", source=_SOURCE),
    "process_id": gauge("redis_process_id", "The number of its process.", source=_SOURCE),
    "hz": gauge("redis_hz", "How often a second it does its chores.", source=_SOURCE),
    "configured_hz": gauge("redis_configured_hz", "How often a second it should do its chores.", source=_SOURCE),
    "io_threads_active": gauge("redis_io_threads_active", "1 while other threads read and write.", source=_SOURCE),
    "cluster_enabled": gauge("redis_cluster_enabled", "1 where it is a node of a cluster.", source=_SOURCE),
}
_CPU: Final[dict[str, Metric]] = {
    "used_cpu_sys": counter("redis_cpu_sys_seconds_total", "CPU time in the kernel.", source=_SOURCE),
    "used_cpu_user": counter("redis_cpu_user_seconds_total", "CPU time in the server itself.", source=_SOURCE),
    "used_cpu_sys_children": counter(
        "redis_cpu_sys_children_seconds_total", "CPU time of its children in the kernel.", source=_SOURCE
    ),
    "used_cpu_user_children": counter(
        "redis_cpu_user_children_seconds_total", "CPU time of its children themselves.", source=_SOURCE
    ),
    "used_cpu_sys_main_thread": counter(
        "redis_cpu_sys_main_thread_seconds_total", "CPU time of the main thread in the kernel.", source=_SOURCE
    ),
    "used_cpu_user_main_thread": counter(
        "redis_cpu_user_main_thread_seconds_total", "CPU time of the main thread itself.", source=_SOURCE
    ),
}


@read
def server(session: Session) -> Samples:
    """What the server is, and since when it runs."""
    text = session.info.text
    yield INSTANCE(
        1,
        redis_mode=session.info.mode,
        **{label: text(label) for label in INSTANCE.labels if label != "redis_mode"},
    )
    product, version = product_of(session.info)
    yield VERSION(1, product=product, version=version)
    yield from told(session.info, _SERVER)
    uptime = session.info.number("uptime_in_seconds")
    if uptime is not None:
        yield START(session.start_time(float(int(time.time()) - uptime)))
    fork = session.info.number("latest_fork_usec")
    yield FORK(fork if fork is None else fork / 1e6)


@read
def cpu(session: Session) -> Samples:
    """CPU time that was used."""
    yield from told(session.info, _CPU)


def product_of(info: Info) -> tuple[str, str]:
    """Return the product's name and version."""
    for product in ("valkey", "dragonfly", "keydb"):
        if version := info.text(f"{product}_version"):
            return product, version.removeprefix("df-v")
    return "redis", info.text("redis_version")
