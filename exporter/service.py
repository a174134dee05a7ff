"""The running service: configuration in force, board, server; started, reloaded, stopped."""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from exporter import config as configuration
from exporter import logs, webconfig
from exporter.aside import aside
from exporter.board import Board
from exporter.collector import NoSettings
from exporter.config import Config, ConfigError, TargetSettings
from exporter.endpoints import Endpoints
from exporter.gate import Gate, tell_refused
from exporter.greeting import greeting
from exporter.listening import CannotListenError, Doors
from exporter.pages import Pages
from exporter.selfmetrics import Exporter, Telemetry
from exporter.server import Server
from exporter.snapshot import reason_of
from exporter.state import State
from exporter.webconfig import WebConfig

log = logging.getLogger(__name__)

# Longer than a target has by default; and, with what closing takes, shorter than the 10 s after which Docker kills.
_DRAIN_SECONDS: Final = 5.5
_CLOSE_SECONDS: Final = 1.5
_REFUSED: Final = "the configuration was refused, the one before stays in force"
_WEB_REFUSED: Final = (
    "the configuration was taken over, but not the web configuration that it names, of which the one before stays in "
    "force until its files are right; there is no need to reload again"
)


@dataclass(frozen=True, slots=True)
class Overrides:
    """What the command line says of the configuration; None where it says nothing."""

    listen_addresses: Sequence[str] | None = None
    systemd_socket: bool | None = None
    web_config_file: str | None = None
    enable_lifecycle: bool | None = None
    storage_path: str | None = None
    log_level: str | None = None
    log_format: str | None = None

    def onto(self, config: Config) -> Config:
        """Return the configuration with these in place of what the file says."""
        first, further, systemd_socket = None, None, self.systemd_socket
        if self.listen_addresses:  # in place of all that the file names
            first, further = self.listen_addresses[0], tuple(self.listen_addresses[1:])
            systemd_socket = bool(systemd_socket)
        web = _replaced(
            config.web, listen_address=first, listen_addresses=further, systemd_socket=systemd_socket,
            config_file=self.web_config_file, enable_lifecycle=self.enable_lifecycle,
        )  # fmt: skip
        return replace(
            config,
            web=web,
            storage=_replaced(config.storage, path=self.storage_path),
            log=_replaced(config.log, level=self.log_level, format=self.log_format),
        )


def _replaced(settings: Any, **given: Any) -> Any:
    return replace(settings, **{name: value for name, value in given.items() if value is not None})


def load(path: str | None, overrides: Overrides) -> Config:
    """Return the configuration in force; ConfigError says what is wrong with it."""
    config = overrides.onto(configuration.load(path))
    problems = [
        f"--web.{name.replace('addresses', 'address').replace('_', '-')} {text}" for name, text in config.web.check()
    ]
    if problems:  # of the command line: the file was checked before
        raise ConfigError(*problems)
    return config


def load_web(config: Config) -> WebConfig | None:
    """Return the web configuration that the configuration names, if any; ConfigError says what is wrong with it."""
    return webconfig.load(config.web.config_file) if config.web.config_file else None


def targets_of(config: Config) -> list[TargetSettings]:
    """Return the settings of every target: the host, the exporter itself, and what is configured."""
    itself = TargetSettings(
        name="exporter", collector=Exporter.kind, settings=NoSettings(), critical=False, description="This exporter."
    )
    return [*([config.host] if config.host.enabled else []), itself, *config.targets]


