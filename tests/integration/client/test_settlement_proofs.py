"""The chain's word through two endpoints, one of which lies: named, and never believed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

import pytest
from support.lying_rpc import Lie, LyingRpc

from opengradient_sdk import Amount, Devnet, PaymentState, PaymentStatus
from opengradient_sdk._core.http import HttpClient
from opengradient_sdk.chain.rpc import Rpc
from opengradient_sdk.payments.settlement import Claim, SettlementWatcher
from opengradient_sdk.types import Bytes32

from .kit import Customer, CustomerFactory, new_customer

PERMIT_LIFE = 300


@dataclass
class Court:
    """A customer's payment, and two endpoints on the chain; the second can be told to lie."""

    net: Devnet
    buyer: Customer
    liar: LyingRpc
    names: tuple[str, str]
    watcher: SettlementWatcher

    @property
    def claim(self) -> Claim:
        """The customer's one authorization."""
        (life,) = self.buyer.lives
        return SettlementWatcher.claim_of(life)

    async def status(self, lie: Lie | None = None, *, claim: Claim | None = None) -> PaymentStatus:
        """Ask both, the second of which tells this lie, and did so."""
        self.liar.lie, self.liar.told = lie, 0
        status = await self.watcher.status(claim or self.claim)
        assert bool(self.liar.told) is (lie is not None)
        return status

    async def pay(self) -> Amount:
        """Have one call charged; the settlement is in the chain and not final."""
        reply = await self.buyer.ask()
        await self.net.advance(130)
        assert reply.receipt.cost is not None
        return reply.receipt.cost

    async def expire(self) -> None:
        """Let the permit of a call that is never charged end, finally."""
        self.net.facilitator.faults.settle_fails = True
        await self.buyer.ask()
        await self.net.advance(PERMIT_LIFE + 30)
        await self.net.mine(9)


@pytest.fixture
async def court(net: Devnet, customer: CustomerFactory) -> AsyncIterator[Court]:
    """Two endpoints of the payments chain, both of them honest until told otherwise."""
    async with AsyncExitStack() as stack:
        honest, liar = [
            await stack.enter_async_context(LyingRpc(net.chain.rpc_url)) for _ in range(2)
        ]
        http = HttpClient()
        stack.push_async_callback(http.aclose)
        chain_id = net.profile.payments.chain_id
        rpcs = [Rpc([proxy.url], http, chain_id=chain_id) for proxy in (honest, liar)]
        yield Court(
            net,
            await customer(eth="1"),
            liar,
            (rpcs[0].names[0], rpcs[1].names[0]),
            SettlementWatcher(rpcs, net.profile),
        )


class TestNotCharged:
    """Nobody collected, and the permit is over."""

    async def test_honest_endpoints_prove_it(self, court: Court) -> None:
        await court.expire()
        status = await court.status()
        assert status.state is PaymentState.NOT_CHARGED
        proof = status.proof
        assert proof is not None
        assert (proof.chain_id, proof.deadline) == (31337, court.claim.deadline)
        assert (proof.rpcs, status.rpcs) == (court.names, court.names)
        assert proof.block_timestamp > proof.deadline
        block = await court.net.chain.request("eth_getBlockByHash", (str(proof.block_hash), False))
        assert isinstance(block, dict)
        found = int(block["number"], 16), int(block["timestamp"], 16)
        assert found == (proof.block_number, proof.block_timestamp)

    @pytest.mark.parametrize("lie", [Lie.ANOTHER_TIME, Lie.ANOTHER_HASH, Lie.ALL_USED])
    async def test_a_lie_is_unknown_and_names_both(self, court: Court, lie: Lie) -> None:
        await court.expire()
        status = await court.status(lie)
        assert (status.state, status.proof) == (PaymentState.UNKNOWN, None)
        assert [told.split()[0] for told in status.disagreeing] == list(court.names)

    @pytest.mark.parametrize("lie", [Lie.OLD_HEAD, Lie.NO_EIP_1898, Lie.DOWN])
    async def test_one_that_cannot_confirm_leaves_it_open(self, court: Court, lie: Lie) -> None:
        await court.expire()
        status = await court.status(lie)
        assert (status.state, status.proof, status.disagreeing) == (PaymentState.OPEN, None, ())
        if lie is not Lie.OLD_HEAD:
            assert court.names[1] in status.reason

    async def test_hiding_what_others_do_not_see_either_is_no_lie(self, court: Court) -> None:
        await court.expire()
        court.liar.lie = Lie.NONE_USED
        assert (await court.watcher.status(court.claim)).state is PaymentState.NOT_CHARGED

    async def test_it_is_not_proven_before_it_is_final(self, court: Court) -> None:
        court.net.facilitator.faults.settle_fails = True
        await court.buyer.ask()
        await court.net.advance(PERMIT_LIFE + 30)
        assert (await court.status()).state is PaymentState.OPEN


