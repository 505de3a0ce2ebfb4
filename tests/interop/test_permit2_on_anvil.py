"""What our signer signs is taken by the contracts on anvil, and nothing else is.

The settlements are built as a facilitator builds them: from the payment header alone.
"""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opengradient_sdk import Devnet
from opengradient_sdk.chain.contracts import ExactProxy, SettleCall, UptoProxy
from opengradient_sdk.devnet import JsonRpcError
from opengradient_sdk.devnet.contracts import addresses, artifacts
from opengradient_sdk.devnet.facilitator.account import Account
from opengradient_sdk.devnet.facilitator.evm import Rpc
from opengradient_sdk.payments.challenge import PaymentRequired, parse_402
from opengradient_sdk.payments.schemes import authorization_for, typed_data_for
from opengradient_sdk.profiles import Profile
from opengradient_sdk.signers import Signer
from opengradient_sdk.types import Address

pytestmark = [pytest.mark.interop, pytest.mark.anvil]

CHAIN_ID = 8453
CAP = 10**17
CHARGE = 123_456_789
MAX_UINT = 2**256 - 1
SECP256K1_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
PAYEE = Address("0x" + "9a" * 20)
OTHER = Address("0x" + "57" * 20)
SCHEMES = ("upto", "exact")


@dataclass(frozen=True)
class Stage:
    """A chain with a payer who has approved Permit2, and a facilitator who sends."""

    net: Devnet
    payer: Signer
    facilitator: Account

    async def signed(self, scheme: str = "upto", **changes: Any) -> SettleCall:
        """Return the settlement of what the payer signs for an offer, for all of it if exact.

        ``nonce``, ``now``, ``profile`` and members of the offer can be changed.
        """
        now = changes.pop("now", int(self.net.clock.now()))
        nonce = changes.pop("nonce", None)
        profile: Profile = changes.pop("profile", self.net.profile)
        required = self._challenge(scheme, changes)
        offer = required.offers[0]
        owner = self.payer.address
        data = typed_data_for(offer, owner=owner, profile=profile, now=now, nonce=nonce)
        signature = await self.payer.sign_typed_data(data)
        paid = authorization_for(offer, required, owner=owner, data=data, signature=signature)
        return read_as_facilitator(paid.header)

    def _challenge(self, scheme: str, changes: dict[str, Any]) -> PaymentRequired:
        offer = {
            "scheme": scheme,
            "network": f"eip155:{CHAIN_ID}",
            "asset": addresses.OPG,
            "amount": str(CAP),
            "payTo": PAYEE,
            "maxTimeoutSeconds": 300,
            "extra": {
                "name": "OpenGradient",
                "version": "1",
                "assetTransferMethod": "permit2",
                "facilitatorAddress": self.facilitator.address,
            },
            **changes,
        }
        document = {"x402Version": 2, "accepts": [offer]}
        header = base64.b64encode(json.dumps(document).encode()).decode()
        required = parse_402({"PAYMENT-REQUIRED": header}, b"{}")
        assert isinstance(required, PaymentRequired)
        return required

    async def refusal(self, call: SettleCall, *, sender: Address | None = None) -> str:
        """Return the name of the error that a settlement reverts with; fail when it does not."""
        transaction = {
            "from": sender or self.facilitator.address,
            "to": proxy_of(call),
            "data": "0x" + calldata(call).hex(),
        }
        with pytest.raises(JsonRpcError) as refused:
            await self.net.chain.request("eth_call", (transaction, "latest"))
        assert refused.value.code == 3, f"this is no revert: {refused.value}"
        return error_name(bytes.fromhex(str(refused.value.data).removeprefix("0x")))

    async def moved_by(self, call: SettleCall) -> int:
        """Settle for real and return the atoms that the payee got."""
        before = await self.balance(PAYEE)
        mined = await self.facilitator.execute(proxy_of(call), calldata(call))
        assert mined.succeeded
        return await self.balance(PAYEE) - before

    async def balance(self, holder: Address) -> int:
        return await self.facilitator.chain.token_balance(addresses.OPG, holder)


def read_as_facilitator(header: str) -> SettleCall:
    """Return the settlement that a payment header asks for; upto is charged ``CHARGE``."""
    payment = json.loads(base64.b64decode(header, validate=True))
    permit = payment["payload"]["permit2Authorization"]
    witness = permit["witness"]
    facilitator = witness.get("facilitator")
    cap = int(permit["permitted"]["amount"])
    return SettleCall(
        token=Address(permit["permitted"]["token"]),
        permitted=cap,
        nonce=int(permit["nonce"]),
        deadline=int(permit["deadline"]),
        amount=cap if facilitator is None else min(CHARGE, cap),
        owner=Address(permit["from"]),
        to=Address(witness["to"]),
        facilitator=None if facilitator is None else Address(facilitator),
        valid_after=int(witness["validAfter"]),
        signature=bytes.fromhex(payment["payload"]["signature"].removeprefix("0x")),
    )


