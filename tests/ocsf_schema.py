"""Is a Detection Finding valid? By what tests/fixtures/ocsf/derive.py took from OCSF's own schema."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Json = dict[str, Any]
_FIXTURES = Path(__file__).parent / "fixtures" / "ocsf"
_INTEGERS = ("integer_t", "long_t", "timestamp_t")


def schema(version: str) -> Json:
    """What was derived of this version."""
    found: Json = json.loads((_FIXTURES / f"detection_finding-{version}.json").read_text(encoding="utf-8"))
    assert found["version"] == version
    return found


def errors(finding: Json, version: str) -> list[str]:
    """What is wrong with a finding, each with where; none if it is valid."""
    known = schema(version)
    found = list(_of_object(known, known["class"], finding, set(finding["metadata"].get("profiles", [])), ""))
    if finding["type_uid"] != finding["class_uid"] * 100 + finding["activity_id"]:
        found.append(f"type_uid is {finding['type_uid']}")
    if finding["metadata"]["version"] != version:
        found.append("metadata.version is another")
    for number, observable in enumerate(finding.get("observables", [])):
        if str(observable["type_id"]) not in known["observables"]:
            found.append(f"observables[{number}].type_id: {observable['type_id']} is none")
        if observable["value"] != _at(finding, observable["name"]):
            found.append(f"observables[{number}]: {observable['name']} is not {observable['value']!r}")
    return found


def _of_object(known: Json, shape: Json, given: Json, profiles: set[str], path: str) -> Iterator[str]:
    attributes = {
        name: attribute
        for name, attribute in shape["attributes"].items()
        if attribute.get("profile") in (None, *profiles)
    }
    for name, attribute in attributes.items():
        if attribute["requirement"] == "required" and name not in given:
            yield f"{path}{name}: is required"
    for rule, names in shape["constraints"].items():
        count = len(set(names) & set(given))
        if count == 0 or (rule == "just_one" and count > 1):
            yield f"{path}: {rule} of {', '.join(names)}"
    for name, value in given.items():
        if name not in attributes:
            yield f"{path}{name}: there is no such attribute"
            continue
        attribute = attributes[name]
        if attribute.get("deprecated"):
            yield f"{path}{name}: is deprecated"
        if attribute.get("is_array", False) != isinstance(value, list):
            yield f"{path}{name}: an array or not"
            continue
        for number, item in enumerate(value if isinstance(value, list) else [value]):
            where = f"{path}{name}[{number}]" if isinstance(value, list) else f"{path}{name}"
            yield from _of_value(known, attribute, item, profiles, where)
        yield from _of_enum(path, given, name, attribute)


def _of_value(known: Json, attribute: Json, value: Any, profiles: set[str], where: str) -> Iterator[str]:
    kind = attribute["type"]
    if kind not in known["types"]:
        if kind not in known["objects"]:
            yield f"{where}: the object {kind} is not among those that were derived"
        elif not isinstance(value, dict):
            yield f"{where}: is no object"
        elif kind != "object":
            yield from _of_object(known, known["objects"][kind], value, profiles, f"{where}.")
        return
    limits = known["types"][kind]
    base = limits.get("type", kind)
    fits = {
        "string_t": isinstance(value, str),
        "boolean_t": isinstance(value, bool),
        "float_t": isinstance(value, (int, float)) and not isinstance(value, bool),
        "json_t": True,
    } | {name: isinstance(value, int) and not isinstance(value, bool) for name in _INTEGERS}
    if not fits[base]:
        yield f"{where}: {value!r} is no {kind}"
        return
    if "regex" in limits and not re.search(limits["regex"], value):
        yield f"{where}: {value!r} does not look like {kind}"
    if len(str(value)) > limits.get("max_len", len(str(value))):
        yield f"{where}: is too long for {kind}"
    if "range" in limits and not limits["range"][0] <= value <= limits["range"][1]:
        yield f"{where}: {value} is out of the range of {kind}"


def _of_enum(path: str, given: Json, name: str, attribute: Json) -> Iterator[str]:
    if "enum" not in attribute or (name == "type_id" and path.startswith("observables")):
        return
    value = given[name]
    if str(value) not in attribute["enum"]:
        yield f"{path}{name}: {value} is none of {', '.join(attribute['enum'])}"
        return
    words = given.get(attribute.get("sibling", ""))
    caption = attribute["enum"][str(value)]
    if words is not None and value != 99 and not words.endswith(caption):
        yield f"{path}{attribute['sibling']}: {words!r} instead of {caption!r}"


def _at(finding: Json, path: str) -> Any:
    """What stands at `evidences[0].src_endpoint.ip`."""
    value: Any = finding
    for name, number in re.findall(r"(\w+)(?:\[(\d+)\])?", path):
        value = value.get(name) if isinstance(value, dict) else None
        if number:
            value = value[int(number)] if isinstance(value, list) and int(number) < len(value) else None
    return value
