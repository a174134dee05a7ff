"""Whether this host must be started again for what was installed to be in use."""

import os
import re
from typing import Final

from exporter.collector import NotApplicable

_FLAGS: Final = ("run/reboot-required", "var/run/reboot-required")
_CONTAINERS: Final = (".dockerenv", "run/.containerenv", "run/systemd/container")
_KERNEL: Final = "vmlinuz-"


def required(root: str, running: str) -> bool | None:
    """Tell whether packages ask for it, or a newer kernel of the same kind waits; None where neither can be seen.

    A package asks by a file, which only some hosts have: that there is none says nothing.
    """
    if any(os.path.exists(os.path.join(root, mark)) for mark in _CONTAINERS):
        raise NotApplicable("a container has its host's kernel", "watch it where the kernel is: on the host")
    if any(os.path.exists(os.path.join(root, flag)) for flag in _FLAGS):
        return True
    kernels = _kernels(root)
    if running not in kernels:
        return None
    alike = [kernel for kernel in kernels if _kind(kernel) == _kind(running)]
    return max(map(_order, alike)) > _order(running)


def _kernels(root: str) -> list[str]:
    try:
        names = os.listdir(os.path.join(root, "boot"))
    except OSError:
        return []
    return [name.removeprefix(_KERNEL) for name in names if name.startswith(_KERNEL)]


def _kind(kernel: str) -> str:
    """Return what tells kernels of one kind from others, as `-cloud-amd64`: what follows the last number."""
    return re.sub(r"^[\d.+~-]*(?:bpo|deb|rc)?[\d.+~-]*", "", kernel)


def _order(kernel: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", kernel.removesuffix(_kind(kernel)))]
