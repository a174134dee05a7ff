"""The configuration: what is read, what is refused and how that is said."""

import dataclasses
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from exporter import config, configdoc
from exporter.collector import Collector, find
from exporter.config import Config, ConfigError
from exporter.setting import Bytes, FilePath, Pattern, Ratio, Seconds, Secret, SecretURL, setting

GOOD = Path(__file__).parent / "fixtures" / "config" / "good.yml"
ENVIRON = {
    "DB_PASSWORD": "pw-from-env",
    "TOKEN": "token-from-env",
    "REDIS_PASSWORD": "redis-pw-from-env",
    "FIGURES_PASSWORD": "figures-pw-from-env",
    "EMPTY": "",
    "BYTES": "\udcff",
    "PORT": "99",
    "EVIL": "a: b\nc: [d",
}


@dataclass(frozen=True, slots=True)
class Login:
    """Who asks."""

    user: str = setting(help="The user.", example="reader")
    password: Secret | None = setting(None, help="The password.")


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSettings:
    """Where the database is."""

    dsn: SecretURL = setting(
        help="The connection string.", example="postgresql://exporter:${DB_PASSWORD}@localhost/app"
    )
    password: Secret | None = setting(None, help="The password, where the connection string has none.")
    version: str = setting("", help="A text that looks like a number.")
    code: str = setting("", help="A text that looks octal.")
    at: str = setting("", help="A text that looks sexagesimal.")
    port: int = setting(5432, help="The port.")
    weight: float = setting(1.0, help="The weight.")
    share: Ratio = setting(0.5, help="A share.")
    size: Bytes = setting(1000, help="A size.")
    idle: Seconds = setting(60.0, help="A time.")
    tables: tuple[str, ...] = setting((), help="The tables.", example="[orders]")
    keys: tuple[Secret, ...] = setting((), help="Secrets in a list.")
    headers: Mapping[str, str] = setting(dict, help="What is sent along.")
    tokens: Mapping[str, Secret] = setting(dict, help="Secrets by name.")
    login: Login | None = setting(None, help="Who asks.")
    mode: Literal["fast", "full"] = setting("full", help="How much is read.")
    names: Pattern = setting("", help="A pattern of names.")
    file: FilePath = setting("", help="A file.")

    def check(self) -> Iterator[tuple[str, str]]:
        if self.port > 65535:
            yield "port", "is above 65535; expected a port"
        if self.login and self.login.user == "root":
            yield "login.user", "is the superuser; expected one who may only read"


class Database(Collector[None]):
    """A database that only tests know."""

    Settings = DatabaseSettings


class Metered(Collector[None]):
    """A service whose calls cost money."""

    interval = 900.0


COLLECTORS: Mapping[str, type[Collector[Any]]] = {"system": find("system"), "database": Database, "metered": Metered}


def read(text: str | bytes, file: str = "config.yml") -> Config:
    data = text.encode() if isinstance(text, str) else text
    return config.read(data, file, COLLECTORS, ENVIRON)


def problems(text: str | bytes) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert str(caught.value) == "\n".join(caught.value.problems)
    return caught.value.problems


def database(*lines: str) -> str:
    """Return a configuration of one database with these lines in it, from line 5 on."""
    head = ("targets:", "  db:", "    collector: database", "    dsn: postgresql://u@h/d")
    return "\n".join([*head, *(f"    {line}" for line in lines)])


def settings_of(*lines: str) -> Any:
    return read(database(*lines)).targets[0].settings


def test_everything_that_can_be_said_is_read() -> None:
    got = config.read(GOOD.read_bytes(), str(GOOD), COLLECTORS, ENVIRON)
    orders, quota = got.targets
    own = orders.settings
    assert got.warnings == ()
    assert (got.web.listen_address, got.web.timeout_offset, got.log.level) == ("127.0.0.1:0", 0.25, "debug")
    assert (got.host.name, got.host.collector, got.host.settings.procfs, got.host.max_age) == (
        "host", "system", "/host/proc", 10.0,
    )  # fmt: skip
    assert (orders.name, orders.max_age, orders.timeout, orders.critical) == ("orders-db", 8.0, 3.0, False)
    assert (orders.description, own.version, own.code, own.at) == ("no", "1.10", "0123", "10:20")
    assert (own.port, own.share, own.size, own.idle, own.mode) == (5433, 0.8, 2 << 30, 5400.0, "fast")
    assert own.tables == ("orders", "no", "007")
    assert own.headers == {"X-Token": "token-from-env", "Accept": "text/plain"}
    assert own.dsn.reveal() == "postgresql://exporter:pw-from-env@db.example:5432/orders"
    assert own.login.password.reveal() == "token-from-env"
    assert own.file == str(GOOD.parent / "data" / "orders.duckdb")
    assert (quota.interval, quota.timeout, quota.max_age) == (3600.0, 60.0, 5.0)


