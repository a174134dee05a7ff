"""What was carried from one answer to another, kept out of what is said of the probe."""

import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

from exporter.secret import MASK, SHORTEST


def masked(text: str, values: Iterable[str]) -> str:
    """Return the text with each value masked, however it is written there; short ones are left, and tell nothing."""
    held = text.lower()
    forms = {form for value in values for form in _forms(value) if len(form) >= SHORTEST and form.lower() in held}
    if not forms:
        return text
    # one pass, in which a mask that stands there already is taken as it is
    known = map(re.escape, [MASK, *sorted(forms, key=len, reverse=True)])
    return re.sub("|".join(known), MASK, text, flags=re.IGNORECASE)


def _forms(value: str) -> Iterator[str]:
    yield from (value, quote(value), quote(value, safe=""), quote_plus(value), json.dumps(value)[1:-1])
