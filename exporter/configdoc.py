"""What the configuration says and can say, as text: the one in force as YAML, and docs/config.md."""

import inspect
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from typing import Any, Final, get_args, get_origin

from exporter.collector import Collector
from exporter.models import Config, HostTarget, TargetSettings
from exporter.quantity import Quantity, show_duration, show_number
from exporter.secret import Secret, redact
from exporter.setting import Key, describe, keys, marker, optional

NOT_KEYS: Final = ("name", "collector", "settings")
"""The fields of a target that are not keys among its settings."""

Documented = tuple[type[Collector[Any]], Mapping[str, Key]]
Tree = str | list["Tree"] | dict[str, "Tree"]

# What YAML reads as text without quotes, whichever reader it is.
_PLAIN = re.compile(r"(?!(?i:y|n|yes|no|on|off|true|false|null)$)[A-Za-z/^](?:[!-\"$-9;-~]|[ :](?=[!-\"$-9;-~]))*")

_INTRODUCTION = """\
# The configuration

The exporter runs without a configuration and then watches the host alone. What else it shall watch stands in one YAML
file. `check` tries a file without starting anything, tells each mistake with its line, and prints all that would be in
force. A reload with mistakes changes nothing; one with mistakes in the web configuration alone, nothing of that.

```yaml
{example}```

## How values are written

- A duration is a number of seconds or has units: `90s`, `15m`, `1h30m`, `1d`, `2w`, `500ms`. A size is a number of
  bytes or has a unit: `500MB`, `2GiB`. A ratio is `0.8` or `80%`.
- Text is taken as it is written: `no`, `10:20` and `1.10` need no quotes. What begins with a character that YAML uses
  itself (`*`, `&`, `!`, `%`, `@`, `{{`, `[`, `#`, `|`, `>`) needs them, as does what holds `: ` or ` #`.
- `${{NAME}}` in a value is the environment variable NAME, and an error where that is not set; `${{NAME:-text}}` is the
  text where it is not set or empty; `$${{` is a plain `${{`.
- A relative path starts at the directory of the configuration file.
- Each secret `x` can be given as `x`, best as `${{NAME}}`, or as `x_file`: the path of a file that holds it and nothing
  else. Secrets are masked in logs, in errors and on pages. A secret written into the configuration itself works, with
  a warning.
- Anchors, aliases and `<<` work; top-level keys that begin with `x-` are left alone, as a place for anchors.
"""

_FIRST: Final = ("postgres", "redis", "http")
_EXAMPLE_HEAD = """\
web:
  listen_address: 127.0.0.1:10420
log:
  format: json
host:                        # the host needs no section: this one differs from the defaults
  max_age: 10s
  mount_points_exclude: ^/(dev|proc|sys|snap)($|/)
"""


def redacted(config: Config, sections: Mapping[str, type[Any]]) -> str:
    """Return the configuration as YAML, secrets masked."""
    tree: dict[str, Tree] = {name: _model(model, getattr(config, name)) for name, model in sections.items()}
    tree["host"] = _target(HostTarget, config.host)
    targets: dict[str, Tree] = {}
    for target in config.targets:
        targets[target.name] = {"collector": _text(target.collector)} | _target(TargetSettings, target)
    tree["targets"] = targets
    return "\n".join(_lines(tree, "")) + "\n"


def _target(model: type[TargetSettings], target: TargetSettings) -> dict[str, Tree]:
    return _model(model, target, NOT_KEYS) | _model(type(target.settings), target.settings)


def _model(model: type[Any], value: Any, leave_out: tuple[str, ...] = ()) -> dict[str, Tree]:
    return {name: _tree(key.type, getattr(value, name)) for name, key in keys(model, leave_out).items()}


def _tree(kind: Any, value: Any) -> Tree:
    kind = optional(kind) or kind
    origin, found = get_origin(kind), marker(kind)
    if isinstance(value, Secret):
        return _secret(value)
    if is_dataclass(kind) and value is not None:
        return _model(type(value), value)
    if origin is tuple and value is not None:
        return [_tree(get_args(kind)[0], item) for item in value]
    if origin is Mapping and value is not None:
        return {name: _tree(get_args(kind)[1], item) for name, item in value.items()}
    return _scalar(found, value)


