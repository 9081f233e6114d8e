"""A function's credentials are used by somebody else."""

from collections.abc import Sequence
from datetime import date

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from detections.detection import Detection
from transforms.api_calls import IN_SCOPE
from transforms.columns import SCOPE, listed

HISTORY_DAYS = 36
SETTLED_DAYS = 7
SHOWN = 5
_FUNCTION = (*SCOPE, "function_name")
_LAMBDAS = r"(?i)aws_lambda|awslambda|lambda\.amazonaws\.com|^aws[ -]internal"
"""How programs in a function, and Lambda itself on its behalf, present themselves."""
_ADDRESS = r"^[0-9]{1,3}(?:\.[0-9]{1,3}){3}$|^[0-9A-Fa-f]*:[0-9A-Fa-f:.]+$"
_PRIVATE = r"^(?:10\.|192\.168\.|172\.(?:1[6-9]|2[0-9]|3[01])\.|100\.(?:6[4-9]|[7-9][0-9]|1[01][0-9]|12[0-7])\.)"
_MOSTLY = 0.9


def detect(days: Sequence[date], function_api_calls: DataFrame, *, min_history_days: float = 7) -> DataFrame:
    """One observation per function and day of calls with its role's session that the function hardly made itself.

    Three things speak against it, each held against the 36 days before: the address is of a network from which neither
    it nor any function of the account and region has called; the program does not say that it runs in Lambda, and is
    none that the function has long used; AWS does not say that the function made the call (`inScopeOf`), though it
    usually does. A strange address and one of the other two are high; the two without it medium. Calls from a service
    (`AWS Internal`, `s3.amazonaws.com`) never count. A function of which less than `min_history_days` are known is held
    against all of its account and region.

    Networks are the first two numbers of a public address (a function outside a VPC changes its own daily), three of a
    private one, two groups of IPv6.

    f has called from 192.0.2.1 in Lambda for a month; now aws-cli at 203.0.113.9 calls with its session → high.
    """
    del days  # days before the judged ones are dropped by the caller
    address, agent = F.col("source_ip_address"), F.col("user_agent")
    own = F.coalesce(agent.rlike(_LAMBDAS), F.lit(False))
    calls = function_api_calls.where(F.col("invoked_by").isNull() & address.rlike(_ADDRESS)).select(
        *_FUNCTION, "date", "event_time", "event_id", address.alias("address"),
        F.substring(agent, 1, 80).alias("agent"), _network(address).alias("network"),
        F.when(own, "lambda").otherwise(F.lower(F.regexp_extract(agent, r"^\[?([A-Za-z0-9._-]+)", 1))).alias("program"),
        (F.col("identified_by") == IN_SCOPE).cast("int").alias("in_scope"),
        F.concat_ws(":", "service", "action").alias("action"),
    )  # fmt: skip
    daily = calls.groupBy(*_FUNCTION, "date", "network", "program", "in_scope").agg(
        F.count(F.lit(1)).alias("calls"),
        F.min(F.struct("event_time", "event_id", "address", "agent")).alias("first"),
        F.max("event_time").alias("last_time"),
        F.collect_set("address").alias("addresses"),
        F.collect_set("action").alias("actions"),
    )
    return _told(_judged(daily, min_history_days).where(F.col("rank") > 0))


def _network(address: Column) -> Column:
    parts, groups = F.split(address, r"\."), F.split(address, ":")
    size = F.when(address.rlike(_PRIVATE), 3).otherwise(2)
    return F.when(address.contains(":"), F.array_join(F.slice(groups, 1, 2), ":")).otherwise(
        F.array_join(F.slice(parts, 1, size), ".")
    )


