"""What is built, on chains that decide for themselves: anvil before and after its hard forks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from eth_account import Account

from opengradient_sdk._core.clock import SystemClock
from opengradient_sdk._core.http import HttpClient
from opengradient_sdk.chain import Draft, Rpc
from opengradient_sdk.chain.fees import NORMAL, Fees, FeeStrategy, capped
from opengradient_sdk.chain.fillers import GAS_PRICE_ORACLE, recommended_fillers
from opengradient_sdk.chain.request_check import check_request
from opengradient_sdk.devnet.anvil_path import find_anvil
from opengradient_sdk.devnet.evm.anvil_process import AnvilProcess
from opengradient_sdk.errors import (
    ConfigurationError,
    FeeTooLowError,
    InsufficientFundsError,
    RevertedError,
    TransactionError,
)
from opengradient_sdk.profiles import ChainProfile
from opengradient_sdk.signers import LocalSigner
from opengradient_sdk.signers.envelope import read_signed
from opengradient_sdk.types import (
    Address,
    Bytes32,
    CodeAuthorization,
    PreparedTx,
    TxReceipt,
    TxRequest,
    TxType,
    bytes_to_hex,
    keccak256,
)

pytestmark = pytest.mark.anvil

CHAIN_ID = 31337
ETHER = 10**18
BOB = Address("0x70997970C51812dc3A010C7d01b50e0d17dc79C8")
CODE = Address("0x00000000000000000000000000000000000c0de0")
ORACLE_PRICE = 1000  # wei per byte
STORES = bytes.fromhex("5f355f55")  # stores the first word of what it is called with in slot 0
# getL1Fee(bytes): so much for each byte of its argument, as if nothing could be compressed
ORACLE = bytes.fromhex(f"602435{0x61:02x}{ORACLE_PRICE:04x}025f5260205ff3")
REVERTS = bytes.fromhex("63756688fe5f526004601cfd")  # with InvalidNonce() of Permit2

ALICE = LocalSigner.from_key(f"0x{1001:064x}")
OTHER_KEY = f"0x{1002:064x}"
POOR = LocalSigner.from_key(f"0x{1003:064x}")


class Sandbox:
    """One anvil, built for and sent to by hand: fillers, signer, raw bytes."""

    def __init__(self, rpc: Rpc) -> None:
        self.rpc = rpc

    async def build(
        self,
        request: TxRequest,
        *,
        fees: FeeStrategy | str = NORMAL,
        op_stack: bool = False,
        sender: LocalSigner = ALICE,
    ) -> PreparedTx:
        check_request(request)
        clock = SystemClock()
        profile = ChainProfile("anvil", CHAIN_ID, (), 1.0, op_stack)
        pricing = Fees(clock, block_time=1.0, strategy=fees)
        draft = Draft(request, sender.address)
        for filler in recommended_fillers(profile, clock, fees=pricing):
            draft = await filler.fill(draft, self.rpc)
        return draft.prepared(await self.rpc.transaction_count(sender.address))

    async def send(self, prepared: PreparedTx) -> TxReceipt:
        signed = await ALICE.sign_transaction(prepared)
        assert read_signed(signed.raw, fee_cap=prepared.fee_cap) == signed
        await self.rpc.send_raw_transaction(signed.raw)
        await self.rpc.call("evm_mine")
        receipt = await self.rpc.get_receipt(signed.hash)
        assert receipt is not None
        mined = await self.rpc.get_transaction(signed.hash)
        assert mined is not None
        assert (mined.type, mined.gas) == (prepared.type, prepared.gas)
        return receipt

    async def storage(self, address: Address, slot: int = 0) -> int:
        answer = await self.rpc.call("eth_getStorageAt", [address, hex(slot), "latest"])
        return int(str(answer), 16)


Start = Callable[..., AbstractAsyncContextManager[Sandbox]]


@pytest.fixture
def start(http: HttpClient) -> Start:
    @asynccontextmanager
    async def started(hardfork: str) -> AsyncIterator[Sandbox]:
        program = find_anvil()
        assert program is not None
        arguments = ("--hardfork", hardfork, "--port", "0", "--accounts", "0", "--no-mining")
        process = await AnvilProcess.spawn(program, *arguments)
        try:
            rpc = Rpc([process.url], http, chain_id=CHAIN_ID)
            await rpc.call("anvil_setBalance", [ALICE.address, hex(10 * ETHER)])
            for address, code in ((CODE, STORES), (GAS_PRICE_ORACLE, ORACLE), (BOB, REVERTS)):
                await rpc.call("anvil_setCode", [address, bytes_to_hex(code)])
            yield Sandbox(rpc)
        finally:
            await process.stop()

    return started


@pytest.fixture
async def berlin(start: Start) -> AsyncIterator[Sandbox]:
    """A chain without a base fee, which has access lists already."""
    async with start("berlin") as sandbox:
        # PUSH0 is younger: the same contracts in older words
        stores = bytes.fromhex("600035600055")
        await sandbox.rpc.call("anvil_setCode", [CODE, bytes_to_hex(stores)])
        yield sandbox


@pytest.fixture
async def prague(start: Start) -> AsyncIterator[Sandbox]:
    async with start("prague") as sandbox:
        yield sandbox


WORD = (42).to_bytes(32, "big")
SLOT = ((CODE, (Bytes32(b"\0" * 32),)),)


async def test_a_chain_without_a_base_fee_gets_legacy_transactions(berlin: Sandbox) -> None:
    assert (await berlin.rpc.get_block()).base_fee is None
    prepared = await berlin.build(TxRequest(to=CODE, data=WORD))
    assert prepared.type is TxType.LEGACY
    receipt = await berlin.send(prepared)
    assert receipt.succeeded
    assert receipt.effective_gas_price == prepared.max_fee_per_gas
    assert await berlin.storage(CODE) == 42


async def test_an_access_list_on_it_makes_an_eip_2930_transaction(berlin: Sandbox) -> None:
    prepared = await berlin.build(TxRequest(to=CODE, data=WORD, access_list=SLOT))
    assert prepared.type is TxType.ACCESS_LIST
    assert (await berlin.send(prepared)).succeeded


async def test_fees_of_eip_1559_are_refused_on_it(berlin: Sandbox) -> None:
    with pytest.raises(ConfigurationError, match="has no base fee"):
        await berlin.build(TxRequest(to=CODE, data=WORD, max_fee_per_gas=10**9))


async def test_a_cap_on_it_is_one_of_the_gas_price(berlin: Sandbox) -> None:
    price = int(str(await berlin.rpc.call("eth_gasPrice")), 16)
    prepared = await berlin.build(TxRequest(to=CODE, data=WORD), fees=capped(price))
    assert prepared.max_fee_per_gas == prepared.fee_cap == price
    with pytest.raises(FeeTooLowError, match=f"{price} wei per gas, .* capped at {price - 1}"):
        await berlin.build(TxRequest(to=CODE, data=WORD), fees=capped(price - 1))


@pytest.mark.parametrize("name", ["slow", "normal", "fast"])
async def test_every_strategy_is_mined(prague: Sandbox, name: str) -> None:
    prepared = await prague.build(TxRequest(to=CODE, data=WORD), fees=name)
    assert prepared.type is TxType.DYNAMIC_FEE
    assert (await prague.send(prepared)).succeeded


async def test_a_base_fee_above_the_cap_stops_before_the_signature(prague: Sandbox) -> None:
    await prague.rpc.call("anvil_setNextBlockBaseFeePerGas", [hex(7 * 10**9)])
    await prague.rpc.call("evm_mine")
    history: Any = await prague.rpc.call("eth_feeHistory", ["0x1", "latest", []])
    base = int(history["baseFeePerGas"][-1], 16)
    with pytest.raises(FeeTooLowError, match=f"{base} wei per gas, .* capped at 5000000000"):
        await prague.build(TxRequest(to=CODE, data=WORD), fees=capped(5 * 10**9))


async def test_an_access_list_travels_with_either_kind_of_fee(prague: Sandbox) -> None:
    plain = await prague.send(await prague.build(TxRequest(to=CODE, data=WORD)))
    listed = await prague.build(TxRequest(to=CODE, data=bytes(32), access_list=SLOT))
    assert (listed.type, listed.access_list) == (TxType.DYNAMIC_FEE, SLOT)
    assert (await prague.send(listed)).succeeded
    older = await prague.build(TxRequest(to=CODE, data=WORD, access_list=SLOT, gas_price=3 * 10**9))
    assert (older.type, older.fee_cap) == (TxType.ACCESS_LIST, 3 * 10**9)
    receipt = await prague.send(older)
    assert receipt.effective_gas_price == 3 * 10**9
    # an address (2400) and a key (1900) in advance, and 2000 less for the slot: EIP-2930
    assert receipt.gas_used == plain.gas_used + 2400 + 1900 - 2100


async def test_a_gas_price_makes_a_legacy_transaction(prague: Sandbox) -> None:
    prepared = await prague.build(TxRequest(to=CODE, data=WORD, gas_price=2 * 10**9))
    assert prepared.type is TxType.LEGACY
    assert (await prague.send(prepared)).effective_gas_price == 2 * 10**9


async def test_an_authorization_gives_an_account_code(prague: Sandbox) -> None:
    account = Account.from_key(OTHER_KEY)
    theirs = account.sign_authorization({"chainId": CHAIN_ID, "address": CODE, "nonce": 0})
    authorization = CodeAuthorization(
        CHAIN_ID, CODE, 0, theirs.y_parity, int(theirs.r), int(theirs.s)
    )
    authority = Address(account.address)
    prepared = await prague.build(
        TxRequest(to=authority, data=WORD, authorizations=(authorization,))
    )
    assert (prepared.type, prepared.authorizations) == (TxType.SET_CODE, (authorization,))
    assert (await prague.send(prepared)).succeeded
    # the simulation ran the code too: else there were no gas for its storage
    assert await prague.storage(authority) == 42
    assert await prague.rpc.get_code(authority) == bytes.fromhex("ef0100") + CODE.to_bytes()


async def test_a_contract_is_created_at_the_address_that_follows_from_the_nonce(
    prague: Sandbox,
) -> None:
    creation = bytes.fromhex("63") + STORES + bytes.fromhex("5f526004601cf3")
    receipt = await prague.send(await prague.build(TxRequest(data=creation)))
    assert receipt.contract_address is not None
    assert await prague.rpc.get_code(receipt.contract_address) == STORES


async def test_a_revert_says_why_before_the_signature(prague: Sandbox) -> None:
    with pytest.raises(RevertedError) as caught:
        await prague.build(TxRequest(to=BOB))
    assert caught.value.reason == "InvalidNonce()"


async def test_gas_over_the_block_limit_is_refused_with_both_numbers(prague: Sandbox) -> None:
    limit = (await prague.rpc.get_block()).gas_limit
    assert limit > 0
    with pytest.raises(TransactionError, match=f"has {limit + 1}, .* holds {limit}"):
        await prague.build(TxRequest(to=CODE, data=WORD, gas=limit + 1))


async def test_more_value_than_the_balance_is_refused_with_both_numbers(prague: Sandbox) -> None:
    request = TxRequest(to=CODE, value=11 * ETHER, gas=50_000)
    with pytest.raises(InsufficientFundsError, match=r"has 10 ETH, .* may cost 11\.\d+ ETH"):
        await prague.build(request)
    with pytest.raises(InsufficientFundsError, match=r"has 10 ETH, .* sends 11 ETH"):
        await prague.build(TxRequest(to=CODE, value=11 * ETHER))
    with pytest.raises(InsufficientFundsError, match="has 0 ETH"):
        await prague.build(TxRequest(to=CODE, data=WORD, gas=50_000), sender=POOR)


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({}, TxType.DYNAMIC_FEE),
        ({"gas_price": 2 * 10**9}, TxType.LEGACY),
        ({"gas_price": 2 * 10**9, "access_list": SLOT}, TxType.ACCESS_LIST),
    ],
)
async def test_the_estimate_counts_what_the_oracle_asks_for_the_bytes(
    prague: Sandbox, fields: dict[str, Any], kind: TxType
) -> None:
    request = TxRequest(to=CODE, data=WORD, value=5, **fields)
    bare = await prague.build(request)
    prepared = await prague.build(request, op_stack=True)
    assert prepared.type is kind
    # the fee is for the unsigned bytes, which are the signed ones without 65 to 68 of signature
    signed = len((await ALICE.sign_transaction(prepared)).raw)
    nonce_bytes = 4  # the fee is asked for before the nonce is known, with the longest one
    assert prepared.l1_fee % ORACLE_PRICE == 0
    assert signed - 68 <= prepared.l1_fee // ORACLE_PRICE <= signed - 65 + nonce_bytes + 3
    fee = prepared.gas * prepared.max_fee_per_gas
    assert prepared.estimate().atoms == 5 + fee + prepared.l1_fee
    assert bare.l1_fee == 0


async def test_an_l1_fee_that_the_account_cannot_pay_stops_it(prague: Sandbox) -> None:
    request = TxRequest(to=CODE, data=WORD, gas=50_000, gas_price=10**9)
    exactly = 50_000 * 10**9
    await prague.rpc.call("anvil_setBalance", [ALICE.address, hex(exactly)])
    assert (await prague.build(request)).estimate().atoms == exactly
    with pytest.raises(InsufficientFundsError):
        await prague.build(request, op_stack=True)


def test_the_oracle_of_these_tests_is_asked_by_its_real_name() -> None:
    assert keccak256(b"getL1Fee(bytes)")[:4].hex() == "49948e0e"
