"""The dashboard of what is to be kept safe: secrets, packages, browsers that are driven, the scanner of uploads."""

from typing import Final

from grafana.declare import (
    QUIET,
    UP_DOWN,
    YES_NO,
    Column,
    Dashboard,
    Panel,
    Row,
    States,
    firing,
    lines,
    signal,
    stat,
    table,
)

EACH: Final = "{{instance}} {{target}}"
SECRET: Final = f"{EACH} {{{{secret}}}}"
PROJECT: Final = f"{EACH} {{{{ecosystem}}}} {{{{project}}}}"
OPEN: Final[States] = {"0": ("closed", "green"), "1": ("open to all", "red")}
NEEDED: Final[States] = {"0": ("no", "green"), "1": ("yes", "orange")}
OF_PROJECTS: Final = {"instance": "Instance", "target": "Target", "ecosystem": "Packages of", "project": "Project"}
_BY: Final = "by (instance, target)"
_BY_NAME: Final = "by (instance, target, secret)"
_BY_PROJECT: Final = "by (instance, target, ecosystem, project)"
_NO_SECRETS: Final = "no secrets are watched"
_NO_PROJECTS: Final = "no packages are watched, or none was scanned yet"
_NO_HOST: Final = "no machine's packages are watched"
_NO_BROWSER: Final = "no browser is watched"
_NO_CLAMAV: Final = "no ClamAV is watched"

GLANCE: Final[list[Panel]] = [
    firing(),
    stat("Secrets past their age", "Secrets that were not rotated in time.",
         f"sum {_BY} (runbook:secret_age:ratio{{$match}} > bool 1)", EACH, unit="none", states=QUIET,
         empty=_NO_SECRETS),
    stat("Vulnerabilities", "Known ones of all projects that are critical, high, or judged by nobody.",
         f'sum {_BY} (runbook_dependency_vulnerabilities{{$match, severity=~"critical|high|unknown"}})', EACH,
         unit="none", states=QUIET, empty=_NO_PROJECTS),
    stat("Drivers fit", "Whether each browser can be driven.",
         f"min {_BY} (runbook_browser_driver_compatible{{$match}})", EACH, unit="none", states=YES_NO,
         empty=_NO_BROWSER),
    stat("ClamAV answers", "Whether each of them does.", f"min {_BY} (clamav_up{{$match}})", EACH, unit="none",
         states=UP_DOWN, empty=_NO_CLAMAV),
    table(
        "Secrets", "Every secret, the one that is the oldest beside what it may become first.",
        {"instance": "Instance", "target": "Target", "secret": "Secret"},
        Column("Of its age", f"max {_BY_NAME} (runbook:secret_age:ratio{{$match}})", "percentunit"),
        Column("Rotated", f"max {_BY_NAME} (runbook_secret_rotated_timestamp_seconds{{$match}}) * 1000",
               "dateTimeFromNow"),
        Column("May become", f"max {_BY_NAME} (runbook_secret_max_age_seconds{{$match}})", "s"),
        Column("Readable by all", f"max {_BY_NAME} (runbook_secret_readable_by_others{{$match}})", "bool_yes_no"),
        width=12, height=8, empty=_NO_SECRETS,
    ),
    table(
        "Projects", "Every project, the one with the most outdated packages first.",
        OF_PROJECTS,
        Column("Outdated", f"max {_BY_PROJECT} (runbook_dependency_outdated{{$match}})", "none"),
        Column("Since", f"min {_BY_PROJECT} (runbook_dependency_outdated_since_timestamp_seconds{{$match}}) * 1000",
               "dateTimeFromNow"),
        Column("Vulnerabilities", f"sum {_BY_PROJECT} (runbook_dependency_vulnerabilities{{$match}})", "none"),
        Column("Scanned", f"min {_BY_PROJECT} (runbook_dependency_scanned_timestamp_seconds{{$match}}) * 1000",
               "dateTimeFromNow"),
        width=12, height=8, empty=_NO_PROJECTS,
    ),
]  # fmt: skip

