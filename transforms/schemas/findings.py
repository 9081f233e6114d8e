"""What is normal, and what was not."""

from transforms.schemas.table import Table, columns

_PEER = (
    ("peer_kind", "string", "of a peer: what it is"),
    ("peer_name", "string", "its name"),
    ("peer_internal", "boolean", "inside the account's networks"),
    ("peer_port", "int", "its port"),
    ("protocol", "int", "IANA number"),
)

FUNCTION_BASELINES = Table(
    name="function_baselines",
    job="baseline",
    key=("as_of_date", "account_id", "region", "function_name", "behaviour", "thing"),
    partition_by="as_of_date",
    doc="What a function normally does, as known at the start of as_of_date.",
    schema=columns(
        ("as_of_date", "date", "knows the activity of the days before this one"),
        ("account_id", "string", "account"),
        ("region", "string", "region"),
        ("function_name", "string", "function"),
        ("behaviour", "string", "peer, api call, api error, api region"),
        ("thing", "string", "which one, as in function_activity_hourly"),
        *_PEER,
        ("first_seen", "date", "first day with it"),
        ("last_seen", "date", "last day with it"),
        ("days_seen", "bigint", "days with it since first_seen"),
        ("status", "string", "normal, or flagged: it was new when the function was already well known"),
        ("learned_from", "date", "the function's first known day with behaviour of this sort"),
        ("days_learned", "bigint", "its days with any"),
        ("thing_days", "bigint", "days_seen of all that is normal on its side (inside or outside), together"),
        (
            "unseen_mass",
            "double",
            "Good-Turing, of its side: the chance that a thing-day is with one never seen",
        ),
        ("strangers_per_day", "double", "so many never seen are to be expected on an active day, on its side"),
    ),
)

NOVELTIES = Table(
    name="novelties",
    job="detect",
    key=("date", "account_id", "region", "functions", "behaviour", "thing"),
    partition_by="date",
    doc="What functions that are known well enough did on a day, and had not done before; until it has become normal.",
    schema=columns(
        ("account_id", "string", "account"),
        ("region", "string", "region"),
        ("functions", "string", "the function; several, joined by a comma, when they share the interface"),
        ("behaviour", "string", "peer, api call, api error, api region"),
        ("thing", "string", "which one, as in function_activity_hourly"),
        *_PEER,
        ("peer_addr", "string", "the peer's address at first; of an API call its source"),
        ("local_addr", "string", "the function's address at first"),
        ("other_port", "boolean", "the peer is normal on another port or by another protocol"),
        ("first_seen", "date", "the day on which it was new"),
        ("first_time", "timestamp", "first conversation or call of the day"),
        ("last_time", "timestamp", "last one"),
        ("events", "bigint", "conversation windows, or API calls"),
        ("bytes_out", "bigint", "sent"),
        ("bytes_in", "bigint", "received"),
        ("evidence", "string", "key of the first one, in function_flows or function_api_calls"),
        ("expected", "string", "what of the same sort is normal, in words"),
        ("expected_things", "bigint", "how many they are"),
        ("unseen_mass", "double", "how ready the function is for strangers, 0 to 1"),
        (
            "surprise",
            "double",
            "-log10 of the chance of a stranger: (singletons + 1) ÷ (thing_days, or days, + 2)",
        ),
        (
            "known_to",
            "bigint",
            "for so many other functions of the account and region it is normal, or an address of its /24 on its port",
        ),
        ("account_functions", "bigint", "so many functions are known there"),
        ("baseline_from", "date", "learned from"),
        ("baseline_days", "bigint", "days with activity in it"),
        ("date", "date", "day (UTC)"),
    ),
)

THREATS = Table(
    name="threats",
    job="detect",
    key=("list_name", "entry", "prefix"),
    doc="The addresses and networks of the threat lists in the settings, as they were at the last run.",
    schema=columns(
        ("list_name", "string", "name of the list in the settings"),
        ("entry", "string", "address or network, as the list writes it"),
        ("prefix", "string", "hexadecimal digits that all its addresses begin with"),
    ),
)

# What an alert takes over from the first of its observations.
_FINDING = (
    ("account_id", "string", "account"),
    ("region", "string", "region"),
    (
        "functions",
        "string",
        "the function; several, joined by a comma, when they share the interface, or the finding; NULL: the account",
    ),
    ("subject", "string", "what it is about: the same finding of the same function has the same on every day"),
    ("severity", "string", "low, medium or high"),
    ("surprise", "double", "how unlikely it is if nothing is wrong: -log10 of the probability, comparable in rank"),
    ("summary", "string", "what was seen and what was expected, in words"),
    ("expected", "string", "what is normal, in words"),
    *_PEER,
    ("peer_addr", "string", "the peer's address at first; of an API call its source"),
    ("local_addr", "string", "the function's address at first"),
    ("principal", "string", "who called the API, where somebody did"),
    ("observed", "double", "the number that was seen, where it is one"),
    ("usual", "double", "the number that was expected"),
    ("evidence_table", "string", "the table whose row is the evidence"),
    ("evidence", "string", "the key of that row: of the first conversation, event or hour"),
    ("baseline_from", "date", "learned from"),
    ("baseline_to", "date", "learned until (exclusive)"),
    ("baseline_days", "bigint", "days with activity in it"),
    ("change", "string", "of what is new: the last change of the function in the 24 hours before, by whom and when"),
)

