"""The parts of `make bench` that look from outside, with few targets; what they measure is not judged here."""

import dataclasses
import gzip
from pathlib import Path

import pytest

from tests.bench import outside, probes, report
from tests.bench.measure import measure
from tests.bench.paced import Paced
from tests.bench.probekinds import Kind
from tests.bench.probes import Cost, Probed
from tests.bench.probesides import Prober, Told, probers
from tests.bench.processes import Memory, Running
from tests.bench.scale import QUICK
from tests.bench.visits import Visit, Visits
from tests.commands import needs
from tests.nameserver import good, serving
from tests.process import free_port

SMALL = dataclasses.replace(QUICK, probe_targets=2, probe_batches=1, paced_targets=2, paced_seconds=1.0, paced_rounds=2)
MEMORY = Memory(3 << 20, 2 << 20)
SIDES = ("page", "each", "theirs")


def cost(*batches: float) -> Cost:
    return Cost(batches, MEMORY)


def paced(cpu: float, late: int = 0) -> Paced:
    return Paced(200, 15.0, 4, 60.0, cpu, MEMORY, late, 0.25, (0.001, 0.002, 0.003))


def prober(pages: int = 1, probes: int = 1) -> Prober:
    return Prober(Running("it", 1, 1), ("/probe",) * pages, probes)


def test_what_one_core_carries_is_the_interval_over_the_median() -> None:
    assert cost(2.0, 9.0, 1.0).median == 2.0
    assert cost(2.0, 9.0, 1.0).carried == pytest.approx(7_500)
    one = paced(2.4)
    assert (one.busy, one.each, one.carried) == pytest.approx((0.04, 0.003, 5_000))


def test_a_probe_counts_where_it_went_well_and_was_made_after_it_was_asked_for() -> None:
    at = 'runbook_exporter_read_last_success_timestamp_seconds{{collector="http",read="found",target="{}"}} {}\n'
    page = (
        'probe_success{target="a"} 1\nprobe_success{target="b"} 1\nprobe_success{target="c"} 0\n'
        'probe_duration_seconds{target="a"} 0.25\n'
        + at.format("a", 100.5) + at.format("b", 99.5)
    ).encode()  # fmt: skip
    assert prober().told(page) == Told(2, (0.25,))
    assert prober().told(page, asked=100.0).good == 1
    assert prober().told(gzip.compress(page), asked=100.0).good == 1
    assert prober().told(b"probe_success 1\nprobe_duration_seconds 0.5\n", asked=100.0) == Told(1, (0.5,))
    assert dataclasses.replace(prober(), oldest=1.0).told(page, asked=100.0).good == 2
    assert prober(3, 2).targets == 6


def test_who_cannot_probe_here_is_left_out(tmp_path: Path) -> None:
    gone = Kind("dns", "dns", f"server: 127.0.0.1:{free_port()}\nquery_name: a.example\ntimeout: 1s")
    with probers(tmp_path, gone, 1) as found:
        assert found == {}


def test_names_are_probed_by_turns_and_at_a_pace(tmp_path: Path) -> None:
    with serving(good) as names:
        kind = Kind("dns", "dns", f"server: {names.place}\nquery_name: shop.example.com", paced=True)
        found = probes.measured(tmp_path, [kind], SMALL)
    assert found.costs.keys() == found.paced.keys() == {"dns"}
    assert found.costs["dns"].keys() == found.paced["dns"].keys() == {"page", "each"}
    assert all(one.median > 0 and one.memory.proportional > 2**20 for one in found.costs["dns"].values())
    for one in found.paced["dns"].values():
        assert (one.targets, one.rounds) == (2, 2)
        assert one.seconds >= 2
        assert 0 < one.cpu < one.seconds
        assert 0 < one.percentile(50) <= one.percentile(99)
    # two targets by turns: as a page is awaited, a round of each side to see that it works, and a batch of each
    assert len(names.asked) >= 2 * (1 + 2 + 2) + 2 * 2 * 2


def test_the_report_says_what_was_measured_and_what_could_not_be() -> None:
    costs = {
        "http": dict(zip(SIDES, (cost(1.5, 2.0, 1.0), cost(3.0), cost(2.0)), strict=True)),
        "websocket": {"page": cost(3.0), "each": cost(4.0)},
        "icmp": {},
    }
    found = Probed(50, costs, {"http": dict(zip(SIDES, (paced(2.4), paced(3.6, 2), paced(1.2)), strict=True))})
    page = "\n".join(outside.sections(found, None))
    assert "| http | exporter, all on one page | 1.50 | 1.00 to 2.00 | 10,000 | 3.0 | 2.0 | 0.75 |" in page
    assert "| http | blackbox_exporter, each by /probe | 2.00 | 2.00 to 2.00 | 7,500 | 3.0 | 2.0 | 1.00 |" in page
    assert "| websocket | exporter, each by /probe | 4.00 | 4.00 to 4.00 | 3,750 | 3.0 | 2.0 | - |" in page
    assert "A probe of the kind icmp does not go well here" in page
    assert "not installed" not in page
    assert "200 targets of a kind, each probed every 15 s, 4 times, all" in page
    assert (
        "| http | exporter, each by /probe | 6.00% | 4.50 | 3,333 | 2 | 0.25 | 2.0 | 3.0 | 3.0 | 2.0 | 3.00 |" in page
    )
    assert [(goal.measured, goal.met()) for goal in outside.goals(found)] == [(2.0, False), (5000.0, True), (0, True)]
    figures = outside.figures(found, None)["probes"]
    assert figures["by_turns"]["http"]["each"]["carried_by_one_core"] == pytest.approx(5_000)
    assert figures["paced"]["http"]["each"]["late"] == 2


def test_what_is_not_installed_is_said_and_nothing_fails() -> None:
    found = Probed(50, {"dns": {"page": cost(1.0), "each": cost(2.0)}}, {})
    page = "\n".join(outside.sections(found, Visits(())))
    assert "prometheus-blackbox-exporter is not installed, so nothing is compared." in page
    assert "nginx is not installed" in page
    assert "No Chromium is installed, so nothing is measured." in page
    assert "each probed every" not in page
    assert [goal.met() for goal in outside.goals(found)] == [None, None, None]
    assert not outside.goals(None)
    assert not outside.sections(None, None)
    assert not outside.figures(None, None)


def test_visits_are_told_by_their_medians() -> None:
    made = Visits((Visit(4.0, 2.0, 400 << 20, 13), Visit(9.0, 1.5, 420 << 20, 12), Visit(3.5, 1.0, 430 << 20, 13)))
    assert "| 3 | 4.00 | 1.50 | 420.0 | 13 |" in "\n".join(outside.sections(None, made))
    assert outside.figures(None, made)["visits"][1]["cpu_s"] == 1.5


def test_a_page_is_visited_where_there_is_a_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    needs("chromium")
    visits = measure(SMALL, ["visits"]).visits
    assert visits is not None
    (visit,) = visits.made
    assert 2 < visit.seconds < 60
    assert 0.1 < visit.cpu < 60
    assert visit.memory > 50 << 20
    assert visit.processes > 3
    monkeypatch.setenv("PATH", "")
    results = measure(SMALL, ["visits"])
    assert results.visits == Visits(())
    assert "No Chromium is installed" in report.as_markdown(results)
