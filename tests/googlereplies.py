"""What Google answers, as its documentation and seen replies have it, and its token service and Cloud Monitoring."""

import base64
import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from exporter.collectors.api.settings import APISettings, Provider
from exporter.secret import Secret, SecretURL
from tests.apiserver import API, Asked, Said, api

KEY = "AIzaSy-canary-parsnip-velvet-harbour"
ENGINE = "canary-engine-quokka-lantern"
NUMBER = "project_number:314159265358"
"""What Google tells in its errors of the project: nobody else is to read it."""
PROJECT = "shop-prod"
GENERATE = "google.ai.generativelanguage.v1beta.GenerativeService.GenerateContent"
LIST = "google.ai.generativelanguage.v1beta.ModelService.ListModels"
GEMINI = "generativelanguage.googleapis.com"
SEARCH = "customsearch.googleapis.com"
FREE = f"{GEMINI}/quota/generate_content_free_tier_requests"
FREE_TOKENS = f"{GEMINI}/quota/generate_content_free_tier_input_token_count"
PAID_TOKENS = f"{GEMINI}/quota/generate_content_paid_tier_2_input_token_count"
OUTPUT = f"{GEMINI}/generate_content_usage_output_token_count"
KINDS = (*(f"{quota}/{of}" for quota in (FREE, FREE_TOKENS, PAID_TOKENS) for of in ("limit", "usage")), OUTPUT)
REQUESTS = "serviceruntime.googleapis.com/api/request_count"
NET_USAGE = "serviceruntime.googleapis.com/quota/rate/net_usage"
QUOTA_LIMIT = "serviceruntime.googleapis.com/quota/limit"
PER_DAY = "GenerateRequestsPerDayPerProjectPerModel-FreeTier"
PER_MINUTE = "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"
TOKENS_PER_MINUTE = "GenerateContentInputTokensPerModelPerMinute-FreeTier"

MODELS = {
    "models": [
        {"name": "models/gemini-2.5-flash", "version": "001", "supportedGenerationMethods": ["generateContent"]}
    ],
    "nextPageToken": "Ch9tb2RlbHMvZ2VtaW5p",
}
ANSWER = {
    "candidates": [{"content": {"role": "model"}, "finishReason": "MAX_TOKENS", "index": 0}],
    "usageMetadata": {"promptTokenCount": 2, "totalTokenCount": 3},
    "modelVersion": "gemini-2.5-flash",
}
DISCOVERY = {"kind": "discovery#restDescription", "id": "customsearch:v1", "name": "customsearch", "version": "v1"}
FOUND = {"searchInformation": {"totalResults": "25300000000"}}


def failure(code: int, status: str, message: str, *details: dict[str, Any], errors: Any = None) -> Said:
    """Return an error as Google's newer interfaces give it."""
    error: dict[str, Any] = {"code": code, "message": message, "status": status}
    if details:
        error["details"] = list(details)
    if errors:
        error["errors"] = errors
    return Said({"error": error}, code)


def reason(name: str, **metadata: str) -> dict[str, Any]:
    kind = "type.googleapis.com/google.rpc.ErrorInfo"
    return {"@type": kind, "reason": name, "domain": "googleapis.com", "metadata": metadata}


def violated(quota: str, value: str) -> dict[str, Any]:
    found = {"quotaMetric": f"{GEMINI}/generate_content_free_tier_requests", "quotaId": quota, "quotaValue": value,
             "quotaDimensions": {"location": "global", "model": "gemini-2.5-flash"}}  # fmt: skip
    return {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [found]}


def retry(delay: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}


BAD_KEY = failure(
    400, "INVALID_ARGUMENT", f"API key not valid. Please pass a valid API key. ({NUMBER})",
    reason("API_KEY_INVALID", service=GEMINI),
)  # fmt: skip
LEAKED = failure(403, "PERMISSION_DENIED", "Your API key was reported as leaked. Please use another API key.")
DISABLED = failure(
    403, "PERMISSION_DENIED", f"Generative Language API has not been used in {NUMBER} before or it is disabled.",
    reason("SERVICE_DISABLED", consumer=NUMBER),
)  # fmt: skip
DAY = failure(
    429, "RESOURCE_EXHAUSTED", f"You exceeded your current quota of {NUMBER}.", violated(PER_DAY, "20"), retry("38s")
)
MINUTE = failure(
    429, "RESOURCE_EXHAUSTED", "You exceeded your current quota.", violated(PER_MINUTE, "5"), retry("57.2s")
)
SEARCHED_OUT = failure(
    429, "RESOURCE_EXHAUSTED",
    "Quota exceeded for quota metric 'Queries' and limit 'Queries per day' of service 'customsearch.googleapis.com' "
    f"for consumer '{NUMBER}'.",
    reason("RATE_LIMIT_EXCEEDED", quota_limit="DefaultPerDayPerProject", quota_limit_value="250",
           quota_metric=f"{SEARCH}/requests", consumer=NUMBER),
    errors=[{"message": "Quota exceeded", "domain": "global", "reason": "rateLimitExceeded"}],
)  # fmt: skip
EXPIRED = failure(
    401, "UNAUTHENTICATED", "Request had invalid authentication credentials.", reason("ACCESS_TOKEN_EXPIRED")
)
NO_ROLE = failure(403, "PERMISSION_DENIED", f"Permission monitoring.timeSeries.list denied on {NUMBER}.")


