"""A collector for tests: it does what its settings say, mostly badly."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from exporter.collector import Collector, NotApplicable, Trouble, read
from exporter.metric import Samples, gauge
from exporter.setting import Seconds, Secret, SecretURL, setting

VALUE = gauge("fake_value", "What the test asked for.", labels=("part",), source="a test")

Behaviour = Literal["ok", "fails", "down", "hangs", "leaks", "crashes", "early"]


@dataclass(frozen=True, slots=True)
class FakeSettings:
    """How to behave."""

    behaviour: Behaviour = setting("ok", help="What to do.")
    seconds: Seconds = setting(0.0, help="How long each read sleeps.")
    parts: tuple[str, ...] = setting(("a",), help="Label values to give.")
    many: int = setting(0, help="How many series to give besides.")
    word: Secret | None = setting(None, help="A secret.")
    token: Secret | None = setting(None, help="Another secret.")
    key: Secret | None = setting(None, help="A secret from a file.")
    url: SecretURL | None = setting(None, help="An address with a password.")

    def all_secrets(self) -> str:
        """Return every secret in clear, as a careless library would put them into an error."""
        return " ".join(secret.reveal() for secret in (self.word, self.token, self.key, self.url) if secret)


class Fake(Collector[FakeSettings]):
    """What a test needs."""

    job = "fake-job"
    Settings = FakeSettings

    _rounds = 0

    @contextmanager
    def connect(self) -> Iterator[FakeSettings]:
        if self.settings.behaviour == "down":
            raise Trouble("nobody is at home", "ring again <b>later</b>")
        if self.settings.behaviour == "crashes":
            raise RuntimeError(f"cannot connect to {self.settings.all_secrets()}")
        self._rounds += 1
        yield self.settings

    @read
    def good(self, settings: FakeSettings) -> Samples:
        """Series that are always there."""
        threading.Event().wait(settings.seconds or None if settings.behaviour == "hangs" else settings.seconds)
        for part in settings.parts:
            yield VALUE(1, part=part)
        for number in range(settings.many):
            yield VALUE(number, part=f"number {number} of a rather long page")

    @read
    def absent(self, settings: FakeSettings) -> Samples:
        """A thing that does not exist."""
        yield VALUE(None, part="never")
        raise NotApplicable("there is <i>no</i> such thing")

    @read
    def doubtful(self, settings: FakeSettings) -> Samples:
        """Works, or fails."""
        if settings.behaviour == "leaks":
            raise ValueError(f"login failed: {settings.all_secrets()!r} as {settings!r}")
        if settings.behaviour == "fails":
            raise Trouble("it is <broken> & torn", 'say "please"')
        if settings.behaviour == "early" and self._rounds < 3:
            raise Trouble("the first look is under way", early=True)
        yield VALUE(2, part="doubtful")
