"""Brokers that speak TLS: a real Redis and a real RabbitMQ, looked at in all three ways."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import trustme

from tests import rabbitmq
from tests.celeryapp import worker
from tests.onetarget import One, one
from tests.process import free_port
from tests.rabbitmq import RabbitMQ
from tests.redisserver import PASSWORD, Redis, server
from tests.support import until

pytestmark = pytest.mark.long

ALL = {"heartbeats", "workers", "queues"}
"""A read of each look."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an authority, what it signed, and a stranger's."""
    folder = tmp_path_factory.mktemp("tls")
    ours, foreign = trustme.CA(), trustme.CA()
    for name, authority in (("ca", ours), ("foreign", foreign)):
        authority.cert_pem.write_to_path(str(folder / f"{name}.pem"))
    for name, authority in (("server", ours), ("client", ours), ("stranger", foreign)):
        issued = authority.issue_cert("localhost")
        issued.private_key_pem.write_to_path(str(folder / f"{name}.key"))
        issued.cert_chain_pems[0].write_to_path(str(folder / f"{name}.pem"))
    return folder


@pytest.fixture(scope="module")
def redis(files: Path) -> Iterator[Redis]:
    lines = {"tls-port": str(free_port()), "tls-cert-file": f"{files}/server.pem", "requirepass": PASSWORD,
             "tls-key-file": f"{files}/server.key", "tls-ca-cert-file": f"{files}/ca.pem"}  # fmt: skip
    with server(settings=lines) as running:
        yield running


@pytest.fixture(scope="module")
def rabbit(files: Path) -> Iterator[RabbitMQ]:
    lines = {"listeners.ssl.1": f"127.0.0.1:{free_port()}", "ssl_options.cacertfile": f"{files}/ca.pem",
             "ssl_options.certfile": f"{files}/server.pem", "ssl_options.keyfile": f"{files}/server.key",
             "ssl_options.verify": "verify_peer", "ssl_options.fail_if_no_peer_cert": "true"}  # fmt: skip
    with rabbitmq.node(lines) as running:
        yield running


class Broker:
    """The addresses of one with TLS and without, by host."""

    def __init__(self, start: str, end: str, secure: str, plain: str) -> None:
        self._start, self._end, self.secure_port, self.plain_port = start, end, secure, plain

    def secure(self, host: str = "localhost", port: str = "") -> str:
        scheme, _, rest = self._start.partition("://")
        return f"{scheme}s://{rest}@{host}:{port or self.secure_port}{self._end}"

    def plain(self, port: str = "") -> str:
        return f"{self._start}@127.0.0.1:{port or self.plain_port}{self._end}"


@pytest.fixture(params=["redis", pytest.param("rabbit", marks=pytest.mark.long)])
def broker(request: pytest.FixtureRequest) -> Broker:
    if request.param == "redis":
        redis: Redis = request.getfixturevalue("redis")
        return Broker(f"redis://:{PASSWORD}", "/0", redis.settings["tls-port"], str(redis.port))
    rabbit: RabbitMQ = request.getfixturevalue("rabbit")
    start = f"amqp://{rabbitmq.USER}:{rabbitmq.PASSWORD}"
    return Broker(start, "/%2F", rabbit.settings["listeners.ssl.1"].rpartition(":")[2], str(rabbit.port))


def settings(url: str, files: Path, *more: str, ca: str = "ca", client: str = "client") -> str:
    shown = [f"client_cert: {files}/{client}.pem", f"client_key: {files}/{client}.key"] if client else []
    trusted = [f"ca_file: {files}/{ca}.pem"] if ca else []
    return "\n".join(
        [f"url: '{url}'", "max_age: 0s", "control_interval: 1s", "queues: [celery]", *shown, *trusted, *more]
    )


def test_all_looks_work(broker: Broker, files: Path, tmp_path: Path) -> None:
    with (
        worker(broker.plain(), tmp_path),
        one("celery", settings(broker.secure(), files)) as target,
        one("celery", settings(broker.secure("127.0.0.1"), files, "insecure_skip_verify: true", ca="")) as lax,
    ):
        for each in (target, lax):
            until(lambda: each.page().get("celery_workers_answering") == "1", 30)  # noqa: B023
            until(lambda: each.page().get("celery_workers_online") == "1", 20)  # noqa: B023
            until(lambda: {each.outcomes()[read] for read in ALL} == {"ok"}, 20)  # noqa: B023


def test_what_keeps_tls_from_coming_about_is_said_with_the_remedy(broker: Broker, files: Path) -> None:
    at_secure = broker.plain(port=broker.secure_port)
    cases = {
        settings(broker.secure(), files, ca="foreign"): ("is not trusted", "`ca_file`"),
        settings(broker.secure(), files, ca=""): ("is not trusted", "`ca_file`"),
        settings(broker.secure("127.0.0.1"), files): ("is not trusted", "mismatch", "correct the host in `url`"),
        settings(broker.secure(), files, ca="none"): ("the files for TLS cannot be used", "none.pem"),
        settings(broker.secure(), files, client=""): ("certificate", "`client_cert`"),
        settings(broker.secure(), files, client="stranger"): ("certificate",),
        settings(at_secure, files, ca="", client=""): ("may speak TLS",),
    }
    with ExitStack() as stack:
        targets = {lines: stack.enter_context(one("celery", lines)) for lines in cases}
        for lines, said in cases.items():
            with awaited(targets[lines]) as told:
                until(lambda: all(word in look for look in told() for word in said), 40)  # noqa: B023
            text = f"{targets[lines].outcomes()} {targets[lines].text()} {told()}"
            assert PASSWORD not in text
            assert rabbitmq.PASSWORD not in text


@pytest.mark.long
def test_a_server_that_speaks_plainly(broker: Broker, files: Path) -> None:
    lines = settings(broker.secure(port=broker.plain_port), files)
    with one("celery", lines) as target, awaited(target) as told:
        until(lambda: all(word in look for look in told() for word in ("TLS", "redis://", "without")), 40)


@contextmanager
def awaited(target: One) -> Iterator[Callable[[], list[str]]]:
    """Give what each look says; where it is not what is awaited, show it."""

    def told() -> list[str]:
        entries = target.target.collector.context.ledger.entries()
        looks = [f"{look['reason']}; {look['fix']}" for key, look in entries.items() if key.startswith("look:")]
        return looks if len(looks) == len(ALL) else [""]

    try:
        yield told
    except AssertionError as error:
        raise AssertionError(f"{error}: {told()}") from None