def given(served: "Google", provider: Provider, **more: Any) -> APISettings:
    """Return the settings of a target that has all that Google gives."""
    url = served.server.url
    told: dict[str, Any] = {
        "url": SecretURL(f"{url}/v1beta" if provider == "gemini" else url),
        "key": Secret(KEY),
        "project": PROJECT,
        "service_account_file": str(served.file),
        "monitoring_url": SecretURL(url),
        "request_timeout": 2.0,
    }
    return APISettings(provider=provider, **(told | more))


@cache
def private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(key: Any = None) -> str:
    """Return a private key as it stands in a key file."""
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    data: bytes = (key or private_key()).private_bytes(encoding, form, serialization.NoEncryption())
    return data.decode()


class Row(NamedTuple):
    """One series as Cloud Monitoring keeps it: points as the end of a minute and a value."""

    kind: str
    metric: Mapping[str, str]
    resource: Mapping[str, str]
    points: list[tuple[float, int]]


@dataclass
class Google:
    """A service account's token service, and Cloud Monitoring with what it keeps, aligned as is asked."""

    server: API
    file: Path
    rows: list[Row] = field(default_factory=list)
    kinds: list[str] = field(default_factory=lambda: list(KINDS))
    """The metrics that Google knows, whether or not there are figures of them."""
    clock: float = 0.0
    """Seconds that its clock is ahead of this machine's."""
    page: int = 100_000
    """How many points a page has at most, whatever is asked."""
    tokens: list[str] = field(default_factory=list)
    expired: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)
    """What was asked that Google would not have taken."""

    def settings(self) -> str:
        url = self.server.url
        return f"project: {PROJECT}\nservice_account_file: {self.file}\nmonitoring_url: {url}"

    def write(self, **changed: Any) -> None:
        """Write the key file."""
        told = {
            "type": "service_account",
            "project_id": PROJECT,
            "private_key_id": "k1",
            "private_key": pem(),
            "client_email": f"watch@{PROJECT}.iam.gserviceaccount.com",
            "token_uri": f"{self.server.url}/token",
        }
        self.file.write_text(json.dumps({name: value for name, value in (told | changed).items() if value is not None}))

    def used(
        self, kind: str, points: list[tuple[float, int]], *, resource: Mapping[str, str] = {}, **metric: str
    ) -> None:
        """Keep a series."""
        self.rows.append(Row(kind, metric, {"location": "global", **resource}, points))
        self.kinds = sorted({*self.kinds, kind})

    def token(self, asked: Asked) -> Said:
        """Answer a request for a token as RFC 7523 has it, and Google's words."""
        form = parse_qs(asked.body.decode())
        header, claims, signature = form["assertion"][0].split(".")
        if form["grant_type"] != ["urn:ietf:params:oauth:grant-type:jwt-bearer"] or asked.method != "POST":
            return Said({"error": "unsupported_grant_type"}, 400)
        try:
            signed = f"{header}.{claims}".encode()
            private_key().public_key().verify(_decoded(signature), signed, padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return Said({"error": "invalid_grant", "error_description": "Invalid JWT Signature."}, 400)
        said, now = json.loads(_decoded(claims)), time.time() + self.clock
        if not said["iat"] - 300 <= now <= said["exp"] or said["exp"] - said["iat"] > 3600:
            text = "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe."
            return Said({"error": "invalid_grant", "error_description": text}, 400)
        wanted = ("RS256", f"{self.server.url}/token", "https://www.googleapis.com/auth/monitoring.read")
        if (json.loads(_decoded(header))["alg"], said["aud"], said["scope"]) != wanted:
            return Said({"error": "invalid_request"}, 400)
        self.tokens.append(f"ya29.canary-token-marzipan-{len(self.tokens)}")
        return Said({"access_token": self.tokens[-1], "expires_in": 3599, "token_type": "Bearer"})

    def descriptors(self, asked: Asked) -> Said:
        if (refused := self._refused(asked)) is not None:
            return refused
        beginning = re.fullmatch(r'metric\.type = starts_with\("([^"]+)"\)', asked.query["filter"][0])
        kinds = [kind for kind in self.kinds if beginning and kind.startswith(beginning[1])]
        if asked.query.get("activeOnly") == ["true"]:
            kinds = [kind for kind in kinds if self._is_active(kind)]
        return Said({"metricDescriptors": [{"type": kind} for kind in kinds]} if kinds else {})

    def _is_active(self, kind: str) -> bool:
        day_ago = time.time() - 25 * 3600
        return any(at > day_ago for row in self.rows if row.kind == kind for at, _ in row.points)

    def series(self, asked: Asked) -> Said:
        if (refused := self._refused(asked)) is not None:
            return refused
        wanted = dict(re.findall(r'([a-z._]+)="([^"]+)"', asked.query["filter"][0]))
        if wanted["metric.type"] not in self.kinds and not wanted["metric.type"].startswith("serviceruntime"):
            return failure(404, "NOT_FOUND", "Cannot find metric(s) that match type = ...")
        start, end = (_seconds(asked.query[f"interval.{name}Time"][0]) for name in ("start", "end"))
        period = float(asked.query["aggregation.alignmentPeriod"][0].removesuffix("s"))
        if not start < end <= time.time() + 1 or period < 60 or asked.query["view"] != ["FULL"]:
            self.problems.append(asked.line)
        newest = asked.query["aggregation.perSeriesAligner"] == ["ALIGN_NEXT_OLDER"]
        rows = [row for row in self.rows if _matches(row, wanted)]
        found = [_aligned(row, start, end, period, newest) for row in rows]
        return self._paged(_reduced(found, asked.query.get("aggregation.groupByFields", [])), asked)

    def _refused(self, asked: Asked) -> Said | None:
        token = asked.headers.get("authorization", "").removeprefix("Bearer ")
        return EXPIRED if token not in self.tokens or token in self.expired else None

    def _paged(self, rows: list[Row], asked: Asked) -> Said:
        points = [(place, point) for place, row in enumerate(rows) for point in sorted(row.points, reverse=True)]
        start = int(asked.query.get("pageToken", ["0"])[0])
        end = start + min(self.page, int(asked.query["pageSize"][0]))
        page = points[start:end]
        listed = [_said(rows[place], [point for at, point in page if at == place])
                  for place in sorted({place for place, _ in page})]  # fmt: skip
        more = {"nextPageToken": str(end)} if end < len(points) else {}
        return Said(({"timeSeries": listed} if listed else {}) | more | {"unit": "1"})


def _matches(row: Row, wanted: Mapping[str, str]) -> bool:
    service = wanted.get("resource.labels.service")
    return row.kind == wanted["metric.type"] and service in (None, row.resource.get("service"))


def _aligned(row: Row, start: float, end: float, period: float, newest: bool) -> Row:
    found: dict[float, int] = {}
    for at, value in sorted(row.points):
        if start < at <= end:
            close = end - (end - at) // period * period
            found[close] = value if newest else found.get(close, 0) + value
    return row._replace(points=list(found.items()))


def _reduced(rows: list[Row], fields: list[str]) -> list[Row]:
    rows = [row for row in rows if row.points]
    if not fields:
        return rows
    found: dict[tuple[str, ...], Row] = {}
    for row in rows:
        part = {"metric": row.metric, "resource": row.resource}
        named = [(name.split(".")[0], name.split(".")[2]) for name in fields]
        key = tuple(part[of].get(name, "") for of, name in named)
        kept = {of: {name: part[of][name] for o, name in named if o == of and name in part[of]} for of in part}
        old = dict(found[key].points) if key in found else {}
        added = {at: old.get(at, 0) + dict(row.points).get(at, 0) for at in {*old, *dict(row.points)}}
        found[key] = Row(row.kind, kept["metric"], kept["resource"], list(added.items()))
    return list(found.values())


def _said(row: Row, points: list[tuple[float, int]]) -> dict[str, Any]:
    def moment(at: float) -> str:
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    listed = [{"interval": {"startTime": moment(at - 60), "endTime": moment(at)}, "value": {"int64Value": str(value)}}
              for at, value in points]  # fmt: skip
    return {"metric": {"type": row.kind, "labels": dict(row.metric)}, "resource": {"labels": dict(row.resource)},
            "metricKind": "DELTA", "valueType": "INT64", "points": listed}  # fmt: skip


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@contextmanager
def google(folder: Path) -> Iterator[Google]:
    """Serve while the block runs; the key file is in the folder."""
    with api() as server:
        served = Google(server, folder / "account.json")
        served.write()
        server.routes |= {
            "/token": served.token,
            f"/v3/projects/{PROJECT}/metricDescriptors": served.descriptors,
            f"/v3/projects/{PROJECT}/timeSeries": served.series,
            "/v1beta/models": Said(MODELS),
            "/$discovery/rest": Said(DISCOVERY),
            "/customsearch/v1": Said(FOUND),
        }
        yield served
        assert not served.problems


def zone_at_noon() -> str:
    """Return a time zone in which it is about noon: far from a midnight, at which figures of a day begin again."""
    ahead = 12 - datetime.now(UTC).hour  # -11 to 12, as there are zones
    return f"Etc/GMT{-ahead:+d}"
