"""Keys that stand where another belongs, or would go where anybody on the way could read them."""

import re
from typing import Final
from urllib.parse import urlsplit

from exporter.models import Problems
from exporter.secret import Secret

_HOSTS: Final = (".openai.com", ".azure.com", ".googleapis.com", ".anthropic.com", ".openrouter.ai", ".github.com")
"""Hosts that answer by https alone."""
_OPENAI: Final = ".openai.com"
_ADMIN: Final = "sk-admin-"
_NO_ADMIN: Final = ("sk-proj-", "sk-svcacct-")
_SECRET: Final = re.compile(
    r"(?!(?:sort|order|group|partition|primary|next|page|next[_.-]?page|continuation|cursor|sync)[_.-]?(?:key|token))"
    r".*(?:key|token|secret|password|passwd|pwd|signature|credentials?|jwt|\bsig|\bapp[_-]?id|\bauth|"
    r"[_-]auth|authorization)",
    re.IGNORECASE,
)


def check_keys(base: str, key: Secret | None, admin_key: Secret | None) -> Problems:
    """Find an address that would show keys to all on the way, and keys of OpenAI that are each other's."""
    url = urlsplit(base)
    host = f".{url.hostname or ''}"
    if url.scheme == "http" and host.endswith(_HOSTS):
        yield "url", "would send the key for all on the way to read; expected https://"
    if host.endswith(_OPENAI):
        if key is not None and key.reveal().startswith(_ADMIN):
            yield "key", "is an admin key, which can call no model; expected it as `admin_key`"
        if admin_key is not None and admin_key.reveal().startswith(_NO_ADMIN):
            yield "admin_key", "is the key of a project, which reads no reports; expected one of Settings, Admin keys"


def is_secret(name: str) -> bool:
    """Tell whether a parameter of this name is usual for a secret; one that goes on to the next page is none."""
    return _SECRET.fullmatch(name) is not None
