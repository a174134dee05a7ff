"""What the configuration of logs can say, and what `check` finds in it."""

import sys
from pathlib import Path

import pytest

from exporter.collectors.log import patterncheck
from exporter.config import INSTALLED, ConfigError
from exporter.config import read as read_config
from tests.followed import settings_of


def problem(text: str) -> str:
    """Return what is found wrong with these settings."""
    lines = "".join(f"    {line}\n" for line in text.splitlines())
    with pytest.raises(ConfigError) as caught:
        read_config(f"targets:\n  it:\n    collector: log\n{lines}".encode(), "config.yml", INSTALLED, {})
    return str(caught.value)


LOG = "logs: {it: {files: [/var/log/it.log]%s}}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("events: {}", "logs: is missing"),
        ("logs: {}", "logs: is empty; expected a log such as"),
        ("logs: {it: {}}", "logs.it.files: is missing"),
        ("logs: {it: {files: []}}", "logs.it.files: is empty"),
        ("logs: {it: {files: [/x/a.log.1.gz]}}", "/x/a.log.1.gz is compressed, and is never read"),
        ("logs: {'a b': {files: [/x]}}", "is no name; expected up to 64 letters"),
        (LOG % ", format: xml", "logs.it.format"),
        (LOG % ", formt: json", "unknown key; did you mean format?"),
        (LOG % ", timezone: Mars/Base", "'Mars/Base' is no time zone here"),
        (LOG % ", time_format: '%d'", "time_format: stands without time_pattern"),
        (LOG % ", format: json, time_pattern: '(x)'", "time_pattern: is for lines of text"),
        (LOG % ", level_pattern: 'x'", "has 0 groups; expected one"),
        (LOG % ", level_pattern: '(x'", "is no regular expression that RE2 takes (missing ): (x)"),
        (LOG % "" + "\nevents: {own: '(?=x)'}", "events.own: is no regular expression that RE2 takes"),
        (LOG % "" + "\nevents: {own: '(a)\\1'}", "expected one without look-around and references"),
        (LOG % "" + "\nevents: {own: ''}", "fits every line"),
        (LOG % "" + "\nevents: {own: 'x*'}", "fits every line"),
        (LOG % "" + "\nevents: {own: '\\Ax'}", "expected ^ or $"),
        (LOG % "" + "\nevents: {own: '\\pL{900}'}", "RE2 takes (pattern too large"),
        (LOG % "" + "\nevents: {own: 'x{1001}'}", "RE2 takes (invalid repetition size"),
        (LOG % "" + "\nevents: {'own one': x}", "'events.own one': is no name"),
        (LOG % "" + "\nready_events: [oom, xss]", "ready_events[1]"),
        (LOG % "" + "\njobs: {import: {started: x}}", "jobs.import.finished: is missing, and `failed` too"),
        (LOG % "" + "\njobs: {import: {finished: 'x('}}", "jobs.import.finished: is no regular expression"),
        (
            LOG % "" + "\njobs: {import: {started: '(?P<id>x)', finished: 'y'}}",
            "jobs.import.finished: has no group (?P<id>...), as started has; expected it in each pattern, or in none",
        ),
        (
            LOG % "" + "\njobs: {import: {started: x, finished: '(?P<id>x)', failed: '(?P<id>z)'}}",
            "jobs.import.started: has no group (?P<id>...), as finished has",
        ),
        (LOG % ", access: {endpoints: -1}", "endpoints: is out of bounds"),
        ("logs: {a: {files: [/a], format: nginx}, b: {files: [/b], format: uvicorn}}", "is an access log beside a"),
    ],
)
def test_mistakes_are_found_with_their_place_and_remedy(text: str, said: str) -> None:
    found = problem(text)
    assert said in found
    assert "config.yml:" in found


def test_a_whole_configuration_is_taken() -> None:
    settings = settings_of("""
logs:
  api: {files: [/var/log/mem/api.log, /var/log/mem/*.log], format: json, fields: {level: [lvl]}, timezone: UTC}
  app:
    files: [logs/app.log]
    start: beginning
    level_pattern: '<(\\w+)>'
    time_pattern: '\\[(.*?)\\]'
    time_format: '%d.%m.%Y'
  web: {files: [/var/log/nginx/access.log], format: nginx_timed, access: {routes: ['/api/{id}']}}
events: {declined: 'payment (?:declined|refused)'}
ready_events: [auth_failed, attacks]
jobs: {import: {started: 'run (?P<id>[0-9]+) starts', finished: 'run (?P<id>[0-9]+) ends'}}
""")
    assert set(settings.event_patterns()) == {"auth_failed", "xss", "csrf", "declined"}
    assert settings.logs["app"].files == (str(Path("logs/app.log").absolute()),)


def test_patterns_are_tried_in_another_process_and_re2_is_not_loaded_here() -> None:
    assert patterncheck.problems_of({"good": "a+b", "bad": "a(", "none": ""}).keys() == {"bad", "none"}
    before = set(sys.modules)
    settings_of("logs: {it: {files: [/x]}}\nevents: {e: 'some (thing)'}")
    assert "re2" not in set(sys.modules) - before


def test_where_re2_is_missing_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = "import sys; sys.modules['re2'] = None\n" + patterncheck._CHILD
    monkeypatch.setattr(patterncheck, "_CHILD", hidden)
    patterncheck._asked.cache_clear()
    assert "pip install runbook-exporter[log]" in problem(LOG % "" + "\nevents: {own: hidden}")
    patterncheck._asked.cache_clear()
