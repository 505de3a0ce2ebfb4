"""The ABI codec, held to eth_abi as an oracle and to hand-made bad data."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opengradient_sdk.chain.abi import MAX_BYTES, AbiError, decode, encode, parse_parameters
from opengradient_sdk.types import Address, Bytes32

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import eth_abi

Typed = tuple[str, st.SearchStrategy[Any]]


def _elementary() -> st.SearchStrategy[Typed]:
    bits = st.integers(1, 32).map(lambda n: n * 8)
    return st.one_of(
        bits.map(lambda n: (f"uint{n}", st.integers(0, 2**n - 1))),
        bits.map(lambda n: (f"int{n}", st.integers(-(2 ** (n - 1)), 2 ** (n - 1) - 1))),
        st.just(("address", st.binary(min_size=20, max_size=20).map(Address.from_bytes))),
        st.just(("bool", st.booleans())),
        st.just(("bytes", st.binary(max_size=70))),
        st.just(("string", st.text(max_size=40))),
        st.integers(1, 32).map(lambda n: (f"bytes{n}", st.binary(min_size=n, max_size=n))),
    )


def _nested(inner: st.SearchStrategy[Typed]) -> st.SearchStrategy[Typed]:
    def fixed(pair: tuple[Typed, int]) -> Typed:
        (name, values), n = pair
        return f"{name}[{n}]", st.lists(values, min_size=n, max_size=n).map(tuple)

    def struct(members: list[Typed]) -> Typed:
        return f"({','.join(n for n, _ in members)})", st.tuples(*(v for _, v in members))

    return st.one_of(
        inner.map(lambda t: (f"{t[0]}[]", st.lists(t[1], max_size=3).map(tuple))),
        st.tuples(inner, st.integers(1, 3)).map(fixed),
        st.lists(inner, min_size=1, max_size=4).map(struct),
    )


TYPED = st.recursive(_elementary(), _nested, max_leaves=8)
ROWS = st.lists(TYPED, min_size=1, max_size=4).flatmap(
    lambda row: st.tuples(st.just([n for n, _ in row]), st.tuples(*(v for _, v in row)))
)


def _plain(value: Any) -> Any:
    """The oracle's spelling: it writes addresses in lower case."""
    if isinstance(value, tuple):
        return tuple(_plain(item) for item in value)
    return value.lower() if isinstance(value, Address) else value


@given(ROWS)
@settings(max_examples=120, deadline=None)
def test_encoding_and_decoding_agree_with_the_oracle(
    row: tuple[list[str], tuple[Any, ...]],
) -> None:
    types, values = row
    encoded = encode(types, values)
    assert encoded == eth_abi.encode(types, values)
    assert decode(types, encoded) == values
    assert eth_abi.decode(types, encoded) == _plain(values)


@given(ROWS, st.data())
@settings(max_examples=120, deadline=None)
def test_damaged_data_is_refused_or_decoded_and_nothing_else(
    row: tuple[list[str], tuple[Any, ...]], data: st.DataObject
) -> None:
    types, values = row
    damaged = bytearray(encode(types, values))
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(damaged[: data.draw(st.integers(0, len(damaged)))])
    try:
        ours = decode(types, cut)
    except AbiError:
        return
    # What we accept, the oracle accepts too, and reads the same from it.
    assert eth_abi.decode(types, cut) == _plain(ours)


@given(TYPED, st.binary(max_size=400))
@settings(max_examples=120, deadline=None)
def test_noise_raises_nothing_but_abi_errors(typed: Typed, noise: bytes) -> None:
    try:
        decode([typed[0]], noise)
    except AbiError:
        return
    eth_abi.decode([typed[0]], noise)


def test_decoded_values_have_our_types() -> None:
    account, word = "0x9deEBB5D1b22e4a6e027977CeAd13893A7E4cC1a", b"\x07" * 32
    got = decode(
        ["address", "bytes32", "bytes4"],
        encode(["address", "bytes32", "bytes4"], [account, word, b"abcd"]),
    )
    assert got == (account, word, b"abcd")
    assert type(got[0]) is Address
    assert type(got[1]) is Bytes32
    assert type(got[2]) is bytes


