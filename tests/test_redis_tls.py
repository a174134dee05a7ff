"""The Redis collector over TLS, and over sockets of the file system."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.onetarget import one
from tests.process import free_port
from tests.redisserver import PASSWORD, Redis, server
from tests.redistarget import down, failed, ours, settings
from tests.support import until


@pytest.fixture(scope="module")
def watched() -> Iterator[Redis]:
    with server(settings={"requirepass": PASSWORD}) as running:
        yield running


AUTHORITY = trustme.CA()


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Redis, Path]]:
    """A server that speaks TLS only, and asks for client certificates, and the folder with the files."""
    folder = tmp_path_factory.mktemp("tls")
    AUTHORITY.cert_pem.write_to_path(str(folder / "ca.pem"))
    for name in ("server", "client"):
        issued = AUTHORITY.issue_cert("127.0.0.1", "localhost")
        issued.private_key_pem.write_to_path(str(folder / f"{name}.key"))
        issued.cert_chain_pems[0].write_to_path(str(folder / f"{name}.pem"))
    foreign = trustme.CA()
    foreign.cert_pem.write_to_path(str(folder / "foreign.pem"))
    stranger = foreign.issue_cert("127.0.0.1")
    stranger.private_key_pem.write_to_path(str(folder / "stranger.key"))
    stranger.cert_chain_pems[0].write_to_path(str(folder / "stranger.pem"))
    port = str(free_port())
    lines = {"tls-port": port, "tls-cert-file": f"{folder}/server.pem", "tls-key-file": f"{folder}/server.key",
             "tls-ca-cert-file": f"{folder}/ca.pem", "requirepass": PASSWORD}  # fmt: skip
    with server(settings=lines) as running:
        yield running, folder


def over_tls(secured: tuple[Redis, Path], *more: str, client: str = "client", ca: str = "ca") -> str:
    running, folder = secured
    place = f"rediss://:{PASSWORD}@localhost:{running.settings['tls-port']}"
    shown = [f"client_cert: {folder}/{client}.pem", f"client_key: {folder}/{client}.key"] if client else []
    trusted = [f"ca_file: {folder}/{ca}.pem"] if ca else []
    return settings(place, *shown, *trusted, *more)


def test_tls_with_an_authority_and_a_client_certificate_works_and_is_kept(secured: tuple[Redis, Path]) -> None:
    with one("redis", over_tls(secured, "max_age: 0s")) as target:
        assert target.read().up
        kept = ours(secured[0])
        for _ in range(5):
            assert target.read().up
        assert (ours(secured[0]), len(kept)) == (kept, 1)
        assert failed(target) == {}
    with one("redis", over_tls(secured, "insecure_skip_verify: true", ca="")) as target:
        assert target.read().up


def test_tls_that_does_not_come_about_is_said_with_the_remedy(secured: tuple[Redis, Path]) -> None:
    running, _ = secured
    with one("redis", over_tls(secured, ca="foreign")) as target:
        down(target, "is not trusted", "`ca_file`")
    with one("redis", over_tls(secured, ca="no-such-file")) as target:
        down(target, "the files for TLS cannot be used", "no-such-file.pem", "expected PEM files")
    with one("redis", over_tls(secured, client="")) as target:
        down(target, "client certificate", "`client_cert`")  # an alert, or the end, whichever comes first
    with one("redis", over_tls(secured, client="stranger")) as target:
        down(target, "client certificate")
    with one("redis", settings(f"redis://:{PASSWORD}@127.0.0.1:{running.settings['tls-port']}")) as target:
        down(target, "rediss://")
    with one("redis", settings(f"rediss://:{PASSWORD}@127.0.0.1:{running.port}")) as target:
        down(target, "redis:// is without TLS")


def test_tls_to_a_server_that_hangs_is_cut_in_time(secured: tuple[Redis, Path]) -> None:
    with one("redis", over_tls(secured)) as target, one("redis", over_tls(secured)) as late:
        assert target.read().up
        with secured[0].stopped():
            down(target, "has not answered in full")
            down(late, "has not answered within 0.8 s when TLS was to begin")
        until(lambda: target.read().up and late.read().up, 20)


def test_a_socket_of_the_file_system_works(watched: Redis) -> None:
    with one("redis", settings(f"unix://:{PASSWORD}@{watched.socket}?db=2", "keys: [queue]")) as target:
        assert target.read().up
        assert failed(target) == {}
        assert 'redis_key_size{db="db2",key="queue"}' in target.page()
        with watched.stopped():
            down(target, f"{watched.socket} has not answered in full")
