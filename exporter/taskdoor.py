"""Marking a task done over HTTP: who may, by JSON from a program, or by the form of the exporter's own page."""

import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

from tornado.httputil import HTTPServerRequest

from exporter import statechange, taskwords
from exporter.answer import Answer, as_json, text
from exporter.collector import Trouble
from exporter.tasks import NoTaskError, NotByHandError, check_by_hand, find

if TYPE_CHECKING:
    from exporter.collectors.task.checklist import Checklist
    from exporter.collectors.task.due import Task

ADDRESS: Final = "/tasks/"
PAGE: Final = "/tasks"
KIND: Final = "task"
LARGEST: Final = 4096  # bytes of a request's body
_DONE: Final = "/done"
_FORM: Final = "application/x-www-form-urlencoded"
_JSON: Final = "application/json"
_KEYS: Final = ("by", "note", "at")
_TOKEN_SECONDS: Final = 3600.0
_LONGEST_KEY: Final = 128
_UNKNOWN: Final = (
    "a task is marked done over HTTP only by somebody who is known: name users in --web.config.file, or use the "
    "command `runbook-exporter done`"
)
_OLD: Final = "this page is too old, or not of this exporter; load it again"
_HOW: Final = """send JSON, as `curl -u NAME -H 'Content-Type: application/json' -d '{"note": "..."}' ADDRESS` does"""


class RefusedError(Exception):
    """The request is not done; `answer` says why."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks for, that may: who did which task when."""

    checklist: "Checklist"
    task: "Task"
    id: str
    at: float
    by: str
    user: str
    note: str
    from_page: bool

    def note_it(self) -> Answer:
        """Keep it, and answer once it is on disk; this waits for the disk."""
        from exporter.collectors.task.history import Entry

        via = "page" if self.from_page else "http"
        entry = Entry(self.id, self.at, self.by, self.user, via, self.note)
        try:
            kept = self.checklist.done(self.task.name, entry)
            problem = self.checklist.history.problem or "the disk is slow"
        except Trouble as trouble:
            kept, problem = False, f"{trouble}; {trouble.fix}"
        if not kept:
            return text(f"it cannot be said to be on disk: {problem}; try again", 503)
        name = f"{self.checklist.target}/{self.task.name}"
        if self.from_page:
            return text("done", 303, Location=f"{PAGE}#{name}")
        one = self.checklist.standing(self.task.name)
        # of a request that was sent again the first counts
        noted = next((each for each in one.record.entries if each.id == self.id), entry)
        return as_json(
            {"task": name, "state": one.state, "at": noted.at, "by": noted.by, "user": noted.user, "due": one.due}
        )


class Door:
    """Lets in requests that mark a task done.

    A program sends JSON with a login, and no page of another site can have a browser send that unasked. The page's form
    carries a token that only who has read the page knows: for one user, one task, one time and two hours.
    """

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def form(self, user: str, name: str) -> dict[str, str]:
        """Return the hidden fields of the form for a task."""
        id = secrets.token_hex(16)
        return {"id": id, "token": self._token(user, name, id, _hour())}

    def _token(self, user: str, name: str, id: str, hour: int) -> str:
        parts = json.dumps([user, name, id, hour]).encode()
        return hmac.new(self._key, parts, "sha256").hexdigest()

    def asked(self, request: HTTPServerRequest, user: str, checklists: Sequence["Checklist"]) -> Asked:
        """Return what a request asks for; RefusedError where it may not, or where there is no such task."""
        if not user:
            raise RefusedError(text(_UNKNOWN, 403))
        if len(request.body or b"") > LARGEST:
            raise RefusedError(text(f"the body is larger than {LARGEST} bytes", 413))
        is_form = _kind(request) == _FORM
        checklist, task = _task(request.path, checklists)
        name = f"{checklist.target}/{task.name}"
        given = self._form(request, user, name) if is_form else _json(request)
        if not checklist.may_mark(user):
            raise RefusedError(text("this user may not mark tasks of this checklist; see its `users`", 403))
        try:
            by, note = taskwords.name(given.get("by") or user), taskwords.note(given.get("note", ""))
            now = time.time()
            at = taskwords.moment(given["at"], task.zone, now) if given.get("at") else now
        except taskwords.WordsError as error:
            raise RefusedError(text(str(error), 400)) from None
        return Asked(checklist, task, _id(request, user, given), at, by, user, note, is_form)

    def _form(self, request: HTTPServerRequest, user: str, name: str) -> Mapping[str, str]:
        """Return the fields of the page's form; RefusedError where another page, or none, has sent it."""
        try:
            fields = parse_qs((request.body or b"").decode("ascii"), max_num_fields=10)
        except ValueError:
            raise RefusedError(text("this is no form", 400)) from None
        given = {key: values[0] for key, values in fields.items()}
        if "token" not in given:
            raise RefusedError(text(f"a form may not do this; {_HOW}", 415))
        if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin" or not _is_own(request):
            raise RefusedError(text(
                "another page may not do this; and where a proxy stands before the exporter, it must pass on Host", 403
            ))  # fmt: skip
        id, token = given.get("id", ""), given["token"].encode()
        hours = (_hour(), _hour() - 1)
        right = [hmac.compare_digest(token, self._token(user, name, id, hour).encode()) for hour in hours]
        if not any(right):
            raise RefusedError(text(_OLD, 403))
        return {"id": f"page-{id}", "note": given.get("note", "")}


