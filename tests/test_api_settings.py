"""What the configuration of an API refuses, with the place and the remedy, and what it lets pass without a remark."""

import pytest

from exporter.collectors.api.settings import APISettings
from exporter.config import INSTALLED, Config, ConfigError, read

SECRET = "sk-Tn4Vq8Zc1Wb6Yx"
ENVIRON = {"KEY": SECRET}
OPENAI = "provider: openai, key: '${KEY}'"
GEMINI = "provider: gemini, key: '${KEY}'"
SEARCH = "provider: customsearch, key: '${KEY}'"
JSON = "provider: json, url: 'http://h/v1'"
LOOK = "{name: look}"


def configured(line: str) -> Config:
    return read(f"targets: {{it: {{collector: api, {line}}}}}".encode(), "config.yml", INSTALLED, ENVIRON)


def answers(*items: str) -> str:
    return f"{JSON}, answers: [{', '.join(items)}]"


def look(keys: str) -> str:
    return answers(f"{{name: look, {keys}}}")


@pytest.mark.parametrize(
    "line",
    [
        OPENAI,
        "provider: openai, admin_key: '${KEY}'",
        f"{OPENAI}, admin_key: '${{KEY}}', project: proj_a, models: [a, b], budget: 0.5, month_zone: Europe/Berlin",
        f"{OPENAI}, url: 'https://n.openai.azure.com', api_version: '2024-10-21'",
        f"{OPENAI}, headers: {{X-Team: '${{KEY}}'}}, proxy: 'http://proxy:3128', search_interval: 0",
        f"{GEMINI}, models: [m]",
        f"{GEMINI}, project: p, service_account_file: /a.json, prices: {{m: {{input: 1, output: 2}}}}",
        f"{SEARCH}, engine: '${{KEY}}', search_interval: 0",
        f"{SEARCH}, project: p, service_account_file: /a.json, daily_limit: 10000",
        answers(LOOK),
        answers(LOOK, "{name: usage, path: '/u?from={{month_date}}', interval: 1m}"),
        answers("{name: look, quotas: [{limit: a, model: \"'x'\"}, {limit: b, model: \"'y'\"}]}"),
        answers("{name: look, quotas: [{limit: a, window: day}]}", "{name: more, quotas: [{limit: a, window: hour}]}"),
        f"{answers(LOOK)}, bearer_token: '${{KEY}}'",
        f"{answers(LOOK)}, username: u, password: '${{KEY}}'",
    ],
)
def test_what_is_right_passes_without_a_remark(line: str) -> None:
    assert configured(line).warnings == ()


