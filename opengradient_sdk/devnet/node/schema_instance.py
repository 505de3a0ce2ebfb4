"""Values that satisfy a JSON schema: what the built-in model answers when it is told a form."""

from __future__ import annotations

from typing import Any, Final

from .shapes import JsonObject, as_list, as_object, is_list

_MAX_DEPTH: Final = 12
_BY_FORMAT: Final = {
    "date": "2026-01-01",
    "date-time": "2026-01-01T00:00:00Z",
    "time": "00:00:00Z",
    "email": "echo@devnet.example",
    "uri": "https://devnet.example/",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "ipv4": "127.0.0.1",
}


def instance(schema: JsonObject, hint: str = "value") -> Any:  # noqa: ANN401 - a schema may describe any JSON value
    """Return a value of the schema, the same one every time.

    Objects have their required properties, all of them where none is required. Text is ``hint``,
    which inside objects is the property's name. Patterns and ``not`` are beyond it.
    """
    return _instance(schema, hint, schema, 0)


def _instance(schema: JsonObject, hint: str, root: JsonObject, depth: int) -> Any:  # noqa: ANN401 - JSON
    if depth > _MAX_DEPTH:
        return None  # a schema that requires itself has no finite instance
    if "$ref" in schema:
        return _instance(_resolved(schema["$ref"], root), hint, root, depth + 1)
    for given in ("const", "default"):
        if given in schema:
            return schema[given]
    if schema.get("enum"):
        return schema["enum"][0]
    for choice in ("anyOf", "oneOf"):
        if schema.get(choice):
            return _instance(schema[choice][0], hint, root, depth + 1)
    if schema.get("allOf"):
        return _instance(_merged(schema["allOf"], root), hint, root, depth + 1)
    match _kind(schema):
        case "object":
            return _object(schema, root, depth)
        case "array":
            return _array(schema, hint, root, depth)
        case "string":
            return _text(schema, hint)
        case "integer":
            return _integer(schema)
        case "number":
            return float(_integer(schema))
        case "boolean":
            return True
        case _:
            return None


def _kind(schema: JsonObject) -> str:
    kind = schema.get("type")
    if is_list(kind):
        kind = kind[0] if kind else None
    if isinstance(kind, str):
        return kind
    if "properties" in schema:
        return "object"
    return "array" if "items" in schema else "string"


def _object(schema: JsonObject, root: JsonObject, depth: int) -> JsonObject:
    properties = as_object(schema.get("properties"))
    names = as_list(schema.get("required")) or list(properties)
    return {
        name: _instance(as_object(properties.get(name)), name, root, depth + 1) for name in names
    }


def _array(schema: JsonObject, hint: str, root: JsonObject, depth: int) -> list[Any]:
    if "prefixItems" in schema:
        return [_instance(item, hint, root, depth + 1) for item in schema["prefixItems"]]
    count = max(int(schema.get("minItems", 1)), 1)
    item = _instance(as_object(schema.get("items")), hint, root, depth + 1)
    return [item] * count


def _text(schema: JsonObject, hint: str) -> str:
    if schema.get("format") in _BY_FORMAT:
        return _BY_FORMAT[schema["format"]]
    text = hint.ljust(int(schema.get("minLength", 0)), ".")
    return text[: int(schema.get("maxLength", len(text)))]


def _integer(schema: JsonObject) -> int:
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    number = 1
    if low is not None and number <= low:
        number = int(low) + 1 if "exclusiveMinimum" in schema or low != int(low) else int(low)
    if high is not None and number >= high:
        number = int(high) - 1 if "exclusiveMaximum" in schema else int(high // 1)
    step = schema.get("multipleOf")
    return number if step is None else int(-(-number // step) * step)


def _merged(schemas: list[JsonObject], root: JsonObject) -> JsonObject:
    merged: JsonObject = {"properties": {}, "required": []}
    for schema in schemas:
        part = _resolved(schema["$ref"], root) if "$ref" in schema else schema
        merged["properties"] |= as_object(part.get("properties"))
        merged["required"] += as_list(part.get("required"))
        merged |= {k: v for k, v in part.items() if k not in ("properties", "required")}
    if not merged["properties"]:
        del merged["properties"], merged["required"]
    return merged


def _resolved(reference: str, root: JsonObject) -> JsonObject:
    target: Any = root
    for step in reference.removeprefix("#/").split("/"):
        if step and step != "#":
            target = as_object(target).get(step)
    return as_object(target)
