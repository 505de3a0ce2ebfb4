"""Bad input is refused up front, by the name of its field."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opengradient_sdk.chain.draft import Draft
from opengradient_sdk.chain.request_check import check_request
from opengradient_sdk.errors import ConfigurationError
from opengradient_sdk.signers.envelope import unsigned_bytes
from opengradient_sdk.types import Address, Amount, Bytes32, CodeAuthorization, TxRequest

BOB = Address("0x70997970C51812dc3A010C7d01b50e0d17dc79C8")
WORD = 2**256
AUTHORIZATION = CodeAuthorization(0, BOB, 0, 1, WORD - 1, WORD - 1)
KEYS = ((BOB, (Bytes32(b"\1" * 32),)),)


def authorization(**fields: Any) -> tuple[CodeAuthorization]:
    whole = {"chain_id": 1, "address": BOB, "nonce": 0, "y_parity": 0, "r": 1, "s": 1}
    return (CodeAuthorization(**{**whole, **fields}),)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"to": None}, "neither to nor data"),
        ({"to": str(BOB)}, "to is .* a str and no Address"),
        ({"to": BOB.to_bytes()}, "to is .* a bytes and no Address"),
        ({"data": "0x01"}, "data is '0x01', a str"),
        ({"data": bytearray(1)}, "data is .* a bytearray"),
        ({"value": -1}, "value is -1"),
        ({"value": 1.0}, r"value is 1\.0, a float"),
        ({"value": True}, "value is True, a bool"),
        ({"value": Amount(1)}, "value is .*, a Amount"),
        ({"value": WORD}, "value is 1157920892373161954.*, which no transaction can have"),
        ({"gas": 0}, "gas is 0"),
        ({"gas": -1}, "gas is -1"),
        ({"gas": 2**64}, "gas is 18446744073709551616"),
        ({"gas": 21e3}, r"gas is 21000\.0, a float"),
        ({"nonce": -1}, "nonce is -1"),
        ({"nonce": 2**64 - 1}, "nonce is 18446744073709551615"),
        ({"chain_id": 0}, "chain_id is 0"),
        ({"chain_id": "8453"}, "chain_id is '8453', a str"),
        ({"gas_price": -1}, "gas_price is -1"),
        ({"max_fee_per_gas": WORD}, "max_fee_per_gas is"),
        ({"max_priority_fee_per_gas": 0.5}, r"max_priority_fee_per_gas is 0\.5, a float"),
        ({"gas_price": 1, "max_fee_per_gas": 1}, "gas_price and max_fee_per_gas"),
        ({"gas_price": 1, "max_priority_fee_per_gas": 1}, "exclude each other"),
        ({"max_fee_per_gas": 1, "max_priority_fee_per_gas": 2}, "is above max_fee_per_gas"),
        ({"access_list": ((str(BOB), ()),)}, "access_list is .* no Address"),
        ({"access_list": ((BOB, (b"\1" * 32,)),)}, "storage key .* no Bytes32"),
        ({"authorizations": (AUTHORIZATION,), "to": None, "data": b"\1"}, "to is None"),
        ({"authorizations": (AUTHORIZATION,), "gas_price": 1}, "no gas_price"),
        ({"authorizations": authorization(address=str(BOB))}, r"authorizations\[…\].address"),
        ({"authorizations": authorization(nonce=2**64 - 1)}, r"authorizations\[…\].nonce"),
        ({"authorizations": authorization(y_parity=2)}, r"authorizations\[…\].y_parity is 2"),
        ({"authorizations": authorization(chain_id=-1)}, r"authorizations\[…\].chain_id"),
        ({"authorizations": authorization(r=WORD)}, r"authorizations\[…\].r is"),
        ({"authorizations": authorization(s=1.0)}, r"authorizations\[…\].s is 1.0, a float"),
    ],
)
def test_a_field_that_no_transaction_can_have_is_named(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says) as caught:
        check_request(TxRequest(**{"to": BOB, **fields}))
    assert caught.value.hint


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"to": None, "data": b"\x60"},
        {"value": WORD - 1, "gas": 2**64 - 1, "nonce": 2**64 - 2, "chain_id": 1},
        {"max_fee_per_gas": 0, "max_priority_fee_per_gas": 0},
        {"max_fee_per_gas": 5, "max_priority_fee_per_gas": 5},
        {"gas_price": 0, "access_list": KEYS},
        {"authorizations": (AUTHORIZATION,), "access_list": KEYS},
    ],
)
def test_what_a_transaction_can_have_passes_and_can_be_signed(fields: dict[str, Any]) -> None:
    request = TxRequest(**{"to": BOB, **fields})
    check_request(request)
    filled = Draft(request, BOB).having(chain_id=1, gas=1)
    if request.gas_price is None:
        filled = filled.having(max_fee_per_gas=1, max_priority_fee_per_gas=1)
    assert unsigned_bytes(filled.prepared(0))


wild = st.one_of(st.integers(-(2**260), 2**260), st.floats(), st.text(max_size=3), st.booleans())


@given(st.dictionaries(st.sampled_from(["value", "gas", "nonce", "chain_id", "gas_price"]), wild))
def test_whatever_passes_can_be_signed(fields: dict[str, Any]) -> None:
    request = TxRequest(to=BOB, **fields)
    refused = None
    try:
        check_request(request)
    except ConfigurationError as error:
        refused = str(error)
    if refused is not None:
        assert any(name in refused for name in fields)
        return
    offered = {} if request.gas_price is not None else {"max_fee_per_gas": 1}
    filled = Draft(request, BOB).having(chain_id=1, gas=1, max_priority_fee_per_gas=1, **offered)
    assert unsigned_bytes(filled.prepared(0))