REFUSED = [
    ("provider: other, key: '${KEY}'", "provider"),
    ("provider: openai", "key"),
    ("provider: gemini", "key"),
    ("provider: customsearch", "key"),
    ("provider: gemini, admin_key: '${KEY}'", "admin_key"),
    (f"{GEMINI}, admin_key: '${{KEY}}'", "admin_key"),
    (f"{GEMINI}, api_version: '1'", "api_version"),
    (f"{GEMINI}, engine: '${{KEY}}'", "engine"),
    (f"{GEMINI}, daily_limit: 5", "daily_limit"),
    (f"{GEMINI}, project: p", "service_account_file"),
    (f"{GEMINI}, service_account_file: /a.json", "project"),
    (f"{SEARCH}, project: p", "service_account_file"),
    (f"{SEARCH}, models: [m]", "models"),
    (f"{OPENAI}, service_account_file: /a.json, project: p", "service_account_file"),
    (f"{OPENAI}, engine: '${{KEY}}'", "engine"),
    (f"{OPENAI}, answers: [{LOOK}]", "answers"),
    (f"{OPENAI}, bearer_token: '${{KEY}}'", "bearer_token"),
    (f"{OPENAI}, api_version: '1'", "url"),
    (f"{OPENAI}, api_version: '1', url: 'https://h', admin_key: '${{KEY}}'", "admin_key"),
    ("provider: openai, admin_key: '${KEY}', models: [m]", "models"),
    (f"{OPENAI}, models: [m, m]", "models"),
    (f"{OPENAI}, models: ['']", "models"),
    (f"{OPENAI}, models: [{', '.join(f'm{n}' for n in range(21))}]", "models"),
    (f"{OPENAI}, url: 'ftp://h'", "url"),
    (f"{OPENAI}, url: 'https://h/v1?key=x'", "url"),
    (f"{GEMINI}, monitoring_url: 'ftp://h'", "monitoring_url"),
    (f"{GEMINI}, token_url: 'ftp://h'", "token_url"),
    (f"{OPENAI}, proxy: 'https://proxy'", "proxy"),
    (f"{OPENAI}, budget: 0", "budget"),
    (f"{OPENAI}, budget: -1", "budget"),
    (f"{OPENAI}, budget: .nan", "budget"),
    (f"{OPENAI}, budget: .inf", "budget"),
    (f"{OPENAI}, prices: {{m: {{input: -1}}}}", "prices.m.input"),
    (f"{OPENAI}, prices: {{m: {{output: 1e9}}}}", "prices.m.output"),
    (f"{OPENAI}, prices: {{m: {{cached: .nan}}}}", "prices.m.cached"),
    (f"{OPENAI}, month_zone: Mars/Base", "month_zone"),
    (f"{OPENAI}, month_zone: ../UTC", "month_zone"),
    (f"{OPENAI}, look_interval: 59s", "look_interval"),
    (f"{OPENAI}, call_interval: 5s", "call_interval"),
    (f"{OPENAI}, usage_interval: 0", "usage_interval"),
    (f"{OPENAI}, limits_interval: 5m", "limits_interval"),
    (f"{OPENAI}, cost_interval: 5m", "cost_interval"),
    (f"{SEARCH}, search_interval: 10m", "search_interval"),
    (f"{SEARCH}, daily_limit: 0", "daily_limit"),
    (f"{OPENAI}, request_timeout: 0s", "request_timeout"),
    (f"{OPENAI}, request_timeout: 5m", "request_timeout"),
    (f"{OPENAI}, top: 0", "top"),
    (f"{OPENAI}, top: 5000", "top"),
    (f"{OPENAI}, max_bytes: 1GiB", "max_bytes"),
    ("provider: openai, key: \"a\\nb\"", "key"),
    (f"{JSON}, answers: []", "answers"),
    (JSON, "answers"),
    (f"provider: json, answers: [{LOOK}]", "url"),
    (f"{answers(LOOK)}, key: '${{KEY}}'", "key"),
    (answers("{name: other}"), "answers"),
    (answers("{name: usage}", LOOK), "answers"),
    (answers(LOOK, LOOK), "answers"),
    (answers(LOOK, *(f"{{name: a{number}}}" for number in range(20))), "answers"),
    (answers(LOOK, "{name: service}"), "answers[1].name"),
    (answers(LOOK, "{name: Usage}"), "answers[1].name"),
    (look("path: languages"), "answers[0].path"),
    (look("path: '@other/'"), "answers[0].path"),
    (look("path: '/a b'"), "answers[0].path"),
    (look("path: '/a#b'"), "answers[0].path"),
    (look("path: '/a?api_key=x'"), "answers[0].path"),
    (look("path: '/a?b=1&access_token=x'"), "answers[0].path"),
    (look("path: '/a?from={{year}}'"), "answers[0].path"),
    (look("body: '{}'"), "answers[0].body"),
    (look("method: POST, body: '{{then}}'"), "answers[0].body"),
    (look("method: DELETE"), "answers[0].method"),
    (look("interval: 30s"), "answers[0].interval"),
    (look("headers: {Authorization: x}"), "answers[0].headers.Authorization"),
    (look("headers: {X-Api-Key: x}"), "answers[0].headers.X-Api-Key"),
    (look("headers: {'a b': x}"), "answers[0].'headers.a b'"),
    (look("budget: 'a['"), "answers[0].budget"),
    (look("budget: a, budget_scale: 0"), "answers[0].budget_scale"),
    (look("more: 'nope(a)'"), "answers[0].more"),
    (look("data: ']'"), "answers[0].data"),
    (look("valid: 'a b'"), "answers[0].valid"),
    (look("rejected_statuses: [200]"), "answers[0].rejected_statuses"),
    (look("rejected_statuses: [429]"), "answers[0].limited_statuses"),
    (look("denied_statuses: [401]"), "answers[0].denied_statuses"),
    (look("quotas: [{limit: 'a['}]"), "answers[0].quotas[0].limit"),
    (look("quotas: [{window: day}]"), "answers[0].quotas[0].limit"),
    (look("quotas: [{limit: a, window: week}]"), "answers[0].quotas[0].window"),
    (look("quotas: [{limit: a, quota: 'a b'}]"), "answers[0].quotas[0].quota"),
    (look("quotas: [{remaining: a, used: b}]"), "answers[0].quotas[0].used"),
    (look("quotas: [{limit: a, remaining: b, used: c}]"), "answers[0].quotas[0].used"),
    (look("quotas: [{limit: a, scale: 0}]"), "answers[0].quotas[0].scale"),
    (look("quotas: [{limit: a, reset_as: hours}]"), "answers[0].quotas[0].reset_as"),
    (look("quotas: [{limit: a}, {limit: b}]"), "answers[0].quotas"),
    (look("quotas: [{limit: a, model: m}, {limit: b, model: \"'x'\"}]"), "answers[0].quotas"),
    (look("used: [{count: requests, value: 'a['}]"), "answers[0].used[0].value"),
    (look("used: [{count: requests, value: ''}]"), "answers[0].used[0].value"),
    (look("used: [{count: calls, value: a}]"), "answers[0].used[0].count"),
    (look("used: [{count: tokens, value: a, kind: 'A b'}]"), "answers[0].used[0].kind"),
    (look("used: [{count: tokens, value: a, since: '('}]"), "answers[0].used[0].since"),
    (look("used: [{count: tokens, value: a, scale: .inf}]"), "answers[0].used[0].scale"),
    (look("used: [{count: tokens, value: a}, {count: tokens, value: b}]"), "answers[0].used"),
    (look("cost: {value: ''}"), "answers[0].cost.value"),
    (look("cost: {value: a, each: '['}"), "answers[0].cost.each"),
    (look("cost: {value: a, scale: -1}"), "answers[0].cost.scale"),
    (answers("{name: look, cost: {value: a}}", "{name: b, cost: {value: a}}"), "answers"),
    (answers("{name: look, budget: a}", "{name: b, budget: a}"), "answers"),
    (answers("{name: look, quotas: [{limit: a}]}", "{name: b, quotas: [{limit: a}]}"), "answers"),
    (answers("{name: look, quotas: [{limit: a}]}", "{name: b, quotas: [{limit: a, model: m}]}"), "answers"),
    (answers("{name: look, used: [{count: tokens, value: a}]}", "{name: b, used: [{count: tokens, value: b}]}"),
     "answers"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "place"), REFUSED)
