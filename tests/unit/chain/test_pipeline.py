"""The four steps, where a step fails: the nonce comes back and the error says what was spent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from eth_account import Account

from opengradient_sdk.chain import Chain, Rpc
from opengradient_sdk.errors import (
    ConfigurationError,
    InsufficientFundsError,
    NonceError,
    RevertedError,
    RpcError,
    SignerError,
    SigningRejectedError,
    Spent,
    TransactionError,
    WrongChainError,
)
from opengradient_sdk.profiles import ChainProfile
from opengradient_sdk.types import Address, Bytes32, PreparedTx, SignedTx, TxRequest, TypedData

BOB = Address("0x70997970C51812dc3A010C7d01b50e0d17dc79C8")
PROFILE = ChainProfile("test", 31337, (), block_time=0.01)
REQUEST = TxRequest(to=BOB, value=1)


class Wallet:
    """A signer that can be told to misbehave."""

    def __init__(self, key: str = "0x" + "4c" * 32) -> None:
        self._account = Account.from_key(key)
        self.address = Address(self._account.address)
        self.refuses = False
        self.changes: dict[str, Any] = {}
        self.hangs = False

    async def sign_transaction(self, tx: PreparedTx) -> SignedTx:
        if self.refuses:
            raise SigningRejectedError("the owner said no")
        if self.hangs:
            await asyncio.Event().wait()
        signing = replace(tx, **self.changes)
        signed = self._account.sign_transaction(
            {
                "type": 2,
                "chainId": signing.chain_id,
                "nonce": signing.nonce,
                "to": signing.to,
                "value": signing.value,
                "data": signing.data,
                "gas": signing.gas,
                "maxFeePerGas": signing.max_fee_per_gas,
                "maxPriorityFeePerGas": signing.max_priority_fee_per_gas,
            }
        )
        return SignedTx(tx, bytes(signed.raw_transaction), Bytes32(bytes(signed.hash)))

    async def sign_typed_data(self, data: TypedData) -> bytes:
        raise NotImplementedError


@pytest.fixture
def wallet() -> Wallet:
    return Wallet()


def transacting(node: Any) -> None:
    """Have ``node`` answer what building and sending ask; the account's next nonce is 3."""
    block = {"number": "0x5", "hash": "0x" + "05" * 32, "parentHash": "0x" + "04" * 32}
    node.results |= {
        "eth_getBlockByNumber": {**block, "timestamp": "0x1", "gasLimit": hex(30_000_000)},
        "eth_estimateGas": hex(21_000),
        "eth_feeHistory": {"baseFeePerGas": ["0x9"], "reward": []},
        "eth_getBalance": hex(10**20),
        "eth_getTransactionCount": "0x3",
        "eth_sendRawTransaction": "0x" + "00" * 32,
        "eth_getTransactionReceipt": None,
        "eth_getTransactionByHash": None,
    }


@pytest.fixture
async def chain(node: Any, rpc: Rpc, wallet: Wallet) -> AsyncIterator[Chain]:
    transacting(node)
    async with Chain(rpc, profile=PROFILE, signer=wallet) as chain:
        yield chain


async def next_nonce(chain: Chain) -> int:
    return (await chain.build(REQUEST)).nonce


async def test_build_shows_every_field(chain: Chain, wallet: Wallet) -> None:
    prepared = await chain.build(REQUEST)
    assert prepared == PreparedTx(
        chain_id=31337,
        sender=wallet.address,
        nonce=3,
        to=BOB,
        data=b"",
        value=1,
        gas=21_000,
        max_fee_per_gas=18 + 1_000_000,
        max_priority_fee_per_gas=1_000_000,
    )


async def test_what_the_caller_set_wins(node: Any, chain: Chain) -> None:
    request = replace(
        REQUEST,
        gas=30_000,
        max_fee_per_gas=7,
        max_priority_fee_per_gas=0,
        nonce=0,
        allow_spend=True,
    )
    prepared = await chain.build(request)
    assert (prepared.gas, prepared.max_fee_per_gas, prepared.nonce) == (30_000, 7, 0)
    assert prepared.allow_spend
    assert "eth_getTransactionCount" not in node.methods
    assert "eth_estimateGas" not in node.methods


