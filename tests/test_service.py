"""The service as a process: signals, reloads, addresses, exit codes."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import requests
import yaml

from tests.process import PLAIN, Exporter, command, environment, free_port, running
from tests.support import until


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


def value(exporter: Exporter, series: str, target: str = "exporter") -> float:
    page = exporter.get(f"/probe?target={target}").text
    return next(float(line.rpartition(" ")[2]) for line in page.splitlines() if line.startswith(f"{series} "))


def test_sigterm_answers_the_scrape_that_waits_then_ends(tmp_path: Path) -> None:
    with running(tmp_path, "targets: {slow: {collector: fake, seconds: 1}}") as exporter:
        answers: list[requests.Response] = []
        threads = exporter.threads()
        scrape = threading.Thread(target=lambda: answers.append(exporter.get("/metrics?collect[]=fake")))
        scrape.start()
        until(lambda: exporter.threads() > threads)
        assert exporter.stop() == 0
        scrape.join(5)
        assert 'fake_value{part="a",target="slow"} 1' in answers[0].text
        assert "stopping" in exporter.output()
        assert "Traceback" not in exporter.output()


def test_after_sigterm_nobody_new_is_accepted(tmp_path: Path) -> None:
    with running(tmp_path, "targets: {slow: {collector: fake, seconds: 1}}") as exporter, exporter.connect() as waiting:
        threads = exporter.threads()
        waiting.sendall(b"GET /probe?target=slow HTTP/1.0\r\n\r\n")
        until(lambda: exporter.threads() > threads)
        exporter.send(signal.SIGTERM)
        until(lambda: refuses(exporter))
        assert waiting.recv(100).startswith(b"HTTP/1.1 200 OK")
        assert exporter.process.wait(10) == 0


def refuses(exporter: Exporter) -> bool:
    try:
        exporter.connect().close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_target_that_hangs_does_not_keep_it_from_ending(tmp_path: Path) -> None:
    with running(tmp_path, "targets: {hung: {collector: fake, behaviour: hangs}}") as exporter:
        exporter.get("/probe?target=hung", X_Prometheus_Scrape_Timeout_Seconds="0.2")
        begun = time.monotonic()
        assert exporter.stop() == 0
        assert time.monotonic() - begun < 4
        assert "Traceback" not in exporter.output()


def test_sigint_ends_it_too(tmp_path: Path) -> None:
    with running(tmp_path) as exporter:
        assert exporter.stop(signal.SIGINT) == 0
        assert "Traceback" not in exporter.output()


def test_sighup_takes_the_new_configuration_and_unchanged_targets_go_on(tmp_path: Path) -> None:
    with running(tmp_path, "targets: {stays: {collector: fake, max_age: 1h}, goes: {collector: fake}}") as exporter:
        first = value(
            exporter, 'runbook_exporter_read_last_success_timestamp_seconds{collector="fake",read="good"}', "stays"
        )
        exporter.reconfigure("targets: {comes: {collector: fake}, stays: {collector: fake, max_age: 1h}}")
        exporter.send(signal.SIGHUP)
        until(lambda: exporter.get("/probe?target=comes").ok)
        assert exporter.get("/probe?target=goes").status_code == 404
        again = value(
            exporter, 'runbook_exporter_read_last_success_timestamp_seconds{collector="fake",read="good"}', "stays"
        )
        assert again == first
        assert exporter.output().count("watching") == 2


def test_a_bad_configuration_is_refused_and_the_last_good_one_stays(tmp_path: Path) -> None:
    with running(tmp_path, "targets: {stays: {collector: fake}}") as exporter:
        exporter.reconfigure("targets: {stays: {collector: fak}}")
        exporter.send(signal.SIGHUP)
        until(lambda: "refused" in exporter.output())
        assert "there is no collector 'fak'; did you mean fake?" in exporter.output()
        assert value(exporter, "runbook_exporter_config_last_reload_successful") == 0
        assert exporter.get("/probe?target=stays").ok


def test_a_reload_that_goes_on_has_not_failed(tmp_path: Path) -> None:
    with running(tmp_path, "targets: {stays: {collector: fake}}") as exporter:
        exporter.config.unlink()
        os.mkfifo(exporter.config)
        exporter.send(signal.SIGHUP)
        with exporter.config.open("w", encoding="utf-8") as pipe:  # it is open once the exporter reads it
            assert value(exporter, "runbook_exporter_config_last_reload_successful") == 1
            pipe.write("targets: [")
        until(lambda: "refused" in exporter.output())


def test_a_good_configuration_after_a_bad_one_counts_as_success(tmp_path: Path) -> None:
    with running(tmp_path, "targets: {stays: {collector: fake}}") as exporter:
        exporter.reconfigure("targets: [")
        exporter.send(signal.SIGHUP)
        until(lambda: "refused" in exporter.output())
        exporter.reconfigure("{log: {level: warning}, targets: {comes: {collector: fake}}}")
        exporter.send(signal.SIGHUP)
        until(lambda: exporter.get("/probe?target=comes").ok)
        assert value(exporter, "runbook_exporter_config_last_reload_successful") == 1


def test_a_reload_changes_limits_and_says_what_needs_a_restart(tmp_path: Path) -> None:
    with running(tmp_path, "targets: {}") as exporter:
        exporter.reconfigure("{web: {max_connections: 3}, storage: {path: elsewhere}, log: {format: json}}")
        exporter.send(signal.SIGHUP)
        until(lambda: exporter.output().count("watching") == 2)
        assert '"message": "watching 2 targets"' in exporter.output()
        peers = [exporter.connect() for _ in range(5)]
        peers[0].settimeout(10)
        assert peers[0].recv(1) == b""
        for peer in peers:
            peer.close()


def test_a_port_in_use_is_exit_1_with_the_remedy(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        ended = command(f"--web.listen-address={address}", f"--storage.path={tmp_path}")
    assert ended.returncode == 1
    assert f"cannot listen on {address}: Address already in use" in ended.stderr
    assert "--web.listen-address" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("address", ["nonsense", "127.0.0.1", "127.0.0.1:99999", "::1:80", ":"])
def test_an_address_that_is_none_is_exit_2(tmp_path: Path, address: str) -> None:
    ended = command(f"--web.listen-address={address}", f"--storage.path={tmp_path}")
    assert ended.returncode == 2
    assert ended.stderr.startswith("--web.listen-address is no address; expected HOST:PORT")


def test_a_host_that_does_not_exist_is_exit_1(tmp_path: Path) -> None:
    ended = command("--web.listen-address=192.0.2.1:0", f"--storage.path={tmp_path}")
    assert ended.returncode == 1
    assert "cannot listen on 192.0.2.1:0" in ended.stderr


def test_a_bad_configuration_is_exit_2_before_anything_starts(tmp_path: Path) -> None:
    file = tmp_path / "config.yml"
    file.write_text("targets:\n  one: {collector: fake, secnds: 1}\n")
    ended = command(f"--config.file={file}", f"--storage.path={tmp_path / 'state'}")
    assert ended.returncode == 2
    assert f"{file}:2: targets.one.secnds: unknown key; did you mean seconds?" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "state").exists()


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_ipv6_loopback(tmp_path: Path) -> None:
    with running(tmp_path, listen="[::1]:0") as exporter:
        assert exporter.address.startswith("[::1]:")
        assert exporter.get("/sd").json()[0]["targets"] == [exporter.address]
        assert f"- targets: ['{exporter.address}']" in exporter.output()


def test_a_port_alone_is_every_interface_and_the_greeting_names_the_machine(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path, listen=f":{port}") as exporter:
        for host in ["127.0.0.1", "127.8.8.8"] + ["[::1]"] * has_ipv6():
            assert requests.get(f"http://{host}:{port}/-/healthy", timeout=5).ok
        assert f"http://{socket.gethostname()}:{port}/" in exporter.output()


def test_loopback_alone_by_default(tmp_path: Path) -> None:
    with running(tmp_path) as exporter, pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.8.8.8", exporter.port), timeout=5)


def test_the_greeting_is_a_scrape_config_for_the_address_in_force(tmp_path: Path) -> None:
    with running(tmp_path) as exporter:
        until(lambda: "- targets:" in exporter.output())
        lines = exporter.output().partition("prometheus.yml:\n")[2]
        jobs = yaml.safe_load(lines)
        assert jobs[0]["static_configs"] == [{"targets": [exporter.address]}]


def test_standard_output_is_json_alone_where_json_was_asked_for(tmp_path: Path) -> None:
    with running(tmp_path, "targets: {}", "--log.format=json") as exporter:
        exporter.get("/metrics")
        assert exporter.stop() == 0
        records = [json.loads(line) for line in exporter.output().splitlines()]
        assert {"watching 2 targets", "stopping"} <= {record["message"] for record in records}


def test_nobody_reading_standard_output_does_not_end_it(tmp_path: Path) -> None:
    port = free_port()
    arguments = [sys.executable, *PLAIN, f"--web.listen-address=127.0.0.1:{port}", f"--storage.path={tmp_path}"]
    with subprocess.Popen(arguments, env=environment({}), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        try:
            until(lambda: accepts(port))
            assert requests.get(f"http://127.0.0.1:{port}/-/healthy", timeout=5).ok
            process.terminate()
            assert process.wait(10) == 0
            assert b"Broken pipe" not in process.stderr.read()
        finally:
            process.kill()


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True


def test_nothing_is_imported_that_the_configuration_does_not_use(tmp_path: Path) -> None:
    script = """