class Service:
    """Everything that runs, from one configuration to the next."""

    def __init__(self, path: str | None, overrides: Overrides, config: Config) -> None:
        self._path = path
        self._overrides = overrides
        self.config = config
        self.state = State(Path(config.storage.path or default_storage()))
        self.telemetry = Telemetry(self.state)
        self.board = Board(self.telemetry)
        self.pages = Pages()
        self.gate = Gate(self.telemetry)
        self.endpoints = Endpoints(config.web, self.board, self.pages, self.reload, self.gate.knows, self.gate.user)
        self.server = Server(self.endpoints, self.gate, self.telemetry)
        self.doors = Doors()
        self._reloading = threading.Lock()

    def reload(self) -> str:
        """Load the configuration anew; on error keep what is in force, and return what is wrong."""
        with self._reloading:
            try:
                refused = self._apply(load(self._path, self._overrides))
            except ConfigError as error:
                self.telemetry.reload_successful = False
                for problem in error.problems:
                    log.error("the new configuration is refused: %s", problem)
                return f"{_REFUSED}:\n{error}"
            except Exception as error:
                self.telemetry.reload_successful = False
                log.exception("the new configuration cannot be applied")
                return f"{_REFUSED}:\n{reason_of(error)}"
            return f"{_WEB_REFUSED}:\n{refused}" if refused else ""

    def _apply(self, config: Config) -> str:
        """Put a configuration into force; return what is wrong with its web configuration."""
        for warning in config.warnings:
            log.warning("%s", warning)
        if _where(config) != _where(self.config):
            log.warning("what has changed of the listen addresses or of storage.path takes effect at the next start")
        refused = self._use_web(config.web.config_file)  # first, as it may raise
        self.board.apply(targets_of(config))
        logs.setup(config.log.format, config.log.level)
        self.config = config
        self.endpoints.web = config.web
        self.pages.keep_only({target.name for target in targets_of(config)})
        self.telemetry.reload_successful = True
        self.telemetry.reload_time = time.time()
        log.info("watching %d targets", len(self.board.targets()))
        return refused

    def _use_web(self, path: str) -> str:
        """Take over a web configuration; return what is wrong with one whose last good state is in force."""
        try:
            self.gate.use(path)
        except ConfigError as error:
            if not self.gate.is_of(path):
                raise
            tell_refused(error)  # it is looked at again by itself, and has its own alert
            return str(error)
        return ""

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT; SIGHUP reloads."""
        stop = asyncio.Event()
        _handle_signals(stop, self.reload)
        self.doors.open(self.config.web)
        self._apply(self.config)
        self.server.serve(self.doors.sockets)
        self.gate.watch()
        log.info("listening on %s", ", ".join(self.doors.addresses))
        if self.config.log.format == "text":  # else what reads it expects JSON, on standard output as well
            say(greeting(self.doors.addresses, self.gate.config))
        _settle_memory()
        await stop.wait()
        log.info("stopping")
        await self.server.drain(_DRAIN_SECONDS)
        # while the loop is there to be told of rounds that end now
        await asyncio.wrap_future(aside(lambda: self.board.close(_CLOSE_SECONDS)))

    def close(self) -> None:
        """Let go of the sockets' names, and of the state."""
        self.doors.remove()
        self.gate.close()
        self.state.close()


def _where(config: Config) -> tuple[object, ...]:
    """Return what only a start can change."""
    web = config.web
    return web.addresses, web.unix_socket_mode, web.systemd_socket, config.storage


def _handle_signals(stop: asyncio.Event, reload: Any) -> None:
    loop = asyncio.get_running_loop()
    actions = {"SIGTERM": stop.set, "SIGINT": stop.set, "SIGHUP": lambda: aside(reload)}
    for name, action in actions.items():
        number = getattr(signal, name, None)
        if number is None:
            continue
        with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C raises KeyboardInterrupt instead
            loop.add_signal_handler(number, action)


def _settle_memory() -> None:
    """Keep what start-up made out of later garbage collections, which else walk over it again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)  # a round makes thousands of samples and no cycles: 7% of a page of the host


def say(text: str) -> None:
    """Print the text; where nobody reads standard output any more, go on without it."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        give_up_stdout()


def give_up_stdout() -> None:
    """Have what is still to be printed go nowhere; Python would try again at its end, and complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def serve(path: str | None, overrides: Overrides) -> int:
    """Run the service; return the exit code: 0 after a stop, 1 where it could not start, 2 for a bad configuration."""
    config = load(path, overrides)
    load_web(config)  # before anything is begun, as it may be refused
    logs.setup(config.log.format, config.log.level)
    _raise_descriptor_limit()
    service = Service(path, overrides, config)
    try:
        asyncio.run(service.run())
    except KeyboardInterrupt:
        pass
    except CannotListenError as error:
        print(f"cannot listen on {error}", file=sys.stderr)
        return 1
    finally:
        service.close()
    return 0


def _raise_descriptor_limit() -> None:
    """Take what the system allows: a thousand silent peers must not use up the descriptors that targets need."""
    try:
        import resource
    except ImportError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65536 if hard == resource.RLIM_INFINITY else min(hard, 65536)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def default_storage() -> str:
    """Return where state is kept if nothing else is said: systemd's place, or the user's own."""
    given = os.environ.get("STATE_DIRECTORY")
    if given:
        return given.split(":")[0]
    home = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return os.path.join(home, "runbook-exporter")
