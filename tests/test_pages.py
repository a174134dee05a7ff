"""Pages: what each snapshot gives, made once; and what the exporter says of each target."""

import gzip
import itertools
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from exporter import exposition
from exporter.collector import Members, NotApplicable
from exporter.metric import Metric, Samples
from exporter.pages import Pages
from exporter.snapshot import Snapshot
from tests.engine import VALUE, Bench, Script, Session, gives, raises, series_of, settings
from tests.support import until

SIZE = Metric("test_size_bytes", "gauge", "Size.", labels=("table",), source="the test")


def by_promtool(page: str) -> tuple[int, bytes, bytes]:
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=page.encode(), capture_output=True, timeout=20, check=False
    )
    return checked.returncode, checked.stdout, checked.stderr


def about(page: dict[str, str], name: str) -> dict[str, str]:
    """Return the values of one of our own metrics by read."""
    start = f'{name}{{collector="scripted",read="'
    found = [(series.removeprefix(start), value) for series, value in page.items() if series.startswith(start)]
    return {read.split('"')[0]: value for read, value in found}


def tables(_: Session) -> Samples:
    for number in range(5):
        yield SIZE(number, table=f"t{number}")


def test_a_page_of_two_targets(golden: Callable[[str, str], None]) -> None:
    reads = {"good": gives("good", 1.5), "bad": raises(ValueError("x")), "none": raises(NotApplicable("no table"))}
    one = Script(reads, intervals={"good": 60})
    two = Script({"good": gives("good"), "tables": tables}, members={"tables": Members(("table",), 2, SIZE)})

    def refuse() -> None:
        raise OSError("refused")

    down = Script({"good": gives("good")}, connecting=refuse)
    with Bench(settings(one, "one"), settings(two, "two", max_age=3.0), settings(down, "down")) as bench:
        snapshots = bench.read(bench.targets(), 5)
        page = bench.pages.page(bench.targets(), snapshots, labelled=True, zipped=False).decode()
    golden("engine_targets.prom", page)
    assert by_promtool(page) == (0, b"", b"")


def test_what_is_said_of_each_read_and_what_is_not_known_is_not() -> None:
    with Bench() as bench:

        def slow(_: Session) -> Samples:
            bench.clock.now += 0.5
            yield VALUE(1, read="ok")

        script = Script(
            {"ok": slow, "bad": raises(ValueError("x")), "skip": raises(NotApplicable("x")), "hung": gives("hung")},
            intervals={"ok": 60},
        )
        gate = bench.gate()
        script.reads = {
            **script.reads,
            "hung": lambda _: iter([VALUE(gate.wait(20), read="hung")]),
            "left": gives("left"),
        }
        bench.apply([settings(script, timeout=60)])
        page = bench.page(0.1)
        assert about(page, "runbook_exporter_read_success") == {"ok": "1", "bad": "0", "hung": "0", "left": "0"}
        assert about(page, "runbook_exporter_read_skipped")["skip"] == "1"
        assert about(page, "runbook_exporter_read_duration_seconds") == {
            "ok": "0.5"
        }  # no time is told of what did not run
        assert about(page, "runbook_exporter_read_last_success_timestamp_seconds") == {"ok": repr(bench.clock.now)}
        assert about(page, "runbook_exporter_read_interval_seconds") == dict.fromkeys(
            ("bad", "skip", "hung", "left"), "5.0"
        ) | {"ok": "60"}
        assert about(page, "runbook_exporter_read_members_cut") == {}


def test_the_interval_of_a_background_target_is_its_own() -> None:
    with Bench(settings(Script({"a": gives("a")}), interval=600.0)) as bench:
        snapshot = bench.targets()[0].run_now()
        snapshot.done.result(5)
        assert about(bench.page(), "runbook_exporter_read_interval_seconds") == {"a": "600.0"}


