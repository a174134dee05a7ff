"""What people get: a real Alertmanager with the shipped routes and texts writes mails, to Slack and to PagerDuty."""

import base64
import json
import os
import re
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any, Final
from urllib.parse import quote

import pytest
import requests

from tests.notified import PASSWORD, ROUTING_KEY, SLACK_PATH, Alertmanager, Posted, notifying, over
from tests.support import until

PROGRAM: Final = os.environ.get("RUNBOOK_ALERTMANAGER", "prometheus-alertmanager")
"""Another version may be tried."""
FACTOR: Final = 120.0
QUARTER: Final = 900 / FACTOR
RUNBOOKS: Final = "https://monitoring.example.org/runbooks"
SEVERITY: Final = {"P0": "critical", "P1": "critical", "P2": "warning", "P3": "info"}
Fired = dict[str, Any]


def alert(name: str, priority: str, target: str = "", machine: str = "db1", **more: str) -> Fired:
    """Return an alert as Prometheus sends those of the pack."""
    labels = {"alertname": name, "priority": priority, "severity": SEVERITY[priority], "job": "runbook-exporter",
              "instance": f"{machine}:10420", **({"target": target} if target else {}), **more}  # fmt: skip
    annotations = {"summary": f"What {name} says.", "description": f"{target or machine} has 93% in use.",
                   "runbook_url": f"{RUNBOOKS}/{name}"}  # fmt: skip
    return {**labels, "_": {"annotations": annotations, "generatorURL": "http://p:9090/graph?g0.expr=a%3E1&g0.tab=1"}}


def ended(fired: Fired) -> Fired:
    return {**fired, "_": {**fired["_"], **over()}}


REPEATED: Final = alert("Repeated", "P0", "shop-db")
LASTING: Final = [alert(f"Lasting{number}", "P3", f"t{number}") for number in range(3)]


@pytest.fixture(scope="module")
def am(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alertmanager]:
    with notifying(tmp_path_factory.mktemp("notified"), FACTOR, program=PROGRAM) as started:
        started.fire(REPEATED, {"alertname": "Watchdog", "severity": "none"}, *LASTING)
        yield started


def first(found: Callable[[], list[Any]]) -> Any:
    until(found, 20)
    return found()[0]


def parts(mail: EmailMessage) -> tuple[str, str]:
    """Return a mail's plain text and its HTML."""
    bodies = [mail.get_body((kind,)) for kind in ("plain", "html")]
    plain, html = (body.get_content().replace("\r\n", "\n") for body in bodies if body is not None)
    return plain, html


