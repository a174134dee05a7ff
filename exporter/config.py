"""The configuration: a YAML file to validated, frozen settings; nothing else reads it."""

import difflib
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from exporter import configdoc
from exporter.binder import bind, bind_keys, check, entries_of, note, unknown
from exporter.collector import Collector, find, kinds
from exporter.mappingclash import clashes
from exporter.models import Config, HostTarget, LogSettings, StorageSettings, TargetSettings, WebSettings
from exporter.names import NAME, NAMES
from exporter.setting import Key, keys
from exporter.source import Source, below, nearest, one_of, short, text_of
from exporter.yamltree import MAX_BYTES, BrokenError, Map, Node, Scalar, is_null, parse

__all__ = [
    "Config", "ConfigError", "HostTarget", "LogSettings", "StorageSettings", "TargetSettings", "WebSettings",
    "content_of", "load", "redacted", "reference",
]  # fmt: skip

HOST_COLLECTOR: Final = "system"
MAX_AGE: Final = keys(TargetSettings, configdoc.NOT_KEYS)["max_age"].default
SECTIONS: Final = {"web": WebSettings, "log": LogSettings, "storage": StorageSettings}

# What applications keep in their environment: the variable, what its address begins with, and the collector for it.
_IN_ENVIRONMENT: Final = (
    ("DATABASE_URL", re.compile(r"postgres(ql)?(\+\w+)?://"), "postgres"),
    ("REDIS_URL", re.compile(r"(rediss?|unix)://"), "redis"),
    ("CELERY_BROKER_URL", re.compile(r"(rediss?|redis\+socket|amqps?|pyamqp)://"), "celery"),
)
_TAKEN_NAMES = ("host", "exporter")
_NOTHING = Map({}, 1)

Collectors = Mapping[str, type[Collector[Any]]]


class ConfigError(Exception):
    """The configuration is wrong; `problems` says each thing that is, and str() is the whole report."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class _Installed(Collectors):
    """The collectors by kind, each imported when it is asked for."""

    def __getitem__(self, kind: str) -> type[Collector[Any]]:
        if kind not in kinds():
            raise KeyError(kind)
        return find(kind)

    def __iter__(self) -> Iterator[str]:
        return iter(kinds())

    def __len__(self) -> int:
        return len(kinds())


INSTALLED: Final[Collectors] = _Installed()


def load(path: str | None) -> Config:
    """Return the configuration in a file, or every default without one; ConfigError tells all that is wrong."""
    if path is None:
        return read(unconfigured(os.environ), "the environment", INSTALLED, os.environ)
    return read(content_of(path), path, INSTALLED, os.environ)


def unconfigured(environ: Mapping[str, str]) -> bytes | None:
    """Return the configuration of who gives none: the stores that the application's own environment names."""
    found = [
        f"  {kind}: {{collector: {kind}, url: '${{{name}}}'}}\n"
        for name, address, kind in _IN_ENVIRONMENT
        if address.match(environ.get(name, ""))  # else it is not given, or a database of another kind
    ]
    return f"targets:\n{''.join(found)}".encode() if found else None


def content_of(path: str) -> bytes:
    """Return the bytes of a configuration file; ConfigError where there is none to be had."""
    try:
        with open(path, "rb") as file:
            return file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError(f"{path}: cannot be read ({reason}); expected a YAML file that it may read") from None


def read(data: bytes | None, file: str, collectors: Collectors, environ: Mapping[str, str]) -> Config:
    """Return the configuration in the bytes of a file, with these collectors and this environment."""
    source = Source(file, environ)
    try:
        root = _NOTHING if data is None else parse(data, lambda line, text: source.problem(line, "", text))
    except BrokenError as error:
        source.problem(error.line, "", str(error))
        raise ConfigError(*source.problems()) from None
    config = _bind(source, root, collectors)
    if problems := source.problems():
        raise ConfigError(*problems)
    return config


def redacted(config: Config) -> str:
    """Return the configuration in force as YAML, with every default and without secrets."""
    return configdoc.redacted(config, SECTIONS)


def reference(collectors: Collectors | None = None) -> str:
    """Return docs/config.md: what can be said, with an example to begin with."""
    found = INSTALLED if collectors is None else collectors
    own = {kind: (found[kind], collector_keys(found[kind])) for kind in sorted(found)}
    return configdoc.reference(SECTIONS, own.pop(HOST_COLLECTOR), own)


def collector_keys(collector: type[Collector[Any]]) -> Mapping[str, Key]:
    """Return the keys of a collector's own; TypeError where one hides a key that every target has."""
    own = keys(collector.Settings)
    for name in [*keys(HostTarget, configdoc.NOT_KEYS), *configdoc.NOT_KEYS]:
        if name in own:
            raise TypeError(f"{collector.__name__}: every target has a key `{name}`; the setting needs another name")
    return own


