"""The quotas of Gemini as Cloud Monitoring has them: what was used of each, and the tokens that are told by them."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from exporter.collectors.api.found import Count
from exporter.collectors.api.googleuse import by_hour, grouped, since
from exporter.collectors.api.monitoring import Series

SERVICE: Final = "generativelanguage.googleapis.com"
QUOTA: Final = f"{SERVICE}/quota/"
_WINDOWS: Final = {"persecond": "second", "perminute": "minute", "perhour": "hour", "perday": "day"}
_PLAIN: Final = ("generate_content_", "generate_requests_", "embed_content_")
_KINDS: Final = {
    "input_token_count": "input_tokens", "output_token_count": "output_tokens", "_requests": "requests",
    "requests_per_model": "requests",
}  # fmt: skip


class Place(NamedTuple):
    """What one limit is of."""

    model: str
    limit_name: str
    location: str

    @classmethod
    def of(cls, labels: Mapping[str, str]) -> "Place":
        return cls(labels.get("model", ""), labels.get("limit_name", ""), labels.get("location", ""))

    @property
    def window(self) -> str:
        """The time that it is of, "" where its name does not say."""
        name = self.limit_name.lower()
        return next((window for part, window in _WINDOWS.items() if part in name), "")


class Use(NamedTuple):
    """What was used that counts to one limit, in the last day."""

    hours: Mapping[int, float]
    today: float
    last: float
    """When it was used last, 0 where it was not."""

    @classmethod
    def of(cls, series: Iterable[Series], began: float) -> "Use":
        ones = list(series)
        return cls(by_hour(ones), since(ones, began), _last_use(ones))


UNUSED: Final = Use({}, 0.0, 0.0)


class Used(NamedTuple):
    """What was used of one quota in the last day, and its limits."""

    name: str
    use: Mapping[Place, Use]
    limits: Mapping[Place, float]
    newest: float | None

    @property
    def models(self) -> set[str]:
        """The models that were used."""
        return {place.model for place, use in self.use.items() if use.last}


def names(kinds: Iterable[str]) -> list[str]:
    """Return the names of the quotas whose use is told; what Google calls internal is not the project's."""
    told = [kind for kind in kinds if kind.startswith(QUOTA) and kind.endswith("/usage")]
    found = [kind.removeprefix(QUOTA).removesuffix("/usage") for kind in told]
    return [name for name in found if "_internal" not in name]


def _last_use(series: Iterable[Series]) -> float:
    return max((point.end for one in series for point in one.points if point.value > 0), default=0.0)


def kind_of(name: str) -> str:
    """Return what a quota counts, by its name, such as generate_content_free_tier_requests; of others that name."""
    return next((kind for end, kind in _KINDS.items() if name.startswith(_PLAIN) and name.endswith(end)), name)


def tokens_by_hour(used: Iterable[Used], output: list[Series]) -> Iterator[Count]:
    """Yield the tokens of each model and type by hour."""
    found: dict[tuple[str, str, int], float] = {}
    for one in used:
        if kind_of(one.name) == "input_tokens":
            for model, hours in _once(one.use).items():
                for hour, value in hours.items():
                    found[model, "input", hour] = found.get((model, "input", hour), 0.0) + value
    for model, series in grouped(output, lambda labels: labels.get("model", "")).items():
        found |= {(model, "output", hour): value for hour, value in by_hour(series).items()}
    yield from (Count("tokens", (model, kind), hour, value) for (model, kind, hour), value in found.items())


def _once(use: Mapping[Place, Use]) -> dict[str, dict[int, float]]:
    """Return the use of each model by hour, which is told of each of its limits again."""
    limited: dict[tuple[str, str], dict[int, float]] = {}
    for place, one in use.items():
        hours = limited.setdefault((place.model, place.limit_name), {})
        for hour, value in one.hours.items():
            hours[hour] = hours.get(hour, 0.0) + value
    found: dict[str, dict[int, float]] = {}
    for (model, _), hours in limited.items():
        most = found.setdefault(model, {})
        for hour, value in hours.items():
            most[hour] = max(most.get(hour, 0.0), value)
    return found


def add_month(tokens: dict[tuple[str, str], float], kind: str, series: list[Series]) -> None:
    """Add what each model has used in all of the time that was read."""
    limited = grouped(series, lambda labels: (labels.get("model", ""), labels.get("limit_name", "")))
    models: dict[str, float] = {}
    for (model, _), ones in limited.items():
        models[model] = max(models.get(model, 0.0), since(ones, 0.0))
    for model, value in models.items():
        tokens[model, kind] = tokens.get((model, kind), 0.0) + value