def test_what_was_cut_is_said() -> None:
    script = Script({"tables": tables}, members={"tables": Members(("table",), 2, SIZE)})
    with Bench(settings(script)) as bench:
        page = bench.page()
        assert about(page, "runbook_exporter_read_members_cut") == {"tables": "3"}
        assert page['test_size_bytes{table="other",target="t"}'] == "3"


def test_a_page_of_the_same_snapshots_is_made_once() -> None:
    pages = Pages()
    with Bench(settings(Script({"a": gives("a")}))) as bench:
        targets, snapshots = bench.targets(), bench.read(bench.targets(), 5)
        assert pages.kept(snapshots, labelled=True, zipped=False) is None
        page = pages.page(targets, snapshots, labelled=True, zipped=False)
        assert pages.page(targets, snapshots, labelled=True, zipped=False) is page
        assert pages.kept(snapshots, labelled=True, zipped=False) is page
        assert pages.kept(snapshots, labelled=True, zipped=True) is None
        zipped = pages.page(targets, snapshots, labelled=True, zipped=True)
        assert gzip.decompress(zipped) == page
        assert pages.page(targets, snapshots, labelled=True, zipped=True) is zipped
        bench.advance(10)
        assert pages.kept(bench.read(targets, 5), labelled=True, zipped=False) is None


def test_without_the_label_target_the_page_says_the_same() -> None:
    with Bench(settings(Script({"a": gives("a")}))) as bench:
        snapshots = bench.read(bench.targets(), 5)
        plain = bench.pages.page(bench.targets(), snapshots, labelled=False, zipped=False).decode()
        labelled = bench.pages.page(bench.targets(), snapshots, labelled=True, zipped=False).decode()
    assert plain == labelled.replace(',target="t"', "")
    assert series_of(plain)['test_value{read="a"}'] == "1"


def test_the_host_has_no_label_target_and_what_is_said_of_it_has() -> None:
    with Bench(settings(Script({"a": gives("a")}), "host")) as bench:
        page = bench.page()
    assert page['test_value{read="a"}'] == "1"
    assert page['runbook_target_up{collector="scripted",target="host"}'] == "1"


def test_few_pages_are_kept_and_what_vanished_is_forgotten() -> None:
    shown = ["a", "b"]

    def changing(_: Session) -> Samples:
        for name in shown:
            yield VALUE(1, read=name)

    with Bench(settings(Script({"x": changing}))) as bench:
        for number in range(30):
            bench.advance(10)
            shown[:] = [f"series {number}"]
            assert f'test_value{{read="series {number}",target="t"}}' in bench.page()
        pages = bench.pages
        assert len(pages._pages) <= 8
        prefixes = pages._rendered["t", True].parts["x"].prefixes
        assert [labels for parts in prefixes.values() for labels in parts] == [("series 29",)]
        assert set(pages._rendered["t", True].parts) == {"x", "facts that stand", "about the target"}
        pages.keep_only({"t"})
        assert list(pages._rendered) == [("t", True)]
        pages.keep_only(set())
        assert pages._rendered == {}


def test_the_pages_of_the_last_filters_are_kept() -> None:
    with Bench(*(settings(Script({"a": gives("a")}), f"t{number}") for number in range(10))) as bench:
        targets, snapshots = bench.targets(), bench.read(bench.targets(), 5)

        def kept() -> list[int]:
            return [number for number, snapshot in enumerate(snapshots)
                    if bench.pages.kept([snapshot], labelled=True, zipped=False)]  # fmt: skip

        for target, snapshot in zip(targets, snapshots, strict=True):
            bench.pages.page([target], [snapshot], labelled=True, zipped=False)
        assert kept() == list(range(2, 10))
        bench.pages.keep_only({"t3", "t9"})
        assert kept() == [3, 9]
        bench.pages.page(targets, snapshots, labelled=True, zipped=True)
        bench.pages.keep_only({"t3", "t9"})
        assert bench.pages.kept(snapshots, labelled=True, zipped=True) is None


class NotedLock:
    """A lock that knows how often it was asked for."""

    def __init__(self) -> None:
        self.asked = 0
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self.asked += 1
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


