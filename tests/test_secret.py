"""Secrets: a canary planted everywhere must be found nowhere."""

import base64
import copy
import dataclasses
import json
import logging
import pickle
import re
import threading
import time
import traceback
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from requests.utils import requote_uri

from exporter import config, logs, secret
from exporter.config import ConfigError
from exporter.secret import MASK, Secret, SecretURL, forget, hide, redact
from tests.test_config import COLLECTORS

CANARY = 'kanari/"v0gel"\\ä+%?'


@pytest.fixture(autouse=True)
def _nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secret, "_known", {})
    monkeypatch.setattr(secret, "_masked", ())


def test_a_secret_leaves_only_through_reveal() -> None:
    held = Secret(CANARY, "from the environment")
    shown = [str(held), repr(held), f"{held}", f"{held:>40}", f"{held!r}", json.dumps(held, default=str), f"{[held]}"]
    shown += [str(copy.deepcopy([held])), str(copy.copy(held))]
    assert not [text for text in shown if "kanari" in text]
    assert (repr(held), held.reveal()) == (f"{MASK} from the environment", CANARY)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match="not to be pickled"):
            pickle.dumps(held, protocol)
    with pytest.raises(TypeError, match="not to be pickled"):
        held.__getstate__()
    with pytest.raises(TypeError, match="not JSON serializable"):
        json.dumps(held)
    assert (held == Secret(CANARY), held == CANARY, len({held, Secret(CANARY)})) == (True, False, 1)


@pytest.mark.parametrize(
    "form",
    [
        CANARY,
        repr(CANARY),
        ascii(CANARY),
        repr(CANARY.encode()),
        json.dumps(CANARY),
        json.dumps(CANARY, ensure_ascii=False),
        urllib.parse.quote(CANARY),
        urllib.parse.quote(CANARY, safe=""),
        re.sub("%..", lambda match: match[0].lower(), urllib.parse.quote(CANARY, safe="")),
        urllib.parse.quote_plus(CANARY),
        f"postgresql://user:{urllib.parse.quote(CANARY, safe='')}@host/db",
    ],
)
def test_a_secret_is_masked_in_the_forms_that_errors_show(form: str) -> None:
    hide(CANARY)
    masked = redact(f"failed: {form}; try again")
    assert MASK in masked
    assert not [part for part in ("kanari", "v0gel", "%C3", "%c3") if part in masked]


@pytest.mark.parametrize("user", ["", "u", "us", "use", "user:with:colons"])
@pytest.mark.parametrize("password", ["hunter2!", "pa?>~ss~~word", "ünïcödé", "1234567"])
def test_a_secret_is_masked_in_a_header_of_basic_authentication(user: str, password: str) -> None:
    hide(password)
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        header = encode(f"{user}:{password}".encode()).decode()
        masked = redact(f"Authorization: Basic {header}")
        start, _, end = masked.removeprefix("Authorization: Basic ").partition(MASK)
        assert MASK in masked
        # at most the letters that neighbours share are left
        assert len(start) + len(end.rstrip("=")) <= len(f"{user}:") * 4 / 3 + 4


def test_lines_of_a_key_file_are_masked_one_by_one() -> None:
    lines = [
        "-----BEGIN PRIVATE KEY-----",
        "MC4CAQAwBQYDK2VwBCIEIMUjJUvZ",
        "7GfXLwdvPWyyrXqg5tZZkxqC",
        "-----END PRIVATE KEY-----",
    ]
    hide("\n".join(lines) + "\n")
    assert redact("bad line: " + lines[1]) == f"bad line: {MASK}"
    assert redact(lines[0]) == lines[0]


def test_what_is_no_secret_stays() -> None:
    assert (
        redact("nothing at all, postgresql://host/db, user@host") == "nothing at all, postgresql://host/db, user@host"
    )
    hide("abc")
    assert redact("abc") == "abc"  # too short to be told from other text


def test_masks_are_not_masked_again() -> None:
    hide("secret")
    hide("secret-and-longer")
    assert redact(redact("a secret, secret-and-longer")) == f"a {MASK}, {MASK}"


