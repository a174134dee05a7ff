"""The pages for eyes: what is watched, how it stands, and why not."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from exporter import __version__, health
from exporter.snapshot import Outcome, Snapshot
from exporter.target import Target

_STYLE: Final = """
:root { color-scheme: light dark; --line: #8884; --good: #1a7f37; --bad: #c62828; --dim: #767676; }
@media (prefers-color-scheme: dark) { :root { --good: #56d364; --bad: #ff7b72; --dim: #9a9a9a; } }
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; padding: 0 1rem; max-width: 68rem; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.1rem; margin: 2rem 0 .3rem; }
p { margin: .3rem 0; } .dim { color: var(--dim); }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 600; } td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
.ok, .healthy { color: var(--good); } .failed, .critical, .unhealthy, .degraded { color: var(--bad); font-weight: 600; }
.skipped, .unknown { color: var(--dim); } code { font-size: .9em; }
"""
_LINKS: Final = (
    ("/metrics", "everything, for Prometheus"),
    ("/targets", "every read of every target, with the reason where it fails"),
    ("/health", "the health report, as JSON"),
    ("/sd", "the targets one by one, for Prometheus' HTTP service discovery"),
)


def landing(targets: Sequence[Target], snapshots: Sequence[Snapshot], now: float) -> str:
    """Return the page at /: the verdict, the targets in a table, and where to go from here."""
    report = health.report(targets, snapshots, now)
    rows = "".join(map(_target_row, report["checks"], targets, snapshots, [now] * len(targets)))
    links = "".join(f'<li><a href="{path}"><code>{path}</code></a> {escape(what)}</li>' for path, what in _LINKS)
    return _page("runbook-exporter", f"""
<p>Everything watched is, in all, <b class="{report["status"]}">{report["status"]}</b>:
{_summary(report["summary"])}.</p>
<div class="wide"><table><thead><tr><th>target</th><th>collector</th><th>state</th><th>last success</th>
<th class="n">reads</th><th class="n">series</th><th class="n">time</th><th>what is wrong</th></tr></thead>
<tbody>{rows}</tbody></table></div>
<h2>Where to go from here</h2><ul>{links}</ul>""")  # fmt: skip


def targets(targets: Sequence[Target], snapshots: Sequence[Snapshot], now: float) -> str:
    """Return the page at /targets: each target with its reads."""
    return _page("Targets", "".join(_target_section(*pair, now) for pair in zip(targets, snapshots, strict=True)))


def _summary(summary: dict[str, int]) -> str:
    counts = [f"{count} {state}" for state, count in summary.items() if state != "total" and count]
    return ", ".join(counts) or "nothing is configured"


def _target_row(check: dict[str, str], target: Target, snapshot: Snapshot, now: float) -> str:
    name = escape(target.settings.name)
    good = sum(outcome.status == "ok" for outcome in snapshot.outcomes)
    applying = sum(outcome.status != "skipped" for outcome in snapshot.outcomes)
    wrong = "" if check["status"] == "healthy" else escape(check["message"])
    return (
        f'<tr><td><a href="/targets#{name}">{name}</a></td><td>{escape(snapshot.collector)}</td>'
        f'<td class="{check["status"]}">{check["status"]}</td><td>{_ago(_last_success(snapshot), now)}</td>'
        f'<td class="n">{good} of {applying}</td><td class="n">{_series(snapshot.outcomes)}</td>'
        f'<td class="n">{_milliseconds(snapshot.duration)}</td><td>{wrong}</td></tr>'
    )


def _target_section(target: Target, snapshot: Snapshot, now: float) -> str:
    settings = target.settings
    helps = {read.name: read.help for read in target.reads}
    rows = "".join(_read_row(outcome, helps.get(outcome.read, ""), snapshot, now) for outcome in snapshot.outcomes)
    rhythm = (
        f"every {settings.interval:g} s" if settings.interval else f"when asked, at most every {settings.max_age:g} s"
    )
    name = escape(settings.name)
    return f"""<h2 id="{name}">{name}</h2>
<p>{escape(settings.description)} <span class="dim">{escape(settings.collector)}, read {rhythm},
given up after {settings.timeout:g} s</span></p>
<p>{escape(health.message(snapshot))}. {escape(snapshot.fix)}</p>
<div class="wide"><table><thead><tr><th>read</th><th>outcome</th><th>last success</th><th class="n">series</th>
<th class="n">time</th><th>what it is, or why not</th></tr></thead><tbody>{rows}</tbody></table></div>"""


def _read_row(outcome: Outcome, help: str, snapshot: Snapshot, now: float) -> str:
    why = ". ".join(part for part in (outcome.reason, outcome.fix) if part) or help
    word = {"skipped": "does not apply"}.get(outcome.status, outcome.status)
    return (
        f'<tr><td>{escape(outcome.read)}</td><td class="{outcome.status}">{word}</td>'
        f"<td>{_ago(snapshot.last_success.get(outcome.read), now)}</td>"
        f'<td class="n">{len(outcome.samples)}</td><td class="n">{_milliseconds(outcome.duration)}</td>'
        f"<td>{escape(why)}</td></tr>"
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


def _page(title: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>'
        f'<h1>{title}</h1><p class="dim"><a href="/">runbook-exporter</a> {__version__}</p>{body}</body></html>\n'
    )
