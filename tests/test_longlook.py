"""Looks that take longer than a round may."""

import gc
import itertools
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from exporter.collector import NotApplicable, Trouble
from exporter.deadline import Cancel
from exporter.longlook import LongLook, Work, keep_looking
from exporter.state import Shelf, State
from tests.support import until


def shelf() -> Shelf:
    return State(None).shelf("target it")


def count() -> Work:
    numbers = itertools.count(1)
    return lambda cancel: next(numbers)


def failing(reason: str = "no room") -> Work:
    def work(cancel: Cancel) -> object:
        raise Trouble(reason, "make some")

    return work


def found(look: LongLook) -> int:
    """Return what it found last, 0 where nothing was yet."""
    try:
        return int(look.found(60).value)
    except NotApplicable:
        return 0


@contextmanager
def kept(*looks: LongLook) -> Iterator[threading.Event]:
    """Have the looks made for as long as the context; yield what is set once the first was made."""
    stop, ready = threading.Event(), threading.Event()
    thread = threading.Thread(target=keep_looking, args=(looks, stop, ready.set))
    thread.start()
    try:
        yield ready
    finally:
        stop.set()
        thread.join(10)
        assert not thread.is_alive()


def test_before_the_first_look_there_is_nothing() -> None:
    with pytest.raises(NotApplicable, match="has not ended yet") as raised:
        LongLook("rows", count(), 60, shelf()).found(60)
    assert raised.value.early  # whoever asks by hand waits for it


def test_a_look_is_made_when_due_and_its_finding_stands() -> None:
    look = LongLook("rows", count(), 0.05, shelf())
    with kept(look) as ready:
        assert ready.wait(5)
        assert found(look) >= 1
        until(lambda: found(look) >= 3)


def test_what_is_too_old_is_not_given() -> None:
    look = LongLook("rows", count(), 60, shelf())
    look.make(Cancel())
    assert look.found(60).value == 1
    with pytest.raises(Trouble, match="the next one has not ended"):
        look.found(-1)


def test_a_failure_is_a_remark_while_the_last_finding_stands_and_a_failure_after() -> None:
    works = iter([count(), failing()])
    look = LongLook("rows", lambda cancel: next(works)(cancel), 60, shelf())
    look.make(Cancel())
    assert (look.found(60).value, look.remark) == (1, "")
    look.make(Cancel())
    assert (look.found(60).value, look.remark) == (1, "no room")
    with pytest.raises(Trouble, match="no room") as raised:
        look.found(-1)
    assert raised.value.fix == "make some"
    assert 0 < look.rest() <= 60


