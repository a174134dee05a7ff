"""The demo of Nova Clip, end to end: in quiet nothing fires, and each fault raises its alerts and no others."""

from collections.abc import Iterator

import pytest

from exporter.demo.running import Demo
from tests.demos import Running, running, the_faults

pytestmark = [pytest.mark.long, pytest.mark.timeout(3600)]

SLOW = ("socket-unstable",)
"""Faults that rules see on a slower clock alone."""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running("nova-clip", tmp_path_factory) as it:
        yield it


def test_nothing_fires_while_all_is_well(demo: Running) -> None:
    demo.quiet(20)


@pytest.mark.parametrize("fault", [fault for fault in the_faults("nova-clip") if fault not in SLOW])
def test_a_fault_raises_its_alerts_and_no_other(demo: Running, fault: str) -> None:
    demo.breaks(fault)


@pytest.mark.parametrize("fault", SLOW)
def test_a_fault_that_takes_a_slower_clock_does_too(tmp_path_factory: pytest.TempPathFactory, fault: str) -> None:
    folder = tmp_path_factory.mktemp("slow")
    with Demo(["nova-clip"], folder, speed=60.0, usual_ports=False, past=False, say=lambda _: None) as demo:
        Running(demo, "nova-clip").breaks(fault)
