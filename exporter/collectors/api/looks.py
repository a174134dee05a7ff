"""The looks at one provider: what they found, what it means, and what was counted, all over restarts."""

import hashlib
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final, NamedTuple

from exporter.collector import NotApplicable, Trouble
from exporter.collectors.api.counting import Counting
from exporter.collectors.api.found import Found, Quota, Refused, Verdict
from exporter.collectors.api.month import Month, month_of
from exporter.collectors.api.provider import LOOK, Look
from exporter.collectors.api.settings import APISettings
from exporter.collectors.api.verdicts import Noted, Verdicts
from exporter.deadline import Cancel
from exporter.longlook import LongLook
from exporter.state import Shelf

_FORMAT: Final = 2  # of what is kept: what an older exporter has kept is forgotten
_STANDS: Final = 3.0  # intervals for which what was found counts
_AT_LEAST: Final = 900.0  # seconds for which it counts however short the interval
_OUTAGE: Final = 600.0  # seconds for which one that fails may keep us from looking whether it still does
_LONGEST: Final = 300.0  # seconds for all of a look, whose report may have many pages
_COSTLY: Final = ("calls", "search")
"""Looks that are billed, or count: where nothing outlives this process they wait, as the last may be just over."""
REFUSED_US: Final = ("rate_limited", "exporter", "")
"""The series of refusals of the exporter's own calls."""


class Report(NamedTuple):
    """What a look found last, when, and why the last try found nothing, where it did not."""

    found: Found
    time: float
    remark: str


class Looks:
    """What is known of one provider, and the looks that learn it."""

    def __init__(self, settings: APISettings, shelf: Shelf, looks: Sequence[Look]) -> None:
        of = f"{_FORMAT} {_account(settings)}"
        self.settings = settings
        self.intervals = {look.name: look.interval for look in looks}
        _forget_others(shelf, of)
        self.counting = Counting(shelf, of)
        self._verdicts = Verdicts(shelf, of)
        self._shelf, self._began = shelf, time.time()
        self._long = {look.name: self._longlook(look, shelf, f"{of} {_wanted(settings)}") for look in looks}

    def all(self) -> list[LongLook]:
        return list(self._long.values())

    def verdicts(self) -> list[Noted]:
        """Return the verdicts that count now, the newest last."""
        return self._verdicts.standing(self.intervals)

    def limiting(self) -> list[Noted]:
        """Return the verdicts that tell now what is used up, or that nothing is."""
        return self._verdicts.limiting(self.intervals)

    def away(self) -> Mapping[str, float]:
        """Return the looks that must not be made, as the provider asked, and for how many seconds."""
        return {name: left for name in self._long if (left := self._verdicts.away(name)) > 0}

    def report(self, name: str) -> Report:
        """Return what a look found last; Trouble or NotApplicable say why there is nothing."""
        look, interval = self._long[name], self.intervals[name]
        stands = max(_STANDS * interval, _AT_LEAST) + self._verdicts.away(name)
        try:
            found = look.found(stands)
        except NotApplicable:
            refusal = self._verdicts.refusal(name)  # before a restart
            if refusal is not None:
                raise Refused(refusal) from None
            if self._rests(name, interval) > 0:
                raise NotApplicable(
                    f"it costs something, and is made {interval:g} s after the start at the earliest, as "
                    f"nothing is kept of when it was made ({self._shelf.problem})"
                ) from None
            raise
        return Report(Found.again(found.value), found.time, look.remark)

    def reports(self) -> Mapping[str, Report]:
        """Return what all looks found, without those that have nothing to tell."""
        known: dict[str, Report] = {}
        for name in self._long:
            try:
                known[name] = self.report(name)
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
        away = partial(self._rest, look.name, look.interval)
        again = partial(self._failed, look.name)
        return LongLook(look.name, partial(self._make, look), look.interval, shelf, of=of, away=away, again=again)

    def _rest(self, name: str, interval: float) -> float:
        """Return the seconds for which a look is not made, whatever its interval."""
        return max(self._verdicts.rest(name, interval), self._rests(name, interval))

    def _rests(self, name: str, interval: float) -> float:
        """Return the seconds for which a costly look waits as nobody knows when it was made last."""
        if name not in _COSTLY or not self._shelf.problem:
            return 0.0
        return max(0.0, min(interval, self._began + interval - time.time()))

    def _failed(self, name: str, kept: Mapping[str, Any]) -> bool:
        """Tell whether a model was not answered for, though nothing is used up: one such call proves little."""
        refusal = self._verdicts.refusal(name)
        return not all(kept["models"].values()) and (refusal is None or not refusal.limit)

    def _make(self, look: Look, cancel: Cancel) -> Any:
        try:
            found = _worked(look, cancel)
        except Refused as refused:
            self._note(look, refused.verdict, refused.quotas)
            raise
        except Trouble:
            if not cancel.cancelled:
                self._verdicts.failed(look.name)
            raise
        self._note(look, found.verdict)
        self.counting.take(look.name, found.counts)
        return found.kept()

    def _note(self, look: Look, verdict: Verdict, quotas: Sequence[Quota] = ()) -> None:
        if look.name == LOOK and verdict.up and _is_no_answer(verdict):
            verdict = replace(verdict, up=False)
        if verdict.up is False:
            verdict = replace(verdict, wait=min(verdict.wait, _OUTAGE))
        self._verdicts.note(look.name, look.key, verdict, quotas)
        if verdict.limited:
            self.counting.add(REFUSED_US, 1)


def _worked(look: Look, cancel: Cancel) -> Found:
    """Return what a look found in its time; what is cut off, as time is over or the exporter ends, says nothing."""
    own = Cancel()
    timer = threading.Timer(_LONGEST, own.cancel)
    timer.daemon = True
    timer.start()
    try:
        with cancel.calling(own.cancel):
            found = look.work(own)
    finally:
        timer.cancel()
    if own.cancelled:
        raise Trouble(f"all of it ({look.name}) took longer than {_LONGEST:g} s", "see why the provider is that slow")
    return found


def _is_no_answer(verdict: Verdict) -> bool:
    """Tell whether what answered said nothing that the API would: nothing of the key, and of no limit.

    A portal, a firewall, another page at that address, an API that has moved: to the application it is gone.
    """
    return bool(verdict.reason) and verdict.valid is None and verdict.allowed is None and not verdict.limit


def _forget_others(shelf: Shelf, of: str) -> None:
    """Have what is kept of other accounts forgotten; that of a look says more of whom than this."""
    others = [key for key, entry in shelf.get_all().items() if not str(entry.get("of", "")).startswith(of)]
    shelf.put_all(dict.fromkeys(others))


def _account(settings: APISettings) -> str:
    """Return what tells one account at one place from another, as it may be kept: no key can be read out of it.

    A password is left out, as it could be guessed from that; its user is not.
    """
    secrets = {name: getattr(settings, name) for name in ("key", "admin_key", "engine", "bearer_token")}
    secrets |= settings.headers
    keys = [f"{name}={secret.reveal()}" for name, secret in secrets.items() if secret is not None]
    told = [settings.provider, settings.base, settings.project, settings.username, settings.service_account_file]
    answers = repr(settings.answers) if settings.answers else ""  # other paths have other figures
    return _digest([*told, answers, *keys])


def _wanted(settings: APISettings) -> str:
    """Return what else decides what looks find."""
    return _digest([settings.api_version, settings.month_zone, str(settings.daily_limit), *settings.models,
                    "priced" if settings.prices else ""])  # fmt: skip


def _digest(told: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(told).encode()).hexdigest()[:16]
