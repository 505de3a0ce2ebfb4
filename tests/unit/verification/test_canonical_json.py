from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opengradient_sdk._core.canonical_json import canonical_json

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec=None, exclude_categories=()))
)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=25
)


def spelled_out(value: object) -> str:
    """The rules of the protocol notes written by hand, without the json module."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return '"' + "".join(map(spelled_character, value)) + '"'
    if isinstance(value, list):
        return "[" + ", ".join(map(spelled_out, value)) + "]"
    assert isinstance(value, dict)
    members = (f"{spelled_out(key)}: {spelled_out(value[key])}" for key in sorted(value))
    return "{" + ", ".join(members) + "}"


def spelled_character(character: str) -> str:
    short = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    short |= {"\b": "\\b", "\f": "\\f"}
    point = ord(character)
    if character in short:
        return short[character]
    if 0x20 <= point <= 0x7E:
        return character
    if point < 0x10000:
        return f"\\u{point:04x}"
    point -= 0x10000
    return f"\\u{0xD800 + (point >> 10):04x}\\u{0xDC00 + (point & 0x3FF):04x}"


@given(JSON)
def test_text_is_that_of_json_dumps(value: object) -> None:
    assert canonical_json(value) == json.dumps(value, sort_keys=True)


@given(JSON)
def test_text_follows_the_written_rules(value: object) -> None:
    assert canonical_json(value) == spelled_out(value)


@given(JSON)
def test_text_reads_back_as_the_value(value: object) -> None:
    assert json.loads(canonical_json(value)) == value


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0.0"),
        (1.0, "1.0"),
        (0.7, "0.7"),
        (1e-07, "1e-07"),
        (1e16, "1e+16"),
        (0.1 + 0.2, "0.30000000000000004"),
        (10**18, "1000000000000000000"),
    ],
)
def test_numbers_of_the_protocol_notes(number: float, text: str) -> None:
    assert canonical_json(number) == text


def test_delete_is_escaped_and_slash_is_not() -> None:
    assert canonical_json("\x7f/") == '"\\u007f/"'


def test_a_tuple_is_a_list() -> None:
    assert canonical_json({"a": (1, 2)}) == '{"a": [1, 2]}'


def test_an_untouched_value() -> None:
    value = {"b": [{"z": 1, "a": 2}], "a": None}
    canonical_json(value)
    assert list(value) == ["b", "a"]


CYCLE: list[object] = []
CYCLE.append(CYCLE)


def nested(depth: int) -> object:
    value: object = 0
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        [{"a": -math.inf}],
        {1: "a"},
        {"a": [({True: 1},)]},
        {None: 1},
        {"a": 1, 2: 3},
        b"bytes",
        {"a": {1, 2}},
        CYCLE,
        nested(200_000),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_has_no_text_of_its_own_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"JSON|Circular"):
        canonical_json(value)
