"""Wallets that cannot pay, budgets that do not cover, and payment chains that do not answer."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from opengradient_sdk import Devnet
from opengradient_sdk.devnet.node.shapes import JsonObject
from opengradient_sdk.errors import (
    AllowanceError,
    BadRequestError,
    BudgetExceededError,
    ChainError,
    ConfigurationError,
    InsufficientOPGError,
    PolicyRejectedError,
    RpcError,
    WrongChainError,
)
from opengradient_sdk.payments import PaymentRules
from opengradient_sdk.types import Address, Amount

from .kit import CAP, CustomerFactory, closed_port, refused


async def test_a_wallet_without_opg_is_told_what_to_send_where(
    net: Devnet, customer: CustomerFactory
) -> None:
    one = await customer(opg="0")

    with refused(InsufficientOPGError, "holds 0 OPG", "0.1 OPG", hint=one.signer.address) as caught:
        await one.ask()

    assert str(net.profile.payments.chain_id) in caught.error.hint
    await one.assert_nothing_happened()

    await net.fund(one.signer.address, opg="1")
    assert (await one.ask()).text
    await one.assert_exposed(caps=1)


async def test_a_wallet_with_an_atom_too_little_is_refused(customer: CustomerFactory) -> None:
    one = await customer(opg=str(Amount(CAP - 1)))

    with refused(InsufficientOPGError, "0.099999999999999999 OPG", hint="Send OPG"):
        await one.ask()

    await one.assert_nothing_happened()


async def test_without_allowance_and_without_eth_the_approval_is_sponsored(
    net: Devnet, customer: CustomerFactory
) -> None:
    one = await customer(eth="0")

    assert (await one.ask()).text

    await one.assert_exposed(caps=1)
    assert len(one.signer.transactions) == 1
    await net.advance(130)
    balances = await one.client.wallet.balances()
    assert balances.opg < Amount.parse("10 OPG")
    assert balances.allowance.atoms == 2 * 10**18 - (10 * 10**18 - balances.opg.atoms)
    assert net.books()[one.signer.address].balanced


async def test_without_sponsoring_and_without_eth_the_allowance_cannot_be_given(
    net: Devnet, customer: CustomerFactory
) -> None:
    net.nodes[0].faults.challenge = _without_sponsoring
    one = await customer(eth="0")

    with refused(AllowanceError, "no ETH", hint=one.signer.address):
        await one.ask()

    await one.assert_nothing_happened()


async def test_without_sponsoring_the_wallet_pays_for_its_approval(
    net: Devnet, customer: CustomerFactory
) -> None:
    net.nodes[0].faults.challenge = _without_sponsoring
    one = await customer(eth="1")

    assert (await one.ask()).text

    await one.assert_exposed(caps=1)
    assert len(one.signer.transactions) == 1
    balances = await one.client.wallet.balances()
    assert balances.allowance == Amount.parse("2 OPG")
    assert balances.coin < Amount.parse("1 ETH", symbol="ETH")


@pytest.mark.parametrize("sponsored", [True, False])
async def test_routes_that_open_at_once_share_one_approval(
    net: Devnet, customer: CustomerFactory, sponsored: bool
) -> None:
    net.nodes[0].faults.challenge = None if sponsored else _without_sponsoring
    one = await customer(eth="0" if sponsored else "1")

    chat, completion = await asyncio.gather(
        one.ask(), one.client.completions.create(model="openai/gpt-5", prompt="hi")
    )

    assert chat.text
    assert completion.text
    assert len(one.signer.transactions) == 1
    await one.assert_exposed(caps=2)
    await net.advance(130)
    assert net.books()[one.signer.address].balanced
    assert net.books()[one.signer.address].open == 0


async def test_more_allowance_than_the_rules_let_is_refused(customer: CustomerFactory) -> None:
    one = await customer(eth="1")

    with refused(PolicyRejectedError, "3 OPG", hint="max_approval") as caught:
        await one.client.wallet.ensure_allowance("3 OPG")

    assert (caught.error.field, caught.error.asked) == ("amount", "3 OPG")
    await one.assert_nothing_happened()
    assert await one.client.wallet.ensure_allowance("1 OPG") == Amount.parse("1 OPG")


async def test_a_budget_below_one_cap_signs_nothing(customer: CustomerFactory) -> None:
    with refused(ConfigurationError, "0.05 OPG covers no call", "0.1 OPG", hint="at least"):
        await customer(budget="0.05 OPG")


async def test_a_budget_for_one_cap_covers_one_session_and_no_second(
    customer: CustomerFactory,
) -> None:
    one = await customer(budget="0.1 OPG")
    await one.ask()
    await one.ask()

    with refused(BudgetExceededError, "has 0 OPG left", hint="0.1 OPG is reserved"):
        await one.client.completions.create(model="openai/gpt-5", prompt="hi")

    await one.assert_exposed(caps=1)
    assert (await one.ask()).receipt.authorization.calls == 3


async def test_what_has_settled_makes_room_in_the_budget(
    net: Devnet, customer: CustomerFactory
) -> None:
    one = await customer(budget="0.15 OPG")
    first = await one.ask()
    await net.advance(130)

    second = await one.ask()

    assert second.receipt.authorization.nonce != first.receipt.authorization.nonce
    assert len(one.signer.typed_data) == len(await one.journal()) == 2
    assert await one.exposed() == CAP
    assert await one.settled() == first.receipt.cost.atoms  # type: ignore[union-attr]


async def test_an_unknown_model_is_refused_by_the_node_and_not_billed(
    net: Devnet, customer: CustomerFactory
) -> None:
    one = await customer()

    with refused(
        BadRequestError,
        "gpt-99",
        "not supported",
        hint="client.models.list()",
        secrets=lambda: one.secrets,
    ):
        await one.ask(model="openai/gpt-99")

    await one.assert_exposed(caps=1)
    assert one.served == 0
    assert (await one.ask()).receipt.authorization.calls == 1
    await one.assert_exposed(caps=1)


async def test_a_payments_rpc_that_is_down_is_named(net: Devnet, customer: CustomerFactory) -> None:
    with closed_port() as url:
        payments = replace(net.profile.payments, rpc_urls=(url,))
        one = await customer(network=replace(net.profile, payments=payments))

        with refused(RpcError, url.removeprefix("http://"), hint="OG_RPC_URL"):
            await one.ask()

        await one.assert_nothing_happened()


async def test_a_payments_rpc_of_another_chain_is_refused(
    net: Devnet, customer: CustomerFactory
) -> None:
    payments = replace(net.profile.payments, chain_id=8453)
    one = await customer(network=replace(net.profile, payments=payments))

    with refused(WrongChainError, "31337", "8453", hint="endpoint of the configured chain"):
        await one.ask()

    await one.assert_nothing_happened()


async def test_a_payments_chain_without_the_token_is_refused(
    net: Devnet, customer: CustomerFactory
) -> None:
    nowhere = Address("0x" + "17" * 20)
    one = await customer(network=replace(net.profile, opg=nowhere))

    with refused(ChainError, "no OPG token", nowhere, hint="payments chain"):
        await one.client.wallet.balances()

    await one.assert_nothing_happened()


@pytest.mark.parametrize("name", ["max_authorization", "max_lifetime", "max_approval"])
@pytest.mark.parametrize("limit", [0, -1, 0.5, True, "1"])
def test_a_limit_that_is_none_is_refused(name: str, limit: Any) -> None:
    with refused(ConfigurationError, name, hint="whole number"):
        PaymentRules(**{name: limit})


def _without_sponsoring(challenge: JsonObject) -> JsonObject:
    return {**challenge, "extensions": {}}