def test_pyyaml_without_its_c_library_reads_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = config.read(GOOD.read_bytes(), "", COLLECTORS, ENVIRON)
    monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    assert config.read(GOOD.read_bytes(), "", COLLECTORS, ENVIRON) == expected
    assert "nested more than 50 deep" in problems("[" * 1000)[0]
    assert "a line is indented with a tab" in problems("web:\n\tlisten_address: x\n")[0]


def test_without_a_file_there_are_only_defaults_and_no_yaml_in_memory() -> None:
    code = "import sys; from exporter import config; c = config.load(None); print(c.targets, 'yaml' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "() False\n"
    got = config.load(None)
    assert (got.web.listen_address, got.host.enabled, got.host.timeout, got.host.interval) == (
        "127.0.0.1:10420", True, 5.0, None,
    )  # fmt: skip


def test_everything_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.load(None).host.max_age = 1.0  # type: ignore[misc]


def test_the_interval_of_a_collector_is_its_default_and_decides_the_timeout() -> None:
    lines = ("targets:", "  a: {collector: metered}", "  b: {collector: metered, interval: 4s}",
             "  c: {collector: metered, interval: null}")  # fmt: skip
    a, b, c = read("\n".join(lines)).targets
    assert (a.interval, a.timeout) == (900.0, 60.0)
    assert (b.interval, b.timeout, b.max_age) == (4.0, 4.0, 2.0)
    assert (c.interval, c.timeout, c.max_age) == (None, 5.0, 5.0)


