"""Severities by CVSS vectors; those of version 4, which is a table, by a library that has it."""

import importlib.util
import math
from collections.abc import Mapping
from typing import Final

# first.org/cvss/v3.1/specification-document, 7.4
_V3: Final[Mapping[str, Mapping[str, float]]] = {
    "AV": {"N": 0.85, "A": 0.62, "L": 0.55, "P": 0.2},
    "AC": {"L": 0.77, "H": 0.44},
    "PR": {"N": 0.85, "L": 0.62, "H": 0.27},
    "UI": {"N": 0.85, "R": 0.62},
    "C": {"H": 0.56, "L": 0.22, "N": 0.0},
    "I": {"H": 0.56, "L": 0.22, "N": 0.0},
    "A": {"H": 0.56, "L": 0.22, "N": 0.0},
}
_CHANGED: Final = {"N": 0.85, "L": 0.68, "H": 0.5}  # PR where the scope changes
# first.org/cvss/v2/guide, 3.2.1
_V2: Final[Mapping[str, Mapping[str, float]]] = {
    "AV": {"L": 0.395, "A": 0.646, "N": 1.0},
    "AC": {"H": 0.35, "M": 0.61, "L": 0.71},
    "Au": {"M": 0.45, "S": 0.56, "N": 0.704},
    "C": {"N": 0.0, "P": 0.275, "C": 0.66},
    "I": {"N": 0.0, "P": 0.275, "C": 0.66},
    "A": {"N": 0.0, "P": 0.275, "C": 0.66},
}


def versions() -> str:
    """Return what tells apart what is understood here and now: more where the library for version 4 is installed."""
    return "4" if importlib.util.find_spec("cvss") else ""


def rated(vector: str) -> str:
    """Return the severity that a vector means; nothing where it is none that is understood."""
    text = vector.strip().strip("()")
    try:
        if text.startswith("CVSS:4.0/"):
            return _fourth(text)
        parts = dict(part.split(":", 1) for part in text.split("/"))
        if text.startswith(("CVSS:3.0/", "CVSS:3.1/")):
            return _band(_third(parts), critical=9.0)
        return _band(_second(parts), critical=math.inf)
    except (KeyError, ValueError):
        return ""


def _band(score: float, critical: float) -> str:
    if score >= critical:
        return "critical"
    return "high" if score >= 7.0 else "medium" if score >= 4.0 else "low"


def _fourth(vector: str) -> str:
    """Return the severity of version 4, nothing without the library."""
    try:
        from cvss import CVSS4  # type: ignore[import-untyped]
        from cvss.exceptions import CVSSError  # type: ignore[import-untyped]
    except ImportError:
        return ""
    try:
        return _band(float(CVSS4(vector).base_score), critical=9.0)
    except CVSSError:
        return ""


def _third(parts: Mapping[str, str]) -> float:
    """Return the base score of version 3."""
    value = {name: values[parts[name]] for name, values in _V3.items()}
    changed = {"C": True, "U": False}[parts["S"]]
    if changed:
        value["PR"] = _CHANGED[parts["PR"]]
    lost = 1 - (1 - value["C"]) * (1 - value["I"]) * (1 - value["A"])
    impact = 7.52 * (lost - 0.029) - 3.25 * (lost - 0.02) ** 15 if changed else 6.42 * lost
    if impact <= 0:
        return 0.0
    ease = 8.22 * value["AV"] * value["AC"] * value["PR"] * value["UI"]
    return _rounded_up(min((1.08 if changed else 1.0) * (impact + ease), 10.0))


def _rounded_up(score: float) -> float:
    # as the specification has it, so that the inexactness of floats raises nothing
    whole = round(score * 100_000)
    return whole / 100_000 if whole % 10_000 == 0 else (whole // 10_000 + 1) / 10


def _second(parts: Mapping[str, str]) -> float:
    """Return the base score of version 2."""
    value = {name: values[parts[name]] for name, values in _V2.items()}
    impact = 10.41 * (1 - (1 - value["C"]) * (1 - value["I"]) * (1 - value["A"]))
    if impact == 0:
        return 0.0
    ease = 20 * value["AV"] * value["AC"] * value["Au"]
    return round((0.6 * impact + 0.4 * ease - 1.5) * 1.176, 1)
