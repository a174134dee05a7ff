"""The HTTP server against bad peers, crowds and old clients: a real process at the other end of a socket."""

import contextlib
import re
import resource
import socket
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.process import Exporter, crowd, running
from tests.support import until

CROWD = 500
HUNG = "targets: {hung: {collector: fake, behaviour: hangs, timeout: 60s}}"
OK = b"HTTP/1.1 200 OK\r\n"
ALIVE = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n"


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    with running(tmp_path_factory.mktemp("server"), "targets: {alpha: {collector: fake}}") as exporter:
        yield exporter


def is_closed(peer: socket.socket) -> bool:
    peer.settimeout(0)
    try:
        return peer.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


def answer_of(connection: socket.socket) -> bytes:
    """Read one answer of a kept connection; bodies of these tests are short."""
    data = b""
    while not data.endswith(b"\r\n\r\nok\n"):
        part = connection.recv(65536)
        assert part, data
        data += part
    return data


def median_scrape(exporter: Exporter, times: int = 25) -> float:
    def scrape() -> float:
        begun = time.perf_counter()
        assert exporter.exchange(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").startswith(OK)
        return time.perf_counter() - begun

    return statistics.median(scrape() for _ in range(times))


def test_scrapes_come_through_a_crowd_of_silent_peers_and_half_sent_headers(exporter: Exporter) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4096)), hard))
    alone = median_scrape(exporter)
    with crowd(exporter, CROWD), crowd(exporter, CROWD, b"GET /metrics HTTP/1.1\r\nHost: ") as halves:
        until(lambda: exporter.descriptors() > 2 * CROWD)
        among = median_scrape(exporter)
        assert not is_closed(halves[0])
    print(f"a scrape takes {alone * 1000:.2f} ms alone, {among * 1000:.2f} ms among {2 * CROWD} peers")
    assert among < 3 * alone + 0.01
    until(lambda: exporter.descriptors() < CROWD)


def test_beyond_the_limit_the_oldest_idle_connection_goes_and_is_counted(tmp_path: Path) -> None:
    with running(tmp_path, "web: {max_connections: 20}") as exporter, crowd(exporter, 30) as peers:
        until(lambda: all(map(is_closed, peers[:10])))
        assert not any(map(is_closed, peers[10:]))
        peers[-1].settimeout(10)
        peers[-1].sendall(ALIVE + b"\r\n")
        assert answer_of(peers[-1]).startswith(OK)
        page = exporter.get("/probe?target=exporter").text
        assert "runbook_exporter_http_connections_evicted_total 11" in page  # the eleventh made room for this request


def test_waiting_requests_are_not_evicted_and_count_for_the_limit(tmp_path: Path) -> None:
    config = "{web: {max_connections: 10}, targets: {slow: {collector: fake, seconds: 1.5}}}"
    slow = b"GET /probe?target=slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with running(tmp_path, config) as exporter:
        before = exporter.threads()
        with crowd(exporter, 5, slow) as waiting:
            until(lambda: exporter.threads() > before)  # the round has begun
            assert exporter.get("/-/healthy").ok  # and all five have been heard
            with crowd(exporter, 20) as silent:
                until(lambda: sum(map(is_closed, silent)) == 15)
            for peer in waiting:
                assert peer.recv(100).startswith(OK)


def test_a_process_with_few_descriptors_keeps_some_for_itself(tmp_path: Path) -> None:
    with running(tmp_path) as exporter:
        resource.prlimit(exporter.process.pid, resource.RLIMIT_NOFILE, (100, 100))
        with crowd(exporter, 200) as peers:
            until(lambda: sum(map(is_closed, peers)) >= 150)
            assert exporter.get("/metrics").ok
        assert "Too many open files" not in exporter.output()


def is_at_rest(exporter: Exporter, seen: list[int]) -> bool:
    """Return whether the process has used no processor time for the last few calls."""
    tasks = Path(f"/proc/{exporter.process.pid}/task").iterdir()
    seen.append(sum(int((task / "schedstat").read_text(encoding="ascii").split()[0]) for task in tasks))
    return len(seen) > 10 and len(set(seen[-10:])) == 1


