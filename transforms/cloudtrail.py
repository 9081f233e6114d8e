"""Reading CloudTrail events: which calls changed something, and what their JSON says."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from transforms.columns import SCOPE, scope

_FUNCTION_ARN = r"^(?:arn:[^:]*:lambda:([^:]*):)?([0-9]{12}):function:"
_FUNCTION = r"^(?:(?:arn:[^:]*:lambda:[^:]*:)?[0-9]{12}:function:)?([A-Za-z0-9_-]+)(?::([A-Za-z0-9$_-]+))?$"


def succeeded(events: DataFrame, source: str, *names: str) -> DataFrame:
    """The calls of these names that changed something: with an errorCode (denied, a dry run) none did.

    Lambda's names carry a version (`DeleteFunction20150331`), and other calls begin alike
    (`DeleteFunctionConcurrency20171031`): a name matches alone or with digits after it.
    """
    pattern = rf"^(?:{'|'.join(names)})(?:[0-9].*)?$"
    return events.where(
        (F.col("event_source") == source) & F.col("event_name").rlike(pattern) & F.col("error_code").isNull()
    )


def request(path: str) -> Column:
    """A value of requestParameters as text; NULL when it is missing."""
    return F.get_json_object("request_parameters", f"$.{path}")


def response(path: str) -> Column:
    """A value of responseElements as text; NULL when it is missing."""
    return F.get_json_object("response_elements", f"$.{path}")


def values_of(json: Column, key: str) -> Column:
    """All the values of one key in a piece of JSON, however deep; an empty array without any.

    `{"items":[{"groupId":"sg-1"}]}` and `groupId` → [sg-1]. (Sail knows no `[*]` in a JSON path.) A quoted
    key inside a text is escaped there, so it does not match.
    """
    found = F.regexp_extract_all(json, F.lit(rf'"{key}"\s*:\s*"([^"\\]+)"'), 1)
    return F.coalesce(found, F.array().cast("array<string>"))


def strings_in(json: Column) -> Column:
    """The strings of a JSON array of plain strings: `["a","b"]` → [a, b]; an empty array without any."""
    return F.coalesce(F.regexp_extract_all(json, F.lit(r'"([^"\\]+)"'), 1), F.array().cast("array<string>"))


def calling_function() -> Column:
    """The function whose credentials made the call, as AWS says in `inScopeOf`: an ARN; NULL if it says none.

    AWS documents `sourceArn` for the function, and writes it into `credentialsIssuedTo`: either counts.
    """
    by_lambda, issued = F.col("in_scope_of_type") == "AWS::Lambda::Function", F.col("in_scope_of_arn")
    documented = F.get_json_object("raw", "$.userIdentity.inScopeOf.sourceArn")
    return F.when(by_lambda & function_name(issued).isNotNull(), issued).when(by_lambda, documented)


def function_owner(arn: Column) -> list[Column]:
    """account_id and region of the function: a call from another account is in that account's trail as well."""
    region, account = (F.nullif(F.regexp_extract(arn, _FUNCTION_ARN, group), F.lit("")) for group in (1, 2))
    recorded = dict(zip(SCOPE, scope(), strict=True))
    return [
        F.coalesce(account, recorded["account_id"]).alias("account_id"),
        F.coalesce(region, recorded["region"]).alias("region"),
    ]


def function_name(named: Column) -> Column:
    """The name in a name, a partial or a whole ARN, perhaps with a version or an alias; NULL when there is none."""
    return F.nullif(F.regexp_extract(named, _FUNCTION, 1), F.lit(""))


def function_qualifier(named: Column) -> Column:
    """The version or alias after it; NULL without one."""
    return F.nullif(F.regexp_extract(named, _FUNCTION, 2), F.lit(""))
