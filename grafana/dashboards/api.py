"""The dashboard of APIs of others: what is left, until when, what it costs, and what it will at this pace."""

from typing import Final

from grafana.declare import UP_DOWN, YES_NO, Column, Dashboard, Panel, Row, States, firing, lines, signal, stat, table

EACH: Final = "{{instance}} {{target}}"
MODEL: Final = f"{EACH} {{{{model}}}}"
QUOTA: Final = f"{MODEL} {{{{quota}}}} {{{{window}}}}"
USED_UP: Final[States] = {"0": ("no", "green"), "1": ("used up", "red")}
_BY: Final = "by (instance, target)"
_BY_QUOTA: Final = "by (instance, target, model, quota, window)"
_NONE: Final = "no API is watched"
_NO_LIMIT: Final = "no API tells its limits"
_NO_COST: Final = "no API tells its cost, and no prices are given"
_NO_BUDGET: Final = "no budget is given, or no cost is known"
_NO_USE: Final = "no API reports what is used"
_PACE: Final = "(runbook:api_cost:usd{$match} / runbook:api_cost_of:seconds{$match} > 0)"

GLANCE: Final[list[Panel]] = [
    firing(),
    stat("Answers", "Whether each API answers.", f"min {_BY} (runbook_api_up{{$match}})", EACH, unit="none",
         states=UP_DOWN, empty=_NONE),
    stat("Keys are taken", "Whether each API takes all the keys that it is shown.",
         f"min {_BY} (runbook_api_key_valid{{$match}})", EACH, unit="none", states=YES_NO,
         empty="of no key it is known whether it is taken"),
    stat("Least that is left", "Of the limit that is nearest to its end, how much is left.",
         f"min {_BY} (runbook_api_quota_remaining{{$match}}"
         " / (runbook_api_quota_limit{$match} > 0))", EACH, unit="percentunit", empty=_NO_LIMIT),
    stat("Cost of the month", "What the month has cost up to now.", f"max {_BY} (runbook:api_cost:usd{{$match}})", EACH,
         empty=_NO_COST),
    table(
        "APIs", "What each costs: up to now, when the month is over at this pace, and how long its budget lasts so.",
        {"instance": "Instance", "target": "Target"},
        Column("Of the budget", f"max {_BY} (runbook:api_budget_spent:ratio{{$match}})", "percentunit"),
        Column("Cost", f"max {_BY} (runbook:api_cost:usd{{$match}})", "currencyUSD"),
        Column("At this pace", f"max {_BY} (runbook:api_cost_projected:usd{{$match}})", "currencyUSD"),
        Column("Budget", f"max {_BY} (runbook:api_budget:usd{{$match}})", "currencyUSD"),
        Column("Budget lasts", f"min {_BY} (clamp_min(runbook:api_budget:usd{{$match}}"
               f" - runbook:api_cost:usd{{$match}}, 0) / {_PACE})", "s"),
        Column("Models without a price", f"max {_BY} (runbook_api_unpriced_models{{$match}})", "short"),
        Column("Month ends", f"max {_BY} (runbook_api_month_end_timestamp_seconds{{$match}}) * 1000",
               "dateTimeFromNow"),
        width=24, height=6, empty=_NO_COST,
    ),
    table(
        "Limits", "What is left of each limit, and when it is whole again, where the provider tells.",
        {"instance": "Instance", "target": "Target", "model": "Model", "quota": "Of", "window": "In a"},
        Column("Left", f"min {_BY_QUOTA} (runbook_api_quota_remaining{{$match}}"
               " / (runbook_api_quota_limit{$match} > 0))", "percentunit"),
        Column("Remaining", f"min {_BY_QUOTA} (runbook_api_quota_remaining{{$match}})", "short"),
        Column("Limit", f"max {_BY_QUOTA} (runbook_api_quota_limit{{$match}})", "short"),
        Column("Whole again", f"max {_BY_QUOTA} (runbook_api_quota_reset_timestamp_seconds{{$match}}) * 1000",
               "dateTimeFromNow"),
        empty=_NO_LIMIT,
    ),
]  # fmt: skip

WATCHED: Final[list[Panel]] = [
    signal("Answering", "Whether each API answers, and each model that is called.", "ExternalAPIDown", legend=MODEL,
           width=8, unit="none", states=UP_DOWN, empty=_NONE),
    signal("Keys", "Whether each key is taken; not there where it cannot be told.", "APIKeyInvalid",
           legend=f"{EACH} {{{{key}}}}", width=8, unit="none", states=YES_NO, empty=_NONE),
    signal("Permissions", "Whether each key may do what is asked of it.", "APIPermissionMissing",
           legend=f"{EACH} {{{{key}}}} {{{{read}}}}", width=8, unit="none", states=YES_NO, empty=_NONE),
    signal("Left of limits", "How much is left of each limit; of seconds and minutes the best of several. Not there"
           " where nothing is left.", "APIQuotaLow", legend=QUOTA, top=1, empty=_NO_LIMIT),
    signal("Used up", "Whether anything is used up, by all that tells of it.", "APIQuotaExhausted",
           legend=f"{QUOTA} {{{{log}}}} {{{{reason}}}}", unit="none", states=USED_UP, empty=_NONE),
    signal("Cost against the budget", "Of the budget, what the month has cost up to now, and what it will have when it"
           " is over, at this pace: that from the third day on.", "APIBudgetExceeded", legend=EACH, empty=_NO_BUDGET),
    signal("Use against what is usual", "The last hour that was counted, against the same hour of the days before.",
           "APIUsageAnomaly", legend=f"{EACH} {{{{used}}}}", unit="none",
           empty="what is usual is known after four days, where enough is used"),
]  # fmt: skip

