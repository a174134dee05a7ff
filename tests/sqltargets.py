"""Settings of targets of the collector `sql`, as its tests write them, and the figures that come of them."""

import textwrap

from tests.onetarget import One


def query(name: str, sql: str, *metrics: str, more: str = "") -> str:
    """Return the lines of one query; each metric is a mapping in braces, or `name column labels...`."""
    listed = ", ".join(one if one.startswith("{") else _metric(*one.split()) for one in metrics)
    lines = f"sql: |-\n{textwrap.indent(sql, '  ')}\nmetrics: [{listed}]\n{more}"
    return f"{name}:\n{textwrap.indent(lines, '  ')}"


def _metric(name: str, column: str, *labels: str) -> str:
    return f"{{name: {name}, help: A figure., value: {column}, labels: [{', '.join(labels)}]}}"


def target(source: str, *queries: str) -> str:
    """Return the settings of a target with these queries; `source` says where they go, and what else is set."""
    return f"{source}\nqueries:\n{textwrap.indent(chr(10).join(queries), '  ')}"


def figures(one: One) -> dict[str, str]:
    """Make a round; return the values of the queries' own metrics by series."""
    return {
        name: value
        for name, value in one.page().items()
        if name.startswith(("app_", "runbook_app_")) or name in ("mem_frames", "mem_unique_frames")
    }


def reason(one: One, read: str) -> str:
    """Make a round; return how one query fared."""
    return one.outcomes()[read]
