"""EIP-712 digests, held to eth-account's encoder."""

from __future__ import annotations

from typing import Any

import pytest
from eth_account.messages import encode_typed_data
from hypothesis import given
from hypothesis import strategies as st

from opengradient_sdk.types import Address, Fields, TypedData, keccak256

DOMAIN: Fields = (("name", "string"), ("chainId", "uint256"), ("verifyingContract", "address"))


def typed(fields: Fields, message: dict[str, Any], **structs: Fields) -> TypedData:
    return TypedData(
        domain_type=DOMAIN,
        domain={"name": "Test", "chainId": 31337, "verifyingContract": "0x" + "ab" * 20},
        types=(("Main", fields), *structs.items()),
        primary_type="Main",
        message=message,
    )


def oracle(data: TypedData) -> bytes:
    """Return eth-account's digest of the same message."""
    types = {
        name: [{"name": member, "type": kind} for member, kind in fields]
        for name, fields in (("EIP712Domain", data.domain_type), *data.types)
    }
    message = encode_typed_data(
        full_message={
            "types": types,
            "primaryType": data.primary_type,
            "domain": dict(data.domain),
            "message": dict(data.message),
        }
    )
    return keccak256(b"\x19" + message.version + message.header + message.body)


def atoms() -> st.SearchStrategy[tuple[str, Any]]:
    """Draw an atomic type and a value that fits it."""
    unsigned = st.integers(1, 32).flatmap(
        lambda n: st.tuples(st.just(f"uint{8 * n}"), st.integers(0, 2 ** (8 * n) - 1))
    )
    signed = st.integers(1, 32).flatmap(
        lambda n: st.tuples(
            st.just(f"int{8 * n}"), st.integers(-(2 ** (8 * n - 1)), 2 ** (8 * n - 1) - 1)
        )
    )
    fixed = st.integers(1, 32).flatmap(
        lambda n: st.tuples(st.just(f"bytes{n}"), st.binary(min_size=n, max_size=n))
    )
    text = st.text(st.characters(exclude_categories=["Cs"]))
    address = st.binary(min_size=20, max_size=20).map(Address.from_bytes)
    return (
        unsigned
        | signed
        | fixed
        | st.tuples(st.just("string"), text)
        | st.tuples(st.just("bytes"), st.binary())
        | st.tuples(st.just("bool"), st.booleans())
        | st.tuples(st.just("address"), address)
    )


@given(st.lists(atoms(), min_size=1, max_size=6), st.lists(atoms(), max_size=3))
def test_digests_agree_with_eth_account(
    outer: list[tuple[str, Any]], inner: list[tuple[str, Any]]
) -> None:
    inner_fields = tuple((f"b{i}", kind) for i, (kind, _) in enumerate(inner))
    inner_value = {f"b{i}": value for i, (_, value) in enumerate(inner)}
    fields = tuple((f"a{i}", kind) for i, (kind, _) in enumerate(outer))
    message = {f"a{i}": value for i, (_, value) in enumerate(outer)}
    data = typed(
        (*fields, ("inner", "Inner"), ("many", "Inner[]")),
        {**message, "inner": inner_value, "many": [inner_value, inner_value]},
        Inner=inner_fields,
    )
    assert data.digest() == oracle(data)


@given(st.lists(st.lists(st.integers(0, 255), min_size=2, max_size=2), max_size=3))
def test_arrays_agree_with_eth_account(rows: list[list[int]]) -> None:
    data = typed((("rows", "uint8[2][]"),), {"rows": rows})
    assert data.digest() == oracle(data)


def test_types_refer_to_each_other_in_order_of_name() -> None:
    """EIP-712: encodeType names the struct, then what it refers to, sorted."""
    data = typed(
        (("z", "Zeta"), ("a", "Alpha")),
        {"z": {"a": {"n": 1}}, "a": {"n": 2}},
        Zeta=(("a", "Alpha"),),
        Alpha=(("n", "uint256"),),
    )
    assert data.digest() == oracle(data)


@pytest.mark.parametrize(
    ("kind", "value", "why"),
    [
        ("uint8", 256, "does not fit uint8"),
        ("uint8", -1, "does not fit uint8"),
        ("int8", 128, "does not fit int8"),
        ("uint256", 1.0, "must be uint256, not float"),
        ("uint256", True, "must be uint256, not bool"),
        ("uint256", "5", "must be uint256, not str"),
        ("bytes4", b"abc", "must have 4 bytes, not 3"),
        ("bytes", "0x00", "must be bytes, not str"),
        ("bool", 1, "must be bool, not int"),
        ("string", b"x", "must be string, not bytes"),
        ("address", "0x12", "must be address"),
        ("address", "0x" + "zz" * 20, "non-hexadecimal"),
        ("uint8[]", "ab", "must be a list"),
        ("uint8[2]", [1], "must have 2 items"),
        ("Inner", 5, "must be an object"),
        ("Nowhere", 5, "must be Nowhere"),
    ],
)
def test_a_value_that_does_not_fit_its_type_is_refused(kind: str, value: Any, why: str) -> None:
    data = typed((("member", kind),), {"member": value}, Inner=(("n", "uint256"),))
    with pytest.raises(ValueError, match=why):
        data.digest()


def test_a_missing_member_is_named() -> None:
    with pytest.raises(ValueError, match=r"Main\.amount is missing"):
        typed((("amount", "uint256"),), {}).digest()


def test_a_primary_type_that_is_not_defined_is_refused() -> None:
    data = TypedData((), {}, (), "Main", {})
    with pytest.raises(ValueError, match="not among the types"):
        data.digest()


def test_the_json_form_is_what_wallets_take() -> None:
    data = typed(
        (
            ("big", "uint256"),
            ("small", "uint8"),
            ("raw", "bytes"),
            ("yes", "bool"),
            ("l", "bool[]"),
        ),
        {"big": 2**200, "small": 7, "raw": b"\x01", "yes": True, "l": [False]},
    )
    form = data.to_json()
    assert form["message"] == {
        "big": str(2**200),
        "small": 7,
        "raw": "0x01",
        "yes": True,
        "l": [False],
    }
    assert form["primaryType"] == "Main"
    message = encode_typed_data(full_message={**form, "message": dict(data.message)})  # type: ignore[dict-item]
    assert keccak256(b"\x19" + message.version + message.header + message.body) == data.digest()


def test_a_remembered_domain_does_not_let_another_kind_of_value_pass() -> None:
    """True == 1, but only one of them is a chain id."""
    fields: Fields = (("chainId", "uint256"),)
    good = TypedData(fields, {"chainId": 1}, (("M", ()),), "M", {})
    bad = TypedData(fields, {"chainId": True}, (("M", ()),), "M", {})
    assert len(good.domain_separator()) == 32
    with pytest.raises(ValueError, match="must be uint256, not bool"):
        bad.domain_separator()
    with pytest.raises(ValueError, match="text, numbers or bytes"):
        TypedData(fields, {"chainId": []}, (("M", ()),), "M", {}).domain_separator()


def test_a_message_is_not_printed() -> None:
    assert "secret-word" not in repr(typed((("s", "string"),), {"s": "secret-word"}))
