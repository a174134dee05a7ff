"""Which of two releases of npm is the newer one (semver.org, 11)."""

import re
from typing import Final

_FORM: Final = re.compile(r"v?(\d+)\.(\d+)\.(\d+)(?:-([0-9A-Za-z.-]+))?(?:\+.*)?")
Key = tuple[int, int, int, bool, tuple[tuple[bool, int, str], ...]]


def is_newer(one: str, other: str) -> bool:
    """Tell whether the first release is newer than the second; what is no release is not."""
    first, second = _key(one), _key(other)
    return first is not None and second is not None and first > second


def _key(text: str) -> Key | None:
    match = _FORM.fullmatch(text)
    if match is None:
        return None
    major, minor, patch, before = match.groups()
    # a release is newer than what came before it; among the words of that, numbers come before letters
    words = tuple(
        (not word.isdecimal(), int(word) if word.isdecimal() else 0, word) for word in (before or "").split(".")
    )
    return int(major), int(minor), int(patch), before is None, words if before else ()
