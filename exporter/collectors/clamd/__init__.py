"""ClamAV's daemon: whether it answers, how old the signatures are that it scans with, and how busy it is."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from exporter.collector import Collector, Context, NotApplicable, Trouble, Unable, read
from exporter.collectors.clamd.asking import Clamd
from exporter.collectors.clamd.settings import ClamdSettings
from exporter.collectors.clamd.told import pools_in, version_in
from exporter.deadline import Cancel, Deadline, within
from exporter.jsontext import beginning
from exporter.metric import Remarking, Samples, gauge

_VERSION_SOURCE: Final = "clamd's answer to VERSION"
_STATS_SOURCE: Final = "clamd's answer to STATS"
_POOL: Final = ("index", "primary")
_OFF: Final = "COMMAND UNAVAILABLE"  # where clamd.conf switches a command off
_AHEAD: Final = 900.0  # seconds that signatures may be from the future, as clocks differ

UP = gauge("clamav_up", "1 where clamd answers PING, 0 where it does not.", source="clamd's answer to PING")
VERSION = gauge(
    "clamav_version", "The version of ClamAV that runs, as a label; always 1.", labels=("version",),
    source=_VERSION_SOURCE,
)  # fmt: skip
DATABASE = gauge(
    "clamav_db_version", "The number of the daily signatures that clamd has loaded.", source=_VERSION_SOURCE
)
BUILT = gauge(
    "clamav_db_timestamp_seconds",
    "When the daily signatures that clamd has loaded were built, in Unix time.",
    source=_VERSION_SOURCE,
)
LIVE = gauge("clamav_pool_live_threads", "Threads that scan.", labels=_POOL, source=_STATS_SOURCE)
IDLE = gauge("clamav_pool_idle_threads", "Threads that wait for work.", labels=_POOL, source=_STATS_SOURCE)
MOST = gauge("clamav_pool_max_threads", "How many threads there may be.", labels=_POOL, source=_STATS_SOURCE)
QUEUE = gauge("clamav_pool_queue_length", "Scans that wait for a thread.", labels=_POOL, source=_STATS_SOURCE)


class ClamAV(Collector[Clamd]):
    """ClamAV's daemon, asked over its socket."""

    Settings = ClamdSettings
    interval = 30.0
    timeout = 10.0

    def __init__(self, settings: ClamdSettings, context: Context) -> None:
        super().__init__(settings, context)
        self._cancel = Cancel()
        self._asked = False

    @contextmanager
    def connect(self) -> Iterator[Clamd]:
        self._cancel = Cancel()
        self._asked = True
        clamd = Clamd(self.settings, Deadline(within(self.context.timeout)), self._cancel)
        try:
            answer = clamd.ask("PING")
        except Unable:
            self._asked = False
            raise
        if answer != "PONG":
            fix = "see what listens there; expected clamd, which answers PONG"
            raise Trouble(f"{self.settings.address} answers PING with {beginning(answer.encode())}", fix)
        yield clamd

    def interrupt(self) -> None:
        self._cancel.cancel()

    def standing(self, up: bool, failing: bool) -> Samples:  # noqa: ARG002  # as the engine asks
        """clamav_up, where it could be asked."""
        if self._asked:
            yield UP(up)

    @read
    def version(self, clamd: Clamd) -> Remarking:
        """Its version, and the age of the signatures that it has loaded."""
        answer = clamd.ask("VERSION")
        if answer == _OFF:
            return "it does not tell how old its signatures are: set `EnableVersionCommand yes` in clamd.conf"
        told = version_in(answer, self.settings.zone())
        if told is None:
            raise Trouble(f"it answers VERSION with {beginning(answer.encode())}", "see which clamd it is")
        yield VERSION(1, version=told.program)
        yield DATABASE(told.signatures)
        if told.signatures is None:
            return "it has loaded no daily signatures: see freshclam's log, then restart clamd"
        if told.built is None or told.built > time.time() + _AHEAD:
            return "the time of its signatures is none, or still to come: say with `timezone` in which zone it runs"
        yield BUILT(told.built)
        return ""

    @read
    def pools(self, clamd: Clamd) -> Samples:
        """How many threads scan, and what waits for one."""
        answer = clamd.ask("STATS")
        if answer == _OFF:
            raise NotApplicable("it does not tell how busy it is", "set `EnableStatsCommand yes` in clamd.conf")
        found = pools_in(answer)
        if not found:
            raise Trouble("its answer to STATS tells of no threads", "see which clamd it is")
        for index, pool in enumerate(found):
            labels = {"index": str(index), "primary": str(int(pool.primary))}
            yield LIVE(pool.live, **labels)
            yield IDLE(pool.idle, **labels)
            yield MOST(pool.most, **labels)
            yield QUEUE(pool.queue, **labels)
