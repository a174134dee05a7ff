"""A rule file with some of its values exchanged; every other byte, comments as well, stays as it is."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from exporter.alerts import severity_of
from exporter.ruleplan import Branch, Follower, Plan, RuleChange

_WORD: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{2,}")
_WORDS_OF_YAML: Final = frozenset({"true", "false", "yes", "off", "null", "nan", "inf"})

_HEAD: Final = "groups:\n  - name: one\n    rules:\n"
Node = Any  # PyYAML's; its classes are known only once yaml is imported
Keys = Mapping[str, Node]


@dataclass(frozen=True, slots=True, order=True)
class _Edit:
    """What is to stand between two places of the text."""

    start: int
    end: int
    text: str


def changed(text: str, plan: Plan) -> str:
    """Return a rule file as the plan has it."""
    return text if plan == Plan() else _edited(text, _Editor(text, plan).edits())


def quoted(text: str) -> str:
    """Return a rule file whose numbers are texts: a custom resource takes no other expression than a text."""
    editor = _Editor(text, Plan())
    return _edited(text, [
        editor.instead(keys["expr"], json.dumps(keys["expr"].value))
        for keys in editor.rules() if "record" in keys and not keys["expr"].style
    ])  # fmt: skip


def _edited(text: str, edits: Sequence[_Edit]) -> str:
    for edit in sorted(edits, reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text


class _Editor:
    """Finds where in a rule file what stands."""

    def __init__(self, text: str, plan: Plan) -> None:
        self._text = text
        self._plan = plan
        self._lines = text.splitlines(keepends=True)
        self._starts = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line))

    def rules(self) -> Iterator[Keys]:
        """Yield each rule: its keys and what stands there."""
        import yaml  # only here: the exporter itself can do without

        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        groups = _keys(yaml.compose(self._text, loader))["groups"]
        for group in groups.value:
            for rule in _keys(group)["rules"].value:
                yield _keys(rule)

    def edits(self) -> list[_Edit]:
        seen: Counter[str] = Counter()
        found: list[_Edit] = []
        for keys in self.rules():
            if "alert" in keys:
                name = keys["alert"].value
                place = (name, seen[name])
                seen[name] += 1
                if place in self._plan.rules:
                    found += self._of_alert(keys, self._plan.rules[place])
                if place in self._plan.more:
                    found.append(self._after(keys, self._plan.more[place]))
            else:
                found += self._of_record(keys)
        return found

    def _of_record(self, keys: Keys) -> Iterator[_Edit]:
        name, expression = keys["record"].value, keys["expr"]
        if name in self._plan.guards:
            yield self.instead(expression, self._plan.guards[name])
        if name in self._plan.followers:
            text = _following(expression.value, self._plan.followers[name])
            indent = self._indent(expression) + "  "
            lines = "".join(f"{indent}{line}\n" for line in text.splitlines())
            yield self.instead(expression, f"|\n{lines}")

    def _of_alert(self, keys: Keys, change: RuleChange) -> Iterator[_Edit]:
        if change.off:
            yield self._without(keys)
            return
        if change.number is not None or change.selector:
            signal, operator, number = keys["expr"].value.rsplit(" ", 2)
            text = f"{signal}{{{change.selector}}}" if change.selector else signal
            yield self.instead(keys["expr"], f"{text} {operator} {change.number or number}")
        if change.wait is not None:
            yield self._put(keys, "for", change.wait, "expr")
        if change.keep is not None:
            yield self._put(keys, "keep_firing_for", change.keep, "for" if "for" in keys else "expr")
        yield from self._labels(_keys(keys["labels"]), change)

    def _labels(self, labels: Keys, change: RuleChange) -> Iterator[_Edit]:
        if change.priority is not None:
            yield self.instead(labels["priority"], change.priority)
            yield self.instead(labels["severity"], severity_of(change.priority))
        if change.labels:
            indent = self._indent(labels["severity"])
            added = "".join(f"{indent}{name}: {_scalar(text)}\n" for name, text in change.labels.items())
            end = self._starts[max(label.end_mark.line for label in labels.values()) + 1]
            yield _Edit(end, end, added)

    def _put(self, keys: Keys, key: str, text: str, after: str) -> _Edit:
        if key in keys:
            return self.instead(keys[key], text)
        end = self._starts[keys[after].end_mark.line + 1]
        return _Edit(end, end, f"{self._indent(keys[after])}{key}: {text}\n")

    def _indent(self, value: Node) -> str:
        line: str = self._lines[value.start_mark.line]
        return line[: len(line) - len(line.lstrip())]

    def instead(self, node: Node, text: str) -> _Edit:
        """Return the edit that has a text stand where a value stands."""
        return _Edit(self._at(node.start_mark), self._at(node.end_mark), text)

    def _at(self, mark: Any) -> int:
        place: int = self._starts[mark.line] + mark.column
        return place

    def _lines_of(self, keys: Keys) -> tuple[int, int]:
        """Return the first and the last line of a rule."""
        return keys["alert"].start_mark.line, max(_last_line(node) for node in keys.values())

    def _after(self, keys: Keys, changes: Sequence[RuleChange]) -> _Edit:
        """Return the edit that has a rule stand there again, once for each of the changes."""
        first, last = self._lines_of(keys)
        rule = _HEAD + "".join(self._lines[first : last + 1])
        plans = (Plan({(keys["alert"].value, 0): change}) for change in changes)
        end = self._starts[last + 1]
        return _Edit(end, end, "".join(changed(rule, plan).removeprefix(_HEAD) for plan in plans))

    def _without(self, keys: Keys) -> _Edit:
        """Return the edit that takes a rule out, with the comment right above it."""
        first, last = self._lines_of(keys)
        dash = self._lines[first].index("-")
        while first and self._lines[first - 1].startswith(" " * dash + "#"):
            first -= 1
        if self._is_blank(first - 1) and self._is_blank(last + 1):
            first -= 1
        return _Edit(self._starts[first], self._starts[last + 1], "")

    def _is_blank(self, line: int) -> bool:
        """Tell whether nothing stands in a line; nothing stands outside of the file."""
        return not 0 <= line < len(self._lines) or not self._lines[line].strip()


def _following(expression: str, follower: Follower) -> str:
    """Return a signal with a part for each of the figures and durations of the alert that it follows."""
    parts = [_branch(expression.strip(), follower, branch) for branch in follower.branches]
    if len(parts) == 1:
        return parts[0]
    return "\n  or\n".join("(\n" + "".join(f"  {line}\n" for line in part.splitlines()) + ")" for part in parts)


def _branch(expression: str, follower: Follower, branch: Branch) -> str:
    wait = re.escape(follower.wait)
    text = re.sub(rf"(?<=\[){wait}(?=\])|(?<=offset ){wait}\b", branch.wait, expression)
    if branch.number is not None:
        text = text.replace(f"on () group_left () {follower.guard}", branch.number)
    return text.replace(follower.signal, f"{follower.signal}{{{branch.selector}}}") if branch.selector else text


def _keys(node: Node) -> Keys:
    return {key.value: value for key, value in node.value}


def _last_line(node: Node) -> int:
    """Return the last line of a value; the mark at the end of a mapping stands at what comes after it."""
    line: int = node.end_mark.line
    return max(_last_line(value) for _, value in node.value) if isinstance(node.value, list) else line


def _scalar(text: str) -> str:
    is_word = _WORD.fullmatch(text) and text.lower() not in _WORDS_OF_YAML
    return text if is_word else json.dumps(text, ensure_ascii=False)
