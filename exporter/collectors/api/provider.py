"""What each provider is to the collector: a few looks, each by one key, at its own interval."""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol

from exporter.collectors.api.found import Found, Key
from exporter.deadline import Cancel

LOOK: Final = "look"
"""The name of the look that tells whether the API answers, and takes the key."""
Work = Callable[[Cancel], Found]


class Look(NamedTuple):
    """One kind of look at a provider.

    `work` returns what was found, or raises: Refused with a verdict where an answer brought no figures, Trouble
    where none came or it is not understood, Unable where nothing could be asked, for a reason of our own. The look
    that tells whether the service answers, named `look`, returns a verdict in any case, but for Unable.
    """

    name: str
    key: Key
    interval: float
    work: Work


class Provider(Protocol):
    """An API, as its settings say."""

    def looks(self) -> Sequence[Look]:
        """Return the looks that the settings allow; the first is awaited when a person asks once."""
        ...
