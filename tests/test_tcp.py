"""Probes of ports: whether they answer, dialogues, TLS from the beginning and later, and servers that misbehave."""

import gc
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from exporter.collectors.tcp.dialogue import Dialogue
from exporter.collectors.tcp.ready import STARTTLS
from exporter.config import INSTALLED, ConfigError, read
from exporter.exposition import render
from exporter.snapshot import Round
from tests.onetarget import One, one
from tests.postgres import server as postgres
from tests.process import free_port
from tests.redisserver import PASSWORD
from tests.redisserver import server as redis
from tests.soak import leaves_nothing
from tests.speaking import Speaker, Talk, speaking
from tests.support import until
from tests.swallowing import names, swallowing

AUTHORITY = trustme.CA()
PHASE = 'runbook_probe_tcp_duration_seconds{{phase="{}"}}'


def context_of(*names: str, by: trustme.CA = AUTHORITY, ends: datetime | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    by.issue_cert(*(names or ("127.0.0.1",)), not_after=ends).configure_cert(context)
    return context


@pytest.fixture
def ca(tmp_path: Path) -> str:
    AUTHORITY.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return str(tmp_path / "ca.pem")


def seen(place: str, settings: str = "") -> tuple[dict[str, str], str]:
    with one("tcp", f"address: '{place}'\n{settings}") as target:
        page = target.page()
        snapshot = target.target.view()
        return page, f"{snapshot.reason} {snapshot.fix}".strip()


def silent(speaker: Speaker) -> None:
    speaker.stop.wait(30)


def echo(speaker: Speaker) -> None:
    while True:
        speaker.say(b"you said " + speaker.hear())


def told(*lines: bytes) -> Talk:
    """Return what says these lines, each after one was heard but the first, and then waits."""

    def talk(speaker: Speaker) -> None:
        for number, line in enumerate(lines):
            if number:
                speaker.hear()
            speaker.say(line)
        speaker.stop.wait(30)

    return talk


# ---- the port


def test_a_port_that_answers() -> None:
    with speaking(silent) as server:
        page, reason = seen(server.place)
    assert (page["probe_success"], page["probe_ip_protocol"], reason) == ("1", "4", "")
    assert page["probe_failed_due_to_regex"] == "0"
    assert 0 < float(page[PHASE.format("connect")]) <= float(page["probe_duration_seconds"])
    assert PHASE.format("tls") not in page
    assert not [name for name in page if name.startswith(("probe_ssl", "probe_tls"))]


def test_golden(golden: Callable[[str, str], None], ca: str) -> None:
    with (
        speaking(told(b"hello\n"), context_of(), secure=True) as server,
        one("tcp", f"address: {server.place}\ntls: true\nca_file: {ca}\nsteps: [{{expect: hello}}]") as target,
    ):
        lines = render(sample for outcome in target.read().outcomes for sample in outcome.samples).splitlines()
    golden("tcp.prom", "".join(f"{line if line[0] == '#' else still(line)}\n" for line in lines))


def still(line: str) -> str:
    """Return a line with `~` for what is another each time."""
    if line.startswith("probe_ssl_last_chain_info"):
        return "probe_ssl_last_chain_info{~} 1"
    return f"{line.rpartition(' ')[0]} ~" if "_seconds" in line or "expiry" in line else line


def test_nobody_listens() -> None:
    page, reason = seen(f"127.0.0.1:{free_port()}")
    assert "cannot be reached (Connection refused)" in reason
    assert page["probe_success"] == "0"
    assert "probe_failed_due_to_regex" not in page


def test_one_that_swallows_everything() -> None:
    with swallowing() as port:
        begun = time.monotonic()
        page, reason = seen(f"127.0.0.1:{port}", "timeout: 500ms")
        assert time.monotonic() - begun < 2
    assert "has not answered in full within 0.4 s" in reason
    assert page["probe_success"] == "0"


def test_a_name_service_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    with names(monkeypatch, {"db.example": []}):
        begun = time.monotonic()
        page, reason = seen("db.example:5432", "timeout: 500ms")
        assert time.monotonic() - begun < 2
    assert page["probe_success"] == "0"
    assert "the name service has not answered in time" in reason
    assert float(page[PHASE.format("resolve")]) > 0.3
    assert PHASE.format("connect") not in page


def test_ipv6() -> None:
    page, reason = seen(f"[::1]:{free_port()}")
    assert "[::1]" in reason
    assert page["probe_ip_protocol"] == "6"


# ---- dialogues


def test_a_dialogue() -> None:
    def talk(speaker: Speaker) -> None:
        speaker.say(b"* notice\r\n* more of it\r\n")
        speaker.say(b"hello abc")
        speaker.say(b"def\r\nPING :tok%en\n")
        while True:
            speaker.say(b"got " + speaker.hear())

    steps = (
        "steps:\n- {expect: '^hello (?P<word>[a-z]+)$'}\n- {expect: '^PING :(.*)', send: 'PONG {{1}}'}\n"
        "- {expect: '^got PONG'}\n- {send: 'say {{word}} {{ secret }}'}\n- {expect: ^got say abcdef sesame-of-tcp$}\n"
        "values: {secret: sesame-of-tcp}\nline_end: lf"
    )
    with speaking(talk) as server:
        page, reason = seen(server.place, steps)
    assert (page["probe_success"], reason) == ("1", "")
    assert server.heard == [b"PONG tok%en\n", b"say abcdef sesame-of-tcp\n"]
    assert float(page[PHASE.format("dialogue")]) > 0


@pytest.mark.parametrize(
    ("settings", "heard"),
    [
        ("", b"hello\r\n"),
        ("line_end: crlf", b"hello\r\n"),
        ("line_end: lf", b"hello\n"),
        ("line_end: none", b"hello!\n"),
    ],
)
def test_ends_of_lines(settings: str, heard: bytes) -> None:
    with speaking(echo) as server:  # 21 0a is "!" and the end of a line
        page, _ = seen(server.place, f"{settings}\nsteps: [{{send: hello}}, {{send_hex: '21 0a'}}, {{expect: you}}]")
    assert (page["probe_success"], server.heard[0]) == ("1", heard)


def test_bytes() -> None:
    def talk(speaker: Speaker) -> None:
        assert speaker.line.recv(4) == b"\x00\x01\x02\x03"
        speaker.say(b"\xff\xfeok\n")
        speaker.stop.wait(10)

    with speaking(talk) as server:
        page, reason = seen(server.place, "steps: [{send_hex: '00 01 02 03'}, {expect_hex: 'ff fe'}, {expect: ^ok$}]")
        assert (page["probe_success"], reason) == ("1", "")
        page, reason = seen(server.place, "steps: [{send_hex: '00 01 02 03'}, {expect_hex: 'ff ff'}]")
    assert "steps[1]: other bytes came than are expected" in reason
    assert page["probe_failed_due_to_regex"] == "1"


@pytest.mark.parametrize(
    ("talk", "steps", "reason"),
    [
        (told(b"hello secret-thing\n"), "{expect: bye}", "steps[0]: what is expected did not come in time"),
        (told(b"500 secret-thing\n"), "{expect: ^220, fail: '^[45]'}", "steps[0]: a line came that means failure"),
        (lambda speaker: speaker.say(b"secret-thing\n"), "{expect: bye}", "steps[0]: the line was closed before"),
        (told(b"secret-thing"), "{expect: secret}", "steps[0]: what is expected did not come in time"),
        (told(b"secret-thing\n" * 10_000), "{expect: bye}", "steps[0]: more came than `max_bytes`"),
    ],
)
def test_a_dialogue_that_is_not_as_expected(talk: Talk, steps: str, reason: str) -> None:
    with speaking(talk) as server:
        page, said = seen(server.place, f"steps: [{steps}]\ntimeout: 500ms")
    assert reason in said
    assert "secret" not in said
    assert (page["probe_success"], page["probe_failed_due_to_regex"]) == ("0", "1")


def test_where_nothing_comes_no_pattern_decides() -> None:
    with speaking(told(b"hi\n", b"")) as server:
        page, said = seen(server.place, "steps: [{expect: hi, send: x}, {expect: bye}]\ntimeout: 500ms")
    assert "steps[1]: what is expected did not come in time" in said
    assert (page["probe_success"], page["probe_failed_due_to_regex"]) == ("0", "0")


def test_what_came_is_not_kept_while_it_is_down() -> None:
    def talk(speaker: Speaker) -> None:
        speaker.say(b"a" * 100_000)
        speaker.stop.wait(30)

    settings = "max_bytes: 1MiB\nsteps: [{expect: b}]\ntimeout: 500ms"
    with speaking(talk) as server, one("tcp", f"address: '{server.place}'\n{settings}") as target:
        assert target.page()["probe_success"] == "0"
        gc.collect()
        assert [thing for thing in gc.get_objects() if isinstance(thing, Dialogue)] == []


def test_one_that_sends_values_is_patient() -> None:
    for more, patient in (("", False), ("values: {token: mild-otter-7}\nsteps: [{send: '{{token}}'}]", True)):
        with one("tcp", f"address: 127.0.0.1:1\n{more}") as target:
            assert target.target.collector.patient is patient


def test_one_that_trickles_keeps_the_deadline() -> None:
    def talk(speaker: Speaker) -> None:
        while not speaker.stop.wait(0.01):
            speaker.say(b"x")

    with speaking(talk) as server:
        begun = time.monotonic()
        page, _ = seen(server.place, "steps: [{expect: hello}]\ntimeout: 1s")
        assert time.monotonic() - begun < 2
    assert page["probe_success"] == "0"


def test_a_server_that_is_stopped_and_goes_on() -> None:
    script = (
        "import socket\nwith socket.create_server(('127.0.0.1', 0)) as s:\n    print(s.getsockname()[1], flush=True)\n"
        "    while True:\n        line, _ = s.accept()\n        line.sendall(b'ready\\n')\n        line.close()\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            port = int(process.stdout.readline())
            settings = f"address: 127.0.0.1:{port}\nsteps: [{{expect: ready}}]\ntimeout: 600ms"
            with one("tcp", settings) as target:
                assert target.page()["probe_success"] == "1"
                os.kill(process.pid, signal.SIGSTOP)
                begun = time.monotonic()
                assert target.page()["probe_success"] == "0"
                assert time.monotonic() - begun < 2
                os.kill(process.pid, signal.SIGCONT)
                assert target.page()["probe_success"] == "1"
                process.kill()
                process.wait()
                assert target.page()["probe_success"] == "0"
        finally:
            process.kill()


# ---- TLS


def test_tls(ca: str) -> None:
    with speaking(told(b"hello\n"), context_of(), secure=True) as server:
        page, reason = seen(server.place, f"tls: true\nca_file: {ca}\nsteps: [{{expect: hello}}]")
    assert (page["probe_success"], page["runbook_probe_tls_verified"], reason) == ("1", "1", "")
    assert float(page[PHASE.format("tls")]) > 0
    assert page['probe_tls_version_info{version="TLS 1.3"}'] == "1"
    assert "probe_ssl_last_chain_expiry_timestamp_seconds" in page


def test_without_the_library_for_certificates_all_else_is_said(ca: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with (
        speaking(silent, context_of(), secure=True) as server,
        one("tcp", f"address: '{server.place}'\ntls: true\nca_file: {ca}") as target,
    ):
        page, said = target.page(), target.target.view().outcomes[0].reason
    assert (page["probe_success"], page["runbook_probe_tls_verified"]) == ("1", "1")
    assert "probe_ssl_earliest_cert_expiry" not in page
    assert "they need the library cryptography: install it with: pip install" in said


def test_one_that_does_not_verify_shows_its_dates_all_the_same(ca: str) -> None:
    ended = datetime.now(UTC).replace(microsecond=0) - timedelta(days=3)
    for context, why in (
        (context_of(ends=ended), "certificate has expired"),
        (context_of("elsewhere.example"), "IP address mismatch"),
        (context_of(by=trustme.CA()), "unable to get local issuer certificate"),
    ):
        with speaking(silent, context, secure=True) as server:
            page, reason = seen(server.place, f"tls: true\nca_file: {ca}")
        assert f"the certificate of {server.place} is not trusted ({why}" in reason
        assert page["probe_success"] == page["runbook_probe_tls_verified"] == "0"
        assert "probe_ssl_earliest_cert_expiry" in page
        assert "probe_ssl_last_chain_expiry_timestamp_seconds" not in page
        if "expired" in why:
            assert float(page["probe_ssl_earliest_cert_expiry"]) == ended.timestamp()


def test_a_name_of_its_own(ca: str) -> None:
    with speaking(silent, context_of("db.example.com"), secure=True) as server:
        page, _ = seen(server.place, f"tls: true\nca_file: {ca}\nserver_name: db.example.com")
        assert page["probe_success"] == "1"
        page, _ = seen(server.place, "tls: true\ninsecure_skip_verify: true")
    assert page["probe_success"] == "1"
    assert "runbook_probe_tls_verified" not in page


def test_one_that_speaks_no_tls(ca: str) -> None:
    with speaking(told(b"220 hello\r\n")) as server:
        page, reason = seen(server.place, f"tls: true\nca_file: {ca}\ntimeout: 1s")
    assert "speaks no TLS that is understood" in reason
    assert page["probe_success"] == "0"


@pytest.mark.parametrize("point", ["handshake", "after"])
def test_one_that_hangs_in_tls(point: str, ca: str) -> None:
    context = context_of()
    with speaking(silent, context, secure=point == "after") as server:
        begun = time.monotonic()
        page, _ = seen(server.place, f"tls: true\nca_file: {ca}\nsteps: [{{expect: hello}}]\ntimeout: 600ms")
        assert time.monotonic() - begun < 2
    assert page["probe_success"] == "0"


def smtp(speaker: Speaker) -> None:
    speaker.say(b"220-mail.example\r\n220 ready\r\n")
    assert speaker.hear().startswith(b"EHLO ")
    speaker.say(b"250-mail.example\r\n250-STARTTLS\r\n250 SIZE 1000\r\n")
    assert speaker.hear() == b"STARTTLS\r\n"
    speaker.say(b"220 go ahead\r\n")
    speaker.begin_tls()
    assert speaker.hear() == b"EHLO again\r\n"
    speaker.say(b"250 well\r\n")


def imap(speaker: Speaker) -> None:
    speaker.say(b"* OK ready\r\n")
    assert speaker.hear() == b"a STARTTLS\r\n"
    speaker.say(b"* some\r\na OK begin\r\n")
    speaker.begin_tls()
    speaker.hear()
    speaker.say(b"250 well\r\n")


def pop3(speaker: Speaker) -> None:
    speaker.say(b"+OK ready\r\n")
    assert speaker.hear() == b"STLS\r\n"
    speaker.say(b"+OK begin\r\n")
    speaker.begin_tls()
    speaker.hear()
    speaker.say(b"250 well\r\n")


def ftp(speaker: Speaker) -> None:
    speaker.say(b"220 ready\r\n")
    assert speaker.hear() == b"AUTH TLS\r\n"
    speaker.say(b"234 begin\r\n")
    speaker.begin_tls()
    speaker.hear()
    speaker.say(b"250 well\r\n")


AFTER = "steps: [{send: EHLO again}, {expect: ^250}]"
SPOKEN = {"smtp": smtp, "imap": imap, "pop3": pop3, "ftp": ftp}


@pytest.mark.parametrize("protocol", SPOKEN)
def test_tls_begins_later(protocol: str, ca: str) -> None:
    with speaking(SPOKEN[protocol], context_of()) as server:
        page, reason = seen(server.place, f"starttls: {protocol}\nca_file: {ca}\n{AFTER}")
        assert (page["probe_success"], page["runbook_probe_tls_verified"], reason) == ("1", "1", "")
    with speaking(SPOKEN[protocol], context_of(by=trustme.CA())) as server:
        page, reason = seen(server.place, f"starttls: {protocol}\nca_file: {ca}\n{AFTER}")
    assert "is not trusted" in reason
    assert page["probe_success"] == page["runbook_probe_tls_verified"] == "0"
    assert "probe_ssl_earliest_cert_expiry" in page


def test_every_ready_made_dialogue_is_tried() -> None:
    assert set(STARTTLS) == {"none", "postgres", *SPOKEN}


def test_tls_begins_in_a_step_of_ones_own(ca: str) -> None:
    steps = (
        "steps:\n- {expect: '^220 ', send: EHLO probe}\n- {expect: ^250.STARTTLS}\n"
        "- {expect: '^250 ', send: STARTTLS}\n"
        "- {expect: ^220, starttls: true}\n- {send: EHLO again}\n- {expect: ^250 well}"
    )
    with speaking(smtp, context_of()) as server:
        page, reason = seen(server.place, f"ca_file: {ca}\n{steps}")
    assert (page["probe_success"], page["runbook_probe_tls_verified"], reason) == ("1", "1", "")
    assert float(page[PHASE.format("dialogue")]) > 0


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ((b"220 hi\r\n", b"250 SIZE\r\n"), "starttls[1]: a line came that means failure"),
        ((b"554 go away\r\n",), "starttls[0]: a line came that means failure"),
        ((b"220 hi\r\n", b"250-STARTTLS\r\n", b"454 not now\r\n"), "starttls[2]: a line came that means failure"),
        (
            (b"220 hi\r\n", b"250 STARTTLS\r\n", b"220 go\r\n250 injected\r\n"),
            "starttls[2]: more came before TLS begins",
        ),
    ],
)
def test_a_server_that_begins_no_tls(lines: tuple[bytes, ...], reason: str) -> None:
    with speaking(told(*lines)) as server:
        page, said = seen(server.place, "starttls: smtp\ntimeout: 2s")
    assert reason in said
    assert page["probe_success"] == "0"


@contextmanager
def postgres_with(context: str) -> Iterator[int]:
    with postgres() as cluster:
        if context == "tls":
            cluster.stop("fast")
            pair = AUTHORITY.issue_cert("127.0.0.1")
            for name, text in (("server.key", pair.private_key_pem), ("server.crt", pair.cert_chain_pems[0])):
                text.write_to_path(str(cluster.data / name))
                owner = cluster.data.stat()
                os.chown(cluster.data / name, owner.st_uid, owner.st_gid)
                (cluster.data / name).chmod(0o600)
            cluster.settings |= {"ssl": "on"}
            cluster.start()
        yield cluster.port


@pytest.mark.long
def test_a_real_postgres(ca: str) -> None:
    with postgres_with("tls") as port:
        page, reason = seen(f"127.0.0.1:{port}", f"starttls: postgres\nca_file: {ca}")
    assert (page["probe_success"], page["runbook_probe_tls_verified"], reason) == ("1", "1", "")


@pytest.mark.long
def test_a_real_postgres_without_tls(ca: str) -> None:
    with postgres_with("nothing") as port:
        page, reason = seen(f"127.0.0.1:{port}", f"starttls: postgres\nca_file: {ca}")
    assert "starttls[1]: other bytes came than are expected" in reason
    assert page["probe_success"] == "0"


def test_a_real_redis() -> None:
    login = "- send: 'AUTH probe {{password}}'\n- {expect: '^\\+OK', fail: '^-'}\n"
    steps = f"steps:\n{login}- send: PING\n- expect: '^\\+PONG'\n"
    with redis() as watched:
        watched.user("probe", "+ping")
        page, reason = seen(f"127.0.0.1:{watched.port}", f"{steps}values: {{password: {PASSWORD}}}")
        assert (page["probe_success"], reason) == ("1", "")
        page, reason = seen(f"127.0.0.1:{watched.port}", f"{steps}values: {{password: not-that-of-redis}}")
    assert "steps[1]: a line came that means failure" in reason
    assert page["probe_success"] == "0"


# ---- bounds


def was_cut(target: One, round: Round) -> bool:
    """Interrupt it, maybe before it has begun, and tell whether it has ended."""
    target.target.collector.interrupt()
    return round.done.done()


def test_cut_by_the_engine() -> None:
    with (
        speaking(silent) as server,
        one("tcp", f"address: {server.place}\nsteps: [{{expect: hello}}]\ninterval: 1m\ntimeout: 20s") as target,
    ):
        round = target.target.run_now()
        until(lambda: was_cut(target, round), 3)
        assert "given up" in target.target.view().reason


@pytest.mark.long
@pytest.mark.parametrize("state", ["good", "refused", "untrusted"])
def test_500_rounds_leave_nothing(state: str, ca: str) -> None:
    context = context_of(by=AUTHORITY if state == "good" else trustme.CA())
    with speaking(lambda speaker: speaker.say(b"hello\n"), context, secure=True) as server:
        place = f"127.0.0.1:{free_port()}" if state == "refused" else server.place
        settings = f"address: {place}\ntls: true\nca_file: {ca}\nsteps: [{{expect: hello}}]"
        with one("tcp", settings) as target:
            leaves_nothing(target, 500)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ("address: db", "address: is no address"),
        ("address: db:0", "address: is no address"),
        ("address: '::1:80'", "address: is no address"),
        ("address: a:1\nsteps: [{}]", "steps[0].expect: is missing"),
        ("address: a:1\nsteps: [{expect: '('}]", "steps[0].expect: is no regular expression"),
        ("address: a:1\nsteps: [{fail: x}]", "steps[0].fail: stands alone"),
        ("address: a:1\nsteps: [{send_hex: xyz}]", "steps[0].send_hex: is not hexadecimal"),
        ("address: a:1\nsteps: [{send: x, send_hex: '00'}]", "steps[0].send_hex: is not the only way"),
        ("address: a:1\nsteps: [{send: '{{word}}'}]", "asks for word, which nothing gives"),
        ("address: a:1\nsteps: [{send: '{{1}}'}]", "asks for 1, which nothing gives"),
        (
            "address: a:1\nsteps: [{expect: '(a)(b)', send: '{{3}}'}]",
            "asks for 3, which nothing gives; expected a group",
        ),
        ("address: a:1\ntls: true\nstarttls: smtp", "starttls: begins TLS twice"),
        ("address: a:1\nvalues: {a b: some-text}", "is no name"),
        ("address: a:1\nmax_bytes: 0", "max_bytes: is more than can be held, or nothing"),
        ("address: a:1\nclient_cert: /x", "client_cert: stands alone"),
        ("address: a:1\nserver_name: a b", "server_name: is no name"),
    ],
)
def test_settings_that_are_refused(settings: str, problem: str) -> None:
    text = "".join(f"    {line}\n" for line in f"collector: tcp\n{settings}".splitlines())
    with pytest.raises(ConfigError) as caught:
        read(f"targets:\n  it:\n{text}".encode(), "config.yml", INSTALLED, {})
    assert problem in str(caught.value)


def test_no_secret_is_shown() -> None:
    with speaking(told(b"hello\n")) as server:
        page, reason = seen(
            server.place, "steps: [{send: '{{word}}'}, {expect: bye}]\nvalues: {word: sesame-of-tcp}\ntimeout: 400ms"
        )
    assert "sesame" not in reason + "".join(page)