import sys, threading, urllib.request
from exporter import cli
from tests.support import until
page = b""
def came():
    global page
    try:
        page = urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}/metrics", timeout=5).read()
    except OSError:
        return False
    return True
def ask():
    until(came)
    heavy = {"yaml", "psutil", "requests", "psycopg", "duckdb", "prometheus_client", "sqlglot", "pydantic", "redis"}
    print("MODULES", b"node_load1" in page, sorted(heavy & set(sys.modules)), flush=True)
    import os, signal
    os.kill(os.getpid(), signal.SIGTERM)
threading.Thread(target=ask).start()
sys.exit(cli.main([f"--web.listen-address=127.0.0.1:{sys.argv[1]}", f"--storage.path={sys.argv[2]}"]))
"""
    ended = command(str(free_port()), str(tmp_path), program=("-c", script))
    assert ended.returncode == 0, ended.stderr
    assert "MODULES True []" in ended.stdout


def test_sigterm_ends_it_while_a_reload_hangs(tmp_path: Path) -> None:
    with running(tmp_path) as exporter:
        exporter.config.unlink()
        os.mkfifo(exporter.config)  # reading it never ends, as on a mount whose server is gone
        exporter.send(signal.SIGHUP)
        before = exporter.threads()
        until(lambda: exporter.threads() >= before and exporter.get("/-/healthy").ok)
        assert exporter.stop() == 0
