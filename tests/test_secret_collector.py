"""Secrets: their age by value, time, day and certificate; who may read them; and that their values are nowhere."""

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from exporter import config
from exporter.collector import Trouble
from exporter.collectors.secret import looks
from exporter.collectors.secret.contents import value_in
from tests.commands import needs
from tests.hang_fs import mounted, need_fuse
from tests.onetarget import One, one
from tests.process import ROOT
from tests.soak import leaves_nothing
from tests.support import until

FIRST, SECOND = "sk-first-canary-0123456789", "sk-second-canary-9876543210"
DAY = 86400.0


def put(file: Path, text: str, ago: float = 100 * DAY) -> Path:
    """Write a file, as if that had been so many seconds ago."""
    file.write_text(text)
    at = time.time() - ago
    os.utime(file, (at, at))
    return file


def env(file: Path, value: str, ago: float = 100 * DAY, before: str = "DEBUG=1\n") -> Path:
    return put(file, f"{before}export OPENAI_API_KEY='{value}'\nOTHER=x\n", ago)


def of_key(file: Path, more: str = "") -> str:
    return f"secrets:\n  openai: {{file: {file}, key: OPENAI_API_KEY{more}}}\n"


def age(target: One, name: str = "openai") -> float | None:
    """Return how many days ago a secret was rotated, as the page has it."""
    value = target.page().get(f'runbook_secret_rotated_timestamp_seconds{{secret="{name}"}}')
    return None if value is None else (time.time() - float(value)) / DAY


def near(value: float | None, days: float) -> bool:
    return value is not None and abs(value - days) < 0.01


def test_another_value_is_a_rotation_and_another_line_a_copy_or_a_touch_is_none(tmp_path: Path) -> None:
    file, state = tmp_path / ".env", tmp_path / "state"
    with one("secret", of_key(env(file, FIRST)), state) as target:
        assert near(age(target), 100)  # at first sight it is as old as its file
        env(file, FIRST, ago=3 * DAY, before="DEBUG=0\nMORE=1\n")
        assert near(age(target), 100)
        put(file, f'OPENAI_API_KEY="{FIRST}"  # quoted otherwise\n', 2 * DAY)
        assert near(age(target), 100)
        env(file, SECOND, ago=DAY)
        assert near(age(target), 1)
    env(file, SECOND, ago=60.0)
    with one("secret", of_key(file), state) as target:  # the exporter was started again
        assert near(age(target), 1)
        env(file, FIRST, ago=50 * DAY)  # a copy of an old file: when it came is not known, so it counts from now
        assert near(age(target), 0)


def test_what_is_known_stays_where_other_settings_change(tmp_path: Path) -> None:
    file, state = tmp_path / ".env", tmp_path / "state"
    with one("secret", of_key(env(file, FIRST)), state) as target:
        assert near(age(target), 100)
        env(file, SECOND, ago=7 * DAY)
        assert near(age(target), 7)
    moved = env(tmp_path / "moved.env", SECOND, ago=2 * DAY)
    with one("secret", of_key(moved) + "  more: {rotated: 2026-01-01}\n", state) as target:
        assert near(age(target), 7)  # the same value, elsewhere
    with one("secret", f"secrets: {{openai: {{file: {moved}, key: OTHER}}}}", state) as target:
        assert near(age(target), 2)  # another secret under the same name is seen for the first time
    with one("secret", "secrets: {another: {rotated: 2026-01-01}}", state) as target:
        target.read()
    with one("secret", of_key(moved), state) as target:
        assert near(age(target), 2)  # what was left out is forgotten


def test_a_file_that_was_written_just_now_is_not_judged_yet(tmp_path: Path) -> None:
    file = env(tmp_path / ".env", FIRST)
    with one("secret", of_key(file)) as target:
        assert near(age(target), 100)
        env(file, FIRST[:9], ago=0.1)  # as an editor has written half of it
        assert near(age(target), 100)
        env(file, FIRST, ago=0.0)
        assert near(age(target), 100)