async def test_concurrent_builds_have_distinct_nonces(chain: Chain) -> None:
    prepared = await asyncio.gather(*(chain.build(REQUEST) for _ in range(10)))
    assert sorted(tx.nonce for tx in prepared) == list(range(3, 13))


async def test_a_build_that_fails_leases_nothing(node: Any, chain: Chain, fails: Any) -> None:
    estimate, node.results["eth_estimateGas"] = (
        node.results["eth_estimateGas"],
        fails(3, "execution reverted", "0x"),
    )
    with pytest.raises(RevertedError):
        await chain.build(REQUEST)
    node.results["eth_estimateGas"] = estimate
    assert await next_nonce(chain) == 3


async def test_a_discarded_nonce_is_used_again(chain: Chain) -> None:
    first, _second = await chain.build(REQUEST), await chain.build(REQUEST)
    await chain.discard(first)
    assert await next_nonce(chain) == first.nonce


async def test_a_refused_signature_gives_the_nonce_back(chain: Chain, wallet: Wallet) -> None:
    wallet.refuses = True
    with pytest.raises(SigningRejectedError):
        await chain.execute(REQUEST)
    assert await next_nonce(chain) == 3


async def test_a_cancelled_signature_gives_the_nonce_back(chain: Chain, wallet: Wallet) -> None:
    wallet.hangs = True
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await chain.execute(REQUEST)
    assert await next_nonce(chain) == 3


@pytest.mark.parametrize("changes", [{"value": 2}, {"to": None}, {"nonce": 9}, {"gas": 22_000}])
async def test_a_signer_that_signs_something_else_is_caught(
    node: Any, chain: Chain, wallet: Wallet, changes: dict[str, Any]
) -> None:
    wallet.changes = {
        key: Address("0x" + "22" * 20) if value is None else value for key, value in changes.items()
    }
    with pytest.raises(SignerError, match="not the transaction that was asked for"):
        await chain.execute(REQUEST)
    assert "eth_sendRawTransaction" not in node.methods
    assert await next_nonce(chain) == 3


async def test_another_accounts_transaction_is_not_signed(chain: Chain) -> None:
    foreign = replace(await chain.build(REQUEST), sender=BOB)
    with pytest.raises(SignerError, match="the signer is"):
        await chain.sign(foreign)


async def test_a_refused_transaction_gives_the_nonce_back(
    node: Any, chain: Chain, fails: Any
) -> None:
    refusal = fails(-32000, "insufficient funds for gas * price + value")
    accepted, node.results["eth_sendRawTransaction"] = (
        node.results["eth_sendRawTransaction"],
        refusal,
    )
    with pytest.raises(InsufficientFundsError) as caught:
        await chain.execute(REQUEST)
    assert caught.value.spent is Spent.NO
    node.results["eth_sendRawTransaction"] = accepted
    assert await next_nonce(chain) == 3


async def test_a_nonce_that_another_wallet_used_is_never_leased_again(
    node: Any, chain: Chain, fails: Any
) -> None:
    signed = await chain.sign(await chain.build(REQUEST))
    node.results |= {
        "eth_sendRawTransaction": fails(-32000, "nonce too low"),
        "eth_getTransactionCount": "0x4",
    }
    with pytest.raises(NonceError) as caught:
        await chain.send(signed)
    assert caught.value.spent is Spent.NO
    assert await next_nonce(chain) == 4


async def test_words_that_nobody_knows_prove_no_refusal(
    node: Any, chain: Chain, fails: Any
) -> None:
    signed = await chain.sign(await chain.build(REQUEST))
    node.results["eth_sendRawTransaction"] = fails(-32000, "words that nobody knows")
    with pytest.raises(RpcError) as caught:
        await chain.send(signed)
    assert caught.value.spent is Spent.MAYBE
    assert await next_nonce(chain) == 4, "the nonce may be used"


