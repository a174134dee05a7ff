"""What a target of the collector `api` can be told."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal
from zoneinfo import ZoneInfo

from exporter.collectors.api.answers import Answer, check_answers
from exporter.collectors.api.keyplaces import check_keys
from exporter.models import Problems
from exporter.request import RequestSettings, check_proxy, check_url, header_problem
from exporter.setting import FilePath, Seconds, Secret, SecretURL, setting
from exporter.zones import check_zone, zone_named

Provider = Literal["openai", "gemini", "customsearch", "json"]
URLS: Final = {
    "openai": "https://api.openai.com/v1",
    "gemini": "https://generativelanguage.googleapis.com/v1beta",
    "customsearch": "https://customsearch.googleapis.com",
}
"""Where each provider is, unless `url` says otherwise."""
_ZONES: Final = {"gemini": "America/Los_Angeles", "customsearch": "America/Los_Angeles"}
_LEAST: Final = {
    "look_interval": 60.0, "call_interval": 60.0, "usage_interval": 60.0, "limits_interval": 600.0,
    "cost_interval": 600.0, "search_interval": 3600.0,
}  # fmt: skip
_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "key": ("openai", "gemini", "customsearch"),
    "admin_key": ("openai",),
    "project": ("openai", "gemini", "customsearch"),
    "api_version": ("openai",),
    "models": ("openai", "gemini"),
    "service_account_file": ("gemini", "customsearch"),
    "engine": ("customsearch",),
    "daily_limit": ("customsearch",),
    "answers": ("json",),
    "bearer_token": ("json",),
    "password": ("json",),
}
"""Which providers a key is for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a million tokens of a model cost, in US dollars."""

    input: float = setting(0.0, help="For tokens that are sent.", example="2.5")
    cached: float | None = setting(
        None, help="For those of them that come from the provider's cache; as `input` where it is left out.",
        example="1.25",
    )  # fmt: skip
    output: float = setting(0.0, help="For tokens that are answered.", example="10")

    def check(self) -> Problems:
        """Find what is no price."""
        for name in ("input", "cached", "output"):
            if not 0 <= (getattr(self, name) or 0.0) < 1e6:
                yield name, "is no price of a million tokens; expected US dollars, such as 2.5"


@dataclass(frozen=True, slots=True, kw_only=True)
class APISettings(RequestSettings):
    """Which provider, by which keys, how often it is asked, and what it may cost."""

    provider: Provider = setting(
        help="Whose API it is. `openai` is for those that are compatible with it as well, and for Azure; `json` is any "
        "that answers in JSON, as `answers` say.",
        example="openai",
    )
    url: SecretURL | None = setting(
        None,
        help="Where the API begins, with its version if its addresses have one; a provider's own by default.",
        example="https://api.openai.com/v1",
    )
    key: Secret | None = setting(
        None,
        help="The key that the application uses. What it is asked costs nothing.",
        example='"${OPENAI_API_KEY}"',
        shown=True,
    )
    admin_key: Secret | None = setting(
        None,
        help="OpenAI's admin key, which alone may read use, cost and limits; it can do nothing else for the exporter.",
        example='"${OPENAI_ADMIN_KEY}"',
    )
    project: str = setting(
        "", help="The project that is watched: OpenAI's proj_..., or Google's project id; OpenAI's whole organization "
        "without one.", example="proj_abc",
    )  # fmt: skip
    api_version: str = setting(
        "", help="Azure's version of the API: with it the key is sent as Azure wants it.", example='"2024-10-21"'
    )
    models: tuple[str, ...] = setting(
        (),
        help="Models to call each `call_interval`, with an answer of one token: the only way to what is left of a "
        "model's limits by its headers, and to whether it answers. Each call is billed, and counts.",
        example="[gpt-4o-mini]",
    )
    service_account_file: FilePath = setting(
        "",
        help="The key file of a Google service account with the role Monitoring Viewer: Google tells use and limits "
        "only to such a one, not to an API key.",
        example="/etc/runbook-exporter/google.json",
    )
    monitoring_url: SecretURL = setting(
        SecretURL("https://monitoring.googleapis.com"), help="Where Google's Cloud Monitoring is."
    )
    token_url: SecretURL | None = setting(
        None, help="Where Google's service account gets its token; as its file says by default.",
        example="https://oauth2.googleapis.com/token",
    )  # fmt: skip
    engine: Secret | None = setting(
        None, help="The id of the search engine (`cx`): it is tried each `search_interval` by a query, which counts.",
        example='"${SEARCH_ENGINE_ID}"',
    )  # fmt: skip
    daily_limit: int = setting(100, help="How many queries of Custom Search a day may have.")
    answers: tuple[Answer, ...] = setting(
        (), help="What is asked of the provider `json`, and what of its answers means what.",
        example="[{name: look, path: /key}]",
    )  # fmt: skip
    budget: float | None = setting(None, help="US dollars that a month may cost.", example="50")
    prices: Mapping[str, Price] = setting(
        {}, help="Prices by model, or by the beginning of models' names: an estimate of the cost is made of them.",
        example="{gpt-4o: {input: 2.5, cached: 1.25, output: 10}}",
    )  # fmt: skip
    month_zone: str = setting(
        "", help="The time zone in which months begin; the provider's own by default: UTC, and of Google's "
        "America/Los_Angeles.", example="Europe/Berlin",
    )  # fmt: skip
    look_interval: Seconds = setting(120.0, help="How often it is asked whether it answers and takes the key.")
    call_interval: Seconds = setting(3600.0, help="How often `models` are called.")
    usage_interval: Seconds = setting(300.0, help="How often its report of use is read.")
    cost_interval: Seconds = setting(3600.0, help="How often its report of cost is read.")
    limits_interval: Seconds = setting(3600.0, help="How often its limits are read.")
    search_interval: Seconds = setting(86400.0, help="How often the search engine is tried; 0 never.")
    request_timeout: Seconds = setting(10.0, help="How long one answer may take.")
    proxy: SecretURL | None = setting(
        None,
        help="An HTTP proxy to go through: http://HOST:PORT, with a user where it asks for one.",
        example="http://proxy.example.com:3128",
    )
    top: int = setting(20, help="How many models, and what else is billed, have series of their own; the rest add up.")

    @property
    def zone(self) -> ZoneInfo:
        return zone_named(self.month_zone or _ZONES.get(self.provider, "UTC"))

    @property
    def base(self) -> str:
        """The address that all paths are added to."""
        return (self.url.reveal() if self.url is not None else URLS.get(self.provider, "")).rstrip("/")

    def check(self) -> Problems:
        """Find keys that another provider has, that lack, and intervals that would eat what they watch."""
        yield from RequestSettings.check(self)
        yield from check_proxy(self.proxy)
        yield from self._check_address()
        yield from self._check_provider()
        yield from self._check_openai()
        yield from self._check_intervals()
        yield from self._check_figures()
        yield from self._check_money()

    def _check_address(self) -> Problems:
        for name, given in (("monitoring_url", self.monitoring_url), ("token_url", self.token_url)):
            if given is not None:
                yield from check_url(given.reveal(), name)
        if set("?#") & set(self.base):
            yield "url", "goes on after its path, and what is asked for is added to it; expected it without ? and #"

    def _check_provider(self) -> Problems:
        for name, providers in _OF.items():
            if self.provider not in providers and getattr(self, name) != _default(name):
                yield name, f"is nothing that {self.provider} has; expected it left out, or another `provider`"
        if self.provider == "json":
            yield from self._check_json()
        elif self.key is None and self.admin_key is None:
            yield "key", "is missing; expected the key of the application, such as `key_file: PATH`"
        if self.provider == "customsearch" and self.key is None:
            yield "key", "is missing; expected the key of the search"
        if self.service_account_file and not self.project:
            yield "project", "is missing; expected Google's project id, whose figures the service account reads"
        if self.project and self.provider != "openai" and not self.service_account_file:
            yield "service_account_file", "is missing; expected one, as Google tells a project's figures to no API key"

    def _check_openai(self) -> Problems:
        yield from check_keys(self.base, self.key, self.admin_key)
        for name, secret in (("key", self.key), ("admin_key", self.admin_key)):
            if secret is not None and (problem := header_problem("Authorization", secret.reveal())):
                yield name, problem
        if self.models and self.key is None:
            yield "models", "are called with `key`, which is missing; expected it, or no models"
        if self.api_version and self.url is None:
            yield "url", "is missing; expected the endpoint of Azure's resource, such as https://NAME.openai.azure.com"
        if self.api_version and self.admin_key is not None:
            yield "admin_key", "is nothing that Azure has; expected it left out, or no `api_version`"

    def _check_json(self) -> Problems:
        if self.url is None:
            yield "url", "is missing; expected where the API is, such as https://api.example.com/v1"
        if not self.answers:
            yield "answers", "is empty; expected such as [{name: look, path: /key}]"
        yield from check_answers(self.answers)

    def _check_intervals(self) -> Problems:
        for name, least in _LEAST.items():
            given = getattr(self, name)
            if given < least and not (name == "search_interval" and given == 0):
                yield name, f"would use up what it watches; expected {least:g}s or more"
        if not 1 <= self.request_timeout <= 60:
            yield "request_timeout", "is out of range; expected 1s to 1m"

    def _check_figures(self) -> Problems:
        if self.budget is not None and not 0 < self.budget < float("inf"):
            yield "budget", "is none; expected US dollars a month, or the key left out"
        if self.daily_limit < 1:
            yield "daily_limit", "leaves no query; expected 1 or more"
        if not 1 <= self.top <= 1000:
            yield "top", "is out of range; expected 1 to 1000"
        if len(self.models) > 20:
            yield "models", "are too many; expected 20 at most, as each is called"
        if len(set(self.models)) < len(self.models) or "" in self.models:
            yield "models", "has a name twice, or an empty one; expected different names"
        yield from check_zone(self.month_zone or _ZONES.get(self.provider, "UTC"), "month_zone")

    def _check_money(self) -> Problems:
        """Find prices and a budget that nothing could be measured against, so that nobody waits for their alerts."""
        counts = (self.provider == "openai" and self.admin_key is not None) or bool(self.service_account_file)
        counts = counts and self.provider in ("openai", "gemini")
        beside = "expected `admin_key` beside it (openai), or `service_account_file` (gemini)"
        if self.prices and not counts:
            yield "prices", f"have no tokens to be multiplied with; {beside}"
        costs = any(answer.cost is not None for answer in self.answers)
        costs = costs or (counts and (self.provider == "openai" or bool(self.prices)))
        if self.budget is not None and not costs:
            yield "budget", f"has no cost to be held against; {beside}, with `prices`, or an answer's `cost` (json)"


def _default(name: str) -> object:
    return {"project": "", "api_version": "", "models": (), "service_account_file": "", "daily_limit": 100,
            "answers": ()}.get(name)  # fmt: skip
