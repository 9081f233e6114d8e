"""What was changed of functions, and of the account's sight, by whom."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from transforms.cloudtrail import function_name, function_owner, request, response, strings_in
from transforms.columns import SCOPE, scope
from transforms.sight_changes import LOG_GROUP, SIGHT, log_group_function, sight_change, sight_detail

PUBLIC, FOREIGN = "anybody", "another account"
"""Who may call the function from then on: `opens_to`."""

_CONFIGURATION = "configuration"
_PERMISSION = "permission"
_URL = "url"
_ROLE_POLICY = "role policy"
# Lambda's names carry a version (`UpdateFunctionCode20150331v2`). Of several patterns the first counts.
_CHANGES = (
    ("(?:Create|Update|Delete)FunctionUrlConfig", _URL),
    ("CreateFunction", "created"),
    ("DeleteFunction", "deleted"),
    ("UpdateFunctionCode", "code"),
    ("UpdateFunctionConfiguration", _CONFIGURATION),
    ("(?:Put|Update|Delete)FunctionEventInvokeConfig|(?:Put|Delete)FunctionCodeSigningConfig|PutRuntimeManagementConfig"
     "|PutFunctionRecursionConfig", _CONFIGURATION),
    ("PublishVersion", "published"),
    ("(?:Create|Update|Delete)Alias", "alias"),
    ("(?:Add|Remove)Permission", _PERMISSION),
    ("(?:Create|Update|Delete)EventSourceMapping", "trigger"),
    ("(?:Put|Delete)(?:FunctionConcurrency|ProvisionedConcurrencyConfig)", "concurrency"),
)  # fmt: skip
# Parts of a configuration that are changes of their own.
_PARTS = {"layers": "layer", "role": "role", "vpcConfig": "vpc"}
# What a request says besides: which function, and on what condition.
_NO_PART = ("functionName", "environment", "revisionId", *_PARTS)
_ROLE_CALLS = "(?:Attach|Detach|Put|Delete)RolePolicy|UpdateAssumeRolePolicy|(?:Put|Delete)RolePermissionsBoundary"
_LONGEST_DETAIL = 300


def function_changes(cloudtrail: DataFrame, configs: DataFrame) -> DataFrame:
    """`function_changes` from `cloudtrail_events` of some days and `function_configs`.

    Calls that change a function, its execution role (`role policy`, for each function that ever had the role), or
    what watches the account (no function); refused ones too, with their error_code. A dry run changes nothing, and
    is none. A call from another account is in both accounts' trails: it counts once, for the function's.

    UpdateFunctionCode20150331v2 of RDSQueryLogger by the role Deploy → change `code`, principal
    `arn:aws:sts::123456789012:assumed-role/Deploy`. UpdateFunctionConfiguration that sets layers and role → two
    rows, `layer` and `role`. CloudTrail hides variables, and writes an empty `environment` also where none was sent:
    only a request that sets nothing else changed the environment for sure.
    """
    rows = _owned(_told(cloudtrail), configs)
    shared = F.coalesce(F.get_json_object("raw", "$.sharedEventID"), F.col("event_id"))
    assumed = F.regexp_replace("user_arn", r"(:assumed-role/[^/]+)/.*$", "$1")
    shown = rows.withColumns(
        {
            "principal": F.coalesce(assumed, "invoked_by", "user_account_id", "user_type", F.lit("unknown")),
            "detail": F.substring("detail", 1, _LONGEST_DETAIL),
            "shared": shared,
        }
    )
    once = ("shared", *SCOPE, "function_name", "change")
    told = ("event_time", "event_name", "principal", "source_ip_address", "user_agent", "error_code", "detail",
            "opens_to", "date")  # fmt: skip
    kept = shown.groupBy(*once).agg(F.min(F.struct("event_id", *told)).alias("kept"))
    return kept.select(*SCOPE, "function_name", "change", "kept.*")


def calls_of_roles(cloudtrail: DataFrame, role_arns: DataFrame) -> DataFrame:
    """The calls in `cloudtrail_events` that change one of these roles (`role_arn`)."""
    calls = cloudtrail.where(_changes_role()).withColumns({"of_account": scope()[0], "of_role": request("roleName")})
    return calls.join(role_arns.select(*_role(F.col("role_arn"))).distinct(), ["of_account", "of_role"], "left_semi")


def _told(cloudtrail: DataFrame) -> DataFrame:
    """The calls that change something, once for each sort of change, from one scan."""
    of_lambda = [F.when(F.col("event_name").rlike(f"^(?:{p})(?:[0-9].*)?$"), change) for p, change in _CHANGES]
    kind = F.coalesce(
        F.when(F.col("event_source") == "lambda.amazonaws.com", F.coalesce(*of_lambda)),
        F.when(_changes_role(), _ROLE_POLICY),
        sight_change(),
    )
    dry = F.coalesce(request("dryRun"), F.lit("false")) == "true"
    calls = cloudtrail.withColumn("kind", kind).where(F.col("kind").isNotNull() & ~dry)
    return calls.withColumn("change", F.explode(_parts()))


def _owned(told: DataFrame, configs: DataFrame) -> DataFrame:
    """The same with account_id, region and function_name of what was changed; a role once for each of its functions."""
    owners = configs.where(F.col("role").isNotNull()).select(
        *[column.alias(f"role_{name}") for name, column in zip(SCOPE, scope(), strict=True)],
        F.col("function_name").alias("role_function"),
        *_role(F.col("role")),
    )
    of_role = F.col("change") == _ROLE_POLICY
    # Mappings are changed by their id: the answer says whose they are.
    named = F.coalesce(request("functionName"), response("functionArn"))
    joined = told.withColumns(
        {
            "named": F.when(F.col("event_source") == "lambda.amazonaws.com", named),
            "of_account": F.when(of_role, scope()[0]),
            "of_role": F.when(of_role, request("roleName")),
        }
    ).join(owners.distinct(), ["of_account", "of_role"], "left")
    owned = joined.withColumn("owner", F.struct(*function_owner(F.col("named"))))
    name = F.coalesce("role_function", function_name(F.col("named")), log_group_function())
    rows = owned.withColumns(
        {
            "detail": F.coalesce(sight_detail(), _role_detail(), _detail()),
            "account_id": F.coalesce("role_account_id", "owner.account_id"),
            "region": F.coalesce("role_region", "owner.region"),
            "function_name": name,
        }
    ).withColumn("opens_to", _opens_to())
    lost = F.col("detail").isNotNull() & F.col("change").isin(*SIGHT, LOG_GROUP)
    return rows.where(F.col("function_name").isNotNull() | lost)


def _changes_role() -> Column:
    return (F.col("event_source") == "iam.amazonaws.com") & F.col("event_name").rlike(f"^(?:{_ROLE_CALLS})$")


def _role(arn: Column) -> list[Column]:
    """of_account and of_role: the account and the name in a role's ARN, without its path."""
    return [
        F.regexp_extract(arn, r"^arn:[^:]*:iam::([0-9]{12}):", 1).alias("of_account"),
        F.regexp_extract(arn, r":role/(?:.*/)?([^/]+)$", 1).alias("of_role"),
    ]


