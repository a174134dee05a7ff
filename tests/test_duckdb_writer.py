"""Copies of a database under a hard writer: in no round is an inconsistent one taken for the truth.

RUNBOOK_DUCKDB_ROUNDS makes more rounds of each; RUNBOOK_DUCKDB_LIBRARY names the folder of another version for the
writer.
"""

import json
import os
import random
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from _pytest.mark.structures import ParameterSet

from tests.duckdbfile import ROOT, Writing, request, writing

ROUNDS = int(os.environ.get("RUNBOOK_DUCKDB_ROUNDS", "8"))
LIBRARY = os.environ.get("RUNBOOK_DUCKDB_LIBRARY", "")


def long(profile: str) -> ParameterSet:
    """Return a profile for which `make proof` has time."""
    return pytest.param(profile, marks=pytest.mark.long)


def prove(writer: Writing, scratch: Path, rounds: int, kill: bool = False) -> dict[str, Any]:
    """Have so many copies read while the writer writes, or is killed and started again; return what was seen."""
    arguments = [json.dumps(request(writer.path, scratch)), str(writer.counted), str(rounds)]
    prover = subprocess.Popen(
        [sys.executable, "-m", "tests.duckdbprover", *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    dice = random.Random(1)
    try:
        while prover.poll() is None:
            with suppress(subprocess.TimeoutExpired):
                prover.wait(dice.uniform(0.1, 1.0) if kill else None)
            if kill:
                writer.kill()
                writer.start()
        assert prover.stdout is not None
        told: dict[str, Any] = json.loads(prover.stdout.read())
    finally:
        prover.kill()
        prover.wait()
        assert prover.stdout is not None
        prover.stdout.close()
    print(
        writer.profile, "killed" if kill else "", LIBRARY, told, f"{writer.counter} transactions, {writer.lives} lives"
    )
    return told


def judge(told: dict[str, Any], rounds: int) -> None:
    assert told["wrong"] == []
    assert told["troubles"] == {}  # what was copied could always be read
    assert told["read"] + told["given_up"] == rounds
    assert told["read"] >= max(1, rounds // 10)  # else it proves little


@pytest.mark.timeout(36_000)
@pytest.mark.parametrize("profile", ["tiny", "storm", *map(long, ("bulk", "attached", "index"))])
def test_what_is_read_is_true_while_somebody_writes(tmp_path: Path, profile: str) -> None:
    with writing(tmp_path, profile, LIBRARY) as writer:
        before = writer.counter
        judge(prove(writer, tmp_path / "scratch", ROUNDS), ROUNDS)
        assert writer.counter > before


@pytest.mark.timeout(36_000)
@pytest.mark.parametrize("profile", [long("tiny"), "storm"])
def test_what_is_read_is_true_while_the_writer_is_killed_again_and_again(tmp_path: Path, profile: str) -> None:
    with writing(tmp_path, profile, LIBRARY) as writer:
        judge(prove(writer, tmp_path / "scratch", ROUNDS, kill=True), ROUNDS)
        assert writer.lives > 1
