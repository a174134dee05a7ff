"""One HTTP request within bounds: whole answers, broken ones, slow ones, and ones without end."""

import errno
import gzip
import socket
import threading
import time
import tracemalloc

import pytest

from exporter.collector import Trouble, Unable
from exporter.deadline import Deadline
from exporter.exchange import trouble as meaning
from exporter.fetch import Cancel, fetch
from tests.answering import answering, cancelling, endless, page, silent, trickling
from tests.lookups import asides
from tests.process import free_port

MOST = 100_000


def trouble(url: str, timeout: float = 5.0, **more: object) -> Trouble:
    with pytest.raises(Trouble) as caught:
        fetch(url, timeout=timeout, most=MOST, **more)  # type: ignore[arg-type]
    return caught.value


def test_a_whole_answer() -> None:
    with answering(page(b'{"a": 1}', X_Here="yes")) as served:
        reply = fetch(f"{served.url}/a b?q=é#part", timeout=5, most=MOST, headers={"X-Asked": "so"})
    assert (reply.status, reply.body, reply.headers["x-here"]) == (200, b'{"a": 1}', "yes")
    assert 0 < reply.seconds < 5
    assert served.asked[0].startswith(b"GET /a%20b?q=%C3%A9 HTTP/1.1\r\n")
    assert served.header("Host") == f"127.0.0.1:{served.port}"
    assert served.header("X-Asked") == "so"
    assert (served.header("Connection") or "").startswith("close")


def test_any_status_is_an_answer_and_a_post_has_its_body() -> None:
    with answering(page(b"no", "503 Sorry")) as served:
        reply = fetch(served.url, timeout=5, most=MOST, method="POST", body=b"question")
    assert (reply.status, reply.body) == (503, b"no")
    assert served.asked[0].startswith(b"POST / HTTP/1.1\r\n")
    assert served.asked[0].endswith(b"\r\n\r\nquestion")


def test_an_answer_without_a_length_or_in_chunks() -> None:
    with answering(b"HTTP/1.0 200 OK\r\n\r\nuntil the end") as served:
        assert fetch(served.url, timeout=5, most=MOST).body == b"until the end"
    chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    with answering(chunks) as served:
        assert fetch(served.url, timeout=5, most=MOST).body == b"abcde"


def test_a_user_in_the_address_is_sent_as_a_header_alone() -> None:
    with answering(page(b"")) as served:
        fetch(served.url.replace("//", "//us%3Aer:p%40ss@"), timeout=5, most=MOST)
    assert served.header("Authorization") == "Basic dXM6ZXI6cEBzcw=="
    assert served.header("Host") == f"127.0.0.1:{served.port}"


def test_a_compressed_answer_is_bounded_when_it_is_large_again() -> None:
    with answering(page(gzip.compress(b"x" * 1000), Content_Encoding="gzip")) as served:
        assert fetch(served.url, timeout=5, most=MOST).body == b"x" * 1000
    bomb = gzip.compress(bytes(200 << 20), 9)
    with answering(page(bomb, Content_Encoding="gzip")) as served:
        tracemalloc.start()
        said = trouble(served.url)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert "more than 100000 bytes" in str(said)
    assert "max_bytes" in said.fix
    assert peak < 2 << 20


def test_a_compressed_answer_of_several_members_is_read_to_its_end() -> None:
    members = gzip.compress(b"begun, ") + gzip.compress(b"") + gzip.compress(b"and gone on")
    with answering(page(members, Content_Encoding="gzip")) as served:
        assert fetch(served.url, timeout=5, most=MOST).body == b"begun, and gone on"
    with answering(page(members[:-3], Content_Encoding="gzip")) as served:
        assert "no whole HTTP answer" in str(trouble(served.url))
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"
    for after, said in (
        (bytes(65536), "in gzip, and what came is none"),
        (gzip.compress(b"") * 999, "more than 100000"),
    ):
        with answering(endless(after, head + members)) as served:
            began = time.monotonic()
            assert said in str(trouble(served.url, 30))
            assert time.monotonic() - began < 10


def test_what_comes_before_an_answer_is_passed_over() -> None:
    early = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"
    with answering(early + page(b"late", X_Here="yes")) as served:
        reply = fetch(served.url, timeout=5, most=MOST)
    assert (reply.status, reply.body, reply.headers.get("link")) == (200, b"late", None)


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 209715200\r\n\r\n"])
def test_an_endless_or_huge_answer_is_cut_at_once(head: bytes) -> None:
    with answering(endless(bytes(65536), head)) as served:
        began = time.monotonic()
        assert "more than 100000 bytes" in str(trouble(served.url, 30))
        assert time.monotonic() - began < 10


@pytest.mark.parametrize("size", [b"-1", b"-5", b"-fffff"])
def test_a_chunk_of_less_than_nothing_is_none(size: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + size + b"\r\n"
    with answering(endless(bytes(65536), head)) as served:
        assert "no whole HTTP answer (IncompleteRead)" in str(trouble(served.url, 1))


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nX-", b"HTTP/1.1 100 Continue\r\n\r\n"]
)
def test_a_trickle_gains_no_time(head: bytes) -> None:
    stop = threading.Event()
    with answering(trickling(stop, b"x", head)) as served:
        began = time.monotonic()
        assert "has not answered in full within 0.4 s" in str(trouble(served.url, 0.4))
        assert time.monotonic() - began < 2
        stop.set()


