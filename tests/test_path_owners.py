"""Who may write to a path and whom it belongs to, as the page tells it."""

import grp
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.collector import Trouble
from exporter.collectors.path import present
from tests.walking import looking, of, page, said, seen, settings_of, walked

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to other users")

NOBODY, GAMES = 65534, 5


@pytest.fixture
def top() -> Iterator[Path]:
    """Return a folder that every user may enter."""
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        yield Path(place)


def test_writable_on_the_page(top: Path) -> None:
    (top / "out").mkdir()
    (top / "out").chmod(0o777)
    paths = {
        "yes": {"path": str(top / "out"), "user": "nobody", "role": "output"},
        "no": {"path": str(top), "user": "nobody"},
        "gone": {"path": str(top / "gone"), "user": "nobody"},
        "typo": {"path": str(top / "out"), "user": "nosuchuser"},
    }
    settings = settings_of(paths)
    shown = page(settings, {})
    assert shown[of("yes", "output", user="nobody")("writable")] == "1"
    assert shown[of("no", user="nobody")("writable")] == "0"
    assert shown[of("gone", user="nobody")("writable")] == "0"
    assert not [series for series in shown if "writable" in series and '"typo"' in series]
    assert of("typo")("filesystem_avail_bytes") in shown
    with looking(settings) as looks:
        assert list(present.writable.function(looks))
        with pytest.raises(Trouble) as caught:
            list(present.unanswered.function(looks))
    reason, fix = str(caught.value), caught.value.fix
    assert reason == f"{top}/out: there is no user nosuchuser here"
    assert fix == "create the user, or correct `user`"


def test_an_owner_who_is_not_there_is_said_also_while_the_place_is_missing(top: Path) -> None:
    (top / "out").mkdir()
    for place in ("out", "gone"):
        settings = settings_of({"it": {"path": f"{top}/{place}", "owner": "nosuchuser"}, "fine": {"path": str(top)}})
        shown = page(settings, {})
        assert shown[of("it")("exists")] == str(int(place == "out"))
        assert of("it")("wrong_owner_places") not in shown  # it is no stranger whose name is misspelt
        with looking(settings) as looks:
            assert list(present.places_seen.function(looks))
            with pytest.raises(Trouble) as caught:
                list(present.unanswered.function(looks))
        assert str(caught.value) == f"{top}/{place}: there is no user nosuchuser here"
        assert caught.value.fix == "create the user, or correct `owner`"


def test_without_a_user_the_read_does_not_apply(top: Path) -> None:
    settings = settings_of({"it": {"path": str(top)}})
    assert said(settings, {}, "writable")[0] == "skipped: no path says which user must be able to write there"


def test_permissions_and_owners_of_one_place(top: Path) -> None:
    database = top / "mem.duckdb"
    database.touch()
    database.chmod(0o644)
    os.chown(database, NOBODY, GAMES)
    it = of("it", "database")
    shown = seen({"it": {"path": str(database), "role": "database", "owner": "nobody"},
                  "free": {"path": str(database)}, "wrong": {"path": str(database), "owner": "root", "mode": "640"},
                  "folder": {"path": str(top), "role": "secret"},
                  "number": {"path": str(database), "owner": str(NOBODY)}})  # fmt: skip
    assert (shown[it("mode_octal")], shown[it("excess_mode_octal")]) == ("644", "44")
    assert shown[it("wrong_owner_places")] == shown[of("number")("wrong_owner_places")] == "0"
    assert shown[of("it", "database", owner="nobody", group=grp.getgrgid(GAMES).gr_name)("owner_info")] == "1"
    assert of("free")("excess_mode_octal") not in shown
    assert of("free")("wrong_owner_places") not in shown
    wrong = of("wrong")
    assert (shown[wrong("excess_mode_octal")], shown[wrong("wrong_owner_places")]) == ("4", "1")
    assert shown[of("folder", "secret")("excess_mode_octal")] == "55"  # 755 where 700 is meant
    database.chmod(0o600)
    assert seen({"it": {"path": str(database), "role": "database"}})[it("excess_mode_octal")] == "0"


def test_permissions_of_several_places_are_what_any_of_them_gives(top: Path) -> None:
    for name, mode, owner in (("a", 0o600, 0), ("b", 0o640, NOBODY), ("c", 0o604, NOBODY)):
        (top / name).mkdir()
        (top / name / ".env").touch()
        (top / name / ".env").chmod(mode)
        os.chown(top / name / ".env", owner, owner)
    settings = settings_of({"it": {"path": f"{top}/*/.env", "role": "secret", "owner": "root"}})
    shown = page(settings, walked(settings))
    it = of("it", "secret")
    assert (shown[it("mode_octal")], shown[it("excess_mode_octal")]) == ("644", "44")
    assert shown[it("wrong_owner_places")] == "2"
    owners = [series for series in shown if series.startswith("runbook_path_owner_info")]
    assert len(owners) == 2
