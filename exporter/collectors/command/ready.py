"""Prerequisites that are known by name: the commands that print their version, the first that is there."""

from typing import Final

READY: Final = {
    "chrome": tuple(
        (name, "--version") for name in ("google-chrome", "google-chrome-stable", "chromium", "chromium-browser")
    ),
    "chromedriver": (("chromedriver", "--version"), ("chromium.chromedriver", "--version")),
    "ffmpeg": (("ffmpeg", "-version"),),
    "node": (("node", "--version"), ("nodejs", "--version")),
    "python": (("python3", "--version"), ("python", "--version")),
}
WEBDRIVER: Final = "webdriver"
