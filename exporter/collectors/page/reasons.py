"""What browsers say, in words for people: why a page did not load, why a browser ended."""

import re
import signal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from exporter.collectors.page.browser import Browser

_NO_SANDBOX: Final = re.compile("No usable sandbox|Running as root without --no-sandbox|SUID sandbox helper")
_ERRORS: Final = {
    "ERR_NAME_NOT_RESOLVED": ("its host's name is not known", "correct `url`, or see the name service"),
    "ERR_CONNECTION_REFUSED": ("nobody listens at its address", "start the server, or correct `url`"),
    "ERR_CONNECTION_TIMED_OUT": ("its host does not answer", "see whether the host, and the way to it, are up"),
    "ERR_ADDRESS_UNREACHABLE": ("its host cannot be reached", "see whether the host, and the way to it, are up"),
    "ERR_INTERNET_DISCONNECTED": ("this machine has no network", "see the machine's network"),
    "ERR_EMPTY_RESPONSE": ("the server hung up without an answer", "see the server's log"),
    "ERR_CONNECTION_RESET": ("the server broke the connection off", "see the server's log"),
    "ERR_TOO_MANY_REDIRECTS": ("it is redirected without end", "see the redirects with curl -IL"),
    "ERR_CERT_DATE_INVALID": ("its certificate has ended, or is not valid yet", "renew it"),
    "ERR_CERT_AUTHORITY_INVALID": ("its certificate is of no authority that the browser trusts",
                                   "let a known authority sign it, or set insecure_skip_verify"),
    "ERR_CERT_COMMON_NAME_INVALID": ("its certificate is for another name", "have it made for this one"),
    "ERR_UNSAFE_PORT": ("its port is one that browsers refuse", "serve it at another port"),
    "ERR_INVALID_AUTH_CREDENTIALS": ("it asks for a user", "give one in `url`"),
    "ERR_BLOCKED_BY_RESPONSE": ("its headers forbid that it is shown", "see its headers with curl -I"),
}  # fmt: skip


def failed_to_load(error: str) -> tuple[str, str]:
    """Return the reason and the remedy where the browser could not go to the page."""
    if error == "download" or error == "net::ERR_ABORTED":
        return "a file to be saved was sent instead of a page", "see the headers of the answer with curl -I"
    name = error.removeprefix("net::")
    known = _ERRORS.get(name)
    if known is None:
        return f"the page could not be loaded ({name})", "see it in a browser; the name is Chromium's"
    return f"the page could not be loaded: {known[0]} ({name})", known[1]


def ended(browser: "Browser") -> tuple[str, str]:
    """Return the reason and the remedy where the browser ended by itself."""
    code = browser.ended_with()
    if _NO_SANDBOX.search(browser.words()):
        return "the browser finds no sandbox here, and does not start without", (
            "allow user namespaces (sysctl user.max_user_namespaces, the container's seccomp profile), or install "
            "Debian's package chromium-sandbox; set `sandbox: false` only where all that the page loads can be trusted"
        )
    if code is None:
        return "the browser hung up and goes on", "try another version of it"
    if code == -signal.SIGKILL:
        return "the browser was killed", "see the kernel's log: where memory ran out, give it less, or the machine more"
    if code < 0:
        return f"the browser crashed (signal {-code})", "try another version of it"
    return f"the browser ended with exit code {code}", "start it by hand, as the same user, to see what it says"