def test_a_failure_that_nobody_foresaw_is_told_too() -> None:
    look = LongLook("rows", lambda cancel: 1 // 0, 60, shelf())
    look.make(Cancel())
    with pytest.raises(Trouble, match="ZeroDivisionError"):
        look.found(60)


def test_a_failure_told_again_and_again_does_not_grow() -> None:
    look = LongLook("rows", failing(), 60, shelf())
    look.make(Cancel())
    for _ in range(3):
        with pytest.raises(Trouble) as raised:
            look.found(60)
    depth, traceback = 0, raised.value.__traceback__
    while traceback is not None:
        depth, traceback = depth + 1, traceback.tb_next
    assert depth == 2
    del raised
    gc.collect()
    assert sys.exc_info() == (None, None, None)


def test_what_was_found_outlives_a_restart_and_is_not_looked_for_again(tmp_path: Path) -> None:
    first = State(tmp_path)
    LongLook("rows", count(), 60, first.shelf("target it"), of="a.db").make(Cancel())
    first.close()
    second = State(tmp_path)
    again = LongLook("rows", failing(), 60, second.shelf("target it"), of="a.db")
    assert again.found(60).value == 1
    assert again.rest() > 50
    other = LongLook("rows", failing(), 60, second.shelf("target it"), of="b.db")
    assert other.rest() == 0
    with pytest.raises(NotApplicable):
        other.found(60)
    second.close()


@pytest.mark.parametrize("kept_before", [5, {"of": "", "time": "now"}, {"of": ""}, []])
def test_what_is_not_understood_on_the_shelf_is_forgotten(kept_before: object) -> None:
    place = shelf()
    place.put("look rows", kept_before)
    with pytest.raises(NotApplicable):
        LongLook("rows", count(), 60, place).found(60)


def test_a_clock_that_was_set_back_does_not_put_it_off() -> None:
    place = shelf()
    place.put("look rows", {"of": "", "time": time.time() + 1e6, "value": 7})
    assert LongLook("rows", count(), 60, place).rest() == 0


@pytest.mark.parametrize(("away", "least", "most"), [(3600.0, 3590, 3600), (30.0, 1800, 3600), (0.0, 43200, 86400)])
def test_one_that_is_told_how_long_to_stay_away_comes_back_each_hour(away: float, least: float, most: float) -> None:
    look = LongLook("rows", failing(), 86400, shelf(), away=lambda: away)
    for _ in range(14):
        look.make(Cancel())
    assert least <= look.rest() <= most


def test_one_that_must_stay_away_is_not_made_though_it_is_due_or_hastened() -> None:
    away = [40.0]
    look = LongLook("rows", count(), 60, shelf(), away=lambda: away[0])
    look.hasten()
    assert look.rest() == 40.0
    away[0] = 0.0
    assert look.rest() == 0.0
    look.make(Cancel())
    away[0] = 3600.0
    assert look.rest() == 3600.0


def test_what_should_be_seen_again_is_looked_at_soon_and_less_and_less_so() -> None:
    look = LongLook("rows", count(), 3600, shelf(), again=lambda value: value < 4)
    rests = []
    for _ in range(4):
        look.make(Cancel())
        rests.append(look.rest())
    assert 14 <= rests[0] <= 30 < rests[2] <= 120
    assert rests[3] > 3500
    assert look.found(60).value == 4


def test_it_is_looked_at_often_whether_it_is_due_and_made_only_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.longlook._LONGEST_REST", 0.001)
    asked = list[int]()

    def away() -> float:
        asked.append(1)
        return 0.0

    look = LongLook("it", count(), 3600, shelf(), away=away)
    with kept(look):
        until(lambda: len(asked) > 50)
    assert found(look) == 1


def test_it_ends_at_once_when_told_to_stop() -> None:
    begun = threading.Event()

    def work(cancel: Cancel) -> object:
        ended = threading.Event()
        with cancel.calling(ended.set):
            begun.set()
            assert ended.wait(10)
        raise TimeoutError

    look = LongLook("rows", work, 60, shelf())
    with kept(look):
        assert begun.wait(5)
    assert look.trouble is None


def test_all_are_tidied_up_before_it_ends() -> None:
    begun, tidied = threading.Event(), threading.Event()

    def work(cancel: Cancel) -> object:
        ended = threading.Event()
        with cancel.calling(ended.set):
            begun.set()
            ended.wait(10)
        threading.Event().wait(0.3)
        tidied.set()
        raise TimeoutError

    with kept(LongLook("rows", count(), 60, shelf()), LongLook("every row", work, 60, shelf(), heavy=True)):
        assert begun.wait(5)
    assert tidied.is_set()


def test_a_long_one_keeps_no_other_waiting() -> None:
    release = threading.Event()
    slow = LongLook("every row", lambda cancel: release.wait(10), 60, shelf(), heavy=True)
    quick = LongLook("rows", count(), 0.02, shelf())
    with kept(quick, slow):
        until(lambda: found(quick) >= 5)
        with pytest.raises(NotApplicable):
            slow.found(60)
        release.set()
        until(lambda: slow.rest() > 1)
        assert slow.found(60).value is True


def test_heavy_ones_are_made_one_at_a_time() -> None:
    at_once, most, lock = 0, 0, threading.Lock()

    def work(cancel: Cancel) -> object:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        threading.Event().wait(0.02)
        with lock:
            at_once -= 1
        return True

    looks = [LongLook(f"rows {number}", work, 60, shelf(), heavy=True) for number in range(4)]
    with kept(*looks):
        until(lambda: all(look.rest() > 1 for look in looks))
    assert most == 1


def test_one_that_takes_long_is_not_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.longlook._AWAITED", 0.05)
    release = threading.Event()
    with kept(LongLook("every row", lambda cancel: release.wait(10), 60, shelf())) as ready:
        assert ready.wait(5)
        release.set()


def test_one_that_is_hastened_is_made_though_it_is_not_due() -> None:
    look = LongLook("rows", count(), 60, shelf())
    look.make(Cancel())
    assert look.rest() > 50
    look.hasten()
    with kept(look):
        until(lambda: found(look) == 2)
