"""What type checkers see of the async client; checked, never run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from decimal import Decimal
from typing import assert_type

import pydantic

from opengradient_sdk import (
    Address,
    Amount,
    Assurance,
    AsyncOpenGradient,
    Bytes32,
    ChatStream,
    Check,
    CheckStatus,
    DataStatus,
    Devnet,
    Evidence,
    LocalSigner,
    OpenGradientError,
    ParsedReply,
    PaymentRules,
    PaymentState,
    PaymentStatus,
    Profile,
    Receipt,
    Reply,
    Signer,
    Spent,
    Trust,
    TxRequest,
)
from opengradient_sdk.client.reply import Usage
from opengradient_sdk.client.resources.budget import BudgetStanding
from opengradient_sdk.client.resources.models import Model
from opengradient_sdk.client.resources.payments import Challenge, NodeOffer
from opengradient_sdk.client.resources.wallet import Balances
from opengradient_sdk.client.scoped import ScopedClient
from opengradient_sdk.network.records import NodeRecord, RegistrySnapshot
from opengradient_sdk.payments import Authorization, Estimate, OpenAuthorization
from opengradient_sdk.payments.budget import Budget
from opengradient_sdk.payments.journal import JournalEntry, Refusal
from opengradient_sdk.payments.offer_rules import OfferVerdict
from opengradient_sdk.types import PreparedTx, SignedTx, TxReceipt
from opengradient_sdk.verification import ToolCall


class Invoice(pydantic.BaseModel):
    total: int


def constructed(signer: Signer, profile: Profile) -> None:
    assert_type(AsyncOpenGradient(), AsyncOpenGradient)
    AsyncOpenGradient(signer="0x…", network="mainnet", budget="1 OPG", settlement="private")
    AsyncOpenGradient(signer=signer, network=profile, budget=10**17, on_ambiguous="raise")
    AsyncOpenGradient(budget=Decimal("0.5"), trust=Trust(), rules=PaymentRules(max_lifetime=60))
    AsyncOpenGradient(budget=0.5)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    AsyncOpenGradient(settlement="all")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    AsyncOpenGradient("0x…")  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]


def a_key_is_a_wallet(key: str) -> Signer:
    return LocalSigner.from_key(key)


async def calls(client: AsyncOpenGradient) -> None:
    reply = await client.chat.create(model="openai/gpt-5", messages="hi", max_tokens=64)
    assert_type(reply, Reply)
    assert_type(reply.text, str)
    assert_type(reply.message, Mapping[str, object])
    assert_type(reply.tool_calls, tuple[ToolCall, ...])
    assert_type(reply.usage, Usage | None)
    assert_type(reply.receipt, Receipt)
    # an answer's message goes into the next question as it is
    await client.chat.create(model="gpt-5", messages=[reply.message, {"role": "user"}])

    parsed = await client.chat.parse(model="gpt-5", messages="x", response_model=Invoice)
    assert_type(parsed, ParsedReply[Invoice])
    assert_type(parsed.parsed.total, int)

    assert_type(await client.completions.create(model="gpt-5", prompt="Once"), Reply)
    await client.chat.create(messages="hi")  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    await client.chat.create(model="gpt-5", messages=5)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


async def streams(client: AsyncOpenGradient) -> None:
    assert_type(client.chat.stream(model="gpt-5", messages="hi"), ChatStream)
    async with client.chat.stream(model="gpt-5", messages="hi") as stream:
        assert_type(stream, ChatStream)
        assert_type(stream.text_stream, AsyncIterator[str])
        async for piece in stream.text_stream:
            assert_type(piece, str)
        assert_type(await stream.get_final_reply(), Reply)


async def money(client: AsyncOpenGradient, receipt: Receipt) -> None:
    estimate = await client.chat.estimate(model="gpt-5", messages="hi", max_tokens=64)
    assert_type(estimate, Estimate)
    assert_type(estimate.maximum, Amount)
    assert_type(receipt.cost, Amount | None)
    assert_type(receipt.payment, PaymentStatus)
    assert_type(receipt.payment.state, PaymentState)
    assert_type(receipt.payment.amount, Amount | None)
    assert_type(receipt.data, DataStatus)
    assert_type(await client.wallet.balances(), Balances)
    assert_type(await client.wallet.ensure_allowance("0.5 OPG"), Amount)
    assert_type(client.wallet.address, Address)
    assert_type(Amount.parse("1 OPG").atoms, int)


async def proof(client: AsyncOpenGradient, receipt: Receipt) -> None:
    assert_type(receipt.assurance, Assurance)
    assert_type(receipt.evidence, Evidence)
    assert_type(receipt.evidence.checks, tuple[Check, ...])
    assert_type(receipt.evidence.checks[0].status, CheckStatus)
    assert_type(receipt.unresolved, tuple[str, ...])
    assert_type(receipt.explain(), str)
    assert_type(await client.receipts.get("id"), Receipt)
    assert_type(await client.receipts.list(since=0, tag="x"), tuple[Receipt, ...])
    assert_type(await client.receipts.refresh(receipt), Receipt)
    assert_type(await client.receipts.wait(receipt, payment=PaymentState.FINAL), Receipt)
    assert_type(await client.nodes.list(), tuple[NodeRecord, ...])
    assert_type(await client.nodes.snapshot(), RegistrySnapshot)
    assert_type(await client.models.list(), tuple[Model, ...])


async def by_hand(client: AsyncOpenGradient) -> None:
    challenge = await client.payments.challenge(None, {"model": "gpt-5", "messages": "hi"})
    assert_type(challenge, Challenge)
    assert_type(challenge.offers, tuple[NodeOffer, ...])
    authorization = await client.payments.authorize(challenge.offers[0])
    assert_type(authorization, Authorization)
    assert_type(authorization.header, str)
    assert_type(authorization.max_amount, int)
    assert_type(await client.payments.status(authorization), PaymentStatus)
    assert_type(await client.payments.cancel(authorization), PaymentStatus)
    assert_type(client.payments.unresolved, tuple[OpenAuthorization, ...])


async def blocks(client: AsyncOpenGradient) -> None:
    AsyncOpenGradient(budget=Budget("5 OPG", per_call="0.02 OPG", window=3600, name="nightly"))
    Budget(0.5)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    async with client.with_budget("0.5 OPG", per_call=10**15) as block:
        assert_type(block, ScopedClient)
        assert_type(await block.chat.create(model="gpt-5", messages="hi"), Reply)
        assert_type(await block.completions.create(model="gpt-5", prompt="Once"), Reply)
        assert_type(block.exposed, Amount)
        assert_type(block.remaining, Amount | None)
        assert_type(block.with_budget("0.1 OPG"), ScopedClient)
    assert_type(client.session(max_exposure="1 OPG"), ScopedClient)
    assert_type(client.budget.limits, Budget)
    assert_type(await client.budget.standing(), BudgetStanding)


async def journal(client: AsyncOpenGradient, challenge: Challenge) -> None:
    assert_type(await client.payments.journal(), tuple[JournalEntry, ...])
    assert_type(await client.payments.refusals(), tuple[Refusal, ...])
    assert_type(await client.payments.resolve(), tuple[OpenAuthorization, ...])
    assert_type(client.policy.check(challenge), tuple[OfferVerdict, ...])
    await client.chat.create(model="gpt-5", messages="hi", tag="x", idempotency_key="order 7")
    client.chat.stream(model="gpt-5", messages="hi", idempotency_key=7)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


async def transactions(client: AsyncOpenGradient, to: Address) -> None:
    chain = client.chains.payments
    prepared = await chain.build(TxRequest(to=to, value=1))
    assert_type(prepared, PreparedTx)
    signed = await chain.sign(prepared)
    assert_type(signed, SignedTx)
    assert_type(signed.hash, Bytes32)
    pending = await chain.send(signed)
    assert_type(await pending.wait(confirmations=2, timeout=60), TxReceipt)
    assert_type(await chain.execute(client.contracts.opg.approve(to, 1)), TxReceipt)
    assert_type(await client.contracts.opg.balance_of(to), int)
    # an unsigned transaction cannot be sent, a request cannot be signed
    await chain.send(prepared)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    await chain.sign(TxRequest())  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


def errors(error: OpenGradientError) -> None:
    assert_type(error.spent, Spent)
    assert_type(error.amount, Amount | None)
    assert_type(error.hint, str)
    assert_type(error.retryable, bool)
    assert_type(error.docs_url, str)


async def a_network_of_ones_own() -> None:
    async with Devnet(evm="py-evm", chains=2, registry="july") as net:
        assert_type(net, Devnet)
        assert_type(net.accounts, tuple[Signer, ...])
        assert_type(net.profile, Profile)
        assert_type(net.env, dict[str, str])
        AsyncOpenGradient(signer=net.accounts[0], network=net.profile)
    Devnet(chains=3)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
