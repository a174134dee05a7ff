"""What the command line may say: each command with its options."""

import argparse
from pathlib import Path
from typing import Final

from exporter import __version__, taskcommand

_DESCRIPTION: Final = """\
Watches what an operations guide tells a person to check, and shows it to Prometheus.

  runbook-exporter                         serve: watch the host, on 127.0.0.1:10420
  runbook-exporter --config.file=config.yml
                                           serve: watch what config.yml names as well
  runbook-exporter check config.yml        is the configuration right?
  runbook-exporter test --config.file=config.yml orders-db
                                           read one target now, and say what works and what does not
  runbook-exporter explain node_load1      what does a metric, an alert or a recorded signal mean?
  runbook-exporter rules /etc/prometheus/rules
                                           write the alert rules where Prometheus can read them
  runbook-exporter checklist --config.file=config.yml
                                           what is there to do today?
  runbook-exporter done access-review --note 'two accounts removed' --config.file=config.yml
                                           it is done
  runbook-exporter demo mem                start a stand-in of an application with all that watches it, and break it
"""
_EXIT_CODES: Final = """\
exit codes:
  0  done; for `test`: every target answered, and every read that applies worked
  1  for `test`: something failed; for `serve`: the address cannot be had; for `explain`: no such name;
     for `rules`: the files cannot be written, or differ from those that are there; for `done`: it could not be
     noted; for `checklist --due`: something is due
  2  the command line or the configuration is wrong: the message names the place and the remedy
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; what it gives has the name of the one that is meant as `command`."""
    top = argparse.ArgumentParser(
        prog="runbook-exporter", description=_DESCRIPTION, epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    top.add_argument("--version", action="version", version=f"runbook-exporter {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def add(name: str, summary: str, more: str = "") -> argparse.ArgumentParser:
        command = commands.add_parser(
            name, help=summary, description=f"{summary[0].upper()}{summary[1:]}. {more}".strip(),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )  # fmt: skip
        command.set_defaults(command=name)
        return command

    more = "SIGHUP loads the configuration anew; SIGTERM ends it when running requests are answered."
    _add_serve(add("serve", "serve metrics until stopped (the default)", more))
    check = add("check", "say whether a configuration is right, without touching what it names")
    check.add_argument("file", nargs="?", metavar="FILE", help="the configuration")
    _add_config_file(check)
    _add_web_config_file(check)
    test = add("test", "read targets once and say what works, what does not, and what to do about it")
    test.add_argument("targets", nargs="*", metavar="TARGET", help="names of targets; all of them by default")
    test.add_argument("--json", action="store_true", help="print JSON")
    _add_config_file(test)
    _add_config_file(add("once", "read every target once and print the page that Prometheus would get"))
    explain = add("explain", "say what a metric, an alert or a recorded signal means, and what uses it")
    explain.add_argument("name", metavar="NAME", help="the name of a metric, an alert or a recorded signal")
    _add_rules_path(explain)
    metrics = add("metrics", "print the catalogue of all metrics")
    metrics.add_argument("--json", action="store_true", help="print JSON")
    _add_rules(add("rules", "write the alert rules of this version, and print the line for prometheus.yml"))
    done = add("done", "mark a task of the checklist as done, whether the exporter runs or not")
    taskcommand.add_done(done)
    checklist = add("checklist", "print what there is to do today, and since when")
    taskcommand.add_checklist(checklist)
    more = "Durations of the rules are divided, so that alerts come in seconds. `demo faults` lists what can be broken."
    _add_demo(add("demo", "start stand-ins of applications with all that watches them, and break them", more))
    return top


def _add_config_file(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--config.file", dest="config_file", metavar="FILE", help="the configuration; without it, the host alone"
    )


def _add_web_config_file(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--web.config.file", dest="web_config_file", metavar="FILE", help="the web configuration: TLS, users, limits"
    )


def _add_rules_path(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--rules.path", dest="rules_path", metavar="DIR", type=Path,
        help="where `rules DIR` wrote the rules that Prometheus has, where their figures are not this version's own",
    )  # fmt: skip


def _add_serve(command: argparse.ArgumentParser) -> None:
    _add_config_file(command)
    command.add_argument(
        "--web.listen-address", dest="listen_addresses", metavar="ADDRESS", action="append",
        help="HOST:PORT, or unix: and a path; repeat it for several (default 127.0.0.1:10420)",
    )  # fmt: skip
    command.add_argument("--web.systemd-socket", dest="systemd_socket", action="store_true", default=None,
                         help="listen on the sockets that systemd passes instead")  # fmt: skip
    _add_web_config_file(command)
    command.add_argument("--web.enable-lifecycle", dest="enable_lifecycle", action="store_true", default=None,
                         help="let whoever reaches it load the configuration anew, by POST /-/reload")  # fmt: skip
    _add_rules_path(command)
    command.add_argument(
        "--storage.path", dest="storage_path", metavar="DIR", help="where to keep what must outlive a restart"
    )
    command.add_argument(
        "--log.level", dest="log_level", choices=("debug", "info", "warning", "error"), help="default info"
    )
    command.add_argument("--log.format", dest="log_format", choices=("text", "json"), help="default text")


def _add_rules(command: argparse.ArgumentParser) -> None:
    command.add_argument("folder", metavar="DIR", type=Path, help="where to; it is made where it is missing")
    command.add_argument(
        "--values", metavar="FILE", action="append", default=[],
        help="figures, durations, priorities and alerts that are off (docs/figures.md); repeat it for several files",
    )  # fmt: skip
    command.add_argument(
        "--set", metavar="ALERT=WHAT", action="append", default=[],
        help="one of these alone, over what the files say: 'SlowResponse=1s', 'HighMemoryUsage=off',"
        " 'APIKeyInvalid{use=\"other\"}.priority=P3'; repeat it for several",
    )  # fmt: skip
    command.add_argument(
        "--format", choices=("prometheus", "operator"), default="prometheus",
        help="rule files, or custom resources of the Prometheus operator (default prometheus)",
    )  # fmt: skip
    command.add_argument("--force", action="store_true", help="overwrite files that are there and differ")
    command.add_argument(
        "--scale", metavar="FACTOR", type=_positive, default=1.0,
        help="divide durations and windows by this, for tests that cannot wait",
    )  # fmt: skip
    command.add_argument(
        "--scrape-interval", metavar="SECONDS", type=_positive, default=1.0,
        help="of the Prometheus of such a test: no window gets shorter than four scrapes (default 1)",
    )  # fmt: skip


def _add_demo(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "words", nargs="*", metavar="APP",
        help="applications to start, all by default; or `break FAULT`, `mend FAULT`, `faults [APP]`",
    )  # fmt: skip
    command.add_argument(
        "--dir", dest="folder", metavar="DIR", type=Path,
        help="where to keep everything; by default a folder that is removed in the end",
    )  # fmt: skip
    command.add_argument(
        "--speed", metavar="FACTOR", type=_positive, default=120.0,
        help="divide the durations of the rules by this (default 120: an hour is half a minute)",
    )  # fmt: skip
    command.add_argument(
        "--no-past", dest="past", action="store_false",
        help="begin sooner, without a past week in Prometheus: what is compared with that cannot be shown then",
    )  # fmt: skip


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return number
