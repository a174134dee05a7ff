"""The alerts of pages on what a real exporter tells of a real browser's visits."""

from collections.abc import Iterator
from typing import Final

import pytest

from tests.alerting import Way, whole_way
from tests.livepages import pages_at_work
from tests.support import until

pytestmark = [pytest.mark.long, pytest.mark.timeout(500)]

EXPECTED: Final = {
    ("FrontendBroken", "front-broken", "P0"),
    ("FrontendErrors", "front-broken", "P2"),
    ("BrowserStorageFailing", "front-broken", "P2"),
    ("PageOverBudget", "front", "P2"),
    ("BundleOverBudget", "front", "P3"),
    ("SourceSiteChanged", "races", "P3"),
}


@pytest.fixture
def way(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Way]:
    with pages_at_work() as targets, whole_way(tmp_path_factory.mktemp("way"), f"targets:{targets}") as running:
        yield running


def firing(way: Way) -> set[tuple[str, str, str]]:
    found = way.prometheus.query('ALERTS{alertstate="firing", target=~"front.*|races"}')
    return {(one["alertname"], one["target"], one["priority"]) for one in found}


def test_each_thing_wrong_with_a_page_fires_under_its_own_name(way: Way) -> None:
    until(lambda: firing(way) >= EXPECTED, 300)
    assert {one for one in firing(way) if one[0] == "EndpointDown"} == set()  # all of them came
    shown = way.prometheus.query('ALERTS{alertname="FrontendBroken", alertstate="firing"}')
    assert {one["element"] for one in shown} == {"main.missing"}
