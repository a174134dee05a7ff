"""What a target of the collector `page` can be told."""

import os
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from exporter.collectors.page.folder import LONGEST
from exporter.models import Problems, TargetSettings
from exporter.program import ProgramSettings
from exporter.setting import Bytes, FilePath, Seconds, SecretURL, setting

TYPES: Final = ("script", "stylesheet", "image", "font", "document", "other")
"""What a page transfers, as the metrics tell it apart."""
TIMES: Final = ("load", "interactive", "first_contentful_paint")
STARTS_WITHIN: Final = 20.0
"""The seconds that a browser has to start, besides what the page may take."""
TIDIES_WITHIN: Final = 6.0
"""The seconds that the end of a browser, and of all that it made, may take."""
_MOST_ELEMENTS: Final = 50
_LEAST_MEMORY: Final = 256 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class PageBudget:
    """What a page may take at most: seconds until it stands, and bytes over the wire, compressed."""

    load: Seconds = setting(3.0, help="Until everything that the page names is loaded.")
    interactive: Seconds = setting(5.0, help="Until it answers to its user without delay.")
    first_contentful_paint: Seconds = setting(2.0, help="Until its first text or image is seen.")
    script: Bytes | None = setting(1_000_000, help="JavaScript, of all files together.")
    stylesheet: Bytes | None = setting(200_000, help="CSS, of all files together.")
    image: Bytes | None = setting(None, help="Images.", example="2MB")
    font: Bytes | None = setting(None, help="Fonts.", example="300kB")
    document: Bytes | None = setting(None, help="HTML, frames among them.", example="100kB")
    other: Bytes | None = setting(None, help="All else: answers to scripts, media.", example="5MB")

    def check(self) -> Problems:
        """Find a budget of nothing, which a ratio cannot be taken of."""
        for name in (*TIMES, *TYPES):
            if getattr(self, name) == 0:
                yield name, "leaves nothing; expected more than 0"


@dataclass(frozen=True, slots=True, kw_only=True)
class PageStructure:
    """Which part of a page is remembered, to tell when it is built otherwise."""

    selector: str = setting("body", help="The part that counts, as a CSS selector.", example='"main.results"')
    depth: int = setting(6, help="How many levels of elements below that count.")
    generated_names: bool = setting(
        False, help="Whether classes and ids count that look made by a program, such as `css-1q2w3e` or `row-17`."
    )

    def check(self) -> Problems:
        """Find a part that is none."""
        if not self.selector.strip():
            yield "selector", "is empty; expected a CSS selector such as body"
        if not 1 <= self.depth <= 30:
            yield "depth", "is out of range; expected 1 to 30"


