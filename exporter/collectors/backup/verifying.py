"""The looks that take long: what a backup holds is verified, and restored, one at a time over all targets."""

import os
import time
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from exporter.collector import Context, NotApplicable, Trouble
from exporter.collectors._backup.found import DAMAGE
from exporter.collectors._libpq import conninfo
from exporter.collectors.backup.checking import checked
from exporter.collectors.backup.files import File, stood_still
from exporter.collectors.backup.kept import Kept
from exporter.collectors.backup.settings import BackupsSettings
from exporter.deadline import Cancel
from exporter.longlook import LongLook
from exporter.patience import Patience
from exporter.scratch import clear, own
from exporter.throwaway import ask

_VERIFY: Final = "exporter.collectors._backup.work:verify"
_RESTORE: Final = "exporter.collectors._backup.restore:restore"
_NAP: Final = 1.0  # seconds between two looks at whether anything is due


class Verifying(LongLook):
    """Verifies or restores what is due, one backup in each turn."""

    def __init__(self, settings: BackupsSettings, backups: Sequence[Kept], context: Context) -> None:
        super().__init__("verification", self._turn, _NAP, context.shelf, heavy=True)
        self._backups = backups
        self._settings = settings
        self._target = context.target
        self._patience = Patience(settings.path_timeout)

    def rest(self) -> float:
        """Return 0 where something is due, else the seconds until that is looked at again."""
        if self.trouble is not None:  # of our own: else it were tried without a rest
            return super().rest()
        return 0.0 if self._next() else _NAP

    def close(self) -> None:
        self._patience.close()

    def _next(self) -> tuple[Kept, File, bool] | None:
        for kept in self._backups:
            if (file := kept.due()) is not None:
                return kept, file, False
        for kept in self._backups:
            if (file := kept.restore_due()) is not None:
                return kept, file, True
        return None

    def _turn(self, cancel: Cancel) -> None:
        due = self._next()
        if due is None:  # it was removed while another target had its turn
            return
        kept, file, restoring = due
        began = time.monotonic()
        before = self._stood(kept, file)
        try:
            answer = self._restored(kept, file, cancel) if restoring else self._verified(kept, file, cancel)
        except Trouble as trouble:
            answer = {"reason": str(trouble), "fix": trouble.fix, "seconds": time.monotonic() - began}
        if cancel.cancelled:
            return
        if self._stood(kept, file) != before:
            kept.set_aside(file)
        elif restoring:
            kept.restored(file, answer)
        elif "good" in answer:
            kept.judged(file, answer)
        else:
            kept.unjudged(file, answer)

    def _stood(self, kept: Kept, file: File) -> Any:
        if kept.settings.list_command:
            return None
        answer = self._patience.run({file.path: partial(stood_still, file.path)})[file.path]
        return "hangs" if isinstance(answer, Exception) else answer

    def _verified(self, kept: Kept, file: File, cancel: Cancel) -> dict[str, Any]:
        settings, began = kept.settings, time.monotonic()
        if file.size is not None and file.size < settings.min_size:
            reason = f"it has {file.size:,} bytes, and at least {settings.min_size:,} are expected"
            return {"good": False, "reason": reason if file.size else "it is empty", "seconds": 0.0,
                    "format": "", "way": DAMAGE}  # fmt: skip
        answer: dict[str, Any] = {"good": True, "reason": "", "format": "command", "way": "command"}
        if settings.format != "command" and not settings.list_command:
            answer = self._ask(_VERIFY, self._request(kept, file), settings.verify_timeout, cancel)
        if answer["good"] and settings.check_command is not None:
            if reason := checked(settings.check_command, file, settings.verify_timeout, cancel):
                answer |= {"good": False, "reason": reason, "way": DAMAGE}
        elif settings.list_command:
            raise Trouble("nothing verifies it", "give a `check_command`")
        return {**answer, "seconds": time.monotonic() - began}

    def _restored(self, kept: Kept, file: File, cancel: Cancel) -> dict[str, Any]:
        wanted = kept.settings.restore
        assert wanted is not None  # noqa: S101  # else none were due
        request = self._request(kept, file) | {
            "server": wanted.server, "user": wanted.user, "programs": wanted.programs,
            "postgres": conninfo(wanted.postgres),
            "folder": self._folder("restore", kept),
            "least_rows": dict(wanted.least_rows), "mark": f"{self._target} {kept.name}", "timeout": wanted.timeout,
        }  # fmt: skip
        began = time.monotonic()
        answer = self._ask(_RESTORE, request, wanted.timeout, cancel)
        return answer if answer["good"] else {**answer, "seconds": time.monotonic() - began}

    def _ask(self, work: str, request: dict[str, Any], timeout: float, cancel: Cancel) -> dict[str, Any]:
        try:
            found: dict[str, Any] = ask(work, request, timeout=timeout, cancel=cancel, key=f"backup {request['path']}")
        except NotApplicable as why:
            raise Trouble(str(why), why.fix) from None
        finally:
            clear(request["folder"])
        return found

    def _request(self, kept: Kept, file: File) -> dict[str, Any]:
        settings = kept.settings
        return {
            "path": file.path, "format": settings.format, "database": settings.database,
            "tables": list(settings.tables), "members": list(settings.members), "schema": settings.schema,
            "checksum": settings.checksum, "max_bytes": settings.max_bytes, "pg_restore": settings.pg_restore,
            "timeout": settings.verify_timeout, "folder": self._folder("backup", kept),
        }  # fmt: skip

    def _folder(self, work: str, kept: Kept) -> str:
        return os.path.join(self._settings.scratch or own(), f"{work}-{kept.settings.place[:8]}")
