"""A value that must not be seen, and the one place that keeps it out of everything printed."""

import re
from base64 import b64encode
from json import dumps
from threading import Lock
from typing import Final, NoReturn
from urllib.parse import quote, quote_plus, unquote, unquote_plus

MASK: Final = "<secret>"
MOST: Final = 256  # secrets, the newest of them: others come with each reload, and every line is searched for all
SHORTEST: Final = 4  # masking shorter texts would garble output and still tell nothing
_SHORTEST_LINE = 16  # of a secret of several lines, such as a key file

_PASSWORD_IN_URL = re.compile(r"(://[^\s/:@]*:)(?!\$\{\w+\}@)[^\s/@]+@")  # a reference to a variable tells nothing
# `password=...` in libpq's keyword form, and the parameters of a query that carry a secret
_PARAMETER = re.compile(
    r"(?i)(?<![a-z])(?:ssl)?(?:password|passwd|pwd|passphrase|token|access_token|secret|api_?key|sig|signature)\s*=\s*"
    r"('(?:[^'\\]|\\.)*'|[^\s&;#]+)"
)
_ADDRESS = re.compile(r"[A-Za-z0-9+.-]+://|/|\w+\s*=|[A-Za-z0-9.-]+:[0-9]{1,5}$")
# There a user without a password is mostly a token, or a password without its colon; in other addresses a mere name.
_TOKEN = re.compile(r"(?i)(?:[a-z0-9.-]+\+)?(?:https?|wss?|rediss?)://([^\s/?#:]+):?@")
_ESCAPE = re.compile("%[0-9A-F]{2}")
_KEPT_BY_REQUESTS = "!#$&'()*+,/:;=?@[]~"  # what it leaves unquoted in an address, besides `%` in most

_lock = Lock()
_known: dict[str, frozenset[str]] = {}  # the forms of each secret; the one hidden last stands last
_masked: tuple[str, ...] = ()  # longer ones first; replaced as a whole, so that redact() needs no lock


class Secret:
    """A password, key or token. Its text leaves only through reveal(); printing it shows a mask."""

    __slots__ = ("_text", "origin")

    def __init__(self, text: str, origin: str = "") -> None:
        self._text = text
        self.origin = origin
        self._hide()

    def _hide(self) -> None:
        hide(self._text)

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"{MASK} {self.origin}".rstrip()

    def __str__(self) -> str:
        return repr(self)

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __copy__(self) -> "Secret":
        return self

    def __deepcopy__(self, memo: object) -> "Secret":  # so that dataclasses.asdict() keeps it a Secret
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not to be pickled")

    def __getstate__(self) -> NoReturn:
        raise TypeError("a secret is not to be pickled")


class SecretURL(Secret):
    """An address, or a database's connection string, that may hold a password; printing it masks only that."""

    __slots__ = ()

    def _hide(self) -> None:
        for start, end in secret_parts(self._text):
            hide(self._text[start:end].strip("'"))

    def __repr__(self) -> str:
        text = self._text
        for start, end in reversed(secret_parts(text)):
            text = text[:start] + MASK + text[end:]
        return redact(text)


def secret_parts(url: str) -> list[tuple[int, int]]:
    """Return where the secrets stand in an address, in order and apart from each other."""
    if not _ADDRESS.match(url):  # perhaps the password alone, put into the wrong place
        return [(0, len(url))] if url else []
    parts = [match.span(1) for match in _PARAMETER.finditer(url)]
    token = _TOKEN.match(url)
    held = token.span(1) if token else _password(url)
    if held is None:
        return parts
    return sorted([held, *(part for part in parts if part[0] >= held[1] or part[1] <= held[0])])


def _password(url: str) -> tuple[int, int] | None:
    _, scheme, rest = url.partition("://")
    # Rather too much than too little: a password that should have been percent-encoded may hold / ? # and @.
    before_query = rest.partition("?")[0]
    end = (before_query if "@" in before_query else rest).rfind("@")
    start = rest.find(":", 0, max(end, 0)) + 1
    if not scheme or not start or start >= end:
        return None
    offset = len(url) - len(rest)
    return offset + start, offset + end


def hide(text: str) -> None:
    """Have redact() mask this text from now on, also in the forms in which libraries print it."""
    forms: set[str] = set()
    for plain in {text, text.strip(), unquote(text), unquote_plus(text), *_long_lines(text)}:
        forms |= _forms(plain)
    long = frozenset(form for form in forms if len(form) >= SHORTEST and form != MASK)
    global _masked
    with _lock:
        renewed = _known.pop(text, None)
        _known[text] = long
        if renewed is None:
            for oldest in list(_known)[:-MOST]:
                del _known[oldest]
            _masked = _all_forms()


def forget(text: str) -> None:
    """Have redact() mask this text no longer: one that is no secret any more, as a token whose time is over."""
    global _masked
    with _lock:
        if _known.pop(text, None) is not None:
            _masked = _all_forms()


def _all_forms() -> tuple[str, ...]:
    return tuple(sorted(frozenset().union(*_known.values()), key=len, reverse=True))


def _long_lines(text: str) -> list[str]:
    lines = text.splitlines()
    return [line for line in lines if len(line) >= _SHORTEST_LINE and "-----" not in line] if len(lines) > 1 else []


def _forms(text: str) -> set[str]:
    data = text.encode("utf-8", "surrogateescape")
    by_requests = {quote(data, safe=_KEPT_BY_REQUESTS), quote(data, safe=_KEPT_BY_REQUESTS + "%")}
    quoted = {quote(data), quote(data, safe=""), quote_plus(data), *by_requests}
    lower = {_ESCAPE.sub(lambda match: match[0].lower(), form) for form in quoted}
    escaped = {
        dumps(text)[1:-1],
        dumps(text, ensure_ascii=False)[1:-1],
        repr(text)[1:-1],
        ascii(text)[1:-1],
        repr(data)[2:-1],
    }
    return {text, *quoted, *lower, *escaped, *_base64_forms(data)}


def _base64_forms(data: bytes) -> set[str]:
    """Return what base64 makes of the bytes wherever they stand in a longer text, as in "user:password"."""
    forms = set()
    for before in range(3):
        known = b64encode(b"\0" * before + data).decode().rstrip("=")
        # characters at the ends that also depend on the neighbours are left out
        first, rest = (0, 2, 3)[before], (before + len(data)) % 3
        form = known[first : -1 if rest else None]
        forms |= {form, form.replace("+", "-").replace("/", "_")}
    return forms


def redact(text: str) -> str:
    """Return the text with every known secret masked, and any password in an address."""
    if "://" in text and "@" in text:
        text = _PASSWORD_IN_URL.sub(rf"\g<1>{MASK}@", text)
    found = [secret for secret in _masked if secret in text]
    if not found:
        return text
    # one pass, in which a mask that stands there already is taken as it is
    return re.sub("|".join(map(re.escape, [MASK, *found])), MASK, text)
