"""Rule files as custom resources of the Prometheus operator: a PrometheusRule for each area."""

import json
import re
from collections.abc import Mapping
from typing import Final

from exporter.ruletext import quoted
from exporter.rulevalues import Values

OWN_LABELS: Final = {"app.kubernetes.io/name": "runbook-exporter", "app.kubernetes.io/component": "rules"}
_NAMESPACE: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_VALUE: Final = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")
_PREFIX: Final = re.compile(r"(?=.{1,253}/)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*/")


def check(values: Values) -> None:
    """Note what Kubernetes would refuse as a namespace or a label."""
    for key, change in values.operator.items():
        name = key.removeprefix("labels.")
        if key == "namespace" and not _NAMESPACE.fullmatch(change.text):
            expected = "expected at most 63 small letters, digits and `-`"
            values.problem(change.place, f"{change.text!r} is no namespace; {expected}")
        elif key != "namespace" and not (_is_key(name) and _VALUE.fullmatch(change.text)):
            expected = "expected at most 63 letters, digits, `-`, `_` and `.` each, as release: prometheus"
            values.problem(change.place, f"{name}: {change.text!r} is no label of Kubernetes; {expected}")


def _is_key(name: str) -> bool:
    prefix = _PREFIX.match(name)
    rest = name[prefix.end() :] if prefix else name
    return bool(rest) and _VALUE.fullmatch(rest) is not None


def resource(area: str, text: str, settings: Mapping[str, str]) -> str:
    """Return the resource that holds a rule file; the file stands in it line by line, further in."""
    labels = OWN_LABELS | {
        key.removeprefix("labels."): value for key, value in settings.items() if key.startswith("labels.")
    }
    head = [
        "apiVersion: monitoring.coreos.com/v1",
        "kind: PrometheusRule",
        "metadata:",
        f"  name: runbook-exporter-{area.replace('_', '-')}",
        *([f"  namespace: {json.dumps(settings['namespace'])}"] if "namespace" in settings else []),
        "  labels:",
        *(f"    {name}: {json.dumps(value)}" for name, value in labels.items()),
        "spec:",
    ]
    lines = [f"  {line}" if line else "" for line in quoted(text).splitlines()]
    return "\n".join([*head, *lines]) + "\n"
