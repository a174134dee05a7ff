"""Where notifications end in tests: a mail server, a web server, and the shipped routes on a quicker clock."""

import email
import email.policy
import json
import socket
import socketserver
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, cast

import requests
import trustme
import yaml

from exporter.rulescale import to_seconds
from tests.process import ROOT, free_port
from tests.support import until

CONFIG: Final = ROOT / "alertmanager.yml"
PASSWORD: Final = "vB7-mail-account-of-the-test"
ROUTING_KEY: Final = "Q4t-routing-key-of-the-test"
SLACK_PATH: Final = "/services/T0-secret-path-of-the-channel"
PAGER_PATH: Final = "/v2/enqueue"
SWITCH_PATH: Final = "/dead-mans-switch"
_CLOCK: Final = ("group_wait", "group_interval", "repeat_interval")


@dataclass(frozen=True)
class Posted:
    """One request: when, where, and its JSON."""

    at: float
    path: str
    body: dict[str, Any]


@dataclass
class Inbox:
    """All that arrived, in its order."""

    posts: list[Posted] = field(default_factory=list)
    mails: list[EmailMessage] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)

    def slack(self, words: str) -> list[dict[str, Any]]:
        """Return the attachments of the messages to the channel whose title has these words."""
        cards = [post.body["attachments"][0] for post in self.posts if post.path == SLACK_PATH]
        return [card for card in cards if words in card["title"]]

    def pages(self, words: str) -> list[Posted]:
        """Return what PagerDuty was told with these words in it."""
        return [post for post in self.posts if post.path == PAGER_PATH and words in json.dumps(post.body)]

    def mail(self, words: str) -> list[EmailMessage]:
        return [message for message in self.mails if words in str(message["Subject"])]

    def switch(self) -> list[Posted]:
        return [post for post in self.posts if post.path == SWITCH_PATH]


class _Mail(socketserver.StreamRequestHandler):
    """As much SMTP as Alertmanager speaks: STARTTLS, then a login, then messages."""

    server: "_MailServer"

    def handle(self) -> None:
        self._say("220 test")
        while line := self.rfile.readline().decode().strip():
            words = line.split()
            command = getattr(self, f"_{words[0].lower()}", None)
            if command is None:
                self._say("250 ok")
            elif not command(words):
                return

    def finish(self) -> None:
        super().finish()
        self.connection.close()

    def _say(self, *lines: str) -> bool:
        self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())
        return True

    def _ehlo(self, words: list[str]) -> bool:
        safe = isinstance(self.connection, ssl.SSLSocket)
        return self._say("250-test", "250 AUTH PLAIN" if safe else "250 STARTTLS")

    def _starttls(self, words: list[str]) -> bool:
        self._say("220 go on")
        self.connection = self.server.context.wrap_socket(cast(socket.socket, self.connection), server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = socketserver._SocketWriter(self.connection)  # type: ignore[attr-defined]
        return True

    def _auth(self, words: list[str]) -> bool:
        self.server.inbox.logins.append(words[2])
        return self._say("235 welcome")

    def _data(self, words: list[str]) -> bool:
        self._say("354 tell")
        lines = iter(self.rfile.readline, b".\r\n")
        text = b"".join(line.removeprefix(b".") if line.startswith(b"..") else line for line in lines)
        self.server.inbox.mails.append(email.message_from_bytes(text, policy=email.policy.default))
        return self._say("250 taken")

    def _quit(self, words: list[str]) -> bool:
        self._say("221 bye")
        return False


class _MailServer(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, inbox: Inbox, context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), _Mail)
        self.inbox, self.context = inbox, context


class _Web(BaseHTTPRequestHandler):
    inbox: Inbox

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.inbox.posts.append(Posted(time.monotonic(), self.path, body))
        self.send_response(202 if self.path == PAGER_PATH else 200)
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def _served(server: socketserver.BaseServer) -> Iterator[int]:
    thread = threading.Thread(target=lambda: server.serve_forever(0.05), daemon=True)
    with server:
        thread.start()
        try:
            yield cast(tuple[str, int], server.server_address)[1]
        finally:
            server.shutdown()
            thread.join()


@dataclass(frozen=True)
class Alertmanager:
    """A real one, with the shipped configuration, and where its notifications end."""

    url: str
    inbox: Inbox
    log: Path

    def fire(self, *alerts: dict[str, Any]) -> None:
        """Post alerts; each is its labels, and under `_` what else it has."""
        told = [{"labels": {name: value for name, value in alert.items() if name != "_"}, **alert.get("_", {})}
                for alert in alerts]  # fmt: skip
        answer = requests.post(f"{self.url}/api/v2/alerts", json=told, timeout=10)
        assert answer.ok, answer.text

    def silence(self, **labels: str) -> None:
        matchers = [{"name": name, "value": value, "isRegex": False} for name, value in labels.items()]
        body = {"matchers": matchers, "startsAt": _stamp(0), "endsAt": _stamp(600), "createdBy": "test",
                "comment": "test"}  # fmt: skip
        answer = requests.post(f"{self.url}/api/v2/silences", json=body, timeout=10)
        assert answer.ok, answer.text