def test_a_whole_file_and_one_by_its_time(tmp_path: Path) -> None:
    whole, timed = put(tmp_path / "whole", FIRST + "\n"), put(tmp_path / "timed", FIRST)
    settings = (
        f"secret_max_age: 31d\nsecrets: {{whole: {{file: {whole}}}, timed: {{file: {timed}, by: time, max_age: 7d}}}}"
    )
    with one("secret", settings) as target:
        assert near(age(target, "whole"), 100)
        assert near(age(target, "timed"), 100)
        for file in (whole, timed):
            put(file, FIRST, 5 * DAY)
        assert near(age(target, "whole"), 100)
        assert near(age(target, "timed"), 5)
        put(whole, SECOND, 4 * DAY)
        assert near(age(target, "whole"), 4)
        page = target.page()
        assert page['runbook_secret_max_age_seconds{secret="whole"}'] == "2678400.0"
        assert page['runbook_secret_max_age_seconds{secret="timed"}'] == "604800.0"
        put(timed, FIRST, -DAY)
        assert "written at a time to come" in target.outcomes()["unseen"]


def test_a_day_of_the_configuration(tmp_path: Path) -> None:
    file = env(tmp_path / ".env", FIRST, ago=3 * DAY)
    day = (datetime.now(UTC) - timedelta(days=40)).date()
    settings = (
        of_key(file, f", rotated: {day}") + f"  signing: {{rotated: {day}}}\n  at: {{rotated: '{day}T12:00:00+02:00'}}"
    )
    for zone, hours in (("UTC", 0), ("America/New_York", -5), ("Asia/Tokyo", 9)):
        with one("secret", f"timezone: {zone}\n{settings}") as target:
            began = datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
            ages = [age(target, name) for name in ("openai", "signing")]
            assert all(near(found, (time.time() - began) / DAY + hours / 24) or _summer(day) for found in ages)
            assert near(age(target, "at"), (time.time() - began) / DAY - 10 / 24)
            env(file, SECOND, ago=DAY)
            assert near(age(target), 1)  # a later change counts
            env(file, FIRST, ago=3 * DAY)


def _summer(day: object) -> bool:
    return str(day)[5:] < "11-02"  # where New York's clock is another


def test_certificates_are_rotated_when_they_begin_to_be_good(tmp_path: Path) -> None:
    authority = trustme.CA()
    began = datetime.now(UTC) - timedelta(days=20)
    made = authority.issue_cert("shop.example", not_before=began, not_after=began + timedelta(days=90))
    alone, both = tmp_path / "cert.pem", tmp_path / "both.pem"
    alone.write_bytes(made.cert_chain_pems[0].bytes())
    both.write_bytes(made.cert_chain_pems[0].bytes() + made.private_key_pem.bytes())
    for file in (alone, both, tmp_path):
        file.chmod(0o755)
    settings = f"secrets: {{alone: {{certificate: {alone}}}, both: {{certificate: {both}}}}}"
    with one("secret", settings) as target:
        assert near(age(target, "alone"), 20)
        assert near(age(target, "both"), 20)
        # a certificate may be for all, but not its key
        assert 'runbook_secret_readable_by_others{secret="alone"}' not in target.page()
        assert 'runbook_secret_readable_by_others{secret="both"}' in target.page()
        put(alone, "no certificate")
        assert "alone: " in target.outcomes()["unseen"]
        assert near(age(target, "both"), 20)


def readable(target: One, name: str = "openai") -> str | None:
    return target.page().get(f'runbook_secret_readable_by_others{{secret="{name}"}}')


