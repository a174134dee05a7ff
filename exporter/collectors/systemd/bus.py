"""D-Bus on a line of our own: many questions at once, all answers within a deadline and a limit.

The library writes and parses messages; its own connections wait for ever where a bus says nothing.
"""

import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from exporter.collector import NotApplicable, Trouble, Unable
from exporter.deadline import Cancel, Deadline
from exporter.fetchline import Line
from exporter.probeline import unable

_MOST: Final = 32 << 20  # bytes in a round; a unit takes 300 of them in a list, a property 100
_PIECE: Final = 64 << 10
_TOGETHER: Final = 100  # questions that are under way at once: PID 1 answers them one by one
_INSTALL: Final = "install it with: pip install 'runbook-exporter[systemd]'"
_BUS: Final = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")
_NOBODY: Final = "org.freedesktop.DBus.Error.ServiceUnknown"
_NO_OWNER: Final = "org.freedesktop.DBus.Error.NameHasNoOwner"
_DENIED: Final = "org.freedesktop.DBus.Error.AccessDenied"


@dataclass(frozen=True, slots=True)
class Question:
    """A call of a method; `given` are its arguments, of the types in `signature`."""

    path: str
    interface: str
    method: str
    signature: str = ""
    given: tuple[Any, ...] = ()


class Refusal(Trouble):
    """The other side answered with an error, whose name is `name`."""

    def __init__(self, name: str, said: str) -> None:
        super().__init__(f"systemd answers {name.rpartition('.')[2]}: {said[:200]}", _fix(name))
        self.name = name


def _fix(name: str) -> str:
    return "see the bus's policy in /usr/share/dbus-1/system.d" if name == _DENIED else ""


class Bus:
    """A line to a bus, on which one service is asked."""

    def __init__(self, line: socket.socket, place: "Place", service: str) -> None:
        from jeepney.low_level import Parser  # type: ignore[import-untyped, unused-ignore]

        self._line = line
        self._place = place
        self._deadline = place.deadline
        self._service = service
        self._parser: Any = Parser()
        self._serial = 0
        self._came = 0

    def hello(self) -> None:
        """Say who we are, and be given a name."""
        from jeepney.auth import BEGIN, Authenticator  # type: ignore[import-untyped, unused-ignore]

        said = Authenticator()
        for text in said:
            Line(self._line, self._deadline).sendall(text)
            said.feed(self._received())
        Line(self._line, self._deadline).sendall(BEGIN)
        (answer,) = self._asked([self._message(Question("", "", "Hello"))])
        if isinstance(answer, Refusal):
            raise answer

    def ask(self, questions: Iterable[Question]) -> Iterator[Any]:
        """Yield the answer to each question, in order: what it gave, or the Refusal."""
        waiting = [self._message(one) for one in questions]
        for start in range(0, len(waiting), _TOGETHER):
            with self._place.told():
                answers = self._asked(waiting[start : start + _TOGETHER])
            yield from answers

    def _message(self, one: Question) -> Any:
        from jeepney import DBusAddress, MessageFlag, new_method_call  # type: ignore[import-untyped, unused-ignore]

        service, path, interface = (self._service, one.path, one.interface) if one.path else _BUS
        where = DBusAddress(path, bus_name=service, interface=interface)
        message = new_method_call(where, one.method, one.signature or None, one.given)
        message.header.flags |= MessageFlag.no_auto_start  # a question must not start anything
        return message

    def _asked(self, messages: Sequence[Any]) -> list[Any]:
        first, text = self._serial + 1, b""
        for message in messages:
            self._serial += 1
            text += message.serialise(serial=self._serial)
        Line(self._line, self._deadline).sendall(text)
        found: dict[int, Any] = {}
        while len(found) < len(messages):
            serial, answer = self._answer()
            if first <= serial <= self._serial:
                found[serial] = answer
        return [found[serial] for serial in sorted(found)]

    def _answer(self) -> tuple[int, Any]:
        """Return what the next message answers, 0 for a signal, and what it says."""
        from jeepney import HeaderFields, MessageType

        while (message := self._parser.get_next_message()) is None:
            self._parser.add_data(self._received())
        kind, fields, body = message.header.message_type, message.header.fields, message.body
        serial = int(fields.get(HeaderFields.reply_serial, 0))
        if kind == MessageType.method_return:
            return serial, body[0] if len(body) == 1 else body
        if kind == MessageType.error:
            name = str(fields.get(HeaderFields.error_name, ""))
            return serial, Refusal(name, str(body[0]) if body else "")
        return 0, None

    def _received(self) -> bytes:
        self._line.settimeout(self._deadline.left())
        data = self._line.recv(_PIECE)
        if not data:
            raise ConnectionResetError("it hung up")
        self._came += len(data)
        if self._came > _MOST:
            raise Trouble(f"the bus sent more than {_MOST >> 20} MiB", "leave out units with `exclude`")
        return data


@dataclass(frozen=True, slots=True)
class Place:
    """Where a bus listens, and until when it must have answered."""

    path: str
    deadline: Deadline
    cancel: Cancel

    @contextmanager
    def told(self) -> Iterator[None]:
        """Tell what an error on the line means."""
        try:
            yield
        except Trouble:
            raise
        except TimeoutError:
            fix = "see what keeps PID 1 busy: `systemctl status`, and the journal"
            reason = "the round was over" if self.cancel.cancelled else f"within {self.deadline.seconds:g} s"
            raise Trouble(f"systemd gives no answer on {self.path} ({reason})", fix) from None
        except OSError as error:
            reason = f"{self.path} cannot be used ({error.strerror or error})"
            raise unable(error) or Trouble(reason, "see whether `busctl` works, as the exporter's user") from None
        except Exception as error:  # noqa: BLE001  # the library's parser raises whatever broken bytes lead to
            reason = f"{self.path} speaks no D-Bus that is understood ({type(error).__name__})"
            raise Trouble(reason, "see what listens there, with `busctl`") from None


@contextmanager
def connected(place: Place, service: str) -> Iterator[Bus]:
    """Be connected to a bus while the block runs; NotApplicable where there is none."""
    try:
        import jeepney  # type: ignore[import-untyped, unused-ignore]  # noqa: F401
    except ImportError:
        raise Unable("the package jeepney is missing", _INSTALL) from None
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        with place.told():
            line.settimeout(place.deadline.left())
            _connect(line, place.path)
        with place.cancel.cutting(line):
            with place.told():
                bus = Bus(line, place, service)
                bus.hello()
            yield bus


def _connect(line: socket.socket, path: str) -> None:
    try:
        line.connect(path)
    except (FileNotFoundError, ConnectionRefusedError):
        fix = "remove the target; in a container, mount the host's /run/dbus/system_bus_socket"
        raise NotApplicable(f"systemd does not run here: nobody listens at {path}", fix) from None


def is_absent(answer: Any) -> bool:
    """Tell whether an answer says that nobody has the service's name."""
    return isinstance(answer, Refusal) and answer.name in (_NOBODY, _NO_OWNER)
