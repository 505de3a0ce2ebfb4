"""Blocks within a client: what they may spend, what they show, and when they are open."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from opengradient_sdk import AsyncOpenGradient
from opengradient_sdk.client.call import CHAT_ROUTE, Call
from opengradient_sdk.client.callbook import Errand
from opengradient_sdk.client.reply import Reply
from opengradient_sdk.client.scoped import ScopedClient, budget_block, own_session
from opengradient_sdk.client.work import CallWork
from opengradient_sdk.errors import (
    BudgetExceededError,
    ConfigurationError,
    IdempotencyConflictError,
    LedgerError,
)
from opengradient_sdk.payments.state import AuthorizationState, OpenAuthorization
from opengradient_sdk.payments.status import PaymentState, PaymentStatus
from opengradient_sdk.profiles import DEVNET, ModelPrice
from opengradient_sdk.types import Amount

from ..ledger.receipts import a_receipt
from ..payments.makers import CAP, CHAT, SIGNER, TEE, a_life

PRICE = ModelPrice("openai", Decimal(10), Decimal(10))
CALL = Call(CHAT_ROUTE, "gpt-5", {"messages": "hi"}, b"{}", PRICE, "batch", 60.0, longest=64)
KEYED = replace(CALL, key="order 7")
SETTLED = PaymentStatus(PaymentState.SETTLED, "", Amount(70))


@pytest.fixture
async def work(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[CallWork]:
    """The calls of an open client that reaches no network; OPG costs a dollar."""
    nobody = ("http://127.0.0.1:9",)
    profile = replace(
        DEVNET,
        payments=replace(DEVNET.payments, rpc_urls=nobody),
        registry=replace(DEVNET.registry, rpc_urls=nobody),
    )

    async def a_dollar(_work: CallWork, _node: str | None) -> Decimal:
        return Decimal(1)

    monkeypatch.setattr(CallWork, "opg_usd", a_dollar)
    async with AsyncOpenGradient(signer=SIGNER, network=profile, store=":memory:") as client:
        assert client._work is not None
        yield client._work


def joined(block: ScopedClient, nonce: int = 1, *, core_knows: CallWork) -> OpenAuthorization:
    """A session that a call of the block has joined."""
    life = a_life(nonce)
    core_knows.core.lives.add(life)
    own = block._opened().scope.block
    assert own is not None
    own.join(life.nonce, life.cap)
    life.blocks.add(own)
    return life


def figures(block: ScopedClient) -> tuple[int, int, int | None]:
    remaining = block.remaining
    return (
        block.exposed.atoms,
        block.settled.atoms,
        None if remaining is None else remaining.atoms,
    )


async def test_a_block_counts_caps_and_then_charges(work: CallWork) -> None:
    async with budget_block(work, "0.5 OPG", None) as block:
        life = joined(block, core_knows=work)
        assert figures(block) == (CAP, 0, 4 * CAP)
        assert "0.1 OPG exposed" in repr(block)
        work.core.lives.account(life, SETTLED)
        assert figures(block) == (0, 70, 5 * CAP - 70)


async def test_a_reorg_that_leaves_too_little_shows_none(work: CallWork) -> None:
    async with budget_block(work, CAP, None) as block:
        first = joined(block, 1, core_knows=work)
        work.core.lives.account(first, SETTLED)
        work.core.lives.account(first, PaymentStatus(PaymentState.NOT_CHARGED, ""))
        joined(block, 2, core_knows=work)
        work.core.lives.account(first, PaymentStatus(PaymentState.OPEN, "reorg"))
        assert figures(block) == (2 * CAP, 0, 0)


async def test_unlimited_has_to_be_spelled_out(work: CallWork) -> None:
    async with budget_block(work, "unlimited", None) as block:
        assert figures(block) == (0, 0, None)
    async with own_session(work, "unlimited") as session:
        assert figures(session) == (0, 0, None)


@pytest.mark.parametrize("make", [lambda w, a: budget_block(w, a, None), own_session])
async def test_a_total_below_one_cap_is_refused_at_once(work: CallWork, make: Any) -> None:
    with pytest.raises(ConfigurationError, match="covers no call"):
        make(work, CAP - 1)


async def test_a_block_inside_counts_outside_too(work: CallWork) -> None:
    async with (
        budget_block(work, 3 * CAP, None) as outer,
        outer.with_budget(2 * CAP, per_call="0.01 OPG") as inner,
    ):
        joined(inner, core_knows=work)
        assert figures(outer) == (CAP, 0, 2 * CAP)
        assert figures(inner) == (CAP, 0, CAP)


async def test_a_block_is_used_while_it_is_open(work: CallWork) -> None:
    block = budget_block(work, CAP, None)
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="not open"):
            block.chat  # noqa: B018
        with pytest.raises(ConfigurationError, match="not open"):
            block.completions  # noqa: B018
        with pytest.raises(ConfigurationError, match="not open"):
            block.with_budget(CAP)
        async with block:
            assert block.chat
            assert block.completions


async def test_a_block_shares_the_clients_sessions_and_leaves_them_open(work: CallWork) -> None:
    life = a_life(signed_at=work.core.clock.now())
    assert work.scope.sessions.inherit(life)
    async with budget_block(work, CAP, None) as block:
        assert block._opened().scope.sessions.current(TEE, CHAT) is life
    assert life.state.serves


async def test_a_session_has_its_own_and_ends_them(work: CallWork) -> None:
    life = a_life(signed_at=work.core.clock.now())
    async with own_session(work, CAP) as session:
        sessions = session._opened().scope.sessions
        assert sessions is not work.scope.sessions
        assert sessions.inherit(life)
        assert repr(session).startswith("<session: ")
    assert life.state is AuthorizationState.RETIRED


# What calls of a block count


async def test_a_call_above_per_call_is_not_begun(work: CallWork) -> None:
    async with budget_block(work, CAP, 1) as block:
        with pytest.raises(BudgetExceededError, match="per_call"):
            async with block._opened().entered(CALL):
                raise AssertionError
        assert block.estimated == Amount(0)


async def test_a_call_counts_by_its_estimate_and_then_by_its_cost(work: CallWork) -> None:
    async with budget_block(work, CAP, CAP) as block:
        inside = block._opened()
        async with inside.entered(CALL) as entry:
            assert isinstance(entry, Errand)
            assert entry.record.estimate
            assert block.estimated == Amount(entry.record.estimate)
            work.core.calls.served(entry, 700)
        assert block.estimated == Amount(700)


async def test_a_stored_answer_costs_the_block_nothing(work: CallWork) -> None:
    async with budget_block(work, CAP, CAP) as block:
        inside = block._opened()
        async with inside.entered(KEYED) as entry:
            assert isinstance(entry, Errand)
            work.core.calls.served(entry, 700)
            entry.reply = Reply("hi", {}, (), "stop", None, "gpt-5", a_receipt())
        async with inside.entered(KEYED) as again:
            assert isinstance(again, Reply)
        assert block.estimated == Amount(700)


async def test_nor_does_a_call_that_is_refused(work: CallWork) -> None:
    async with budget_block(work, CAP, CAP) as block:
        inside = block._opened()
        async with inside.entered(KEYED) as entry:
            assert isinstance(entry, Errand)
            work.core.calls.served(entry, 700)
        with pytest.raises(IdempotencyConflictError):
            async with inside.entered(replace(KEYED, body={"messages": "ho"})):
                raise AssertionError
        assert block.estimated == Amount(700)


async def test_nor_one_that_cannot_be_written_down(
    work: CallWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(_record: object) -> None:
        raise LedgerError("disk full")

    monkeypatch.setattr(work.core.journal, "begin", failing)
    async with budget_block(work, CAP, CAP) as block:
        with pytest.raises(LedgerError):
            async with block._opened().entered(CALL):
                raise AssertionError
        assert block.estimated == Amount(0)
