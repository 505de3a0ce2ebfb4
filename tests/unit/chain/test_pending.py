"""Waiting for a transaction on a chain that changes its mind."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from aiohttp import web

from opengradient_sdk.chain import NonceLeases, PendingTx, Rpc
from opengradient_sdk.errors import (
    ConfigurationError,
    ConfirmationTimeoutError,
    ReplacedError,
    RevertedError,
    Spent,
    WrongChainError,
)
from opengradient_sdk.types import Address, Bytes32, PreparedTx, SignedTx

ALICE = Address("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
HASH = Bytes32(b"\x0a" * 32)
TX = PreparedTx(31337, ALICE, 4, ALICE, b"\x01", 0, 50_000, 2, 1)


class Moment:
    """What the chain says at one look."""

    def __init__(
        self, head: int | None = 5, mined: int | None = None, fork: int = 0, count: int = 4
    ) -> None:
        self.head, self.mined, self.fork, self.count = head, mined, fork, count


class History:
    """A chain that passes through moments, one per look; the last one stays."""

    def __init__(self, node: Any) -> None:
        self.moments: list[Moment] = []
        self.status = "0x1"
        self.gas_used = 21_000
        self._now = Moment()
        node.results |= {
            "eth_getTransactionReceipt": self._receipt,
            "eth_getBlockByNumber": self._block,
            "eth_getTransactionCount": lambda *_: hex(self._now.count),
        }

    def of(self, *moments: Moment) -> None:
        self.moments = list(moments)

    def _receipt(self, _: str) -> Any:
        self._now = self.moments.pop(0) if len(self.moments) > 1 else self.moments[0]
        if self._now.mined is None:
            return None
        return {
            "transactionHash": str(HASH),
            "blockNumber": hex(self._now.mined),
            "blockHash": "0x" + bytes([self._now.fork] * 32).hex(),
            "from": ALICE.lower(),
            "to": ALICE.lower(),
            "contractAddress": None,
            "status": self.status,
            "gasUsed": hex(self.gas_used),
            "effectiveGasPrice": "0x2",
            "logs": [],
        }

    def _block(self, tag: str, _: bool) -> Any:
        if self._now.head is None:
            return None
        return {"number": hex(self._now.head), "hash": str(HASH), "timestamp": "0x1"}


@pytest.fixture
def history(node: Any) -> History:
    return History(node)


@pytest.fixture
def leases(rpc: Rpc) -> NonceLeases:
    return NonceLeases(rpc)


@pytest.fixture
def pending(rpc: Rpc, leases: NonceLeases) -> PendingTx:
    return PendingTx(SignedTx(TX, b"\x02", HASH), rpc, block_time=0.01, nonces=leases)


@pytest.fixture
def warnings_of(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], list[str]]]:
    with caplog.at_level(logging.WARNING, "opengradient_sdk.chain"):
        yield lambda: [record.getMessage() for record in caplog.records]


async def test_the_first_block_is_the_first_confirmation(
    history: History, pending: PendingTx
) -> None:
    history.of(Moment(), Moment(), Moment(head=6, mined=6))
    assert (await pending.wait()).block_number == 6


async def test_more_confirmations_need_more_blocks(history: History, pending: PendingTx) -> None:
    history.of(*(Moment(head=head, mined=6) for head in (6, 7, 8, 9)))
    assert (await pending.wait(confirmations=3)).block_number == 6
    assert [moment.head for moment in history.moments] == [9]  # 8 was enough


@pytest.mark.parametrize("tag", ["safe", "finalized"])
async def test_a_tag_is_waited_for(
    node: Any, history: History, pending: PendingTx, tag: Any
) -> None:
    history.of(Moment(head=None, mined=6), Moment(head=5, mined=6), Moment(head=6, mined=6))
    await pending.wait(tag)
    asked = [call["params"][0] for call in node.bodies[-1] if "Block" in call["method"]]
    assert asked == [tag]


async def test_a_reorg_makes_it_pending_again_and_says_so(
    history: History, pending: PendingTx, warnings_of: Callable[[], list[str]]
) -> None:
    history.of(
        Moment(head=6, mined=6, fork=1),
        Moment(head=6),
        Moment(head=7, mined=7, fork=2),
        Moment(head=8, mined=7, fork=2),
    )
    receipt = await pending.wait(confirmations=2)
    assert (receipt.block_number, receipt.block_hash) == (7, b"\x02" * 32)
    (warning,) = warnings_of()
    assert "pending again: block 6" in warning


async def test_another_block_at_the_same_height_is_a_reorg_too(
    history: History, pending: PendingTx, warnings_of: Callable[[], list[str]]
) -> None:
    history.of(Moment(6, 6, fork=1), Moment(6, 6, fork=2), Moment(7, 6, fork=2))
    await pending.wait(confirmations=2)
    assert len(warnings_of()) == 1


async def test_not_in_time_carries_the_hash_and_how_far_it_got(
    history: History, pending: PendingTx
) -> None:
    history.of(Moment())
    with pytest.raises(ConfirmationTimeoutError, match="it is in no block yet") as caught:
        await pending.wait(timeout=1.0)
    assert caught.value.hash == HASH
    assert caught.value.spent is Spent.MAYBE
    history.of(Moment(head=6, mined=6))
    with pytest.raises(ConfirmationTimeoutError, match="in block 6, not yet 9 deep"):
        await pending.wait(confirmations=9, timeout=1.0)


async def test_it_can_be_waited_for_again(history: History, pending: PendingTx) -> None:
    history.of(Moment())
    with pytest.raises(ConfirmationTimeoutError):
        await pending.wait(timeout=0.3)
    history.of(Moment(head=6, mined=6))
    assert (await pending.wait()).succeeded


async def test_an_outage_is_waited_out(node: Any, history: History, pending: PendingTx) -> None:
    history.of(Moment(head=6, mined=6))
    node.http = [web.Response(status=503) for _ in range(4)]
    assert (await pending.wait()).block_number == 6


async def test_a_lasting_outage_is_named(node: Any, history: History, pending: PendingTx) -> None:
    history.of(Moment())
    node.always = lambda: web.Response(text="no json")
    with pytest.raises(ConfirmationTimeoutError, match="the chain cannot be read"):
        await pending.wait(timeout=1.5)


async def test_a_replaced_transaction_is_noticed_after_several_looks(
    history: History, pending: PendingTx, leases: NonceLeases
) -> None:
    history.of(Moment(count=5))
    with pytest.raises(ReplacedError, match="nonce 4 was mined instead"):
        await pending.wait()
    assert await leases.lease(ALICE) == 5


async def test_one_look_of_two_minds_is_no_replacement(
    history: History, pending: PendingTx
) -> None:
    history.of(Moment(count=5), Moment(count=5), Moment(), Moment(count=5), Moment(6, 6, count=5))
    assert (await pending.wait()).block_number == 6


async def test_a_revert_has_its_reason_and_its_fee(
    node: Any, history: History, pending: PendingTx, fails: Any
) -> None:
    history.of(Moment(head=6, mined=6))
    history.status = "0x0"
    node.results["eth_call"] = fails(3, "execution reverted", "0x756688fe")
    with pytest.raises(RevertedError) as caught:
        await pending.wait()
    assert caught.value.reason == "InvalidNonce()"
    assert caught.value.spent is Spent.YES
    assert caught.value.amount is not None
    assert caught.value.amount.atoms == 42_000
    message, block = node.bodies[-1]["params"]
    assert (message["from"], message["gas"], block) == (ALICE, hex(50_000), "0x6")


@pytest.mark.parametrize(
    ("gas_used", "reason"), [(50_000, "out of gas"), (40_000, "the reason is not known")]
)
async def test_a_revert_that_cannot_be_repeated(
    node: Any, history: History, pending: PendingTx, fails: Any, gas_used: int, reason: str
) -> None:
    history.of(Moment(head=6, mined=6))
    history.status, history.gas_used = "0x0", gas_used
    node.results["eth_call"] = lambda _, at: "0x" if at == "0x5" else fails(-32000, "pruned")
    with pytest.raises(RevertedError, match=reason):
        await pending.wait()


async def test_a_mined_nonce_ends_its_lease(
    history: History, pending: PendingTx, leases: NonceLeases
) -> None:
    history.of(Moment(head=6, mined=6))
    await pending.wait()
    assert await leases.lease(ALICE) == 5  # though the node's count still says 4


async def test_an_endpoint_of_another_chain_ends_the_wait(
    node: Any, history: History, pending: PendingTx
) -> None:
    history.of(Moment())
    node.results["eth_chainId"] = "0x1"
    with pytest.raises(WrongChainError):
        await pending.wait()


async def test_no_confirmation_is_no_wait(pending: PendingTx) -> None:
    with pytest.raises(ConfigurationError, match="0 confirmations"):
        await pending.wait(confirmations=0)
