"""Control groups of processes, from folders that look like /proc and /sys/fs/cgroup; and what stale files lead to."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.onetarget import One, one

STAT = "{pid} ({comm}) S {parent} 1 1 0 -1 4194304 10 0 0 0 30 20 0 0 20 0 1 0 {start} 8192000 250 0 0 0\n"
LIMITS = "Limit                     Soft Limit           Hard Limit           Units     \n" + "".join(
    f"{name:<26}{soft:<21}{soft:<21}{unit}\n"
    for name, soft, unit in (
        ("Max open files", "1024", "files"),
        ("Max address space", "unlimited", "bytes"),
    )
)


class Machine:
    """A folder with a /proc and a mounted cgroup hierarchy."""

    def __init__(self, folder: Path) -> None:
        self.proc = folder / "proc"
        self.cgroups = folder / "cgroup"
        self.cgroups.mkdir()
        self.process(1, "init", "0::/init.scope")
        (self.proc / "stat").write_text("cpu 0 0 0\nbtime 1700000000\n")
        (self.proc / "uptime").write_text("5000.00 1000.00\n")

    def process(self, pid: int, comm: str, cgroup: str, parent: int = 1, start: int = 1000) -> None:
        files = {
            "stat": STAT.format(pid=pid, comm=comm, parent=parent, start=start),
            "status": f"Name:\t{comm}\nState:\tS (sleeping)\nVmSwap:\t0 kB\n"
            "voluntary_ctxt_switches:\t5\nnonvoluntary_ctxt_switches:\t1\n",
            "cmdline": f"/usr/sbin/{comm}\0",
            "cgroup": cgroup + "\n",
            "limits": LIMITS,
            "io": "rchar: 1\nread_bytes: 4096\nwrite_bytes: 8192\n",
            "smaps_rollup": "0-1 ---p 0 00:00 0 [rollup]\nRss: 1000 kB\nPss: 600 kB\nSwap: 0 kB\nSwapPss: 0 kB\n",
        }
        write(self.proc / str(pid), files)
        (self.proc / str(pid) / "fd").mkdir()

    def cgroup(self, path: str, files: Mapping[str, str]) -> None:
        write(self.cgroups / path, files)

    def settings(self, groups: str) -> str:
        return f"procfs: {self.proc}\ncgroupfs: {self.cgroups}\ngroups: {groups}"


def write(folder: Path, files: Mapping[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def ours(target: One, what: str, *, group: str = "it", limit: str = "") -> str | None:
    labels = f'groupname="{group}"' + (f',limit="{limit}"' if limit else "")
    return target.page().get(f"runbook_process_group_{what}{{{labels}}}")


def v2(memory: str = "max", cpu: str = "max 100000", current: int = 300, inactive: int = 100) -> dict[str, str]:
    return {
        "memory.max": f"{memory}\n",
        "memory.high": "max\n",
        "memory.current": f"{current}\n",
        "memory.stat": f"anon 1\ninactive_file {inactive}\n",
        "cpu.max": f"{cpu}\n",
        "cpu.stat": "usage_usec 1\nnr_periods 40\nnr_throttled 10\n",
    }


def test_a_systemd_unit_has_what_its_control_group_has_and_the_limits_of_version_2(machine: Machine) -> None:
    machine.cgroup("", {"cgroup.controllers": "cpu memory\n"})
    machine.cgroup("system.slice", v2())
    machine.cgroup("system.slice/mem.service", v2("1000", "200000 100000"))
    machine.process(10, "python3", "0::/system.slice/mem.service")
    machine.process(11, "whisper", "0::/system.slice/mem.service/worker", parent=10)
    machine.process(12, "python3", "0::/system.slice/other-mem.service")
    with one("process", machine.settings("{it: {systemd_unit: mem.service}}")) as target:
        assert target.page()['namedprocess_namegroup_num_procs{groupname="it"}'] == "2"
        assert ours(target, "memory_limit_bytes", limit="cgroup") == "1000"
        assert ours(target, "memory_used_bytes", limit="cgroup") == "200"
        assert ours(target, "cpu_limit_cpus", limit="cgroup") == "2.0"


def test_the_lower_of_max_and_high_and_the_tightest_on_the_way_up(machine: Machine) -> None:
    machine.cgroup("", {"cgroup.controllers": "cpu memory\n"})
    machine.cgroup("a.slice", v2("500", "50000 100000", current=450, inactive=0))
    machine.cgroup("a.slice/b.service", v2("1000", "200000 100000") | {"memory.high": "900\n"})
    machine.process(10, "web", "0::/a.slice/b.service")
    with one("process", machine.settings("{it: {name: web}}")) as target:
        assert ours(target, "memory_limit_bytes", limit="cgroup") == "500"
        assert ours(target, "memory_used_bytes", limit="cgroup") == "450"
        assert ours(target, "cpu_limit_cpus", limit="cgroup") == "0.5"
        machine.cgroup("a.slice", v2())
        assert ours(target, "memory_limit_bytes", limit="cgroup") == "900"


def test_throttling_adds_up_over_the_control_groups_of_a_group_and_never_goes_down(machine: Machine) -> None:
    machine.cgroup("", {"cgroup.controllers": "cpu memory\n"})
    for name in ("a", "b"):
        machine.cgroup(f"{name}.service", v2("1000", "200000 100000"))
    machine.cgroup("b.service", {"memory.current": "900\n"})
    machine.process(10, "web", "0::/a.service")
    machine.process(11, "web", "0::/b.service")
    with one("process", machine.settings("{it: {name: web}}")) as target:
        before = _throttled(target)
        assert ours(target, "memory_used_bytes", limit="cgroup") == "800"
        machine.cgroup("a.service", {"cpu.stat": "nr_periods 50\nnr_throttled 15\n"})
        machine.cgroup("b.service", {"cpu.stat": "nr_periods 60\nnr_throttled 30\n"})
        grown = _throttled(target)
        assert [now - then for now, then in zip(grown, before, strict=True)] == [30, 25]
        machine.cgroup("a.service", {"cpu.stat": "nr_periods 3\nnr_throttled 1\n"})  # made anew
        assert [now - then for now, then in zip(_throttled(target), grown, strict=True)] == [3, 1]


def _throttled(target: One) -> list[float]:
    page = target.page()
    names = ("cpu_periods_total", "cpu_throttled_periods_total")
    return [float(page[f'runbook_process_group_{name}{{groupname="it"}}']) for name in names]


def test_version_1_and_its_word_for_no_limit(machine: Machine) -> None:
    machine.cgroup("memory/docker", {"memory.limit_in_bytes": "9223372036854771712\n"})
    machine.cgroup("memory/docker/x", {
        "memory.limit_in_bytes": "1000\n", "memory.usage_in_bytes": "700\n",
        "memory.stat": "inactive_file 1\ntotal_inactive_file 200\n",
    })  # fmt: skip
    machine.cgroup("cpu,cpuacct", {"cpu.cfs_quota_us": "-1\n", "cpu.cfs_period_us": "100000\n"})
    machine.cgroup("cpu,cpuacct/docker/x", {
        "cpu.cfs_quota_us": "150000\n", "cpu.cfs_period_us": "100000\n", "cpu.stat": "nr_periods 8\nnr_throttled 2\n",
    })  # fmt: skip
    machine.process(10, "web", "5:memory:/docker/x\n3:cpu,cpuacct:/docker/x\n0::/")
    with one("process", machine.settings("{it: {name: web}}")) as target:
        assert ours(target, "memory_used_bytes", limit="cgroup") == "500"
        assert ours(target, "memory_limit_bytes", limit="cgroup") == "1000"
        assert ours(target, "cpu_limit_cpus", limit="cgroup") == "1.5"
        assert ours(target, "cpu_throttled_periods_total") is not None


def test_without_limits_the_read_does_not_apply(machine: Machine) -> None:
    machine.cgroup("", {"cgroup.controllers": "cpu memory\n"})
    machine.cgroup("a.service", v2())
    machine.process(10, "web", "0::/a.service")
    with one("process", machine.settings("{it: {name: web}}")) as target:
        assert target.outcomes()["cgroup"] == "skipped no control group of these processes has a limit"
        assert ours(target, "cpu_periods_total") is None


def test_control_groups_that_are_not_seen_are_told(machine: Machine) -> None:
    machine.process(10, "web", "0::/../../system.slice/web.service")
    with one("process", machine.settings("{it: {name: web}}")) as target:
        said = target.outcomes()["cgroup"]
        assert said.startswith("skipped the control groups of these processes are not seen")
        assert "--cgroupns=host" in said


def test_a_stale_pid_file_names_no_process(machine: Machine, tmp_path: Path) -> None:
    file = tmp_path / "it.pid"
    file.write_text("4711\n")
    with one("process", machine.settings(f"{{it: {{pid_file: {file}}}}}")) as target:
        assert target.page()['namedprocess_namegroup_num_procs{groupname="it"}'] == "0"
        assert target.outcomes()["pid_files"] == "ok"


def test_a_pid_given_to_another_process_counts_from_nothing(machine: Machine) -> None:
    machine.process(10, "web", "0::/")
    with one("process", machine.settings("{it: {name: web}}")) as target:
        series = 'namedprocess_namegroup_minor_page_faults_total{groupname="it"}'
        before = float(target.page()[series])
        folder = machine.proc / "10" / "stat"
        folder.write_text(STAT.format(pid=10, comm="web", parent=1, start=2000))
        assert float(target.page()[series]) == before + 10
        assert float(target.page()[series]) == before + 10


def test_memory_in_proportion_is_what_counts_against_a_configured_limit(machine: Machine) -> None:
    machine.process(10, "web", "0::/")
    with one("process", machine.settings("{it: {name: web, memory_limit: 1MB}}")) as target:
        assert ours(target, "memory_used_bytes", limit="configured") == str(600 * 1024)
        assert ours(target, "memory_limit_bytes", limit="configured") == "1000000"
