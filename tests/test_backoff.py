"""How long to leave alone what has just failed."""

from exporter.backoff import Backoff


def test_the_wait_doubles_up_to_its_cap_and_begins_anew_after_a_success() -> None:
    backoff = Backoff(1.0, 10.0, chance=lambda: 0.0)
    assert [backoff.failed() for _ in range(6)] == [1, 2, 4, 8, 10, 10]
    backoff.succeeded()
    assert backoff.failed() == 1


def test_chance_takes_up_to_half() -> None:
    backoff = Backoff(8.0, 8.0, chance=lambda: 1.0)
    assert backoff.failed() == 4
    waits = {Backoff(8.0, 8.0).failed() for _ in range(50)}
    assert len(waits) > 40
    assert 4 <= min(waits) <= max(waits) <= 8


def test_years_of_failures_change_nothing() -> None:
    backoff = Backoff(1.0, 30.0, chance=lambda: 0.0)
    assert {backoff.failed() for _ in range(2000)} >= {30.0}
    assert backoff.failed() == 30