def _stamp(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


def over() -> dict[str, str]:
    """Return what makes an alert end now."""
    return {"endsAt": _stamp(-1)}


def hurried(route: dict[str, Any], factor: float) -> None:
    """Divide all waits of a route and those in it."""
    for name in _CLOCK:
        if name in route:
            route[name] = f"{max(int(to_seconds(route[name]) * 1000 / factor), 0)}ms"
    for inner in route.get("routes", ()):
        hurried(inner, factor)


def shipped() -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    return config


def _addressed(config: dict[str, Any], folder: Path, web: int, mail: int) -> None:
    """Put the test's addresses and files of secrets where those of a site come, and nothing else."""

    def kept(name: str, text: str, end: str = "\n") -> str:
        (folder / name).write_text(f"{text}{end}", encoding="utf-8")
        return str(folder / name)

    config["templates"] = [str(ROOT / pattern) for pattern in config["templates"]]
    known = config["global"]
    known |= {"smtp_smarthost": f"127.0.0.1:{mail}", "pagerduty_url": f"http://127.0.0.1:{web}{PAGER_PATH}"}
    # the end of a line would be one of the password's letters
    known["smtp_auth_password_file"] = kept("mail-password", PASSWORD, end="")
    known["slack_api_url_file"] = kept("slack-webhook", f"http://127.0.0.1:{web}{SLACK_PATH}")
    for receiver in config["receivers"]:
        for one in receiver.get("email_configs", ()):
            one["tls_config"] = {"ca_file": str(folder / "ca.pem")}
        for one in receiver.get("pagerduty_configs", ()):
            one["routing_key_file"] = kept("pagerduty-key", ROUTING_KEY)
        for one in receiver.get("webhook_configs", ()):
            one["url"] = f"http://127.0.0.1:{web}{SWITCH_PATH}"


def _until_ready(url: str) -> None:
    def ready() -> bool:
        try:
            return requests.get(f"{url}/-/ready", timeout=5).ok
        except requests.ConnectionError:
            return False

    until(ready, 20)


@contextmanager
def notifying(
    folder: Path,
    factor: float,
    intervals: list[dict[str, Any]] | None = None,
    program: str = "prometheus-alertmanager",
    change: Callable[[dict[str, Any]], None] = lambda _: None,
) -> Iterator[Alertmanager]:
    """Run the shipped configuration on a clock that is so many times quicker, at the hours of other time intervals.

    What else is to be otherwise is changed in the end.
    """
    inbox, authority, port = Inbox(), trustme.CA(), free_port()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(folder / "ca.pem")
    config = shipped()
    hurried(config["route"], factor)
    config["time_intervals"] = intervals or always()
    url, log = f"http://127.0.0.1:{port}", folder / "log"
    with ExitStack() as stack:
        web = stack.enter_context(_served(
            ThreadingHTTPServer(("127.0.0.1", 0), type("Web", (_Web,), {"inbox": inbox}))))  # fmt: skip
        mail = stack.enter_context(_served(_MailServer(inbox, context)))
        _addressed(config, folder, web, mail)
        change(config)
        (folder / "alertmanager.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
        arguments = [program, f"--config.file={folder / 'alertmanager.yml'}", f"--storage.path={folder}",
                     "--log.level=debug", f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=",
                     "--web.external-url=https://alerts.example.org"]  # fmt: skip
        written = stack.enter_context(log.open("wb"))
        process = stack.enter_context(
            subprocess.Popen(arguments, stdout=written, stderr=written, env={"TZ": "Europe/Berlin"})
        )
        stack.callback(process.kill)
        _until_ready(url)
        yield Alertmanager(url, inbox, log)


def by_webhook(config: dict[str, Any]) -> None:
    """Have every receiver told by a webhook at its name, beside that of the dead man's switch."""
    [switch] = [receiver for receiver in config["receivers"] if receiver["name"] == "dead-mans-switch"]
    place = switch["webhook_configs"][0]["url"].removesuffix(SWITCH_PATH)
    config["receivers"] = [
        {"name": receiver["name"], "webhook_configs": [{"url": f"{place}/{receiver['name']}"}]}
        for receiver in config["receivers"]
    ]


def always() -> list[dict[str, Any]]:
    """Return time intervals by which it is always the digest's hour, and never maintenance."""
    return [
        {"name": "maintenance", "time_intervals": [{"years": ["2000"]}]},
        {"name": "digest", "time_intervals": [{"times": [{"start_time": "00:00", "end_time": "24:00"}]}]},
    ]
