"""Every type of transaction, byte for byte what eth-account signs, and read back from its bytes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from eth_account import Account
from hypothesis import example, given, settings
from hypothesis import strategies as st

from opengradient_sdk.errors import SignerError
from opengradient_sdk.signers import LocalSigner
from opengradient_sdk.signers.envelope import check_signed, read_signed, seal, unsigned_bytes
from opengradient_sdk.signers.envelope.rlp import Item, decode, encode
from opengradient_sdk.types import (
    Address,
    Bytes32,
    CodeAuthorization,
    PreparedTx,
    SignedTx,
    TxType,
    keccak256,
)

KEY = "0x" + "4c" * 32
SIGNER = LocalSigner.from_key(KEY)
BOB = Address("0x70997970C51812dc3A010C7d01b50e0d17dc79C8")
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
UINT256 = st.integers(0, 2**256 - 1) | st.integers(0, 300)

addresses = st.binary(min_size=20, max_size=20).map(Address.from_bytes)
hashes = st.binary(min_size=32, max_size=32).map(Bytes32)
access_lists = st.lists(
    st.tuples(addresses, st.lists(hashes, max_size=3).map(tuple)), max_size=3
).map(tuple)
authorizations = st.builds(
    CodeAuthorization,
    chain_id=st.integers(0, 2**40),
    address=addresses,
    nonce=st.integers(0, 2**64 - 2),
    y_parity=st.integers(0, 1),
    r=st.integers(1, ORDER - 1),
    s=st.integers(1, ORDER // 2),
)


@st.composite
def transactions(draw: st.DrawFn, kind: TxType) -> PreparedTx:
    cap = draw(st.integers(0, 2**128))
    one_price = kind in (TxType.LEGACY, TxType.ACCESS_LIST)
    return PreparedTx(
        chain_id=draw(st.integers(1, 2**62)),
        sender=SIGNER.address,
        nonce=draw(st.integers(0, 2**64 - 2)),
        to=draw(addresses if kind is TxType.SET_CODE else st.none() | addresses),
        data=draw(st.binary(max_size=300)),
        value=draw(UINT256),
        gas=draw(st.integers(0, 2**64 - 1)),
        max_fee_per_gas=cap,
        max_priority_fee_per_gas=cap if one_price else draw(st.integers(0, cap)),
        access_list=() if kind is TxType.LEGACY else draw(access_lists),
        type=kind,
        authorizations=(
            draw(st.lists(authorizations, min_size=1, max_size=3).map(tuple))
            if kind is TxType.SET_CODE
            else ()
        ),
    )


def as_eth_account_reads(tx: PreparedTx) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "chainId": tx.chain_id,
        "nonce": tx.nonce,
        "to": tx.to or "",
        "value": tx.value,
        "data": tx.data,
        "gas": tx.gas,
    }
    if tx.type in (TxType.LEGACY, TxType.ACCESS_LIST):
        fields["gasPrice"] = tx.max_fee_per_gas
    else:
        fields["maxFeePerGas"] = tx.max_fee_per_gas
        fields["maxPriorityFeePerGas"] = tx.max_priority_fee_per_gas
    if tx.type is not TxType.LEGACY:
        fields["type"] = int(tx.type)
        fields["accessList"] = [
            {"address": address, "storageKeys": [str(key) for key in keys]}
            for address, keys in tx.access_list
        ]
    if tx.type is TxType.SET_CODE:
        fields["authorizationList"] = [
            {
                "chainId": one.chain_id,
                "address": one.address,
                "nonce": one.nonce,
                "yParity": one.y_parity,
                "r": one.r,
                "s": one.s,
            }
            for one in tx.authorizations
        ]
    return fields


async def check_against_eth_account(tx: PreparedTx) -> None:
    theirs = Account.sign_transaction(as_eth_account_reads(tx), KEY)
    ours = await SIGNER.sign_transaction(tx)
    assert ours.raw == bytes(theirs.raw_transaction)
    assert ours.hash == bytes(theirs.hash)
    check_signed(tx, ours)
    assert read_signed(ours.raw) == ours


@settings(max_examples=60, deadline=None)
@given(transactions(TxType.LEGACY))
async def test_legacy_transactions_are_those_of_eip_155(tx: PreparedTx) -> None:
    await check_against_eth_account(tx)


@settings(max_examples=60, deadline=None)
@given(transactions(TxType.ACCESS_LIST))
async def test_access_list_transactions_are_those_of_eip_2930(tx: PreparedTx) -> None:
    await check_against_eth_account(tx)


@settings(max_examples=60, deadline=None)
@given(transactions(TxType.DYNAMIC_FEE))
async def test_dynamic_fee_transactions_are_those_of_eip_1559(tx: PreparedTx) -> None:
    await check_against_eth_account(tx)


@settings(max_examples=60, deadline=None)
@given(transactions(TxType.SET_CODE))
async def test_set_code_transactions_are_those_of_eip_7702(tx: PreparedTx) -> None:
    await check_against_eth_account(tx)


AUTHORIZATION = CodeAuthorization(1, BOB, 7, 1, 5, 6)
KEYS = ((BOB, (Bytes32(b"\1" * 32),)),)
DYNAMIC = PreparedTx(31337, SIGNER.address, 3, BOB, b"\x01\x02", 5, 50_000, 9, 4, KEYS)
EXAMPLES = {
    TxType.LEGACY: replace(DYNAMIC, type=TxType.LEGACY, max_priority_fee_per_gas=9, access_list=()),
    TxType.ACCESS_LIST: replace(DYNAMIC, type=TxType.ACCESS_LIST, max_priority_fee_per_gas=9),
    TxType.DYNAMIC_FEE: DYNAMIC,
    TxType.SET_CODE: replace(DYNAMIC, type=TxType.SET_CODE, authorizations=(AUTHORIZATION,)),
}
each_type = pytest.mark.parametrize("tx", EXAMPLES.values(), ids=lambda tx: tx.type.name)


@each_type
async def test_what_the_bytes_do_not_hold_is_taken_as_given(tx: PreparedTx) -> None:
    tx = replace(tx, allow_spend=True, l1_fee=12, fee_cap=99)
    signed = await SIGNER.sign_transaction(tx)
    assert read_signed(signed.raw, allow_spend=True, l1_fee=12, fee_cap=99) == signed


@each_type
async def test_a_signature_for_another_type_is_refused(tx: PreparedTx) -> None:
    for other in EXAMPLES.values():
        if other.type is tx.type:
            continue
        signed = replace(await SIGNER.sign_transaction(other), tx=tx)
        with pytest.raises(SignerError, match="the signed bytes are not an EIP-"):
            check_signed(tx, signed)


@each_type
async def test_bytes_cut_short_or_continued_are_refused(tx: PreparedTx) -> None:
    raw = (await SIGNER.sign_transaction(tx)).raw
    for length in range(len(raw)):
        with pytest.raises(SignerError):
            read_signed(raw[:length])
    with pytest.raises(SignerError, match="follow the item"):
        read_signed(raw + b"\0")


@each_type
async def test_a_malleable_signature_is_not_read(tx: PreparedTx) -> None:
    signed = await SIGNER.sign_transaction(tx)
    items = items_in(signed)
    flip = 1 if items[-3] in (b"", number(35 + 2 * tx.chain_id)) else -1
    items[-3] = number(int.from_bytes(items[-3], "big") + flip)
    items[-1] = number(ORDER - int.from_bytes(items[-1], "big"))
    with pytest.raises(SignerError, match="no chain takes the signature"):
        read_signed(with_items(tx.type, items))


@each_type
async def test_a_number_with_a_leading_zero_is_not_read(tx: PreparedTx) -> None:
    items = items_in(await SIGNER.sign_transaction(tx))
    gas = items.index(number(tx.gas))
    items[gas] = b"\0" + items[gas]
    with pytest.raises(SignerError, match="not written the one way"):
        read_signed(with_items(tx.type, items))


@each_type
async def test_a_field_too_few_or_too_many_is_not_read(tx: PreparedTx) -> None:
    items = items_in(await SIGNER.sign_transaction(tx))
    for changed in (items[1:], [b"\1", *items], [[], *items[1:]], [b"\1" * 33, *items[1:]]):
        with pytest.raises(SignerError):
            read_signed(with_items(tx.type, changed))


@each_type
async def test_a_signature_of_no_key_is_refused(tx: PreparedTx) -> None:
    signed = await SIGNER.sign_transaction(tx)
    items = items_in(signed)
    items[-2] = b"\x05"  # the curve has no point with this x
    raw = with_items(tx.type, items)
    with pytest.raises(SignerError, match="belongs to no key"):
        read_signed(raw)
    with pytest.raises(SignerError, match="not one of"):
        check_signed(tx, SignedTx(tx, raw, Bytes32(keccak256(raw))))


async def test_bytes_in_the_place_of_a_list_are_not_read() -> None:
    items = items_in(await SIGNER.sign_transaction(DYNAMIC))
    items[-4] = b""  # the access list
    with pytest.raises(SignerError, match="bytes where a list belongs"):
        read_signed(with_items(TxType.DYNAMIC_FEE, items))


def test_a_length_that_is_written_too_long_is_not_read() -> None:
    raw = seal(DYNAMIC, SIGNER._sign_digest(keccak256(unsigned_bytes(DYNAMIC)))).raw
    assert raw[1] == 0xF8
    with pytest.raises(SignerError, match="not written the one way"):
        read_signed(raw[:1] + b"\xf9\x00" + raw[2:])


def test_a_signature_that_is_good_on_every_chain_is_not_read() -> None:
    raw = encode([*([b"\1"] * 3), BOB.to_bytes(), b"", b"", number(27), b"\1", b"\1"])
    with pytest.raises(SignerError, match="EIP-155"):
        read_signed(raw)


@example(b"\x02" + b"\xf8" * 40)
@example(b"\xc1" * 2000)
@example(b"\x04\xcb" + b"\xc0" * 11)
@given(st.binary(max_size=120) | st.binary(max_size=120).map(lambda tail: b"\x02\xc0" + tail))
def test_garbage_is_a_signer_error(raw: bytes) -> None:
    with pytest.raises(SignerError):
        read_signed(raw)


nested = st.recursive(st.binary(max_size=70), lambda item: st.lists(item, max_size=4), max_leaves=8)


@given(nested.filter(lambda item: depth(item) < 8))
def test_rlp_reads_what_it_writes(item: Item) -> None:
    assert decode(encode(item)) == item


@pytest.mark.parametrize(
    ("field", "why"),
    [
        ({"nonce": 2**64 - 1}, "EIP-2681"),
        ({"nonce": -1}, "EIP-2681"),
        ({"chain_id": 0}, "no chain 0"),
        ({"gas": 2**64}, "gas"),
        ({"value": -1}, "256 bits"),
        ({"value": 2**256}, "256 bits"),
        ({"value": 1.0}, "cannot be signed"),
        ({"to": str(BOB)}, "cannot be signed"),
        ({"data": "0x01"}, "not bytes"),
        ({"data": [b"\1"]}, "not bytes"),
        ({"access_list": ((BOB, (b"\1",)),)}, "32 bytes are needed"),
        ({"authorizations": (AUTHORIZATION,)}, "7702"),
        ({"type": TxType.SET_CODE}, "7702"),
        ({"type": TxType.SET_CODE, "authorizations": (AUTHORIZATION,), "to": None}, "7702"),
        ({"type": TxType.LEGACY, "max_priority_fee_per_gas": 9}, "no access list"),
        ({"type": TxType.LEGACY, "access_list": ()}, "one gas price"),
        ({"type": TxType.ACCESS_LIST}, "one gas price"),
    ],
)
def test_a_field_that_has_no_place_is_never_left_out_in_silence(
    field: dict[str, Any], why: str
) -> None:
    with pytest.raises(SignerError, match=why):
        unsigned_bytes(replace(DYNAMIC, **field))


def number(value: int) -> bytes:
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def items_in(signed: SignedTx) -> list[Any]:
    items = decode(signed.raw if signed.tx.type is TxType.LEGACY else signed.raw[1:])
    assert not isinstance(items, bytes)
    return list(items)


def with_items(kind: TxType, items: list[Any]) -> bytes:
    return (b"" if kind is TxType.LEGACY else bytes([kind])) + encode(items)


def depth(item: Item) -> int:
    return 1 if isinstance(item, bytes) else 1 + max(map(depth, item), default=0)
