"""The commands."""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from exporter import arguments, logs, taskcommand
from exporter.config import ConfigError
from exporter.service import Overrides, give_up_stdout, load, load_web, serve

_LISTS: Final = "; `runbook-exporter metrics` lists the metrics, docs/alerts.md the alerts"
Run = Callable[[argparse.Namespace], int]


def main(words: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code."""
    given = list(sys.argv[1:] if words is None else words)
    logs.setup("text", "error")  # until a configuration says otherwise; a crash is told without secrets from here on
    try:
        try:
            return _run(given)
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except BrokenPipeError:  # `runbook-exporter metrics | head`
        give_up_stdout()
        return 0


def _run(given: list[str]) -> int:
    options = arguments.parser().parse_args(_with_command(given))
    try:
        return COMMANDS[options.command](options)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2


def _with_command(given: list[str]) -> list[str]:
    """Put in `serve`, which is what is meant where no command is given."""
    if given and (given[0] in COMMANDS or given[0] in ("-h", "--help", "--version")):
        return given
    if given and not given[0].startswith("-"):
        return given  # a mistyped command: argparse names those that there are
    return ["serve", *given]


def _use_rules(options: argparse.Namespace) -> None:
    """Have runbook pages and `explain` tell the figures of the rules that Prometheus has."""
    from exporter import pack

    if options.rules_path is not None:
        try:
            pack.use(options.rules_path)
        except OSError as error:
            raise ConfigError(f"--rules.path: {error}") from None


def _serve(options: argparse.Namespace) -> int:
    _use_rules(options)
    overrides = Overrides(
        options.listen_addresses, options.systemd_socket, options.web_config_file, options.enable_lifecycle,
        options.storage_path, options.log_level, options.log_format,
    )  # fmt: skip
    return serve(options.config_file, overrides)


def _check(options: argparse.Namespace) -> int:
    from exporter import config

    file = options.file or options.config_file
    loaded = load(file, Overrides(web_config_file=options.web_config_file))
    web = load_web(loaded)
    for warning in (*loaded.warnings, *(web.warnings if web else ())):
        print(f"warning: {warning}", file=sys.stderr)
    print(config.redacted(loaded), end="")
    print(f"# {file or 'the default configuration'} is right: {len(loaded.targets)} targets besides the host")
    if web is not None:
        print(f"# {loaded.web.config_file} is right: {web}")
    return 0


def _test(options: argparse.Namespace) -> int:
    from exporter import oneshot

    try:
        _, snapshots = oneshot.read_once(load(options.config_file, Overrides()), options.targets)
    except oneshot.NoSuchTargetError as error:
        print(error, file=sys.stderr)
        return 2
    print(oneshot.as_json(snapshots) if options.json else oneshot.as_text(snapshots))
    return 0 if oneshot.succeeded(snapshots) else 1


def _done(options: argparse.Namespace) -> int:
    return _of_tasks(options, taskcommand.done)


def _checklist(options: argparse.Namespace) -> int:
    return _of_tasks(options, taskcommand.checklist)


def _of_tasks(options: argparse.Namespace, command: taskcommand.Command) -> int:
    try:
        text, code = taskcommand.run(options, command)
    except taskcommand.TaskCommandError as error:
        print(error, file=sys.stderr)
        return error.code
    print(text)
    return code


def _once(options: argparse.Namespace) -> int:
    from exporter import oneshot

    print(oneshot.page(load(options.config_file, Overrides())), end="")
    return 0


def _explain(options: argparse.Namespace) -> int:
    from exporter import explanation

    _use_rules(options)
    explainer = explanation.explainer()
    text = explainer.explain(options.name)
    if text is None:
        near = explainer.nearest(options.name)
        hint = f"; did you mean {', '.join(near)}?" if near else ""
        print(f"there is no metric, alert or signal {options.name}{hint or _LISTS}", file=sys.stderr)
        return 1
    print(text)
    return 0


def _rules(options: argparse.Namespace) -> int:
    from exporter import rulefiles

    try:
        written = rulefiles.write(
            options.folder, rulefiles.wanted(options.values, options.set, options.format),
            factor=options.scale, scrape_interval=options.scrape_interval, force=options.force,
        )  # fmt: skip
    except (OSError, rulefiles.DiffersError) as error:
        print(error, file=sys.stderr)
        return 1
    if options.format == "operator":
        print(f"# {len(written)} files are written; this brings them into the cluster:")
        print(f"kubectl apply -f {options.folder.absolute()}")
        return 0
    print(f"# {len(written)} files are written; this is for prometheus.yml:")
    print(f"rule_files:\n  - {options.folder.absolute()}/*.yml")
    return 0


def _demo(options: argparse.Namespace) -> int:
    from exporter.demo import command  # only here: no other command has anything to do with it

    return command.run(options)


def _metrics(options: argparse.Namespace) -> int:
    from exporter import catalogue

    metrics = catalogue.by_collector()
    if options.json:
        print(json.dumps(catalogue.as_json(metrics), indent=1))
        return 0
    for kind, group in metrics.items():
        for metric in group:
            labels = f"{{{','.join(metric.labels)}}}" if metric.labels else ""
            print(f"{kind:<14}{metric.kind:<10}{metric.name}{labels}  {metric.help}")
    return 0


COMMANDS: Final[Mapping[str, Run]] = {
    "serve": _serve, "check": _check, "test": _test, "once": _once, "explain": _explain, "metrics": _metrics,
    "rules": _rules, "done": _done, "checklist": _checklist, "demo": _demo,
}  # fmt: skip