def proxy_of(call: SettleCall) -> Address:
    return addresses.EXACT_PROXY if call.facilitator is None else addresses.UPTO_PROXY


def calldata(call: SettleCall) -> bytes:
    proxy = ExactProxy if call.facilitator is None else UptoProxy
    return proxy.encode_settle(call)


def error_name(data: bytes) -> str:
    for name in ("Permit2", "X402UptoPermit2Proxy", "X402ExactPermit2Proxy", "OPG"):
        if known := artifacts.load(name).decode_error(data):
            return known[0]
    return "0x" + data.hex()


@pytest.fixture(scope="module")
async def stage(anvil_program: Path) -> AsyncIterator[Stage]:
    async with Devnet(evm="anvil", chain_id=CHAIN_ID, nodes=0, accounts=2) as net:
        payer, sender = net.accounts
        wallet = Account(Rpc(net.chain), payer)
        approve = artifacts.load("OPG").encode_call("approve", addresses.PERMIT2, 100 * CAP)
        assert (await wallet.execute(addresses.OPG, approve)).succeeded
        yield Stage(net, payer, Account(Rpc(net.chain), sender))


ACCEPTED: dict[str, dict[str, Any]] = {
    "as usual": {},
    "the first nonce": {"nonce": 0},
    "the last nonce": {"nonce": MAX_UINT},
    "the next word of the bitmap": {"nonce": 256},
    "one atom": {"amount": "1"},
    "an hour": {"maxTimeoutSeconds": 0},
    "a recipient in lower case": {"payTo": PAYEE.lower()},
    "an asset in lower case": {"asset": addresses.OPG.lower()},
}


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("case", ACCEPTED)
async def test_our_signature_moves_what_it_says_once(stage: Stage, scheme: str, case: str) -> None:
    changes = dict(ACCEPTED[case])
    if scheme == "exact" and "nonce" in changes:
        changes["nonce"] ^= 1  # both schemes burn nonces of the same payer
    call = await stage.signed(scheme, **changes)
    assert await stage.moved_by(call) == call.amount
    assert await stage.refusal(call) == "InvalidNonce"


async def test_the_whole_cap_may_be_charged_and_not_an_atom_more(stage: Stage) -> None:
    call = await stage.signed()
    assert await stage.refusal(replace(call, amount=CAP + 1)) == "AmountExceedsPermitted"
    assert await stage.refusal(replace(call, amount=0)) == "InvalidAmount"
    assert await stage.moved_by(replace(call, amount=CAP)) == CAP


async def test_only_the_facilitator_may_collect(stage: Stage) -> None:
    call = await stage.signed()
    for sender in (OTHER, PAYEE, call.owner):
        assert await stage.refusal(call, sender=sender) == "UnauthorizedFacilitator"


MEMBERS: dict[str, Any] = {
    "token": addresses.PERMIT2,
    "permitted": CAP + 1,
    "nonce": 12345,
    "owner": OTHER,
    "to": OTHER,
    "facilitator": OTHER,
    "valid_after": 1,
}


def with_member(call: SettleCall, member: str, value: Any) -> SettleCall:
    """Return ``call`` changed and its signature kept; exact always collects what is permitted."""
    changed = replace(call, **{member: value})
    is_exact = call.facilitator is None
    return replace(changed, amount=changed.permitted) if is_exact else changed


@pytest.mark.parametrize(
    ("scheme", "member"),
    [*(("upto", m) for m in MEMBERS), *(("exact", m) for m in MEMBERS if m != "facilitator")],
)
async def test_a_changed_member_is_not_what_was_signed(
    stage: Stage, scheme: str, member: str
) -> None:
    corrupted = with_member(await stage.signed(scheme), member, MEMBERS[member])
    assert await stage.refusal(corrupted, sender=corrupted.facilitator) == "InvalidSigner"


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_the_time_is_signed(stage: Stage, scheme: str) -> None:
    call = await stage.signed(scheme)
    later = replace(call, deadline=call.deadline + 1)
    assert await stage.refusal(later) == "InvalidSigner"
    ended = await stage.signed(scheme, now=int(stage.net.clock.now()) - 400)
    assert await stage.refusal(ended) == "SignatureExpired"
    ahead = await stage.signed(scheme, now=int(stage.net.clock.now()) + 1000)
    assert await stage.refusal(ahead) == "PaymentTooEarly"


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_chain_contract_and_spender_are_signed(stage: Stage, scheme: str) -> None:
    profile = stage.net.profile
    swapped = replace(profile, upto_proxy=profile.exact_proxy, exact_proxy=profile.upto_proxy)
    elsewhere = {
        "another chain": {"network": "eip155:1"},
        "another Permit2": {"profile": replace(profile, permit2=OTHER)},
        "the other proxy": {"profile": swapped},
    }
    for changes in elsewhere.values():
        assert await stage.refusal(await stage.signed(scheme, **changes)) == "InvalidSigner"