def test_all_problems_come_together_in_the_order_of_the_lines() -> None:
    text = (
        "web: {listen_adress: x}\nlogs: {}\ntargets:\n  db:\n    collector: database\n    max_agee: 1s\n    port: many"
    )
    assert problems(text) == (
        "config.yml:1: web.listen_adress: unknown key; did you mean listen_address?",
        "config.yml:2: logs: unknown key; did you mean log?",
        "config.yml:4: targets.db.dsn: is missing; expected address, its password kept secret, such as "
        "`dsn: postgresql://exporter:${DB_PASSWORD}@localhost/app` (or dsn_file with the path of a file that holds it)",
        "config.yml:6: targets.db.max_agee: unknown key; did you mean max_age?",
        "config.yml:7: targets.db.port: is 'many', which is not a whole number; expected digits, such as 10",
    )


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("zzzzzz: 1", "zzzzzz: unknown key; expected one of at, code, collector,"),
        ("port: 0x10", "port: is '0x10', which is not a whole number"),
        ("port: 010", "port: is '010', which is not a whole number"),
        ("port: ${DB_PASSWORD}", "port: is '${DB_PASSWORD}', which is not a whole number"),
        ("port: 70000", "port: is above 65535; expected a port"),
        ("weight: .inf", "weight: is '.inf', which is not a number"),
        ("share: 80", "share: is '80', which is above 1, that is 100%; expected a ratio such as 0.8 or 80%"),
        ("size: 1.5", "size: is '1.5', which is not a whole number of bytes"),
        ("size: 10 apples", "size: is '10 apples', which is not a size; expected a size such as 500MB or 2GiB"),
        ("idle: 5 minuts", "idle: is '5 minuts', which is not a duration; expected a duration such as 90s, 15m or 1d"),
        ("idle: 99999999w", "idle: is '99999999w', which is longer than a hundred years"),
        ("idle: -5s", "idle: is '-5s', which is not a duration"),
        ("idle:", "idle: has no value; expected duration; leave the key out for its default"),
        ("idle: [5s]", "idle: is a list; expected duration"),
        ("critical: maybe", "critical: is 'maybe', which is neither true nor false"),
        ("mode: slow", "mode: is 'slow', which is none of its words; expected `fast` or `full`"),
        ("names: a(b", "names: is 'a(b', which is not a regular expression (missing ), unterminated subpattern"),
        ("tables: orders", "tables: is 'orders'; expected a list, such as [text, ...]"),
        ("tables: [[a]]", "tables[0]: is a list; expected text"),
        ("headers: [a]", "headers: is a list; expected a mapping"),
        ("headers: {a: }", "headers.a: has no value; expected text"),
        ("login: {usr: x}", "login.usr: unknown key; did you mean user?"),
        ("login: {user: root}", "login.user: is the superuser"),
        ("description: ${NOT_SET}", "description: the environment variable NOT_SET is not set; set it, or"),
        ("description: ${bad name}", "description: `${` begins the name of an environment variable"),
        ("description: ${BYTES}", "description: the environment variable BYTES is not UTF-8"),
        ("password: ${EMPTY}", "password: is empty from the environment; expected a secret"),
        ('password: ""', "password: is empty; expected a secret"),
        ("dsn_file: x", "dsn_file: stands beside dsn; expected only one of them"),
        ("password_file: /nowhere", "password_file: '/nowhere' cannot be read (No such file or directory)"),
        ("password_file: /proc", "password_file: '/proc' cannot be read (Is a directory)"),
        ("password_file: /dev/zero", "password_file: '/dev/zero' cannot be read (not a regular file)"),
        ("timeout: 0", "timeout: leaves no time at all"),
        ("interval: 0.01", "interval: is shorter than 1s"),
        ("series_limit: 0", "series_limit: leaves no series"),
        ("port: &a 5\n    weight: !!python/name:os.system 1", "a tag (`!`) is not understood"),
        ("port: 1\n    port: 2", "the key 'port' stands here again, after line 5"),
        ("? [a]\n    : b", "a list or mapping stands where a key is expected"),
        ("<<: 5", "`<<` merges a mapping"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_told_with_its_place_and_remedy(line: str, expected: str) -> None:
    found = problems(database(line))
    assert all(re.match(r"config\.yml:[56]: ", problem) for problem in found)
    assert any(expected in problem for problem in found)
    assert len(found) == (2 if "usr" in line else 1)  # then `user` is missing, too


def test_times_that_contradict_each_other_are_refused() -> None:
    assert "max_age: is not below interval (10s)" in problems(database("max_age: 10s", "interval: 10s"))[0]
    assert "timeout: is above interval (10s)" in problems(database("timeout: 11s", "interval: 10s"))[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "config.yml:1: the file is empty; to run with every default, start without"),
        ("# nothing\n", "config.yml:1: the file is empty"),
        ("- a\n", "config.yml:1: is a list; expected a mapping"),
        ("hello", "config.yml:1: is 'hello'; expected a mapping"),
        ("web: {}\n---\nweb: {}\n", "config.yml:2: a second document begins here"),
        ("web:\n\tlisten_address: x\n", "config.yml:2: a line is indented with a tab"),
        ("web: {\n", "is not YAML: "),
        ("web: 'x\n", "is not YAML: "),
        (b"web: {}\n# caf\xe9\n", "config.yml:2: the byte 0xe9 is not UTF-8"),
        ("web: {}".encode("utf-16"), "config.yml:1: the byte 0xff is not UTF-8"),
        ("web: {}\n#\x07", "config.yml:2: holds the control character U+0007"),
        ('log: {level: "\\0"}', "config.yml:1: the text holds a character that cannot be written"),
        ("web: &a {x: *a}", "an alias (`*`) stands inside of what it refers to"),
        ("web: *a", "config.yml:1: `*` refers to no anchor above it"),
        ("[" * 100_000, "nested more than 50 deep"),
        ("a: " * 5 + "b", "is not YAML: "),
        ("#" * (2 << 20), "larger than 1 MiB"),
        ("targets: [a]", "config.yml:1: targets: is a list; expected a mapping"),
        ("targets: {a: b}", "config.yml:1: targets.a: is 'b'; expected a mapping"),
        ("targets: {a: {}}", "targets.a.collector: is missing; expected one of database, metered"),
        ("targets: {a: {collector: databse}}", "there is no collector 'databse'; did you mean database?"),
        ("targets: {a: {collector: system}}", "there is one host, the target `host`"),
        ("targets: {host: {collector: metered}}", "targets.host: the name is taken by the exporter itself; its"),
        ("targets: {exporter: {collector: metered}}", "the name is taken by the exporter itself; choose another"),
        ("targets: {'a b': {collector: metered}}", "targets.'a b': a target cannot have this name; expected at most"),
        ("host: {collector: system}", "host.collector: unknown key"),
        ("web: {listen_address: 10420}", "web.listen_address: is no address; expected HOST:PORT"),
        ("web: {listen_address: '::1:10420'}", "web.listen_address: is no address; expected HOST:PORT"),
        ("web: {max_connections: 0}", "web.max_connections: lets nobody in"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_a_configuration_is_told_so(text: str | bytes, expected: str) -> None:
    (problem,) = problems(text)
    assert expected in problem


def test_a_mistyped_key_collector_is_named() -> None:
    missing, mistyped = problems("targets: {a: {colector: database}}")
    assert "targets.a.collector: is missing" in missing
    assert mistyped == "config.yml:1: targets.a.colector: unknown key; did you mean collector?"


def test_the_keys_of_every_target_are_checked_even_where_the_collector_is_wrong() -> None:
    text = "targets: {a: {collector: nope, max_age: x, foo: 1}}"
    assert [problem.split(": ")[1] for problem in problems(text)] == ["targets.a.collector", "targets.a.max_age"]


def test_a_file_that_cannot_be_read_is_no_traceback(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "none.yml", "No such file"), (tmp_path, "Is a directory"), ("a\0b", "null byte")):
        with pytest.raises(ConfigError, match=reason):
            config.load(str(path))


def test_a_missing_library_is_told_with_its_remedy() -> None:
    class Lacking(dict[str, type[Collector[Any]]]):
        def __getitem__(self, kind: str) -> type[Collector[Any]]:
            if kind == "database":
                raise ModuleNotFoundError("No module named 'psycopg'", name="psycopg")
            return super().__getitem__(kind)

    with pytest.raises(ConfigError) as caught:
        config.read(database().encode(), "config.yml", Lacking(COLLECTORS), {})
    assert str(caught.value) == (
        "config.yml:2: targets.db.collector: database needs a library (No module named 'psycopg'); "
        "install it with: pip install 'runbook-exporter[database]'"
    )


def test_empty_sections_are_as_if_left_out() -> None:
    assert read("web:\ntargets:\nhost: ~\n") == read("x-y: {anything: [1]}")


def test_merged_keys_give_way_to_the_mappings_own_and_earlier_ones_to_none() -> None:
    text = "x-a: &a {port: 1, at: a}\nx-b: &b {port: 2, at: b, code: b}\n" + database("<<: [*a, *b]", "at: own")
    own = read(text).targets[0].settings
    assert (own.port, own.at, own.code) == (1, "own", "b")


def test_aliases_of_aliases_cannot_explode() -> None:
    lines = ["x-a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"x-a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert "more than 100000 values" in problems("\n".join(lines))[0]


def test_variables_are_put_into_text_and_never_into_yaml() -> None:
    own = settings_of("at: ${EVIL}", "code: a$${TOKEN}$", "version: ${NOT_SET:-1.10}-${EMPTY:-x}", "port: ${PORT}")
    assert (own.at, own.code, own.version, own.port) == ("a: b\nc: [d", "a${TOKEN}$", "1.10-x", 99)


def test_a_secret_can_stand_in_a_file_of_its_own(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text(" from-file \n")
    secret.chmod(0o600)
    got = read(database("password_file: password"), file=str(tmp_path / "config.yml"))
    assert got.targets[0].settings.password.reveal() == " from-file "
    assert got.warnings == ()
    secret.chmod(0o644)
    (warning,) = read(database(f"password_file: {secret}")).warnings
    assert warning.startswith("config.yml:5: targets.db.password_file: every user of this machine can read the file")


def test_a_secret_file_must_be_text_of_bounded_length(tmp_path: Path) -> None:
    for data, reason in ((b"\xff", "not UTF-8"), (b"x" * 70_000, "larger than 64 KiB"), (b"\n", "is empty")):
        (tmp_path / "password").write_bytes(data)
        assert reason in problems(database(f"password_file: {tmp_path}/password"))[0]
    os.mkfifo(tmp_path / "pipe")
    assert "not a regular file" in problems(database(f"password_file: {tmp_path}/pipe"))[0]


def test_a_secret_in_the_configuration_itself_is_a_warning_that_helps() -> None:
    got = read(database("password: hunter2-literal", "keys: [literal-in-list]").replace("u@h", "u:literal-pw@h"))
    assert got.warnings == (
        "config.yml:4: targets.db.dsn: the secret itself stands in the configuration; better an environment variable: "
        "${DB_DSN}, or a file of its own: `dsn_file: PATH`",
        "config.yml:5: targets.db.password: the secret itself stands in the configuration; better an environment "
        "variable: ${DB_PASSWORD}, or a file of its own: `password_file: PATH`",
        "config.yml:6: targets.db.keys[0]: the secret itself stands in the configuration; better an environment "
        "variable: ${DB_KEYS_0}",
    )
    assert "cannot be masked" in read(database("password: abc")).warnings[1]


@pytest.mark.parametrize(
    "value", ["*p4ssword", "!p4ssword", "&p4ssword", "'p4ssword", "{p4ssword", "%p4ssword", "@p4ssword"]
)
def test_a_password_that_lacks_its_quotes_is_not_printed(value: str) -> None:
    assert "p4ssword" not in "\n".join(problems(database(f"password: {value}\n    port: x")))


def test_what_is_shown_is_read_again_as_it_was() -> None:
    got = config.read(GOOD.read_bytes(), str(GOOD), COLLECTORS, ENVIRON)
    shown = config.redacted(got)
    assert "dsn: postgresql://exporter:<secret>@db.example:5432/orders  # from the environment\n" in shown
    assert "password: <secret>" not in shown.replace("password: '<secret>'  # from the environment", "")
    assert not [value for value in ("token-from-env", "pw-from-env") if value in shown]
    again = config.read(shown.encode(), str(GOOD), COLLECTORS, {})
    assert config.redacted(again).replace("  # from the environment", "") == shown.replace(
        "  # from the environment", ""
    )
    assert yaml.safe_load(shown)["targets"]["orders-db"]["description"] == "no"


@given(st.text(), st.text(), st.floats(0, 1e6).map(lambda seconds: round(seconds, 9)), st.integers(0, 1 << 50))
def test_any_text_and_figure_survives_being_shown(text: str, key: str, seconds: float, size: int) -> None:
    settings = DatabaseSettings(
        dsn=SecretURL("postgresql://h"), at=text, headers={key: text}, idle=seconds, size=size, tables=(text,)
    )
    got = dataclasses.replace(
        read(database()), targets=(dataclasses.replace(read(database()).targets[0], settings=settings),)
    )
    if all(character.isprintable() or character in "\n\t\x85" for character in text + key):
        assert config.read(config.redacted(got).encode(), "", COLLECTORS, {}).targets == got.targets


def test_a_setting_cannot_hide_a_key_of_every_target() -> None:
    @dataclass(frozen=True)
    class Hiding:
        timeout: int = setting(1, help="Mine.")

    class Bad(Collector[None]):
        Settings = Hiding

    with pytest.raises(TypeError, match="every target has a key `timeout`"):
        config.collector_keys(Bad)


@pytest.mark.parametrize("kind", [kind for kind in config.INSTALLED if kind != "system"] + ["database", "metered"])
def test_the_example_of_every_collector_is_a_configuration(kind: str) -> None:
    collector = COLLECTORS.get(kind) or config.INSTALLED[kind]
    text = "targets:\n" + configdoc.snippet(kind, config.collector_keys(collector))
    environ = dict.fromkeys(re.findall(r"\$\{(\w+)", text), "some-value")
    (target,) = config.read(text.encode(), "", {**COLLECTORS, kind: collector}, environ).targets
    assert target.name == f"my-{kind}"


def test_the_reference_begins_with_a_configuration_that_works_and_names_every_key() -> None:
    text = config.reference(COLLECTORS)
    example = text.split("```yaml\n")[1].split("```")[0]
    got = read(example)
    assert [target.collector for target in got.targets] == ["database", "metered"]
    assert got.warnings == ()
    for name in [*config.collector_keys(Database), "max_age", "procfs", "listen_address", "enabled", "level"]:
        assert f"- `{name}` (" in text
    assert "- `idle` (duration, default `1m`): A time.\n" in text
    assert "  - `password` (secret, default none): The password. Also as `password_file`" in text
    assert "Read every 15m in the background." in text
    whole = config.reference().split("```yaml\n")[1].split("```")[0].encode()
    assert config.read(whole, "config.yml", config.INSTALLED, ENVIRON).host.max_age == 10.0


@pytest.mark.parametrize(
    "url",
    [
        "postgres://u:pa55-of-the-url@h/d",
        "postgresql://h/d",
        "postgresql+asyncpg://u:pa55-of-the-url@h:5433/d?sslmode=require",
    ],
)
def test_without_a_file_the_database_of_the_environment_is_watched(url: str) -> None:
    environ = {"DATABASE_URL": url}
    got = config.read(config.unconfigured(environ), "the environment", config.INSTALLED, environ)
    assert [(target.name, target.collector) for target in got.targets] == [("postgres", "postgres")]
    assert got.targets[0].settings.url.reveal() == url
    assert "pa55" not in config.redacted(got)


@pytest.mark.parametrize("url", ["redis://:pa55-of-the-url@h:6380/1", "rediss://u:pa55-of-the-url@h"])
def test_without_a_file_the_redis_of_the_environment_is_watched_beside_the_database(url: str) -> None:
    environ = {"DATABASE_URL": "postgresql://h/d", "REDIS_URL": url}
    got = config.read(config.unconfigured(environ), "the environment", config.INSTALLED, environ)
    assert [target.name for target in got.targets] == ["postgres", "redis"]
    assert got.targets[1].settings.url.reveal() == url
    assert "pa55" not in config.redacted(got)


@pytest.mark.parametrize("url", ["redis://:pa55-of-the-url@h:6380/1", "amqp://u:pa55-of-the-url@h//"])
def test_without_a_file_the_broker_of_the_environment_is_watched(url: str) -> None:
    environ = {"CELERY_BROKER_URL": url}
    got = config.read(config.unconfigured(environ), "the environment", config.INSTALLED, environ)
    assert [(target.name, target.collector) for target in got.targets] == [("celery", "celery")]
    assert got.targets[0].settings.url.reveal() == url
    assert "pa55" not in config.redacted(got)


NONE_OF_OURS: list[dict[str, str]] = [
    {}, {"DATABASE_URL": ""}, {"DATABASE_URL": "sqlite:///x.db", "REDIS_URL": "memcached://h", "CELERY_BROKER_URL": "sqs://"}
]  # fmt: skip


@pytest.mark.parametrize("environ", NONE_OF_OURS)
def test_without_a_file_and_without_such_a_database_there_is_the_host_alone(environ: dict[str, str]) -> None:
    assert config.unconfigured(environ) is None


def expect_no_traceback(data: bytes) -> None:
    found: tuple[str, ...] = ()
    try:
        got = config.read(data, "config.yml", COLLECTORS, ENVIRON)
    except ConfigError as error:
        found = error.problems
    else:
        assert yaml.safe_load(config.redacted(got))["host"]["enabled"] is got.host.enabled
    assert all(problem.startswith("config.yml:") and problem.isprintable() for problem in found)


WORDS = st.sampled_from([
    "web", "log", "host", "targets", "collector", "database", "metered", "dsn", "password_file", "max_age", "interval",
    "timeout", "5s", "80%", "${TOKEN}", "${", "no", "null", "*a", "&a ", "<<", "tables", "login", "headers", "", "\t",
])  # fmt: skip
TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | WORDS | st.dates() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS | st.text(), inner, max_size=6),
    max_leaves=30,
)
FUZZ = hypothesis_settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))


