"""The counters of a group, whatever its processes do: hypothesis looks for a history in which they go down."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from exporter.collectors.process.group import Group
from exporter.collectors.process.process import Process
from exporter.collectors.process.settings import GroupSettings

STAT = b"%d (web) S 1 1 1 0 -1 4194304 0 0 0 0 %d 0 0 0 20 0 1 0 %d 8192 25 0 0 0\n"


@dataclass
class Alive:
    """A process of the model: its start, and what it has counted."""

    start: int
    counted: int = 0
    known: Process | None = field(default=None, compare=False)


def look(group: Group, alive: dict[int, Alive], began: int) -> int:
    """Count what is alive, as a round does, and return the group's total."""
    for pid, process in alive.items():
        raw = STAT % (pid, process.counted, process.start)
        if process.known is None:
            process.known = Process(str(pid), raw, process.start > began)
        else:
            assert process.known.update(raw)
        group.count_process("stat", process.known, process.known.counts)
    return group.total("stat", 4)[0]


EVENTS = st.lists(
    st.tuples(st.sampled_from(["work", "end", "begin", "look"]), st.integers(1, 4), st.integers(0, 10**6)), max_size=60
)


@given(before=st.dictionaries(st.integers(1, 4), st.integers(0, 10**6)), events=EVENTS)
def test_counters_never_go_down_and_hold_all_that_was_seen(
    before: dict[int, int], events: list[tuple[str, int, int]]
) -> None:
    group = Group("it", GroupSettings(name="web"), children=True)
    alive = {pid: Alive(start=0, counted=counted) for pid, counted in before.items()}
    assert look(group, alive, began=0) == 0  # what was counted before the first look is left out
    seen, last = 0, 0
    pending: dict[int, int] = {}
    for now, (event, pid, amount) in enumerate(events, 1):
        if event == "work" and pid in alive:
            alive[pid].counted += amount
            pending[pid] = pending.get(pid, 0) + amount
        elif event == "end":
            alive.pop(pid, None)
            pending.pop(pid, None)  # what it counted since the last look, nobody knows
        elif event == "begin":
            alive[pid] = Alive(start=now)  # the pid may have been another's a moment ago
            pending.pop(pid, None)
        else:
            seen += sum(pending.values())
            pending.clear()
            total = look(group, alive, began=0)
            assert total >= last
            assert total == seen
            last = total


@given(st.binary(max_size=40), st.integers(1, 1 << 22), st.integers(0, 1 << 40))
def test_a_name_may_hold_anything(comm: bytes, pid: int, start: int) -> None:
    raw = STAT.replace(b"(web)", b"(" + comm.replace(b"%", b"%%") + b")") % (pid, 7, start)
    process = Process(str(pid), raw, born=True)
    assert (process.comm, process.ppid, process.start, process.counts[0]) == (comm, "1", start, 7)