async def test_nonce_too_low_for_a_transaction_that_arrived_is_success(
    node: Any, chain: Chain, fails: Any
) -> None:
    signed = await chain.sign(await chain.build(REQUEST))
    node.results |= {
        "eth_sendRawTransaction": fails(-32000, "nonce too low"),
        "eth_getTransactionByHash": {
            "hash": str(signed.hash),
            "from": signed.tx.sender,
            "to": BOB,
            "nonce": "0x3",
            "value": "0x1",
            "input": "0x",
            "blockNumber": None,
            "blockHash": None,
        },
    }
    assert (await chain.send(signed)).hash == signed.hash


async def test_an_unknown_arrival_says_so(node: Any, chain: Chain) -> None:
    signed = await chain.sign(await chain.build(REQUEST))
    node.always = lambda: web.Response(status=503)
    with pytest.raises(RpcError) as caught:
        await chain.send(signed)
    assert caught.value.spent is Spent.MAYBE
    assert str(signed.hash) in str(caught.value)
    node.always = None
    assert (await chain.send(signed)).hash == signed.hash


async def test_nonce_too_low_and_then_an_outage_is_unknown(
    node: Any, chain: Chain, fails: Any
) -> None:
    signed = await chain.sign(await chain.build(REQUEST))
    node.results |= {
        "eth_sendRawTransaction": fails(-32000, "nonce too low"),
        "eth_getTransactionByHash": fails(-32601, "Method not found"),
    }
    with pytest.raises(RpcError, match="It is not known whether") as caught:
        await chain.send(signed)
    assert caught.value.spent is Spent.MAYBE


async def test_an_endpoint_of_another_chain_spends_nothing(
    node: Any, chain: Chain, rpc_to: Any, wallet: Wallet
) -> None:
    signed = await chain.sign(await chain.build(REQUEST))
    elsewhere = Chain(rpc_to(node, chain_id=8453), profile=PROFILE, signer=wallet)
    with pytest.raises(WrongChainError) as caught:
        await elsewhere.send(signed)
    assert caught.value.spent is Spent.NO


async def test_web3_says_whether_it_is_connected(node: Any, rpc_to: Any) -> None:
    web3 = Chain(rpc_to(node, chain_id=None), profile=PROFILE).web3()
    node.always = lambda: web.Response(text="no json")
    assert not await web3.is_connected()
    with pytest.raises(RpcError):
        await web3.is_connected(show_traceback=True)
    node.always = None
    assert await web3.is_connected()


async def test_the_hash_of_a_lying_node_is_not_believed(chain: Chain) -> None:
    signed = await chain.sign(await chain.build(REQUEST))
    assert (await chain.send(signed)).hash == signed.hash != b"\0" * 32


async def test_without_a_signer_a_chain_can_only_be_read(node: Any, rpc: Rpc) -> None:
    chain = Chain(rpc, profile=PROFILE)
    node.results["eth_call"] = "0x2a"
    assert await chain.read(BOB, b"") == b"\x2a"
    with pytest.raises(ConfigurationError, match="there is no signer"):
        await chain.build(REQUEST)


async def test_a_missing_filler_is_named_and_leases_nothing(
    node: Any, rpc: Rpc, wallet: Wallet
) -> None:
    async with Chain(rpc, profile=PROFILE, signer=wallet, fillers=()) as chain:
        with pytest.raises(ConfigurationError, match="no filler fills it in"):
            await chain.build(REQUEST)
    assert node.requests == []


@pytest.mark.parametrize("wallet", ["0x" + "11" * 32, b"\x11" * 32])
def test_a_key_is_no_signer_and_is_not_repeated(rpc: Rpc, wallet: Any) -> None:
    with pytest.raises(ConfigurationError, match="is no signer") as caught:
        Chain(rpc, profile=PROFILE, signer=wallet)
    assert "11" * 32 not in f"{caught.value!r} {caught.value}"


async def test_a_closed_chain_builds_signs_and_sends_nothing(chain: Chain) -> None:
    prepared = await chain.build(REQUEST)
    signed = await chain.sign(prepared)
    await chain.aclose()
    with pytest.raises(TransactionError, match="the chain is closed"):
        await chain.build(REQUEST)
    with pytest.raises(TransactionError, match="the chain is closed"):
        await chain.sign(prepared)
    with pytest.raises(TransactionError, match="the chain is closed"):
        await chain.send(signed)
