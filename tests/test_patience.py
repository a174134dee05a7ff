"""Calls that hang: bounded, remembered, never doubled, and used again when they come back."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from exporter.patience import NoAnswer, Patience
from tests.support import until

TIMEOUT = 0.2
SLACK = 1.0  # for a busy machine


BEFORE: set[threading.Thread] = set()


@pytest.fixture(autouse=True)
def others() -> None:
    """Leave threads that are there already out of the count."""
    BEFORE.clear()
    BEFORE.update(threading.enumerate())


def threads() -> int:
    return len(set(threading.enumerate()) - BEFORE)


def run(patience: Patience, calls: Mapping[Any, Callable[[], Any]]) -> dict[Any, Any]:
    return patience.run(calls)


class Stuck:
    """A call that hangs until it is let go, and counts how often it was made."""

    def __init__(self, value: object = "late") -> None:
        self.value = value
        self.made = 0
        self.go = threading.Event()

    def __call__(self) -> object:
        self.made += 1
        self.go.wait(30)
        return self.value


@pytest.fixture
def patience() -> Iterator[Patience]:
    patience = Patience(TIMEOUT)
    yield patience
    patience.close()
    until(lambda: threads() == 0)


@pytest.fixture
def stuck() -> Iterator[Callable[[], Stuck]]:
    made: list[Stuck] = []

    def make() -> Stuck:
        made.append(Stuck())
        return made[-1]

    yield make
    for call in made:
        call.go.set()


def test_all_that_answer_are_answered_by_one_thread_for_all_rounds(patience: Patience) -> None:
    seen = set()

    def call(number: int) -> Callable[[], int]:
        def answer() -> int:
            seen.add(threading.current_thread())
            return number

        return answer

    for _ in range(20):
        assert run(patience, {number: call(number) for number in range(10)}) == {n: n for n in range(10)}
    assert len(seen) == 1
    assert threading.current_thread() not in seen


def test_nothing_to_do_starts_nothing(patience: Patience) -> None:
    assert run(patience, {}) == {}
    assert threads() == 0


def test_what_is_raised_is_the_answer_and_the_others_go_on(patience: Patience) -> None:
    def denied() -> int:
        raise PermissionError(13, "denied")

    answers = run(patience, {"a": denied, "b": lambda: 2})
    assert isinstance(answers["a"], PermissionError)
    assert answers["b"] == 2
    assert run(patience, {"b": lambda: 3}) == {"b": 3}


def test_an_answer_may_be_an_exception_class_or_none(patience: Patience) -> None:
    assert run(patience, {"none": lambda: None, "class": lambda: NoAnswer}) == {"none": None, "class": NoAnswer}


def test_one_that_hangs_costs_its_timeout_once(patience: Patience, stuck: Callable[[], Stuck]) -> None:
    dead = stuck()
    calls: dict[str, Callable[[], object]] = {"first": lambda: 1, "dead": dead, "last": lambda: 3}
    begun = time.monotonic()
    answers = run(patience, calls)
    assert TIMEOUT <= time.monotonic() - begun < TIMEOUT + SLACK
    assert isinstance(answers.pop("dead"), NoAnswer)
    assert answers == {"first": 1, "last": 3}

    begun = time.monotonic()
    for _ in range(20):
        answers = run(patience, calls)
        assert isinstance(answers.pop("dead"), NoAnswer)
        assert answers == {"first": 1, "last": 3}
        assert threads() == 2  # the one that hangs, and the one for the others
    assert time.monotonic() - begun < SLACK
    assert dead.made == 1


def test_one_that_came_back_is_asked_again(patience: Patience, stuck: Callable[[], Stuck]) -> None:
    dead = stuck()
    assert isinstance(run(patience, {"dead": dead})["dead"], NoAnswer)
    dead.go.set()
    until(lambda: threads() == 0)  # its thread has nothing else to do
    dead.value = "fresh"
    assert run(patience, {"dead": dead}) == {"dead": "fresh"}
    assert dead.made == 2


def test_fifty_that_hang_at_once_cost_two_timeouts_and_nothing_later(
    patience: Patience, stuck: Callable[[], Stuck]
) -> None:
    dead = {number: stuck() for number in range(50)}
    calls: dict[Any, Callable[[], object]] = {**dead, "alive": lambda: "here"}
    begun = time.monotonic()
    answers = run(patience, calls)
    assert time.monotonic() - begun < 2 * TIMEOUT + SLACK
    assert answers.pop("alive") == "here"
    assert len(answers) == 50
    assert all(isinstance(answer, NoAnswer) for answer in answers.values())

    begun = time.monotonic()
    for _ in range(10):
        assert run(patience, calls)["alive"] == "here"
    assert time.monotonic() - begun < SLACK
    assert threads() == 51
    assert {call.made for call in dead.values()} == {1}


def test_a_slow_one_is_not_taken_for_dead_because_of_those_before_it(patience: Patience) -> None:
    pause = threading.Event()
    slow = {number: lambda: pause.wait(0.4 * TIMEOUT) for number in range(5)}
    begun = time.monotonic()
    assert run(patience, slow) == dict.fromkeys(range(5), False)
    assert time.monotonic() - begun < 2 * TIMEOUT + SLACK


def test_one_that_hangs_is_answered_as_such_while_new_ones_come_and_go(
    patience: Patience, stuck: Callable[[], Stuck]
) -> None:
    dead = stuck()
    run(patience, {"dead": dead})
    assert run(patience, {"new": lambda: 1}) == {"new": 1}
    assert isinstance(run(patience, {"dead": dead, "newer": lambda: 2})["dead"], NoAnswer)
    assert dead.made == 1


def test_threads_end_when_it_is_closed_and_what_hung_came_back(stuck: Callable[[], Stuck]) -> None:
    patience = Patience(TIMEOUT)
    dead = stuck()
    run(patience, {"dead": dead, "alive": lambda: 1})
    run(patience, {"alive": lambda: 1})
    patience.close()
    patience.close()  # twice does no harm
    until(lambda: threads() == 1)
    dead.go.set()
    until(lambda: threads() == 0)


def test_the_threads_do_not_keep_the_process_alive(patience: Patience, stuck: Callable[[], Stuck]) -> None:
    run(patience, {"dead": stuck(), "alive": lambda: 1})
    run(patience, {"alive": lambda: 1})
    assert all(thread.daemon for thread in threading.enumerate() if thread.name == "patience")
