"""What the configuration of a page refuses."""

import pytest

from exporter import config
from exporter.config import ConfigError

URL = "url: http://shop.example/"


def read(settings: str) -> config.Config:
    """Read the configuration of one page with these lines."""
    lines = "".join(f"    {line}\n" for line in settings.splitlines())
    text = f"targets:\n  it:\n    collector: page\n{lines}"
    return config.read(text.encode(), "config.yml", config.INSTALLED, {})


@pytest.mark.parametrize(
    ("settings", "place"),
    [
        ("url: ftp://shop.example/", "url"), ("url: shop.example", "url"), ("url: 'http://sh op/'", "url"),
        (URL + "\nelements: ['']", "elements"), (URL + '\nelements: ["#a", "#a"]', "elements"),
        (URL + f"\nelements: {[f'#a{number}' for number in range(51)]}", "elements"),
        (URL + "\npage_timeout: 0s", "page_timeout"), (URL + "\npage_timeout: 11m", "page_timeout"),
        (URL + "\nquiet: 0s", "quiet"), (URL + "\nquiet: 20s\nelements_within: 10s", "quiet"),
        (URL + "\nbudget: {load: 0s}", "budget.load"), (URL + "\nbudget: {script: 0}", "budget.script"),
        (URL + "\nstructure: {selector: ' '}", "structure.selector"),
        (URL + "\nstructure: {depth: 0}", "structure.depth"),
        (URL + "\nmax_memory: 10MiB", "max_memory"), (URL + "\nmax_disk: 1MiB", "max_disk"),
        (URL + "\nmax_transferred: 0", "max_transferred"), (URL + f"\nscratch: /{'x' * 60}", "scratch"),
        (URL + '\nbrowser: "a\\tb"', "browser"),
    ],
)  # fmt: skip
def test_what_no_page_can_be_opened_by_is_refused(settings: str, place: str) -> None:
    with pytest.raises(ConfigError, match="expected") as refused:
        read(settings)
    assert f"targets.it.{place}" in str(refused.value)


def test_by_default_a_round_has_the_time_that_a_page_needs() -> None:
    bound = read(URL)
    assert not [said for said in bound.warnings if "timeout" in said]
    assert bound.targets[0].interval == 300


def test_a_round_that_is_too_short_for_its_page_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"targets.it.timeout: is 10s; .* need 56s; raise it, or lower page_timeout"):
        read(URL + "\ntimeout: 10s")
    assert read(URL + "\ntimeout: 40s\npage_timeout: 10s").targets[0].timeout == 40


def test_an_address_is_shown_without_its_secrets() -> None:
    shown = repr(read("url: https://user:plentiful-orchid@www.example/?token=tardy-walrus").targets[0])
    assert "plentiful-orchid" not in shown
    assert "tardy-walrus" not in shown
    assert "www.example" in shown