def _parts() -> Column:
    """The changes that a call is, by what its request names."""
    # Sail fails on a path into NULL.
    keys = F.json_object_keys(F.coalesce("request_parameters", F.lit("{}")))
    named = F.array(*[F.when(request(part).isNotNull(), change) for part, change in _PARTS.items()])
    parts = F.filter(named, lambda part: part.isNotNull())
    only_environment = request("environment").isNotNull() & (F.size(parts) == 0)
    rest = F.size(F.filter(F.coalesce(keys, F.array().cast("array<string>")), lambda key: ~key.isin(*_NO_PART)))
    split = (
        F.when(rest > 0, F.array_append(parts, F.lit(_CONFIGURATION)))
        .when(only_environment, F.array(F.lit("environment")))
        .when(F.size(parts) > 0, parts)
        .otherwise(F.array(F.lit(_CONFIGURATION)))
    )
    return F.when(F.col("event_name").startswith("UpdateFunctionConfiguration"), split).otherwise(F.array("kind"))


def _detail() -> Column:
    """What it was changed to, in words."""
    change, gone = F.col("change"), F.col("event_name").rlike("^(?:Delete|Remove)")
    layers = F.array_join(F.array_sort(strings_in(request("layers"))), ", ")
    auth = F.when(request("authType") == "NONE", "anybody may call it (AuthType NONE)").otherwise(
        F.concat(F.lit("AuthType "), request("authType"))
    )
    code = F.coalesce(
        F.concat(F.lit("from s3://"), request("s3Bucket"), F.lit("/"), request("s3Key")),
        F.concat(F.lit("image "), request("imageUri")),
        F.concat(F.lit("code hash "), response("codeSha256")),
    )
    allows = F.concat(
        request("action"),
        F.lit(" for "),
        F.when(request("principal") == "*", "anybody").otherwise(request("principal")),
    )
    source = F.coalesce(request("eventSourceArn"), response("eventSourceArn"))
    return (
        F.when((change == _URL) & gone, "removed")
        .when(change == _URL, auth)
        .when((change == _PERMISSION) & gone, F.concat(F.lit("removed statement "), request("statementId")))
        .when(change == _PERMISSION, allows)
        .when(change == "layer", F.when(layers == "", "no layers").otherwise(layers))
        .when(change == "role", request("role"))
        .when(change == "vpc", request("vpcConfig"))
        .when(change == "code", code)
        .when(change == "created", F.concat(F.lit("role "), request("role")))
        .when(change == "deleted", F.concat(F.lit("version "), request("qualifier")))
        .when(change == "alias", F.concat_ws(" to version ", request("name"), request("functionVersion")))
        .when((change == "trigger") & gone, F.concat(F.lit("removed "), source))
        .when(change == "trigger", source)
        .when((change == "concurrency") & gone, "no limit")
        .when(change == "concurrency", F.concat(F.lit("at most "), request("reservedConcurrentExecutions")))
    )


