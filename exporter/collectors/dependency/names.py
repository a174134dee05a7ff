"""Which names are meant by patterns."""

from collections.abc import Iterable
from fnmatch import fnmatchcase


def among(name: str, patterns: Iterable[str]) -> bool:
    """Tell whether a name fits one of the patterns, however it is written."""
    return any(fnmatchcase(name.lower(), pattern.lower()) for pattern in patterns)
