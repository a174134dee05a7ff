"""The line of logins that have yet to be checked: who finds a place, who shares one, what a wrong one costs."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from exporter.secret import Secret
from exporter.users import Logins, Users
from tests.test_web_logins import HASHES, header, status
from tests.web import hashed

RIGHT = header("alice", "wonderland")
LINE = 64  # as long as it is before only those find a place who have none,
MOST = 256  # and before nobody does


class Held:
    """Checks that wait until they are set free; `done` tells them and the rests between them, in their order."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.done: list[str] = []

    def check(self, login: tuple[bytes, bytes]) -> bool:
        assert self.free.wait(10)
        self.done.append(login[1].decode())
        return login == (b"alice", b"wonderland")

    def rest(self, seconds: float) -> None:
        assert seconds >= 0
        self.done.append("rest")


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Held:
    held = Held()
    monkeypatch.setattr(Users, "verify", lambda self, login: held.check(login))
    return held


def with_logins(
    held: Held, use: Callable[[Logins], Coroutine[Any, Any, list[int]]], hashes: dict[str, Secret] = HASHES
) -> list[int]:
    async def run() -> list[int]:
        with ThreadPoolExecutor(1) as checker:
            try:
                return await use(Logins(hashes, checker, held.rest))
            finally:
                held.free.set()

    return asyncio.run(run())


async def ask(logins: Logins, peer: str, login: str) -> "asyncio.Task[int]":
    """Ask to be let in, and return once the login stands in the line."""

    async def answered() -> int:
        return status(await logins.refusal(peer, login))

    task = asyncio.ensure_future(answered())
    await asyncio.sleep(0)
    return task


def test_the_same_login_many_times_at_once_is_one_check(held: Held) -> None:
    async def use(logins: Logins) -> list[int]:
        tasks = [await ask(logins, f"peer {number % 2}", RIGHT) for number in range(20)]
        held.free.set()
        return [await task for task in tasks]

    assert with_logins(held, use) == [200] * 20
    assert held.done == ["wonderland"]


def test_who_leaves_a_shared_check_takes_it_from_nobody(held: Held) -> None:
    async def use(logins: Logins) -> list[int]:
        first, second = await ask(logins, "peer", RIGHT), await ask(logins, "peer", RIGHT)
        first.cancel()
        await asyncio.wait([first])
        held.free.set()
        return [await second]

    assert with_logins(held, use) == [200]


def test_a_check_that_all_have_left_is_begun_anew(held: Held) -> None:
    async def use(logins: Logins) -> list[int]:
        blocking = await ask(logins, "other", header("bob", "x"))
        left = await ask(logins, "peer", RIGHT)
        left.cancel()
        again = await ask(logins, "peer", RIGHT)
        await asyncio.wait([left])
        held.free.set()
        return [await blocking, await again]

    assert with_logins(held, use) == [401, 200]
    assert held.done == ["x", "rest", "wonderland"]


def test_a_peer_that_has_no_place_finds_one_in_a_long_line(held: Held) -> None:
    async def use(logins: Logins) -> list[int]:
        line = [await ask(logins, f"peer {number // 4}", header("eve", f"{number}")) for number in range(LINE)]
        late = [await ask(logins, peer, header("eve", peer)) for peer in ("peer 0", "late", "late")]
        good = await ask(logins, "scraper", RIGHT)
        more = await ask(logins, "late", header("eve", "more"))
        held.free.set()
        return [await task for task in (*late, more, good, *line)]

    late_0, late, same, more, good, *line = with_logins(held, use)
    assert (late_0, late, same, more, good) == (429, 401, 401, 429, 200)
    assert line == [401] * LINE


def test_a_line_that_peers_without_number_make_has_an_end(held: Held) -> None:
    async def use(logins: Logins) -> list[int]:
        line = [await ask(logins, f"peer {number}", header("eve", f"{number}")) for number in range(MOST)]
        late = await ask(logins, "late", RIGHT)
        held.free.set()
        return [await task for task in (late, *line)]

    assert with_logins(held, use) == [429] + [401] * MOST


def test_a_known_login_comes_in_while_others_are_checked(held: Held) -> None:
    async def use(logins: Logins) -> list[int]:
        held.free.set()
        known = [status(await logins.refusal("peer", RIGHT))]
        held.free.clear()
        guess = await ask(logins, "peer", header("alice", "guess"))
        known += [status(await logins.refusal("peer", RIGHT)) for _ in range(5)]
        assert not guess.done()
        held.free.set()
        return [*known, await guess]

    assert with_logins(held, use) == [200] * 6 + [401]


def test_after_a_wrong_login_the_line_rests_and_after_a_right_one_it_does_not(held: Held) -> None:
    async def use(logins: Logins) -> list[int]:
        tasks = [await ask(logins, "peer", login) for login in (header("alice", "wrong"), RIGHT, header("bob", "no"))]
        held.free.set()
        return [await task for task in tasks]

    assert with_logins(held, use) == [401, 200, 401]
    assert held.done == ["wrong", "rest", "wonderland", "no", "rest"]


def test_a_hash_that_cannot_be_read_lets_nobody_in_and_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    broken = hashed("x")
    broken = f"{broken[:28]}z{broken[29:]}"  # a salt that no bcrypt writes, and the library refuses

    async def use(logins: Logins) -> list[int]:
        return [status(await logins.refusal("peer", header("eve", word))) for word in ("x", "y", "x")]

    assert with_logins(Held(), use, {"eve": Secret(broken)}) == [401] * 3
    assert [record.getMessage() for record in caplog.records] == [
        "a login is refused, since it cannot be checked; is its user's hash whole?"
    ]
