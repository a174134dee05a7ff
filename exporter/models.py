"""What the configuration can say: its sections, and what every target can be told."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from exporter.setting import FilePath, Seconds, setting

UNIX: Final = "unix:"
_LONGEST_SOCKET: Final = 90  # some systems take 104 with the end, and the socket is made under a longer name

Problems = Iterator[tuple[str, str]]
"""The path of a key below the model, and what is wrong with it; expected what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSettings:
    """Where and how the exporter is reached."""

    listen_address: str = setting(
        "127.0.0.1:10420",
        help="Host and port to listen on, without a host (`:10420`) on every interface; or `unix:` and the path of a "
        "socket.",
        example='"[::1]:10420"',
    )
    listen_addresses: tuple[str, ...] = setting(
        (), help="Further addresses to listen on.", example='["192.0.2.7:10420", "unix:/run/runbook-exporter/http"]'
    )
    unix_socket_mode: str = setting(
        "0660", help="Who may connect to the unix sockets: their mode, in octal.", example='"0600"'
    )
    systemd_socket: bool = setting(
        False, help="Whether to listen on the sockets that systemd passes, and on no others."
    )
    config_file: FilePath = setting(
        "",
        help="The web configuration: TLS, users, headers and limits, in the format that Prometheus' exporters share "
        "(docs/web.md).",
        example="web.yml",
    )
    timeout_offset: Seconds = setting(
        0.5, help="How long before the scraper's own deadline a page is finished, to leave time for its way."
    )
    enable_lifecycle: bool = setting(
        False, help="Whether `POST /-/reload` works for whoever can reach the address; a user may reload without this."
    )
    max_connections: int = setting(1024, help="How many connections may be open at once.")

    def check(self) -> Problems:
        """Find an address that is none, and limits that would let nobody in."""
        yield from (("listen_address", problem) for problem in _address_problems(self.listen_address))
        for further in self.listen_addresses:
            yield from (("listen_addresses", f"{further[:60]!r} {problem}") for problem in _address_problems(further))
        if not re.fullmatch(r"0?[0-7]{3}", self.unix_socket_mode):
            yield "unix_socket_mode", 'is no mode; expected octal digits, such as "0660"'
        if self.timeout_offset >= 5:
            yield "timeout_offset", "leaves no time for a page; expected less than 5s"
        if self.max_connections < 1:
            yield "max_connections", "lets nobody in; expected 1 or more"

    @property
    def addresses(self) -> tuple[str, ...]:
        """Every address to listen on, each once."""
        return tuple(dict.fromkeys((self.listen_address, *self.listen_addresses)))


def _address_problems(address: str) -> Iterator[str]:
    if address.startswith(UNIX):
        path = address.removeprefix(UNIX)
        if not path.startswith("/") or len(path.encode()) > _LONGEST_SOCKET:
            yield f"is no address; expected unix: and an absolute path of at most {_LONGEST_SOCKET} bytes"
        return
    host, colon, port = address.rpartition(":")
    if not colon or not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65535 or (":" in host and host[0] != "["):
        yield "is no address; expected HOST:PORT, such as 127.0.0.1:10420, [::1]:10420 or :10420"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """What is logged, on standard error."""

    level: Literal["debug", "info", "warning", "error"] = setting("info", help="The least level that is logged.")
    format: Literal["text", "json"] = setting("text", help="Lines for people, or JSON objects for a log collector.")


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageSettings:
    """What must outlive a restart."""

    path: FilePath = setting(
        "",
        help="Directory for what must outlive a restart; where it cannot be written the exporter runs without it, and "
        "says so. If empty, systemd's `$STATE_DIRECTORY`, else `~/.local/state/runbook-exporter`.",
        example="/var/lib/runbook-exporter",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSettings:
    """One thing to watch: what every target can be told, and in `settings` what only its collector knows."""

    name: str
    collector: str
    settings: Any
    max_age: Seconds = setting(
        5.0,
        help="How old an answer may be that a scrape is given again; keep it below the scrape interval, or rates "
        "wobble. Below `interval` where that is set.",
    )
    timeout: Seconds = setting(
        5.0,
        help="How long one round over the target may take. A target with an `interval` has as long as that, at most "
        "1m, by default; some collectors more.",
    )
    interval: Seconds | None = setting(
        None,
        help="How often the target is read in the background, whoever asks; without it, when a scrape asks. Collectors "
        "that are expensive to read have one by default.",
        example="15m",
    )
    critical: bool = setting(True, help="Whether the health report is unhealthy while this target is down.")
    description: str = setting("", help="What the target is, for the health report.", example="Orders of the shop")
    series_limit: int = setting(
        20_000,
        help="How many series one read may give; one that gives more fails and says so. Reads of many members (tables, "
        "devices) add up what is beyond their largest as `other`.",
    )

    def check(self) -> Problems:
        """Find times and limits that contradict each other."""
        if self.timeout <= 0:
            yield "timeout", "leaves no time at all; expected more than 0, such as 5s"
        if self.series_limit < 1:
            yield "series_limit", "leaves no series; expected 1 or more"
        if self.interval is not None:
            yield from self._check_interval(self.interval)

    def _check_interval(self, interval: float) -> Problems:
        if interval < 1:
            yield "interval", "is shorter than 1s; expected 1s or more, or no interval to read at each scrape"
        elif self.max_age >= interval:
            yield "max_age", f"is not below interval ({interval:g}s); leave it out, or make it shorter"
        elif self.timeout > interval:
            yield "timeout", f"is above interval ({interval:g}s), so rounds would be missed; make it shorter"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostTarget(TargetSettings):
    """The host that the exporter runs on: always there, unless it is switched off."""

    enabled: bool = setting(True, help="Whether the host is watched.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All that the exporter was told, and what is doubtful about it."""

    web: WebSettings
    log: LogSettings
    storage: StorageSettings
    host: HostTarget
    targets: tuple[TargetSettings, ...] = ()
    warnings: tuple[str, ...] = ()
