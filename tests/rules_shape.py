"""What is wrong with the shape of a rule: names, figures, labels, annotations, waiting."""

import re
from collections.abc import Iterator
from typing import Any, Final

import promql_parser as promql

from exporter import pack
from exporter.rulescale import to_seconds
from tests.rules import SCRAPED, Rule
from tests.rules_promql import Check, Context, calls, labels_of, selectors, walk

SEVERITY: Final = {"P0": "critical", "P1": "critical", "P2": "warning", "P3": "info"}
ALWAYS: Final = "Watchdog"
LONGEST_NAME: Final = 40
CONDITION: Final = re.compile(r"(runbook:\w+:\w+) (==|<|>) (\d+(?:\.\d+)?(?:e\d+)?)")
TEMPLATE: Final = re.compile(r"\{\{.*?\}\}")
URL: Final = "{{ with $externalLabels.runbooks }}{{ . }}{{ else }}http://localhost:10420/runbooks{{ end }}/"


def _alerts_that_compare(rule: Rule) -> bool:
    return rule.is_alert and rule.name != ALWAYS


def names_are_alike(rule: Rule, context: Context) -> Iterator[str]:
    pattern = r"([A-Z][a-z0-9]*|[A-Z]{2,})+" if rule.is_alert else r"runbook:[a-z0-9_]+:[a-z_]+"
    if not re.fullmatch(pattern, rule.name) or (rule.is_alert and len(rule.name) > LONGEST_NAME):
        yield f"{rule.name} is no name for it"
    if rule.group != rule.area and not rule.group.startswith(f"{rule.area}-"):
        yield f"the group {rule.group} does not begin with the area"


def an_alert_compares_a_signal(rule: Rule, context: Context) -> Iterator[str]:
    if rule.name == ALWAYS and rule.expression != "vector(1)":
        yield f"{rule.name} is not always true"
    if _alerts_that_compare(rule):
        found = CONDITION.fullmatch(rule.expression)
        if found is None:
            yield f"{rule.expression} is not `signal op number`"
        elif found[1] not in context.recorded:
            yield f"{found[1]} is not recorded above in the same file"


def figures_stand_alone(rule: Rule, context: Context) -> Iterator[str]:
    """A number in a signal is a judgement, which belongs in a rule of its own; 0, 1 and infinity judge nothing."""
    if not rule.is_alert and not rule.is_number:
        for node, above in walk(rule.node):
            is_argument = bool(above) and isinstance(above[-1], promql.Call)
            if isinstance(node, promql.NumberLiteral) and node.val not in (0, 1, float("inf")) and not is_argument:
                yield f"the figure {node.val:g} stands in a signal"


def signals_keep_their_place(rule: Rule, context: Context) -> Iterator[str]:
    if not rule.is_alert and not rule.is_number:
        missing = SCRAPED - labels_of(rule.node, context)
        if missing and all(context.known(selector.name) for selector in selectors(rule.node)):
            yield f"{rule.name} loses {sorted(missing)}"


def severity_fits_priority(rule: Rule, context: Context) -> Iterator[str]:
    if _alerts_that_compare(rule):
        priority = rule.labels.get("priority", "")
        if rule.labels.get("severity") != SEVERITY.get(priority, "one of P0 to P3"):
            yield f"priority {priority!r} and severity {rule.labels.get('severity')!r}"
    for name, value in rule.labels.items():
        if "{{" in value or name in SCRAPED:
            yield f"the label {name} changes with what it is about"


def annotations_are_whole(rule: Rule, context: Context) -> Iterator[str]:
    texts = rule.annotations
    if rule.is_alert and set(texts) != {"summary", "description", "runbook_url"}:
        yield f"annotations {sorted(texts)}"
    elif rule.is_alert:
        yield from _texts(rule)


def _texts(rule: Rule) -> Iterator[str]:
    summary, description = (rule.annotations[name] for name in ("summary", "description"))
    if "{{" in summary or not re.fullmatch(r"[A-Z].*\.", summary):
        yield "the summary is not a static sentence"
    if re.search(r"\d", TEMPLATE.sub("", summary + description)):
        yield "a figure stands in an annotation"
    if not description.endswith("."):
        yield "the description is no sentence"
    if rule.name != ALWAYS and not re.search(r"\$labels\.(instance|target)", description):
        yield "the description does not say what it is about"
    if rule.annotations["runbook_url"] != URL + rule.name:
        yield f"runbook_url is not {URL}{rule.name}"


def descriptions_tell_the_value(rule: Rule, context: Context) -> Iterator[str]:
    """What is only on or off has no value to tell."""
    description = rule.annotations.get("description", "")
    told = re.search(r"\$value \| (humanize\w*|printf \"%\.0f\")", description)
    if _alerts_that_compare(rule) and " == " not in rule.expression and not told:
        yield "the description does not tell the humanized value"
    for label in re.findall(r"\$labels\.(\w+)", description):
        if label not in _labels_of_alert(rule, context):
            yield f"the description names the label {label}, which it does not have"


def _labels_of_alert(rule: Rule, context: Context) -> frozenset[str]:
    return labels_of(rule.node, context) | SCRAPED  # the rule's own labels are not there for its texts


def an_alert_has_a_runbook(rule: Rule, context: Context) -> Iterator[str]:
    if rule.is_alert and not (pack.runbooks_folder() / f"{rule.name}.md").is_file():
        yield f"{rule.name} has no page in docs/runbooks"


def an_alert_waits(rule: Rule, context: Context) -> Iterator[str]:
    if rule.is_alert and "for" not in rule.raw:
        yield "`for` is missing"
    signal = calls(rule, "absent", "absent_over_time")
    if rule.is_alert and signal and not to_seconds(str(rule.raw.get("for", "0s"))):
        yield "absent() without `for` fires at each start"


def a_page_does_not_flap(rule: Rule, context: Context) -> Iterator[str]:
    """Who is called is not called again by each flicker: the state is held, unless the signal looks back by itself."""
    if rule.labels.get("severity") == "critical" and "keep_firing_for" not in rule.raw:
        found = CONDITION.fullmatch(rule.expression)
        if found and not found[1].endswith(":count"):
            yield "a person is called, and `keep_firing_for` is missing"


SHAPE_CHECKS: Final[tuple[Check, ...]] = (
    names_are_alike, an_alert_compares_a_signal, figures_stand_alone, signals_keep_their_place, severity_fits_priority,
    annotations_are_whole, descriptions_tell_the_value, an_alert_has_a_runbook, an_alert_waits, a_page_does_not_flap,
)  # fmt: skip


def group_trouble(group: dict[str, Any]) -> Iterator[str]:
    """Yield what is wrong with a group as a whole."""
    if len(group["rules"]) > 20:
        yield f"{group['name']} has more than 20 rules"
    if to_seconds(str(group.get("interval", "0s"))) > 300:
        yield f"{group['name']} is evaluated less often than every 5 minutes"
