"""The collector of the host as a whole: where it looks."""

from dataclasses import replace
from pathlib import Path

import pytest

from exporter.collector import Trouble
from exporter.collectors.system import HostSettings, System
from tests.engine import CONTEXT


@pytest.mark.parametrize("key", ["procfs", "sysfs", "rootfs"])
def test_a_wrong_place_is_a_target_that_is_down_and_not_a_host_without_figures(key: str, tmp_path: Path) -> None:
    settings = replace(HostSettings(), **{key: str(tmp_path / "nowhere")})  # type: ignore[arg-type]
    with pytest.raises(Trouble, match="nowhere") as caught, System(settings, CONTEXT).connect():
        pass
    assert f"host.{key}" in caught.value.fix


def test_the_right_places_are_taken() -> None:
    system = System(HostSettings(), CONTEXT)
    with system.connect() as host:
        assert host.procfs == "/proc"
    system.close()
