"""Incidents of a real Alertmanager: active, silenced, planned, inhibited, and since when nobody has answered."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.incidents import Server, alertmanager
from tests.onetarget import One, one
from tests.support import until

START = 1_760_000_000.0  # long ago, and the same in every run


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with alertmanager(tmp_path) as started:
        yield started


@pytest.fixture
def target(server: Server) -> Iterator[One]:
    with one("alertmanager", f"url: {server.url}") as made:
        yield made


def labels(**given: str) -> str:
    return "{" + ",".join(f'{name}="{value}"' for name, value in given.items()) + "}"


def states(page: dict[str, str], name: str) -> dict[str, str]:
    """Return how many alerts of a name are in which state."""
    begin = f'runbook_incident_alerts{{alertname="{name}",'
    return {series.split('"')[-2]: count for series, count in page.items() if series.startswith(begin)}


def unanswered(page: dict[str, str], name: str, priority: str) -> float | None:
    found = page.get("runbook_incident_unanswered_timestamp_seconds" + labels(alertname=name, priority=priority))
    return None if found is None else float(found)


def start(page: dict[str, str], name: str, priority: str, state: str) -> float | None:
    of = labels(alertname=name, priority=priority, state=state)
    found = page.get("runbook_incident_start_timestamp_seconds" + of)
    return None if found is None else float(found)


def test_nothing_fires(target: One) -> None:
    page = target.page()
    assert [series for series in page if series.startswith("runbook_incident")] == []
    assert page['runbook_target_up{collector="alertmanager"}'] == "1"
    assert target.outcomes() == {"incidents": "ok", "cluster": "ok"}


def test_every_state(server: Server, target: One, golden: Callable[[str, str], None]) -> None:
    now = time.time()
    server.silence("Maintained")
    server.fire("Maintained", now + 60, priority="P1")
    server.fire("Down", START, priority="P0", severity="critical", instance="one")
    server.fire("Symptom", START + 60, priority="P2", instance="one")
    server.fire("Symptom", START + 120, priority="P2", instance="two")
    server.fire("Answered", START + 180, priority="P3")
    server.silence("Answered")
    server.fire("Foreign", START + 240, severity="page")
    server.fire("Misspelt", START + 300, priority="p0")
    shown = [line for line in target.text().splitlines(keepends=True) if "runbook_incident" in line]
    golden("alertmanager.prom", "".join(line for line in shown if "Maintained" not in line))
    assert states(target.page(), "Maintained") == {"planned": "1"}


def test_the_oldest_of_a_name_counts(server: Server, target: One) -> None:
    for number in (2, 1, 3):
        server.fire("Slow", START + number, priority="P2", instance=str(number))
    page = target.page()
    assert states(page, "Slow") == {"active": "3"}
    assert start(page, "Slow", "P2", "active") == unanswered(page, "Slow", "P2") == START + 1


def test_a_silence_is_an_answer_until_it_is_over(server: Server, target: One) -> None:
    server.fire("Down", START, priority="P0")
    assert unanswered(target.page(), "Down", "P0") == START
    silence = server.silence("Down")
    page = target.page()
    assert states(page, "Down") == {"silenced": "1"}
    assert start(page, "Down", "P0", "silenced") == START
    assert unanswered(page, "Down", "P0") is None
    before = time.time()
    server.expire(silence)
    page = target.page()
    assert states(page, "Down") == {"active": "1"}
    assert start(page, "Down", "P0", "active") == START  # it was not solved
    since = unanswered(page, "Down", "P0")
    assert since is not None
    assert before <= since <= time.time()
    assert unanswered(target.page(), "Down", "P0") == since


def test_a_silence_made_before_was_a_plan(server: Server, target: One) -> None:
    server.silence("Down")
    server.fire("Down", time.time(), priority="P0")
    page = target.page()
    assert states(page, "Down") == {"planned": "1"}
    assert unanswered(page, "Down", "P0") is None


def test_a_silence_that_is_prolonged_stays_what_it_was(server: Server, target: One) -> None:
    plan = server.silence("Maintained")
    server.fire("Maintained", time.time(), priority="P1")
    server.fire("Down", START, priority="P0")
    answer = server.silence("Down")
    assert (server.prolong(plan, 7200.0), server.prolong(answer, 7200.0)) == (plan, answer)
    page = target.page()
    assert (states(page, "Maintained"), states(page, "Down")) == ({"planned": "1"}, {"silenced": "1"})


def test_what_another_alert_explained_waits_from_its_end_on(server: Server, target: One) -> None:
    server.fire("Down", START, instance="one", priority="P0")
    server.fire("Symptom", START, instance="one", priority="P2")
    page = target.page()
    assert states(page, "Symptom") == {"inhibited": "1"}
    assert unanswered(page, "Symptom", "P2") is None
    before = time.time()
    server.fire("Down", START, before, instance="one", priority="P0")
    page = target.page()
    assert states(page, "Down") == {}
    assert states(page, "Symptom") == {"active": "1"}
    since = unanswered(page, "Symptom", "P2")
    assert since is not None
    assert since >= before


def test_what_always_fires_and_what_is_about_incidents_is_no_incident(server: Server, target: One) -> None:
    for name in ("Watchdog", "InfoInhibitor", "IncidentResponseOverdue", "IncidentResolutionOverdue", "Real"):
        server.fire(name, START, priority="P0")
    named = {series.split('"')[1] for series in target.page() if series.startswith("runbook_incident")}
    assert named == {"Real"}


def test_the_user_may_say_what_is_no_incident_but_not_that_these_are(server: Server) -> None:
    for name in ("Watchdog", "IncidentResponseOverdue", "Real"):
        server.fire(name, START, priority="P0")
    with one("alertmanager", f'url: {server.url}\nignore: ""') as target:
        named = {series.split('"')[1] for series in target.page() if series.startswith("runbook_incident")}
    assert named == {"Watchdog", "Real"}


def test_a_prometheus_that_was_restarted_does_not_set_the_clock_back(server: Server, target: One) -> None:
    """It tells a later start; Alertmanager keeps the earlier one for as long as it had not heard of an end."""
    server.fire("Down", START, priority="P0")
    server.fire("Down", time.time() - 5, priority="P0")
    assert unanswered(target.page(), "Down", "P0") == START
    server.fire("Down", START, time.time(), priority="P0")
    again = round(time.time(), 3)
    server.fire("Down", again, priority="P0")
    assert unanswered(target.page(), "Down", "P0") == pytest.approx(again, abs=0.002)


def test_hundreds_of_names_become_other_and_the_oldest_stays(server: Server, target: One) -> None:
    for number in range(210):
        server.fire(f"Name{number}", START + 210 - number, priority="P2")
    page = target.page()
    names = {series.split('"')[1] for series in page if series.startswith("runbook_incident_alerts")}
    assert len(names) == 201
    assert states(page, "other") == {"active": "10"}
    every = [float(at) for series, at in page.items() if series.startswith("runbook_incident_start_timestamp_seconds")]
    assert min(every) == START + 1
    assert page['runbook_exporter_read_members_cut{collector="alertmanager",read="incidents"}'] == "10"


def test_it_tells_of_itself(server: Server, target: One) -> None:
    page = target.page()
    status = server.ask("GET", "/api/v2/status")
    version = status["versionInfo"]["version"]
    assert page[f'runbook_alertmanager_info{{version="{version}"}}'] == "1"
    assert abs(float(page["runbook_alertmanager_start_timestamp_seconds"]) - time.time()) < 60
    assert not [series for series in page if "_cluster_" in series and "read=" not in series]


def test_a_cluster(tmp_path: Path) -> None:
    alone = "--cluster.listen-address=127.0.0.1:0"
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    with alertmanager(tmp_path / "one", alone) as first:
        peer = first.ask("GET", "/api/v2/status")["cluster"]["peers"][0]["address"]
        with (
            alertmanager(tmp_path / "two", alone, f"--cluster.peer={peer}") as second,
            one("alertmanager", f"url: {second.url}") as target,
        ):
            page = target.page()
            assert page["runbook_alertmanager_cluster_members"] == "2"
            assert page["runbook_alertmanager_cluster_ready"] in ("0", "1")
            second.fire("Down", START, priority="P0")
            first.silence("Down")
            until(lambda: states(target.page(), "Down") == {"silenced": "1"})
