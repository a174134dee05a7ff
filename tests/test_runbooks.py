"""The runbook pages: complete, alike, right. Their commands run, their queries parse, and they become pages."""

import re
import subprocess
from collections.abc import Iterator

import promql_parser
import pytest

from exporter import alerts, catalogue, pack, promql, runbookpage
from tests.postgres import Cluster, server, standby_of
from tests.support import until
from tests.test_statuspage import Page

HEADINGS = [
    "What it means", "What users notice", "First look", "Likely causes", "Remedies", "Prevention", "When to silence",
]  # fmt: skip
PAGES = sorted(path.stem for path in pack.runbooks_folder().glob("*.md"))
LONGEST_LINE = 140
# What Prometheus and Alertmanager say of themselves, and what every scrape and rule leaves behind.
ELSEWHERE = re.compile(r"up|scrape_\w+|ALERTS|(prometheus|alertmanager)_\w+")
BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
ON_THE_STANDBY = "-- on the standby"

every_page = pytest.mark.parametrize("alert", PAGES)


def blocks(language: str, alert: str) -> list[str]:
    """Return the code of this language on a page, as it would be pasted."""
    found = BLOCK.findall(pack.runbook(alert))
    return [re.sub(f"^{indent}", "", code, flags=re.MULTILINE) for indent, kind, code in found if kind == language]


def test_every_alert_has_its_page_and_every_page_its_alert() -> None:
    assert sorted(pack.rules().alerts) == PAGES


@every_page
def test_a_page_has_the_same_headings_as_all(alert: str) -> None:
    lines = BLOCK.sub("", pack.runbook(alert)).splitlines()
    assert lines[0] == f"# {alert}"
    assert [line.removeprefix("## ") for line in lines[1:] if line.startswith("#")] == HEADINGS
    parts = re.split(r"^## .*$", pack.runbook(alert), flags=re.MULTILINE)
    assert all(part.strip() for part in parts)
    assert max(map(len, pack.runbook(alert).splitlines())) <= LONGEST_LINE


@every_page
def test_every_block_of_code_says_its_language(alert: str) -> None:
    kinds = {kind for _, kind, _ in BLOCK.findall(pack.runbook(alert))}
    assert kinds <= {"sh", "sql", "promql"}
    assert pack.runbook(alert).count("```") == 2 * len(BLOCK.findall(pack.runbook(alert)))


@every_page
def test_links_lead_to_other_pages(alert: str) -> None:
    links = re.findall(r"\]\(([^)]*)\)", pack.runbook(alert))
    assert {link.removesuffix(".md") for link in links} <= {*PAGES} - {alert}
    assert all(link.endswith(".md") for link in links)


@every_page
def test_shell_commands_are_well_formed(alert: str) -> None:
    for code in blocks("sh", alert):
        ended = subprocess.run(["bash", "-n"], input=code, text=True, capture_output=True, check=False)
        assert (ended.returncode, ended.stderr) == (0, ""), code


@every_page
def test_queries_parse_and_ask_for_what_there_is(alert: str) -> None:
    metrics = catalogue.by_collector()
    for code in blocks("promql", alert):
        promql_parser.parse(code)
        names = [name for name in promql.names(code) if not ELSEWHERE.fullmatch(name)]
        known = [name for name in names if name in pack.rules().signals or catalogue.find_metric(name, metrics)]
        assert names == known


# ---- the SQL, on a real server and its standby

SHOP = """
CREATE EXTENSION pg_stat_statements;
CREATE ROLE shop;
CREATE ROLE monitor;
SELECT pg_create_physical_replication_slot('old_standby');
CREATE TABLE customers (id bigserial PRIMARY KEY, name text);
CREATE TABLE orders (id bigserial PRIMARY KEY, customer bigint, placed timestamptz DEFAULT now(), total numeric);
CREATE INDEX orders_customer_idx ON orders (customer);
INSERT INTO orders (customer, total) SELECT number % 100, number FROM generate_series(1, 1000) AS number;
"""
SETTINGS = {"archive_mode": "on", "archive_command": "true", "shared_preload_libraries": "pg_stat_statements"}


def psql(cluster: Cluster, database: str, code: str) -> "subprocess.CompletedProcess[str]":
    command = [str(cluster.programs / "psql"), "-X", "-q", "-d", cluster.url(database), "-v", "ON_ERROR_STOP=1"]
    return subprocess.run(command, input=code, text=True, capture_output=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Cluster, Cluster]]:
    """Return a primary with a database `shop`, and its standby."""
    with server(settings=SETTINGS) as primary, standby_of(primary) as standby:
        assert psql(primary, "postgres", "CREATE DATABASE shop").returncode == 0
        made = psql(primary, "shop", SHOP)
        assert made.returncode == 0, made.stderr
        until(lambda: psql(standby, "shop", "SELECT 1").returncode == 0)
        yield primary, standby


@pytest.mark.parametrize("alert", [alert for alert in PAGES if blocks("sql", alert)])
def test_sql_runs_on_a_real_server(alert: str, servers: tuple[Cluster, Cluster]) -> None:
    for code in blocks("sql", alert):
        ended = psql(servers[code.startswith(ON_THE_STANDBY)], "shop", code)
        assert ended.returncode == 0, f"{code}\n{ended.stderr}"


# ---- as HTML


@every_page
def test_every_page_becomes_html_with_what_its_rules_say(alert: str) -> None:
    html = runbookpage.page(alert)
    page = Page(html)
    for rule in pack.rules().alerts[alert]:
        assert [
            f"{alerts.condition(rule)} {alerts.told_apart(rule)}".strip(),
            alerts.duration(rule),
            rule.labels.get("priority", ""),
        ] in [row[:3] for row in page.rows]
    assert all(heading in page.text for heading in HEADINGS)
    assert html.count("<h1>") == 1
    assert "```" not in page.text
    assert not {"script", "img", "iframe"} & {tag for tag, _ in page.tags}
    known = {"/", "/targets", "/tasks", "/metrics", "/runbooks/"} | {f"/runbooks/{name}" for name in PAGES}
    assert set(page.all("href")) <= known


def test_html_in_markdown_stays_text_and_links_lead_to_pages_only() -> None:
    html = runbookpage.markdown(
        "# Title\n\n<script>x</script> <b>y</b> ![z](https://example.org/z.png) [js](javascript:alert(1))\n"
        "[page](Watchdog.md) [none](Nothing.md) [out](https://example.org/) [up](../../etc/passwd)\n\n"
        "| a | b |\n|---|---|\n| 1 | 2 |\n"
    )
    page = Page(html)
    tags = {tag for tag, _ in page.tags}
    assert not {"script", "b", "img", "h1"} & tags
    assert {"table", "td"} <= tags
    assert "<script>x</script> <b>y</b>" in page.text
    assert page.all("href") == ["https://example.org/z.png", "/runbooks/Watchdog", "https://example.org/"]
