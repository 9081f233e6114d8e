"""Whatever call fails, and after whatever call the process is killed: rolled back, the account is as it was."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from jobs.errors import LeaseholdError
from jobs.respond import execute
from jobs.respond.execute import ConflictError, Hand
from jobs.respond.guarded import guarded
from jobs.respond.journal import APPLIED, APPLYING, PLANNED, ROLLED_BACK, ROLLING_BACK, Action, actions, find
from jobs.respond.model import State
from tests.jobs.respond.account import (
    NOON,
    STRANGER,
    Account,
    Killed,
    Memory,
    Perilous,
    answers,
    clients,
    kept,
)

DAY = timedelta(days=1)
ON_IPV6 = {"destination": "2001:db8:7::66/128"}
WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "network-acl": ("network acl", {}),
    "network-acl-6": ("network acl", ON_IPV6),
    "security-group": ("security group", {}),
    # moto counts the rules of both families together.
    "security-group-6": ("security group", {**ON_IPV6, "security_group_rules": 55}),
    "firewall": ("network firewall", {}),
    "firewall-6": ("network firewall", ON_IPV6),
    "concurrency": ("reserved concurrency", {"functions": ("orders", "refunds")}),
    "role-policy": ("role policy", {}),
}
_EACH = [key for key in WAYS if not key.endswith("-6")]
every_way = pytest.mark.parametrize(("name", "fields"), WAYS.values(), ids=WAYS)
each_way = pytest.mark.parametrize(("name", "fields"), [WAYS[key] for key in _EACH], ids=_EACH)


def hand(journal: Memory) -> Hand:
    """As after a start: nothing is remembered."""
    return Hand(clients, journal, lambda: NOON, "ann")


def do_apply(journal: Memory, action: Action) -> Action:
    return execute.apply(hand(journal), find(journal, action.id), DAY, guarded((), (), None))


def do_rollback(journal: Memory, action: Action) -> Action:
    return execute.rollback(hand(journal), find(journal, action.id), "by hand")


def events(journal: Memory) -> list[str]:
    return [row["event"] for row in journal.kept]


@every_way
def test_applied_and_rolled_back(aws: Perilous, account: Account, name: str, fields: dict[str, Any]) -> None:
    before, journal = answers(aws), Memory()
    action = kept(journal, account, name, **fields)
    assert answers(aws) == before and action.event == PLANNED
    action = do_apply(journal, action)
    changed = nameless(answers(aws))
    assert changed != before
    assert {state for _, state in execute.standing(hand(journal), action)} == {State.ours}
    assert action.row["expires_at"] == NOON + DAY
    # Twice is once.
    aws.calls.clear()
    assert do_apply(journal, action).event == APPLIED
    assert (nameless(answers(aws)), len(journal.kept)) == (changed, 3)
    assert do_rollback(journal, action).event == ROLLED_BACK
    assert answers(aws) == before
    assert do_rollback(journal, action).event == ROLLED_BACK
    assert events(journal) == [PLANNED, APPLYING, APPLIED, ROLLING_BACK, ROLLED_BACK]
    # And once more, from the beginning.
    again = kept(journal, account, name, **fields)
    assert (again.id, again.event) == (action.id, PLANNED)
    do_apply(journal, again)
    assert nameless(answers(aws)) == changed
    do_rollback(journal, again)
    assert answers(aws) == before


def nameless(said: str) -> str:
    """Without the ids that AWS gives to rules that are added."""
    return re.sub(r"sgr-\w+", "sgr", said)


def calls_of(aws: Perilous, doing: Callable[[Memory, Action], Action], journal: Memory, action: Action) -> int:
    """How many calls it makes."""
    aws.safely()
    doing(journal, action)
    return aws.made


@each_way
def test_any_call_fails_or_its_answer_is_lost(
    aws: Perilous, account: Account, name: str, fields: dict[str, Any]
) -> None:
    before, journal = answers(aws, name), Memory()
    action = kept(journal, account, name, **fields)
    planned = action.row
    applying = calls_of(aws, do_apply, journal, action)
    changed = nameless(answers(aws, name))
    rolling = calls_of(aws, do_rollback, journal, action)
    assert answers(aws, name) == before and applying > 2 < rolling
    for peril in ("fails_at", "lost_at"):
        for number in range(1, applying + 1):
            journal = Memory(planned)
            aws.safely()
            setattr(aws, peril, number)
            try:
                do_apply(journal, action)
            except LeaseholdError as error:
                assert "AccessDenied" in str(error) or "Read timeout" in str(error)
                # Nothing is left, and nothing is left to be done.
                assert find(journal, action.id).event in (PLANNED, ROLLED_BACK)
                aws.safely()
                assert answers(aws, name) == before, (peril, number)
            else:
                aws.safely()
                assert peril == "lost_at" and nameless(answers(aws, name)) == changed
                do_rollback(journal, action)
            assert answers(aws, name) == before, (peril, number)
        for number in range(1, rolling + 1):
            journal = Memory(planned)
            do_apply(journal, action)
            aws.safely()
            setattr(aws, peril, number)
            try:
                do_rollback(journal, action)
            except LeaseholdError as error:
                assert "could not be rolled back" in str(error)
                assert find(journal, action.id).event == ROLLING_BACK
            else:
                assert peril == "lost_at"
            aws.safely()
            assert do_rollback(journal, action).event == ROLLED_BACK
            assert answers(aws, name) == before, (peril, number)


@each_way
def test_the_process_is_killed_after_any_call(
    aws: Perilous, account: Account, name: str, fields: dict[str, Any]
) -> None:
    before, journal = answers(aws, name), Memory()
    action = kept(journal, account, name, **fields)
    planned = action.row
    applying = calls_of(aws, do_apply, journal, action)
    changed = nameless(answers(aws, name))
    rolling = calls_of(aws, do_rollback, journal, action)
    for number in range(1, applying + 1):
        for goes_on in (False, True):
            journal = Memory(planned)
            aws.safely()
            aws.last = number
            with pytest.raises(Killed):
                do_apply(journal, action)
            aws.safely()
            if goes_on:
                assert do_apply(journal, action).event == APPLIED
                assert nameless(answers(aws, name)) == changed, number
            do_rollback(journal, action)
            assert answers(aws, name) == before, number
    for number in range(1, rolling + 1):
        journal = Memory(planned)
        do_apply(journal, action)
        aws.safely()
        aws.last = number
        with pytest.raises(Killed):
            do_rollback(journal, action)
        aws.safely()
        assert do_rollback(journal, action).event == ROLLED_BACK
        assert answers(aws, name) == before, number


@every_way
def test_the_process_is_killed_after_any_row(
    aws: Perilous, account: Account, name: str, fields: dict[str, Any]
) -> None:
    before = answers(aws, name)
    for row in range(2, 6):
        journal = Memory()
        action = kept(journal, account, name, **fields)
        journal.last = row
        with pytest.raises(Killed):
            do_apply(journal, action)
            do_rollback(journal, action)
        journal.last = 0
        # It is due when its time is over, wherever it was stopped.
        late = execute.due(actions(journal.rows()), NOON + DAY)
        assert [one.id for one in late] == ([] if row == 5 else [action.id])
        if late and late[0].event == APPLYING:
            tomorrow = Hand(clients, journal, lambda: NOON + DAY, "ann")
            with pytest.raises(LeaseholdError, match="its time is over"):
                execute.apply(tomorrow, late[0], DAY, ())
        assert execute.due(actions(journal.rows()), NOON + DAY - timedelta(seconds=1)) == []
        do_rollback(journal, action)
        assert answers(aws, name) == before, row


def test_what_somebody_else_made_is_never_touched(account: Account) -> None:
    ec2, journal = clients("ec2"), Memory()
    action = kept(journal, account, "network acl")
    acl, entry = action.changes[0].resource, action.changes[0].after
    # The same entry, made by somebody else after the plan.
    ec2.create_network_acl_entry(NetworkAclId=acl, **entry)
    theirs = answers()
    with pytest.raises(ConflictError, match="somebody has changed"):
        do_apply(journal, action)
    do_rollback(journal, action)
    assert answers() == theirs and events(journal) == [PLANNED]
    # Planned anew, there is less to do; theirs stays when ours goes.
    action = kept(journal, account, "network acl")
    assert len(action.changes) == 3
    do_apply(journal, action)
    do_rollback(journal, action)
    assert answers() == theirs
    # Replaced by somebody else while it was in force: it is theirs now.
    do_apply(journal, kept(journal, account, "network acl"))
    change = action.changes[0]
    place = {"NetworkAclId": change.resource, "Egress": change.after["Egress"]}
    ec2.replace_network_acl_entry(
        **place, RuleNumber=change.after["RuleNumber"], Protocol="-1", RuleAction="deny", CidrBlock=STRANGER
    )
    done = do_rollback(journal, action)
    assert done.event == ROLLED_BACK and "somebody else has changed them" in done.row["note"]
    ec2.delete_network_acl_entry(**place, RuleNumber=change.after["RuleNumber"])
    assert answers() == theirs


def test_what_became_protected_after_the_plan_is_not_applied(account: Account) -> None:
    before, journal = answers(), Memory()
    action = kept(journal, account, "network acl")
    with pytest.raises(LeaseholdError, match=r"is protected: it is within 198[.]51[.]100[.]0/24, our bank"):
        execute.apply(hand(journal), action, DAY, guarded([("198.51.100.0/24", "our bank")], (), None))
    assert answers() == before and events(journal) == [PLANNED]


def test_without_an_end_nothing_expires(account: Account) -> None:
    journal = Memory()
    action = kept(journal, account, "network acl")
    execute.apply(hand(journal), action, None, ())
    with pytest.raises(LeaseholdError, match="needs an end"):
        execute.apply(hand(journal), kept(journal, account, "role policy"), None, ())
    assert execute.due(actions(journal.rows()), NOON + 1000 * DAY) == []
    do_rollback(journal, action)
