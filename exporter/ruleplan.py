"""What is to be otherwise in the pack, and by what of a site: the words that the modules beside speak in."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from exporter.rulescope import Scope
from exporter.rulevalues import Change

Place = tuple[str, int]
"""An alerting rule: its alert, and the how manieth of that name it is."""


@dataclass(frozen=True, slots=True)
class RuleChange:
    """What is to be otherwise in one alerting rule; what is None stays."""

    number: str | None = None
    wait: str | None = None
    keep: str | None = None
    priority: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    off: bool = False
    selector: str = ""
    """Which of its signal's series it is about; all where it is empty."""


@dataclass(frozen=True, slots=True)
class Branch:
    """A part of a signal that follows another alert: for which series, with which figure, over how long."""

    selector: str
    number: str | None
    wait: str


@dataclass(frozen=True, slots=True)
class Follower:
    """A signal that follows another alert: whose signal, by which guard, over how long until now, and its parts."""

    signal: str
    guard: str
    wait: str
    branches: tuple[Branch, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be otherwise in the pack."""

    rules: Mapping[Place, RuleChange] = field(default_factory=dict)
    more: Mapping[Place, tuple[RuleChange, ...]] = field(default_factory=dict)
    """Rules that are to stand after one, as it is but for these changes."""
    guards: Mapping[str, str] = field(default_factory=dict)
    followers: Mapping[str, Follower] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Given:
    """One value that is set at one rule, and by what."""

    value: str
    change: Change

    @property
    def rank(self) -> tuple[int, int]:
        return self.change.layer, self.change.which.exactness


Keys = dict[str, Given]
"""What is set of one rule, by what of it."""
Scoped = dict[Place, dict[Scope | None, Keys]]
"""What is set at each rule, for all that it is about or for some."""
Made = Mapping[Place, Mapping[Scope | None, RuleChange]]
"""What becomes of each rule, for all that it is about and, where that differs, for some."""
