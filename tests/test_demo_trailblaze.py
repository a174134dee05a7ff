"""TrailBlaze from end to end: nothing fires while all is well, and each fault has its alerts and no others."""

from collections.abc import Iterator

import pytest

from tests.demos import Running, running, the_faults

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running("trailblaze", tmp_path_factory) as it:
        yield it


def test_nothing_fires_while_all_is_well(demo: Running) -> None:
    demo.quiet(20)


@pytest.mark.parametrize("fault", the_faults("trailblaze"))
def test_a_fault_raises_its_alerts_and_no_other(demo: Running, fault: str) -> None:
    demo.breaks(fault)
