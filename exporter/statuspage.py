"""The pages for eyes: what is watched, how it stands, and why not."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from exporter import __version__, health
from exporter.snapshot import Outcome, Snapshot
from exporter.target import Target

_STYLE: Final = """
:root { color-scheme: light dark; --text: #1f2328; --back: #f6f7f9; --card: #fff; --line: #d8dde3; --dim: #636c76;
  --link: #0a5cc2; --good: #1a7f37; --bad: #c62828; --good-back: #e6f4ea; --bad-back: #fdeceb; --dim-back: #eef0f3; }
@media (prefers-color-scheme: dark) { :root { --text: #e3e7eb; --back: #14171a; --card: #1c2024; --line: #32383f;
  --dim: #9aa4ae; --link: #79b8ff; --good: #63d583; --bad: #ff8a80; --good-back: #17301f; --bad-back: #3a1f1e;
  --dim-back: #262b31; } }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--back); margin: 0 auto;
  padding: 1.5rem 1rem 3rem; max-width: 72rem; overflow-wrap: break-word; }
a { color: var(--link); text-decoration: none; } a:hover { text-decoration: underline; }
header { display: flex; flex-wrap: wrap; align-items: baseline; gap: .2rem 1.2rem; margin-bottom: 1rem; }
h1 { font-size: 1.3rem; margin: 0; } h2 { font-size: 1.05rem; margin: 0; } p { margin: .3rem 0; }
.dim { color: var(--dim); }
section { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 1rem; margin: 1rem 0; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; margin-top: .5rem; font-size: 14px; }
th, td { text-align: left; padding: .35rem .9rem .35rem 0; border-top: 1px solid var(--line); vertical-align: top; }
thead th { border-top: 0; color: var(--dim); font-weight: 500; white-space: nowrap; }
.n { text-align: right; font-variant-numeric: tabular-nums; } td:last-child, th:last-child { padding-right: 0; }
td.n, .when { white-space: nowrap; } td.why { min-width: 14rem; }
.state { display: inline-block; padding: 0 .55em; border-radius: 1em; font-size: .9em; font-weight: 500;
  white-space: nowrap; }
.ok, .healthy { color: var(--good); background: var(--good-back); }
.failed, .critical, .unhealthy, .degraded { color: var(--bad); background: var(--bad-back); font-weight: 600; }
.skipped, .unknown { color: var(--dim); background: var(--dim-back); }
ul, ol { margin: .3rem 0; padding-left: 1.4rem; } code { font-size: .93em; }
pre { background: var(--back); border: 1px solid var(--line); border-radius: 6px; padding: .5rem .7rem;
  margin: .4rem 0; overflow-x: auto; }
.text h2 { margin: 1.2rem 0 .3rem; } .text h2:first-child { margin: 0; } .text p, .text li { max-width: 54rem; }
@media (max-width: 46rem) { .less { display: none; } section { padding: .8rem; } }
"""
_LINKS: Final = (
    ("/metrics", "everything, for Prometheus"),
    ("/targets", "every read of every target, with the reason where it fails"),
    ("/runbooks/", "what to do about each alert"),
    ("/tasks", "the checklist: what there is to do, and who did what when"),
    ("/health", "the health report, as JSON"),
    ("/sd", "the targets one by one, for Prometheus' HTTP service discovery"),
)


def landing(targets: Sequence[Target], snapshots: Sequence[Snapshot], now: float, tasks: str = "") -> str:
    """Return the page at /: the verdict, the targets in a table, HTML about tasks, and where to go from here."""
    report = health.report(targets, snapshots, now)
    rows = "".join(map(_target_row, report["checks"], targets, snapshots, [now] * len(targets)))
    links = "".join(f'<li><a href="{path}"><code>{path}</code></a> {escape(what)}</li>' for path, what in _LINKS)
    return page("runbook-exporter", f"""
<section><p>{_state(report["status"])} {_summary(report["summary"])}</p>
<div class="wide"><table><thead><tr><th>target</th><th class="less">collector</th><th>state</th>
<th class="less">last success</th><th class="n less">reads</th><th class="n">series</th><th class="n less">time</th>
<th>what is wrong</th></tr></thead><tbody>{rows}</tbody></table></div></section>{tasks}
<section><h2>Where to go from here</h2><ul>{links}</ul></section>""")  # fmt: skip


def targets(targets: Sequence[Target], snapshots: Sequence[Snapshot], now: float) -> str:
    """Return the page at /targets: each target with its reads."""
    checks = health.report(targets, snapshots, now)["checks"]
    return page("Targets", "".join(map(_target_section, checks, targets, snapshots, [now] * len(targets))))


def _state(word: str, shown: str = "") -> str:
    return f'<span class="state {word}">{shown or word}</span>'


def _summary(summary: dict[str, int]) -> str:
    counts = [f"{count} {state}" for state, count in summary.items() if state != "total" and count]
    return f"{', '.join(counts)}, of {summary['total']} targets" if counts else "nothing is watched"


def _target_row(check: dict[str, str], target: Target, snapshot: Snapshot, now: float) -> str:
    name = escape(target.settings.name)
    good = sum(outcome.status == "ok" for outcome in snapshot.outcomes)
    applying = sum(outcome.status != "skipped" for outcome in snapshot.outcomes)
    wrong = "" if check["status"] == "healthy" else escape(check["message"])
    return (
        f'<tr><td><a href="/targets#{name}">{name}</a></td><td class="less">{escape(snapshot.collector)}</td>'
        f'<td>{_state(check["status"])}</td><td class="when less">{_ago(_last_success(snapshot), now)}</td>'
        f'<td class="n less">{good} of {applying}</td><td class="n">{_series(snapshot.outcomes)}</td>'
        f'<td class="n less">{_milliseconds(snapshot.duration)}</td><td>{wrong}</td></tr>'
    )


def _target_section(check: dict[str, str], target: Target, snapshot: Snapshot, now: float) -> str:
    settings = target.settings
    helps = {read.name: read.help for read in target.reads}
    rows = "".join(_read_row(outcome, helps.get(outcome.read, ""), snapshot, now) for outcome in snapshot.outcomes)
    rhythm = (
        f"every {settings.interval:g} s" if settings.interval else f"when asked, at most every {settings.max_age:g} s"
    )
    name = escape(settings.name)
    about = ". ".join(part for part in (health.message(snapshot), snapshot.fix) if part)
    return f"""<section id="{name}"><h2>{name} {_state(check["status"])}</h2>
<p>{escape(settings.description)}</p>
<p class="dim">{escape(settings.collector)}, read {rhythm}, given up after
{settings.timeout:g} s</p><p>{escape(about)}</p>
<div class="wide"><table><thead><tr><th>read</th><th>outcome</th><th class="less">last success</th>
<th class="n">series</th><th class="n less">time</th><th>what it is, or why not</th></tr></thead>
<tbody>{rows}</tbody></table></div></section>"""


def _outcome(outcome: Outcome) -> str:
    if outcome.status == "skipped":
        return _state("skipped", "does not apply")
    return _state("unhealthy", "found something") if outcome.has_remark else _state(outcome.status)


def _read_row(outcome: Outcome, help: str, snapshot: Snapshot, now: float) -> str:
    why = ". ".join(part for part in (outcome.reason, outcome.fix) if part) or help
    skipped = outcome.status == "skipped"
    when = "" if skipped else _ago(snapshot.last_success.get(outcome.read), now)
    return (
        f"<tr><td>{escape(outcome.read)}</td><td>{_outcome(outcome)}</td>"
        f'<td class="when less">{when}</td>'
        f'<td class="n">{len(outcome.samples)}</td><td class="n less">{_milliseconds(outcome.duration)}</td>'
        f'<td class="why">{escape(why)}</td></tr>'
    )


def _last_success(snapshot: Snapshot) -> float | None:
    return max(snapshot.last_success.values(), default=None)


def _series(outcomes: Iterable[Outcome]) -> int:
    return sum(len(outcome.samples) for outcome in outcomes)


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


def _ago(when: float | None, now: float) -> str:
    if when is None:
        return "never"
    seconds = max(0.0, now - when)
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


def page(title: str, body: str) -> str:
    """Return a whole page; the body is HTML, the title as well."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head><body>'
        f'<header><h1>{title}</h1><a href="/">overview</a> <a href="/targets">targets</a> '
        f'<a href="/runbooks/">runbooks</a> <a href="/tasks">checklist</a> <a href="/metrics">metrics</a> '
        f'<span class="dim">version {__version__}</span></header>{body}</body></html>\n'
    )
