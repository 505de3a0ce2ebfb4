"""No generated challenge, typed data or transaction outside the rules is ever signed.

What may be signed is written down here a second time, from the protocol notes and not from the
policy, and the signed messages are hashed by eth-account.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from eth_account.messages import encode_typed_data
from eth_utils.address import is_address as spells_an_address
from hypothesis import given, settings
from hypothesis import strategies as st

from opengradient_sdk.errors import PaymentError, PolicyRejectedError
from opengradient_sdk.payments.allowance import Funds
from opengradient_sdk.payments.authorizer import Authorizer
from opengradient_sdk.payments.budget import Standing
from opengradient_sdk.payments.challenge import PaymentRequired, parse_402
from opengradient_sdk.payments.journal import Reservation
from opengradient_sdk.payments.policy import PaymentPolicy
from opengradient_sdk.payments.rules import PaymentRules
from opengradient_sdk.payments.state import OpenAuthorization
from opengradient_sdk.profiles import DEVNET
from opengradient_sdk.signers import GuardedSigner
from opengradient_sdk.types import (
    Address,
    PreparedTx,
    SignedTx,
    TypedData,
    bytes_to_hex,
)

from .makers import (
    CAP,
    CHAT,
    NOW,
    OWNER,
    PAYEE,
    SIGNER,
    TEE,
    SteppedClock,
    an_offer,
)
from .near_misses import CHALLENGES, header
from .near_payments import APPROVAL, APPROVE, HERE, PLACES, TRANSACTIONS, other_typed_data
from .test_policy_typed_data import typed

NIGHTLY: Final = settings.get_current_profile_name() == "nightly"


class CountingSigner:
    """The wallet itself, counting what reaches it."""

    def __init__(self) -> None:
        self.typed_data: list[TypedData] = []
        self.transactions: list[PreparedTx] = []

    @property
    def address(self) -> Address:
        return OWNER

    async def sign_typed_data(self, data: TypedData) -> bytes:
        self.typed_data.append(data)
        return await SIGNER.sign_typed_data(data)

    async def sign_transaction(self, tx: PreparedTx) -> SignedTx:
        self.transactions.append(tx)
        return await SIGNER.sign_transaction(tx)


class FakeAllowance:
    """A wallet that holds plenty and has allowed it: nothing else stops a payment."""

    async def funds(self) -> Funds:
        return Funds(balance=2**255, allowance=2**255, transaction_count=0, block_number=41)

    async def cover(self, cap: int, funds: Funds, extensions: Mapping[str, object]) -> None:
        return None


class FakeJournal:
    """Writes nothing down, and has room for everything."""

    async def reserve(self, reservation: Reservation) -> Standing:
        return Standing(None, reservation.cap, 0)

    async def withdraw(self, nonce: int) -> None:
        return None

    async def write(self, entry: OpenAuthorization) -> None:
        return None


def a_policy() -> PaymentPolicy:
    return PaymentPolicy(DEVNET, PaymentRules(), max_approval=APPROVAL, clock=SteppedClock())


async def pay(wallet: CountingSigner, text: str) -> None:
    """Do with a challenge what a client does."""
    required = parse_402(header(text), b"")
    assert isinstance(required, PaymentRequired)
    policy = a_policy()
    authorizer = Authorizer(
        profile=DEVNET,
        policy=policy,
        signer=GuardedSigner(wallet, policy),
        allowance=FakeAllowance(),  # type: ignore[arg-type]
        journal=FakeJournal(),  # type: ignore[arg-type]
        clock=SteppedClock(),
        on_low=lambda _standing: None,
    )
    offer = policy.choose(required.offers, PAYEE)
    (verdict, *_) = policy.explain([offer], PAYEE)
    try:
        await authorizer.authorize(offer, required, payee=PAYEE, tee_id=TEE, route=CHAT)
    finally:
        assert verdict.allowed is bool(wallet.typed_data)  # what is explained is what happens


# --- what may be paid, written down a second time -------------------------------------------------

_DECIMAL: Final = re.compile(r"[1-9][0-9]*", re.ASCII)


def may_be_paid(offer: object) -> bool:
    """Whether this decoded offer is one that an owner with no rules of its own lets pass."""
    if not isinstance(offer, dict) or not isinstance(offer.get("extra"), dict):
        return False
    amount, seconds = offer.get("amount"), offer.get("maxTimeoutSeconds")
    if isinstance(seconds, str) and re.fullmatch("[0-9]+", seconds, re.ASCII):
        seconds = int(seconds[:9])
    return (
        offer.get("scheme") == "upto"
        and offer.get("network") == "eip155:31337"
        and is_account(offer.get("asset"), DEVNET.opg)
        and is_account(offer.get("payTo"), PAYEE)
        and isinstance(amount, str)
        and _DECIMAL.fullmatch(amount) is not None
        and len(amount) <= 18
        and int(amount) <= CAP
        and type(seconds) is int
        and seconds in range(1, 301)
        and offer["extra"].get("assetTransferMethod") == "permit2"
        and is_well_formed(offer["extra"].get("facilitatorAddress"))
    )


def is_well_formed(text: object) -> bool:
    return isinstance(text, str) and text[:2] == "0x" and spells_an_address(text)


def is_account(text: object, account: Address) -> bool:
    return is_well_formed(text) and str(text).lower() == str(account).lower()


def assert_pays(data: TypedData, offer: dict[str, Any]) -> None:
    """What was signed is the payment of ``offer`` and nothing else."""
    said = json.loads(json.dumps(data.to_json()))
    message = said["message"]
    nonce = int(message.pop("nonce"))
    assert 0 <= nonce < 2**256
    assert lowered(message) == lowered(
        {
            "permitted": {"token": offer["asset"], "amount": offer["amount"]},
            "spender": DEVNET.upto_proxy,
            "deadline": int(NOW) + int(offer["maxTimeoutSeconds"]),
            "witness": {
                "to": PAYEE,
                "facilitator": offer["extra"]["facilitatorAddress"],
                "validAfter": int(NOW) - 600,
            },
        }
    )
    assert lowered(said["domain"]) == lowered(
        {"name": "Permit2", "chainId": HERE, "verifyingContract": DEVNET.permit2}
    )
    assert said["primaryType"] == "PermitWitnessTransferFrom"


def lowered(value: Any) -> Any:
    """Return JSON whose text is in lower case and whose numbers are text."""
    if isinstance(value, dict):
        return {name: lowered(member) for name, member in value.items()}
    return str(value).lower()


@contextmanager
def both_happen() -> Iterator[Counter[str]]:
    """Counts outcomes; a property that only ever saw one of them has shown nothing."""
    tally: Counter[str] = Counter()
    yield tally
    assert tally["signed"] > 20, tally
    assert tally["refused"] > 20, tally


def assert_says_why(error: PaymentError) -> None:
    assert error.hint
    if isinstance(error, PolicyRejectedError):
        assert error.field in str(error)
        assert len(error.short_message) < 1000
        assert "\n" not in error.short_message


# --- the properties -------------------------------------------------------------------------------


def test_no_challenge_outside_the_rules_is_ever_signed() -> None:
    with asyncio.Runner() as runner, both_happen() as tally:

        @settings(max_examples=100_000 if NIGHTLY else 1_500, deadline=None)
        @given(CHALLENGES)
        def run(text: str) -> None:
            wallet = CountingSigner()
            offers = json.loads(text)["accepts"]
            first = next((offer for offer in offers if may_be_paid(offer)), None)
            try:
                runner.run(pay(wallet, text))
            except PaymentError as error:
                assert_says_why(error)
                assert wallet.typed_data == []
                tally["refused"] += 1
            else:
                assert first is not None
                (data,) = wallet.typed_data
                assert_pays(data, first)
                tally["signed"] += 1
            assert wallet.transactions == []

        run()


def eip712_hash(data: TypedData) -> bytes:
    """Return what eth-account says is signed."""
    message = encode_typed_data(full_message=data.to_json())
    return message.header + message.body


def test_no_typed_data_that_differs_from_a_granted_payment_is_ever_signed() -> None:
    granted = typed(an_offer())
    allowed = eip712_hash(granted)
    with asyncio.Runner() as runner, both_happen() as tally:

        @settings(max_examples=50_000 if NIGHTLY else 1_500, deadline=None)
        @given(other_typed_data() | st.just(granted))
        def run(data: TypedData) -> None:
            policy, wallet = a_policy(), CountingSigner()
            policy.grant(an_offer(), PAYEE, granted)
            try:
                runner.run(sign_typed_data(wallet, policy, data))
            except PolicyRejectedError as error:
                assert_says_why(error)
                assert wallet.typed_data == []
                tally["refused"] += 1
            else:
                assert wallet.typed_data == [data]
                assert eip712_hash(data) == allowed
                assert lowered(data.to_json()["message"]) == lowered(granted.to_json()["message"])
                tally["signed"] += 1

        run()


async def sign_typed_data(wallet: CountingSigner, policy: PaymentPolicy, data: TypedData) -> None:
    await GuardedSigner(wallet, policy).sign_typed_data(data)


def may_be_sent(tx: PreparedTx) -> bool:
    """Whether this transaction cannot take OPG out of the wallet, at a price that is bounded."""
    if tx.allow_spend:
        return True
    if any(one.chain_id in (0, HERE) for one in tx.authorizations):
        return False
    if tx.chain_id != HERE:
        return True
    call = bytes_to_hex(tx.data)
    if tx.to == OWNER:
        return call == "0x"
    if tx.to not in PLACES:
        return True
    if tx.to == DEVNET.permit2 and call[2:10] == "3ff9dcb1":
        return True
    start = "0x" + APPROVE + "0" * 24 + DEVNET.permit2[2:].lower()
    return (
        tx.to == DEVNET.opg
        and call.startswith(start)
        and len(call) == len(start) + 64
        and int(call[-64:], 16) <= APPROVAL
        and (tx.value, tx.gas <= 100_000) == (0, True)
        and tx.gas * tx.max_fee_per_gas + tx.l1_fee <= 10**15
    )


def test_no_transaction_that_could_spend_is_ever_signed() -> None:
    with asyncio.Runner() as runner, both_happen() as tally:

        @settings(max_examples=50_000 if NIGHTLY else 500, deadline=None)
        @given(TRANSACTIONS)
        def run(tx: PreparedTx) -> None:
            policy = a_policy()
            try:
                runner.run(policy.check_transaction(tx))
            except PolicyRejectedError as error:
                assert_says_why(error)
                assert not may_be_sent(tx)
                tally["refused"] += 1
            else:
                assert may_be_sent(tx)
                tally["signed"] += 1

        run()
