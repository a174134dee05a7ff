"""APIs of others for dashboards and alerts, on this machine: OpenAI, Gemini and Custom Search, with all they tell."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import googlereplies, openaireplies
from tests.googlereplies import Google


@contextmanager
def apis(folder: Path) -> Iterator[str]:
    """Run the servers, and yield lines of targets that look at them."""
    with openaireplies.openai() as openai, googlereplies.google(folder) as google:
        _use(google)
        google.server.routes["/customsearch/v1"] = googlereplies.SEARCHED_OUT  # until midnight it is left alone
        yield f"""
  openai:
    {{collector: api, provider: openai, url: {openai.url}{openaireplies.BASE}, key: {openaireplies.KEY}, max_age: 500ms,
     admin_key: {openaireplies.ADMIN}, project: {openaireplies.PROJECT}, models: [gpt-4o-mini], budget: 50,
     prices: {{gpt-4o-mini-2024-07-18: {{input: 2.5, cached: 1.25, output: 10}}}}}}
  gemini:
    {{collector: api, provider: gemini, url: {google.server.url}/v1beta, key: {googlereplies.KEY}, max_age: 500ms,
     project: {googlereplies.PROJECT}, service_account_file: {google.file}, monitoring_url: {google.server.url}}}
  search:
    {{collector: api, provider: customsearch, url: {google.server.url}, key: {googlereplies.KEY}, max_age: 500ms,
     engine: {googlereplies.ENGINE}, critical: false}}
"""


def _use(google: Google) -> None:
    """Have used a little of a day."""
    then = time.time() // 300 * 300 - 600
    for kind, value in (("usage", 10), ("limit", 250)):
        google.used(
            f"{googlereplies.FREE}/{kind}", [(then, value)], model="gemini-2.5-flash", limit_name=googlereplies.PER_DAY
        )
    resource = {"service": googlereplies.GEMINI, "method": googlereplies.GENERATE, "credential_id": "apikey:1"}
    google.used(googlereplies.REQUESTS, [(then, 10)], resource=resource, response_code="200")
