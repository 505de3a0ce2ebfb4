"""The envelope of a transaction, held to eth-account as an oracle."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from eth_account import Account
from hypothesis import given, settings
from hypothesis import strategies as st

from opengradient_sdk.errors import SignerError
from opengradient_sdk.signers.envelope import check_signed, unsigned_bytes
from opengradient_sdk.types import Address, Bytes32, PreparedTx, SignedTx, keccak256

KEY = "0x" + "4c" * 32
OTHER_KEY = "0x" + "4d" * 32
SENDER = Address(Account.from_key(KEY).address)
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141

addresses = st.binary(min_size=20, max_size=20).map(Address.from_bytes)
hashes = st.binary(min_size=32, max_size=32).map(Bytes32)
transactions = st.builds(
    PreparedTx,
    chain_id=st.integers(1, 2**40),
    sender=st.just(SENDER),
    nonce=st.integers(0, 2**40),
    to=st.none() | addresses,
    data=st.binary(max_size=300),
    value=st.integers(0, 2**128),
    gas=st.integers(1, 2**40),
    max_fee_per_gas=st.integers(0, 2**80),
    max_priority_fee_per_gas=st.just(0),
    access_list=st.lists(
        st.tuples(addresses, st.lists(hashes, max_size=3).map(tuple)), max_size=3
    ).map(tuple),
)


def signed_by(key: str, tx: PreparedTx) -> SignedTx:
    fields: dict[str, Any] = {
        "type": 2,
        "chainId": tx.chain_id,
        "nonce": tx.nonce,
        "to": tx.to or "",
        "value": tx.value,
        "data": tx.data,
        "gas": tx.gas,
        "maxFeePerGas": tx.max_fee_per_gas,
        "maxPriorityFeePerGas": tx.max_priority_fee_per_gas,
        "accessList": [
            {"address": address, "storageKeys": [str(slot) for slot in slots]}
            for address, slots in tx.access_list
        ],
    }
    raw = bytes(Account.sign_transaction(fields, key).raw_transaction)
    return SignedTx(tx, raw, Bytes32(keccak256(raw)))


def with_raw(signed: SignedTx, raw: bytes) -> SignedTx:
    return replace(signed, raw=raw, hash=Bytes32(keccak256(raw)))


TX = PreparedTx(31337, SENDER, 3, SENDER, b"\x01\x02", 5, 50_000, 2 * 10**9, 10**9)


@settings(max_examples=60, deadline=None)
@given(transactions)
def test_what_another_library_signs_is_accepted_and_reproduced(tx: PreparedTx) -> None:
    signed = signed_by(KEY, tx)
    check_signed(tx, signed)
    assert unsigned_bytes(tx)[0] == 2


@pytest.mark.parametrize(
    "changed",
    [
        {"nonce": 4},
        {"to": Address("0x" + "22" * 20)},
        {"to": None},
        {"value": 6},
        {"gas": 50_001},
        {"data": b"\x01"},
        {"chain_id": 1},
        {"max_fee_per_gas": 3 * 10**9},
        {"max_priority_fee_per_gas": 1},
        {"access_list": ((SENDER, ()),)},
    ],
)
def test_a_signature_over_any_other_field_is_refused(changed: dict[str, Any]) -> None:
    other = signed_by(KEY, replace(TX, **changed))
    with pytest.raises(SignerError):
        check_signed(TX, other)
    with pytest.raises(SignerError, match="not the transaction that was asked for"):
        check_signed(TX, replace(other, tx=TX))  # the signer claims that it is what was asked


def test_another_account_is_refused() -> None:
    with pytest.raises(SignerError, match="not one of"):
        check_signed(TX, signed_by(OTHER_KEY, TX))


def test_a_hash_that_is_not_of_the_bytes_is_refused() -> None:
    with pytest.raises(SignerError):
        check_signed(TX, replace(signed_by(KEY, TX), hash=Bytes32(b"\0" * 32)))


def test_a_malleable_signature_is_refused() -> None:
    signed = signed_by(KEY, TX)
    parity, s = signed.raw[-67], int.from_bytes(signed.raw[-32:], "big")
    flipped = b"\x80" if parity == 1 else b"\x01"
    high = (ORDER - s).to_bytes(32, "big")
    raw = signed.raw[:-67] + flipped + signed.raw[-66:-33] + b"\xa0" + high
    with pytest.raises(SignerError, match="no chain takes"):
        check_signed(TX, with_raw(signed, raw))


@pytest.mark.parametrize(
    "raw", [b"", b"\x02", b"\x02\xc0", b"\x01\xc0", b"\x02\xf8\xff\x01", b"\x02\xff" + b"\xff" * 8]
)
def test_garbage_is_refused(raw: bytes) -> None:
    with pytest.raises(SignerError):
        check_signed(TX, with_raw(signed_by(KEY, TX), raw))


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_no_single_changed_byte_is_accepted(data: st.DataObject) -> None:
    signed = signed_by(KEY, TX)
    at = data.draw(st.integers(0, len(signed.raw) - 1))
    value = data.draw(st.integers(0, 255).filter(lambda v: v != signed.raw[at]))
    raw = signed.raw[:at] + bytes([value]) + signed.raw[at + 1 :]
    with pytest.raises(SignerError):
        check_signed(TX, with_raw(signed, raw))