def _opens_to() -> Column:
    """Who else may call the function afterwards; a permission for an AWS service opens it to nobody."""
    name, principal = F.col("event_name"), request("principal")
    # `*` with one of these is not everybody.
    narrowed = F.coalesce(
        request("principalOrgID"), request("sourceAccount"), request("sourceArn"), request("functionUrlAuthType")
    )
    narrowed = F.when(narrowed != "NONE", narrowed)
    account = F.nullif(F.regexp_extract(principal, r"^(?:arn:[^:]*:(?:iam|sts)::)?([0-9]{12})(?::|$)", 1), F.lit(""))
    by_permission = (
        F.when((principal == "*") & narrowed.isNull(), PUBLIC)
        .when(principal == "*", F.when(request("principalOrgID").isNotNull(), FOREIGN))
        .when(account != F.col("account_id"), FOREIGN)
    )
    return F.when(name.rlike("^(?:Create|Update)FunctionUrlConfig") & (request("authType") == "NONE"), PUBLIC).when(
        name.startswith("AddPermission"), by_permission
    )


def _role_detail() -> Column:
    """`attach role policy arn:aws:iam::aws:policy/AdministratorAccess of role-f`"""
    policy = F.coalesce(request("policyArn"), request("policyName"), request("permissionsBoundary"))
    verb = F.lower(F.regexp_replace("event_name", r"([a-z])([A-Z])", "$1 $2"))
    words = F.concat_ws(" ", verb, policy, F.lit("of"), request("roleName"))
    return F.when(F.col("change") == _ROLE_POLICY, words)
