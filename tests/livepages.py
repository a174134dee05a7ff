"""Pages that are well, broken, over budget and built anew at each visit; for the tests of dashboards."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.pageserver import serving

_OFTEN = "page_timeout: 10s, interval: 40s, timeout: 40s, quiet: 200ms, elements_within: 1s"


@contextmanager
def pages_at_work() -> Iterator[str]:
    """Serve them; yield the lines of YAML of their targets."""
    with serving() as site:
        common = f"collector: page, scratch: {site.scratch}, {_OFTEN}"
        yield f"""
  front: {{{common}, url: {site.address}/good, budget: {{load: 1ms, script: 100B, image: 1MB}}}}
  front-broken: {{{common}, url: {site.address}/errors, elements: ["#root", main.missing]}}
  races: {{{common}, url: {site.address}/turns, elements: [], structure: {{selector: body}}}}
"""