class TestSettled:
    """The node has collected."""

    async def test_honest_endpoints_agree(self, court: Court) -> None:
        cost = await court.pay()
        status = await court.status()
        assert (status.state, status.amount) == (PaymentState.SETTLED, cost)
        await court.net.mine(9)
        final = await court.status()
        assert (final.state, final.final) == (PaymentState.FINAL, True)
        assert (final.block_hash, final.rpcs) == (status.block_hash, court.names)

    @pytest.mark.parametrize(
        "lie",
        [
            Lie.NO_LOGS,
            Lie.NO_RECEIPT,
            Lie.ANOTHER_HASH,
            Lie.ANOTHER_AMOUNT,
            Lie.NONE_USED,
        ],
    )
    async def test_a_lie_is_unknown_and_names_both(self, court: Court, lie: Lie) -> None:
        await court.pay()
        await court.net.mine(9)
        status = await court.status(lie)
        assert (status.state, status.amount) == (PaymentState.UNKNOWN, None)
        assert [told.split()[0] for told in status.disagreeing] == list(court.names)

    async def test_one_that_is_behind_is_waited_for(self, court: Court) -> None:
        await court.pay()
        status = await court.status(Lie.OLD_HEAD)
        assert (status.state, status.disagreeing) == (PaymentState.OPEN, ())
        assert f"{court.names[1]} is only at block 1" in status.reason

    async def test_one_that_is_away_keeps_it_from_being_final(self, court: Court) -> None:
        cost = await court.pay()
        await court.net.mine(9)
        status = await court.status(Lie.DOWN)
        assert (status.state, status.amount) == (PaymentState.SETTLED, cost)
        assert (status.rpcs, status.final) == (court.names[:1], False)

    async def test_another_claims_settlement_never_counts(self, court: Court) -> None:
        """By another proxy, to somebody else, or of a nonce that was never used."""
        await court.pay()
        profile, stranger = court.net.profile, court.buyer.signer.address
        for other in (
            replace(court.claim, spender=profile.exact_proxy),
            replace(court.claim, recipient=stranger),
        ):
            assert (await court.status(claim=other)).state is PaymentState.UNKNOWN
        unused = replace(court.claim, nonce=court.claim.nonce ^ 1)
        assert (await court.status(claim=unused)).state is PaymentState.OPEN
        foreign = replace(court.claim, owner=court.net.accounts[0].address)
        assert (await court.status(claim=foreign)).state is PaymentState.OPEN


class TestCancelled:
    """The owner burnt the nonce."""

    async def test_a_bit_that_was_set_by_its_owner_is_no_payment(self, court: Court) -> None:
        await court.buyer.ask()
        chain, permit2 = court.buyer.client.chains, court.buyer.client.contracts.permit2
        burnt = await chain.payments.execute(permit2.invalidate_nonce(court.claim.nonce))
        status = await court.status()
        assert (status.state, status.final) == (PaymentState.CANCELLED, False)
        assert (status.transaction, status.amount) == (burnt.hash, Amount(0))
        await court.net.mine(9)
        assert (await court.status()).final
        for lie in (Lie.NO_LOGS, Lie.NONE_USED, Lie.NO_RECEIPT):
            assert (await court.status(lie)).state is PaymentState.UNKNOWN


@pytest.mark.anvil
async def test_a_reorg_takes_a_settlement_back() -> None:
    """anvil drops the block that has the settlement; the chain's word goes back to open."""
    async with Devnet(evm="anvil", accounts=1) as net, new_customer(net) as buyer:
        await buyer.ask()
        (life,) = buyer.lives
        await net.advance(130)
        http = HttpClient()
        try:
            rpcs = [Rpc([net.chain.rpc_url], http, chain_id=31337) for _ in range(2)]
            watcher = SettlementWatcher(rpcs, net.profile)
            settled = await watcher.status(watcher.claim_of(life))
            assert settled.state is PaymentState.SETTLED
            assert isinstance(settled.block_hash, Bytes32)
            assert settled.block_number is not None
            head = int(str(await net.chain.request("eth_blockNumber")), 16)
            depth = head - settled.block_number + 1
            await net.chain.request("anvil_reorg", [depth, []])
            assert (await watcher.status(watcher.claim_of(life))).state is PaymentState.OPEN
        finally:
            await http.aclose()