async def test_a_permit_of_one_scheme_is_none_of_the_other(stage: Stage) -> None:
    upto = await stage.signed("upto")
    assert await stage.refusal(replace(upto, facilitator=None, amount=CAP)) == "InvalidSigner"
    exact = await stage.signed("exact")
    as_upto = replace(exact, facilitator=stage.facilitator.address)
    assert await stage.refusal(as_upto) == "InvalidSigner"


@settings(max_examples=60, deadline=None)
@given(position=st.integers(0, 65 * 8 - 1), scheme=st.sampled_from(SCHEMES))
async def test_no_bit_of_the_signature_may_change(stage: Stage, position: int, scheme: str) -> None:
    call = await stage.signed(scheme)
    changed = bytearray(call.signature)
    changed[position // 8] ^= 1 << position % 8
    corrupted = replace(call, signature=bytes(changed))
    assert await stage.refusal(corrupted) in ("InvalidSigner", "InvalidSignature")


@settings(max_examples=60, deadline=None)
@given(
    member=st.sampled_from(("permitted", "nonce", "deadline", "valid_after")),
    bit=st.integers(0, 255),
    scheme=st.sampled_from(SCHEMES),
)
async def test_no_bit_of_a_number_may_change(
    stage: Stage, member: str, bit: int, scheme: str
) -> None:
    call = await stage.signed(scheme)
    corrupted = with_member(call, member, getattr(call, member) ^ 1 << bit)
    refusals = {
        "permitted": {"InvalidSigner", "AmountExceedsPermitted"},
        "nonce": {"InvalidSigner"},
        "deadline": {"InvalidSigner", "SignatureExpired"},
        "valid_after": {"InvalidSigner", "PaymentTooEarly"},
    }
    assert await stage.refusal(corrupted) in refusals[member]


LENGTH = {"InvalidSignatureLength"}
NOBODY = {"InvalidSignature"}
SOMEBODY = {"InvalidSigner"}
SIGNATURES: dict[str, tuple[Callable[[bytes], bytes], set[str]]] = {
    "nothing": (lambda _: b"", LENGTH),
    "r only": (lambda s: s[:32], LENGTH),
    "a byte short of the compact form": (lambda s: s[:63], LENGTH),
    "a byte too many": (lambda s: s + b"\0", LENGTH),
    "zeros": (lambda _: bytes(65), NOBODY),
    "r of zero": (lambda s: bytes(32) + s[32:], NOBODY),
    "s of zero": (lambda s: s[:32] + bytes(32) + s[64:], NOBODY),
    "r and s swapped": (lambda s: s[32:64] + s[:32] + s[64:], NOBODY | SOMEBODY),
    "the other v": (lambda s: s[:64] + bytes([55 - s[64]]), SOMEBODY),
    "v as a bare parity": (lambda s: s[:64] + bytes([s[64] - 27]), NOBODY),
    "v as in EIP-155": (lambda s: s[:64] + bytes([s[64] + 8]), NOBODY),
    "high s with the same v": (lambda s: s[:32] + high(s) + s[64:], SOMEBODY),
}


def high(signature: bytes) -> bytes:
    """Return the other s that proves the same, above half of the curve's order."""
    return (SECP256K1_ORDER - int.from_bytes(signature[32:64])).to_bytes(32)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("case", SIGNATURES)
async def test_a_broken_signature_is_refused(stage: Stage, scheme: str, case: str) -> None:
    broken, refusals = SIGNATURES[case]
    call = await stage.signed(scheme)
    assert await stage.refusal(replace(call, signature=broken(call.signature))) in refusals


async def test_a_refused_settlement_moves_nothing_and_burns_no_nonce(stage: Stage) -> None:
    call = await stage.signed()
    before = await stage.balance(PAYEE)
    corrupted = replace(call, to=OTHER)
    sent = await stage.facilitator.submit(proxy_of(call), calldata(corrupted), gas=500_000)
    mined = await stage.facilitator.wait(sent.hash)
    assert not mined.succeeded
    assert (await stage.balance(PAYEE), await stage.balance(OTHER)) == (before, 0)
    assert await stage.moved_by(call) == CHARGE


async def test_other_spellings_of_our_signature_pay_no_second_time(stage: Stage) -> None:
    """Permit2 takes a high s and the compact form of EIP-2098 as well: the nonce is what counts."""
    call = await stage.signed()
    r, s, v = call.signature[:32], call.signature[32:64], call.signature[64]
    assert int.from_bytes(s) <= SECP256K1_ORDER // 2, "ours has the low s of EIP-2"
    twin = replace(call, signature=r + high(call.signature) + bytes([55 - v]))
    compact = (int.from_bytes(s) | (v - 27) << 255).to_bytes(32)
    assert await stage.moved_by(twin) == CHARGE
    for signature in (call.signature, twin.signature, r + compact):
        assert await stage.refusal(replace(call, signature=signature)) == "InvalidNonce"