@FUZZ
@given(st.dictionaries(WORDS, TREES, max_size=6))
def test_no_yaml_makes_a_traceback(tree: dict[str, Any]) -> None:
    expect_no_traceback(yaml.safe_dump(tree, allow_unicode=True).encode("utf-8", "surrogatepass"))


@FUZZ
@given(st.binary() | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_no_bytes_make_a_traceback(data: bytes) -> None:
    expect_no_traceback(data)


@FUZZ
@given(st.data())
def test_no_mistake_in_a_good_file_makes_a_traceback(data: st.DataObject) -> None:
    text = GOOD.read_text()
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.sampled_from([0, 1, 2, 10, 80])))
        new = data.draw(
            st.sampled_from(list("\t\n :-[]{}&*!|>'\"%@`#,?<$\\\0\x85\u2028")) | WORDS | st.text(max_size=5)
        )
        text = text[:start] + new + text[end:]
    expect_no_traceback(text.encode("utf-8", "surrogatepass"))


def test_a_relative_path_is_whole_wherever_a_process_of_ours_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for place, file in (("config.yml", "app.duckdb"), ("etc/config.yml", "etc/app.duckdb")):
        text = b"targets: {it: {collector: duckdb, path: app.duckdb}}"
        (target,) = config.read(text, place, config.INSTALLED, {}).targets
        assert target.settings.path == str(tmp_path / file)