def _scalar(found: Any, value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(redact(value))
    if isinstance(found, Quantity):
        return found.show(value)
    return show_number(value) if isinstance(value, float) else str(value)


def _secret(secret: Secret) -> str:
    shown = _text(str(secret).removesuffix(secret.origin).rstrip())
    return f"{shown}  # {redact(secret.origin)}" if secret.origin.isprintable() and secret.origin else shown


def _text(text: str) -> str:
    text = text.replace("${", "$${")
    if _PLAIN.fullmatch(text):
        return text
    if text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in quoted)


def _lines(tree: dict[str, Tree] | list[Tree], indent: str) -> Iterator[str]:
    entries = [(f"{_text(name)}:", item) for name, item in tree.items()] if isinstance(tree, dict) else [
        ("-", item) for item in tree
    ]  # fmt: skip
    for lead, item in entries:
        if isinstance(item, str):
            yield f"{indent}{lead} {item}"
        elif not item:
            yield f"{indent}{lead} {'{}' if isinstance(item, dict) else '[]'}"
        else:
            yield f"{indent}{lead}"
            yield from _lines(item, indent + "  ")


def reference(sections: Mapping[str, type[Any]], system: Documented, collectors: Mapping[str, Documented]) -> str:
    """Return the reference as Markdown, made from the models."""
    parts = [_INTRODUCTION.format(example=example(collectors))]
    parts += [f"## `{name}`\n\n{_about(model)}\n\n{_keys(keys(model))}" for name, model in sections.items()]
    parts.append(f"## `host`\n\n{_about(HostTarget)}\n\n{_keys(keys(HostTarget, NOT_KEYS))}{_keys(system[1])}")
    parts.append(
        "## `targets`\n\nEach key of `targets` is the name of a target: at most 63 letters, digits, `_`, `.` and `-`. "
        "`host` and\n`exporter` are taken. Every target has these keys, and those of its collector beside them.\n\n"
        f"- `collector` (required): The kind of the target, one of the sections below.\n"
        f"{_keys(keys(TargetSettings, NOT_KEYS))}"
    )
    parts += [_collector(kind, *documented) for kind, documented in collectors.items()]
    return "\n".join(parts)


def example(collectors: Mapping[str, Documented]) -> str:
    """Return a configuration to begin with: the host, and a few targets."""
    chosen = [kind for kind in _FIRST if kind in collectors] or list(collectors)[:2]
    snippets = [snippet(kind, collectors[kind][1]) for kind in chosen]
    return _EXAMPLE_HEAD + ("targets:\n" + "".join(snippets) if snippets else "")


def snippet(kind: str, own: Mapping[str, Key]) -> str:
    """Return the least that a target of this kind needs, to stand below `targets:`."""
    needed = "".join(f"    {key.name}: {key.example}\n" for key in own.values() if key.required or key.shown)
    return f"  my-{kind}:\n    collector: {kind}\n{needed}"


def _collector(kind: str, collector: type[Collector[Any]], own: Mapping[str, Key]) -> str:
    interval = f" Read every {show_duration(collector.interval)} in the background." if collector.interval else ""
    listed = _keys(own) or "It has no keys of its own.\n"
    return f"### `{kind}`\n\n{_about(collector)}{interval}\n\n```yaml\ntargets:\n{snippet(kind, own)}```\n\n{listed}"


def _about(documented: type[Any]) -> str:
    return inspect.cleandoc(documented.__doc__ or "")


def _keys(listed: Mapping[str, Key], indent: str = "") -> str:
    return "".join(_key(key, indent) for key in listed.values())


def _key(key: Key, indent: str) -> str:
    kind = optional(key.type) or key.type
    default = "required" if key.required else f"default {_default(key)}"
    given = f" Also as `{key.name}_file`, the path of a file." if key.secret else ""
    shown = f" For example {_code(key.example)}." if key.example else ""
    text = f"{indent}- `{key.name}` ({describe(kind)}, {default}): {key.help}{given}{shown}\n"
    inner = next((part for part in (kind, *get_args(kind)) if is_dataclass(part)), None)
    return text + (_keys(keys(inner), indent + "  ") if isinstance(inner, type) else "")


def _default(key: Key) -> str:
    if key.default is None:
        return "none"
    if is_dataclass(key.default):
        return "as below"
    return _code(_flow(_tree(key.type, key.default)))


def _flow(tree: Tree) -> str:
    if isinstance(tree, str):
        return tree
    if isinstance(tree, list):
        return f"[{', '.join(map(_flow, tree))}]"
    return f"{{{', '.join(f'{_text(name)}: {_flow(item)}' for name, item in tree.items())}}}"


def _code(text: str) -> str:
    return f"`` {text} ``" if "`" in text else f"`{text}`"
