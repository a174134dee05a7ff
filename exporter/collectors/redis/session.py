"""What the reads of one round over a Redis server share."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from exporter.collector import NotApplicable
from exporter.collectors.redis.connection import Asking, Server
from exporter.collectors.redis.info import Info
from exporter.collectors.redis.reply import Command, Refusal, Reply
from exporter.collectors.redis.trouble import withheld
from exporter.metric import Metric, Samples

if TYPE_CHECKING:
    from exporter.collectors.redis.keys import Kinds
    from exporter.collectors.redis.patterns import Matches
    from exporter.collectors.redis.settings import RedisSettings

INFO: Final = ("INFO", "all")
SETTINGS: Final = ("databases", "maxclients", "maxmemory", "io-threads", "client-output-buffer-limit")
SLOWLOG_LENGTH: Final = ("SLOWLOG", "LEN")
SLOWLOG_LAST: Final = ("SLOWLOG", "GET", "1")
LATENCY: Final = ("LATENCY", "LATEST")
CLUSTER: Final = ("CLUSTER", "INFO")
SENTINEL: Final = ("SENTINEL", "MASTERS")


def setting_command(name: str) -> Command:
    """Return the command that asks for one setting: `*` would have the passwords come along."""
    return ("CONFIG", "GET", name)


_EVERYWHERE: Final = (Asking("info", INFO),)
_OF_SENTINELS: Final = (*_EVERYWHERE, Asking("sentinel|masters", SENTINEL))
_OF_SERVERS: Final = (
    *_EVERYWHERE,
    *(Asking("config|get", setting_command(name)) for name in SETTINGS),
    Asking("slowlog|len", SLOWLOG_LENGTH),
    Asking("slowlog|get", SLOWLOG_LAST),
    Asking("latency|latest", LATENCY),
)
_OF_CLUSTERS: Final = (*_OF_SERVERS, Asking("cluster|info", CLUSTER))
_NAMES: Final[Mapping[Command, str]] = {asking.command: asking.name for asking in (*_OF_CLUSTERS, *_OF_SENTINELS)}


def wanted(mode: str) -> Sequence[Asking]:
    """Return what is asked at each round: only what a server of this mode knows, since it counts errors."""
    return {"sentinel": _OF_SENTINELS, "cluster": _OF_CLUSTERS}.get(mode, _OF_SERVERS)


class Session:
    """One round: what the server told at its beginning, and more that reads may ask."""

    def __init__(self, server: Server, settings: "RedisSettings") -> None:
        self._server = server
        self._round = server.round
        self.settings = settings
        self._answers = server.gather(wanted)
        self.info = server.understood(self._answers[INFO])
        self.mode = server.mode
        self.kinds: Kinds | None = None  # of the keys that the configuration names, once asked
        self.matches: Matches | None = None  # of its patterns

    def answer(self, command: Command, what: str) -> Any:
        """Return what the server answered to a command of every round; NotApplicable where it is for other modes."""
        if command not in self._answers:
            raise NotApplicable(f"this is no {what}")
        answer = self._answers[command]
        if isinstance(answer, Refusal):
            raise withheld(answer, _NAMES[command])
        return answer

    def setting(self, name: str) -> str | None:
        """Return a setting of the server, None where it has none of that name."""
        answer = self.answer(setting_command(name), "server with settings")
        if isinstance(answer, list) and len(answer) == 2 and isinstance(answer[1], bytes):
            return answer[1].decode("utf-8", "replace")
        return None

    def ask(self, commands: Sequence[Command]) -> list[Reply]:
        """Return the server's answers to more commands."""
        return self._server.ask(commands) if commands else []

    def try_to(self, commands: Sequence[Command]) -> list[Reply]:
        """Return the server's answers to more commands, of which some may be refused; those are not asked each time."""
        return self._server.try_to(commands, self._server.database) if commands else []

    @property
    def spent(self) -> float:
        """How much of the round's time is over, as a share."""
        return self._server.spent

    def select(self, database: int) -> Refusal | None:
        """Go to a database, which the next commands are for; return why the server would not, if so."""
        if database == self._server.database:
            return None
        (answer,) = self._server.try_to([("SELECT", str(database))])
        if isinstance(answer, Refusal):
            return answer
        self._server.database = database
        return None

    def start_time(self, started: float) -> float:
        """Return when the server started, the same each time: uptime and clock are in whole seconds, and disagree."""
        run = self.info.text("run_id")
        before = self._server.started
        if before[0] != run or abs(before[1] - started) > 2:
            self._server.started = (run, started)
        return self._server.started[1]

    def cancel(self) -> None:
        """Let go of what is waited for, from another thread."""
        self._server.cancel(self._round)


def told(info: Info, metrics: Mapping[str, Metric], scale: float = 1) -> Samples:
    """Yield the fields of INFO that have these metrics."""
    for name, metric in metrics.items():
        value = info.number(name)
        yield metric(value if value is None or scale == 1 else value * scale)