def test_peers_that_never_read_their_answer_make_room_for_others(tmp_path: Path) -> None:
    config = "{web: {max_connections: 5}, targets: {large: {collector: fake, many: 19000}}}"
    large = b"GET /probe?target=large HTTP/1.1\r\nHost: x\r\n\r\n" * 20
    seen: list[int] = []
    with running(tmp_path, config) as exporter, crowd(exporter, 5, large):
        until(lambda: is_at_rest(exporter, seen))  # the answers are made, and nobody takes them
        assert exporter.exchange(ALIVE + b"Connection: close\r\n\r\n").startswith(OK)


def test_a_peer_that_never_reads_its_answer_is_closed_in_time(tmp_path: Path) -> None:
    config = "targets: {large: {collector: fake, many: 19000}}"
    with running(tmp_path, config, environ={"PLUG": "exporter.server:_WRITE_SECONDS=0.3"}) as exporter:
        before = exporter.descriptors()
        with socket.socket() as peer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            peer.connect((exporter.host, exporter.port))
            # several answers, more than any buffer of the system holds
            peer.sendall(b"GET /probe?target=large HTTP/1.1\r\nHost: x\r\n\r\n" * 10)
            until(lambda: exporter.descriptors() > before)
            until(lambda: exporter.descriptors() == before)
        assert exporter.get("/-/healthy").ok


def flood(peer: socket.socket) -> None:
    """Send far more than is asked for, until nothing more is taken."""
    peer.settimeout(0.5)
    with contextlib.suppress(OSError):
        for _ in range(400):
            peer.sendall(b"x" * (1 << 17))