WORD = 32


def words(*numbers: int) -> bytes:
    return b"".join(n.to_bytes(WORD, "big") for n in numbers)


@pytest.mark.parametrize(
    ("kind", "data", "message"),
    [
        ("uint8", words(256), "does not fit uint8"),
        ("int8", words(128), "does not fit int8"),
        ("bool", words(2), "neither 0 nor 1"),
        ("address", words(1 << 160), "padded"),
        ("bytes4", words(1), "padded"),
        ("bytes", words(32, 1, 1), "padded"),
        ("string", words(32, 1, 0xFF << 248), "not UTF-8"),
        ("uint256", b"\0" * 31, "ends at byte 31"),
        ("bytes", words(32, 33) + b"a" * 33, "ends at byte"),
        ("bytes", words(0, 0), "into the head"),
        ("bytes", words(2**255), "ends at byte"),
        ("uint256[]", words(32, 2**255), "more than the data can hold"),
        ("uint256[]", words(32, 3, 1, 2), "more than the data can hold|ends at byte"),
        ("bytes[]", words(32, 2, 64, 64, 1, 0), "claim the same bytes"),
    ],
)
def test_each_kind_of_bad_data_is_refused_by_name(kind: str, data: bytes, message: str) -> None:
    with pytest.raises(AbiError, match=message):
        decode([kind], data)


def test_a_small_input_cannot_unfold_into_a_large_value() -> None:
    # Ten levels, each listing the level below eight times: 8^10 items from 3 kB.
    levels, fan = 10, 8
    level = words(fan, *[fan * WORD] * fan)
    with pytest.raises(AbiError, match="same bytes"):
        decode(["uint256" + "[]" * (levels + 1)], words(32) + level * levels + words(0))


def test_overlong_data_is_refused_before_it_is_read() -> None:
    with pytest.raises(AbiError, match=str(MAX_BYTES)):
        decode(["uint256"], bytes(MAX_BYTES + 1))


def test_bytes_behind_the_last_value_are_allowed() -> None:
    assert decode(["uint256"], words(5) + b"attribution") == (5,)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("uint8", 256),
        ("uint8", -1),
        ("int8", 128),
        ("int8", -129),
        ("uint256", True),
        ("uint256", 1.0),
        ("uint256", "1"),
        ("bool", 1),
        ("address", b"\0" * 20),
        ("address", "0x12"),
        ("bytes4", b"abc"),
        ("bytes", "text"),
        ("string", b"bytes"),
        ("string", "\ud800"),
        ("uint8[2]", (1,)),
        ("uint8[]", 1),
        ("(uint8,bool)", (1,)),
        ("(uint8)", {"a": 1}),
    ],
)
def test_a_value_that_does_not_fit_is_not_encoded(kind: str, value: object) -> None:
    with pytest.raises(AbiError):
        encode([kind], [value])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "(",
        "(uint)x",
        "uint8",
        "(uint7)",
        "(uint264)",
        "(bytes33)",
        "(bytes0)",
        "(fixed)",
        "(uint8[0])",
        "(()[])",
        "(uint8[)",
        "(uint8[x])",
        "(uint8 a b)",
        "(uint8,,bool)",
        "(uint8,)",
        "(,uint8)",
        "(uint8 %)",
    ],
)
def test_a_text_that_is_no_type_list_is_refused(text: str) -> None:
    with pytest.raises(AbiError):
        parse_parameters(text)


def test_names_marks_and_aliases_are_understood() -> None:
    got = parse_parameters("( address indexed from,(uint a, int b)[2] pairs , bytes )")
    assert got.kind.name == "(address,(uint256,int256)[2],bytes)"
    assert got.names == ("from", "pairs", "")
    assert got.indexed == (True, False, False)


def test_parsed_lists_are_remembered() -> None:
    assert parse_parameters("(uint8 a)") is parse_parameters("(uint8 a)")
