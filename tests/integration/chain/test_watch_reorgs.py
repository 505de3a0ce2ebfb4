"""Watching a real chain: reorgs with other transactions, blocks that come by themselves, cuts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from support.faulty_rpc import FaultyRpc, Trouble

from opengradient_sdk._core.http import HttpClient
from opengradient_sdk.chain import Chain, Rpc
from opengradient_sdk.chain.contracts import Erc20, Transfer
from opengradient_sdk.chain.watch import Watch, WatchedLog, watch
from opengradient_sdk.devnet.contracts import addresses
from opengradient_sdk.devnet.evm import Anvil
from opengradient_sdk.signers import LocalSigner
from opengradient_sdk.types import Address, Bytes32, bytes_to_hex

from .conftest import CHAIN_ID, running

FRIEND = Address("0x70997970C51812dc3A010C7d01b50e0d17dc79C8")
Place = tuple[Bytes32 | None, int, int]


class Token:
    """OPG on anvil, moved by its owner without a key: anvil signs for anybody."""

    def __init__(self, rpc: Rpc, owner: Address) -> None:
        self.rpc = rpc
        self.owner = owner
        self.opg = Erc20(rpc, addresses.OPG)

    def transfer(self, amount: int) -> dict[str, str]:
        data = bytes_to_hex(self.opg.transfer(FRIEND, amount).data)
        return {"from": self.owner, "to": self.opg.address, "data": data, "gas": hex(100_000)}

    async def send(self, amount: int) -> None:
        await self.rpc.call("eth_sendTransaction", [self.transfer(amount)])

    async def mine(self, *amounts: int) -> None:
        """Mine one block with these transfers."""
        for amount in amounts:
            await self.send(amount)
        await self.rpc.call("anvil_mine", ["0x1"])

    async def reorg(self, depth: int, blocks: dict[int, list[int]]) -> None:
        """Replace the last ``depth`` blocks; ``blocks`` has the transfers of the new ones."""
        pairs = [
            [self.transfer(amount), place] for place, some in blocks.items() for amount in some
        ]
        await self.rpc.call("anvil_reorg", [depth, pairs])

    async def places(self) -> list[Place]:
        logs = await self.rpc.get_logs(
            self.opg.address, [Erc20.TRANSFER.topic], from_block=1, to_block="latest"
        )
        return [place(log) for log in logs]


def place(log: Any) -> Place:
    return (log.block_hash, log.index, Erc20.TRANSFER.decode(log).amount)


class Held:
    """What a consumer has who takes back what is removed."""

    def __init__(self, items: Watch[Transfer]) -> None:
        self.items = items
        self.places: list[Place] = []
        self.last: WatchedLog[Transfer] | None = None

    async def take(self, count: int) -> None:
        for _ in range(count):
            self.last = item = await asyncio.wait_for(anext(self.items), 30)
            if item.removed:
                assert self.places.pop() == place(item.log)
            else:
                assert place(item.log) not in self.places
                self.places.append(place(item.log))

    async def take_until(self, wanted: list[Place]) -> None:
        while self.places != wanted:
            await self.take(1)


@pytest.fixture
async def url(accounts: list[LocalSigner]) -> AsyncIterator[str]:
    async with running(Anvil, accounts) as url:
        yield url


@pytest.fixture
async def token(url: str, http: HttpClient, accounts: list[LocalSigner]) -> Token:
    rpc = Rpc([url], http, chain_id=CHAIN_ID)
    await rpc.call("anvil_autoImpersonateAccount", [True])
    await rpc.call("evm_setAutomine", [False])
    await rpc.call("anvil_mine", ["0x1"])
    return Token(rpc, accounts[0].address)


@pytest.fixture
def look(token: Token) -> Callable[..., Watch[Transfer]]:
    def look(rpc: Rpc | None = None, **options: Any) -> Watch[Transfer]:
        options = {"from_block": 1, "block_time": 0.05, **options}
        return watch(rpc or token.rpc, Erc20.TRANSFER, addresses=token.opg.address, **options)

    return look


@pytest.mark.anvil
async def test_a_reorg_of_three_blocks_with_other_transfers(token: Token, look: Any) -> None:
    for amounts in ([1], [2, 3], [], [4], [5]):
        await token.mine(*amounts)
    held = Held(look())
    await held.take(5)
    assert held.places == await token.places()
    await token.reorg(3, {0: [40], 2: [50, 60]})
    await token.mine(7)
    await held.take_until(await token.places())
    assert [amount for _, _, amount in held.places] == [1, 2, 3, 40, 50, 60, 7]


@pytest.mark.anvil
async def test_a_reorg_without_any_new_block_is_noticed(token: Token, look: Any) -> None:
    await token.mine(1)
    await token.mine(2)
    held = Held(look())
    await held.take(2)
    await token.reorg(1, {0: [9]})
    await held.take(2)
    assert held.places == await token.places()


@pytest.mark.anvil
async def test_deep_logs_outlive_shallow_reorgs(token: Token, look: Any) -> None:
    await token.mine(1)
    await token.mine(2)
    await token.mine(3)
    held = Held(look(confirmations=3))
    await held.take(1)
    await token.reorg(2, {0: [20], 1: [30]})
    await token.mine()
    await token.mine()
    await held.take(2)
    assert [amount for _, _, amount in held.places] == [1, 20, 30]


@pytest.mark.anvil
async def test_a_restart_goes_on_where_it_was(token: Token, look: Any) -> None:
    for amount in range(1, 6):
        await token.mine(amount, 10 * amount)
    held = Held(look())
    await held.take(5)
    assert held.last is not None
    held.items = look(after=held.last.cursor)
    await held.take(5)
    assert held.places == await token.places()


@pytest.mark.anvil
async def test_blocks_that_come_by_themselves_over_a_bad_connection(
    token: Token, look: Any, url: str, http: HttpClient
) -> None:
    async with FaultyRpc(url, delay=0.05, patience=0.5, retry_after="0") as proxy:
        held = Held(look(Rpc([proxy.url], http, chain_id=CHAIN_ID, timeout=0.4)))
        await token.rpc.call("evm_setIntervalMining", [1])
        for amount in range(1, 31):
            await token.send(amount)
            if amount % 5 == 0:
                proxy.inject(Trouble.CUT_AFTER, Trouble.DROP, Trouble.HTTP_5XX, Trouble.LATE)
                await held.take(2)
        await held.take(30 - len(held.places))
        assert sorted(amount for _, _, amount in held.places) == [*range(1, 31)]
        assert held.places == await token.places()
        assert proxy.counts[Trouble.CUT_AFTER] > 1


@pytest.mark.anvil
async def test_an_endpoint_that_is_gone_for_a_while(
    token: Token, look: Any, url: str, http: HttpClient
) -> None:
    proxy = FaultyRpc(url)
    async with proxy:
        port = int(proxy.url.rpartition(":")[2])
        held = Held(look(Rpc([proxy.url], http, chain_id=CHAIN_ID)))
        await token.mine(1)
        await held.take(1)
    waiting = asyncio.create_task(held.take(1))
    await token.mine(2)
    await token.reorg(1, {0: [3]})
    async with FaultyRpc(url, port=port):
        await waiting
        await held.take_until(await token.places())


async def test_on_every_chain_of_the_devnet(chain: Chain, accounts: list[LocalSigner]) -> None:
    opg = Erc20(chain.rpc, addresses.OPG)
    items = watch(
        chain.rpc,
        Erc20.TRANSFER,
        Erc20.APPROVAL,
        addresses=opg.address,
        from_block="earliest",
        block_time=0.05,
    )
    await chain.execute(opg.transfer(FRIEND, 5))
    await chain.execute(opg.approve(FRIEND, 6))
    found = [await asyncio.wait_for(anext(items), 30) for _ in range(2)]
    assert found[0].event == Transfer(accounts[0].address, FRIEND, 5)
    assert [type(item.event).__name__ for item in found] == ["Transfer", "Approval"]
    only = watch(
        chain.rpc,
        Erc20.TRANSFER,
        topics=Erc20.TRANSFER.topics(recipient=FRIEND),
        from_block=0,
        after=found[0].cursor,
        block_time=0.05,
    )
    await chain.execute(opg.transfer(FRIEND, 7))
    assert (await asyncio.wait_for(anext(only), 30)).event.amount == 7
