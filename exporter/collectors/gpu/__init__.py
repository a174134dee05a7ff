"""NVIDIA's graphics processors, as nvidia-smi tells of them: whether they answer, and what is used of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from exporter.collector import Collector, Context, NotApplicable, Trouble, read
from exporter.collectors.gpu.smi import ABSENT, Smi, Told
from exporter.deadline import Cancel
from exporter.metric import Samples, gauge, info
from exporter.models import Problems
from exporter.setting import setting

_SOURCE: Final = "nvidia-smi, in the background, each 30 s by default"
_SEEN: Final = "seen once"  # the key on the shelf, where the engine keeps things by the names of the reads

UP = gauge(
    "runbook_gpu_up",
    "1 where the graphics processor answers, 0 where it does not: nvidia-smi fails, does not list it, or calls it lost."
    " One that is expected, or was seen before, is always here.",
    labels=("gpu",),
    source=_SOURCE,
)
INFO = info(
    "runbook_gpu_info",
    "Its product and its driver; the number of a product may be another after a restart.",
    labels=("gpu", "name", "driver"),
    source=_SOURCE,
)
MEMORY = gauge("runbook_gpu_memory_size_bytes", "Memory that it has.", labels=("gpu",), source=_SOURCE)
MEMORY_USED = gauge("runbook_gpu_memory_used_bytes", "Memory that is taken.", labels=("gpu",), source=_SOURCE)
UTILIZATION = gauge(
    "runbook_gpu_utilization_ratio",
    "Share of the last moments, a sixth of a second to a second, in which something was computed.",
    labels=("gpu",),
    source=_SOURCE,
)
TEMPERATURE = gauge("runbook_gpu_temperature_celsius", "Temperature of its core.", labels=("gpu",), source=_SOURCE)
POWER = gauge("runbook_gpu_power_watts", "Power that it draws.", labels=("gpu",), source=_SOURCE)
POWER_LIMIT = gauge("runbook_gpu_power_limit_watts", "Power that it may draw.", labels=("gpu",), source=_SOURCE)


@dataclass(frozen=True, slots=True)
class GPUSettings:
    """How many graphics processors there should be, and how they are asked."""

    expected: int | None = setting(
        None,
        help="How many there are when all is well. Without it those that were seen once; where none ever was, the "
        "target does not apply.",
        example="1",
    )
    command: tuple[str, ...] = setting(
        ("nvidia-smi",), help="The program, and what goes before its own arguments.", example="[/usr/bin/nvidia-smi]"
    )

    def check(self) -> Problems:
        """Find a number of processors that is none, and a command without a program."""
        if self.expected is not None and not 0 <= self.expected <= 64:
            yield "expected", "is no number of graphics processors; expected 0 to 64"
        if not self.command or not self.command[0].strip():
            yield "command", "names no program; expected a list such as [nvidia-smi]"


@dataclass(frozen=True, slots=True)
class Session:
    """What nvidia-smi told, and the numbers of those that it should have told of."""

    told: Told
    gone: frozenset[str]


class GPU(Collector[Session]):
    """The graphics processors of this machine."""

    Settings = GPUSettings
    interval = 30.0

    def __init__(self, settings: GPUSettings, context: Context) -> None:
        super().__init__(settings, context)
        self._smi = Smi(settings.command, context.timeout)
        self._cancel = Cancel()

    @contextmanager
    def connect(self) -> Iterator[Session]:
        self._cancel = Cancel()
        known = self._known()
        try:
            told = self._smi.ask(self._cancel)
        except ABSENT as trouble:
            if known:
                raise
            fix = f"set `expected: 1` where there should be one, and {trouble.fix}"
            raise NotApplicable(str(trouble), fix) from None
        found = {gpu.index for gpu in told.gpus}
        if self.settings.expected is None and not found <= known:
            self.context.shelf.put(_SEEN, sorted(found | known))
        yield Session(told, frozenset(known - found))

    def interrupt(self) -> None:
        self._cancel.cancel()

    def standing(self, up: bool, failing: bool) -> Samples:  # noqa: ARG002
        """Those that are expected do not answer when nvidia-smi itself does not."""
        for index in () if up else sorted(self._known()):
            yield UP(0, gpu=index)

    def _known(self) -> frozenset[str]:
        """Return the numbers of those that should be there."""
        if self.settings.expected is not None:
            return frozenset(map(str, range(self.settings.expected)))
        return frozenset(self.context.shelf.get(_SEEN) or ())

    @read
    def gpus(self, session: Session) -> Samples:
        """Whether each graphics processor answers, and what is used of it."""
        for index in sorted(session.gone):
            yield UP(0, gpu=index)
        for gpu in session.told.gpus:
            index = gpu.index
            yield UP(not gpu.lost, gpu=index)
            yield INFO(1, gpu=index, name=gpu.name, driver=gpu.driver)
            yield MEMORY(gpu.memory, gpu=index)
            yield MEMORY_USED(gpu.memory_used, gpu=index)
            yield UTILIZATION(gpu.utilization, gpu=index)
            yield TEMPERATURE(gpu.temperature, gpu=index)
            yield POWER(gpu.power, gpu=index)
            yield POWER_LIMIT(gpu.power_limit, gpu=index)

    @read
    def complaints(self, session: Session) -> Samples:
        """Whether nvidia-smi could ask all that it found."""
        if session.told.complaint:
            raise Trouble(f"nvidia-smi says {session.told.complaint}", "see the kernel's log for NVRM and Xid")
        yield from ()