def test_a_silent_server() -> None:
    stop = threading.Event()
    with answering(silent(stop)) as served:
        assert "within 0.3 s" in str(trouble(served.url, 0.3))
        stop.set()


@pytest.mark.parametrize("broken", [
    page(b"all of it")[:-3],
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc",
    page(gzip.compress(b"x" * 1000, mtime=0)[:-20], Content_Encoding="gzip"),
    b"SSH-2.0-OpenSSH_9.6\r\n",
    b"",
])  # fmt: skip
def test_what_is_no_whole_answer_is_none(broken: bytes) -> None:
    with answering(broken) as served:
        said = str(trouble(served.url))
    assert said.startswith(f"{served.url} ")
    assert "no whole HTTP answer" in said or "cannot be reached" in said


def test_headers_of_one_name_are_one_list() -> None:
    head = (
        b'HTTP/1.1 200 OK\r\nRateLimit: "minute";r=5;t=30\r\nratelimit: "day";r=70;t=3600\r\nContent-Length: 0\r\n\r\n'
    )
    with answering(head) as served:
        reply = fetch(served.url, timeout=5, most=100)
    assert reply.headers["ratelimit"] == '"minute";r=5;t=30, "day";r=70;t=3600'


def test_what_is_wrong_with_an_answer_is_said() -> None:
    many = b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: y\r\n" % number for number in range(1000))
    for broken, said in (
        (page(b"not so", Content_Encoding="gzip"), "says that it answers in gzip, and what came is none"),
        (many, "answers with more in its headers than is read"),
        (b"HTTP/1.1 200 OK\r\nX: " + bytes(100_000), "answers with more in its headers than is read"),
    ):
        with answering(broken) as served:
            assert str(trouble(served.url)) == f"{served.url} {said}"
    assert isinstance(meaning("http://a.example", Deadline(1), OSError(errno.EMFILE, "Too many open files")), Unable)


def test_a_coding_that_nobody_asked_for() -> None:
    with answering(page(b"x", Content_Encoding="br")) as served:
        assert "the coding 'br'" in str(trouble(served.url))


def test_an_address_of_version_6() -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listener:
        asked: list[bytes] = []

        def answer() -> None:
            with listener.accept()[0] as line:
                asked.append(line.recv(4096))
                line.sendall(page(b"six"))

        threading.Thread(target=answer, daemon=True).start()
        port = listener.getsockname()[1]
        assert fetch(f"http://[::1]:{port}/", timeout=5, most=MOST).body == b"six"
    assert f"Host: [::1]:{port}\r\n".encode() in asked[0]


def test_nobody_there() -> None:
    said = trouble(f"http://127.0.0.1:{free_port()}/")
    assert "cannot be reached (Connection refused)" in str(said)
    assert said.fix
    assert "host of http://nowhere.invalid is not known" in str(trouble("http://nowhere.invalid/x?token=y"))


@pytest.mark.parametrize(
    "url", ["ftp://a/", "http://", "http:///x", "http://a:b/", "nonsense", "http://[::1/", "http://a:0/"]
)
def test_an_address_that_is_none(url: str) -> None:
    said = trouble(url)
    assert str(said) == "the address is not understood"
    assert "expected http://HOST:PORT/PATH" in said.fix


def test_what_no_request_can_hold_is_not_shown() -> None:
    for headers in ({"X-Key": "canary\r\nX-Evil: 1"}, {"X-Key": "canary€"}):
        said = trouble(f"http://127.0.0.1:{free_port()}/", headers=headers)
        assert "canary" not in str(said) + said.fix


def test_another_thread_ends_it_whatever_it_waits_for() -> None:
    stop = threading.Event()
    for answer in (silent(stop), trickling(stop)):
        with answering(answer) as served:
            cancel = Cancel()
            cancelling(cancel, served)
            began = time.monotonic()
            assert "given up" in str(trouble(served.url, 30, cancel=cancel))
            assert time.monotonic() - began < 10
            assert "given up" in str(trouble(served.url, 30, cancel=cancel))  # what begins later as well
    stop.set()


def test_another_thread_ends_it_while_it_connects() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        cancel = Cancel()
        timer = threading.Timer(0.1, cancel.cancel)
        timer.start()
        began = time.monotonic()
        assert "given up" in str(trouble(f"http://127.0.0.1:{full.getsockname()[1]}/", 30, cancel=cancel))
        assert time.monotonic() - began < 10
        for one in waiting:
            one.close()


# ---- names


def test_an_address_that_swallows_everything_leaves_time_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.2", 0), backlog=0) as full, answering(page(b"second")) as served:
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address)
                 for address in (("127.0.0.2", port), ("127.0.0.1", served.port))]  # fmt: skip
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        assert fetch("http://two.example/", timeout=2, most=MOST).body == b"second"
        for one in waiting:
            one.close()


def test_a_name_service_that_hangs_keeps_one_thread_for_each_name(monkeypatch: pytest.MonkeyPatch) -> None:
    stop, real = threading.Event(), socket.getaddrinfo

    def hang(*arguments: object, **more: int) -> object:
        return real(*arguments, **more) if more.get("flags") else stop.wait(30)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    before = asides()
    for host in ("a.example", "b.example") * 5:
        assert "the name service has not answered in time" in str(trouble(f"http://{host}/", 0.05))
    assert asides() == before + 2
    stop.set()