def _judged(daily: DataFrame, min_history_days: float) -> DataFrame:
    """Adds strange_place, strange_program, unscoped and rank: 3 high, 2 medium, 0 nothing."""
    day = F.unix_date("date")
    own, account = Window.partitionBy(*_FUNCTION).orderBy(day), Window.partitionBy(*SCOPE).orderBy(day)
    place, program = (Window.partitionBy(*_FUNCTION, name).orderBy(day) for name in ("network", "program"))
    around = Window.partitionBy(*SCOPE, "network").orderBy(day).rangeBetween(-HISTORY_DAYS, 0)
    before, long_ago = (-HISTORY_DAYS, -1), (-HISTORY_DAYS, -SETTLED_DAYS)
    by_lambda, scoped = (F.col("program") == "lambda").cast("int"), F.col("in_scope") * F.col("calls")
    facts = daily.withColumns(
        {
            **{f"{name}_since": F.min("date").over(w.rangeBetween(*long_ago))
               for name, w in (("place", place), ("program", program))},
            **{f"{name}_days": F.size(F.coalesce(F.collect_set("date").over(w.rangeBetween(*before)),
                                                 F.array().cast("array<date>")))
               for name, w in (("place", place), ("program", program))},
            **{f"{name}_{what}": value.over(w.rangeBetween(*before))
               for name, w in (("own", own), ("account", account))
               for what, value in (("from", F.min("date")), ("calls", F.sum("calls")), ("scoped", F.sum(scoped)),
                                   ("lambda", F.sum(by_lambda * F.col("calls"))))},
        }
    )  # fmt: skip
    known = F.coalesce(F.date_diff("date", "own_from") >= min_history_days, F.lit(False))
    read = F.coalesce(F.date_diff("date", "account_from") >= min_history_days, F.lit(False))

    def share(what: str) -> Column:
        of = F.when(known, F.col(f"own_{what}") / F.col("own_calls"))
        return of.otherwise(F.col(f"account_{what}") / F.col("account_calls"))

    def settled(name: str) -> Column:
        return F.col(f"{name}_since").isNotNull() & (F.col(f"{name}_days") >= 3)

    unscoped = F.coalesce((F.col("in_scope") == 0) & (share("scoped") >= _MOSTLY), F.lit(False))
    # A place is known by what surely came from Lambda, the same day included, or by long use.
    surely = by_lambda * (~F.col("unscoped")).cast("int")
    facts = facts.withColumn("unscoped", unscoped).withColumn("known_place", F.max(surely).over(around))
    named = F.col("program") != ""
    strange_place = (F.col("known_place") == 0) & ~settled("place")
    # Of a function that is not known itself, only that all others present themselves as Lambda's.
    strange_program = named & (by_lambda == 0) & ~settled("program") & (known | (share("lambda") >= _MOSTLY))
    flags = facts.withColumns(
        {
            "strange_place": F.coalesce(strange_place, F.lit(False)),
            "strange_program": F.coalesce(strange_program, F.lit(False)),
        }
    )
    elsewhere = F.col("strange_place") & (F.col("strange_program") | F.col("unscoped"))
    rank = F.when(~(known | read), 0).when(elsewhere, 3).when(F.col("strange_program") & F.col("unscoped"), 2)
    return flags.withColumn("rank", rank.otherwise(0))


def _told(found: DataFrame) -> DataFrame:
    flags = ("strange_place", "strange_program", "unscoped")
    days = found.groupBy(*_FUNCTION, "date").agg(
        F.max("rank").alias("rank"),
        F.min("first").alias("first"),
        F.max("last_time").alias("last_time"),
        F.sum("calls").alias("events"),
        F.array_sort(F.array_distinct(F.flatten(F.collect_list("addresses")))).alias("addresses"),
        F.array_sort(F.array_distinct(F.flatten(F.collect_list("actions")))).alias("actions"),
        F.min(F.coalesce("own_from", "account_from")).alias("baseline_from"),
        *[F.max(name).alias(name) for name in flags],
    )
    why = F.concat_ws(
        "; ",
        F.when(F.col("strange_place"), "no function here has called from that network"),
        F.when(F.col("strange_program"), "the program is not one of Lambda's, and new to it"),
        F.when(F.col("unscoped"), "AWS does not say that the function made these calls, as it usually does"),
    )
    return days.withColumns(
        {
            "functions": F.col("function_name"),
            "subject": F.lit("its credentials elsewhere"),
            "severity": F.when(F.col("rank") == 3, "high").otherwise("medium"),
            # As unlikely as a day of this sort in all that is known.
            "surprise": F.round(F.log10(F.date_diff("date", "baseline_from") + 2), 3),
            "summary": F.concat(
                F.lit("The credentials of "), "function_name", F.lit(" were used from "),
                listed(F.col("addresses"), SHOWN), F.lit(" with "),
                F.coalesce("first.agent", F.lit("an unknown program")), F.lit(": "), listed(F.col("actions"), SHOWN),
                F.lit(". "), F.upper(F.substring(why, 1, 1)), F.substring(why, 2, 300), F.lit("."),
            ),
            "expected": F.lit("only the function itself uses its credentials"),
            "observed": F.col("events").cast("double"),
            "peer_addr": F.col("first.address"),
            "first_time": F.col("first.event_time"),
            "evidence_table": F.lit("function_api_calls"),
            "evidence": F.col("first.event_id"),
            "baseline_to": F.col("date"),
        }
    )  # fmt: skip


DETECTION = Detection(
    id="credentials_outside",
    title="Credentials of a function used elsewhere",
    severity="high",
    technique="T1552.005 Cloud Instance Metadata API",
    attack_version="19",
    tables=("function_api_calls",),
    history_days=HISTORY_DAYS,
    false_positives=(
        "A developer who assumed the function's role under its name to try something out.",
        "A new NAT gateway together with a release that calls AWS by another library, without Lambda's mark.",
    ),
    blind_spots=(
        "Who presents himself as a program in Lambda, where AWS does not write inScopeOf.",
        "A network that functions of the account use, too: another machine in AWS may have such an address.",
        "Calls that CloudTrail does not write: data events unless they are switched on.",
        "What goes on for a week on three days or more counts as usual from then on.",
    ),
    runbook=(
        "Read `summary`, and look `peer_addr` up: is it the company's, a cloud provider's, somebody's home?",
        "In function_api_calls, read all calls of the function (`functions`) from that source_ip_address since "
        "opened_at, and by its role_arn: what was read, made or shared?",
        "Revoke the role's older sessions, and look for how they got out: in function_changes for new code or layers "
        "of `functions` in the days before opened_at, and in function_flows for uploads.",
    ),
    detect=detect,
    parameters={"min_history_days": 7},
)
