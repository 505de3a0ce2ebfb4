from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opengradient_sdk.verification._cbor import MAX_BYTES, MAX_DEPTH, decode, encode

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64 - 1)
    | st.binary(max_size=300)
    | st.text(max_size=300)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=30)
        | st.dictionaries(st.integers(-99, 99) | st.text() | st.binary(), inner)
    ),
    max_leaves=20,
)


@given(VALUES)
def test_what_is_written_is_read(value: Any) -> None:
    written = encode(value)
    assert decode(written) == value
    assert encode(decode(written)) == written


@given(st.binary(max_size=80))
def test_whatever_arrives_is_read_in_one_form_or_refused(data: bytes) -> None:
    try:
        value = decode(data)
    except ValueError:
        return
    if b"\xbf" not in data:
        assert encode(value) == data


@given(VALUES, st.data())
def test_a_cut_is_noticed(value: Any, data: st.DataObject) -> None:
    written = encode(value)
    cut = data.draw(st.integers(0, len(written) - 1))
    with pytest.raises(ValueError, match="CBOR"):
        decode(written[:cut])


# RFC 8949, appendix A
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("00", 0),
        ("17", 23),
        ("1818", 24),
        ("1903e8", 1000),
        ("1a000f4240", 1_000_000),
        ("1bffffffffffffffff", 2**64 - 1),
        ("20", -1),
        ("3863", -100),
        ("3bffffffffffffffff", -(2**64)),
        ("f4", False),
        ("f5", True),
        ("f6", None),
        ("40", b""),
        ("4401020304", b"\x01\x02\x03\x04"),
        ("6449455446", "IETF"),
        ("62c3bc", "ü"),
        ("83010203", [1, 2, 3]),
        ("a201020304", {1: 2, 3: 4}),
        ("a26161016162820203", {"a": 1, "b": [2, 3]}),
    ],
)
def test_examples_of_the_standard(text: str, value: object) -> None:
    assert decode(bytes.fromhex(text)) == value
    assert encode(value) == bytes.fromhex(text)


def test_maps_of_indefinite_length_are_read() -> None:
    assert decode(bytes.fromhex("bf6161016162820203ff")) == {"a": 1, "b": [2, 3]}
    assert decode(bytes.fromhex("bfff")) == {}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "too early"),
        ("0000", "followed by 1"),
        ("1817", "shortest"),
        ("190001", "shortest"),
        ("1a0000ffff", "shortest"),
        ("1b00000000ffffffff", "shortest"),
        ("1c", "length code 28"),
        ("5f4101ff", "length code 31"),
        ("7f6161ff", "length code 31"),
        ("9f01ff", "length code 31"),
        ("c000", "0xc0 is not accepted"),
        ("f7", "0xf7 is not accepted"),
        ("f97e00", "0xf9 is not accepted"),
        ("ff", "length code 31"),
        ("61ff", "can't decode"),
        ("a201020103", "key 1 twice"),
        ("bf01020103ff", "key 1 twice"),
        ("a1f500", "a key that is neither"),
        ("a1f600", "a key that is neither"),
        ("a1800000", "a key that is neither"),
        ("bf0102", "too early"),
        ("5affffffff00", "too early"),
        ("9affffffff00", "too early"),
        ("baffffffff00", "too early"),
        ("81" * (MAX_DEPTH + 1) + "00", "deeper"),
        ("00" * (MAX_BYTES + 1), "longer"),
    ],
    ids=lambda value: value[:20],
)
def test_what_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        decode(bytes.fromhex(text))


@pytest.mark.parametrize("value", [1.5, {1, 2}, 2**64, -(2**64) - 1, [object()]], ids=repr)
def test_what_is_not_written(value: object) -> None:
    with pytest.raises(ValueError, match="no CBOR"):
        encode(value)