class Links(HTMLParser):
    """The addresses and the texts of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.text = ""
        self.tags: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.found += [value or "" for name, value in attrs if name == "href"]

    def handle_data(self, data: str) -> None:
        self.text += data


def silence_link(fired: Fired) -> str:
    named = ",".join(f'{name}="{fired[name]}"' for name in ("alertname", "instance", "job", "target") if name in fired)
    return f"https://alerts.example.org/#/silences/new?filter={quote('{' + named + '}', safe='')}"


def test_p0_pages_somebody_and_stands_in_the_channel(am: Alertmanager) -> None:
    fired = alert("PostgreSQLDown", "P0", "orders-db", grafana="https://grafana.example.org")
    am.fire(fired)
    page: dict[str, Any] = first(lambda: am.inbox.pages("orders-db")).body
    subject = "P0 PostgreSQLDown, orders-db on db1"
    assert page["routing_key"] == ROUTING_KEY
    assert page["event_action"] == "trigger"
    assert {name: page["payload"][name] for name in ("summary", "severity", "class", "component", "group")} == {
        "summary": subject, "severity": "critical", "class": "PostgreSQLDown", "component": "orders-db",
        "group": "runbook-exporter",
    }  # fmt: skip
    told = json.dumps(page["payload"]["custom_details"]["firing"])
    assert "orders-db has 93% in use." in told
    assert f"{RUNBOOKS}/PostgreSQLDown" in told
    assert page["client_url"] == silence_link(fired)
    card = first(lambda: am.inbox.slack(subject))
    assert (card["title"], card["color"], card["title_link"]) == (subject, "danger", silence_link(fired))
    lines = card["text"].splitlines()
    assert lines[:2] == ["*What PostgreSQLDown says.*", "orders-db has 93% in use."]
    assert re.match(r"Since \w{3} \d+ \w{3} \d\d:\d\d CES?T · ", lines[2])
    assert re.findall(r"<([^|>]+)\|(\w+)>", lines[2]) == [
        (f"{RUNBOOKS}/PostgreSQLDown", "Runbook"),
        ("https://grafana.example.org/d/runbook-postgres?var-instance=db1%3A10420&var-target=orders-db", "Dashboard"),
        ("http://p:9090/graph?g0.expr=a%3E1&amp;g0.tab=1", "Graph"),
    ]
    assert lines[3] == f"<{silence_link(fired)}|Take it on: silence it while you do>"
    assert am.inbox.mail("orders-db") == []


def test_p1_is_written_to_whoever_is_on_call_and_to_the_channel(am: Alertmanager) -> None:
    fired = alert("RedisDown", "P1", "cache")
    am.fire(fired)
    mail: EmailMessage = first(lambda: am.inbox.mail("RedisDown"))
    assert mail["Subject"] == "P1 RedisDown, cache on db1"
    assert (mail["To"], mail["From"]) == ("on-call@example.org", "alertmanager@example.org")
    login = f"\0alertmanager@example.org\0{PASSWORD}"
    assert set(am.inbox.logins) == {base64.b64encode(login.encode()).decode()}
    plain, html = parts(mail)
    assert plain.splitlines()[:2] == ["What RedisDown says.", "cache has 93% in use."]
    assert re.search(r"^Since \w{3} \d+ \w{3} \d\d:\d\d CES?T$", plain, re.MULTILINE)
    assert f"Runbook: {RUNBOOKS}/RedisDown\n" in plain
    assert silence_link(fired) in plain
    page = Links(html)
    graph = "http://p:9090/graph?g0.expr=a%3E1&g0.tab=1"
    assert page.found == [f"{RUNBOOKS}/RedisDown", graph, silence_link(fired)]
    assert "cache has 93% in use." in page.text
    assert "width=device-width" in html
    assert first(lambda: am.inbox.slack("P1 RedisDown"))["color"] == "danger"
    assert am.inbox.pages("RedisDown") == []


def test_p2_goes_to_the_channel_only(am: Alertmanager) -> None:
    am.fire(alert("RedisMemoryHigh", "P2", "sessions"), alert("HighCPUUsage", "P2"))
    assert first(lambda: am.inbox.slack("P2 RedisMemoryHigh, sessions on db1"))["color"] == "warning"
    assert first(lambda: am.inbox.slack("P2 HighCPUUsage"))["title"] == "P2 HighCPUUsage, db1:10420"
    assert am.inbox.mail("RedisMemoryHigh") == []
    assert am.inbox.pages("RedisMemoryHigh") == []


def test_p3_is_one_message_for_all_of_them(am: Alertmanager) -> None:
    mail: EmailMessage = first(lambda: am.inbox.mail("P3 digest"))
    assert (mail["Subject"], mail["To"]) == ("P3 digest: 3 alerts", "operations@example.org")
    plain, html = parts(mail)
    for number in range(3):
        assert f"What Lasting{number} says." in plain
        assert f"What Lasting{number} says." in Links(html).text
    assert "silences/new" not in plain + html  # all of P3 at once
    assert am.inbox.slack("Lasting") == []
    assert am.inbox.pages("Lasting") == []


def test_what_is_over_is_told_to_those_that_heard_of_it(am: Alertmanager) -> None:
    page, mail, chat = (
        alert("EndpointDown", "P0", "over"),
        alert("MongoDBDown", "P1", "over"),
        alert("Late", "P2", "over"),
    )
    am.fire(page, mail, chat)
    until(lambda: am.inbox.pages("EndpointDown") and am.inbox.mail("MongoDBDown") and am.inbox.slack("P2 Late"), 20)
    am.fire(ended(page), ended(mail), ended(chat))
    until(lambda: len(am.inbox.pages("EndpointDown")) == 2 and am.inbox.mail("P1 resolved: MongoDBDown"), 20)
    begun, done = (post.body for post in am.inbox.pages("EndpointDown"))
    assert (begun["event_action"], done["event_action"]) == ("trigger", "resolve")
    assert begun["dedup_key"] == done["dedup_key"]
    assert first(lambda: am.inbox.slack("P0 resolved: EndpointDown, over on db1"))["color"] == "good"
    assert first(lambda: am.inbox.slack("P2 resolved: Late, over on db1"))["color"] == "good"
    plain, html = parts(am.inbox.mail("P1 resolved: MongoDBDown")[0])
    for text in (plain, Links(html).text):
        assert re.search(r"Over at \d\d:\d\d, after \d+s; began \w{3} \d+ \w{3} \d\d:\d\d CES?T", text)
        assert "ake it on" not in text


def test_what_comes_from_outside_is_text(am: Alertmanager) -> None:
    evil = '<img src=x onerror=a()> & <!channel> "x"\r\nBcc: thief@example.org\r\n\r\nboo'
    fired = alert("SecretLogged", "P1", evil)
    fired["_"]["annotations"] |= {"summary": f"Says {evil}", "runbook_url": "javascript:alert(1)"}
    am.fire(fired)
    mail: EmailMessage = first(lambda: am.inbox.mail("SecretLogged"))
    assert mail["Bcc"] is None
    assert str(mail["Subject"]) == 'P1 SecretLogged, <img src=x onerror=a()> & <!channel> "x" Bc'
    page = Links(parts(mail)[1])
    assert "img" not in page.tags
    assert not any("javascript" in link for link in page.found)
    assert evil.split("\r", 1)[0] in page.text
    text = first(lambda: am.inbox.slack("SecretLogged"))["text"]
    assert "&lt;!channel&gt;" in text
    assert "<!channel>" not in text


def test_one_thing_that_goes_wrong_in_one_place_is_one_message(am: Alertmanager) -> None:
    am.fire(*(alert("PostgreSQLReplicationBroken", "P1", "many", slot_name=name) for name in "abc"))
    am.fire(alert("PostgreSQLReplicationBroken", "P1", "another", slot_name="a"))
    am.fire(*(alert("TargetDown", "P1", name, machine=name) for name in ("web1", "web2", "web3")))
    until(lambda: am.inbox.mail("another") and am.inbox.mail("many") and am.inbox.mail("TargetDown"), 20)
    [many] = am.inbox.mail("many")
    assert many["Subject"] == "P1 PostgreSQLReplicationBroken (3), many on db1"
    assert all(f"slot_name={name}" in parts(many)[0] for name in "abc")
    [away] = am.inbox.mail("TargetDown")
    assert away["Subject"] == "P1 TargetDown (3)"
    assert "https://alerts.example.org/#/alerts?filter=" in parts(away)[0]  # no silence for all there will ever be


def test_a_fault_with_ten_symptoms_is_one_page(am: Alertmanager) -> None:
    symptoms = ("PostgreSQLConnectionsHigh", "PostgreSQLSlowQuery", "PostgreSQLReplicationLag", "PostgreSQLUnusedIndex",
                "TransactionLogBackupOverdue", "PostgreSQLArchiveFailing", "PostgreSQLReplicationBroken")  # fmt: skip
    fired = [alert(name, "P1", "killed") for name in symptoms]
    reads = [alert("CollectorFailing", "P2", "killed", read=name) for name in ("tables", "activity", "server")]
    am.fire(
        alert("PostgreSQLDown", "P0", "killed"),
        *fired,
        *reads,
        alert("PostgreSQLReplicationLag", "P1", "killed", "db2"),
    )
    until(lambda: am.inbox.pages("killed") and am.inbox.mail("killed on db2"), 20)
    am.fire(alert("Later", "P1", "marker"))
    until(lambda: am.inbox.mail("Later"), 20)  # by then the symptoms would have come
    assert [post.body["payload"]["class"] for post in am.inbox.pages("killed")] == ["PostgreSQLDown"]
    assert [str(mail["Subject"]) for mail in am.inbox.mail("killed")] == ["P1 PostgreSQLReplicationLag, killed on db2"]
    titles = {card["title"] for card in am.inbox.slack("killed")}
    assert titles == {"P0 PostgreSQLDown, killed on db1", "P1 PostgreSQLReplicationLag, killed on db2"}


def test_what_somebody_took_on_is_told_to_nobody(am: Alertmanager) -> None:
    am.silence(alertname="Answered", target="mine")
    am.fire(alert("Answered", "P1", "mine"), alert("Answered", "P1", "other"))
    until(lambda: am.inbox.mail("Answered, other"), 20)
    assert am.inbox.mail("Answered, mine") == []
    assert am.inbox.slack("Answered, mine") == []


def test_a_way_that_fails_leaves_the_other(am: Alertmanager) -> None:
    """Files of secrets are read for each message: one that is put in their place counts at once."""
    secret = am.log.parent / "slack-webhook"
    aside = secret.rename(secret.with_name("aside"))
    try:
        am.fire(alert("RedisClusterBroken", "P1", "cluster"))
        until(lambda: am.inbox.mail("RedisClusterBroken"), 20)
        assert am.inbox.slack("RedisClusterBroken") == []
    finally:
        aside.rename(secret)
    until(lambda: am.inbox.slack("RedisClusterBroken"), 20)


def test_a_long_list_is_cut_where_a_phone_ends(am: Alertmanager) -> None:
    am.fire(*(alert("BackupOverdue", "P1", "backups", backup=f"b{number:02}") for number in range(12)))
    plain, html = parts(first(lambda: am.inbox.mail("BackupOverdue (12)")))
    assert plain.count("What BackupOverdue says.") == 10
    assert "Of 12 that fire and 0 that are resolved, ten of each are shown." in plain
    assert Links(html).text.count("What BackupOverdue says.") == 12
    assert first(lambda: am.inbox.slack("BackupOverdue"))["text"].count("What BackupOverdue says.") == 5


def test_what_is_not_ours_reads_as_well(am: Alertmanager) -> None:
    am.fire({"alertname": "Foreign"}, {"severity": "page", "service": "x"})
    assert first(lambda: am.inbox.slack("alert Foreign"))["text"].startswith("*Foreign*\nSince ")
    until(lambda: am.inbox.slack("page 1 alerts"), 20)


def test_p0_is_repeated_every_quarter_of_an_hour(am: Alertmanager) -> None:
    def told() -> list[Posted]:
        return am.inbox.pages('"Repeated"')

    until(lambda: len(told()) >= 2, 30)
    one, other = told()[:2]
    assert QUARTER - 0.1 < other.at - one.at < QUARTER + 60 / FACTOR  # a busy machine may miss one look
    assert one.body["dedup_key"] == other.body["dedup_key"]


def test_the_switch_is_pressed_each_minute(am: Alertmanager) -> None:
    until(lambda: len(am.inbox.switch()) >= 8, 30)
    times = [post.at for post in am.inbox.switch()]
    each = sorted(later - sooner for sooner, later in pairwise(times))
    assert each[len(each) // 2] == pytest.approx(60 / FACTOR, abs=0.1)
    assert {one["labels"]["alertname"] for post in am.inbox.switch() for one in post.body["alerts"]} == {"Watchdog"}


def test_no_secret_is_told(am: Alertmanager) -> None:
    status = requests.get(f"{am.url}/api/v2/status", timeout=10).text
    log = am.log.read_text(encoding="utf-8", errors="replace")
    mails = "".join(mail.as_string() for mail in am.inbox.mails)
    bodies = json.dumps([{**post.body, "routing_key": ""} for post in am.inbox.posts])
    for secret in (PASSWORD, ROUTING_KEY, SLACK_PATH):
        assert secret not in status + log + mails + bodies


def test_nothing_failed_to_be_written(am: Alertmanager) -> None:
    """A template that fails loses its message; that of a way which was away comes later."""
    failed = requests.get(f"{am.url}/metrics", timeout=10).text
    counts = re.findall(
        r'^alertmanager_notifications_failed_total\{integration="(\w+)".*\} (\d+)$', failed, re.MULTILINE
    )
    assert {name for name, count in counts if int(count)} == {"slack"}
    assert "template:" not in am.log.read_text(encoding="utf-8", errors="replace")