def test_what_cannot_be_is_refused_with_its_place_and_a_remedy(line: str, place: str) -> None:
    with pytest.raises(ConfigError) as refused:
        configured(line)
    told = str(refused.value)
    assert f"targets.it.{place}:" in told
    assert "expected" in told
    assert SECRET not in told
    assert told.count("targets.it.") == len({line for line in told.splitlines() if "targets.it." in line})


NAMES = ["key", "api_key", "access_key", "auth_key", "client_secret", "appid", "accessToken", "x-amz-credential", "sig"]


@pytest.mark.parametrize("name", NAMES)
def test_no_path_of_an_answer_has_a_secret_in_it(name: str) -> None:
    with pytest.raises(ConfigError) as refused:
        configured(look(f"path: '/u?{name}={SECRET}&limit=5'"))
    assert f"targets.it.answers[0].path: has `{name}`" in str(refused.value)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("name", ["page_token", "nextPageToken", "next_token", "author", "sort_key", "limit", "tokens"])
def test_other_parameters_are_none(name: str) -> None:
    assert configured(look(f"path: '/u?{name}=5'")).warnings == ()


ADMIN_KEY, PROJECT_KEY = "sk-admin-Tn4Vq8Zc1Wb6Yx", "sk-proj-Tn4Vq8Zc1Wb6Yx"
MISPLACED = [
    ("provider: openai, key: '${ADMIN}'", "key"),
    ("provider: openai, admin_key: '${PROJECT}'", "admin_key"),
    ("provider: openai, key: '${PROJECT}', url: 'http://api.openai.com/v1'", "url"),
    ("provider: gemini, key: '${PROJECT}', url: 'http://generativelanguage.googleapis.com/v1beta'", "url"),
    ("provider: json, url: 'http://api.anthropic.com/v1', answers: [{name: look}]", "url"),
]


@pytest.mark.parametrize(("line", "place"), MISPLACED)
def test_a_key_in_the_place_of_another_or_for_all_to_read_is_refused(line: str, place: str) -> None:
    text = f"targets: {{it: {{collector: api, {line}}}}}".encode()
    with pytest.raises(ConfigError) as refused:
        read(text, "config.yml", INSTALLED, {"ADMIN": ADMIN_KEY, "PROJECT": PROJECT_KEY})
    assert f"targets.it.{place}:" in str(refused.value)
    assert "expected" in str(refused.value)
    assert "Tn4Vq8Zc1Wb6Yx" not in str(refused.value)


def test_a_server_of_ones_own_has_keys_as_it_likes() -> None:
    line = "provider: openai, url: 'http://vllm:8000/v1', key: '${ADMIN}', admin_key: '${PROJECT}'"
    text = f"targets: {{it: {{collector: api, {line}}}}}".encode()
    assert read(text, "config.yml", INSTALLED, {"ADMIN": ADMIN_KEY, "PROJECT": PROJECT_KEY}).warnings == ()


def test_secrets_come_from_files_and_the_environment_and_others_are_remarked_on(tmp_path: object) -> None:
    told = configured(f"provider: openai, key: {SECRET}").warnings
    assert len(told) == 1
    assert "better" in told[0]
    assert SECRET not in told[0]


def test_no_secret_is_in_what_the_settings_look_like() -> None:
    (target,) = configured(f"{OPENAI}, admin_key: '${{KEY}}', headers: {{X-Team: '${{KEY}}'}}").targets
    assert SECRET not in repr(target) + str(target.settings)


@pytest.mark.parametrize(
    ("line", "base"),
    [
        (OPENAI, "https://api.openai.com/v1"),
        (f"{OPENAI}, url: 'https://proxy.example.com/openai/v1/'", "https://proxy.example.com/openai/v1"),
        (GEMINI, "https://generativelanguage.googleapis.com/v1beta"),
        (SEARCH, "https://customsearch.googleapis.com"),
        (answers(LOOK), "http://h/v1"),
    ],
)
def test_paths_are_added_to_the_providers_address_or_the_configured_one(line: str, base: str) -> None:
    settings = configured(line).targets[0].settings
    assert isinstance(settings, APISettings)
    assert settings.base == base
