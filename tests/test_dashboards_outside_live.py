"""Every query of the dashboards of probes, pages and certificates is asked of a real Prometheus, and gives data."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests import dashboards
from tests.alerting import Way, whole_way
from tests.livedashboards import unanswered
from tests.liveendpoints import endpoints
from tests.livepages import pages_at_work
from tests.liveprobes import probes
from tests.livesockets import sockets

# A browser opens each page twice, one after the other.
pytestmark = pytest.mark.timeout(300)

# What gives nothing where all is well, or on a machine like this one: a part of the query, and why.
EMPTY: dict[str, str] = {
    "runbook:page_element_other": "each page there is critical; rules/tests/page.yml has others",
    "runbook:path_budget": "no folder is watched there; tests/test_dashboards_live.py has some",
    "runbook:port_other": "each port there is critical; rules/tests/probe.yml has others",
    "runbook:login_other": "the login there is critical; rules/tests/probe.yml has others",
    "runbook:security_check_other": "the guard there is critical; rules/tests/probe.yml has others",
    "runbook:websocket_failures": "there only where one fails again and again, and is well in between",
    "runbook:health_critical_other": "the report there is degraded; rules/tests/probe.yml has others",
}


@pytest.fixture(scope="module")
def way(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Way]:
    with ExitStack() as more:
        lines = "".join(
            more.enter_context(served(tmp_path_factory.mktemp("outside"))) for served in (endpoints, probes, sockets)
        ) + more.enter_context(pages_at_work())
        config = f"host: {{enabled: false}}\ntargets:\n{lines.strip(chr(10))}\n"
        with whole_way(tmp_path_factory.mktemp("way"), config) as running:
            yield running


# the second visit to a page comes after a minute and a half
@pytest.mark.parametrize("area", ["certificate", "probe", pytest.param("page", marks=pytest.mark.long)])
def test_every_query_gives_data_or_is_known_to_be_empty(way: Way, area: str) -> None:
    assert unanswered(way, area, EMPTY, 120) == []


@pytest.mark.parametrize("part", EMPTY)
def test_what_is_said_to_be_empty_is_asked_somewhere_and_has_a_reason(part: str) -> None:
    assert EMPTY[part]
    assert any(part in expr for _, _, expr in dashboards.queries())