OBSERVATIONS = Table(
    name="observations",
    job="detect",
    key=("detection_id", "account_id", "region", "functions", "subject", "date"),
    partition_by="date",
    doc="One detection's finding on one day, with its evidence.",
    schema=columns(
        ("detection_id", "string", "which detection"),
        *_FINDING,
        ("first_time", "timestamp", "when it was first seen on the day"),
        ("last_time", "timestamp", "when it was last seen on the day"),
        ("events", "bigint", "conversation windows, API calls, minutes or hours that show it"),
        ("bytes_out", "bigint", "sent"),
        ("bytes_in", "bigint", "received"),
        ("date", "date", "day (UTC)"),
    ),
)

ALERTS = Table(
    name="alerts",
    job="detect",
    key=("alert_id",),
    doc="One alert with its life.",
    schema=columns(
        ("alert_id", "string", "stable: the same finding has the same id in every run"),
        ("detection_id", "string", "which detection"),
        ("title", "string", "the detection's title"),
        ("technique", "string", "MITRE ATT&CK technique"),
        ("attack_version", "string", "version of ATT&CK that the technique is of"),
        ("status", "string", "open, snoozed, suppressed, or closed when it has stopped"),
        ("verdict", "string", "what an analyst made of it: true, attempt, benign trigger or false; NULL: nobody yet"),
        ("verdict_by", "string", "who"),
        ("snoozed_until", "timestamp", "nobody wants to hear of it before, unless it closes"),
        ("suppressed_by", "string", "decision_id of the rule that suppresses it"),
        *_FINDING,
        ("opened_at", "timestamp", "when it was first seen"),
        ("updated_at", "timestamp", "when it was last seen"),
        ("closed_at", "timestamp", "when it was quiet long enough; NULL while open"),
        ("days", "bigint", "days on which it was seen"),
        ("events", "bigint", "conversation windows, API calls, minutes or hours that show it"),
        ("bytes_out", "bigint", "sent"),
        ("bytes_in", "bigint", "received"),
    ),
)

DECISIONS = Table(
    name="decisions",
    job="(people)",
    key=("decision_id",),
    doc="What people decided about alerts. Only ever added to; the latest of a sort counts.",
    schema=columns(
        ("decision_id", "string", "random"),
        ("made_at", "timestamp", "when (UTC)"),
        ("made_by", "string", "who; of a suppression its owner"),
        ("reason", "string", "why"),
        ("kind", "string", "verdict, snooze, suppress, or lift (ends a suppression)"),
        ("alert_id", "string", "of a verdict or snooze: the alert"),
        ("verdict", "string", "of a verdict: true, attempt, benign trigger or false"),
        ("until", "timestamp", "of a snooze: until when; of a suppression: only alerts that open before"),
        (
            "detection_id",
            "string",
            "of a suppression: only its alerts; of a verdict or snooze the alert's",
        ),
        ("function_name", "string", "of a suppression: only this function's"),
        ("peer_name", "string", "of a suppression: only with this peer"),
        ("account_id", "string", "of a verdict: the alert's, like the next"),
        ("region", "string", ""),
        ("functions", "string", ""),
        ("subject", "string", ""),
        ("lifts", "string", "of a lift: the suppression's decision_id"),
    ),
)

RESPONSE_ACTIONS = Table(
    name="response_actions",
    job="(people)",
    key=("action_id", "step"),
    doc="What was planned and done to contain an alert, event by event. Only ever added to: what is about to be called "
    "is written before the first call, what came of it after the last.",
    schema=columns(
        ("action_id", "string", "names the plan: a digest of the alert, the way, the place and the changes"),
        ("step", "bigint", "events of an action in order, from 1; it stands where its last one but `verified` says"),
        ("event", "string", "planned, applying, applied, verified, rolling back, rolled back"),
        ("event_time", "timestamp", "wall clock (UTC)"),
        ("principal", "string", "who did it: the ARN of the AWS credentials, else the user of this machine"),
        ("alert_id", "string", "what it is for"),
        (
            "way",
            "string",
            "network acl, security group, network firewall, reserved concurrency, or role policy",
        ),
        ("account_id", "string", "account"),
        ("region", "string", "region"),
        ("functions", "string", "whose alert it is, joined by a comma"),
        ("destination", "string", "the network that is blocked; NULL: none is, the function is"),
        ("changes", "string", "as JSON: of each change the resource, what was there before, and what is made of it"),
        ("blast_radius", "string", "as JSON: who would notice, from history"),
        (
            "expires_at",
            "timestamp",
            "`leasehold respond expire` rolls it back from then on; NULL: never, or not applied",
        ),
        ("note", "string", "what came of it, in words"),
    ),
)