def _hour() -> int:
    return int(time.time() / _TOKEN_SECONDS)


def _kind(request: HTTPServerRequest) -> str:
    return request.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def _is_own(request: HTTPServerRequest) -> bool:
    """Tell whether the page that sends a form came from the address that it is sent to."""
    origin = urlsplit(request.headers.get("Origin", ""))
    host = request.headers.get("Host", "")
    return origin.scheme in ("http", "https") and bool(host) and origin.netloc.lower() == host.lower()


def _task(path: str, checklists: Sequence["Checklist"]) -> "tuple[Checklist, Task]":
    name = unquote(path.removeprefix(ADDRESS))
    if not name.endswith(_DONE):
        raise RefusedError(
            text(f"there is nothing at this address; a task is marked done at {ADDRESS}TASK{_DONE}", 404)
        )
    try:
        target, task = find({one.target: one.tasks for one in checklists}, name.removesuffix(_DONE))
        check_by_hand(task)
    except NoTaskError as error:
        raise RefusedError(text(str(error), 404)) from None
    except NotByHandError as error:
        raise RefusedError(text(str(error), 409)) from None
    return next(one for one in checklists if one.target == target), task


def _json(request: HTTPServerRequest) -> Mapping[str, str]:
    """Return what a program sends; RefusedError where a browser could have been made to send it."""
    refused = statechange.refusal(request, known=True, open_to_all=False, hosts=())
    if refused is not None:
        raise RefusedError(refused)
    if not request.body:
        return {}
    if _kind(request) != _JSON:
        raise RefusedError(text(_HOW, 415))
    try:
        given: Any = json.loads(request.body)
    except (ValueError, RecursionError):
        raise RefusedError(text("the body is no JSON", 400)) from None
    if not isinstance(given, dict) or not all(isinstance(value, str) for value in given.values()):
        raise RefusedError(text(f"the body is no object of texts; expected some of {', '.join(_KEYS)}", 400))
    if unknown := sorted(given.keys() - set(_KEYS)):
        raise RefusedError(text(f"unknown key {unknown[0][:40]!r}; expected some of {', '.join(_KEYS)}", 400))
    return given


def _id(request: HTTPServerRequest, user: str, given: Mapping[str, str]) -> str:
    """Return the entry's id: the same for what is sent again."""
    if "id" in given:
        return given["id"]
    key = request.headers.get("Idempotency-Key", "")
    if len(key) > _LONGEST_KEY:
        raise RefusedError(text(f"the Idempotency-Key is longer than {_LONGEST_KEY} characters", 400))
    made = json.dumps([user, key]).encode() if key else secrets.token_bytes(16)
    return f"http-{hashlib.sha256(made).hexdigest()[:32]}"
