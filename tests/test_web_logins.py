"""Logins without a server: the same work for every name, places in the line, what is remembered."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from exporter import users
from exporter.answer import Answer
from exporter.secret import Secret
from exporter.users import Logins, Users, login_of
from tests.test_web_users import basic
from tests.web import hashed

HASHES = {"alice": Secret(hashed("wonderland", 5)), "bob": Secret(hashed("builder's", 4))}


def header(name: str, password: str) -> str:
    return basic(name, password)["Authorization"]


def status(answer: Answer | None) -> int:
    return 200 if answer is None else answer.status


class Counted:
    """bcrypt's own check, with the hashes that it was asked about."""

    def __init__(self, real: Callable[[bytes, bytes], bool]) -> None:
        self._real = real
        self.asked: list[bytes] = []

    def __call__(self, password: bytes, hashed: bytes) -> bool:
        self.asked.append(hashed)
        return self._real(password, hashed)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    import bcrypt

    counted = Counted(bcrypt.checkpw)
    monkeypatch.setattr(bcrypt, "checkpw", counted)
    return counted


def test_a_name_that_nobody_has_takes_the_same_way(counted: Counted) -> None:
    some = Users(HASHES)
    assert [some.verify((name, b"wonderland")) for name in (b"alice", b"bob", b"nobody")] == [True, False, False]
    assert len(counted.asked) == 3
    nobody = counted.asked[2]
    assert nobody.startswith(b"$2b$05$")  # as dear as the dearest
    assert len(nobody) == 60
    assert nobody not in (counted.asked[0], counted.asked[1])


def test_what_was_checked_is_remembered_right_or_wrong(counted: Counted) -> None:
    async def try_all() -> list[int]:
        with ThreadPoolExecutor(1) as checker:
            logins = Logins(HASHES, checker)
            tried = [("alice", "wonderland"), ("alice", "wrong"), ("nobody", "wrong")] * 3
            return [status(await logins.refusal("peer", header(*login))) for login in tried]

    assert asyncio.run(try_all()) == [200, 401, 401] * 3
    assert len(counted.asked) == 3


def test_memory_holds_no_password() -> None:
    async def mark() -> tuple[Logins, int]:
        with ThreadPoolExecutor(1) as checker:
            logins = Logins(HASHES, checker)
            return logins, status(await logins.refusal("peer", header("alice", "wonderland")))

    logins, came_in = asyncio.run(mark())
    assert came_in == 200
    assert "wonderland" not in repr(vars(logins))


def test_a_peer_has_few_places_in_the_line_and_others_keep_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    free = threading.Event()

    def slow(self: Users, login: users.Login) -> bool:
        assert free.wait(10)
        return login == (b"alice", b"wonderland")

    monkeypatch.setattr(Users, "verify", slow)

    async def crowd() -> tuple[list[int], int, str]:
        with ThreadPoolExecutor(1) as checker:
            logins = Logins(HASHES, checker)
            guesses = [asyncio.ensure_future(logins.refusal("bad", header("alice", f"{n}"))) for n in range(4)]
            await asyncio.sleep(0)
            fifth = await logins.refusal("bad", header("alice", "4"))
            good = asyncio.ensure_future(logins.refusal("good", header("alice", "wonderland")))
            await asyncio.sleep(0)
            free.set()
            assert fifth is not None
            return [status(await guess) for guess in guesses], status(await good), f"{fifth.status} {fifth.headers}"

    guesses, good, fifth = asyncio.run(crowd())
    assert guesses == [401] * 4
    assert good == 200
    assert fifth == "429 {'Retry-After': '1'}"


def test_a_peer_that_leaves_gives_its_place_back(monkeypatch: pytest.MonkeyPatch) -> None:
    free = threading.Event()
    monkeypatch.setattr(Users, "verify", lambda self, login: free.wait(10) and login[1] == b"wonderland")

    async def leave() -> int:
        with ThreadPoolExecutor(1) as checker:
            logins = Logins(HASHES, checker)
            for number in range(8):
                guess = asyncio.ensure_future(logins.refusal("bad", header("alice", f"{number}")))
                await asyncio.sleep(0)
                guess.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await guess
            free.set()
            return status(await logins.refusal("bad", header("alice", "wonderland")))

    assert asyncio.run(leave()) == 200


def test_only_so_much_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(users, "_REMEMBERED", 2)
    monkeypatch.setattr(Users, "verify", lambda self, login: login[1] == b"right")

    async def many() -> tuple[int, int]:
        with ThreadPoolExecutor(1) as checker:
            logins = Logins(HASHES, checker)
            await logins.refusal("known", header("alice", "right"))
            for number in range(20):
                await logins.refusal(f"peer {number}", header("alice", f"{number}"))
            return len(logins._wrong), len(logins._right)

    assert asyncio.run(many()) == (2, 1)  # wrong ones do not push out those that are right


@pytest.mark.parametrize(("text", "login"), [
    (header("alice", "a:b"), (b"alice", b"a:b")), ("Basic  " + header("x", "y")[6:], (b"x", b"y")),
    ("Basic Og==", (b"", b"")), ("Basic YWxpY2U=", None), ("Basic YWxpY2U6eA", None), ("Basic é", None), ("", None),
])  # fmt: skip
def test_what_a_header_says(text: str, login: users.Login | None) -> None:
    assert login_of(text) == login