def _bind(source: Source, root: Node, collectors: Collectors) -> Config:
    nodes: dict[str, Node] = dict.fromkeys((*SECTIONS, "host", "targets"), _NOTHING)
    for name, (line, node) in entries_of(source, root, "").items():
        if name in nodes:
            nodes[name] = node
        elif not name.startswith("x-"):  # a place for anchors
            unknown(source, line, "", name, list(nodes))
    sections = {name: bind(source, model, nodes[name], name) for name, model in SECTIONS.items()}
    system = collectors[HOST_COLLECTOR]
    host = _bind_target(source, HostTarget, "host", HOST_COLLECTOR, system, nodes["host"], "host")
    targets = _bind_targets(source, nodes["targets"], collectors)
    return Config(**sections, host=host, targets=targets, warnings=source.warnings())


def _bind_targets(source: Source, node: Node, collectors: Collectors) -> tuple[TargetSettings, ...]:
    bound = []
    for name, (line, target) in entries_of(source, node, "targets").items():
        path = below("targets", name)
        _check_name(source, line, path, name)
        if not isinstance(target, Map) and not is_null(target):
            entries_of(source, target, path)  # says what is expected
            continue
        kind = _kind(source, target, path, collectors)
        collector = None if kind is None else _find(source, target, path, kind, collectors)
        if kind is not None and collector is not None:
            bound.append(_bind_target(source, TargetSettings, name, kind, collector, target, path))
        elif isinstance(target, Map):  # the keys of its collector cannot be known, those of every target can
            common = keys(TargetSettings, configdoc.NOT_KEYS)
            known = {key: entry for key, entry in target.entries.items() if key in common}
            bind_keys(source, common, Map(known, target.line), path)
    _check_together(source, node, [target for target in bound if target is not None])
    return tuple(bound)


def _check_together(source: Source, node: Node, targets: list[TargetSettings]) -> None:
    """Note metrics of the configuration's own that cannot stand beside each other, or beside this program's."""
    entries = entries_of(source, node, "targets") if targets else {}
    for name, where, text in clashes((target.name, target.settings) for target in targets):
        note(source, [(where, text)], entries[name][1], below("targets", name))


def _check_name(source: Source, line: int, path: str, name: str) -> None:
    if not NAME.fullmatch(name):
        source.problem(line, path, f"a target cannot have this name; {NAMES}")
    elif name in _TAKEN_NAMES:
        remedy = "its settings stand in the section `host`" if name == "host" else "choose another"
        source.problem(line, path, f"the name is taken by the exporter itself; {remedy}")


def _kind(source: Source, target: Node, path: str, collectors: Collectors) -> str | None:
    choice = [kind for kind in collectors if kind != HOST_COLLECTOR]
    entries = entries_of(source, target, path)
    if "collector" not in entries:
        source.problem(target.line, below(path, "collector"), f"is missing; {one_of(choice)}")
        for name in difflib.get_close_matches("collector", entries):
            unknown(source, entries[name][0], path, name, ["collector"])
        return None
    line, node = entries["collector"]
    kind = text_of(source, str, node, below(path, "collector"))
    if kind is None or kind in choice:
        return kind
    if kind == HOST_COLLECTOR:
        problem = "there is one host, the target `host`; put its settings into the section `host`"
    else:
        written = node.text if isinstance(node, Scalar) else kind  # not what the environment put in its place
        problem = f"there is no collector {short(written)!r}; {nearest(kind, choice)}"
    source.problem(line, below(path, "collector"), problem)
    return None


def _find(source: Source, target: Node, path: str, kind: str, collectors: Collectors) -> type[Collector[Any]] | None:
    try:
        return collectors[kind]
    except ImportError as error:
        if (error.name or "").partition(".")[0] == "exporter":
            raise
        remedy = f"install it with: pip install 'runbook-exporter[{kind}]'"
        source.problem(target.line, below(path, "collector"), f"{kind} needs a library ({error}); {remedy}")
        return None


def _bind_target(
    source: Source,
    model: type[TargetSettings],
    name: str,
    kind: str,
    collector: type[Collector[Any]],
    node: Node,
    path: str,
) -> Any:
    """Return a target with the defaults that its collector and its interval ask for, or None after a problem."""
    before = source.count()
    own = collector_keys(collector)
    known = {**keys(model, configdoc.NOT_KEYS), **own}
    values = bind_keys(source, known, node, path, skip=("collector",) if model is TargetSettings else ())
    if source.count() > before:
        return None
    settings = collector.Settings(**{key: values.pop(key) for key in own if key in values})
    interval = values.setdefault("interval", collector.interval)
    if interval is not None:
        values.setdefault("timeout", min(collector.timeout, interval))
        values.setdefault("max_age", min(MAX_AGE, interval / 2))
    target = model(name=name, collector=kind, settings=settings, **values)
    check(source, settings, node, path)
    check(source, target, node, path)
    if hasattr(settings, "check_in"):  # what depends on the times of the target
        note(source, settings.check_in(target), node, path)
    return target
