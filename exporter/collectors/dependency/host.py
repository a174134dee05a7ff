"""What waits on this host: upgrades of Debian's packages, and a start for them to be in use."""

import os
from typing import Final

from exporter.collector import NotApplicable, read
from exporter.collectors.dependency import metrics
from exporter.collectors.dependency.looks import Looks
from exporter.collectors.dependency.reboot import required
from exporter.collectors.dependency.told import refuse_none
from exporter.metric import Samples

OF_HOST: Final = frozenset({"upgrades", "reboot"})
"""The reads of targets that watch Debian's packages."""
_ROOT: Final = "/"


@read
def upgrades(looks: Looks) -> Samples:
    """How many upgrades of packages wait, by origin and architecture, and when the lists of them were fetched."""
    for report in looks.reports():
        if report.origins is not None:
            yield metrics.APT_LISTS(report.lists)
            for origin in report.origins:
                yield metrics.APT_PENDING(origin.number, origin=origin.origin, arch=origin.arch)
            return  # it is one host, whatever it is called
    refuse_none(looks, [])


@read
def reboot(looks: Looks) -> Samples:  # noqa: ARG001  # every read is given the session
    """Whether this host must be started again."""
    needed = required(_ROOT, os.uname().release)
    if needed is None:
        raise NotApplicable("neither packages nor the kernels in /boot tell whether a start is needed")
    yield metrics.REBOOT(needed)
