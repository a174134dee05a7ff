"""The runbook pages as HTML: what the rule says, then what to do about it."""

from collections.abc import Sequence
from functools import cache
from html import escape
from typing import TYPE_CHECKING, Final

from exporter import alerts, pack, statuspage
from exporter.pack import Rule, Signal

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

ADDRESS: Final = "/runbooks/"


@cache
def index() -> str:
    """Return the page at /runbooks/: every alert with its priority and what it says."""
    rows = "".join(map(_index_row, pack.rules().alerts.values()))
    return statuspage.page("Runbooks", f"""
<section><p>What to do about each alert. The rules are written by <code>runbook-exporter rules DIR</code>.</p>
<div class="wide"><table><thead><tr><th>alert</th><th>priority</th><th>what it says</th><th class="less">area</th>
</tr></thead><tbody>{rows}</tbody></table></div></section>""")  # fmt: skip


def _index_row(rules: tuple[Rule, ...]) -> str:
    first = rules[0]
    priorities = sorted({rule.labels.get("priority", "") for rule in rules})
    return (
        f'<tr><td><a href="{ADDRESS}{first.name}">{first.name}</a></td><td>{escape(", ".join(priorities))}</td>'
        f"<td>{escape(first.annotations.get('summary', ''))}</td>"
        f'<td class="less">{escape(first.area)}</td></tr>'
    )


@cache
def page(alert: str) -> str:
    """Return the page of an alert of the pack: its rules, then its runbook."""
    rules = pack.rules().alerts[alert]
    return statuspage.page(alert, f'{_rules(rules)}<section class="text">{markdown(pack.runbook(alert))}</section>')


def _rules(rules: tuple[Rule, ...]) -> str:
    summary = escape(rules[0].annotations.get("summary", ""))
    rows = "".join(map(_rule_row, rules))
    signals = dict.fromkeys(signal.name for rule in rules for signal in pack.rules().feeding(rule.expression))
    shown = "".join(_definition(pack.rules().signals[name]) for name in signals)
    return f"""
<section><p>{summary}</p>
<div class="wide"><table><thead><tr><th>fires when</th><th>for</th><th>priority</th><th>is to be</th></tr></thead>
<tbody>{rows}</tbody></table></div>{shown}</section>"""


def _rule_row(rule: Rule) -> str:
    priority = rule.labels.get("priority", "")
    apart = f' <span class="dim">{escape(alerts.told_apart(rule))}</span>' if rule.own_labels else ""
    return (
        f"<tr><td>{escape(alerts.condition(rule))}{apart}</td><td>{escape(alerts.duration(rule))}</td>"
        f"<td>{escape(priority)}</td><td>{escape(alerts.PRIORITIES.get(priority, ''))}</td></tr>"
    )


def _definition(signals: Sequence[Signal]) -> str:
    if signals[0].is_number:
        return f"<p><code>{escape(signals[0].name)}</code> = <code>{escape(signals[0].expression)}</code></p>"
    texts = "\n\n".join(signal.expression for signal in signals)
    return f"<p><code>{escape(signals[0].name)}</code></p><pre><code>{escape(texts)}</code></pre>"


def markdown(text: str) -> str:
    """Return Markdown as HTML, without its title, which stands above; HTML in it stays text."""
    renderer = _renderer()
    return str(renderer.renderer.render(_without_title(renderer.parse(text)), renderer.options, {}))


@cache
def _renderer() -> "MarkdownIt":
    from markdown_it import MarkdownIt  # only here: most exporters are never asked for a page

    renderer = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    renderer.normalizeLink = _address  # type: ignore[method-assign]  # its documented hooks
    renderer.validateLink = _leads_somewhere  # type: ignore[method-assign]
    return renderer


def _address(url: str) -> str:
    """Return where a link leads to: `PostgreSQLDown.md`, as it stands in the files, is another page here."""
    name = url.removesuffix(".md")
    return ADDRESS + name if name != url and name in pack.rules().alerts else url


def _leads_somewhere(url: str) -> bool:
    return url.startswith(("https://", ADDRESS))


def _without_title(tokens: "list[Token]") -> "list[Token]":
    ends = [at for at, token in enumerate(tokens) if token.type == "heading_close" and token.tag == "h1"]
    return tokens[ends[0] + 1 :] if ends else tokens
