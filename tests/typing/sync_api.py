"""What type checkers see of the twin without ``await``; checked, never run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_type

import pydantic

from opengradient_sdk import (
    Address,
    Amount,
    OpenGradient,
    ParsedReply,
    PaymentStatus,
    Receipt,
    Reply,
    TxRequest,
)
from opengradient_sdk.client.resources.budget import BudgetStanding
from opengradient_sdk.client.resources.payments import Challenge
from opengradient_sdk.client.resources.wallet import Balances
from opengradient_sdk.client.sync_resources import SyncChatStream, SyncScopedClient
from opengradient_sdk.network.records import NodeRecord
from opengradient_sdk.payments import Authorization, Estimate, OpenAuthorization
from opengradient_sdk.payments.budget import Budget
from opengradient_sdk.types import PreparedTx, SignedTx, TxReceipt


class Invoice(pydantic.BaseModel):
    total: int


def calls(client: OpenGradient) -> None:
    assert_type(client.chat.create(model="gpt-5", messages="hi", max_tokens=64), Reply)
    parsed = client.chat.parse(model="gpt-5", messages="x", response_model=Invoice)
    assert_type(parsed, ParsedReply[Invoice])
    assert_type(client.completions.create(model="gpt-5", prompt="Once"), Reply)
    assert_type(client.chat.estimate(model="gpt-5", messages="hi"), Estimate)
    client.chat.create(messages="hi")  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    client.chat.create(model=5, messages="hi")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


def streams(client: OpenGradient) -> None:
    with client.chat.stream(model="gpt-5", messages="hi") as stream:
        assert_type(stream, SyncChatStream)
        assert_type(stream.text_stream, Iterator[str])
        assert_type(stream.get_final_reply(), Reply)


def resources(client: OpenGradient, receipt: Receipt) -> None:
    assert_type(client.receipts.wait(receipt, timeout=5), Receipt)
    assert_type(client.receipts.list(tag="x"), tuple[Receipt, ...])
    assert_type(client.nodes.list(), tuple[NodeRecord, ...])
    assert_type(client.wallet.balances(), Balances)
    assert_type(client.wallet.ensure_allowance(), Amount)
    assert_type(client.wallet.address, Address)


def blocks(client: OpenGradient) -> None:
    with client.with_budget("0.5 OPG", per_call="0.02 OPG") as block:
        assert_type(block, SyncScopedClient)
        assert_type(block.chat.create(model="gpt-5", messages="hi"), Reply)
        assert_type(block.settled, Amount)
        assert_type(block.with_budget("0.1 OPG"), SyncScopedClient)
    assert_type(client.session(max_exposure="1 OPG"), SyncScopedClient)
    assert_type(client.budget.limits, Budget)
    assert_type(client.budget.standing(), BudgetStanding)
    assert_type(client.payments.resolve(), tuple[OpenAuthorization, ...])
    client.chat.create(model="gpt-5", messages="hi", idempotency_key="order 7")


def by_hand(client: OpenGradient, to: Address) -> None:
    challenge = client.payments.challenge(None, {"model": "gpt-5", "messages": "hi"})
    assert_type(challenge, Challenge)
    authorization = client.payments.authorize(challenge.offers[0])
    assert_type(authorization, Authorization)
    assert_type(client.payments.cancel(authorization), PaymentStatus)
    chain = client.chains.payments
    prepared = chain.build(TxRequest(to=to, value=1))
    assert_type(prepared, PreparedTx)
    signed = chain.sign(prepared)
    assert_type(signed, SignedTx)
    assert_type(chain.send(signed).wait(timeout=5), TxReceipt)
    assert_type(client.run(client.contracts.opg.balance_of(to)), int)
