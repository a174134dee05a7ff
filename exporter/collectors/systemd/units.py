"""The units that systemd has loaded, and those of their properties that are shown."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from exporter.collector import NotApplicable, Trouble
from exporter.collectors.systemd.bus import Bus, Question, Refusal, is_absent

SERVICE: Final = "org.freedesktop.systemd1"
_PATH: Final = "/org/freedesktop/systemd1"
_MANAGER: Final = "org.freedesktop.systemd1.Manager"
_PROPERTIES: Final = "org.freedesktop.DBus.Properties"
STATES: Final = ("active", "activating", "deactivating", "inactive", "failed")
_TYPED: Final = {"service": "Service", "mount": "Mount"}


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit that is loaded, and where the bus has it."""

    name: str
    state: str
    path: str

    @property
    def kind(self) -> str:
        return self.name.rpartition(".")[2]


class Manager:
    """systemd in one round."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    def units(self) -> list[Unit]:
        """Return the units that are loaded."""
        (answer,) = self._bus.ask([Question(_PATH, _MANAGER, "ListUnits")])
        if is_absent(answer):
            fix = "remove the target; in a container, mount the host's bus"
            raise NotApplicable("systemd does not run here: it is not on this bus", fix)
        if isinstance(answer, Refusal):
            raise answer
        try:
            return [
                Unit(str(name), str(active), str(path))
                for name, _, load, active, _, _, path, _, _, _ in answer
                if load == "loaded"
            ]
        except (TypeError, ValueError):
            raise Trouble("systemd's list of units is none that is understood", "see `busctl`") from None

    def own(self, *names: str) -> dict[str, Any]:
        """Return properties of systemd itself, those that it has."""
        questions = [Question(_PATH, _PROPERTIES, "Get", "ss", (_MANAGER, name)) for name in names]
        return {name: value for name, value in zip(names, self._values(questions), strict=True) if value is not None}

    def each(self, units: Iterable[Unit], interface: str, name: str) -> Iterator[tuple[Unit, Any]]:
        """Yield a property of each unit that has it; a unit that is gone meanwhile has none."""
        wanted = list(units)
        of = f"{SERVICE}.{interface}"
        questions = [Question(unit.path, _PROPERTIES, "Get", "ss", (of, name)) for unit in wanted]
        for unit, value in zip(wanted, self._values(questions), strict=True):
            if value is not None:
                yield unit, value

    def types(self, units: Iterable[Unit]) -> dict[str, str]:
        """Return the types of services and mounts, by the names of their units."""
        given = list(units)
        found: dict[str, str] = {}
        for kind, interface in _TYPED.items():
            wanted = [unit for unit in given if unit.kind == kind]
            found |= {unit.name: str(value) for unit, value in self.each(wanted, interface, "Type")}
        return found

    def _values(self, questions: list[Question]) -> Iterator[Any]:
        """Yield the value of each property, None where there is none; Trouble where none may be read."""
        refused = answered = 0
        last: Refusal | None = None
        for answer in self._bus.ask(questions):
            if isinstance(answer, Refusal):
                refused, last = refused + 1, answer
                yield None
            else:
                answered += 1
                yield _plain(answer)
        if last is not None and not answered and last.name.endswith("AccessDenied"):
            raise last


def _plain(variant: Any) -> Any:
    """Return the value of a variant, which is a pair of its type and its value."""
    if not isinstance(variant, tuple) or len(variant) != 2:
        raise Trouble("systemd's answer is none that is understood", "see `busctl`")
    return variant[1]


def counted(units: Iterable[Unit]) -> dict[str, int]:
    """Return how many units are in each state; those without any are 0."""
    found = Counter(unit.state for unit in units)
    return {state: found[state] for state in STATES}


def chosen(units: Iterable[Unit], wanted: Callable[[str], bool]) -> list[Unit]:
    """Return the units that are wanted by name, each once."""
    return list({unit.name: unit for unit in units if wanted(unit.name)}.values())
