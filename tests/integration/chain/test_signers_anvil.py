"""A program that nobody here wrote holds the key: anvil, with its well-known accounts unlocked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from eth_account import Account

from opengradient_sdk.chain import Chain
from opengradient_sdk.devnet.anvil_path import find_anvil
from opengradient_sdk.devnet.evm.anvil_process import AnvilProcess
from opengradient_sdk.errors import ConfigurationError, SignerError
from opengradient_sdk.signers import DigestSigner, LocalSigner, RemoteSigner, Signer
from opengradient_sdk.types import (
    Address,
    Bytes32,
    CodeAuthorization,
    PreparedTx,
    TxRequest,
    TxType,
    TypedData,
)

pytestmark = pytest.mark.anvil

KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
LOCAL = LocalSigner(KEY)
CHAIN_ID = 31337
BOB = Address("0x70997970C51812dc3A010C7d01b50e0d17dc79C8")
CAROL_KEY = "0x" + "ca" * 32
GWEI = 10**9
LISTED = ((BOB, (Bytes32(b"\x01" * 32),)),)

TRANSACTION = PreparedTx(
    chain_id=CHAIN_ID,
    sender=LOCAL.address,
    nonce=7,
    to=BOB,
    data=b"\x01\x02",
    value=5,
    gas=70_000,
    max_fee_per_gas=3 * GWEI,
    max_priority_fee_per_gas=3 * GWEI,
)


def delegation(key: str, code: Address, nonce: int) -> CodeAuthorization:
    """Return ``key``'s permission to run ``code``, signed by eth_account."""
    signed = Account.sign_authorization({"chainId": CHAIN_ID, "address": code, "nonce": nonce}, key)
    return CodeAuthorization(CHAIN_ID, code, nonce, signed.y_parity, signed.r, signed.s)


KINDS = {
    "legacy": replace(TRANSACTION, type=TxType.LEGACY),
    "access list": replace(TRANSACTION, type=TxType.ACCESS_LIST, access_list=LISTED),
    "dynamic fee": replace(TRANSACTION, max_priority_fee_per_gas=GWEI, access_list=LISTED),
    "set code": replace(
        TRANSACTION, type=TxType.SET_CODE, authorizations=(delegation(CAROL_KEY, BOB, 0),)
    ),
    "a new contract": replace(TRANSACTION, to=None, data=bytes.fromhex("600160005500")),
    "nothing in it": replace(TRANSACTION, nonce=0, value=0, data=b""),
}

ORDER = TypedData(
    (("name", "string"), ("chainId", "uint256"), ("verifyingContract", "address")),
    {"name": "Permit2", "chainId": CHAIN_ID, "verifyingContract": str(BOB)},
    (
        ("Order", (("lines", "Line[]"), ("deadline", "uint256"), ("open", "bool"))),
        ("Line", (("amount", "uint256"), ("less", "int64"), ("salt", "bytes32"), ("b", "bytes"))),
    ),
    "Order",
    {
        "lines": [
            {"amount": 2**256 - 1, "less": -5, "salt": b"\x07" * 32, "b": b"\x01"},
            {"amount": 2**53 + 1, "less": 0, "salt": b"\0" * 32, "b": b""},
        ],
        "deadline": 1_900_000_000,
        "open": True,
    },
)


@pytest.fixture(scope="module")
async def anvil_url() -> AsyncIterator[str]:
    program = find_anvil()
    assert program is not None
    arguments = ("--chain-id", str(CHAIN_ID), "--accounts", "1", "--hardfork", "prague")
    process = await AnvilProcess.spawn(program, *arguments, "--host", "127.0.0.1", "--port", "0")
    try:
        yield process.url
    finally:
        await process.stop()


@pytest.fixture
async def remote(anvil_url: str) -> AsyncIterator[RemoteSigner]:
    async with RemoteSigner(anvil_url, LOCAL.address) as signer:
        yield signer


@pytest.mark.parametrize("tx", KINDS.values(), ids=KINDS)
async def test_every_type_comes_back_as_it_was_asked_for(
    remote: RemoteSigner, tx: PreparedTx
) -> None:
    assert await remote.sign_transaction(tx) == await LOCAL.sign_transaction(tx)


async def test_typed_data_is_read_as_we_mean_it(remote: RemoteSigner) -> None:
    assert await remote.sign_typed_data(ORDER) == await LOCAL.sign_typed_data(ORDER)


async def test_the_only_account_is_found(anvil_url: str) -> None:
    async with await RemoteSigner.connect(anvil_url) as signer:
        assert signer.address == LOCAL.address
        assert await signer.sign_typed_data(ORDER) == await LOCAL.sign_typed_data(ORDER)


async def test_an_account_that_anvil_does_not_have_is_hinted_at(anvil_url: str) -> None:
    async with RemoteSigner(anvil_url, BOB) as signer:
        with pytest.raises(SignerError, match="could not sign") as caught:
            await signer.sign_typed_data(ORDER)
        assert f"no unlocked key of {BOB}" in caught.value.hint
        with pytest.raises(SignerError, match="could not sign") as caught:
            await signer.sign_transaction(replace(TRANSACTION, sender=BOB))
        assert f"no unlocked key of {BOB}" in caught.value.hint


async def test_another_chains_transaction_is_refused_by_anvil(remote: RemoteSigner) -> None:
    with pytest.raises(SignerError, match="chain ID"):
        await remote.sign_transaction(replace(TRANSACTION, chain_id=1))


async def test_a_node_without_accounts_is_no_signer(chain_url: str) -> None:
    """Both of the Devnet's chains: they hold no keys."""
    with pytest.raises((ConfigurationError, SignerError), match=r"no account|none of the methods"):
        await RemoteSigner.connect(chain_url)


async def sign_digest(digest: bytes) -> bytes:
    """Sign as a key service would, with another library than ours."""
    return bytes(Account.unsafe_sign_hash(digest, KEY).signature[:64])


@pytest.fixture(params=["remote", "digest"])
def signer(request: pytest.FixtureRequest, remote: RemoteSigner) -> Signer:
    return (
        remote if request.param == "remote" else DigestSigner(sign_digest, address=remote.address)
    )


REQUESTS = {
    "legacy": TxRequest(to=BOB, value=1, gas_price=3 * GWEI),
    "access list": TxRequest(to=BOB, value=1, gas_price=3 * GWEI, access_list=LISTED),
    "dynamic fee": TxRequest(to=BOB, value=1),
    "a new contract": TxRequest(data=bytes.fromhex("600160005500")),
}


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
async def test_what_is_signed_elsewhere_is_mined(
    anvil_url: str, signer: Signer, request_: TxRequest
) -> None:
    async with Chain.connect(anvil_url, signer=signer) as chain:
        receipt = await chain.execute(request_)
    assert receipt.succeeded
    assert receipt.sender == LOCAL.address


async def test_a_delegation_that_is_signed_elsewhere_is_mined(
    anvil_url: str, signer: Signer
) -> None:
    carol = Account.from_key(CAROL_KEY).address
    async with Chain.connect(anvil_url, signer=signer) as chain:
        nonce = await chain.rpc.transaction_count(Address(carol))
        request = TxRequest(
            to=BOB, gas=100_000, authorizations=(delegation(CAROL_KEY, BOB, nonce),)
        )
        receipt = await chain.execute(request)
        assert receipt.succeeded
        code = await chain.rpc.get_code(Address(carol))
    assert code == bytes.fromhex("ef0100") + BOB.to_bytes()