def test_the_password_of_any_address_is_masked_without_being_known() -> None:
    assert redact("GET http://me:pw@host:80/ failed") == f"GET http://me:{MASK}@host:80/ failed"
    assert redact("set ${X} as http://me:${X}@host/") == "set ${X} as http://me:${X}@host/"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://user:pass-word@host/db", f"postgresql://user:{MASK}@host/db"),
        ("redis://:pass-word@host:6379/0", f"redis://:{MASK}@host:6379/0"),
        ("redis://pass-word@host:6379/0", f"redis://{MASK}@host:6379/0"),
        ("mongodb://u:pass-word@h1,h2/db?authSource=a@b", f"mongodb://u:{MASK}@h1,h2/db?authSource=a@b"),
        ("postgresql://u:pass-word/@#w@host/db", f"postgresql://u:{MASK}@host/db"),
        ("postgresql://u:pass-word?w@host/db", f"postgresql://u:{MASK}@host/db"),
        ("postgresql://host/db?user=u&password=pass-word&x=y", f"postgresql://host/db?user=u&password={MASK}&x=y"),
        ("https://host/?api_key=pass-word#x", f"https://host/?api_key={MASK}#x"),
        ("host=h user=u password='pass-word \\' w' dbname=d", f"host=h user=u password={MASK} dbname=d"),
        ("postgresql://user@host:5432/db", "postgresql://user@host:5432/db"),
        ("https://pass-word@host/a", f"https://{MASK}@host/a"),
        ("https://pass-word:@host:80/@a", f"https://{MASK}:@host:80/@a"),
        ("git+HTTPS://pass-word@host:80/a@b?token=t-pass-word", f"git+HTTPS://{MASK}@host:80/a@b?token={MASK}"),
        ("https://host/@scope/name", "https://host/@scope/name"),
        ("postgresql+psycopg://user@host/db", "postgresql+psycopg://user@host/db"),
        ("/run/redis.sock", "/run/redis.sock"),
        ("localhost:6379", "localhost:6379"),
        ("pass-word", MASK),
    ],
)
def test_an_address_shows_all_but_its_password(url: str, shown: str) -> None:
    held = SecretURL(url)
    assert (str(held), repr(held), f"{held}", held.reveal()) == (shown, shown, shown, url)
    if MASK in shown:
        assert "pass-word" not in redact(f"cannot connect with {url}")


def test_the_password_of_an_address_is_masked_as_the_server_sees_it() -> None:
    SecretURL("postgresql://u:p%40ss%2Fword@h/d")
    assert redact("authentication of p@ss/word failed") == f"authentication of {MASK} failed"
    assert redact("authentication of p%40ss%2fword failed") == f"authentication of {MASK} failed"


@pytest.mark.parametrize("password", ["pa^ss w+rd/é", "pa^ss w+rd%zz/é"])
def test_a_secret_is_masked_as_requests_quotes_it(password: str) -> None:
    hide(password)
    assert redact(requote_uri(f"http://host/?key={password}")) == f"http://host/?key={MASK}"


def test_only_the_newest_secrets_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secret, "MOST", 3)
    for text in ("first-one", "second-one", "third-one", "first-one", "fourth-one"):
        hide(text)
    hidden = [text for text in ("first-one", "second-one", "third-one", "fourth-one") if redact(text) == MASK]
    assert hidden == ["first-one", "third-one", "fourth-one"]


def test_rotated_secrets_leave_redacting_cheap() -> None:
    for number in range(2 * secret.MOST):
        hide(f"pass-word/{number}")
    assert len(secret._known) == secret.MOST
    assert len(secret._masked) <= 30 * secret.MOST
    assert redact(f"pass-word/{2 * secret.MOST - 1}") == MASK


