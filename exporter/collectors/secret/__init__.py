"""Secrets: when each was rotated last, how old it may become, and whether anybody may read it; never its value."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from exporter.collector import Collector, Context, Trouble, read, together
from exporter.collectors.path.entries import HANGS_FIX
from exporter.collectors.secret.kept import Kept
from exporter.collectors.secret.looks import Seen, identity, look
from exporter.collectors.secret.settings import SecretsSettings, rotation_day
from exporter.metric import Remarking, Samples, gauge
from exporter.patience import NoAnswer, Patience

_ENTER: Final = "let the exporter's user enter the folders above it"
_CORRECT: Final = "put it there, correct the path, or take the secret out of the configuration"
_NAMED: Final = 3  # of those that anybody may read, in one remark

ROTATED = gauge(
    "runbook_secret_rotated_timestamp_seconds",
    "When the secret was rotated last, as far as is known, in Unix time.",
    labels=("secret",),
    source="a digest of its value, its file's time, its certificate, or the configuration",
    fact=True,
)
MAX_AGE = gauge(
    "runbook_secret_max_age_seconds",
    "How old the secret may become before it is to be rotated.",
    labels=("secret",),
    source="the configuration",
    fact=True,
)
OPEN = gauge(
    "runbook_secret_readable_by_others",
    "1 where every user of the machine may read the file that holds the secret, 0 where not.",
    labels=("secret",),
    source="modes and access control lists of the file and the folders above it",
)


@dataclass(slots=True)
class Look:
    """What was seen of the secrets' files at one moment, and why some were not."""

    seen: dict[str, Seen] = field(default_factory=dict)
    troubles: dict[str, Trouble] = field(default_factory=dict)


class Secrets(Collector[Look]):
    """Keys, passwords and certificates: their age, and who may read them."""

    Settings = SecretsSettings
    settings: SecretsSettings
    interval = 60.0

    def __init__(self, settings: SecretsSettings, context: Context) -> None:
        super().__init__(settings, context)
        self._kept = Kept(context.history)
        self._patience = Patience(settings.path_timeout)

    @contextmanager
    def connect(self) -> Iterator[Look]:
        self._kept.forget_others(frozenset(self.settings.secrets))
        found = Look()
        looks = {
            name: partial(look, one, self._kept.version(name, identity(one)))
            for name, one in self.settings.secrets.items()
            if one.file or one.certificate
        }
        for name, answer in self._patience.run(looks).items():
            if isinstance(answer, Exception):
                found.troubles[name] = self._trouble(name, answer)
                continue
            found.seen[name] = answer
            self._kept.take(name, answer)
        yield found

    def close(self) -> None:
        self._patience.close()

    @read
    def rotations(self, found: Look) -> Samples:  # noqa: ARG002  # what was seen is kept
        """When each secret was rotated last, and how old it may become."""
        for name in self.settings.secrets:
            yield MAX_AGE(self.settings.age_of(name), secret=name)
            yield ROTATED(self._rotated(name), secret=name)

    @read
    def permissions(self, found: Look) -> Remarking:
        """Whether anybody may read the files of secrets."""
        for name, seen in found.seen.items():
            yield OPEN(seen.open, secret=name)
        names = [name for name, seen in found.seen.items() if seen.open]
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        return f"every user of this machine may read {', '.join(names[:_NAMED])}{more}: chmod o-r" if names else ""

    @read
    def unseen(self, found: Look) -> Samples:
        """Whether all secrets could be looked at."""
        together(found.troubles.values())
        yield from ()

    def _rotated(self, name: str) -> float | None:
        """Return when a secret was rotated, of several times that are known the last."""
        one, of = self.settings.secrets[name], identity(self.settings.secrets[name])
        day = min(rotation_day(one.rotated, self.settings.zone()), time.time()) if one.rotated else None
        known = self._kept.since(name, of) or (None if day else self._kept.first(name, of))
        return max((when for when in (day, known) if when is not None), default=None)

    def _trouble(self, name: str, error: Exception) -> Trouble:
        one = self.settings.secrets[name]
        path = one.certificate or one.file
        if isinstance(error, NoAnswer):
            return Trouble(f"{name}: no answer from {path}", HANGS_FIX)
        if isinstance(error, OSError):
            fix = _ENTER if isinstance(error, PermissionError) else _CORRECT
            return Trouble(f"{name}: {path} cannot be looked at ({error.strerror})", fix)
        if isinstance(error, Trouble):
            return Trouble(f"{name}: {error}", error.fix)
        raise error
