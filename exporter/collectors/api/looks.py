"""The looks at one provider: what they found, what it means, and what was counted, all over restarts."""

import hashlib
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from exporter.collector import NotApplicable, Trouble
from exporter.collectors.api.counting import Counting
from exporter.collectors.api.found import Found, Refused, Verdict
from exporter.collectors.api.month import Month, month_of
from exporter.collectors.api.provider import Look
from exporter.collectors.api.settings import APISettings
from exporter.collectors.api.verdicts import Noted, Verdicts
from exporter.deadline import Cancel
from exporter.longlook import LongLook
from exporter.state import Shelf

_FORMAT: Final = 1  # of what is kept: what an older exporter has kept is forgotten
_STANDS: Final = 3.0  # intervals for which what was found counts
_AT_LEAST: Final = 900.0  # seconds for which it counts however short the interval
REFUSED_US: Final = ("rate_limited", "exporter", "")
"""The series of refusals of the exporter's own calls."""


class Report(NamedTuple):
    """What a look found last, and why the last try found nothing, where it did not."""

    found: Found
    remark: str


class Looks:
    """What is known of one provider, and the looks that learn it."""

    def __init__(self, settings: APISettings, shelf: Shelf, looks: Sequence[Look]) -> None:
        of = f"{_FORMAT} {_identity(settings)}"
        self.settings = settings
        self.intervals = {look.name: look.interval for look in looks}
        self.keys = {look.name: look.key for look in looks}
        self.counting = Counting(shelf, of)
        self._verdicts = Verdicts(shelf, of)
        self._long = {look.name: self._longlook(look, shelf, of) for look in looks}

    def all(self) -> list[LongLook]:
        return list(self._long.values())

    def verdicts(self) -> list[Noted]:
        """Return the verdicts that count now, the newest last."""
        return self._verdicts.standing(self.intervals)

    def away(self) -> Mapping[str, float]:
        """Return the looks that must not be made, as the provider asked, and for how many seconds."""
        return {name: left for name in self._long if (left := self._verdicts.away(name)) > 0}

    def report(self, name: str) -> Report:
        """Return what a look found last; Trouble or NotApplicable say why there is nothing."""
        look, interval = self._long[name], self.intervals[name]
        stands = max(_STANDS * interval, _AT_LEAST) + self._verdicts.away(name)
        try:
            return Report(Found.again(look.found(stands).value), look.remark)
        except NotApplicable:
            refusal = self._verdicts.refusal(name)  # before a restart
            if refusal is None:
                raise
            raise Refused(refusal) from None

    def reports(self) -> Mapping[str, Found]:
        """Return what all looks found, without those that have nothing to tell."""
        known: dict[str, Found] = {}
        for name in self._long:
            try:
                known[name] = self.report(name).found
            except Trouble:  # its own read says why
                continue
        return known

    def month(self, name: str, found: Found) -> Month | None:
        """Return the month that figures are of; None where that is over, and have this month's looked for."""
        month = month_of(time.time(), self.settings.zone)
        if found.month is None or found.month >= month.start:
            return month
        if not self._long[name].remark:
            self._long[name].hasten()
        return None

    def _longlook(self, look: Look, shelf: Shelf, of: str) -> LongLook:
        away = partial(self._verdicts.rest, look.name, look.interval)
        again = partial(self._failed, look.name)
        return LongLook(look.name, partial(self._make, look), look.interval, shelf, of=of, away=away, again=again)

    def _failed(self, name: str, kept: Mapping[str, Any]) -> bool:
        """Tell whether a model was not answered for, though nothing is used up: one such call proves little."""
        refusal = self._verdicts.refusal(name)
        return not all(kept["models"].values()) and (refusal is None or not refusal.limit)

    def _make(self, look: Look, cancel: Cancel) -> Any:
        try:
            found = look.work(cancel)
        except Refused as refused:
            self._note(look, refused.verdict)
            raise
        if cancel.cancelled:  # what is cut off as the exporter ends says nothing of the provider
            raise Trouble(f"given up ({look.name}), as the target ends")
        self._note(look, found.verdict)
        self.counting.take(look.name, found.counts)
        return found.kept()

    def _note(self, look: Look, verdict: Verdict) -> None:
        self._verdicts.note(look.name, look.key, verdict)
        if verdict.limited:
            self.counting.add(REFUSED_US, 1)


def _identity(settings: APISettings) -> str:
    """Return what tells one account at one place from another, as it may be kept: no key can be read out of it."""
    secrets = {name: getattr(settings, name) for name in ("key", "admin_key", "engine", "bearer_token", "password")}
    secrets |= settings.headers
    keys = [f"{name}={secret.reveal()}" for name, secret in secrets.items() if secret is not None]
    answers = repr(settings.answers) if settings.answers else ""  # other paths have other figures
    told = [settings.provider, settings.base, settings.project, settings.service_account_file, answers, *keys]
    return hashlib.sha256("\0".join(told).encode()).hexdigest()[:16]
