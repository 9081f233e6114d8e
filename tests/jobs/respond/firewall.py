"""AWS Network Firewall, as far as `leasehold respond` uses it: moto has no policies and no rule groups.

Answers have the shape of botocore's model; an update needs the latest token, and a rule group that a policy has cannot
be deleted, as AWS says.
"""

from __future__ import annotations

import copy
from typing import Any

from tests.jobs.collect.aws import OWN, Call, Row

_PLACE = f"arn:aws:network-firewall:eu-west-1:{OWN}"
POLICY = f"{_PLACE}:firewall-policy/egress"
_FIREWALL = f"{_PLACE}:firewall/main"
_THEIRS = f"{_PLACE}:stateful-rulegroup/theirs"


class Firewall:
    """A firewall in a VPC, with a policy that has somebody's rule group."""

    def __init__(self, vpc: str, strict: bool = True) -> None:
        self.vpc = vpc
        self.version = 1
        reference: Row = {"ResourceArn": _THEIRS, **({"Priority": 100} if strict else {})}
        self.policy: Row = {
            "StatelessDefaultActions": ["aws:forward_to_sfe"],
            "StatelessFragmentDefaultActions": ["aws:forward_to_sfe"],
            "StatefulRuleGroupReferences": [reference],
            **({"StatefulEngineOptions": {"RuleOrder": "STRICT_ORDER"}} if strict else {}),
        }
        self.description = "of the network team"
        self.groups: dict[str, Row] = {}

    def install(self, scripts: dict[str, Any]) -> None:
        """Answer from now on."""
        for name in (
            "ListFirewalls", "DescribeFirewall", "DescribeFirewallPolicy", "UpdateFirewallPolicy", "CreateRuleGroup",
            "DescribeRuleGroup", "DeleteRuleGroup",
        ):  # fmt: skip
            scripts[name] = getattr(self, name)

    def answers(self) -> Row:
        """All that Describe* would say, but for the token."""
        return copy.deepcopy({"policy": self.policy, "about": self.description, "groups": self.groups})

    def ListFirewalls(self, call: Call) -> Row:  # noqa: N802
        found = [{"FirewallName": "main", "FirewallArn": _FIREWALL}]
        return {"Firewalls": found if self.vpc in call.params.get("VpcIds", [self.vpc]) else []}

    def DescribeFirewall(self, call: Call) -> Row:  # noqa: N802
        assert call.params["FirewallArn"] == _FIREWALL
        return {"Firewall": {"FirewallName": "main", "VpcId": self.vpc, "FirewallPolicyArn": POLICY}}

    def DescribeFirewallPolicy(self, call: Call) -> Row:  # noqa: N802
        assert call.params["FirewallPolicyArn"] == POLICY
        about = {"FirewallPolicyName": "egress", "FirewallPolicyArn": POLICY}
        if self.description:
            about["Description"] = self.description
        return copy.deepcopy(
            {"UpdateToken": str(self.version), "FirewallPolicyResponse": about, "FirewallPolicy": self.policy}
        )

    def UpdateFirewallPolicy(self, call: Call) -> Row:  # noqa: N802
        if call.params["UpdateToken"] != str(self.version):
            return _error("InvalidTokenException")
        self.version += 1
        self.policy = copy.deepcopy(call.params["FirewallPolicy"])
        self.description = call.params.get("Description", "")
        return self.DescribeFirewallPolicy(call)

    def CreateRuleGroup(self, call: Call) -> Row:  # noqa: N802
        arn = f"{_PLACE}:stateful-rulegroup/{call.params['RuleGroupName']}"
        if arn in self.groups:
            return _error("InvalidRequestException")
        self.groups[arn] = copy.deepcopy(call.params)
        return self._group(arn)

    def DescribeRuleGroup(self, call: Call) -> Row:  # noqa: N802
        arn = call.params["RuleGroupArn"]
        return self._group(arn) if arn in self.groups else _error("ResourceNotFoundException")

    def DeleteRuleGroup(self, call: Call) -> Row:  # noqa: N802
        arn = call.params["RuleGroupArn"]
        if arn in {one["ResourceArn"] for one in self.policy.get("StatefulRuleGroupReferences", [])}:
            return _error("InvalidOperationException")
        if arn not in self.groups:
            return _error("ResourceNotFoundException")
        answer = self._group(arn)
        del self.groups[arn]
        return answer

    def _group(self, arn: str) -> Row:
        made = self.groups[arn]
        about = {"RuleGroupArn": arn, "RuleGroupName": made["RuleGroupName"], "Tags": made.get("Tags", [])}
        return copy.deepcopy({"UpdateToken": "1", "RuleGroup": made["RuleGroup"], "RuleGroupResponse": about})


def _error(code: str) -> Row:
    return {"Error": {"Code": code, "Message": "so AWS says"}}