def test_who_may_read_it(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="secret-") as folder:  # pytest's own are for nobody else
        base = Path(folder)
        base.chmod(0o755)
        inner = base / "inner"
        inner.mkdir(mode=0o755)
        file = env(inner / ".env", FIRST)
        link = base / "link"
        link.symlink_to(file)
        with one("secret", of_key(link)) as target:
            for mode, above, expected in ((0o600, 0o755, "0"), (0o640, 0o755, "0"), (0o644, 0o755, "1"),
                                           (0o644, 0o750, "0"), (0o644, 0o711, "1"), (0o604, 0o755, "1")):  # fmt: skip
                file.chmod(mode)
                inner.chmod(above)
                assert readable(target) == expected, oct(mode)
            assert "every user of this machine may read openai: chmod o-r" in target.outcomes()["permissions"]
            needs("setfacl")
            file.chmod(0o640)
            if subprocess.run(["setfacl", "-m", "o::r", file], check=False).returncode == 0:
                assert readable(target) == "1"


AS_NOBODY = """
import os, sys
from tests.onetarget import one
with one("secret", sys.argv[1]) as target:
    target.read()  # what it imports may be closed to another user
os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
with one("secret", sys.argv[1]) as target:
    print(target.outcomes(), target.text())
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run what follows as another user")
def test_one_that_may_not_be_read_is_judged_by_its_time_where_that_is_said() -> None:
    with tempfile.TemporaryDirectory(prefix="secret-") as folder:
        Path(folder).chmod(0o755)
        (inner := Path(folder) / "inner").mkdir()
        read, timed = put(Path(folder) / "read", FIRST), put(Path(folder) / "timed", FIRST)
        inside = put(inner / "inside", FIRST)
        for place, mode in ((read, 0o600), (timed, 0o600), (inner, 0o700)):
            place.chmod(mode)
        given = f"secrets: {{read: {{file: {read}}}, timed: {{file: {timed}, by: time}}, inside: {{file: {inside}}}}}"
        said = subprocess.run(
            [sys.executable, "-c", AS_NOBODY, given], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
        ).stdout
    assert f"read: {read} cannot be read (Permission denied)" in said
    assert "or say `by: time`" in said
    assert f"inside: {inside} cannot be looked at (Permission denied)" in said
    assert 'rotated_timestamp_seconds{secret="timed"}' in said
    assert 'rotated_timestamp_seconds{secret="read"}' not in said


def test_what_cannot_be_looked_at_keeps_what_is_known_of_it(tmp_path: Path) -> None:
    file, other = env(tmp_path / ".env", FIRST), put(tmp_path / "other", SECOND, 9 * DAY)
    with one("secret", of_key(file) + f"  other: {{file: {other}}}") as target:
        assert target.outcomes() == {"rotations": "ok", "permissions": "ok", "unseen": "ok"}
        for text, words in (
            (None, f"openai: {file} cannot be looked at (No such file"),
            ("OTHER=1\n", f"openai: {file} has no OPENAI_API_KEY"),
            ("OPENAI_API_KEY=\n", f"OPENAI_API_KEY in {file} is empty"),
            ("x" * (300 << 10), "is larger than"),
        ):
            file.unlink(missing_ok=True)
            if text is not None:
                put(file, text)
            assert words in target.outcomes()["unseen"]
            assert near(age(target), 100)
            assert near(age(target, "other"), 9)
            assert readable(target, "other") == "0"


def test_a_file_system_that_hangs_holds_up_nothing_else(tmp_path: Path) -> None:
    need_fuse()
    other = put(tmp_path / "other", SECOND, 9 * DAY)
    with mounted(tmp_path / "mount") as system:
        system.hang()
        settings = f"path_timeout: 200ms\nsecrets: {{hung: {{file: {tmp_path}/mount/a}}, other: {{file: {other}}}}}"
        with one("secret", settings) as target:
            for _ in range(2):
                assert "hung: no answer from" in target.outcomes()["unseen"]
                assert near(age(target, "other"), 9)
            system.answer()
            until(lambda: "hung: " in (said := target.outcomes()["unseen"]) and "no answer" not in said)


def test_values_are_nowhere(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    state, file = tmp_path / "state", tmp_path / "file.json"
    whole = put(tmp_path / "whole", FIRST)
    put(file, json.dumps({"a": {"key": SECOND}, "broken": [FIRST]}))
    settings = (
        f"secrets: {{whole: {{file: {whole}}}, nested: {{file: {file}, key: a.key}}, "
        f"list: {{file: {file}, key: broken}}, absent: {{file: {file}, key: b}}, cert: {{certificate: {whole}}}}}"
    )
    with one("secret", settings, state) as target:
        said = [target.text(), str(target.outcomes())]
        put(file, f"{{{FIRST} {SECOND}")
        said += [target.text(), str(target.outcomes())]
    kept = (state / "state.sqlite").read_bytes() + "".join(
        str(row)
        for row in sqlite3.connect(f"file:{state}/state.sqlite?mode=ro", uri=True).execute("SELECT * FROM entry")
    ).encode()
    everything = "\n".join([*said, caplog.text]) + kept.decode("latin-1")
    assert '"digest":' in everything
    assert "nested: " in said[3]
    for canary in (FIRST, SECOND):
        assert canary not in everything
        assert canary.encode().hex() not in everything


@pytest.mark.parametrize(("text", "key", "value"), [
    ("A=1\nKEY=two\n", "KEY", "two"), ("KEY=one\nKEY=two", "KEY", "two"), ("  export KEY = 2 # not this", "KEY", "2"),
    ("KEY='it''s'", "KEY", "it"), ('KEY="a\\"b"\nX=1', "KEY", 'a\\"b'), ("KEY='a\nb'\n", "KEY", "a\nb"),
    ("# KEY=no\nKEY=two#three", "KEY", "two#three"), ("key: two", "key", "two"), ("'key': \"two\",", "key", "two"),
    ("a:\n  key: |\n    two\n    three\n  b: 1", "key", "two\n    three"), ("- key: two\r\n", "key", "two"),
    ("NOKEY=1\nKEY=two", "KEY", "two"), ("a.b = two", "a.b", "two"),
    ('{"KEY": "two"}', "KEY", "two"), ('{"a": {"b": 7}}', "a.b", "7"), ('{"a.b": "x"}', "a.b", "x"),
    ("\n two \n", "", "two"),
])  # fmt: skip
def test_the_value_of_a_key(text: str, key: str, value: str) -> None:
    assert value_in(text.encode(), key, "it") == value.encode()


@pytest.mark.parametrize(("text", "key"), [
    ("", ""), (" \n", ""), ("A=1", "KEY"), ("KEY=", "KEY"), ("KEY=''", "KEY"), ("XKEY=1", "KEY"), ("KEYS=1", "KEY"),
    ('{"KEY": null}', "KEY"), ('{"KEY": ""}', "KEY"), ('{"a": {}}', "a.b"), ('{"a": 1', "a"), ("# KEY=1", "KEY"),
])  # fmt: skip
def test_where_there_is_none(text: str, key: str) -> None:
    with pytest.raises(Trouble):
        value_in(text.encode(), key, "it")


@given(st.binary(max_size=200), st.sampled_from(["KEY", "a.b", ""]))
def test_any_bytes_give_a_value_or_say_why_not(data: bytes, key: str) -> None:
    try:
        value = value_in(data, key, "it")
    except Trouble:
        value = b"none"
    assert value


@pytest.mark.parametrize(("settings", "problem"), [
    ("secrets: {}", "secrets: is empty"), ("secrets: {a: {}}", "expected one of them"),
    ("secrets: {'a b': {rotated: 2026-01-01}}", "cannot have this name"),
    ("secrets: {a: {certificate: /a, rotated: 2026-01-01}}", "stands beside rotated"),
    ("secrets: {a: {rotated: 2026-01-01, key: A}}", "stands without `file`"),
    ("secrets: {a: {file: /a, key: A, by: time}}", "says nothing of one key"),
    ("secrets: {a: {file: /a, rotated: 2026-01-01, by: time}}", "by which the file itself tells it"),
    ("secrets: {a: {file: /a, key: 'a b'}}", "is no name"), ("secrets: {a: {rotated: tomorrow}}", "is no day"),
    ("secrets: {a: {rotated: 2126-01-01}}", "is a day to come"), ("secrets: {a: {file: /a, max_age: 0s}}", "is no age"),
    ("timezone: Berlin\nsecrets: {a: {rotated: 2026-01-01}}", "is no time zone here"),
])  # fmt: skip
def test_settings_that_are_wrong(settings: str, problem: str) -> None:
    with pytest.raises(config.ConfigError, match=problem), one("secret", settings):
        pass


def test_every_figure(tmp_path: Path, golden: Callable[[str, str], None]) -> None:
    file = env(tmp_path / ".env", FIRST)
    settings = f"timezone: UTC\n{of_key(file, ', rotated: 2026-10-01')}  signing: {{rotated: 2026-09-01, max_age: 31d}}"
    with one("secret", settings) as target:
        golden("secret.prom", "".join(line for line in target.text().splitlines(True) if "runbook_secret_" in line))


def test_rounds_leave_nothing(tmp_path: Path) -> None:
    file = env(tmp_path / ".env", FIRST)
    with one("secret", of_key(file) + "  signing: {rotated: 2026-09-01}") as target:
        leaves_nothing(target, 150, warm=20)
    with one("secret", of_key(tmp_path / "gone")) as target:
        leaves_nothing(target, 150, warm=20)


def test_very_many(tmp_path: Path) -> None:
    file = env(tmp_path / ".env", FIRST)
    many = "secrets:\n" + "".join(f"  s{number}: {{file: {file}, key: OPENAI_API_KEY}}\n" for number in range(60))
    with one("secret", many) as target:
        assert len(target.page()) > 180


def test_a_new_value_in_a_file_from_the_future_counts_from_now(tmp_path: Path) -> None:
    file = env(tmp_path / ".env", FIRST)
    with one("secret", of_key(file)) as target:
        assert near(age(target), 100)
        env(file, SECOND, ago=-9 * DAY)
        assert near(age(target), 0)


def test_today_elsewhere_is_no_day_to_come(tmp_path: Path) -> None:
    day = datetime.fromtimestamp(time.time() + 0.9 * DAY, UTC).astimezone().replace(tzinfo=None).isoformat()
    with one("secret", f"secrets: {{openai: {{rotated: '{day}'}}}}") as target:
        assert near(age(target), 0)


def test_what_is_written_while_it_is_read_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = env(tmp_path / ".env", FIRST)
    with one("secret", of_key(file)) as target:
        assert near(age(target), 100)
        real = looks._read

        def read(path: str) -> bytes:
            data: bytes = real(path)
            env(file, SECOND, ago=3 * DAY, before="MORE=1\n")
            return data

        env(file, SECOND, ago=5 * DAY)
        monkeypatch.setattr(looks, "_read", read)
        assert "was written to while it was read" in target.outcomes()["unseen"]
        assert near(age(target), 100)


def test_the_time_of_a_file_that_is_gone_stays(tmp_path: Path) -> None:
    timed = put(tmp_path / "timed", FIRST)
    with one("secret", f"secrets: {{timed: {{file: {timed}, by: time}}}}") as target:
        assert near(age(target, "timed"), 100)
        timed.unlink()
        assert near(age(target, "timed"), 100)


def test_what_was_known_is_of_that_secret_alone(tmp_path: Path) -> None:
    file, state = tmp_path / ".env", tmp_path / "state"
    with one("secret", of_key(env(file, FIRST)), state) as target:
        assert near(age(target), 100)
        env(file, SECOND, ago=7 * DAY)
        assert near(age(target), 7)
    day = (datetime.now(UTC) - timedelta(days=200)).isoformat()
    with one("secret", f"secrets: {{openai: {{rotated: '{day}'}}}}", state) as target:
        assert near(age(target), 200)
    with one("secret", f"secrets: {{openai: {{file: {tmp_path}/absent}}}}", state) as target:
        assert age(target) is None


def test_half_a_character_in_json_is_a_value() -> None:
    assert value_in(b'{"KEY": "a\\ud800"}', "KEY", "it")
