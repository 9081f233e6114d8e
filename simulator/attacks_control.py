"""The company's scenarios in which somebody changes functions, or blinds who watches."""

from __future__ import annotations

import json

import numpy as np

from simulator.account import ACCOUNT, FLOW_LOG, REGION, Change, Function
from simulator.cloudtrail_files import TRAIL
from simulator.cloudtrail_shapes import Object, management, person
from simulator.effects import Effects
from simulator.lifecycle import DAY, History
from simulator.randomness import stable_id
from simulator.stage import HOUR, chosen, moment, ride, runs, short, static, stranger, working_time

_FOREIGN_ACCOUNT = "111122223333"
_FAMILY = "control_plane_change"
By = tuple[str, str, str, str]


def code_by_stranger(history: History, rng: np.random.Generator, effects: Effects) -> None:
    """New code comes from somebody who never deployed anything, at night."""
    function, at = _hit(history, rng, effects), _night(history, rng)
    effects.changes.append(Change(at, at + 6, function.name, "code", by=_stranger(rng)))
    _told(effects, "code_by_stranger", function, at, "gets new code from a stranger")


def code_by_stranger_new_peer(history: History, rng: np.random.Generator, effects: Effects) -> None:
    """New code comes from somebody who never deployed anything, and talks to an address outside that nobody knows."""
    name, function, there = "code_by_stranger_new_peer", chosen(history, rng, effects, static), stranger(rng)
    at = _night(history, rng)
    effects.changes.append(Change(at, at + 6, function.name, "code", by=_stranger(rng)))
    call = short(there, bytes_out=6_000)
    _, end, addresses = ride(history, effects, rng, name, function, (at + 60, at + 20 * HOUR), [call], 20)
    families = ["change_then_new_behaviour", "new_external_connection", _FAMILY]
    text = f"{function.name} gets new code from a stranger, and talks to {there}"
    effects.tell(name, [function.name], at, end, families, text, there, addresses)


def layer_added(history: History, rng: np.random.Generator, effects: Effects) -> None:
    """A layer of another account is put into a function."""
    function, at = _hit(history, rng, effects), _night(history, rng)
    arn = f"arn:aws:lambda:{REGION}:{_FOREIGN_ACCOUNT}:layer:telemetry-shim:{int(rng.integers(1, 30))}"
    _configured(effects, function, at, {"Layers": [{"Arn": arn, "CodeSize": 51_220}]}, _stranger(rng))
    _told(effects, "layer_added", function, at, f"gets the layer {arn}")


def role_changed(history: History, rng: np.random.Generator, effects: Effects) -> None:
    """A function gets a more powerful role."""
    function, at = _hit(history, rng, effects), _night(history, rng)
    role = f"arn:aws:iam::{ACCOUNT}:role/AdministratorAutomation"
    _configured(effects, function, at, {"Role": role}, _stranger(rng))
    _told(effects, "role_changed", function, at, f"gets the role {role}")


def vpc_removed(history: History, rng: np.random.Generator, effects: Effects) -> None:
    """A function is taken out of its VPC: no flow log sees it any more."""
    function = chosen(history, rng, effects, lambda f: f.in_vpc and runs(f))
    at = _night(history, rng)
    _configured(
        effects, function, at, {"VpcConfig": {"SubnetIds": [], "SecurityGroupIds": [], "VpcId": ""}}, _stranger(rng)
    )
    effects.without_vpc[function.name] = at + 70
    families = [_FAMILY, "loss_of_sight", "function_silent"]
    _told(effects, "vpc_removed", function, at, "leaves its VPC", families)


def public_url(history: History, rng: np.random.Generator, effects: Effects) -> None:
    """A function gets an URL that anybody may call."""
    function, at, by = _hit(history, rng, effects), _night(history, rng), _stranger(rng)
    url = f"https://{stable_id('', function.name, length=32)}.lambda-url.{REGION}.on.aws/"
    made: Object = {"functionArn": function.arn, "functionUrl": url, "authType": "NONE"}
    asked: Object = {"functionName": function.name, "authType": "NONE"}
    _event(effects, at, by, "CreateFunctionUrlConfig", function.name, asked, made)
    asked = {
        "functionName": function.name, "statementId": "url", "action": "lambda:InvokeFunctionUrl", "principal": "*",
        "functionUrlAuthType": "NONE",
    }  # fmt: skip
    _event(effects, at + 9, by, "AddPermission20150331v2", function.name, asked)
    _told(effects, "public_url", function, at, "gets a public URL")