LEFT: Final[list[Panel]] = [
    lines("Remaining", "What is left of each limit, as it was read.", ("runbook_api_quota_remaining{$match}", QUOTA),
          unit="short", empty=_NO_LIMIT),
    lines("Until limits are whole", "How long until each limit is whole again, where the provider tells.",
          ("runbook_api_quota_reset_timestamp_seconds{$match} - time() > 0", QUOTA), unit="s", empty=_NO_LIMIT),
    lines("Calls refused as too many", "Of the exporter itself, and of the whole project where the provider tells.",
          (f"sum {_BY.replace(')', ', source)')} (rate(runbook_api_rate_limited_total{{$match}}[$__rate_interval]))",
           f"{EACH} {{{{source}}}}"), empty=_NONE),
    lines("Refused of all calls", "Of the calls of the project within half an hour, how many were refused; where there"
          " are enough.", ("runbook:api_refused:ratio{$match}", EACH), top=1, empty="no project had many refused"),
    lines("Limits in logs", "Lines of applications' logs within a quarter of an hour that tell of limits.",
          ("runbook:api_log_rate_limited:count{$match}", f"{EACH} {{{{log}}}}"), unit="short",
          empty="no log tells of limits"),
]  # fmt: skip

COST: Final[list[Panel]] = [
    lines("Cost", "What the month has cost: as it is billed, or estimated by prices.",
          ("runbook_api_cost_usd{$match}", f"{EACH} {{{{source}}}}"), empty=_NO_COST),
    lines("At this pace", "What the whole month will cost, from its third day on; and the budget.",
          ("runbook:api_cost_projected:usd{$match}", f"{EACH} projected"),
          ("runbook:api_budget:usd{$match}", f"{EACH} budget"), empty=_NO_BUDGET),
    lines("Cost by item", "What the month has cost, by what the provider bills.",
          ("runbook_api_item_cost_usd{$match}", f"{EACH} {{{{item}}}}"), empty="no API bills by item"),
    lines("Cost of tokens in an hour", "What the tokens of the last hour cost by the configuration's prices.",
          ("sum by (instance, target, model) (runbook:api_model_tokens_hour:count{$match}"
           " * on (job, instance, target, model, type) group_left () runbook_api_price_usd{$match})", MODEL),
          unit="currencyUSD", empty="no model that is used has a price of its own name"),
    lines("Prices", "What a million tokens cost, by the configuration.",
          ("runbook_api_price_usd{$match} * 1000000", f"{MODEL} {{{{type}}}}"), unit="currencyUSD",
          empty="no prices are given"),
]  # fmt: skip

USE: Final[list[Panel]] = [
    lines("Requests in an hour", "By model and operation, as the provider has counted them.",
          ("runbook:api_model_requests_hour:count{$match}", f"{MODEL} {{{{operation}}}}"), unit="short", stacked=True,
          empty=_NO_USE),
    lines("Tokens in an hour", "By model and type, as the provider has counted them; input is without what was cached.",
          ("runbook:api_model_tokens_hour:count{$match}", f"{MODEL} {{{{type}}}}"), unit="short", stacked=True,
          empty=_NO_USE),
    stat("Requests", "All of the time that is shown, by model.",
         "sum by (instance, target, model) (increase(runbook_api_requests_total{$match}[$__range]))", MODEL,
         unit="short", width=12, height=8, empty=_NO_USE),
    lines("Usual use", "What is usual at this hour, by the days before.",
          ("runbook:api_used_usual:count{$match}"
           " and on (job, instance, target, used) runbook:api_used_hour:count{$match}", f"{EACH} {{{{used}}}}"),
          unit="short", empty="what is usual is known after four days"),
]  # fmt: skip

READS: Final[list[Panel]] = [
    lines("Age of the data", "Until when each report counts: providers are minutes to hours late.",
          ("time() - runbook_api_data_timestamp_seconds{$match}", f"{EACH} {{{{read}}}}"), unit="s",
          empty="no report says when it is from"),
    lines("How long looks take", "The call that costs nothing.", ("runbook_api_duration_seconds{$match}", EACH),
          empty=_NONE),
    lines("Kept away", "For how long each read is not made, as the provider asked.",
          ("runbook_api_retry_timestamp_seconds{$match} - time()", f"{EACH} {{{{read}}}}"), unit="s",
          empty="no provider asks to be left alone"),
    lines("Models that answer", "Whether the last call of each model was answered.",
          ("runbook_api_model_up{$match}", MODEL), unit="none", states=YES_NO, empty="no model is called"),
]  # fmt: skip

DASHBOARD: Final = Dashboard(
    area="api",
    title="External APIs",
    text="APIs of others: whether they answer and take the key, what is left until when, what they cost, what is used.",
    presence="runbook_api_info",
    rows=[
        Row("At a glance", GLANCE), Row("What alerts watch", WATCHED), Row("What is left", LEFT),
        Row("What it costs", COST), Row("What is used", USE), Row("Reports and looks", READS),
    ],
    slow=["runbook_api_"],
)  # fmt: skip