WATCHED: Final[list[Panel]] = [
    signal("Age of secrets", "How old each secret is, of what it may become.", "KeyRotationOverdue", legend=SECRET,
           empty=_NO_SECRETS),
    signal("Who may read them", "Whether every user of the machine may read the file.", "SecretReadableByOthers",
           legend=SECRET, unit="none", states=OPEN, empty="no secret is in a file"),
    signal("Past their time", "How long ago the oldest vulnerability of each project should have been mended; below"
           " nothing there is time left.", "VulnerabilityUnpatched", legend=PROJECT, empty="no vulnerability is known"),
    signal("Waiting for their update", "For how long the package has been outdated that has been for longest.",
           "DependenciesOutdated", legend=PROJECT, empty="nothing is outdated"),
    signal("Age of scans", "How long ago each project was scanned, and how old the lists of apt are.",
           "DependencyScanOverdue", legend=f"{PROJECT} {{{{part}}}}", empty=_NO_PROJECTS),
    signal("Security updates that wait", "For how long the oldest of them has waited.", "SystemUpdatesPending",
           legend=f"{EACH} {{{{project}}}}", empty="none waits, or no machine's packages are watched"),
    signal("To be started again", "Whether the machine must be for what was updated to be in use.", "RebootPending",
           legend=EACH, unit="none", states=NEEDED, empty=_NO_HOST),
    signal("Browsers and drivers", "Whether the driver can drive the browser.", "BrowserDriverMismatch",
           legend=f"{EACH} {{{{browser}}}}", unit="none", states=YES_NO, empty=_NO_BROWSER),
    signal("ClamAV", "Whether it answers.", "ClamAVDown", legend=EACH, unit="none", states=UP_DOWN,
           empty=_NO_CLAMAV),
    signal("Age of the signatures", "How old those are that it scans with.", "ClamAVSignaturesOld", legend=EACH,
           empty="no ClamAV tells"),
]  # fmt: skip

PACKAGES: Final[list[Panel]] = [
    lines("Vulnerabilities by severity", "How many are known.",
          ("sum by (instance, target, severity) (runbook_dependency_vulnerabilities{$match})",
           f"{EACH} {{{{severity}}}}"), unit="short", stacked=True, empty=_NO_PROJECTS),
    lines("Outdated packages", "How many packages of each project have a newer release.",
          ("runbook_dependency_outdated{$match}", PROJECT), unit="short", empty=_NO_PROJECTS),
    lines("Not told of", "Packages of which the last scan could not tell, as their source does not know them.",
          ("runbook_dependency_unscanned{$match}", f"{PROJECT} {{{{part}}}}"), unit="short", empty=_NO_PROJECTS),
    lines("Behind the newest release", "The package of each project that is furthest behind, where there are dates.",
          ("runbook_dependency_oldest_release_lag_seconds{$match}", PROJECT), unit="s",
          empty="no source tells when releases were made"),
    lines("Time for vulnerabilities", "How long one of each severity may stay.",
          ("runbook_dependency_deadline_seconds{$match}", f"{EACH} {{{{severity}}}}"), unit="s", empty=_NO_PROJECTS),
    lines("Updates by origin", "Packages of the machine that could be updated.",
          ("apt_upgrades_pending{$match}", f"{EACH} {{{{origin}}}}"), unit="short", stacked=True,
          empty=_NO_HOST),
]  # fmt: skip

TOOLS: Final[list[Panel]] = [
    lines("Secrets in logs", "Lines of logs that look as if they had a secret in them, and addresses with one in"
          " their query, within a quarter of an hour.",
          ('sum by (instance, target, log, event) (runbook:log_events_15m:count{$match,'
           ' event=~"secret_logged|secret_in_query"})', f"{EACH} {{{{log}}}} {{{{event}}}}"), unit="short",
          empty="no log is looked through for secrets"),
    table(
        "Versions", "Browsers and drivers as they are installed.",
        {"instance": "Instance", "target": "Target", "browser": "Browser", "version": "Version",
         "driver_version": "Driver"},
        Column("Seen", "max by (instance, target, browser, version, driver_version)"
               " (runbook_browser_version_info{$match})", "bool_yes_no"),
        width=12, height=8, empty=_NO_BROWSER,
    ),
    lines("Scans", "What is scanned, what waits for a thread, and how many threads there may be.",
          (f"sum {_BY} (clamav_pool_live_threads{{$match}})", f"{EACH} threads"),
          (f"sum {_BY} (clamav_pool_queue_length{{$match}})", f"{EACH} waiting"),
          (f"sum {_BY} (clamav_pool_max_threads{{$match}})", f"{EACH} most"), unit="short",
          empty=_NO_CLAMAV),
]  # fmt: skip

DASHBOARD: Final = Dashboard(
    area="security",
    title="Security and dependencies",
    text="Secrets and their age, outdated and vulnerable packages, updates of machines, browsers and drivers, ClamAV.",
    presence='runbook_target_up{collector=~"secret|dependency|browser|clamd"}',
    rows=[
        Row("At a glance", GLANCE), Row("What alerts watch", WATCHED), Row("Packages", PACKAGES),
        Row("Logs, browsers, ClamAV", TOOLS),
    ],
)  # fmt: skip