@dataclass(frozen=True, slots=True, kw_only=True)
class PageSettings:
    """Which page is opened, what must be on it, and what the browser may take."""

    url: SecretURL = setting(help="The address of the page.", example="https://shop.example.com/")
    elements: tuple[str, ...] = setting(
        ("#root",),
        help="Elements, as CSS selectors, that must be there and hold something once the page has loaded: a page "
        "whose scripts fail leaves its root empty. `[]` for a page without.",
        example='["#root", "nav a"]',
    )
    elements_within: Seconds = setting(
        10.0,
        help="How long after the page has loaded these elements, its first paint, answers to its scripts and its quiet "
        "are waited for.",
    )
    page_timeout: Seconds = setting(
        30.0,
        help="How long the page may take in all; one that has not loaded then is cut. The target's `timeout` is for "
        "the whole round: the wait for other pages' browsers, the browser's start and its end as well.",
    )
    quiet: Seconds = setting(
        2.0,
        help="How long no task of a script may have taken more than 50 ms until the page counts as interactive, from "
        "the end of the last one that did.",
    )
    budget: PageBudget = setting(PageBudget, help="What the page may take.", example="{load: 2s, script: 500kB}")
    structure: PageStructure | None = setting(
        None,
        help="Remember how the page is built, and tell when that last changed: for sites of others that are read by a "
        "program. `{}` takes all of it.",
        example='{selector: "main"}',
    )
    insecure_skip_verify: bool = setting(
        False, help="Whether any certificate of the server is taken; who can answer in its place then can lie."
    )
    user_agent: str = setting("", help="What the browser calls itself; without, HeadlessChrome.", example="Shop/1.0")
    browser: str = setting(
        "",
        help="The browser: Chromium, or one that is built of it; without, the first that is found on the PATH.",
        example="/usr/bin/chromium",
    )
    sandbox: bool = setting(
        True,
        help="Whether the browser keeps pages in its sandbox. Switch it off only where the system allows none, as in "
        "many containers, and all that the page loads can be trusted.",
    )
    user: str = setting(
        "nobody",
        help="The user that the browser runs as, where the exporter is root: root's has no sandbox. Else it runs as "
        "the exporter's.",
    )
    scratch: FilePath = setting(
        "",
        help="The folder where the browser keeps its files for as long as it runs; without, the system's for "
        "temporary files.",
        example="/var/tmp",  # noqa: S108  # safe: each browser has a folder of its own in it
    )
    max_memory: Bytes = setting(1 << 30, help="How much memory of its own the browser may take; it is killed beyond.")
    max_disk: Bytes = setting(256 << 20, help="How much the browser may keep in files; it is killed beyond.")
    max_transferred: Bytes = setting(100_000_000, help="How much the page may load, decompressed; it is cut beyond.")

    def check(self) -> Problems:
        """Find an address that is none, a user that is not there, and bounds that no page can keep."""
        if (problem := _problem_of(self.url.reveal())) is not None:
            yield "url", problem
        yield from self._check_elements()
        yield from _check_bounds(self)
        if any(not name.isprintable() for name in (self.browser, self.user_agent)):
            yield "browser", "holds what cannot be printed; expected a path or a name such as chromium"
        yield from ((key, problem) for key, problem in self.program().check() if key == "user")

    def check_in(self, target: TargetSettings) -> Problems:
        """Find a round that is too short for the page."""
        needed = STARTS_WITHIN + self.page_timeout + TIDIES_WITHIN
        if target.timeout < needed:
            yield (
                "timeout",
                (
                    f"is {target.timeout:g}s; a browser's start, a page that takes {self.page_timeout:g}s and the end "
                    f"need {needed:g}s; raise it, or lower page_timeout"
                ),
            )

    def program(self) -> ProgramSettings:
        """Return the browser as a program, for what is known of users."""
        # as another's, everybody can do no more than before
        return ProgramSettings(command=("chromium",), user=self.user if os.geteuid() == 0 else "")

    def _check_elements(self) -> Problems:
        if len(self.elements) > _MOST_ELEMENTS:
            yield "elements", f"are too many to look for; expected {_MOST_ELEMENTS} at most"
        if len(set(self.elements)) < len(self.elements):
            yield "elements", "names one twice; expected each once"
        if any(not one.strip() or not one.isprintable() for one in self.elements):
            yield "elements", 'holds what is no selector; expected such as ["#root"]'


def _problem_of(url: str) -> str | None:
    expected = "expected http://HOST:PORT/PATH or https://HOST/PATH"
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        known = False
    return None if known and url.isprintable() and " " not in url else f"is no address; {expected}"


def _check_bounds(settings: PageSettings) -> Problems:
    if not 1 <= settings.page_timeout <= 600:
        yield "page_timeout", "is out of range; expected 1s to 10m"
    if not 0 < settings.quiet <= 30:
        yield "quiet", "is out of range; expected more than 0, up to 30s"
    elif settings.quiet > settings.elements_within:
        yield "quiet", "is longer than elements_within, after which nothing is waited for; expected less"
    if len(settings.scratch.encode()) > LONGEST:
        yield "scratch", f"is too long for the browser's sockets; expected {LONGEST} bytes at most, such as /var/tmp"
    if settings.max_memory < _LEAST_MEMORY:
        yield "max_memory", "is less than any browser takes; expected 256MiB or more"
    if settings.max_disk < 32 << 20:
        yield "max_disk", "is less than any browser takes; expected 32MiB or more"
    if settings.max_transferred < 1:
        yield "max_transferred", "lets nothing through; expected 1 or more"