def resident(exporter: Exporter) -> int:
    pages = Path(f"/proc/{exporter.process.pid}/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * resource.getpagesize()


def test_what_a_peer_sends_before_it_is_asked_for_is_bounded(tmp_path: Path) -> None:
    with running(tmp_path, HUNG) as exporter, exporter.connect() as peer:
        threads = exporter.threads()
        peer.sendall(b"GET /probe?target=hung HTTP/1.1\r\nHost: x\r\n\r\n")
        until(lambda: exporter.threads() > threads)
        before = resident(exporter)
        flood(peer)
        assert resident(exporter) - before < 8 << 20
        assert exporter.get("/-/healthy").ok
        assert " error " not in exporter.output()


def test_clients_that_leave_while_they_wait_leave_nothing_behind(tmp_path: Path) -> None:
    with running(tmp_path, HUNG, "--log.level=debug") as exporter:
        before = exporter.descriptors()
        with crowd(exporter, 200, b"GET /probe?target=hung HTTP/1.1\r\nHost: x\r\n\r\n"):
            until(lambda: exporter.descriptors() >= before + 200)
        until(lambda: exporter.descriptors() <= before)
        log = exporter.output().lower()
        assert not any(word in log for word in ("exception", "traceback", "closed", "never retrieved", "error"))
        begun = time.monotonic()
        assert exporter.stop() == 0
        assert time.monotonic() - begun < 4, "something was waited for that nobody wanted any more"


def test_a_connection_is_kept_for_the_next_request(exporter: Exporter) -> None:
    with exporter.connect() as connection:
        for _ in range(5):
            connection.sendall(ALIVE + b"\r\n")
            assert answer_of(connection).startswith(OK)
        connection.sendall(ALIVE + b"Connection: close\r\n\r\n")
        assert b"Connection: close\r\n" in answer_of(connection)
        assert connection.recv(1) == b""


def test_pipelined_requests_are_answered_in_order(exporter: Exporter) -> None:
    data = exporter.exchange(
        b"GET /probe?target=alpha HTTP/1.1\r\nHost: x\r\n\r\n"
        b"GET /nope HTTP/1.1\r\nHost: x\r\n\r\n" + ALIVE + b"Connection: close\r\n\r\n"
    )
    assert re.findall(rb"HTTP/1\.1 (\d+) ", data) == [b"200", b"404", b"200"]
    assert data.index(b"fake_value") < data.index(b"404 Not Found") < data.index(b"ok\n")


def test_old_clients_are_answered_and_closed(exporter: Exporter) -> None:
    data = exporter.exchange(b"GET /-/healthy HTTP/1.0\r\n\r\n")
    assert data.startswith(OK)
    assert data.endswith(b"\r\n\r\nok\n")


def test_old_clients_may_keep_the_connection(exporter: Exporter) -> None:
    with exporter.connect() as connection:
        for _ in range(2):
            connection.sendall(b"GET /-/healthy HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            assert b"Connection: Keep-Alive\r\n" in answer_of(connection)


def test_absolute_request_targets_are_understood(exporter: Exporter) -> None:
    page = exporter.exchange(
        b"GET http://anything:1/probe?target=alpha HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    assert page.startswith(OK)
    assert b"fake_value" in page
    root = exporter.exchange(b"GET HTTP://anything HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert b"text/html" in root


def test_a_body_on_get_is_read_past(exporter: Exporter) -> None:
    data = exporter.exchange(ALIVE + b"Content-Length: 5\r\n\r\nhello" + ALIVE + b"Connection: close\r\n\r\n")
    assert data.count(OK) == 2
    chunked = (
        ALIVE + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n" + ALIVE + b"Connection: close\r\n\r\n"
    )
    assert exporter.exchange(chunked).count(OK) == 2


@pytest.mark.parametrize("data", [
    b"GET /" + b"x" * 40_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * 40_000 + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 10_000 + b"\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\r\n\r\n",
    b"\x00" * 1000 + b"\r\n\r\n",
    b"GET /\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET /metrics?" + b"&".join(b"a=b" for _ in range(3000)) + b" HTTP/1.1\r\nHost: x\r\n\r\n",
])  # fmt: skip
def test_nonsense_is_refused_or_closed_without_a_word_in_the_log(exporter: Exporter, data: bytes) -> None:
    before = exporter.output()
    with exporter.connect() as connection:
        answer = b""
        try:
            connection.sendall(data)
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        except ConnectionError:  # closed while it was still being sent
            pass
    assert answer[:10] in (b"", b"HTTP/1.1 4")
    assert exporter.output() == before
    assert exporter.get("/-/healthy").ok


@pytest.mark.parametrize(("query", "status"), [
    (b"/metrics?collect%5B%5D=fake", 200), (b"/metrics?collect[]=fake&x=%zz", 200), (b"/metrics?%ff=%fe", 200),
    (b"/metrics?collect[]=%ff", 400), (b"/metrics?collect[]=%00%0a", 400), (b"/metrics?collect[]=\xfc", 400),
    (b"/metrics?collect[]", 400), (b"/metrics?&&&=", 200), (b"/probe?target=al%70ha", 200),
    (b"/probe?target=%F0%9F%92%A9", 404),
])  # fmt: skip
def test_queries_in_any_encoding(exporter: Exporter, query: bytes, status: int) -> None:
    answer = exporter.exchange(b"GET " + query + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 %d " % status)


def test_requests_are_counted_by_known_endpoints_only(tmp_path: Path) -> None:
    with running(tmp_path) as exporter:
        for path in ("/sd", "/sd", "/one", "/two", "/probe?target=x"):
            exporter.get(path)
        page = exporter.get("/probe?target=exporter").text
        assert 'runbook_exporter_http_requests_total{endpoint="/sd",code="200"} 2' in page
        assert 'runbook_exporter_http_requests_total{endpoint="other",code="404"} 2' in page
        assert 'runbook_exporter_http_requests_total{endpoint="/probe",code="404"} 1' in page


def test_answers_carry_what_proxies_and_browsers_ask_for(exporter: Exporter) -> None:
    headers = exporter.get("/").headers
    assert headers["Date"].endswith("GMT")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
