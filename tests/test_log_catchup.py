"""What was written while nobody looked: read first, shown then, so that it is not taken for what happens now."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from exporter.collector import Context, Trouble
from exporter.collectors.log import Log
from exporter.collectors.log.follow import Follow
from exporter.state import State
from tests.followed import Running, followed, of_files, settings_of, write


def collector(settings: Any, entries: Mapping[str, Any]) -> Log:
    """Return the collector whose toil has told these entries."""
    it = Log(settings, Context("it", 5.0, State(None).shelf("shelf")))
    it.context.ledger.tell(entries)
    return it


def test_nothing_is_told_to_have_been_looked_at_before_it_was_read(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    with followed(of_files(log)) as it:
        write(log, 1)
        it.settle()
        it.kill()
        it.kept["log it"]["looked"] = 1000.0
        write(log, 2, 3)
        assert it.follow
        assert (it["lines"], it["looked"], it["behind"]) == (1, 1000.0, 68)
        it.settle()
        assert it["lines"] == 3
        assert it["looked"] > 1000.0


def test_a_backlog_is_read_before_the_toil_is_ready(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    write(log, *range(300_000))
    it = Running(of_files(log, start="beginning"))
    it.start()
    try:
        assert (it["lines"], it["looked"] is None) == (300_000, False)
    finally:
        it.stop()


def test_a_log_that_grows_faster_than_it_is_read_is_shown_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Follow, "CATCH_UP", 0.0)
    log = tmp_path / "app.log"
    write(log, *range(300_000))
    it = Running(of_files(log, start="beginning"))
    told: list[tuple[float | None, int]] = []
    it.tell = lambda changes: told.extend((log["looked"], log["lines"]) for log in changes.values())  # type: ignore[method-assign]
    it.start()
    it.stop()
    assert told[0] == (None, 0)
    looked, lines = told[1]
    assert looked is not None
    assert 0 < lines < 300_000


def test_a_log_whose_first_look_is_not_over_is_not_shown(tmp_path: Path) -> None:
    settings = of_files(tmp_path / "app.log")
    with followed(settings) as it:
        entry = {**it.of("it"), "looked": None}
    log = collector(settings, {"log it": entry})
    with log.connect() as entries, pytest.raises(Trouble, match="was not looked at yet"):
        list(Log.lines.function(log, entries))


def test_a_job_that_is_new_in_the_configuration_is_waited_for(tmp_path: Path) -> None:
    with followed(of_files(tmp_path / "app.log")) as it:
        kept = it.kept
    settings = settings_of(f"logs: {{it: {{files: [{tmp_path}/app.log]}}}}\njobs: {{import: {{finished: done}}}}")
    log = collector(settings, kept)
    with log.connect() as entries, pytest.raises(Trouble, match="job import was not looked for yet"):
        list(Log.jobs.function(log, entries))


def test_a_file_that_cannot_be_read_is_said_as_long_as_it_is_so(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.symlink_to("/proc/self/mem")  # can be opened, and its first bytes cannot be read
    with followed(of_files(log, start="beginning")) as it:
        for _ in range(3):
            it.turn()
            assert f"{log}: Input/output error" in str(it["problems"])
        log.unlink()
        write(log, 1)
        it.settle()
        assert (it.settle()["problems"], it["lines"]) == ([], 1)
