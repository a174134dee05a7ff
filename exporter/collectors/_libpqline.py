"""Opens a connection to what speaks PostgreSQL's protocol: within a deadline, whatever names and hosts do meanwhile.

What psycopg itself does to connect looks names up for as long as that takes, gives each host all of the time, and two
seconds at least, and nobody can end it.
"""

import ipaddress
import selectors
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from exporter.deadline import Deadline
from exporter.lookup import addresses

if TYPE_CHECKING:
    from psycopg import Connection

    Row = tuple[Any, ...]

Parameters = dict[str, Any]
"""What libpq is told, by its keywords."""

_STEP: Final = 0.1
"""Seconds after which it is seen that somebody wants to end it."""


def dial(psycopg: Any, parameters: Parameters, seconds: float, check: Callable[[], None]) -> "Connection[Row]":
    """Return a connection to the first host that takes one; `check` is called all the while, and may raise."""
    deadline = Deadline(seconds)
    attempts = _attempts(psycopg, parameters, deadline)
    failed: Exception = psycopg.OperationalError("there is no host")
    for number, attempt in enumerate(attempts):
        try:
            # one that swallows everything must leave time for those after it
            line = _connected(psycopg, attempt, Deadline(deadline.left() / (len(attempts) - number)), check)
        except TimeoutError:
            failed = psycopg.errors.ConnectionTimeout("connection timeout expired")
        except psycopg.OperationalError as error:
            failed = error
        else:
            connection: Connection[Row] = psycopg.Connection(line)
            connection.autocommit = True
            return connection
    raise failed


def _connected(psycopg: Any, attempt: Parameters, deadline: Deadline, check: Callable[[], None]) -> Any:
    check()
    steps = psycopg.generators.connect(psycopg.conninfo.make_conninfo("", **attempt))
    try:
        place, wanted = next(steps)
        while True:
            with selectors.DefaultSelector() as selector:
                selector.register(place, wanted)
                while not (ready := selector.select(min(_STEP, deadline.left()))):
                    check()
            place, wanted = steps.send(ready[0][1])
    except StopIteration as done:
        return done.value
    finally:
        steps.close()


def _attempts(psycopg: Any, parameters: Parameters, deadline: Deadline) -> list[Parameters]:
    if parameters.get("service") and not parameters.get("host"):
        return [parameters]  # libpq alone knows the service's hosts, and looks them up for as long as that takes
    attempts: list[Parameters] = psycopg.conninfo.conninfo_attempts(_looked_up(psycopg, parameters, deadline))
    return attempts


def _looked_up(psycopg: Any, parameters: Parameters, deadline: Deadline) -> Parameters:
    """Return the parameters with each host's addresses beside it, as many times as it has some."""
    known = _Known(psycopg, parameters)
    hosts, ports = known.listed("host"), known.listed("port")
    if not hosts or known.listed("hostaddr") or len(ports) not in (0, 1, len(hosts)):
        return parameters
    found: list[tuple[str, ...]] = []
    failed: Exception | None = None
    for number, host in enumerate(hosts):
        port = ports[number : number + 1] if len(ports) > 1 else []  # one holds for all of them
        try:
            left = deadline.left() / (len(hosts) - number)
            found += [(host, address, *port) for address in _addresses(host, Deadline(left))]
        except TimeoutError:
            failed = psycopg.OperationalError(f"the name {host} is not looked up in time")
        except OSError as error:
            failed = psycopg.OperationalError(f"the name {host} is not known ({error.strerror})")
    if not found:
        raise failed or psycopg.OperationalError("there is no host")
    columns = (",".join(column) for column in zip(*found, strict=True))
    return {**parameters, **dict(zip(("host", "hostaddr", "port"), columns, strict=False))}


def _addresses(host: str, deadline: Deadline) -> list[str]:
    """Return where a host is; nothing is looked up for a socket in the file system, nor for an address."""
    if not host or host[0] in "/@" or host[1:2] == ":":
        return [""]
    with suppress(ValueError):
        ipaddress.ip_address(host)
        return [host]
    return [str(found[4][0]) for found in addresses(host, None, deadline.left)]


class _Known:
    """What libpq would take for what it is not told: from the environment, and from the service that is named there."""

    def __init__(self, psycopg: Any, parameters: Parameters) -> None:
        self._told = parameters
        self._defaults = {} if parameters.get("service") else {
            option.keyword.decode(): (option.val or b"").decode("utf-8", "replace")
            for option in psycopg.pq.Conninfo.get_defaults()
        }  # fmt: skip

    def listed(self, keyword: str) -> list[str]:
        text = str(self._told.get(keyword) or self._defaults.get(keyword) or "")
        return text.split(",") if text else []
