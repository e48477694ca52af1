"""What a label must fulfil, as far as it is known from public packages; our own reading, no schema of others.

Facts: the packages of neurodesk/openrecon (e04f996c) and benoitberanger/openrecon-template (9e865493).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from server.openrecon.parameters import LIMIT

GENERAL = ("name", "version", "vendor", "information", "id", "regulatory_information")
REGULATORY = (
    "device_trade_name",
    "production_identifier",
    "manufacturer_address",
    "made_in",
    "manufacture_date",
    "material_number",
    "gtin",
    "udi",
    "safety_advices",
    "special_operating_instructions",
    "additional_relevant_information",
)
RECONSTRUCTION = (
    "transfer_protocol",
    "port",
    "emitter",
    "injector",
    "can_use_gpu",
    "min_required_memory",
    "min_count_required_cpu_cores",
)
EMITTERS, INJECTORS = ("raw", "image"), ("compleximage", "image")
QUALIFICATIONS = ("PRODUCT", "SERVICE", "RESEARCH")
TYPES: Mapping[str, type | tuple[type, ...]] = {
    "int": int,
    "double": (int, float),
    "string": str,
    "boolean": bool,
    "choice": str,
}


def faults(label: Mapping[str, Any]) -> list[str]:
    """Every rule that a label breaks, each as a sentence; none when it may be sent to a scanner."""
    parts = ("general", "reconstruction", "parameters")
    if set(label) != set(parts):
        return [f"the label has {_list(label)}, expected exactly {_list(parts)}"]
    if not isinstance(label["general"], dict) or not isinstance(label["reconstruction"], dict):
        return ["general and reconstruction are objects"]
    if not isinstance(label["parameters"], list):
        return ["parameters is a list"]
    found = [*_general(label["general"]), *_reconstruction(label["reconstruction"])]
    return found + list(_parameters(label["parameters"]))


def _general(part: Mapping[str, Any]) -> Iterator[str]:
    yield from _missing("general", part, GENERAL)
    yield from _missing("regulatory_information", _object(part, "regulatory_information"), REGULATORY)
    if not re.fullmatch(r"\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?", str(part.get("version", ""))):
        yield f"general.version is {part.get('version')!r}, expected a semantic version as 1.2.3"
    for name in ("vendor", "id"):
        if not re.fullmatch("[A-Za-z0-9]+", str(part.get(name, ""))):
            yield f"general.{name} is {part.get(name)!r}, expected letters and digits"
    for name in ("name", "information"):
        yield from _english(f"general.{name}", part.get(name))


def _reconstruction(part: Mapping[str, Any]) -> Iterator[str]:
    yield from _missing("reconstruction", part, RECONSTRUCTION)
    if part.get("transfer_protocol") != {"protocol": "ISMRMRD", "version": "1.4.1"}:
        yield "reconstruction.transfer_protocol is ISMRMRD, version 1.4.1"
    for name, allowed in (("emitter", EMITTERS), ("injector", INJECTORS)):
        if part.get(name) not in allowed:
            yield f"reconstruction.{name} is {part.get(name)!r}, expected one of {_list(allowed)}"
    if "can_use_gpu" in part and not isinstance(part["can_use_gpu"], bool):
        yield "reconstruction.can_use_gpu is true or false"
    for name in ("port", "min_required_memory", "min_count_required_cpu_cores"):
        if name in part and not _whole(part[name]):
            yield f"reconstruction.{name} is {part[name]!r}, expected a whole number above 0"
    name, kind = "content_qualification_type", part.get("content_qualification_type", "RESEARCH")
    if kind not in QUALIFICATIONS:
        yield f"reconstruction.{name} is {kind!r}, expected one of {_list(QUALIFICATIONS)}"


def _parameters(part: Sequence[Any]) -> Iterator[str]:
    if len(part) > LIMIT:
        yield f"{len(part)} parameters, at most {LIMIT} are shown"
    if not all(isinstance(each, dict) for each in part):
        yield "each parameter is an object"
        return
    names = [str(each.get("id", "")) for each in part]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        yield f"parameters of the same id: {_list(twice)}"
    if [each.get("type") for each in part if each.get("id") == "config"] != ["choice"]:
        yield "one parameter is the choice config"
    for each in part:
        yield from _parameter(each)


def _parameter(one: Mapping[str, Any]) -> Iterator[str]:
    name, kind = one.get("id", ""), str(one.get("type"))
    if not re.fullmatch("[A-Za-z0-9]+", str(name)):
        yield f"parameter {name!r}: an id has letters and digits alone"
    yield from _english(f"parameter {name}: label", one.get("label"))
    if kind not in TYPES:
        yield f"parameter {name}: type {kind!r}, expected one of {_list(TYPES)}"
        return
    unit = one.get("unit", {"en": "mm"})
    if not isinstance(unit, dict) or not 1 <= len(str(unit.get("en", ""))) <= 3:
        yield f"parameter {name}: a unit has 1 to 3 characters"
    default = one.get("default")
    if not isinstance(default, TYPES[kind]) or (kind != "boolean" and isinstance(default, bool)):
        yield f"parameter {name}: the default {default!r} is no {kind}"
    elif kind == "choice":
        yield from _choice(name, one.get("values"), default)
    elif kind in ("int", "double"):
        yield from _number(name, kind, one)


def _choice(name: str, values: object, default: object) -> Iterator[str]:
    ids = [each.get("id") for each in values if isinstance(each, dict)] if isinstance(values, list) else []
    if not ids or len(set(map(str, ids))) < len(ids):
        yield f"parameter {name}: a choice has values, each with an id of its own"
    elif default not in ids:
        yield f"parameter {name}: the default {default!r} is none of {_list(map(str, ids))}"


def _number(name: str, kind: str, one: Mapping[str, Any]) -> Iterator[str]:
    value, low, high = one["default"], one.get("minimum"), one.get("maximum")
    if not isinstance(low, int | float) or not isinstance(high, int | float):
        yield f"parameter {name}: a number has minimum and maximum"
        return
    if not low <= value <= high:
        yield f"parameter {name}: the default {value} is not within {low} to {high}"
    if kind == "double" and any(abs(10 * each - round(10 * each)) > 1e-9 for each in (low, value, high)):
        yield f"parameter {name}: a double is a multiple of 0.1"


def _english(where: str, entry: object) -> Iterator[str]:
    if not isinstance(entry, dict) or not str(entry.get("en", "")).strip():
        yield f"{where} has no text in English (en)"


def _missing(where: str, part: Mapping[str, Any], names: Sequence[str]) -> Iterator[str]:
    if absent := [name for name in names if name not in part]:
        yield f"{where} lacks {_list(absent)}"


def _object(part: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = part.get(name)
    return found if isinstance(found, dict) else {}


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _list(names: Any) -> str:  # noqa: ANN401 - any iterable of words
    return ", ".join(map(str, names)) or "nothing"