@dataclass
class Slow:
    """Pages whose making waits for `gate`; `made` counts how often it was begun."""

    bench: Bench
    lock: NotedLock
    gate: threading.Event
    made: int = 0

    def page(self) -> bytes:
        targets = self.bench.targets()
        return self.bench.pages.page(targets, self.bench.read(targets, 5), labelled=True, zipped=False)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Slow]:
    def join(parts: Iterable[exposition.Blocks]) -> str:
        slow.made += 1
        slow.gate.wait(20)
        return as_ever(parts)

    as_ever = exposition.join
    monkeypatch.setattr(exposition, "join", join)
    with Bench(settings(Script({"a": gives("a")}))) as bench:
        slow = Slow(bench, NotedLock(), bench.gate())
        monkeypatch.setattr(bench.pages, "_lock", slow.lock)
        yield slow


def test_a_page_that_two_threads_ask_for_is_made_once(slow: Slow) -> None:
    with ThreadPoolExecutor() as threads:
        pages = [threads.submit(slow.page) for _ in range(2)]
        until(lambda: 2 in (slow.lock.asked, slow.made))
        slow.gate.set()
        assert pages[0].result(10) is pages[1].result(10)
    assert slow.made == 1


def test_what_is_rendered_meanwhile_is_forgotten_too(slow: Slow) -> None:
    with ThreadPoolExecutor() as threads:
        page = threads.submit(slow.page)
        until(lambda: slow.made)
        forgetting = threads.submit(slow.bench.pages.keep_only, set())
        until(lambda: slow.lock.asked == 2 or forgetting.done())
        slow.gate.set()
        assert page.result(10)
        forgetting.result(10)
    assert slow.bench.pages._rendered == {}
    assert not slow.bench.pages._pages


def counts(read: str) -> Callable[[Session], Samples]:
    """Return a read that gives another value each time."""
    values = itertools.count()

    def function(_: Session) -> Samples:
        yield VALUE(next(values), read=read)

    return function


def test_each_snapshot_is_rendered_once() -> None:
    quick, slow = Script({"a": counts("a")}), Script({"b": gives("b")})
    with Bench(settings(quick, "quick"), settings(slow, "slow", max_age=1000)) as bench:
        bench.page()
        before = bench.pages._rendered["slow", True].parts["b"]
        rendered = bench.pages._rendered["quick", True].parts["a"]
        bench.advance(10)
        bench.page()
        assert bench.pages._rendered["slow", True].parts["b"] is before
        assert bench.pages._rendered["quick", True].parts["a"] is not rendered


def test_the_page_of_nothing_is_empty() -> None:
    nothing: list[Snapshot] = []
    assert Pages().page([], nothing, labelled=True, zipped=False) == b""
    assert gzip.decompress(Pages().page([], nothing, labelled=True, zipped=True)) == b""


def test_what_a_read_gave_and_still_stands_is_rendered_once() -> None:
    script = Script({"slow": counts("slow"), "quick": counts("quick")}, {"slow": 60.0})
    with Bench(settings(script)) as bench:
        bench.page()
        before = dict(bench.pages._rendered["t", True].parts)
        bench.advance(10)
        assert 'test_value{read="slow",target="t"}' in bench.page()
        after = bench.pages._rendered["t", True].parts
        assert after["slow"] is before["slow"]
        assert after["quick"] is not before["quick"]
        bench.advance(60)
        bench.page()
        assert bench.pages._rendered["t", True].parts["slow"] is not before["slow"]


def test_what_a_read_gives_again_is_not_rendered_again() -> None:
    script = Script({"same": gives("same", 1), "other": counts("other")})
    with Bench(settings(script)) as bench:
        bench.page()
        before = dict(bench.pages._rendered["t", True].parts)
        bench.advance(10)
        page = bench.page()
        after = bench.pages._rendered["t", True].parts
        assert after["same"] is before["same"]
        assert after["other"] is not before["other"]
        assert [page[f'test_value{{read="{read}",target="t"}}'] for read in ("same", "other")] == ["1", "1"]
