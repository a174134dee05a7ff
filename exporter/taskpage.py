"""The checklist for eyes: what there is to do, who did what, and a button for those who may."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from html import escape
from typing import TYPE_CHECKING, Final

from exporter import statuspage, taskwatch, taskwords
from exporter.answer import Answer, html
from exporter.collector import Trouble

if TYPE_CHECKING:
    from exporter.collectors.task.checklist import Checklist
    from exporter.collectors.task.due import Standing

_STATES: Final = {"overdue": "critical", "due": "unknown", "soon": "unknown", "later": "healthy"}
_NEWEST: Final = 30
_LONGEST_WORD: Final = 20  # of a note, that a narrow screen has room for
_UNSEEN: Final = '<span class="dim">(not seen here)</span>'
_EXPLAINED: Final = (
    "Not seen here: no target of this exporter gives what the alert looks at. Configure one, or see that somebody else "
    "gives it, as applications do with their own metrics."
)
_EMPTY: Final = (
    "<section><p>No checklist is configured. With a target such as "
    "<code>checklist: {collector: task, include: [clippy.yml]}</code> this page says what there is to do.</p></section>"
)

Fields = Callable[[str], Mapping[str, str]]
"""Returns the hidden fields of the form that marks a task, TARGET/TASK, as done."""


def answer(checklists: Sequence["Checklist"], user: str, fields: Fields) -> Answer:
    """Return the page at /tasks for this user, empty where nobody knows who asks."""
    now = time.time()
    body = "".join(_section(one, user, fields, now) for one in checklists) if checklists else _EMPTY
    made = html(statuspage.page("Checklist", body))
    # a form of a page that names no referrer is sent with `Origin: null`, which could be anybody's
    return replace(made, headers={**made.headers, "Referrer-Policy": "same-origin", "Cache-Control": "no-store"})


def summary(checklists: Sequence["Checklist"], now: float) -> str:
    """Return what the overview says of the checklists, nothing where there are none."""
    if not checklists:
        return ""
    try:
        states = [one.state for checklist in checklists for one in checklist.standings(now)]
    except Trouble as trouble:
        return f"<section><h2>Checklist</h2><p>{escape(str(trouble))}</p></section>"
    counts = {state: states.count(state) for state in ("overdue", "due", "soon")}
    said = ", ".join(f"{count} {word}" for word, count in
                     zip(("overdue", "due", "due soon"), counts.values(), strict=True) if count)  # fmt: skip
    return f'<section><h2>Checklist</h2><p><a href="/tasks">{said or "nothing is due"}</a></p></section>'


def _section(checklist: "Checklist", user: str, fields: Fields, now: float) -> str:
    from exporter.collectors.task.due import ordered

    name = escape(checklist.target)
    try:
        standings = ordered(checklist.standings(now))
    except Trouble as trouble:
        return f'<section id="{name}"><h2>{name}</h2><p>{escape(f"{trouble}. {trouble.fix}")}</p></section>'
    may = checklist.may_mark(user)
    blind = taskwatch.unseen({name for one in standings for name in one.task.settings.watched_by}, checklist.known)
    rows = {"watched": "", "on demand": "", "": ""}
    for one in standings:
        row = (
            _watched_row(one, blind) if one.state == "watched"
            else _row(checklist.target, one, fields if may else None, now, blind)
        )  # fmt: skip
        rows[one.state if one.state in rows else ""] += row
    marked = f"as {escape(user)}" if may else "by <code>runbook-exporter done TASK</code>, or here by users who may"
    about = f'<h2>{name}</h2><p class="dim">Tasks are marked done {marked}.</p>'
    return (
        f'<section id="{name}">{about}{_table(rows[""])}</section>'
        f"{_details('To be done at an occasion', rows['on demand'], _table)}{_newest(checklist, standings)}"
        f"{_details(_watched_title(standings, blind), rows['watched'], _watched_table)}"
    )


def _table(rows: str) -> str:
    return f"""<div class="wide"><table><thead><tr><th>state</th><th>task</th><th class="less">last done</th>
<th class="less">owner</th></tr></thead><tbody>{rows}</tbody></table></div>"""


def _watched_title(standings: Sequence["Standing"], blind: frozenset[str]) -> str:
    watched = [one.task.settings.watched_by for one in standings if one.state == "watched"]
    lost = sum(blind.issuperset(names) for names in watched)
    said = f" ({lost} of {len(watched)} lines by nothing that this exporter sees)" if lost else ""
    return f"What is watched, so that nobody has to look{said}"


def _watched_table(rows: str) -> str:
    return f"""<p class="dim">{_EXPLAINED}</p><div class="wide"><table><thead><tr><th>task</th><th>watched by</th>