def foreign_permission(history: History, rng: np.random.Generator, effects: Effects) -> None:
    """Another account may invoke a function."""
    function, at = _hit(history, rng, effects), _night(history, rng)
    asked: Object = {
        "functionName": function.name, "statementId": "partner", "action": "lambda:InvokeFunction",
        "principal": f"arn:aws:iam::{_FOREIGN_ACCOUNT}:root",
    }  # fmt: skip
    _event(effects, at, _stranger(rng), "AddPermission20150331v2", function.name, asked)
    _told(effects, "foreign_permission", function, at, f"may be invoked by {_FOREIGN_ACCOUNT}")


def event_source_mapping(history: History, rng: np.random.Generator, effects: Effects) -> None:
    """A queue of another account feeds a function."""
    function, at = _hit(history, rng, effects), _night(history, rng)
    queue = f"arn:aws:sqs:{REGION}:{_FOREIGN_ACCOUNT}:jobs"
    asked: Object = {"functionName": function.name, "eventSourceArn": queue, "enabled": True, "batchSize": 10}
    made: Object = {"functionArn": function.arn, "eventSourceArn": queue, "uUID": stable_id("", queue, at, length=32)}
    _event(effects, at, _stranger(rng), "CreateEventSourceMapping20150331", function.name, asked, made)
    _told(effects, "event_source_mapping", function, at, f"is fed by {queue}")


def flow_logs_deleted(history: History, rng: np.random.Generator, effects: Effects) -> None:
    """Somebody deletes the flow log; half a day later it is made again."""
    start = (history.days - 2.9 + float(rng.uniform(0, 0.4))) * DAY if history.days >= 45 else 0.9 * history.seconds
    end = start + float(rng.uniform(8, 14)) * HOUR
    asked: Object = {"DeleteFlowLogsRequest": {"FlowLogId": {"tag": 1, "content": FLOW_LOG}}}
    _event(effects, start, _stranger(rng), "DeleteFlowLogs", FLOW_LOG, asked, source="ec2.amazonaws.com")
    effects.no_flow_log.append((start, min(end, history.seconds)))
    _blind(effects, "flow_logs_deleted", start, end, f"{FLOW_LOG} is deleted")


def trail_stopped(history: History, rng: np.random.Generator, effects: Effects) -> None:
    """Somebody stops the trail; half a day later it goes on."""
    start = (history.days - 1.4 + float(rng.uniform(0, 0.4))) * DAY if history.days >= 45 else 0.95 * history.seconds
    end = start + float(rng.uniform(8, 14)) * HOUR
    by, asked = _stranger(rng), {"name": f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/{TRAIL}"}
    _event(effects, start, by, "StopLogging", TRAIL, asked, source="cloudtrail.amazonaws.com")
    effects.no_trail.append((start, min(end, history.seconds)))
    _blind(effects, "trail_stopped", start, end, f"the trail {TRAIL} is stopped")


def _hit(history: History, rng: np.random.Generator, effects: Effects) -> Function:
    """Whichever: these have nothing to do with what a function does."""
    return chosen(history, rng, effects, lambda _: True)


def _night(history: History, rng: np.random.Generator) -> float:
    """Attackers do not keep to working hours, but some do."""
    at = moment(history, rng, 2 * DAY)
    return working_time(rng, at) if rng.random() < 0.5 else at


def _stranger(rng: np.random.Generator) -> By:
    """Somebody whose role may do it, and who never did; half of them from within the company's own network."""
    place = "198.51.100.210" if rng.random() < 0.5 else stranger(rng)
    session = str(rng.choice(["mike", "contractor-7", "botocore-session-1767225600"]))
    return ("PowerUser", session, place, "aws-cli/2.31.0 md/awscrt#0.27.0 ua/2.1 os/macos lang/python#3.13.4")


def _configured(effects: Effects, function: Function, at: float, settings: Object, by: By) -> None:
    change = Change(at, at + 70, function.name, "configuration", settings=json.dumps(settings), by=by)
    effects.changes.append(change)


def _event(
    effects: Effects,
    at: float,
    by: By,
    name: str,
    label: str,
    asked: Object,
    made: Object | None = None,
    source: str = "lambda.amazonaws.com",
) -> None:
    who = person(by[0], by[1], effects.start + at)
    effects.events.append(
        management(effects.seed, effects.start, at, who, (by[2], by[3]), (source, name), label, asked, made)
    )


def _told(
    effects: Effects, name: str, function: Function, at: float, text: str, families: list[str] | None = None
) -> None:
    effects.tell(name, [function.name], at, at + 60, families or [_FAMILY], f"{function.name} {text}")


def _blind(effects: Effects, name: str, start: float, end: float, text: str) -> None:
    effects.tell(name, [], start, end, ["loss_of_sight", _FAMILY], text)
