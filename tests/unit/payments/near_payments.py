"""Typed data near a granted payment, and transactions near an approval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from hypothesis import strategies as st

from opengradient_sdk.profiles import DEVNET
from opengradient_sdk.types import CodeAuthorization, PreparedTx, TypedData

from .makers import CAP, FACILITATOR, NOW, OWNER, PAYEE, STRANGER, an_offer
from .near_misses import address_near, number_near
from .test_policy_typed_data import typed

APPROVAL: Final = 10 * CAP
HERE: Final = DEVNET.payments.chain_id

_VALUES: Final[dict[str, Any]] = {
    "name": st.sampled_from(["Permit2", "permit2", "OpenGradient", "", None, 2]),
    "chainId": number_near(HERE),
    "verifyingContract": address_near(str(DEVNET.permit2)),
    "token": address_near(str(DEVNET.opg)),
    "amount": number_near(CAP),
    "spender": address_near(str(DEVNET.upto_proxy)),
    "nonce": number_near(7),
    "deadline": number_near(int(NOW) + 300),
    "to": address_near(str(PAYEE)),
    "facilitator": address_near(str(FACILITATOR)),
    "validAfter": number_near(int(NOW) - 600),
    "permitted": st.sampled_from([None, [], {}, "all", {"token": str(DEVNET.opg)}]),
    "witness": st.sampled_from([None, [], {}, {"to": str(PAYEE)}]),
    "from": st.sampled_from([str(OWNER), None]),
    "salt": st.sampled_from([b"\0" * 32, 1]),
}
_WHERE: Final = {
    (): ["spender", "nonce", "deadline", "permitted", "witness", "from", "amount"],
    ("permitted",): ["token", "amount", "to", "salt"],
    ("witness",): ["to", "facilitator", "validAfter", "amount", "from"],
}
_KINDS: Final = ["address", "uint256", "uint160", "uint48", "bytes32", "bytes", "string", "Witness"]


@st.composite
def other_typed_data(draw: st.DrawFn) -> TypedData:
    """A granted payment after one to three changes anywhere in it."""
    data = typed(an_offer())
    for _ in range(draw(st.integers(1, 3))):
        match draw(
            st.sampled_from(["message", "message", "message", "domain", "types", "primary"])
        ):
            case "message":
                data = replace(data, message=draw(_changed_message(data.message)))
            case "domain":
                name = draw(st.sampled_from(["name", "chainId", "verifyingContract", "salt"]))
                data = replace(data, domain={**data.domain, name: draw(_VALUES[name])})
            case "types":
                data = draw(_retyped(data))
            case _:
                names = ["TokenPermissions", "Witness", "Permit", "PermitSingle", "Mail"]
                data = replace(data, primary_type=draw(st.sampled_from(names)))
    return data


@st.composite
def _changed_message(draw: st.DrawFn, message: Mapping[str, Any]) -> Mapping[str, Any]:
    path = draw(st.sampled_from(list(_WHERE)))
    if any(not isinstance(message.get(step), Mapping) for step in path):
        path = ()
    name = draw(st.sampled_from(_WHERE[path]))
    value = draw(_VALUES[name])
    inner = {**(message[path[0]] if path else message), name: value}
    if draw(st.integers(0, 5)) == 0:
        del inner[name]
    return {**message, path[0]: inner} if path else inner


@st.composite
def _retyped(draw: st.DrawFn, data: TypedData) -> TypedData:
    index = draw(st.integers(0, len(data.types) - 1))
    name, fields = data.types[index]
    at = draw(st.integers(0, len(fields)))
    member = draw(st.sampled_from([*_VALUES])), draw(st.sampled_from(_KINDS))
    fields = (*fields[:at], member, *fields[at + draw(st.integers(0, 1)) :])
    return replace(data, types=(*data.types[:index], (name, fields), *data.types[index + 1 :]))


APPROVE: Final = "095ea7b3"
PLACES: Final = [DEVNET.opg, DEVNET.permit2, DEVNET.upto_proxy, DEVNET.exact_proxy]
_SELECTORS: Final = [
    APPROVE,
    "a9059cbb",
    "23b872dd",
    "39509351",
    "3ff9dcb1",
    "87517c45",
    "d505accf",
]


@st.composite
def calldata(draw: st.DrawFn) -> bytes:
    """An approval of Permit2, or nearly."""
    usual = draw(st.integers(0, 2)) > 0
    selector = APPROVE if usual else draw(st.sampled_from(_SELECTORS))
    padding = draw(st.sampled_from(["00" * 12, "00" * 12, "00" * 12, "01" + "00" * 11]))
    spender = draw(st.sampled_from([DEVNET.permit2, DEVNET.permit2, DEVNET.opg, STRANGER]))
    near = st.integers(APPROVAL - 1, APPROVAL + 1)
    amount = draw(st.integers(0, APPROVAL) | near | st.integers(0, 2**256 - 1))
    data = bytes.fromhex(selector + padding + spender[2:]) + amount.to_bytes(32, "big")
    end = draw(st.sampled_from([None, None, None, None, 0, 3, 4, 36, 67]))
    return data[:end] + draw(st.sampled_from([b"", b"", b"", b"\0", b"\0" * 32]))


def code(chain_id: int) -> tuple[CodeAuthorization, ...]:
    return (CodeAuthorization(chain_id, STRANGER, 0, 0, 1, 1),)


TRANSACTIONS: Final = st.builds(
    PreparedTx,
    chain_id=st.sampled_from([HERE, HERE, HERE, 1, 8453]),
    sender=st.just(OWNER),
    nonce=st.integers(0, 9),
    to=st.sampled_from([DEVNET.opg, DEVNET.opg, *PLACES, OWNER, STRANGER, None]),
    data=calldata() | st.just(b""),
    value=st.sampled_from([0, 0, 0, 0, 1]),
    gas=st.sampled_from([70_000, 100_000, 100_001, 30_000_000]),
    max_fee_per_gas=st.sampled_from([1, 10**9, 10**10, 10**11]),
    max_priority_fee_per_gas=st.just(1),
    l1_fee=st.sampled_from([0, 0, 0, 1, 10**16]),
    allow_spend=st.sampled_from([False, False, False, False, True]),
    authorizations=st.sampled_from([(), (), (), (), code(0), code(HERE), code(1)]),
)