<th class="less">guide</th></tr></thead><tbody>{rows}</tbody></table></div>"""


def _details(title: str, rows: str, table: Callable[[str], str]) -> str:
    return f"<section><details><summary>{title}</summary>{table(rows)}</details></section>" if rows else ""


def _row(target: str, one: "Standing", fields: Fields | None, now: float, blind: frozenset[str]) -> str:
    name, settings = f"{target}/{one.task.name}", one.task.settings
    shown = "due soon" if one.state == "soon" else one.state
    state = f'<span class="state {_STATES.get(one.state, "skipped")}">{shown}</span>'
    return (
        f'<tr id="{escape(name)}"><td>{state}<br>{escape(taskwords.stands(one, now))}</td>'
        f'<td class="why">{_what(one, blind)}{_button(name, one, fields)}</td>'
        f'<td class="less">{_last(one)}</td><td class="less">{escape(settings.owner)}</td></tr>'
    )


def _what(one: "Standing", blind: frozenset[str]) -> str:
    settings = one.task.settings
    parts = [
        f"<b>{escape(settings.title)}</b>",
        f'<code class="dim">{escape(one.task.name)}</code>',
        escape(settings.by_hand),
    ]
    if settings.link:
        parts.append(f'<a href="{escape(settings.link)}" rel="noreferrer">more</a>')
    if settings.watched_by:
        parts.append(f'<span class="dim">watched by {_names(settings.watched_by, blind)}</span>')
    if settings.guide:
        parts.append(f'<span class="dim">{escape(settings.guide)}</span>')
    return "<br>".join(part for part in parts if part)


def _last(one: "Standing") -> str:
    if one.last is None:
        return "never"
    said = f"{taskwords.when(one.last.at, one.task.zone)} {escape(one.last.by)}"
    return f'{said}<br><span class="dim">{_breakable(one.last.note)}</span>' if one.last.note else said


def _breakable(text: str) -> str:
    """Return what a person wrote, with places to break at in words that no screen has room for."""
    words = [[word[at : at + _LONGEST_WORD] for at in range(0, len(word), _LONGEST_WORD)] for word in text.split(" ")]
    return " ".join("<wbr>".join(map(escape, parts)) for parts in words)


def _button(name: str, one: "Standing", fields: Fields | None) -> str:
    if one.task.settings.done_when is not None:
        return f'<br><span class="dim">done by {_metric(one.task.settings.done_when.metric)}</span>'
    if fields is None:
        return ""
    hidden = "".join(f'<input type="hidden" name="{key}" value="{value}">' for key, value in fields(name).items())
    note = f'<input name="note" maxlength="{taskwords.LONGEST_NOTE}" size="12" placeholder="note" aria-label="note">'
    return f'<form method="post" action="/tasks/{escape(name)}/done">{hidden}{note} <button>done</button></form>'


def _newest(checklist: "Checklist", standings: Sequence["Standing"]) -> str:
    done = sorted(((entry, one) for one in standings for entry in one.record.entries), key=lambda pair: -pair[0].at)[
        :_NEWEST
    ]
    rows = "".join(
        f'<tr><td class="when">{taskwords.when(entry.at, one.task.zone)}</td><td>{escape(one.task.name)}</td>'
        f"<td>{escape(_who(entry.by, entry.user))}</td><td>{_breakable(entry.note)}</td></tr>"
        for entry, one in done
    )
    if not rows:
        return ""
    return f"""<section><h2>Who did what in {escape(checklist.target)}</h2><div class="wide"><table><thead>
<tr><th>when</th><th>task</th><th>who</th><th>note</th></tr></thead><tbody>{rows}</tbody></table></div></section>"""


def _who(by: str, user: str) -> str:
    return f"{by or 'somebody'} (sent by {user})" if user and user != by else by or "somebody"


def _watched_row(one: "Standing", blind: frozenset[str]) -> str:
    settings = one.task.settings
    names = _names(settings.watched_by, blind)
    what = f'<td class="why">{escape(settings.title)}</td>'
    return f'<tr>{what}<td>{names}</td><td class="less">{escape(settings.guide)}</td></tr>'


def _names(names: Sequence[str], blind: frozenset[str]) -> str:
    return " ".join(f"{_name(name)} {_UNSEEN}" if name in blind else _name(name) for name in names)


def _name(name: str) -> str:
    """Return an alert as a link to its page, and anything else as it is."""
    if taskwatch.is_alert(name):
        return f'<a href="/runbooks/{escape(name)}">{_breakable(name)}</a>'
    return f"<code>{_metric(name)}</code>"


def _metric(name: str) -> str:
    return escape(name).replace("_", "_<wbr>")


def of(targets: Sequence[object]) -> Iterator["Checklist"]:
    """Yield the checklists among the collectors at work."""
    for target in targets:
        checklist = getattr(getattr(target, "collector", None), "checklist", None)
        if checklist is not None:
            yield checklist