def test_redacting_is_cheap_and_safe_among_threads() -> None:
    text = "a message of usual length with http://host/path and user@host in it, but no secret at all"
    best = min(_time_of(text) for _ in range(5))
    assert best < 20e-6  # measured: 1.5 µs
    wrong: list[str] = []

    def work(number: int) -> None:
        for index in range(50):
            hide(f"canary-{number}-{index}")
            shown = redact(f"x canary-{number}-{index} y")
            if "canary" in shown:
                wrong.append(shown)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def _time_of(text: str) -> float:
    started = time.perf_counter()
    for _ in range(200):
        redact(text)
    return (time.perf_counter() - started) / 200


CANARIES = {
    name: f"kanari-{name}-{number}/+ä"
    for number, name in enumerate(["password", "keys", "tokens", "login", "dsn", "file"])
}


def planted(folder: Path, *more: str) -> str:
    (folder / "secret").write_text(CANARIES["file"] + "\n", encoding="utf-8")
    lines = [
        "targets:",
        "  first:",
        "    collector: database",
        f"    dsn: postgresql://u:{urllib.parse.quote(CANARIES['dsn'], safe='')}@h/d",
        f"    password: {CANARIES['password']}",
        f"    keys: ['{CANARIES['keys']}']",
        f"    tokens: {{a: '{CANARIES['tokens']}'}}",
        f"    login: {{user: u, password: '{CANARIES['login']}'}}",
        "  second:",
        "    collector: database",
        f"    dsn_file: {folder}/secret",
        *(f"    {line}" for line in more),
    ]
    return "\n".join(lines)


def outputs(found: Any) -> Iterator[str]:
    """Yield all that a configuration may be turned into."""
    yield from (str(found), repr(found), f"{found}", str(dataclasses.asdict(found)), config.redacted(found))
    yield from (json.dumps(dataclasses.asdict(found), default=str), "\n".join(found.warnings))
    yield str(copy.deepcopy(found))


def test_no_canary_is_found_in_any_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = planted(tmp_path)
    found = config.read(text.encode(), str(tmp_path / "c.yml"), COLLECTORS, {})
    shown = "\n".join(outputs(found))
    handlers = logging.getLogger().handlers[:]
    for style in ("text", "json"):
        handler = logs.handler(style)
        logger = logging.getLogger("tests.canary")
        logger.addHandler(handler)
        for canary in CANARIES.values():
            for form in (canary, repr(canary), json.dumps(canary), urllib.parse.quote(canary, safe="")):
                log_an_error(logger, form)
        logger.removeHandler(handler)
    assert logging.getLogger().handlers == handlers
    written = capsys.readouterr().err
    assert written.count("\n") == 2 * len(CANARIES) * 4
    assert "kanari" not in shown + written
    assert f"login:\n      user: u\n      password: '{MASK}'" in shown


def log_an_error(logger: logging.Logger, form: str) -> None:
    try:
        try:
            raise ValueError(f"bad {form}")
        except ValueError as error:
            raise ExceptionGroup(f"more {form}", [OSError(form), RuntimeError(form)]) from error
    except ExceptionGroup:
        logger.exception("it failed with %s", form, extra={"target": form})


@pytest.mark.parametrize(
    "line",
    ["port: x", "nokey: 1", "max_age: [", "password: a\n    password: b", "interval: 1ms", "login: {user: root}",
     "description: ${NOT_SET}", "weight: kanari-password-0/+ä", "kanari-password-0/+ä: 1", "password: [kanari]",
     "password: *kanari", "password: !kanari x", "password: 'kanari", "password: kanari: x"],
)  # fmt: skip
def test_no_canary_is_found_in_any_problem(line: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        config.read(planted(tmp_path, line).encode(), str(tmp_path / "c.yml"), COLLECTORS, {})
    assert "kanari" not in "".join(traceback.format_exception(caught.value)).replace(planted(tmp_path, line), "")
    assert "kanari" not in str(caught.value)


def test_what_is_no_secret_any_more_is_forgotten_alone() -> None:
    hide("old-token-of-an-hour-4711")
    hide("key-that-stays-0815")
    forget("old-token-of-an-hour-4711")
    forget("never-hidden-1234")
    assert redact("old-token-of-an-hour-4711 key-that-stays-0815") == f"old-token-of-an-hour-4711 {MASK}"
